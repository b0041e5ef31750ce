//! What the live policies of a bucket make of a resource: who asks, what could be read, what each operation comes to,
//! and what to change.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::model::check::Answer;
use crate::model::name::Name;
use crate::model::operation::Operation;
use crate::policy::finding::Finding;
use crate::policy::public_access::PublicAccess;

/// How a policy check is made, and what is known besides what can be read.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyCheckWanted {
    /// Try the operations now, as a test of the resource does, in place of the last test that was kept.
    pub test: bool,
    /// Who asks, where the store does not tell: the ARN of a user, role or session.
    #[schema(example = "arn:aws:iam::111122223333:user/app")]
    pub principal: Option<String>,
    /// All policies of the identity, those of its groups included, in place of what IAM says. An empty list means that
    /// it has none.
    #[schema(value_type = Option<Vec<Object>>)]
    pub identity_policies: Option<Vec<Box<RawValue>>>,
    /// The permissions boundary of the identity, in place of what IAM says.
    #[schema(value_type = Option<Object>)]
    pub permission_boundary: Option<Box<RawValue>>,
    /// The policy that the session was made with, when it is not the one of the resource.
    #[schema(value_type = Option<Object>)]
    pub session_policy: Option<Box<RawValue>>,
}

/// What the policies that apply to a resource come to.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyCheck {
    /// The resource.
    #[schema(value_type = String)]
    pub resource: Name,
    /// The environment that it is true for.
    #[schema(value_type = String)]
    pub environment: Name,
    /// The bucket.
    pub bucket: String,
    /// What it comes to.
    pub verdict: Verdict,
    /// Who asks.
    pub identity: CheckedIdentity,
    /// What was read, and what could not be. What could not be read is taken for nothing: predictions that depend on it
    /// are `unknown`.
    pub parts: Vec<PolicyPart>,
    /// One row an operation that the resource allows.
    pub predictions: Vec<Prediction>,
    /// What nobody reads here and what could still decide otherwise, for the request or against it.
    pub unseen: Vec<String>,
    /// What is to be said about the documents.
    pub findings: Vec<DocumentFinding>,
    /// What of the bucket is public; absent when its policy or its ACL could not be read.
    pub public_access: Option<PublicAccess>,
    /// What is certainly allowed, and no operation of the resource needs.
    pub unused: Vec<UnusedRights>,
    /// Actions that operations need and are certainly not allowed.
    pub missing: Vec<MissingRight>,
    /// The smallest change with which what is missing is allowed, and what no policy allows and only an ACL may; absent
    /// when there is neither.
    pub change: Option<PolicyChange>,
    /// Whether predictions agree with what a test tried; absent when there is no test of this environment.
    pub agreement: Option<Agreement>,
}

/// What a check of policies comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PolicyVerdict)]
pub enum Verdict {
    /// Everything that the resource allows is predicted to work, and no finding is an error.
    Passes,
    /// A finding is an error, or something that the resource allows is predicted to be denied.
    Fails,
    /// Neither: some of the predictions are `unknown`.
    Undecided,
}

impl Verdict {
    /// What predictions come to.
    pub fn of(predictions: &[Prediction]) -> Verdict {
        let has = |answer| predictions.iter().any(|row| row.answer == answer);
        if has(Answer::No) {
            Verdict::Fails
        } else if has(Answer::Unknown) {
            Verdict::Undecided
        } else {
            Verdict::Passes
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CheckedIdentity {
    /// Its ARN, or `anonymous`; absent when it is not known.
    #[schema(example = "arn:aws:sts::111122223333:assumed-role/app/s3c-default")]
    pub principal: Option<String>,
    /// The role of a session.
    pub role: Option<String>,
    /// How that is known, or why not.
    pub known_by: String,
    /// Whether the identity is of the account that owns the bucket; absent when it is not known.
    pub same_account: Option<bool>,
}

/// How it is with one part of what decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartState {
    /// It was read.
    Read,
    /// It was read: there is none.
    None,
    /// It came with the request, or is what this service itself sends.
    Given,
    /// The resource's identity may not read it.
    Denied,
    /// The provider does not have it, so it decides nothing.
    NotSupported,
    /// It was read, and it cannot be used: AWS would refuse it.
    Invalid,
    /// It could not be read for another reason.
    Failed,
    /// It was not asked for.
    NotRead,
}

impl PartState {
    /// The word used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            PartState::Read => "read",
            PartState::None => "none",
            PartState::Given => "given",
            PartState::Denied => "denied",
            PartState::NotSupported => "not_supported",
            PartState::Invalid => "invalid",
            PartState::Failed => "failed",
            PartState::NotRead => "not_read",
        }
    }
}

