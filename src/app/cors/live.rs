//! The live check: what the configuration of a resource's bucket says about pages, beside what the store really
//! answers them.
//!
//! Nothing is written: preflights and reads are sent as a browser would send them, and of a use that writes only the
//! preflight. A URL may be signed for that; it is kept here and is good for a minute.

use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use serde_json::Value;

use crate::app::App;
use crate::app::connection::Connection;
use crate::app::cors::causes;
use crate::app::objects::bucket::{ask, described};
use crate::app::propose::Written;
use crate::aws::browser::{self, Answered};
use crate::aws::http::{DirectClient, Way};
use crate::aws::s3::ListRequest;
use crate::aws::{AwsError, ErrorKind};
use crate::cors::{
    self, Actual, Answers, Bucket, CorsConfiguration, CorsHeaders, Operation as PageOperation, PageRequest,
    Profile, Received, Scope, Sending, Verdict,
};
use crate::model::bucket::{Aspect, AspectAnswer, AspectProblem, AspectState};
use crate::model::cors_check::{CheckedUse, CorsCheck, CorsCheckWanted, DecidedBy, RealAnswers};
use crate::model::cors_question::CorsProvider;
use crate::model::object::ObjectKey;
use crate::model::operation::Operation;
use crate::model::resource::Definition;

/// Seconds that a URL holds which is signed for the check.
const URL_EXPIRES: u64 = 60;
/// The longest that an answer is waited for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests that are under way at once.
const AT_ONCE: usize = 4;

/// What is known of the bucket's configuration.
#[derive(Debug)]
pub(super) enum Known {
    Configured(CorsConfiguration),
    NotSet,
    Missing,
    /// It may not be read, or cannot.
    Unknown,
}

impl Known {
    pub(super) fn bucket(&self) -> Option<Bucket<'_>> {
        match self {
            Known::Configured(configuration) => Some(Bucket::Configured(configuration)),
            Known::NotSet => Some(Bucket::NotSet),
            Known::Missing => Some(Bucket::Missing),
            Known::Unknown => None,
        }
    }
}

/// An answer, and what tells who gave it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) received: Received,
    /// Whether it has the id that stores put on each of theirs.
    pub(super) has_request_id: bool,
    /// Whether a cache gave it.
    pub(super) is_cached: bool,
    pub(super) region: Option<String>,
}

impl From<Answered> for Answer {
    fn from(answered: Answered) -> Self {
        let headers = answered.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let from_cache = answered.header("age").is_some_and(|age| age.trim() != "0")
            || answered.header("x-cache").is_some_and(|told| told.to_ascii_lowercase().contains("hit"));
        Self {
            has_request_id: answered.header("x-amz-request-id").is_some(),
            is_cached: from_cache,
            region: answered.region.clone(),
            received: Received {
                status: answered.status,
                headers: CorsHeaders::received(headers),
                code: answered.code.clone(),
            },
        }
    }
}

/// What every use of one check has in common.
pub(super) struct Live<'a> {
    pub(super) connection: &'a Connection,
    /// The name of the resource.
    pub(super) resource: &'a str,
    client: DirectClient,
    pub(super) profile: &'static Profile,
    pub(super) known: Known,
    /// What is read.
    key: ObjectKey,
    /// What is only asked about: no URL that writes is ever signed for an object that is there.
    marker: ObjectKey,
    definition: &'a Definition,
    /// What signed URLs begin with.
    endpoint: String,
    /// Whether answers to reads have the id that stores put on theirs, so that one without it is of somebody else.
    tells_id: bool,
}

/// A use with what its answers tell about their senders.
pub(super) struct Row {
    pub(super) shown: CheckedUse,
    pub(super) preflight: Option<Answer>,
    /// Whether the preflight was answered otherwise than the configuration says.
    pub(super) preflight_differs: bool,
}

impl Row {
    /// Whether the page really gets something else than the configuration says.
    pub(super) fn is_other_than_predicted(&self) -> bool {
        let (Some(real), Some(found)) = (&self.shown.real.verdict, &self.shown.predicted) else {
            return false;
        };
        let gets = |verdict: &Verdict| (verdict.succeeds, verdict.unreadable_headers.clone());
        gets(real) != gets(&found.verdict)
    }
}

