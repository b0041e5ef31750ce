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

/// Epoch milliseconds as RFC 3339 in UTC, for example `2026-11-01T10:00:00Z`.
pub fn rfc3339(epoch_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(epoch_ms)
        .map_or_else(|_| "1970-01-01T00:00:00Z".to_owned(), |at| at.to_string())
}
