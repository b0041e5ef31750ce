//! Signed URLs and forms over plain REST, and the redirect to one in place of a body.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::app::{Error, Outcome, Target};
use crate::http::Api;
use crate::http::api::objects::options::ReadChoice;
use crate::http::api::objects::with_freshness;
use crate::http::extract::{By, Environment, Object, Segment, User};
use crate::http::json_body::JsonBody;
use crate::http::openapi::Scope;
use crate::http::problem::{Failure, Problems};
use crate::model::multipart::{SignPartsOptions, SignedParts};
use crate::model::signed::{SignOptions, SignPostOptions, SignedForm, SignedUrl};

/// Seconds that the URL of a redirect holds: long enough to follow it.
const REDIRECT_EXPIRES: u64 = 60;

/// Signs a URL: whoever has it may do what it says, without a token, until it expires.
#[utoipa::path(post, path = "/v1/resources/{name}/objects:sign", tag = "objects", operation_id = "sign_object", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), Scope), request_body(content = SignOptions, examples(
    ("read" = (value = json!({"key": "2026/a.pdf", "response_content_disposition": "attachment; filename=\"a.pdf\""}))),
    ("write" = (value = json!({"method": "PUT", "key": "2026/a.pdf", "content_type": "application/pdf", "expires_in": 300}))),
)), responses((status = 200, body = SignedUrl), Problems))]
pub async fn sign_object(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    JsonBody(options): JsonBody<SignOptions>,
) -> Result<Response, Failure> {
    let _permit = api.app.admit(&by.0).await?;
    let target = Target { caller: &by.0, resource: &name, environment: &environment.0 };
    Ok(credential(api.app.sign(target, &options).await?))
}

/// Signs a form: a browser may upload with it what its conditions allow, until it expires.
#[utoipa::path(post, path = "/v1/resources/{name}/objects:sign-post", tag = "objects", operation_id = "sign_object_post", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), Scope), request_body(content = SignPostOptions, example = json!({"key_prefix": "uploads/", "content_type_prefix": "image/", "max_bytes": 5_000_000})), responses((status = 200, body = SignedForm), Problems))]
pub async fn sign_object_post(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    JsonBody(options): JsonBody<SignPostOptions>,
) -> Result<Response, Failure> {
    let _permit = api.app.admit(&by.0).await?;
    let target = Target { caller: &by.0, resource: &name, environment: &environment.0 };
    Ok(credential(api.app.sign_post(target, &options).await?))
}

/// Signs a URL for each part of an upload.
#[utoipa::path(post, path = "/v1/resources/{name}/objects:sign-parts", tag = "objects", operation_id = "sign_object_parts", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), Scope), request_body(content = SignPartsOptions, example = json!({"key": "2026/film.mp4", "upload_id": "2~abc", "size": 104_857_600})), responses((status = 200, body = SignedParts), Problems))]
pub async fn sign_object_parts(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    JsonBody(options): JsonBody<SignPartsOptions>,
) -> Result<Response, Failure> {
    let _permit = api.app.admit(&by.0).await?;
    let target = Target { caller: &by.0, resource: &name, environment: &environment.0 };
    Ok(credential(api.app.sign_parts(target, &options).await?))
}

/// Sends the reader to the store: 307, with a URL that holds for a minute.
pub(super) async fn redirect(
    api: &Api,
    by: &By<User>,
    environment: &Environment,
    object: Object,
    choice: ReadChoice,
) -> Result<Response, Failure> {
    let Object { resource, key } = object;
    let options = SignOptions { expires_in: Some(REDIRECT_EXPIRES), ..choice.signed(key)? };
    let target = Target { caller: &by.0, resource: &resource, environment: &environment.0 };
    let signed = api.app.sign(target, &options).await?;
    let location = HeaderValue::try_from(&signed.value.url)
        .map_err(|_| Failure(Error::BadRequest("the signed URL is no header".to_owned())))?;
    let mut response = (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, location)]).into_response();
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    keep_nowhere(&mut response);
    Ok(with_freshness(response, signed.freshness))
}

fn credential<T: Serialize>(signed: Outcome<T>) -> Response {
    let mut response = Json(signed.value).into_response();
    keep_nowhere(&mut response);
    with_freshness(response, signed.freshness)
}

/// Whoever reads it from a cache could use it.
pub(in crate::http::api) fn keep_nowhere(response: &mut Response) {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}
