//! One secret's place in the cache: its value, the load it waits for, the failure it remembers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use rand::random_range;
use tokio::sync::watch;

use super::entry::{Entry, Hit, Policy};
use super::plan::Want;
use super::{EntryStatus, ErrorClass, LastError, LoadError, SecretKey};

/// A refused secret is asked for again after 5 s, then twice as long each time, up to a minute.
const REFUSED_MS: i64 = 5_000;
/// A source out of reach is asked again after 1 s, then twice as long each time, up to a minute.
const UNREACHABLE_MS: i64 = 1_000;
const MAX_WAIT_MS: i64 = 60_000;
/// What a stale answer is logged with when nothing failed: the refresh takes longer than was left of the TTL.
const LATE: &str = "RefreshLate";
/// A stale secret is logged at most once in this time.
const STALE_LOG_MS: i64 = 60_000;

pub(super) struct Slot {
    /// Written only while the table is locked for writing, together with the table's count of bytes.
    pub(super) entry: ArcSwapOption<Entry>,
    /// The table's tick when it was last used.
    used: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    /// The keys that lead here; the first is the one it was made for. Empty when the slot is out of the table.
    pub(super) keys: Vec<SecretKey>,
    /// The load whose result will be taken. Another in its place supersedes it.
    pub(super) flight: Option<Flight>,
    pub(super) failure: Option<Failure>,
    pub(super) forced: Option<ForcedLoad>,
    stale_since_ms: Option<i64>,
    stale_logged_ms: Option<i64>,
}

/// A load under way.
#[derive(Clone)]
pub(super) struct Flight {
    pub(super) number: u64,
    pub(super) reason: Reason,
    pub(super) landing: watch::Receiver<Option<Outcome>>,
}

/// Why a load was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// A reader found nothing fresh.
    Reader,
    /// The value is about to end.
    Ahead,
    /// What is there must be read again, whatever it is.
    Forced,
}

/// How a load ended.
pub(super) type Outcome = Result<Landed, Arc<LoadError>>;

/// A load that brought a value.
#[derive(Clone)]
pub(super) struct Landed {
    pub(super) entry: Arc<Entry>,
    /// Whether the value is what is cached now. Not so when the load was overtaken by an eviction or another load.
    pub(super) kept: bool,
    /// Whether the version is another than was cached before; true when that is not known.
    pub(super) changed: bool,
}

/// The last failure since the last success.
#[derive(Clone)]
pub(super) struct Failure {
    pub(super) error: Arc<LoadError>,
    at_ms: i64,
    retry_ms: i64,
    tries: u32,
}

/// The last forced load.
#[derive(Clone, Copy)]
pub(super) struct ForcedLoad {
    pub(super) started_ms: i64,
    pub(super) changed: bool,
}

impl Slot {
    pub(super) fn new(key: &SecretKey, tick: u64) -> Self {
        Self {
            entry: ArcSwapOption::empty(),
            used: AtomicU64::new(tick),
            state: Mutex::new(State { keys: vec![key.clone()], ..State::default() }),
        }
    }

    // Every change of the state is complete in itself, so a poisoned lock is taken as it is.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether all it has is a value of an earlier process.
    pub(super) fn holds_restored(&self) -> bool {
        self.entry.load().as_ref().is_some_and(|entry| entry.restored)
    }

    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// The tick moves only when a slot is made, so a hot secret is written to once for many hits.
    pub(super) fn touch(&self, tick: u64) {
        if self.used() != tick {
            self.used.store(tick, Ordering::Relaxed);
        }
    }

    pub(super) fn status(&self, now_ms: i64) -> Option<EntryStatus> {
        let state = self.lock();
        let key = state.keys.first()?.clone();
        let entry = self.entry.load_full();
        let entry = entry.as_deref();
        Some(EntryStatus {
            key,
            fetched_ms: entry.map(|entry| entry.fetched_ms),
            version_id: entry.map(|entry| entry.secret.version_id.clone()),
            age_ms: entry.map(|entry| entry.age_ms(now_ms)),
            expires_ms: entry.map(|entry| entry.life(entry.policy).expires_ms.max(entry.fetched_ms)),
            last_error: state.failure.as_ref().map(Failure::told),
            stale_since_ms: state.stale_since_ms,
            bytes: entry.map_or(0, |entry| entry.bytes),
        })
    }
}

impl State {
    /// Takes the load out if it is still the one waited for: only then may its result change anything.
    pub(super) fn land(&mut self, number: u64) -> bool {
        let awaited = self.flight.as_ref().is_some_and(|flight| flight.number == number);
        if awaited {
            self.flight = None;
        }
        awaited
    }

    /// Whether a load may be started in the background: none is under way and the backoff is over.
    pub(super) fn may_try(&self, now_ms: i64) -> bool {
        self.flight.is_none() && self.failure.as_ref().is_none_or(|failure| now_ms >= failure.retry_ms)
    }