impl App {
    /// Compares what the configuration says with what the store does, for every use. An error is one that has nothing to
    /// do with CORS: credentials that are refused, a store that is not reached.
    pub(in crate::app) async fn live_cors(
        &self,
        connection: &Connection,
        written: Written<'_>,
        wanted: &CorsCheckWanted,
    ) -> Result<CorsCheck, AwsError> {
        let requests = wanted.requests().map_err(|error| unusable(&error.to_string()))?;
        let profile = CorsProvider::of_resource(connection.plan.profile.id).profile();
        let (read, known) = read(connection, written.definition, profile).await?;
        let mut live = self.live(connection, (profile, known), written.definition).await?;
        let requests: Vec<(PageOperation, PageRequest)> = requests
            .into_iter()
            .map(|(operation, page)| {
                (operation, PageRequest { endpoint: Some(live.endpoint.clone()), ..page })
            })
            .collect();
        // a read of the same object tells whether the store marks its answers
        let sent = requests.iter().find_map(|(_, page)| cors::sending(page).ok());
        if let Some(origin) = sent.and_then(|sent| sent.request.origin) {
            let answer = live.send(("GET", "GET"), &[("origin", origin.as_str())]).await;
            live.tells_id = answer.is_ok_and(|answer| answer.has_request_id);
        }
        let pending: Vec<_> =
            requests.into_iter().map(|(operation, page)| live.row(operation, page)).collect();
        let rows: Vec<Row> = stream::iter(pending).buffered(AT_ONCE).collect().await;
        let read_and_done = (&read, rows.as_slice());
        let conclusion =
            causes::conclude(self, &live, (written, &connection.plan), wanted, read_and_done).await;
        let uses: Vec<CheckedUse> = rows.into_iter().map(|row| row.shown).collect();
        Ok(CorsCheck {
            works: uses.iter().all(|row| row.works),
            bucket: connection.s3.bucket().to_owned(),
            endpoint: live.endpoint,
            store: profile.name,
            configuration: read,
            uses,
            cause: conclusion.cause,
            detail: conclusion.detail,
            remedy: conclusion.remedy,
            fix: conclusion.fix,
            recommended: conclusion.recommended,
        })
    }

    async fn live<'a>(
        &self,
        connection: &'a Connection,
        (profile, known): (&'static Profile, Known),
        definition: &'a Definition,
    ) -> Result<Live<'a>, AwsError> {
        let plan = &connection.plan;
        let way = match &plan.public_endpoint {
            // browsers go straight to it
            Some(public) => Way { port: public.port, route: None, ..plan.way() },
            None => plan.way(),
        };
        let client = self.http.direct(way);
        let client = client.map_err(|error| unusable(&error.to_string()))?;
        let endpoint = connection.s3.public_base()?.to_owned();
        let marker = marker(connection)?;
        let key = readable(connection, definition).await.unwrap_or_else(|| marker.clone());
        let resource = definition.name.as_str();
        let tells_id = false;
        Ok(Live { connection, resource, client, profile, known, key, marker, definition, endpoint, tells_id })
    }
}

/// The configuration, as it is shown and as it is used. One that may not be read leaves the real answers alone.
async fn read(
    connection: &Connection,
    definition: &Definition,
    profile: &Profile,
) -> Result<(AspectAnswer, Known), AwsError> {
    if !allows(definition, Operation::GetBucket) {
        let problem = AspectProblem {
            code: "OperationNotAllowed".to_owned(),
            detail: "the resource does not allow the operation `get_bucket`".to_owned(),
            remedy: Some("add `get_bucket` to the `operations` of the resource".to_owned()),
            action: None,
            request_id: None,
        };
        let answer = AspectAnswer { state: AspectState::Denied, value: None, problem: Some(problem) };
        return Ok((answer, Known::Unknown));
    }
    let asked = ask(connection, Aspect::Cors).await;
    let known = match &asked {
        Ok(Some(value)) => configured(value)?,
        Ok(None) => Known::NotSet,
        Err(error) if error.kind == ErrorKind::NoSuchBucket => Known::Missing,
        // one setting of the server holds for all buckets
        Err(error) if error.kind == ErrorKind::Unsupported && profile.scope != Scope::Bucket => Known::NotSet,
        Err(error) if is_about_bucket(error.kind) => Known::Unknown,
        Err(error) => return Err(error.clone()),
    };
    Ok((described(Aspect::Cors, asked), known))
}

fn configured(value: &Value) -> Result<Known, AwsError> {
    serde_json::from_value(value.clone())
        .map(Known::Configured)
        .map_err(|error| unusable(&format!("the bucket's CORS configuration cannot be understood: {error}")))
}

