//! What a bucket is set to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::cors::{self, CorsConfiguration};
use crate::finding::Finding;
use crate::model::provider::Feature;

/// One setting of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// The region.
    Location,
    /// Whether versions are kept.
    Versioning,
    /// How uploads are encrypted that do not say.
    Encryption,
    /// Who owns uploads, and whether ACLs count.
    Ownership,
    /// What keeps the bucket from becoming public.
    PublicAccessBlock,
    /// The bucket policy.
    Policy,
    /// The CORS configuration.
    Cors,
    /// The lifecycle rules.
    Lifecycle,
}

impl Aspect {
    /// Every aspect.
    pub const ALL: [Aspect; 8] = [
        Aspect::Location,
        Aspect::Versioning,
        Aspect::Encryption,
        Aspect::Ownership,
        Aspect::PublicAccessBlock,
        Aspect::Policy,
        Aspect::Cors,
        Aspect::Lifecycle,
    ];

    /// The word used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Aspect::Location => "location",
            Aspect::Versioning => "versioning",
            Aspect::Encryption => "encryption",
            Aspect::Ownership => "ownership",
            Aspect::PublicAccessBlock => "public_access_block",
            Aspect::Policy => "policy",
            Aspect::Cors => "cors",
            Aspect::Lifecycle => "lifecycle",
        }
    }

    /// The aspect of that word.
    pub fn parse(text: &str) -> Option<Aspect> {
        Aspect::ALL.into_iter().find(|aspect| aspect.as_str() == text)
    }

    /// The IAM action that reads it (Service Authorization Reference, Amazon S3).
    pub fn action(self) -> &'static str {
        match self {
            Aspect::Location => "s3:GetBucketLocation",
            Aspect::Versioning => "s3:GetBucketVersioning",
            Aspect::Encryption => "s3:GetEncryptionConfiguration",
            Aspect::Ownership => "s3:GetBucketOwnershipControls",
            Aspect::PublicAccessBlock => "s3:GetBucketPublicAccessBlock",
            Aspect::Policy => "s3:GetBucketPolicy",
            Aspect::Cors => "s3:GetBucketCORS",
            Aspect::Lifecycle => "s3:GetLifecycleConfiguration",
        }
    }

    /// What the provider must have for it.
    pub fn feature(self) -> Option<Feature> {
        match self {
            Aspect::Location => None,
            Aspect::Versioning => Some(Feature::Versions),
            Aspect::Encryption => Some(Feature::BucketEncryption),
            Aspect::Ownership => Some(Feature::BucketOwnership),
            Aspect::PublicAccessBlock => Some(Feature::PublicAccessBlock),
            Aspect::Policy => Some(Feature::BucketPolicy),
            Aspect::Cors => Some(Feature::BucketCors),
            Aspect::Lifecycle => Some(Feature::BucketLifecycle),
        }
    }
}

/// How it is with one aspect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AspectState {
    /// `value` holds it.
    Set,
    /// The bucket has none.
    NotSet,
    /// The resource's identity may not read it; `problem` names the IAM action.
    Denied,
    /// The provider does not have it.
    NotSupported,
    /// It could not be read for another reason.
    Failed,
}

/// What is known of one aspect.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AspectAnswer {
    /// How it is with it.
    pub state: AspectState,
    /// What it is set to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub value: Option<Value>,
    /// Why there is no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<AspectProblem>,
}

/// Why an aspect could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AspectProblem {
    /// The store's code, or one of ours.
    pub code: String,
    /// In words.
    pub detail: String,
    /// What to change, and who can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// The IAM action that is missing, when it was denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "s3:GetBucketPolicy")]
    pub action: Option<String>,
    /// The store's id of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// What a bucket is set to, aspect by aspect.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct BucketSettings {
    /// The bucket.
    pub bucket: String,
    /// By the name of the aspect.
    pub aspects: BTreeMap<&'static str, AspectAnswer>,
}

