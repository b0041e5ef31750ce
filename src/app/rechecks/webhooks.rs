//! Messages to webhooks: what they say, how they are signed, and how often they are tried.
//!
//! A message holds names and codes, and no text of a store or source: whatever those say stays here. It is written with the
//! change that it tells of, so a crash loses none; a crash between its arrival and the note of it sends it again, with the
//! same id.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use sha2::Sha256;
use tokio::time::MissedTickBehavior;

use crate::app::rechecks::{LOOK_MS, TURN_MS, Wanted};
use crate::app::{App, Error};
use crate::aws::{AwsError, ErrorKind, webhook};
use crate::clock::rfc3339;
use crate::config;
use crate::model::check::Verdict;
use crate::model::error_catalogue;
use crate::model::recheck::{Change, Delivery, Health};
use crate::store::WebhookMessage;

/// Tries of one message.
const MOST_TRIES: i64 = 6;
/// Milliseconds before the second try; four times as long before each one after.
const FIRST_WAIT_MS: i64 = 1_000;
/// Messages that are sent at once.
const AT_ONCE: i64 = 16;
/// Characters of the secret.
const LEAST_SECRET: usize = 16;

/// What is sent.
#[derive(Serialize)]
struct Message<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    project: &'a str,
    resource: &'a str,
    environment: &'a str,
    verdict: Verdict,
    previous_verdict: Option<Verdict>,
    changed_at: &'a str,
    check: Option<&'a str>,
    cause: Option<&'a str>,
    /// Our own words about the cause, never the store's.
    meaning: Option<&'static str>,
    last_good_at: Option<&'a str>,
    first_bad_at: Option<&'a str>,
}

/// A secret that can be guessed proves nothing.
pub fn check_secret(settings: &config::Recheck) -> anyhow::Result<()> {
    let secret = settings.webhook_secret.as_ref();
    let short = secret.is_some_and(|secret| secret.expose_secret().len() < LEAST_SECRET);
    anyhow::ensure!(
        !short,
        "S3_CONNECTOR_WEBHOOK_SECRET has fewer than {LEAST_SECRET} characters: make one with `openssl rand -hex 32`"
    );
    Ok(())
}

pub(super) fn message(id: &str, wanted: &Wanted, change: &Change, health: &Health) -> String {
    let cause = change.failure.cause.as_deref();
    let message = Message {
        id,
        kind: "resource.health",
        project: wanted.project.name.as_str(),
        resource: wanted.resource.name().as_str(),
        environment: wanted.environment.as_str(),
        verdict: change.to,
        previous_verdict: change.from,
        changed_at: &health.since,
        check: change.failure.check.as_deref(),
        cause,
        meaning: cause.and_then(error_catalogue::find).map(|entry| entry.cause),
        last_good_at: health.last_good_at.as_deref(),
        first_bad_at: health.first_bad.as_ref().map(|first| first.at.as_str()),
    };
    // names, codes and moments: there is nothing in it that has no JSON
    serde_json::to_string(&message).unwrap_or_default()
}

/// Sends what is to be sent until the service stops.
pub async fn keep_delivering(app: Arc<App>) {
    let mut turn = tokio::time::interval(Duration::from_millis(TURN_MS));
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut next_look_ms = 0;
    loop {
        tokio::select! {
            () = app.stopping.cancelled() => return,
            () = app.rechecks.posted.notified() => next_look_ms = 0,
            _ = turn.tick() => {}
        }
        let now = app.clock.now_ms();
        if now < next_look_ms {
            continue;
        }
        let looked = app.stopping.run_until_cancelled(deliver_due(&app, now)).await;
        next_look_ms = match looked {
            None => return,
            Some(Ok(next)) => next,
            Some(Err(error)) => {
                tracing::warn!(cause = %error, "messages to webhooks cannot be read: they are tried again");
                now + LOOK_MS
            }
        };
    }
}

/// Sends what is due; says when to look again.
async fn deliver_due(app: &Arc<App>, now: i64) -> Result<i64, Error> {
    let any =
        app.registry.state().all_resources().any(|resource| {
            resource.record.definition.recheck.as_ref().is_some_and(|own| own.webhook.is_some())
        });
    if !any {
        return Ok(now + LOOK_MS);
    }
    let messages = app.store.webhook_messages(AT_ONCE).await?;
    let (due, later): (Vec<_>, Vec<_>) = messages.into_iter().partition(|message| message.due_ms <= now);
    let next = if due.is_empty() {
        later.first().map_or(now + LOOK_MS, |message| message.due_ms.min(now + LOOK_MS))
    } else {
        0
    };
    let sent = due.iter().map(|message| deliver(app, message));
    for done in futures_util::future::join_all(sent).await {
        done?;
    }
    Ok(next)
}

