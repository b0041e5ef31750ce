//! Events about changed secrets: who may send them, what they do here, and how every replica hears of them.
//!
//! An event only makes the service read a secret again: a false one costs a call and changes nothing.

use std::collections::{HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::Notify;
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::app::source::Source;
use crate::app::{App, Error, audit};
use crate::cache::SecretKey;
use crate::config;
use crate::model::audit::Event;
use crate::model::secret_event::{self, ChangeKind, SecretEvent};
use crate::store::new_id;

/// Seconds that the time of a signature may be off.
const MOST_SKEW_SECONDS: u64 = 300;
/// Signatures of one header that are looked at: two while a secret is changed.
const MOST_SIGNATURES: usize = 4;
/// Milliseconds that ids of events are remembered, and how many.
const REMEMBERED_MS: i64 = 600_000;
const MOST_REMEMBERED: usize = 10_000;
/// The sender of an event waits so long for what it does.
const REFETCH_TIME: Duration = Duration::from_secs(10);
/// Characters of the secret of events.
const LEAST_SECRET: usize = 16;
/// Secrets that are read at once.
const AT_ONCE: usize = 8;

/// What is kept of events.
#[derive(Debug)]
pub struct Events {
    /// This replica, among those of one database.
    origin: String,
    /// The event up to which those of other replicas were looked at.
    looked: AtomicI64,
    seen: Mutex<Seen>,
    /// Wakes the task that looks for changes.
    pub(super) wake: Notify,
}

/// The ids of the last events.
#[derive(Debug, Default)]
struct Seen {
    ids: HashSet<String>,
    order: VecDeque<(i64, String)>,
}

/// What a request says of its sender.
#[derive(Debug, Clone, Copy)]
pub struct EventSender<'a> {
    /// The header with time and signature.
    pub signature: Option<&'a str>,
    /// The secret itself, from those that cannot sign.
    pub key: Option<&'a str>,
    /// The bytes that are signed.
    pub body: &'a [u8],
    /// The sender's address.
    pub from: IpAddr,
}

/// How an event came.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// `http` or `sqs`.
    pub via: &'static str,
    /// The sender's address; empty for a queue.
    pub from: &'a str,
    /// The id of the request or message.
    pub request_id: &'a str,
}

/// What an event did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct EventOutcome {
    /// Cached secrets that it means.
    pub matched: usize,
    /// Those that were read again.
    pub refreshed: usize,
    /// Why others were not. The last value is kept while the source cannot be reached.
    pub errors: Vec<String>,
    /// Whether an event of that id came before, so that nothing was done.
    pub duplicate: bool,
    /// Whether it is of a kind that changes no value.
    pub ignored: bool,
}

impl Events {
    /// A secret that can be guessed lets everybody in.
    pub(super) fn check(settings: &config::Events) -> anyhow::Result<()> {
        let short =
            settings.secret.as_ref().is_some_and(|secret| secret.expose_secret().len() < LEAST_SECRET);
        anyhow::ensure!(
            !short,
            "S3_CONNECTOR_EVENTS_SECRET has fewer than {LEAST_SECRET} characters: make one with `openssl rand -hex 32`"
        );
        Ok(())
    }

