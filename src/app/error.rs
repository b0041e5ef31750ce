//! What can go wrong in a use case: a closed set, so that the edges match on it once.

use std::sync::Arc;

use crate::aws::AwsError;
use crate::cache::LoadError;
use crate::finding::Finding;
use crate::model::header_text::Unfit;
use crate::model::name::Name;
use crate::model::object::KeyError;
use crate::model::operation::Operation;
use crate::model::principal::Role;
use crate::store::StoreError;

/// A use case failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not there, or not for this caller: both look the same.
    #[error("there is no {what} `{name}`")]
    NotFound {
        /// `resource`, `source` and so on.
        what: &'static str,
        /// The name that was asked for.
        name: String,
    },
    /// The request cannot be understood.
    #[error("{0}")]
    BadRequest(String),
    /// A definition or a request has another shape.
    #[error("{detail}")]
    Malformed {
        /// One sentence.
        detail: String,
        /// Where and why.
        finding: Finding,
    },
    /// The definition cannot be used.
    #[error("{detail}")]
    Invalid {
        /// One sentence.
        detail: String,
        /// Where and why.
        findings: Vec<Finding>,
    },
    /// No valid token.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// Too many failed attempts from one address.
    #[error("too many failed attempts: wait a minute")]
    TooManyFailures,
    /// The role is too weak.
    #[error("this needs the role {}, and the token has {}", needs.as_str(), has.as_str())]
    Forbidden {
        /// The role that is needed.
        needs: Role,
        /// The role of the token.
        has: Role,
    },
    /// Only a token of the whole installation may.
    #[error("this needs a token of the whole installation")]
    InstallationOnly,
    /// The resource does not allow the operation.
    #[error("the resource `{resource}` does not allow the operation `{}`", operation.as_str())]
    OperationNotAllowed {
        /// The resource.
        resource: String,
        /// The operation.
        operation: Operation,
    },
    /// A usage policy does not allow what a secret is used for.
    #[error("{detail}")]
    UsageDenied {
        /// Which secret, for what, and why not.
        detail: String,
        /// The rule that came nearest; none where no rule names the secret.
        rule: Option<Name>,
    },
    /// The name is taken, or the thing is in use.
    #[error("{0}")]
    Conflict(String),
    /// Another number of objects is there than was confirmed, or none was confirmed.
    #[error("{detail}")]
    CountNotConfirmed {
        /// What was confirmed, and what is there.
        detail: String,
        /// How many are there.
        count: u64,
    },
    /// Resources need the source.
    #[error("{0}")]
    SourceInUse(String),
    /// A change needs `If-Match`.
    #[error("the change needs the header `If-Match` with the ETag of the definition it is based on, or `*`")]
    PreconditionRequired,
    /// The definition changed since it was read.
    #[error(
        "the definition changed meanwhile: it has version {current} now; read it again and repeat the change"
    )]
    VersionMismatch {
        /// The version that is there.
        current: i64,
    },
    /// More than a bound allows.
    #[error("{0}")]
    TooLarge(String),
    /// Too much at once.
    #[error("{0}")]
    Overloaded(&'static str),
    /// One token asks for too much at once.
    #[error("this token runs too many queries at once: wait for some to end")]
    TooManyQueries,
    /// A reference cannot be resolved.
    #[error("{0}")]
    Unresolved(Box<Unresolved>),
    /// The store or another upstream failed.
    #[error("{0}")]
    Upstream(Box<AwsError>),
    /// Our own database failed.
    #[error("the service's own store failed")]
    Store(#[source] StoreError),
}

/// A reference that cannot be resolved: which field, which secret, and why. Never a value.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the field `{field}` cannot be resolved: `{reference}` (secret `{secret}`): {reason}")]
pub struct Unresolved {
    /// The field.
    pub field: String,
    /// The reference as it is written.
    pub reference: String,
    /// The full name of the secret that was asked for.
    pub secret: String,
    /// Why.
    pub reason: String,
    /// The code of the error catalogue.
    pub code: String,
    /// The failed load, when there was one.
    pub load: Option<Arc<LoadError>>,
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Error::NotFound { what: "row", name: String::new() },
            StoreError::Conflict => Error::Conflict("the name is taken".to_owned()),
            StoreError::InUse => Error::Conflict("it is still in use".to_owned()),
            StoreError::VersionMismatch { current } => Error::VersionMismatch { current },
            other => Error::Store(other),
        }
    }
}

impl From<AwsError> for Error {
    fn from(error: AwsError) -> Self {
        Error::Upstream(Box::new(error))
    }
}

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        Error::BadRequest(error.to_string())
    }
}

impl From<Unfit> for Error {
    fn from(unfit: Unfit) -> Self {
        Error::field(&unfit.path, unfit.rule)
    }
}

impl Error {
    /// A short code for the audit and metrics.
    pub fn code(&self) -> &str {
        match self {
            Error::NotFound { .. } => "NotFound",
            Error::BadRequest(_) | Error::Malformed { .. } => "BadRequest",
            Error::Invalid { .. } => "Invalid",
            Error::Unauthenticated(_) => "Unauthenticated",
            Error::TooManyFailures => "TooManyFailures",
            Error::Forbidden { .. } | Error::InstallationOnly => "Forbidden",
            Error::OperationNotAllowed { .. } => "OperationNotAllowed",
            Error::UsageDenied { .. } => "UsageDenied",
            Error::Conflict(_) => "Conflict",
            Error::CountNotConfirmed { .. } => "CountNotConfirmed",
            Error::SourceInUse(_) => "SourceInUse",
            Error::PreconditionRequired => "PreconditionRequired",
            Error::VersionMismatch { .. } => "VersionMismatch",
            Error::TooLarge(_) => "TooLarge",
            Error::Overloaded(_) => "Overloaded",
            Error::TooManyQueries => "TooManyQueries",
            Error::Unresolved(unresolved) => &unresolved.code,
            Error::Upstream(error) => error.catalogue_code(),
            Error::Store(_) => "Internal",
        }
    }

    /// A field of a request that holds what it does not take; the rule reads on from the field's name.
    pub fn field(path: &str, rule: impl Into<String>) -> Error {
        let rule = rule.into();
        let detail = format!("`{path}` {rule}");
        Error::Malformed { detail, finding: Finding::error("INVALID_VALUE", path, rule) }
    }

    /// A definition with errors.
    pub fn invalid(findings: Vec<Finding>) -> Error {
        let first = findings.iter().find(|finding| finding.severity == crate::finding::Severity::Error);
        let detail = first
            .map_or_else(|| "the definition is invalid".to_owned(), |f| format!("{}: {}", f.path, f.message));
        Error::Invalid { detail, findings }
    }
}
