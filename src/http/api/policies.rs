//! IAM policies: what is wrong with one, what it decides, the least one for a wish, what a change changes.
//!
//! Everything is told from the body alone; nothing is read or kept. The work is bounded by the size of the body and can
//! take about a second, so it has a place among the running queries and runs beside the threads that answer.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::app::Error;
use crate::finding::Finding;
use crate::http::Api;
use crate::http::extract::{By, Viewer};
use crate::http::json_body::JsonBody;
use crate::http::openapi::Scope;
use crate::http::problem::{Failure, Problems};
use crate::policy::compile::Slot;
use crate::policy::diff::{self, Comparison};
use crate::policy::document::{Kind, Policy};
use crate::policy::evaluate::{Answer, Evaluation};
use crate::policy::finding;
use crate::policy::generate::{self, Generated, Wanted};
use crate::policy::parse;
use crate::policy::request::{Question, Request};
use crate::policy::validate::{self, Facts, Validation};

/// Bytes of one text of a request that is judged. Names, keys and ARNs of AWS are shorter; every pattern is compared
/// with it.
const MOST_TEXT: usize = 2048;
/// Bytes of all of them together; the tags of a request and of its principal take the most.
const MOST_TEXTS: usize = 32 << 10;

/// A policy to check.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ValidatePolicy {
    /// The document, or a string that holds its text: then places count in that text.
    #[schema(value_type = Object)]
    policy: Box<RawValue>,
    /// What kind of policy it is.
    kind: Kind,
    /// What is known besides the text.
    #[serde(default)]
    facts: Facts,
    /// Also give the text with every mechanical repair made.
    #[serde(default)]
    repair: bool,
}

/// Checks a policy: what AWS would refuse, what gives away more than was meant, what can never match, with the place and
/// the repair. A policy with errors is answered with 200 and `valid: false`.
#[utoipa::path(post, path = "/v1/policies/validate", tag = "policies", operation_id = "validate_policy", security(("token" = ["viewer"])), params(Scope), request_body(content = ValidatePolicy, example = json!({"kind": "bucket", "policy": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObjects", "Resource": "arn:aws:s3:::acme-invoices/*"}]}, "facts": {"bucket": {"name": "acme-invoices", "account": "111122223333"}}})), responses((status = 200, body = Validation), Problems))]
pub async fn validate_policy(
    by: By<Viewer>,
    State(api): State<Api>,
    JsonBody(wanted): JsonBody<ValidatePolicy>,
) -> Result<Json<Validation>, Failure> {
    let work = move || {
        let ValidatePolicy { policy, kind, facts, repair } = wanted;
        facts.check().map_err(|(path, reason)| unusable("INVALID_REQUEST", path, reason))?;
        let text = text_of(&policy);
        let mut validation = Validation::new(validate::validate(&text, kind, &facts));
        if repair {
            validation.repaired = validate::repair(&text, kind, &facts);
        }
        Ok::<_, Error>(Json(validation))
    };
    Ok(api.app.beside(&by.0, work).await??)
}

/// Decides a request from every policy that applies, and says which statement decided and why the others did not match.
/// An invalid policy is an answer (`decision: invalid`).
#[utoipa::path(post, path = "/v1/policies/evaluate", tag = "policies", operation_id = "evaluate_policies", security(("token" = ["viewer"])), params(Scope), request_body(content = Question, example = json!({"request": {"principal": "arn:aws:iam::111122223333:role/app", "action": "s3:GetObject", "resource": "arn:aws:s3:::acme-invoices/2026/01.pdf", "context": {"aws:SecureTransport": ["true"]}}, "policies": {"identity": [{"Version": "2012-10-17", "Statement": [{"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::acme-invoices/*"}]}]}})), responses((status = 200, body = Answer<'static>), Problems))]
pub async fn evaluate_policies(
    by: By<Viewer>,
    State(api): State<Api>,
    JsonBody(question): JsonBody<Question>,
) -> Result<Response, Failure> {
    let work = move || {
        check_length(&question.request)?;
        let evaluation = Evaluation::new(question)
            .map_err(|error| unusable("INVALID_REQUEST", error.path, error.message))?;
        // what is answered points into what was read
        Ok::<_, Error>(Json(evaluation.answer()).into_response())
    };
    Ok(api.app.beside(&by.0, work).await??)
}