    /// Whether the last load failed for a reason that says nothing about the secret.
    pub(super) fn is_out_of_reach(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.error.class.is_transient())
    }

    /// Whether the entry ended while a refresh was under way that was begun before. Not when a rotation ended it: then
    /// the value is as good as known to be wrong.
    pub(super) fn is_refresh_late(&self, entry: &Entry, now_ms: i64) -> bool {
        self.flight.as_ref().is_some_and(|flight| flight.reason == Reason::Ahead) && !entry.is_rotated(now_ms)
    }

    /// Whether the last load was refused, however long ago.
    pub(super) fn is_refused(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| !failure.error.class.is_transient())
    }

    /// The refusal that stands for now.
    pub(super) fn remembered(&self, now_ms: i64) -> Option<Arc<LoadError>> {
        let failure = self.failure.as_ref().filter(|_| self.is_refused())?;
        (now_ms < failure.retry_ms).then(|| Arc::clone(&failure.error))
    }

    pub(super) fn failed(&mut self, error: &Arc<LoadError>, now_ms: i64) {
        let transient = error.class.is_transient();
        let before = self.failure.as_ref().filter(|failure| failure.error.class.is_transient() == transient);
        let tries = before.map_or(0, |failure| failure.tries).saturating_add(1);
        let retry_ms = now_ms.saturating_add(wait_ms(error.class, tries));
        self.failure = Some(Failure { error: Arc::clone(error), at_ms: now_ms, retry_ms, tries });
    }

    pub(super) fn succeeded(&mut self) {
        self.failure = None;
        self.stale_since_ms = None;
        self.stale_logged_ms = None;
    }

    /// Forgets a refusal. That the source was out of reach stays known, so that readers need not wait to find out, but
    /// the next of them tries.
    pub(super) fn forget_failure(&mut self) {
        if self.is_refused() {
            self.failure = None;
        } else if let Some(failure) = &mut self.failure {
            failure.retry_ms = failure.at_ms;
            failure.tries = 0;
        }
    }

    /// The entry as a stale answer, if it is young enough for one.
    pub(super) fn serve_stale(&mut self, want: &Want<'_>, entry: Arc<Entry>) -> Option<Hit> {
        if !entry.may_be_stale(want.policy, want.now_ms) {
            return None;
        }
        self.stale_since_ms.get_or_insert(want.now_ms);
        let stale_ms = Some(entry.age_ms(want.now_ms));
        Some(Hit { entry: entry.into(), stale_ms, fresh_until_ms: 0 })
    }

    /// The code of the error to log a stale answer with, once a minute.
    pub(super) fn stale_log_due(&mut self, now_ms: i64) -> Option<String> {
        if self.stale_logged_ms.is_some_and(|last| now_ms.saturating_sub(last) < STALE_LOG_MS) {
            return None;
        }
        self.stale_logged_ms = Some(now_ms);
        Some(self.failure.as_ref().map_or_else(|| LATE.to_owned(), |failure| failure.error.code.clone()))
    }
}

impl Flight {
    pub(super) fn is_forced(&self) -> bool {
        self.reason == Reason::Forced
    }

    /// Waits for the load to end.
    pub(super) async fn outcome(mut self) -> Outcome {
        let Ok(outcome) = self.landing.wait_for(Option::is_some).await else { return Err(abandoned()) };
        outcome.clone().unwrap_or_else(|| Err(abandoned()))
    }
}

impl Landed {
    pub(super) fn hit(self, policy: Policy) -> Hit {
        let hit = self.entry.fresh(policy);
        // A reader that kept what the cache did not would hold it past its eviction.
        if self.kept { hit } else { Hit { fresh_until_ms: 0, ..hit } }
    }
}

impl Failure {
    fn told(&self) -> LastError {
        LastError { code: self.error.code.clone(), message: self.error.message.clone(), at_ms: self.at_ms }
    }
}

/// What those are told who wait for a load that never ended: it panicked, or the process is shutting down.
pub(super) fn abandoned() -> Arc<LoadError> {
    Arc::new(LoadError {
        class: ErrorClass::Unavailable,
        code: "LoadAbandoned".to_owned(),
        message: "the load of the secret was abandoned; try again".to_owned(),
        request_id: None,
    })
}

/// How long to wait after so many failures. A refusal is remembered exactly as long as specified; a source out of reach
/// is asked up to a fifth earlier, so that replicas do not ask together.
fn wait_ms(class: ErrorClass, tries: u32) -> i64 {
    let first = if class.is_transient() { UNREACHABLE_MS } else { REFUSED_MS };
    let doubled = first.saturating_mul(1_i64.checked_shl(tries.saturating_sub(1).min(16)).unwrap_or(1));
    let wait = doubled.min(MAX_WAIT_MS);
    if class.is_transient() { wait - random_range(0..=wait / 5) } else { wait }
}