/// What says nothing about the real answers, which are then looked at nevertheless.
fn is_about_bucket(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::AccessDenied | ErrorKind::Unsupported | ErrorKind::WrongRegion | ErrorKind::InvalidRequest
    )
}

fn allows(definition: &Definition, operation: Operation) -> bool {
    definition.operations.as_ref().is_none_or(|allowed| allowed.contains(&operation))
}

/// The first object, where it may be read.
async fn readable(connection: &Connection, definition: &Definition) -> Option<ObjectKey> {
    if !allows(definition, Operation::List) || !allows(definition, Operation::Get) {
        return None;
    }
    let request = ListRequest { prefix: connection.prefix.clone(), max_keys: 1, ..Default::default() };
    let found = connection.s3.list(request).await.ok()?.objects.into_iter().next()?;
    ObjectKey::under("", &found.key).ok()
}

/// A key that is not there: CORS headers are on a 404, too.
fn marker(connection: &Connection) -> Result<ObjectKey, AwsError> {
    let marker = format!(".s3-connector-cors-{}", uuid::Uuid::new_v4().simple());
    ObjectKey::under(&connection.prefix, &marker).map_err(|error| unusable(&error.to_string()))
}

impl Live<'_> {
    async fn row(&self, operation: PageOperation, mut page: PageRequest) -> Row {
        let origin = page.origin.clone().unwrap_or_default();
        let sending = match cors::sending(&page) {
            Ok(sending) => sending,
            // the same with every configuration and every store
            Err(verdict) => return settled(operation, page, origin, verdict),
        };
        let (preflight, actual, failure) = match self.ask(&sending).await {
            Ok((preflight, actual)) => (Some(preflight), actual, None),
            Err(error) => (None, None, Some(error)),
        };
        page.status = actual.as_ref().map_or(page.status, |actual: &Answer| actual.received.status);
        let predicted = self.known.bucket().map(|bucket| cors::evaluate(bucket, self.profile, &page));
        let real = preflight.as_ref().map(|preflight| {
            let actual = actual.as_ref().map(|actual| &actual.received);
            self.judge(&page, &sending, (preflight, actual))
        });
        let (of_preflight, of_actual) = match (&preflight, self.known.bucket()) {
            (Some(preflight), Some(bucket)) => {
                self.differences(bucket, &sending, (preflight, actual.as_ref()))
            }
            _ => (Vec::new(), Vec::new()),
        };
        let of_configuration = predicted.as_ref().map(|found| &found.verdict);
        // what nothing came back of does not work, whatever the configuration says
        let works = failure.is_none() && real.as_ref().or(of_configuration).is_some_and(is_good);
        let decided_by = match (&real, of_configuration) {
            (Some(real), Some(found)) if is_good(real) == is_good(found) => DecidedBy::Both,
            (Some(_), _) => DecidedBy::RealAnswers,
            (None, Some(_)) => DecidedBy::Configuration,
            (None, None) => DecidedBy::Nothing,
        };
        let mut row = Row {
            preflight_differs: !of_preflight.is_empty(),
            shown: CheckedUse {
                origin,
                operation,
                request: page,
                works,
                decided_by,
                predicted,
                real: RealAnswers {
                    preflight: preflight.as_ref().map(|answer| answer.received.clone()),
                    actual: actual.map(|answer| answer.received),
                    verdict: real,
                    problem: failure.as_ref().map(|error| format!("{}: {}", error.code, error.message)),
                },
                differences: of_preflight.into_iter().chain(of_actual).collect(),
                cause: failure.map(|error| error.catalogue_code().to_owned()),
            },
            preflight,
        };
        if let Some(cause) = causes::of_row(self, &sending, &row) {
            row.shown.cause = Some(cause.to_owned());
        }
        row
    }

    /// The preflight, and the request itself where it only reads.
    async fn ask(&self, sending: &Sending) -> Result<(Answer, Option<Answer>), AwsError> {
        let origin = sending.request.origin.as_deref().unwrap_or_default();
        let method = sending.request.method.as_str();
        let mut headers = vec![("origin", origin), ("access-control-request-method", method)];
        if let Some(names) = &sending.preflight.request_headers {
            headers.push(("access-control-request-headers", names.as_str()));
        }
        let preflight = self.send(("OPTIONS", method), &headers).await?;
        if !matches!(method, "GET" | "HEAD") {
            return Ok((preflight, None));
        }
        // what else the script sets is an example, with which no store would be content
        let range = sending.headers.iter().find(|(name, _)| name == "range");
        let mut headers = vec![("origin", origin)];
        headers.extend(range.map(|(name, value)| (name.as_str(), value.as_str())));
        let actual = self.send((method, method), &headers).await?;
        Ok((preflight, Some(actual)))
    }

    /// Sends to the URL that a page would have for the method `of`.
    async fn send(&self, (method, of): (&str, &str), headers: &[(&str, &str)]) -> Result<Answer, AwsError> {
        let key = if matches!(of, "GET" | "HEAD") { &self.key } else { &self.marker };
        let url = self.connection.s3.page_url(key, self.signable(of), URL_EXPIRES).await?;
        let bound = self.connection.plan.timeout.min(ANSWER_TIMEOUT);
        browser::send(&self.client, (method, &url), headers, bound).await.map(Answer::from)
    }

    /// The method where the resource allows what a URL signed for it could do; else nothing is signed.
    fn signable<'m>(&self, method: &'m str) -> &'m str {
        let needed: &[Operation] = match method {
            "GET" | "HEAD" => &[Operation::Get],
            "PUT" => &[Operation::Put, Operation::Multipart],
            "DELETE" => &[Operation::Delete],
            _ => &[],
        };
        if needed.iter().any(|operation| allows(self.definition, *operation)) { method } else { "" }
    }

    /// Whether it is Amazon's own endpoint.
    pub(super) fn is_amazon(&self) -> bool {
        self.connection.plan.endpoint.is_none()
    }

    /// Whether the store itself answered the preflight, as far as can be told.
    pub(super) fn is_of_store(&self, preflight: &Answer) -> bool {
        !preflight.is_cached && (preflight.has_request_id || !self.tells_id)
    }

    fn judge(
        &self,
        page: &PageRequest,
        sending: &Sending,
        (preflight, actual): (&Answer, Option<&Received>),
    ) -> Verdict {
        if let Some(actual) = actual {
            return cors::judge(page, &preflight.received, Actual::Received(actual));
        }
        if self.is_of_store(preflight) {
            let both = self.profile.expose_headers == Answers::Both;
            let actual = if both { Actual::LikePreflight } else { Actual::NotSent };
            return cors::judge(page, &preflight.received, actual);
        }
        // the store will answer the request itself, by its configuration
        let Some(bucket) = self.known.bucket() else {
            return cors::judge(page, &preflight.received, Actual::NotSent);
        };
        let predicted = cors::answer(bucket, self.profile, &sending.request, page.status);
        let actual = Received { status: predicted.status, headers: predicted.headers, code: None };
        cors::judge(page, &preflight.received, Actual::Received(&actual))
    }

    /// What the answers to the preflight and to the request itself have otherwise than the configuration says.
    fn differences(
        &self,
        bucket: Bucket<'_>,
        sending: &Sending,
        (preflight, actual): (&Answer, Option<&Answer>),
    ) -> (Vec<String>, Vec<String>) {
        let predicted = cors::answer(bucket, self.profile, &sending.preflight, 200);
        let of_preflight = cors::differences(&predicted, &preflight.received, true);
        let Some(actual) = actual else { return (of_preflight, Vec::new()) };
        let status = actual.received.status;
        let predicted = cors::answer(bucket, self.profile, &sending.request, status);
        let of_actual = cors::differences(&predicted, &actual.received, false);
        let method = &sending.request.method;
        (of_preflight, of_actual.into_iter().map(|text| format!("{method}: {text}")).collect())
    }
}

/// A use that no answer of a store changes.
fn settled(operation: PageOperation, request: PageRequest, origin: String, verdict: Verdict) -> Row {
    let works = verdict.succeeds;
    let real = RealAnswers { verdict: Some(verdict), ..RealAnswers::default() };
    // the origins and methods of uses are such that browsers refuse nothing else
    let cause = (!works).then(|| "MixedContent".to_owned());
    let shown = CheckedUse {
        origin,
        operation,
        request,
        works,
        decided_by: DecidedBy::RealAnswers,
        predicted: None,
        real,
        differences: Vec::new(),
        cause,
    };
    Row { shown, preflight: None, preflight_differs: false }
}

/// Whether the page gets all that it wants.
fn is_good(verdict: &Verdict) -> bool {
    verdict.succeeds && verdict.unreadable_headers.is_empty()
}

fn unusable(text: &str) -> AwsError {
    AwsError::new(ErrorKind::InvalidRequest, "s3", "InvalidRequest", text)
}
