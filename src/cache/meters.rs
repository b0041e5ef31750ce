//! What the cache counts. No label carries a source or a secret.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use metrics::{Counter, counter, describe_counter};

/// Places of a counter that threads count apart.
const STRIPES: usize = 16;

/// What happened since the cache was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Fresh answers from memory.
    pub hits: u64,
    /// Readers that had to wait for a load.
    pub misses: u64,
    /// Loads started, those in the background included.
    pub loads: u64,
    /// Answers past their end because the source could not be reached.
    pub stale: u64,
    /// Values thrown away: for want of room, on request, or because the source refuses the secret.
    pub evictions: u64,
    /// Loads that failed.
    pub errors: u64,
}

/// One counter, readable in the process and emitted as a metric.
pub(super) struct Meter {
    count: AtomicU64,
    /// Kept, because finding it by name costs more than a hit.
    metric: Counter,
}

impl Meter {
    fn new(metric: Counter) -> Self {
        Self { count: AtomicU64::new(0), metric }
    }

    pub(super) fn add(&self, count: u64) {
        if count > 0 {
            self.count.fetch_add(count, Ordering::Relaxed);
            self.metric.increment(count);
        }
    }

    fn read(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

/// One of the places of a counter, alone in its cache lines.
#[repr(align(128))]
#[derive(Default)]
struct Stripe(AtomicU64);

/// A counter that threads count apart, so that none waits for another. It becomes a metric when it is published.
pub(super) struct StripedMeter {
    stripes: Vec<Stripe>,
    metric: Counter,
}

thread_local! {
    static STRIPE: usize = NEXT_STRIPE.fetch_add(1, Ordering::Relaxed);
}
static NEXT_STRIPE: AtomicUsize = AtomicUsize::new(0);

impl StripedMeter {
    fn new(metric: Counter) -> Self {
        Self { stripes: (0..STRIPES).map(|_| Stripe::default()).collect(), metric }
    }

    pub(super) fn add(&self, count: u64) {
        let own = STRIPE.with(|stripe| stripe % STRIPES);
        if let Some(stripe) = self.stripes.get(own) {
            stripe.0.fetch_add(count, Ordering::Relaxed);
        }
    }

    fn read(&self) -> u64 {
        self.stripes.iter().map(|stripe| stripe.0.load(Ordering::Relaxed)).sum()
    }
}

pub(super) struct Meters {
    pub(super) hits: StripedMeter,
    pub(super) misses: Meter,
    pub(super) loads: Meter,
    pub(super) stale: Meter,
    pub(super) evictions: Meter,
    pub(super) errors: Meter,
}

impl Meters {
    pub(super) fn register() -> Self {
        describe_counter!("s3_connector_secret_cache_hits_total", "Fresh secrets from memory");
        describe_counter!(
            "s3_connector_secret_cache_misses_total",
            "Readers that waited for a secret to load"
        );
        describe_counter!("s3_connector_secret_cache_loads_total", "Secret loads started");
        describe_counter!("s3_connector_secret_cache_stale_total", "Secrets served past their time to live");
        describe_counter!("s3_connector_secret_cache_evictions_total", "Secrets thrown out of memory");
        describe_counter!("s3_connector_secret_cache_errors_total", "Secret loads that failed");
        Self {
            hits: StripedMeter::new(counter!("s3_connector_secret_cache_hits_total")),
            misses: Meter::new(counter!("s3_connector_secret_cache_misses_total")),
            loads: Meter::new(counter!("s3_connector_secret_cache_loads_total")),
            stale: Meter::new(counter!("s3_connector_secret_cache_stale_total")),
            evictions: Meter::new(counter!("s3_connector_secret_cache_evictions_total")),
            errors: Meter::new(counter!("s3_connector_secret_cache_errors_total")),
        }
    }

    pub(super) fn publish(&self) {
        self.hits.metric.absolute(self.hits.read());
    }

    pub(super) fn read(&self) -> Counters {
        Counters {
            hits: self.hits.read(),
            misses: self.misses.read(),
            loads: self.loads.read(),
            stale: self.stale.read(),
            evictions: self.evictions.read(),
            errors: self.errors.read(),
        }
    }
}
