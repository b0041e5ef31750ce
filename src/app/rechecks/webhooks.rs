//! Messages to webhooks: what they say, how they are signed, and what an answer means.
//!
//! A message holds names and codes, and no text of a store or source: whatever those say stays here.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use sha2::Sha256;

use crate::app::rechecks::Wanted;
use crate::aws::{AwsError, ErrorKind};
use crate::config;
use crate::model::check::Verdict;
use crate::model::error_catalogue;
use crate::model::recheck::{Change, Health};

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

/// Whether it arrived, whether to try again, in words, and as a label.
pub(super) fn judge(answer: &Result<http::StatusCode, AwsError>) -> (bool, bool, String, &'static str) {
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
pub(super) fn signed(secret: &SecretString, seconds: i64, body: &str) -> Option<String> {
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
