//! Tests of resources: the report whole, or check by check with `Accept: application/x-ndjson`.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::app::{RecheckView, TestOptions, Testing};
use crate::http::Api;
use crate::http::api::objects::{NDJSON, push_line};
use crate::http::extract::{By, Editor, Environment, Segment, User, Viewer, text_of};
use crate::http::json_body::{JsonBody, JsonOrDefault};
use crate::http::openapi::Scope;
use crate::http::problem::{Failure, Problems, problem};
use crate::model::check::Report;
use crate::model::resource::Definition;
use crate::store::TestRow;

/// What a test may do.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TestWanted {
    /// Also write, read back and delete one object.
    #[serde(default)]
    write: bool,
    /// Origins of pages, at most 10, that the bucket's CORS configuration shall let in; absent takes the
    /// `browser_origins` of the resource.
    #[serde(default)]
    #[schema(example = json!(["https://app.example.com"]))]
    origins: Vec<String>,
}

/// Tests a resource step by step and says what to change when something does not work. Read-only unless `write` is
/// true. With `Accept: application/x-ndjson` a line `{"check": …}` for each check when it ends, and a last line
/// `{"report": …}`.
#[utoipa::path(post, path = "/v1/resources/{name}/test", tag = "resources", operation_id = "test_resource", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), Scope), request_body = TestWanted, responses((status = 200, content((Report = "application/json"), (String = "application/x-ndjson"))), Problems))]
pub async fn test_resource(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    headers: HeaderMap,
    JsonOrDefault(wanted): JsonOrDefault<TestWanted>,
) -> Result<Response, Failure> {
    let options = TestOptions { write: wanted.write, origins: wanted.origins };
    if wants_lines(&headers) {
        return Ok(lines(api.app.start_test(&by.0, &name, &environment.0, options).await?));
    }
    Ok(Json(api.app.test_resource(&by.0, &name, &environment.0, options).await?).into_response())
}

/// A definition to test.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TestDefinition {
    /// As it would be saved.
    #[schema(value_type = Definition)]
    definition: Value,
    /// Also write, read back and delete one object.
    #[serde(default)]
    write: bool,
    /// Origins of pages, at most 10, that the bucket's CORS configuration shall let in; absent takes the
    /// `browser_origins` of the resource.
    #[serde(default)]
    #[schema(example = json!(["https://app.example.com"]))]
    origins: Vec<String>,
}

/// Tests a definition that is not saved. With `Accept: application/x-ndjson` check by check, as for a saved one.
#[utoipa::path(post, path = "/v1/resources/test", tag = "resources", operation_id = "test_definition", security(("token" = ["editor"])), params(Scope), request_body = TestDefinition, responses((status = 200, content((Report = "application/json"), (String = "application/x-ndjson"))), Problems))]
pub async fn test_definition(
    by: By<Editor>,
    environment: Environment,
    State(api): State<Api>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<TestDefinition>,
) -> Result<Response, Failure> {
    let options = TestOptions { write: body.write, origins: body.origins };
    let (by, definition, environment) = (&by.0, body.definition, &environment.0);
    if wants_lines(&headers) {
        return Ok(lines(api.app.start_definition_test(by, definition, environment, options).await?));
    }
    Ok(Json(api.app.test_definition(by, definition, environment, options).await?).into_response())
}

fn wants_lines(headers: &HeaderMap) -> bool {
    text_of(headers, "accept").is_some_and(|accept| accept.contains(NDJSON))
}

/// A line a check, then one with the report; without that the answer is not complete.
fn lines(testing: Testing) -> Response {
    let lines = stream::unfold(Some(testing), |state| async move {
        let mut testing = state?;
        let mut text = Vec::new();
        if let Some(check) = testing.next().await {
            push_line(&mut text, &json!({ "check": check }));
            return Some((Ok::<_, std::convert::Infallible>(Bytes::from(text)), Some(testing)));
        }
        match testing.report().await {
            Ok(report) => push_line(&mut text, &json!({ "report": report })),
            Err(error) => push_line(&mut text, &json!({ "error": problem(error) })),
        }
        Some((Ok(Bytes::from(text)), None))
    });
    ([(header::CONTENT_TYPE, NDJSON)], Body::from_stream(lines)).into_response()
}

/// A kept test.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeptTest {
    /// Its id.
    id: String,
    /// The environment that was tested.
    environment: String,
    /// Whether the schedule ran it; else somebody asked.
    scheduled: bool,
    /// What was found.
    report: Report,
}

/// Kept tests.
#[derive(Debug, Serialize, ToSchema)]
pub struct TestList {
    /// Newest first, at most a hundred.
    tests: Vec<KeptTest>,
    /// What the re-checks of the resource know, one for each environment; none without a schedule.
    rechecks: Vec<RecheckView>,
}

/// The kept results of tests, newest first, and what re-checks know.
#[utoipa::path(get, path = "/v1/resources/{name}/tests", tag = "resources", operation_id = "list_tests", security(("token" = ["viewer"])), params(("name" = String, Path, description = "The resource."), Scope), responses((status = 200, body = TestList), Problems))]
pub async fn list_tests(
    by: By<Viewer>,
    State(api): State<Api>,
    Segment(name): Segment<String>,
) -> Result<Json<TestList>, Failure> {
    let rows = api.app.tests(&by.0, &name, 100).await?;
    let kept = |row: TestRow| KeptTest {
        id: row.id,
        environment: row.environment,
        scheduled: row.scheduled,
        report: row.report,
    };
    let rechecks = api.app.rechecks_of(&by.0, &name).await?;
    Ok(Json(TestList { tests: rows.into_iter().map(kept).collect(), rechecks }))
}

/// Re-checks.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecheckList {
    /// By resource and environment.
    rechecks: Vec<RecheckView>,
}

/// The resources that are re-checked on a schedule, with their health: the verdict, since when, the last good result, and
/// the first bad one with its cause.
#[utoipa::path(get, path = "/v1/rechecks", tag = "resources", operation_id = "list_rechecks", security(("token" = ["viewer"])), params(Scope), responses((status = 200, body = RecheckList, example = json!({"rechecks": [{
    "resource": "invoices", "environment": "production", "interval_ms": 900_000, "next_at": "2026-11-01T10:15:02Z",
    "health": {"verdict": "fails", "since": "2026-11-01T09:45:01Z", "checked_at": "2026-11-01T10:00:02Z", "last_good_at": "2026-11-01T09:30:00Z", "first_bad": {"at": "2026-11-01T09:45:01Z", "verdict": "fails", "check": "bucket-found", "cause": "NoSuchBucket", "reason": "there is no bucket of that name"}},
    "delivery": {"at": "2026-11-01T09:45:02Z", "delivered": true, "detail": "answered 204 No Content", "tried_again": false}
}]})), Problems))]
pub async fn list_rechecks(by: By<Viewer>, State(api): State<Api>) -> Result<Json<RecheckList>, Failure> {
    Ok(Json(RecheckList { rechecks: api.app.rechecks(&by.0).await? }))
}