/// One part of what decides.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PolicyPart {
    /// `bucket_policy`, `ownership`, `public_access_block`, `bucket_acl`, `identity_policies`, `permission_boundary` or
    /// `session_policy`.
    #[schema(value_type = String, example = "bucket_policy")]
    pub part: &'static str,
    /// How it is with it.
    pub state: PartState,
    /// What there is, or why it could not be read.
    pub detail: String,
    /// The IAM action that is missing, when it was denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The documents, by the names that statements have: lines count in these texts. One that came in a single line is
    /// written anew.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<PolicyText>,
}

/// The text of a policy.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PolicyText {
    /// What it is called.
    #[schema(example = "the bucket policy")]
    pub name: String,
    /// Its text. Of policies that IAM has, empty for a role below `editor`.
    pub text: String,
}

/// What an operation comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Prediction {
    /// What would be done.
    pub operation: Operation,
    /// Whether the policies allow it.
    pub answer: Answer,
    /// Whether it worked when it was tried, by the test that `agreement` names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tried: Option<Answer>,
    /// Why, in one sentence.
    pub explanation: String,
    /// The statement that decides, when one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<DecidingStatement>,
    /// The actions behind it, each on its own.
    pub calls: Vec<PredictedCall>,
}

/// What one action comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PredictedCall {
    /// The IAM action.
    #[schema(example = "s3:GetObject")]
    pub action: String,
    /// What it is done to.
    #[schema(example = "arn:aws:s3:::acme-invoices/2026/*")]
    pub resource: String,
    /// Whether it is allowed.
    pub answer: Answer,
    /// Why, in one sentence.
    pub explanation: String,
    /// What would change it, when it is denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair: Option<String>,
    /// The statement that decides, when one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<DecidingStatement>,
    /// Whether a Deny decides: then no Allow helps.
    pub explicit: bool,
    /// Whether what limits the identity decides, its boundary or the policy of its session: then no other Allow helps.
    #[serde(skip)]
    pub limited: bool,
    /// Whether no policy allows it, and nothing but an ACL that was not read may.
    #[serde(skip)]
    pub only_acl: bool,
}

/// A statement that decides.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
pub struct DecidingStatement {
    /// The document, by the name that `parts` has.
    #[schema(example = "the bucket policy")]
    pub document: String,
    /// Its place in it, from 0.
    pub index: usize,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// Where it begins, from 1.
    pub line: u32,
}

/// A finding and the document that it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DocumentFinding {
    /// The document, by the name that `parts` has.
    #[schema(example = "the bucket policy")]
    pub document: String,
    /// What is said.
    #[serde(flatten)]
    pub finding: Finding,
}

/// Rights that no operation of the resource needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UnusedRights {
    /// The actions.
    pub actions: Vec<String>,
    /// What they are allowed on.
    #[schema(example = "arn:aws:s3:::acme-invoices/2026/*")]
    pub resource: String,
    /// The statement that allows them; absent for the root user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<DecidingStatement>,
    /// Why they are not needed.
    pub reason: String,
}

/// A right that is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MissingRight {
    /// The IAM action.
    #[schema(example = "s3:PutObject")]
    pub action: String,
    /// On what.
    pub resource: String,
    /// The operations that need it.
    pub operations: Vec<Operation>,
    /// The statement that denies it; absent when an Allow is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denied_by: Option<DecidingStatement>,
}

/// The smallest change.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyChange {
    /// To be attached to the identity, or added to one of its policies; absent when no Allow is missing, and for
    /// anonymous requests.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<Box<RawValue>>,
    /// Statements for the bucket policy. In the bucket's own account one of both is enough; else both are needed.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<Box<RawValue>>,
    /// What else has to change: statements that deny, a permissions boundary, a session policy.
    pub steps: Vec<String>,
}

/// How predictions compare with what a test tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Agreement {
    /// When the test was made.
    pub tested_at: String,
    /// Checks of the test whose outcome was predicted so.
    pub agree: Vec<String>,
    /// Those that came out otherwise.
    pub differ: Vec<Difference>,
    /// Those that could not be predicted.
    pub not_predicted: Vec<String>,
}

/// An outcome that was predicted otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Difference {
    /// The check of the test.
    #[schema(example = "objects-readable")]
    pub check: String,
    /// The IAM action.
    pub action: String,
    /// What was predicted.
    pub predicted: Answer,
    /// What came out.
    pub tried: Answer,
    /// Why it was predicted so.
    pub explanation: String,
    /// What may be behind it, the likeliest first.
    pub reasons: Vec<String>,
}