/// What a change of a bucket's setting did, or would do.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct BucketChange {
    /// The bucket.
    pub bucket: String,
    /// What is changed.
    pub aspect: Aspect,
    /// True when nothing was changed.
    pub dry_run: bool,
    /// True when a dry run says that the change is refused without `force`.
    pub refused: bool,
    /// What there was; absent when there was none, or it may not be read (`findings` say so).
    #[schema(value_type = Option<Object>)]
    pub before: Option<Value>,
    /// What there is now, read back from the store; what there would be for a dry run.
    #[schema(value_type = Option<Object>)]
    pub after: Option<Value>,
    /// The rules or statements that only `after` has.
    #[schema(value_type = Vec<Object>)]
    pub added: Vec<Value>,
    /// The rules or statements that only `before` has.
    #[schema(value_type = Vec<Object>)]
    pub removed: Vec<Value>,
    /// What is worth knowing.
    pub findings: Vec<Finding>,
}

/// A CORS configuration; the names of S3's own JSON (`CORSRules`, `AllowedOrigins`) are taken as well.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CorsRules {
    /// 1 to 100 rules; the first one that fits counts.
    #[serde(alias = "CORSRules")]
    pub rules: Vec<CorsRule>,
}

/// Which pages of other origins may do what (API reference, `CORSRule`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CorsRule {
    /// A name.
    #[serde(default, alias = "ID", skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// For example `https://app.example.com`; one `*` stands for any text.
    #[serde(alias = "AllowedOrigins")]
    #[schema(example = json!(["https://app.example.com"]))]
    pub allowed_origins: Vec<String>,
    /// `GET`, `PUT`, `HEAD`, `POST`, `DELETE`.
    #[serde(alias = "AllowedMethods")]
    #[schema(example = json!(["GET", "PUT"]))]
    pub allowed_methods: Vec<String>,
    /// Headers that a preflight may ask for; one `*` stands for any text.
    #[serde(default, alias = "AllowedHeaders", skip_serializing_if = "Vec::is_empty")]
    pub allowed_headers: Vec<String>,
    /// Headers of the answer that scripts may read.
    #[serde(default, alias = "ExposeHeaders", skip_serializing_if = "Vec::is_empty")]
    pub expose_headers: Vec<String>,
    /// Seconds that a browser may keep the answer to a preflight.
    #[serde(default, alias = "MaxAgeSeconds", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub max_age_seconds: Option<i32>,
}

impl CorsRules {
    /// The same for the engine, which says what is wrong with it.
    pub fn configuration(&self) -> CorsConfiguration {
        let rules = self.rules.iter().map(|rule| cors::CorsRule {
            id: rule.id.clone(),
            allowed_origins: rule.allowed_origins.clone(),
            allowed_methods: rule.allowed_methods.clone(),
            allowed_headers: rule.allowed_headers.clone(),
            expose_headers: rule.expose_headers.clone(),
            max_age_seconds: rule.max_age_seconds,
        });
        CorsConfiguration { rules: rules.collect() }
    }
}

/// The members of `one` that `other` does not have.
pub fn only_in(one: &[Value], other: &[Value]) -> Vec<Value> {
    one.iter().filter(|value| !other.contains(value)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Aspect, CorsRules};
    use crate::model::operation::Operation;

    #[test]
    fn a_configuration_of_the_cloud_s_own_console_is_understood() {
        let theirs = json!({"CORSRules": [{"ID": "a", "AllowedOrigins": ["*"], "AllowedMethods": ["GET"], "AllowedHeaders": ["*"], "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 5}]});
        let ours = json!({"rules": [{"id": "a", "allowed_origins": ["*"], "allowed_methods": ["GET"], "allowed_headers": ["*"], "expose_headers": ["ETag"], "max_age_seconds": 5}]});
        let read: CorsRules = serde_json::from_value(theirs).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), ours);
        assert_eq!(serde_json::to_value(read.configuration()).unwrap(), ours, "the engine sees the same");
    }

    #[test]
    fn every_aspect_has_its_word_and_an_action_of_the_operation() {
        for aspect in Aspect::ALL {
            assert_eq!(Aspect::parse(aspect.as_str()), Some(aspect));
            assert!(Operation::GetBucket.bucket_actions().contains(&aspect.action()), "{aspect:?}");
        }
        assert_eq!(Aspect::parse("tags"), None);
    }
}
