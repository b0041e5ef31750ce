//! The one place that asks what time it is.
//!
//! Everything that depends on time takes a [`Clock`], so that tests move time instead of waiting for it.
//! The pure ranks never see a clock: they are handed a moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Tells epoch milliseconds, from the system or from a hand-moved counter.
#[derive(Debug, Clone)]
pub struct Clock(Kind);

#[derive(Debug, Clone)]
enum Kind {
    System,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(Kind::System)
    }

    /// A clock that stands at `now_ms` until it is moved.
    pub fn manual(now_ms: i64) -> Self {
        Self(Kind::Manual(Arc::new(AtomicI64::new(now_ms))))
    }

    /// Moves a manual clock forward; a system clock is not moved.
    pub fn advance_ms(&self, by: i64) {
        if let Kind::Manual(now) = &self.0 {
            now.fetch_add(by, Ordering::SeqCst);
        }
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub fn now_ms(&self) -> i64 {
        match &self.0 {
            Kind::System => jiff::Timestamp::now().as_millisecond(),
            Kind::Manual(now) => now.load(Ordering::SeqCst),
        }
    }
}

/// Epoch milliseconds as RFC 3339 in UTC, for example `2026-11-01T10:00:00Z`; a fraction ends with its last digit
/// that is not nothing. Every query asks, so that years from 1970 to 9999 are written here.
pub fn rfc3339(epoch_ms: i64) -> String {
    match u64::try_from(epoch_ms) {
        Ok(ms) if ms < MOST_MS => written(ms),
        _ => rfc3339_of_any(epoch_ms),
    }
}

/// The first millisecond of the year 10000.
const MOST_MS: u64 = 253_402_300_800_000;
const SECONDS_OF_DAY: u64 = 86_400;

fn written(epoch_ms: u64) -> String {
    let (seconds, ms) = (epoch_ms / 1000, epoch_ms % 1000);
    let (year, month, day) = civil(seconds / SECONDS_OF_DAY);
    let of_day = seconds % SECONDS_OF_DAY;
    let mut text = String::with_capacity(24);
    let groups = [
        (year, 1000, '-'),
        (month, 10, '-'),
        (day, 10, 'T'),
        (of_day / 3600, 10, ':'),
        (of_day / 60 % 60, 10, ':'),
        (of_day % 60, 10, '.'),
        (ms, 100, 'Z'),
    ];
    for (number, highest, end) in groups {
        let mut unit = highest;
        while unit > 0 {
            text.push(digit(number / unit));
            unit /= 10;
        }
        text.push(end);
    }
    while text.ends_with(['Z', '0', '.']) {
        let dot = text.ends_with('.');
        text.pop();
        if dot {
            break;
        }
    }
    text.push('Z');
    text
}

fn digit(number: u64) -> char {
    char::from(b'0' + u8::try_from(number % 10).unwrap_or(0))
}

/// Year, month and day of a day since 1970 (the proleptic Gregorian calendar, counted in eras of 400 years).
pub fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + days / 146_097 * 400 + u64::from(month <= 2), month, day)
}

fn rfc3339_of_any(epoch_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(epoch_ms)
        .map_or_else(|_| "1970-01-01T00:00:00Z".to_owned(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert_eq, proptest};

    use super::{MOST_MS, rfc3339, rfc3339_of_any};

    #[test]
    fn moments_are_written_without_what_is_nothing() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_782_400_120), "2000-02-29T00:00:00.12Z");
        assert_eq!(rfc3339(1_793_527_200_000), "2026-11-01T10:00:00Z");
        assert_eq!(rfc3339(i64::MIN), "1970-01-01T00:00:00Z");
    }

    proptest! {
        #[test]
        fn every_moment_is_written_as_the_library_writes_it(ms in -1_000_000_i64..i64::try_from(MOST_MS).unwrap() + 1000) {
            prop_assert_eq!(rfc3339(ms), rfc3339_of_any(ms));
        }
    }
}
