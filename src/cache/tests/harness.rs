//! A cache with a clock moved by hand, and sources whose answers are given by hand.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use secrecy::SecretString;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

use super::super::{Cache, ErrorClass, Hit, Limits, LoadError, Loader, Policy, Secret, SecretKey};
use crate::clock::Clock;
use crate::template::SecretValue;

pub(super) const START_MS: i64 = 1_000_000_000;
pub(super) const MINUTE_MS: i64 = 60_000;
/// 100 s fresh, refresh-ahead between 72 and 80 s, stale up to an hour.
pub(super) const POLICY: Policy = Policy { ttl_ms: 100_000, max_stale_ms: 3_600_000 };
pub(super) const NO_TTL: Policy = Policy { ttl_ms: 0, max_stale_ms: 3_600_000 };

pub(super) type Answer = Result<Secret, LoadError>;
pub(super) type Got = Result<Hit, Arc<LoadError>>;

pub(super) struct Fixture {
    pub(super) cache: Arc<Cache>,
    pub(super) clock: Clock,
    pub(super) tasks: TaskTracker,
}

pub(super) fn fixture() -> Fixture {
    fixture_with(Limits::default())
}

pub(super) fn fixture_with(limits: Limits) -> Fixture {
    let (clock, tasks) = (Clock::manual(START_MS), TaskTracker::new());
    Fixture { cache: Cache::new(limits, clock.clone(), tasks.clone()), clock, tasks }
}

impl Fixture {
    pub(super) async fn get(&self, key: &SecretKey, answer: fn() -> Answer) -> Got {
        self.cache.get(key, POLICY, &always(answer)).await
    }

    /// Loads `version` under `key`.
    pub(super) async fn fill(&self, key: &SecretKey, version: &str) {
        self.fill_with(key, secret(version)).await;
    }

    pub(super) async fn fill_with(&self, key: &SecretKey, secret: Secret) {
        assert!(self.cache.get(key, POLICY, &once(Ok(secret))).await.is_ok());
    }

    /// Waits until no load is under way.
    pub(super) async fn settle(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
    }

    pub(super) fn loads(&self) -> u64 {
        self.cache.counters().loads
    }

    pub(super) fn cached(&self, key: &SecretKey) -> Option<String> {
        self.cache.peek(key).map(|entry| entry.secret.version_id.clone())
    }
}

pub(super) fn key(secret: &str) -> SecretKey {
    SecretKey { source: Arc::from("source-1"), secret: Arc::from(secret), pin: Arc::from("AWSCURRENT") }
}

pub(super) fn secret(version: &str) -> Secret {
    Secret {
        value: SecretValue::from_text(SecretString::from("hunter2 hunter2")),
        version_id: version.to_owned(),
        arn: None,
        name: String::new(),
        foreign: false,
        stages: vec!["AWSCURRENT".to_owned()],
        next_rotation_ms: None,
    }
}

/// A secret with both of its names.
pub(super) fn named(version: &str, name: &str, arn: &str) -> Secret {
    Secret { arn: Some(arn.to_owned()), name: name.to_owned(), ..secret(version) }
}

pub(super) fn error(class: ErrorClass) -> LoadError {
    LoadError { class, code: format!("{class:?}Exception"), message: "no".to_owned(), request_id: None }
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where a failure may stand")]
pub(super) fn v1() -> Answer {
    Ok(secret("v1"))
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where a failure may stand")]
pub(super) fn v2() -> Answer {
    Ok(secret("v2"))
}

pub(super) fn denied() -> Answer {
    Err(error(ErrorClass::Denied))
}

pub(super) fn unavailable() -> Answer {
    Err(error(ErrorClass::Unavailable))
}

/// A loader that answers at once.
pub(super) fn always(answer: impl Fn() -> Answer + Send + Sync + 'static) -> Loader {
    Arc::new(move || Box::pin(std::future::ready(answer())))
}

/// A loader that has one answer to give.
pub(super) fn once(answer: Answer) -> Loader {
    let answer = Mutex::new(Some(answer));
    always(move || answer.lock().unwrap().take().unwrap())
}

/// A loader that must not be called.
pub(super) fn never() -> Loader {
    always(|| panic!("no load was expected"))
}

/// A source that answers when the test says so.
pub(super) struct Source {
    pub(super) loader: Loader,
    calls: mpsc::UnboundedReceiver<oneshot::Sender<Answer>>,
    count: Arc<AtomicUsize>,
}

/// A load that waits for its answer.
pub(super) struct Call(oneshot::Sender<Answer>);

impl Source {
    pub(super) fn new() -> Self {
        let (sender, calls) = mpsc::unbounded_channel();
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let loader: Loader = Arc::new(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            let (answer, answered) = oneshot::channel();
            sender.send(answer).unwrap();
            Box::pin(async move { answered.await.unwrap() })
        });
        Self { loader, calls, count }
    }

    /// The next load, once it has started.
    pub(super) async fn call(&mut self) -> Call {
        Call(self.calls.recv().await.unwrap())
    }

    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

impl Call {
    pub(super) fn answer(self, answer: Answer) {
        assert!(self.0.send(answer).is_ok());
    }
}

/// Goes as far as a future comes without waiting.
pub(super) fn poll<F: Future>(future: Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

pub(super) fn version(got: Got) -> String {
    match got {
        Ok(hit) => hit.entry.secret.version_id.clone(),
        Err(error) => panic!("expected a value, not {error:?}"),
    }
}

pub(super) fn class(got: Got) -> ErrorClass {
    match got {
        Ok(_) => panic!("expected an error, not a value"),
        Err(error) => error.class,
    }
}

/// Collects what is logged on this thread while the guard lives.
pub(super) fn logged() -> (Arc<Mutex<Vec<String>>>, tracing::subscriber::DefaultGuard) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let guard = tracing::subscriber::set_default(Log(Arc::clone(&lines)));
    (lines, guard)
}

struct Log(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.extend([field.name().to_owned(), format!("={value:?} ")]);
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().contains("cache")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
