//! What AWS tells about a changed secret, read from the JSON of an event.
//!
//! Secrets Manager tells it twice over: with its own event `Secret Label Updated`, and with the records that CloudTrail
//! keeps of API calls and of the service's own doings (user guide of Secrets Manager, "Secret event notifications" and
//! "Match events with Amazon EventBridge"). SNS and queues put them into a `Notification`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// The longest ARN, name, region, account, id or time that is taken.
const MOST_BYTES: usize = 2048;
/// The longest id of an event: ids are remembered.
const MOST_ID_BYTES: usize = 128;
/// An ARN of Secrets Manager ends in a hyphen and so many characters, which a request may leave out.
const SUFFIX: usize = 6;

/// What happened to a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// A stage stands at another version.
    LabelUpdated,
    /// There is another value, or the secret can be read again.
    ValueChanged,
    /// The secret is marked for deletion, or gone.
    Deleted,
    /// A rotation ended well.
    Rotated,
}

/// A changed secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretEvent {
    /// What happened.
    pub kind: ChangeKind,
    /// The secret's ARN where the event has it, else its name.
    pub secret: String,
    /// The region of the secret.
    pub region: Option<String>,
    /// The account of the secret.
    pub account: Option<String>,
    /// The event's own id: a repetition has the same.
    pub id: Option<String>,
    /// When it happened, as the event says it.
    pub time: Option<String>,
}

/// Why a text is no event at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoEvent {
    /// Not a JSON object.
    #[error("the event is not a JSON object: send what EventBridge, SNS or SQS delivers")]
    NotJson,
    /// A change of a secret that does not say which.
    #[error("the event does not name its secret: look for an ARN in `resources` or `detail`")]
    SecretMissing,
    /// More than a name can have.
    #[error("`{0}` of the event is too long")]
    TooLong(&'static str),
}

/// Reads an event; `None` is one that changes no value.
pub fn parse(text: &str) -> Result<Option<SecretEvent>, NoEvent> {
    let event: Value = serde_json::from_str(text).map_err(|_| NoEvent::NotJson)?;
    if text_at(&event, &["/Type"]) == Some("Notification")
        && let Some(message) = text_at(&event, &["/Message"])
    {
        let inner: Value = serde_json::from_str(message).map_err(|_| NoEvent::NotJson)?;
        return read(&inner);
    }
    read(&event)
}

fn read(event: &Value) -> Result<Option<SecretEvent>, NoEvent> {
    if !event.is_object() {
        return Err(NoEvent::NotJson);
    }
    // a record of CloudTrail may come by itself
    let bare = event.get("detail").is_none() && event.get("eventSource").is_some();
    let detail = if bare { event } else { event.get("detail").unwrap_or(&Value::Null) };
    let Some(kind) = kind_of(event, detail, bare) else { return Ok(None) };
    let secret = secret_of(event, detail).ok_or(NoEvent::SecretMissing)?;
    let bounded = |name, text: Option<&str>, most| match text {
        Some(text) if text.len() > most => Err(NoEvent::TooLong(name)),
        text => Ok(text.map(str::to_owned)),
    };
    let in_arn = |at: usize| secret.split(':').nth(at).filter(|_| secret.starts_with("arn:"));
    let region = in_arn(3).or_else(|| text_at(event, &["/region", "/detail/awsRegion", "/awsRegion"]));
    let recipient = ["/account", "/detail/recipientAccountId", "/recipientAccountId"];
    let account = in_arn(4).or_else(|| text_at(event, &recipient));
    let id = text_at(event, &["/id", "/detail/eventID", "/eventID"]);
    let time = text_at(event, &["/time", "/detail/eventTime", "/eventTime"]);
    Ok(Some(SecretEvent {
        kind,
        region: bounded("region", region, MOST_BYTES)?,
        account: bounded("account", account, MOST_BYTES)?,
        id: bounded("id", id, MOST_ID_BYTES)?,
        time: bounded("time", time, MOST_BYTES)?,
        secret: bounded("secret", Some(secret), MOST_BYTES)?.unwrap_or_default(),
    }))
}