/// One try of one message, unless another replica has it.
async fn deliver(app: &Arc<App>, message: &WebhookMessage) -> Result<(), Error> {
    let now = app.clock.now_ms();
    let wait = FIRST_WAIT_MS.saturating_mul(4_i64.saturating_pow(u32::try_from(message.tries).unwrap_or(8)));
    let next = now + wait + rand::random_range(0..=wait / 10);
    if !app.store.claim_message(message, next).await? {
        return Ok(());
    }
    // the URL of now: who changed it does not want the old one to be told
    let Some(url) = url_of(app, message) else {
        return Ok(app.store.drop_message(message).await?);
    };
    let secret = app.config.recheck.webhook_secret.as_ref();
    let signature = secret.and_then(|secret| signed(secret, now / 1000, &message.body));
    let body = Bytes::from(message.body.clone());
    let answer = webhook::post(&app.http, &url, body, signature.as_deref()).await;
    let (delivered, again, detail, outcome) = judge(&answer);
    let tried_again = again && message.tries + 1 < MOST_TRIES;
    metrics::counter!("s3_connector_webhook_messages_total", "outcome" => outcome).increment(1);
    if !delivered {
        // not the URL: its path may well be a key
        tracing::warn!(message.id, tried_again, cause = detail, "a webhook did not take a message");
    }
    let at = rfc3339(app.clock.now_ms());
    Ok(app.store.note_delivery(message, &Delivery { at, delivered, detail, tried_again }).await?)
}

fn url_of(app: &App, message: &WebhookMessage) -> Option<String> {
    let state = app.registry.state();
    let resource = state.all_resources().find(|resource| *resource.record.id == *message.resource_id)?;
    resource.record.definition.recheck.as_ref()?.webhook.clone()
}

/// Whether it arrived, whether to try again, in words, and as a label.
fn judge(answer: &Result<http::StatusCode, AwsError>) -> (bool, bool, String, &'static str) {
    match answer {
        Ok(status) if status.is_success() => (true, false, format!("answered {status}"), "delivered"),
        Ok(status) if status.is_redirection() => {
            (false, false, format!("answered {status}: redirects are not followed"), "refused")
        }
        Ok(status) => {
            let passing = status.is_server_error() || [408, 425, 429].contains(&status.as_u16());
            (false, passing, format!("answered {status}"), if passing { "failed" } else { "refused" })
        }
        Err(error) if error.kind == ErrorKind::Blocked => {
            let text = "blocked: the egress rules do not let the service reach the webhook's address or port";
            (false, false, text.to_owned(), "blocked")
        }
        Err(error) => (false, true, error.code.clone(), "failed"),
    }
}

/// `t=SECONDS,v1=HEX`: HMAC-SHA256 of the seconds, a dot and the body, as events that come in are signed.
fn signed(secret: &SecretString, seconds: i64, body: &str) -> Option<String> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.expose_secret().as_bytes()).ok()?;
    mac.update(format!("{seconds}.{body}").as_bytes());
    Some(format!("t={seconds},v1={}", hex::encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use secrecy::SecretString;

    use super::{judge, signed};
    use crate::aws::{AwsError, ErrorKind};

    #[test]
    fn what_may_pass_is_tried_again_and_what_will_not_is_not() {
        let again = |status: u16| judge(&Ok(StatusCode::from_u16(status).unwrap())).1;
        assert!([500, 503, 408, 429].into_iter().all(again));
        assert!(![200, 204, 302, 400, 401, 404, 410].into_iter().any(again));
        let error = |kind, code| Err(AwsError::new(kind, "webhook", code, "http://10.0.0.1/key"));
        assert!(judge(&error(ErrorKind::Timeout, "ReadTimeout")).1);
        let (delivered, again, detail, _) = judge(&error(ErrorKind::Blocked, "BlockedEndpoint"));
        assert!(!delivered && !again && !detail.contains("/key"), "{detail}");
    }

    #[test]
    fn a_signature_is_that_of_any_other_implementation() {
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac 'a secret of webhooks'
        let secret = SecretString::from("a secret of webhooks");
        let signature = signed(&secret, 1_700_000_000, "{}").unwrap();
        let right = "1566ec09f832e457dea5d98114ea82d6eb2d08dfdbd6289800785c5ace41cc41";
        assert_eq!(signature, format!("t=1700000000,v1={right}"));
    }
}