    /// Events after that one are still to be seen.
    pub(super) fn new(newest: i64) -> Events {
        Events {
            origin: new_id(),
            looked: AtomicI64::new(newest),
            seen: Mutex::default(),
            wake: Notify::new(),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// Remembers an id; says whether it is new.
    fn note(&mut self, id: &str, now_ms: i64) -> bool {
        while self.order.front().is_some_and(|(at, _)| now_ms - at > REMEMBERED_MS) {
            self.drop_oldest();
        }
        if self.ids.contains(id) {
            return false;
        }
        if self.order.len() >= MOST_REMEMBERED {
            self.drop_oldest();
        }
        self.order.push_back((now_ms, id.to_owned()));
        self.ids.insert(id.to_owned())
    }

    fn drop_oldest(&mut self) {
        if let Some((_, id)) = self.order.pop_front() {
            self.ids.remove(&id);
        }
    }

    /// The event was not handled: it may come again.
    fn forget(&mut self, id: &str) {
        self.ids.remove(id);
        self.order.retain(|(_, known)| known != id);
    }
}

impl App {
    /// Whether events are taken by HTTP at all.
    pub fn takes_events(&self) -> bool {
        self.config.events.secret.is_some()
    }

    /// Refuses who does not know the secret of events.
    pub fn check_event_sender(&self, sender: &EventSender<'_>) -> Result<(), Error> {
        let Some(secret) = &self.config.events.secret else {
            return Err(Error::NotFound { what: "route", name: "events".to_owned() });
        };
        let now = self.clock.now_ms();
        let checked = match (sender.signature, sender.key) {
            (Some(signature), _) => check_signature(secret, signature, sender.body, now),
            (None, Some(key)) => check_key(secret, key),
            (None, None) => {
                Err("sign the event in the header `x-s3-connector-signature`, or send `x-api-key`")
            }
        };
        checked.map_err(|reason| {
            count("http", "refused");
            if self.failures.blocked(sender.from, now) {
                return Error::TooManyFailures;
            }
            self.failures.note(sender.from, now);
            Error::Unauthenticated(reason)
        })
    }

    /// Takes an event: every replica lets go of what it means, and this one has read it again when it answers.
    pub async fn receive_event(
        self: &Arc<Self>,
        text: &str,
        delivery: Delivery<'_>,
    ) -> Result<EventOutcome, Error> {
        let parsed = secret_event::parse(text).map_err(|error| {
            count(delivery.via, "refused");
            Error::BadRequest(error.to_string())
        })?;
        let Some(mut event) = parsed else {
            count(delivery.via, "ignored");
            return Ok(EventOutcome { ignored: true, ..EventOutcome::default() });
        };
        let id = event.id.take().unwrap_or_else(|| hex::encode(Sha256::digest(text.as_bytes())));
        event.id = Some(id.clone());
        let now = self.clock.now_ms();
        if !self.events.seen().note(&id, now) {
            count(delivery.via, "duplicate");
            return Ok(EventOutcome { duplicate: true, ..EventOutcome::default() });
        }
        let row = audit_row(&event, delivery, now);
        let app = Arc::clone(self);
        // a sender that goes away must not leave the event half handled: it would not be taken again
        let task = self.tracker.spawn(async move { app.handle(&event, &row).await });
        let handled =
            task.await.unwrap_or(Err(Error::Overloaded("the event was given up: send it again in a moment")));
        if handled.is_err() {
            self.events.seen().forget(&id);
        }
        count(delivery.via, if handled.is_ok() { "handled" } else { "failed" });
        handled
    }

    async fn handle(self: &Arc<Self>, event: &SecretEvent, row: &Event) -> Result<EventOutcome, Error> {
        let text = serde_json::to_string(event).map_err(|error| Error::BadRequest(error.to_string()))?;
        let now = self.clock.now_ms();
        self.store.post_secret_event(&self.events.origin, &text, now, row).await?;
        Ok(self.apply_event(event).await)
    }

    /// Does what an event says to this replica's cache.
    async fn apply_event(self: &Arc<Self>, event: &SecretEvent) -> EventOutcome {
        let found = self.meant_by(event);
        let mut outcome = EventOutcome { matched: found.len(), ..EventOutcome::default() };
        if event.kind == ChangeKind::Deleted {
            for (_, key) in &found {
                self.cache.evict(key);
            }
            return outcome;
        }
        let deadline = Instant::now() + REFETCH_TIME;
        for group in found.chunks(AT_ONCE) {
            let refreshes = group.iter().map(|(source, key)| self.refresh_one(source, key));
            // what is under way goes on, and is cached when it comes
            let Ok(done) = tokio::time::timeout_at(deadline, futures_util::future::join_all(refreshes)).await
            else {
                outcome.errors.push("not every secret could be read again in time".to_owned());
                break;
            };
            for refresh in done {
                match refresh.error {
                    None => outcome.refreshed += 1,
                    Some(error) => outcome.errors.push(error),
                }
            }
        }
        let (secret, matched, refreshed) = (&*event.secret, outcome.matched, outcome.refreshed);
        tracing::info!(secret, matched, refreshed, errors = outcome.errors.len(), "an event of a secret");
        outcome
    }

    /// The cached secrets that an event means, in every project.
    fn meant_by(&self, event: &SecretEvent) -> Vec<(Arc<Source>, SecretKey)> {
        let state = self.registry.state();
        let here = |region: &str| event.region.as_deref().is_none_or(|own| own == region);
        let mut found = Vec::new();
        for (source, _) in state.aws_sources().filter(|(_, aws)| here(&aws.region)) {
            let keys = self.cache.keys_of(&source.record.id, |name, arn| event.concerns(name, arn));
            // a version never changes; it can only go
            let keys = keys
                .into_iter()
                .filter(|key| event.kind == ChangeKind::Deleted || !key.pin.starts_with("version:"));
            found.extend(keys.map(|key| (Arc::clone(source), key)));
        }
        found
    }

    /// Does what events of other replicas say. The secrets are read in a task of their own.
    pub(super) async fn look_for_events(self: &Arc<Self>) -> Result<(), Error> {
        let posted = self.store.secret_events(self.events.looked.load(Ordering::Relaxed)).await?;
        let Some(last) = posted.last() else { return Ok(()) };
        self.events.looked.store(last.id, Ordering::Relaxed);
        let theirs = posted.into_iter().filter(|posted| posted.origin != self.events.origin);
        let events: Vec<SecretEvent> =
            theirs.filter_map(|posted| serde_json::from_str(&posted.event).ok()).collect();
        if events.is_empty() {
            return Ok(());
        }
        let app = Arc::clone(self);
        let work = async move {
            for event in events {
                if let Some(id) = &event.id {
                    app.events.seen().note(id, app.clock.now_ms());
                }
                app.apply_event(&event).await;
                count("replica", "handled");
            }
        };
        let stopping = self.stopping.clone();
        self.tracker.spawn(async move { stopping.run_until_cancelled_owned(work).await });
        Ok(())
    }
}

fn count(via: &'static str, outcome: &'static str) {
    metrics::counter!("s3_connector_secret_events_total", "via" => via, "outcome" => outcome).increment(1);
}

fn audit_row(event: &SecretEvent, delivery: Delivery<'_>, now_ms: i64) -> Event {
    let kind = match event.kind {
        ChangeKind::LabelUpdated => "label updated",
        ChangeKind::ValueChanged => "value changed",
        ChangeKind::Deleted => "deleted",
        ChangeKind::Rotated => "rotated",
    };
    let id = event.id.as_deref().unwrap_or_default();
    Event {
        who: "events".to_owned(),
        from: delivery.from.to_owned(),
        secrets: vec![event.secret.clone()],
        request_id: delivery.request_id.to_owned(),
        detail: Some(format!("{kind}, by {}, event {id}", delivery.via)),
        ..audit::own_event("secret.event", event.secret.clone(), now_ms)
    }
}

/// `t=SECONDS,v1=HEX`: HMAC-SHA256 of the seconds, a dot and the body. Of several `v1` one must be right.
fn check_signature(
    secret: &SecretString,
    header: &str,
    body: &[u8],
    now_ms: i64,
) -> Result<(), &'static str> {
    const WRONG: &str = "the signature of the event is wrong";
    let parts = || header.split(',').filter_map(|part| part.trim().split_once('='));
    let time = parts().find(|(name, _)| *name == "t").map(|(_, time)| time).ok_or(WRONG)?;
    let mut mac =
        <Hmac<Sha256> as KeyInit>::new_from_slice(secret.expose_secret().as_bytes()).map_err(|_| WRONG)?;
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    let right = parts()
        .filter(|(name, _)| *name == "v1")
        .take(MOST_SIGNATURES)
        .filter_map(|(_, code)| hex::decode(code).ok())
        .any(|code| mac.clone().verify_slice(&code).is_ok());
    if !right {
        return Err(WRONG);
    }
    let seconds: i64 = time.parse().map_err(|_| WRONG)?;
    if (now_ms / 1000).abs_diff(seconds) > MOST_SKEW_SECONDS {
        return Err("the time of the signature is more than five minutes off: sign anew, and set the clock");
    }
    Ok(())
}

fn check_key(secret: &SecretString, key: &str) -> Result<(), &'static str> {
    // of one length, so that the time tells nothing of the secret's own
    let hash = |text: &str| -> [u8; 32] { Sha256::digest(text.as_bytes()).into() };
    let same: bool = hash(secret.expose_secret()).ct_eq(&hash(key)).into();
    if same { Ok(()) } else { Err("the key of the sender of events is wrong") }
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit, Mac};
    use secrecy::SecretString;
    use sha2::Sha256;

    use super::{MOST_REMEMBERED, REMEMBERED_MS, Seen, check_key, check_signature};

    const NOW_MS: i64 = 1_700_000_000_000;

    fn signature(secret: &str, seconds: i64, body: &str) -> String {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{seconds}.{body}").as_bytes());
        format!("t={seconds},v1={}", hex::encode(mac.finalize().into_bytes()))
    }

    #[test]
    fn a_signature_is_of_the_secret_the_time_and_the_body() {
        let secret = SecretString::from("a secret of events");
        let check = |header: &str, body: &str| check_signature(&secret, header, body.as_bytes(), NOW_MS);
        let right = signature("a secret of events", 1_700_000_000, "{}");
        assert_eq!(check(&right, "{}"), Ok(()));
        assert_eq!(check(&format!("{},v1=00", right.replace(',', ", ")), "{}"), Ok(()));
        assert_eq!(check(&right.replace("v1=", "v1=00,v1="), "{}"), Ok(()));
        assert!(check(&right, "{ }").is_err());
        assert!(check(&right.replace("t=17", "t=18"), "{}").is_err());
        assert!(check(&signature("another", 1_700_000_000, "{}"), "{}").is_err());
        for wrong in ["", "t=1700000000", "v1=00", "t=,v1=", "t=x,v1=00", "t=1700000000,v1=zz"] {
            assert!(check(wrong, "{}").is_err(), "{wrong}");
        }
        assert!(check_key(&secret, "a secret of events").is_ok());
        assert!(check_key(&secret, "a secret of event").is_err());
        assert!(check_key(&secret, "").is_err());
    }

    #[test]
    fn a_signature_holds_for_five_minutes_on_both_sides() {
        let secret = SecretString::from("a secret of events");
        for (off, taken) in [(-301, false), (-300, true), (300, true), (301, false)] {
            let header = signature("a secret of events", 1_700_000_000 + off, "{}");
            assert_eq!(check_signature(&secret, &header, b"{}", NOW_MS).is_ok(), taken, "{off}");
        }
        let far = signature("a secret of events", i64::MIN, "{}");
        assert!(check_signature(&secret, &far, b"{}", NOW_MS).is_err());
    }

    #[test]
    fn ids_are_remembered_for_ten_minutes_and_never_too_many() {
        let mut seen = Seen::default();
        assert!(seen.note("a", 0));
        assert!(!seen.note("a", REMEMBERED_MS));
        assert!(seen.note("a", REMEMBERED_MS + 1));
        seen.forget("a");
        assert!(seen.note("a", REMEMBERED_MS + 1));
        for number in 0..MOST_REMEMBERED {
            assert!(seen.note(&number.to_string(), REMEMBERED_MS + 1));
        }
        assert_eq!((seen.ids.len(), seen.order.len()), (MOST_REMEMBERED, MOST_REMEMBERED));
        assert!(seen.note("a", REMEMBERED_MS + 1), "the oldest went");
    }
}
