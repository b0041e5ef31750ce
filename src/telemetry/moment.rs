//! The moment of a log line, `2026-11-01T10:00:00.000000Z`. Every request writes one, so it is written without the detours
//! of formatting.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use crate::clock::civil;

const SECONDS_OF_DAY: u64 = 86_400;

/// Writes the present moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now;

impl FormatTime for Now {
    fn format_time(&self, out: &mut Writer<'_>) -> fmt::Result {
        // before 1970 no clock of ours was right
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let text = written(since.as_secs(), since.subsec_micros());
        out.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

fn written(seconds: u64, micros: u32) -> [u8; 27] {
    let (year, month, day) = civil(seconds / SECONDS_OF_DAY);
    let of_day = seconds % SECONDS_OF_DAY;
    let numbers = [
        (year, 4),
        (month, 2),
        (day, 2),
        (of_day / 3600, 2),
        (of_day / 60 % 60, 2),
        (of_day % 60, 2),
        (u64::from(micros), 6),
    ];
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    let mut rest = &mut text[..];
    for (number, digits) in numbers {
        let Some((place, more)) = rest.split_at_mut_checked(digits) else { break };
        let mut left = number;
        for digit in place.iter_mut().rev() {
            *digit = b'0' + u8::try_from(left % 10).unwrap_or(0);
            left /= 10;
        }
        // what stands between two numbers stays
        rest = more.get_mut(1..).unwrap_or_default();
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert_eq, proptest};

    use super::written;

    proptest! {
        #[test]
        fn a_moment_is_written_as_the_library_writes_it(seconds in 0_u64..253_402_300_800, micros in 0_u32..1_000_000) {
            let nanos = i32::try_from(micros * 1000).unwrap();
            let at = jiff::Timestamp::new(i64::try_from(seconds).unwrap(), nanos).unwrap();
            let ours = String::from_utf8(written(seconds, micros).to_vec()).unwrap();
            prop_assert_eq!(ours, format!("{at:.6}"));
        }
    }
}
