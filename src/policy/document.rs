//! The typed policy: what a correct document says, with the place of every value in its text.
//!
//! A [`Policy`] exists only for a document without errors, so nobody who reads one has to think of missing effects or
//! unknown elements. Single values and lists of one are the same here, as they are for IAM.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A place in the text of a policy. Lines and columns start at 1; columns count characters, not bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
}

/// A value and where it begins in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it begins.
    pub at: Position,
}

/// A whole policy document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The version of the policy language. None means [`Version::V2008`] to IAM.
    pub version: Option<Located<Version>>,
    /// The `Id` of the document; it decides nothing.
    pub id: Option<Located<String>>,
    /// The statements in the order of the text.
    pub statements: Vec<Statement>,
}

/// The kinds of policy document; they have different rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PolicyKind)]
pub enum Kind {
    /// Attached to a user, group or role.
    Identity,
    /// Attached to a bucket or access point.
    Bucket,
    /// Says who may assume a role.
    Trust,
    /// Service control policy of an organization.
    Scp,
    /// Resource control policy of an organization.
    Rcp,
}

/// The two versions of the policy language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// `2008-10-17`: without variables.
    V2008,
    /// `2012-10-17`: the current one.
    V2012,
}

/// What a statement does when it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// It allows.
    Allow,
    /// It denies, whatever allows.
    Deny,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Where its `{` stands.
    pub at: Position,
    /// Its name.
    pub sid: Option<Located<String>>,
    /// Allow or Deny.
    pub effect: Located<Effect>,
    /// `Principal` or `NotPrincipal`. None in identity policies.
    pub principal: Option<Principals>,
    /// `Action` or `NotAction`.
    pub action: Listed,
    /// `Resource` or `NotResource`. None in trust policies.
    pub resource: Option<Listed>,
    /// Every key of every operator; all of them must hold.
    pub conditions: Vec<Condition>,
}

/// `X` or `NotX` with its values: one string and a list of strings are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// True for `NotAction` and `NotResource`.
    pub not: bool,
    /// Where the name of the element stands.
    pub at: Position,
    /// The values in the order of the text. May be empty: then it matches nothing.
    pub values: Vec<Located<String>>,
}

/// `Principal` or `NotPrincipal`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principals {
    /// True for `NotPrincipal`.
    pub not: bool,
    /// Where the name of the element stands.
    pub at: Position,
    /// Who is meant.
    pub who: Who,
}

/// Who a principal element means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// The string `*`: everybody, signed or not. `{"AWS": "*"}` means the same, and stays [`Who::Named`] so that it is
    /// printed as it was written.
    Everyone,
    /// Principals by kind. No kind comes twice.
    Named(Vec<(PrincipalKind, Vec<Located<String>>)>),
}

/// The kinds of principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PrincipalKind {
    /// Accounts, users, roles and sessions.
    Aws,
    /// AWS services, such as `cloudtrail.amazonaws.com`.
    Service,
    /// Identity providers; in trust policies only.
    Federated,
    /// S3's own 64 hexadecimal digits for an account.
    CanonicalUser,
}

/// One key under one operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The operator as written, with its prefix and suffix: `ForAnyValue:StringLikeIfExists`.
    pub operator: Located<String>,
    /// The key as written. IAM compares it without regard to case.
    pub key: Located<String>,
    /// The values; one of them must match. May be empty.
    pub values: Vec<Located<ConditionValue>>,
}

/// A value of a condition. IAM compares text, whatever kind of JSON value it was.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ConditionValue {
    /// The text: of a string its content, of a number or boolean its JSON text.
    pub text: String,
    /// How it was written.
    pub kind: ValueKind,
}

/// The JSON kinds that a condition value can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueKind {
    /// A string.
    String,
    /// A number.
    Number,
    /// `true` or `false`.
    Bool,
}

impl Version {
    /// The text of the version in a document.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2008 => "2008-10-17",
            Self::V2012 => "2012-10-17",
        }
    }

    /// The version that has this text.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::V2008, Self::V2012].into_iter().find(|version| version.as_str() == text)
    }
}

impl Effect {
    /// The text of the effect in a document.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "Allow",
            Self::Deny => "Deny",
        }
    }

    /// The effect that has this text; case counts.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Allow, Self::Deny].into_iter().find(|effect| effect.as_str() == text)
    }
}

impl PrincipalKind {
    /// The name of the kind in a document.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::Service => "Service",
            Self::Federated => "Federated",
            Self::CanonicalUser => "CanonicalUser",
        }
    }

    /// The kind that has this name; case counts.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Aws, Self::Service, Self::Federated, Self::CanonicalUser]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

impl Policy {
    /// Whether `${…}` is a variable here: only the current version has them.
    pub fn has_variables(&self) -> bool {
        self.version.as_ref().is_some_and(|version| version.value == Version::V2012)
    }
}
