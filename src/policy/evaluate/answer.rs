//! The whole answer to a question.

use serde::Serialize;
use utoipa::ToSchema;

use super::decide::{self, DecidedBy, Decision};
use super::policies::{Policies, Refused};
use super::reason::{self, Reason};
use super::trace::{self, StatementTrace};
use crate::policy::request::{Bucket, Call, Question, Request, RequestError};

/// A decision with its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PolicyAnswer)]
pub struct Answer<'a> {
    /// What becomes of the request.
    pub decision: Decision,
    /// What decided. For an implicit deny: where the Allow is missing.
    pub decided_by: DecidedBy,
    /// Whether the principal's account owns the resource.
    pub same_account: bool,
    /// Every statement of every policy, and what of it matched. Empty when a policy is invalid.
    pub statements: Vec<StatementTrace<'a>>,
    /// The reason in one sentence.
    pub explanation: String,
    /// What to add or remove, and where, when the request should go through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair: Option<String>,
    /// The place in `statements` of the one that decided, when one did.
    #[serde(skip)]
    pub decisive: Option<usize>,
}

/// Decides a request and tells why.
pub fn explain<'a>(call: &'a Call, policies: &'a Policies, bucket: &Bucket) -> Answer<'a> {
    let verdict = decide::decide(call, policies, bucket);
    let statements = trace::statements(call, policies);
    let Reason { explanation, repair } = reason::of(call, policies, bucket, verdict, &statements);
    let decisive = verdict.statement.and_then(|place| {
        let attached = policies.at(place)?;
        statements.iter().position(|trace| trace.index == place.statement && *trace.policy == *attached.label)
    });
    Answer {
        decision: verdict.decision,
        decided_by: verdict.decided_by,
        same_account: call.is_same_account(),
        statements,
        explanation,
        repair,
        decisive,
    }
}

/// A question, read: what an [`Answer`] points into.
#[derive(Debug, Clone)]
pub struct Evaluation {
    request: Request,
    call: Call,
    policies: Result<Policies, Refused>,
    bucket: Bucket,
}

impl Evaluation {
    /// Reads a question. A policy that is invalid is an answer, a request that is invalid is an error.
    pub fn new(question: Question) -> Result<Self, RequestError> {
        let Question { request, policies, bucket } = question;
        let call = Call::new(&request, &bucket)?;
        Ok(Self { call, policies: Policies::load(&policies), request, bucket })
    }

    /// The answer.
    pub fn answer(&self) -> Answer<'_> {
        let policies = match &self.policies {
            Ok(policies) => policies,
            Err(refused) => return self.invalid(refused),
        };
        let mut answer = explain(&self.call, policies, &self.bucket);
        if self.hides_missing_keys(answer.decision, policies) {
            answer.explanation.push_str(
                "; a key that does not exist is answered with 403 and not 404, because `s3:ListBucket` is not allowed",
            );
        }
        answer
    }

    fn invalid(&self, refused: &Refused) -> Answer<'_> {
        let Refused { slot, label, invalid } = refused;
        Answer {
            decision: Decision::Invalid,
            decided_by: (*slot).into(),
            same_account: self.call.is_same_account(),
            statements: Vec::new(),
            explanation: format!("AWS would refuse the policy `{label}`: in {invalid}"),
            repair: Some(format!("correct `{label}` at line {}, column {}", invalid.line, invalid.column)),
            decisive: None,
        }
    }

    /// Whether objects may be read, but S3 will not say which do not exist.
    fn hides_missing_keys(&self, decision: Decision, policies: &Policies) -> bool {
        let reads =
            &*self.call.service == "s3" && matches!(&*self.call.name, "getobject" | "getobjectversion");
        let Some((bucket, Some(_))) =
            self.call.bucket_and_key().filter(|_| reads && decision == Decision::Allowed)
        else {
            return false;
        };
        let partition = self.call.resource.split(':').nth(1).unwrap_or("aws");
        let list = Request {
            action: "s3:ListBucket".to_owned(),
            resource: format!("arn:{partition}:s3:::{bucket}"),
            ..self.request.clone()
        };
        Call::new(&list, &self.bucket)
            .is_ok_and(|call| decide::decide(&call, policies, &self.bucket).decision != Decision::Allowed)
    }
}
