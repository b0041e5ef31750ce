//! Events from AWS about changed secrets. Their senders have no token: they prove that they know a secret.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::app::{Delivery, Error, EventOutcome, EventSender};
use crate::http::extract::{Peer, RequestId, bearer, text_of};
use crate::http::openapi::Scope;
use crate::http::problem::{Failure, Problem, Problems};
use crate::http::{Api, observe, parameters};

/// EventBridge, SNS and SQS send at most this.
const MOST_BYTES: usize = 256 * 1024;
/// An event must be complete after this.
const TIMEOUT: Duration = Duration::from_secs(10);

/// An event of EventBridge: `Secret Label Updated`, or a call that CloudTrail recorded; also inside a notification of SNS.
#[derive(ToSchema)]
#[schema(value_type = Object, example = json!({"id": "6a7e8feb-0000-4000-8000-000000000001", "detail-type": "Secret Label Updated", "source": "aws.secretsmanager", "account": "111122223333", "region": "eu-central-1", "resources": ["arn:aws:secretsmanager:eu-central-1:111122223333:secret:app/db-Ab12Cd"], "detail": {"name": "app/db", "labelUpdated": "AWSCURRENT"}}))]
#[allow(dead_code, reason = "only described")]
pub struct SecretChange(Value);

/// How a sender proves that it knows the secret: one of these, or `Authorization: Bearer` with the secret itself.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "only described")]
pub struct EventHeaders {
    /// `t=SECONDS,v1=HEX`: HMAC-SHA256 of the seconds, a dot and the body. At most five minutes old.
    #[param(rename = "X-S3-Connector-Signature", required = false)]
    signature: Option<String>,
    /// The secret itself, for senders that cannot sign, such as API destinations of EventBridge.
    #[param(rename = "X-Api-Key", required = false)]
    key: Option<String>,
}

/// Takes an event about a changed secret: every replica reads the secret again. There is no such route unless the
/// service has a secret for events; senders prove that they know it.
#[utoipa::path(post, path = "/v1/events/secrets", tag = "sources", operation_id = "post_secret_event", security(("events" = [])), params(EventHeaders, Scope), request_body = SecretChange, responses((status = 200, description = "Handled, or a repetition.", body = EventOutcome), (status = 202, description = "Of a kind that changes no value.", body = EventOutcome), Problems))]
pub async fn post_secret_event(State(api): State<Api>, request: Request) -> Response {
    if !api.app.takes_events() {
        return observe::not_found(request.uri().clone()).await.into_response();
    }
    let (parts, body) = request.into_parts();
    match receive(&api, &parts, body).await {
        Ok(outcome) => {
            let status = if outcome.ignored { StatusCode::ACCEPTED } else { StatusCode::OK };
            (status, Json(outcome)).into_response()
        }
        Err(refusal) => refusal,
    }
}

async fn receive(api: &Api, parts: &Parts, body: Body) -> Result<EventOutcome, Response> {
    let refused = |error: Error| Failure(error).into_response();
    let body = read(body).await?;
    let from = parts.extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
    let sender = EventSender {
        signature: text_of(&parts.headers, "x-s3-connector-signature"),
        key: text_of(&parts.headers, "x-api-key").or_else(|| bearer(&parts.headers)),
        body: &body,
        from,
    };
    api.app.check_event_sender(&sender).map_err(refused)?;
    parameters::check(parts).map_err(refused)?;
    let text = std::str::from_utf8(&body)
        .map_err(|_| refused(Error::BadRequest("the event is not UTF-8: send JSON".to_owned())))?;
    let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    let delivery = Delivery { via: "http", from: &from.to_string(), request_id: &request_id };
    api.app.receive_event(text, delivery).await.map_err(refused)
}

async fn read(body: Body) -> Result<Bytes, Response> {
    match tokio::time::timeout(TIMEOUT, axum::body::to_bytes(body, MOST_BYTES)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => {
            let text = format!("the event has more than {MOST_BYTES} bytes, or ended early");
            Err(Failure(Error::TooLarge(text)).into_response())
        }
        Err(_) => {
            let text = "the event did not arrive in time";
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "RequestTimeout", text).into_response())
        }
    }
}
