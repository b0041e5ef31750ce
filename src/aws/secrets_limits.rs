//! How fast one source is asked: so many calls at once, and so many a second.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::aws::{AwsError, ErrorKind};

/// Calls of one source under way at once.
const AT_ONCE: usize = 16;
/// Calls a second that one source gets; the account's quotas are shared with everybody else in it.
const A_SECOND: f64 = 100.0;
/// A call that would have to wait longer is not made.
const PATIENCE: Duration = Duration::from_secs(10);

/// The limits of one source.
#[derive(Debug)]
pub struct Limits {
    places: Semaphore,
    bucket: Mutex<Bucket>,
}

/// Tokens come back with time; a burst takes those that are there.
#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

impl Limits {
    /// Full of tokens.
    pub fn new() -> Limits {
        let bucket = Bucket { tokens: A_SECOND, at: Instant::now() };
        Limits { places: Semaphore::new(AT_ONCE), bucket: Mutex::new(bucket) }
    }

    /// Waits for a place and a token. The place is free again when the permit is dropped.
    pub(super) async fn admit(&self) -> Result<SemaphorePermit<'_>, AwsError> {
        self.admit_within(PATIENCE).await
    }

    async fn admit_within(&self, patience: Duration) -> Result<SemaphorePermit<'_>, AwsError> {
        let admitted = async {
            let permit = self.places.acquire().await.map_err(|_| refused())?;
            let wait = self.bucket.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now());
            tokio::time::sleep(wait).await;
            Ok(permit)
        };
        tokio::time::timeout(patience, admitted).await.map_err(|_| refused())?
    }
}

impl Bucket {
    /// Takes one token; says how long to wait until it is there.
    fn take(&mut self, now: Instant) -> Duration {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * A_SECOND;
        self.tokens = (self.tokens + gained).min(A_SECOND) - 1.0;
        self.at = now;
        Duration::from_secs_f64((-self.tokens / A_SECOND).max(0.0))
    }
}

fn refused() -> AwsError {
    let text = format!(
        "the service asks one source {A_SECOND} times a second at the most, and too many wait already"
    );
    AwsError::new(ErrorKind::Throttled, "secretsmanager", "UpstreamLimit", text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{AT_ONCE, Bucket, Limits};

    #[test]
    fn a_burst_goes_through_and_what_follows_goes_a_hundred_a_second() {
        let start = Instant::now();
        let mut bucket = Bucket { tokens: 100.0, at: start };
        assert!((0..100).all(|_| bucket.take(start).is_zero()));
        let waits: Vec<u128> = (0..3).map(|_| bucket.take(start).as_millis()).collect();
        assert_eq!(waits, [10, 20, 30]);
        // after a second what was owed is paid back, and there are tokens again
        assert!(bucket.take(start + Duration::from_secs(1)).is_zero());
        // tokens do not pile up beyond the burst
        let later = start + Duration::from_hours(1);
        assert_eq!((0..200).filter(|_| bucket.take(later).is_zero()).count(), 100);
    }

    #[tokio::test]
    async fn so_many_are_under_way_at_once_and_no_more() {
        let limits = Limits::new();
        let mut permits = Vec::new();
        for _ in 0..AT_ONCE {
            permits.push(limits.admit().await.unwrap());
        }
        assert_eq!(limits.places.available_permits(), 0);
        permits.pop();
        assert!(limits.admit().await.is_ok());
    }

    #[tokio::test]
    async fn who_waits_too_long_is_told_of_the_limit() {
        let limits = Limits::new();
        let mut permits = Vec::new();
        for _ in 0..AT_ONCE {
            permits.push(limits.admit().await.unwrap());
        }
        let error = limits.admit_within(Duration::from_millis(20)).await.unwrap_err();
        assert_eq!(error.code, "UpstreamLimit");
    }
}
