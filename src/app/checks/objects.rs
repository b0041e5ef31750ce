//! May objects be listed and read.

use std::time::Instant;

use crate::app::App;
use crate::app::checks::Checks;
use crate::app::checks::fixes::{On, denied};
use crate::app::connection::Connection;
use crate::aws::s3::ListRequest;
use crate::aws::{AwsError, ErrorKind};
use crate::model::check::{Check, Fix, Status};
use crate::model::object::{GetOptions, ObjectKey};

const LIST: &str = "s3:ListObjectsV2 (max-keys 1)";
const GET_FIRST: &str = "s3:GetObject (first byte of the first object)";
const GET_MISSING: &str = "s3:GetObject (a key that is not there)";

/// What a list of the root prefix came to.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) allowed: bool,
    first: Option<ObjectKey>,
}

impl Listed {
    /// The first object.
    pub(super) fn first(&self) -> Option<&ObjectKey> {
        self.first.as_ref()
    }
}

impl App {
    /// Lists one key.
    pub(super) async fn objects_listable(&self, connection: &Connection, checks: &mut Checks) -> Listed {
        let started = Instant::now();
        let outcome = list_one(connection).await;
        let found = outcome.as_ref().ok().and_then(|page| page.objects.first());
        // a full key: the prefix stands in it already
        let first = found.and_then(|object| ObjectKey::under("", &object.key).ok());
        let allowed = outcome.is_ok();
        let mut check = match outcome {
            Ok(page) => {
                let text = if page.objects.is_empty() {
                    "listing works; there is no object yet"
                } else {
                    "listing works"
                };
                let mut check = Check::new("objects-listable", Status::Passed, text);
                check.request_id = page.request_id;
                check
            }
            Err(error) => {
                let error = self.who_pays(connection, error).await;
                let mut check =
                    denied("objects-listable", LIST, &error, (&["s3:ListBucket"], On::Bucket), connection);
                if error.code == "RequesterPays" {
                    check.fix = Some(Fix::Patch(serde_json::json!({"requester_pays": true})));
                }
                check
            }
        };
        check.call = Some(LIST.to_owned());
        checks.push(check, started);
        Listed { allowed, first }
    }

    /// A bucket whose requesters pay refuses those who do not say that they will.
    async fn who_pays(&self, connection: &Connection, mut error: AwsError) -> AwsError {
        let may_be = error.kind == ErrorKind::AccessDenied
            && !connection.plan.requester_pays
            && connection.plan.base.is_some();
        if !may_be {
            return error;
        }
        let mut plan = connection.plan.clone();
        plan.requester_pays = true;
        let Ok(paying) = self.open(plan) else { return error };
        if list_one(&paying).await.is_ok() {
            "RequesterPays".clone_into(&mut error.code);
            "the same request is accepted when it says that the requester pays"
                .clone_into(&mut error.message);
        }
        error
    }
}

async fn list_one(connection: &Connection) -> Result<crate::aws::s3::ListPage, AwsError> {
    let request = ListRequest { prefix: connection.prefix.clone(), max_keys: 1, ..Default::default() };
    connection.s3.list(request).await
}

/// Reads the first byte of the first object, or a key that is not there.
pub(super) async fn readable(connection: &Connection, listed: &Listed, checks: &mut Checks) {
    let started = Instant::now();
    let check = match listed.first() {
        Some(key) => first_byte(connection, key).await,
        None => missing_key(connection, listed.allowed).await,
    };
    checks.push(check, started);
}

async fn first_byte(connection: &Connection, key: &ObjectKey) -> Check {
    let options = GetOptions { range: Some("bytes=0-0".to_owned()), ..GetOptions::default() };
    let mut check = match connection.s3.get(key, &options).await {
        Ok(_) => Check::new("objects-readable", Status::Passed, "reading works"),
        Err(error) if error.kind == ErrorKind::InvalidRange => {
            Check::new("objects-readable", Status::Passed, "reading works; the first object is empty")
        }
        Err(error) if error.code == "InvalidObjectState" => {
            let text = format!("reading is allowed, but the first object, `{}`, is archived", key.as_str());
            let mut check = Check::new("objects-readable", Status::Warning, text);
            check.cause = Some(error.code);
            check.remedy = Some("restore archived objects before they are read".to_owned());
            check.request_id = error.request_id;
            check
        }
        Err(error) => not_readable(connection, GET_FIRST, &error),
    };
    check.call = Some(GET_FIRST.to_owned());
    check
}

async fn missing_key(connection: &Connection, listable: bool) -> Check {
    let marker = format!(".s3-connector-test-{}", uuid::Uuid::new_v4().simple());
    let Ok(key) = ObjectKey::under(&connection.prefix, &marker) else {
        return Check::new("objects-readable", Status::Skipped, "the prefix leaves no room for a key");
    };
    let mut check = match connection.s3.get(&key, &GetOptions::default()).await {
        Ok(_) => Check::new("objects-readable", Status::Passed, "reading works"),
        Err(error) if error.kind == ErrorKind::NotFound => Check::new(
            "objects-readable",
            Status::Passed,
            "a key that is not there answers 404, as it does with the right to read",
        ),
        Err(error) if error.kind == ErrorKind::AccessDenied && !listable => Check::new(
            "objects-readable",
            Status::Skipped,
            "without the right to list, a key that is not there answers 403 to everyone: put an object under the prefix to find out",
        ),
        Err(error) => not_readable(connection, GET_MISSING, &error),
    };
    check.call = Some(GET_MISSING.to_owned());
    check
}

fn not_readable(connection: &Connection, call: &str, error: &AwsError) -> Check {
    denied("objects-readable", call, error, (&["s3:GetObject"], On::Objects), connection)
}