fn kind_of(event: &Value, detail: &Value, bare: bool) -> Option<ChangeKind> {
    let called = || by_call(text_at(detail, &["/eventName"])?, detail);
    if bare {
        let own = text_at(detail, &["/eventSource"])?.starts_with("secretsmanager.");
        return if own { called() } else { None };
    }
    if text_at(event, &["/source"]) != Some("aws.secretsmanager") {
        return None;
    }
    match text_at(event, &["/detail-type"])? {
        "AWS API Call via CloudTrail" | "AWS Service Event via CloudTrail" => called(),
        native => by_title(native),
    }
}

/// Names of calls (API reference) and of the service's own events in CloudTrail ("CloudTrail entries").
fn by_call(name: &str, detail: &Value) -> Option<ChangeKind> {
    // a refused call is recorded too, and changed nothing
    if text_at(detail, &["/errorCode"]).is_some() {
        return None;
    }
    match name {
        "PutSecretValue" | "UpdateSecret" | "RestoreSecret" => Some(ChangeKind::ValueChanged),
        "UpdateSecretVersionStage" => Some(ChangeKind::LabelUpdated),
        "RotateSecret" | "RotationSucceeded" => Some(ChangeKind::Rotated),
        "DeleteSecret" => Some(ChangeKind::Deleted),
        _ => None,
    }
}

/// Titles of events that the service sends itself. There is one today; others that are alike are taken as well.
fn by_title(title: &str) -> Option<ChangeKind> {
    const TITLES: &[(&str, ChangeKind)] = &[
        ("label updated", ChangeKind::LabelUpdated),
        ("value changed", ChangeKind::ValueChanged),
        ("value updated", ChangeKind::ValueChanged),
        ("rotation succeeded", ChangeKind::Rotated),
        ("deleted", ChangeKind::Deleted),
    ];
    let title = title.to_ascii_lowercase();
    if !title.contains("secret") {
        return None;
    }
    TITLES.iter().find(|(words, _)| title.contains(*words)).map(|(_, kind)| *kind)
}

/// The most exact name of the secret: an ARN before a name, wherever it stands.
fn secret_of<'a>(event: &'a Value, detail: &'a Value) -> Option<&'a str> {
    const PLACES: &[&str] = &[
        // calls write `arn` or `aRN`
        "/responseElements/arn",
        "/responseElements/aRN",
        "/additionalEventData/SecretId",
        "/additionalEventData/secretId",
        "/secretArn",
        "/SecretArn",
        "/arn",
        "/ARN",
        "/SecretId",
        "/secretId",
        "/requestParameters/secretId",
        "/resources/0/ARN",
        "/name",
    ];
    let places = PLACES.iter().filter_map(|place| text_at(detail, &[*place]));
    let mut found: Vec<&str> = text_at(event, &["/resources/0"]).into_iter().chain(places).collect();
    found.retain(|text| !text.is_empty());
    found.iter().find(|text| is_secret_arn(text)).or_else(|| found.first()).copied()
}

fn is_secret_arn(text: &str) -> bool {
    text.starts_with("arn:") && text.contains(":secretsmanager:") && name_in(text).is_some()
}

fn text_at<'a>(value: &'a Value, places: &[&str]) -> Option<&'a str> {
    places.iter().find_map(|place| value.pointer(place)?.as_str())
}

/// What stands behind `:secret:`, with its suffix if it has one.
fn name_in(arn: &str) -> Option<&str> {
    arn.splitn(7, ':').nth(6).filter(|name| !name.is_empty())
}

/// Whether two texts are one name, of which either may have the suffix of an ARN.
fn same(one: &str, other: &str) -> bool {
    let suffix = |rest: &str| rest.strip_prefix('-').is_some_and(|rest| rest.chars().count() == SUFFIX);
    one == other || one.strip_prefix(other).is_some_and(suffix) || other.strip_prefix(one).is_some_and(suffix)
}