/// Writes the least policies for what somebody wants to do with a bucket: for the identity and, where they are needed,
/// for the bucket and the role.
#[utoipa::path(post, path = "/v1/policies/generate", tag = "policies", operation_id = "generate_policies", security(("token" = ["viewer"])), params(Scope), request_body(content = Wanted, example = json!({"bucket": "acme-invoices", "prefix": "2026/", "operations": ["list", "get", "put"], "tls_only": true})), responses((status = 200, body = Generated), Problems))]
pub async fn generate_policies(
    by: By<Viewer>,
    State(api): State<Api>,
    JsonBody(wanted): JsonBody<Wanted>,
) -> Result<Json<Generated>, Failure> {
    let work = move || {
        generate::generate(&wanted).map_err(|error| unusable("INVALID_WISH", error.path, error.message))
    };
    Ok(Json(api.app.beside(&by.0, work).await??))
}

/// A policy before and after a change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ComparePolicies {
    /// As it is: the document, or a string that holds its text.
    #[schema(value_type = Object)]
    before: Box<RawValue>,
    /// As it will be.
    #[schema(value_type = Object)]
    after: Box<RawValue>,
    /// What kind of policy both are.
    kind: Kind,
}

/// Finds requests that a policy decides differently before and after a change. Each was evaluated both ways; that none is
/// found is no proof that there is none.
#[utoipa::path(post, path = "/v1/policies/diff", tag = "policies", operation_id = "diff_policies", security(("token" = ["viewer"])), params(Scope), request_body(content = ComparePolicies, example = json!({"kind": "identity", "before": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::acme-invoices/2026/*"}]}, "after": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::acme-invoices/*"}]}})), responses((status = 200, body = Comparison), Problems))]
pub async fn diff_policies(
    by: By<Viewer>,
    State(api): State<Api>,
    JsonBody(wanted): JsonBody<ComparePolicies>,
) -> Result<Json<Comparison>, Failure> {
    let work = move || {
        let (before, after) = (policy("before", &wanted.before)?, policy("after", &wanted.after)?);
        diff::diff(&before, &after, Slot::from(wanted.kind)).map_err(|error| {
            let place = error.invalid;
            let finding = Finding::error("INVALID_POLICY", error.which, place.message);
            Error::invalid(vec![finding.at(place.line, place.column)])
        })
    };
    Ok(Json(api.app.beside(&by.0, work).await??))
}

/// The text of a document, or the text in a string, as AWS returns bucket policies.
fn text_of(document: &RawValue) -> String {
    serde_json::from_str::<String>(document.get()).unwrap_or_else(|_| document.get().to_owned())
}

fn policy(which: &str, document: &RawValue) -> Result<Policy, Error> {
    let errors = |findings: Vec<finding::Finding>| {
        let errors = findings.into_iter().map(|found| {
            let path = format!("{which}.{}", found.path);
            let error = Finding::error(found.code, path.trim_end_matches('.'), found.message);
            let error = error.at(found.line, found.column);
            match found.help {
                Some(help) => error.with_help(help),
                None => error,
            }
        });
        Error::invalid(errors.collect())
    };
    parse::parse(&text_of(document)).map_err(errors)
}

fn unusable(code: &'static str, path: &str, message: String) -> Error {
    Error::invalid(vec![Finding::error(code, path, message)])
}

/// Refuses texts that no request has: the time to compare grows with them.
fn check_length(request: &Request) -> Result<(), Error> {
    let parts = [
        ("request.principal", &request.principal),
        ("request.action", &request.action),
        ("request.resource", &request.resource),
    ];
    let context = request.context.iter().flat_map(|(key, values)| std::iter::once(key).chain(values));
    let mut all = 0;
    for (path, text) in parts.into_iter().chain(context.map(|text| ("request.context", text))) {
        all += text.len();
        if text.len() > MOST_TEXT {
            let message = format!("a text has {} bytes; give at most {MOST_TEXT}", text.len());
            return Err(unusable("INVALID_REQUEST", path, message));
        }
    }
    if all > MOST_TEXTS {
        let message = format!("the request has {all} bytes of text; give at most {MOST_TEXTS}");
        return Err(unusable("INVALID_REQUEST", "request.context", message));
    }
    Ok(())
}