impl SecretEvent {
    /// Whether a secret that is asked for by `name`, which may be an ARN, and whose ARN may be known, is the event's.
    ///
    /// What cannot be told apart is taken for the same: reading a secret once more does no harm.
    pub fn concerns(&self, name: &str, arn: Option<&str>) -> bool {
        let arn = arn.or_else(|| name.starts_with("arn:").then_some(name));
        let by_arn = self.secret.starts_with("arn:");
        match arn {
            Some(arn) if by_arn => same(arn, &self.secret),
            Some(arn) => {
                let account = arn.split(':').nth(4);
                let elsewhere = self.account.as_deref().is_some_and(|own| account != Some(own));
                !elsewhere && name_in(arn).is_some_and(|name| same(name, &self.secret))
            }
            None if by_arn => name_in(&self.secret).is_some_and(|own| same(own, name)),
            None => self.secret == name,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::Value;

    use super::{ChangeKind, NoEvent, SecretEvent, parse};

    #[derive(Deserialize)]
    struct Case {
        name: String,
        event: Value,
        expected: Option<SecretEvent>,
    }

    const TABLES: &[&str] = &[
        include_str!("../../fixtures/events/native.json"),
        include_str!("../../fixtures/events/cloudtrail.json"),
        include_str!("../../fixtures/events/ignored.json"),
    ];

    #[test]
    fn events_say_which_secret_changed_and_how() {
        let mut seen = 0;
        for table in TABLES {
            for case in serde_json::from_str::<Vec<Case>>(table).unwrap() {
                assert_eq!(parse(&case.event.to_string()).unwrap(), case.expected, "{}", case.name);
                seen += 1;
            }
        }
        assert!(seen > 15, "{seen}");
    }

    #[test]
    fn a_notification_of_sns_is_unwrapped() {
        for case in TABLES.iter().flat_map(|table| serde_json::from_str::<Vec<Case>>(table).unwrap()) {
            let message = case.event.to_string();
            let outer = serde_json::json!({"Type": "Notification", "MessageId": "m-1", "Message": message});
            assert_eq!(parse(&outer.to_string()).unwrap(), case.expected, "{}", case.name);
        }
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for text in ["", "no", "[]", "7", "null", "{\"Type\":\"Notification\",\"Message\":\"hello\"}"] {
            assert_eq!(parse(text), Err(NoEvent::NotJson), "{text}");
        }
        let nameless = r#"{"source":"aws.secretsmanager","detail-type":"Secret Label Updated","detail":{}}"#;
        assert_eq!(parse(nameless), Err(NoEvent::SecretMissing));
        let long = nameless.replace("{}", &format!("{{\"name\":\"{}\"}}", "n".repeat(3000)));
        assert_eq!(parse(&long), Err(NoEvent::TooLong("secret")));
        let long = nameless.replace("{}", &format!("{{\"name\":\"n\"}},\"id\":\"{}\"", "i".repeat(200)));
        assert_eq!(parse(&long), Err(NoEvent::TooLong("id")));
    }

    #[test]
    fn a_name_and_its_arn_are_one_secret() {
        const ARN: &str = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:app/db-Ab12Cd";
        const PARTIAL: &str = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:app/db";
        const OTHER: &str = "arn:aws:secretsmanager:eu-central-1:444455556666:secret:app/db-Ab12Cd";
        let event = |secret: &str| SecretEvent {
            kind: ChangeKind::ValueChanged,
            secret: secret.to_owned(),
            region: None,
            account: Some("111122223333".to_owned()),
            id: None,
            time: None,
        };
        for secret in [ARN, PARTIAL, "app/db"] {
            let event = event(secret);
            assert!(event.concerns("app/db", None), "{secret}");
            assert!(event.concerns("app/db", Some(ARN)), "{secret}");
            assert!(event.concerns(ARN, None), "{secret}");
            assert!(event.concerns(PARTIAL, None), "{secret}");
            assert!(event.concerns(PARTIAL, Some(ARN)), "{secret}");
            assert!(!event.concerns("app/db2", None), "{secret}");
            assert!(!event.concerns("app", None), "{secret}");
            assert!(!event.concerns("app/db", Some(OTHER)), "{secret}");
        }
    }
}
