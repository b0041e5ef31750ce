//! What a bucket is set to: one call an aspect, and the answers as JSON.

use aws_sdk_s3::types::{
    BucketLocationConstraint, CorsConfiguration, CorsRule as SdkCorsRule, LifecycleExpiration, LifecycleRule,
    LifecycleRuleAndOperator, LifecycleRuleFilter, Tag, Transition,
};
use serde_json::{Map, Value, json};

use crate::aws::s3::{S3, SERVICE, rfc3339};
use crate::aws::{AwsError, ErrorKind};
use crate::model::bucket::{Aspect, CorsRule, CorsRules};

/// Codes that mean: there is none (API reference, the pages of the calls).
const NOT_SET: &[&str] = &[
    "NoSuchBucketPolicy",
    "NoSuchCORSConfiguration",
    "NoSuchLifecycleConfiguration",
    "NoSuchPublicAccessBlockConfiguration",
    "OwnershipControlsNotFoundError",
    "ServerSideEncryptionConfigurationNotFoundError",
];

impl S3 {
    /// What the bucket is set to in this respect; `None` when it is not set.
    pub async fn setting(&self, aspect: Aspect) -> Result<Option<Value>, AwsError> {
        let asked = match aspect {
            Aspect::Location => self.location().await,
            Aspect::Versioning => self.versioning().await,
            Aspect::Encryption => self.bucket_encryption().await,
            Aspect::Ownership => self.ownership().await,
            Aspect::PublicAccessBlock => self.public_access_block().await,
            Aspect::Policy => self.policy().await,
            Aspect::Cors => self.cors().await,
            Aspect::Lifecycle => self.lifecycle().await,
        };
        or_not_set(asked)
    }

    /// The bucket's policy as the store has it, down to its lines; `None` when there is none.
    pub async fn policy_text(&self) -> Result<Option<String>, AwsError> {
        or_not_set(self.read_policy().await)
    }

    /// Gives the bucket this CORS configuration in place of the one that it has.
    pub async fn put_cors(&self, cors: &CorsRules) -> Result<(), AwsError> {
        let rules = cors.rules.iter().map(|rule| {
            SdkCorsRule::builder()
                .set_id(rule.id.clone())
                .set_allowed_origins(Some(rule.allowed_origins.clone()))
                .set_allowed_methods(Some(rule.allowed_methods.clone()))
                .set_allowed_headers(some(&rule.allowed_headers))
                .set_expose_headers(some(&rule.expose_headers))
                .set_max_age_seconds(rule.max_age_seconds)
                .build()
        });
        let rules = rules.collect::<Result<Vec<_>, _>>();
        let cors = rules.and_then(|rules| CorsConfiguration::builder().set_cors_rules(Some(rules)).build());
        let cors = cors.map_err(|error| {
            AwsError::new(ErrorKind::InvalidRequest, SERVICE, "InvalidRequest", error.to_string())
        })?;
        let call = self
            .client
            .put_bucket_cors()
            .bucket(&self.bucket)
            .cors_configuration(cors)
            .set_expected_bucket_owner(self.expected_owner.clone());
        self.timed(call.send()).await.map(drop)
    }

    /// Takes the CORS configuration away; there need not be one.
    pub async fn delete_cors(&self) -> Result<(), AwsError> {
        let call = self
            .client
            .delete_bucket_cors()
            .bucket(&self.bucket)
            .set_expected_bucket_owner(self.expected_owner.clone());
        self.timed(call.send()).await.map(drop)
    }

    /// Gives the bucket this policy in place of the one that it has. AWS wants it confirmed that the identity may take
    /// its own rights away.
    pub async fn put_policy(&self, policy: &Value, confirmed: bool) -> Result<(), AwsError> {
        let call = self
            .client
            .put_bucket_policy()
            .bucket(&self.bucket)
            .policy(policy.to_string())
            .set_confirm_remove_self_bucket_access(confirmed.then_some(true))
            .set_expected_bucket_owner(self.expected_owner.clone());
        self.timed(call.send()).await.map(drop)
    }

    /// Takes the policy away; there need not be one.
    pub async fn delete_policy(&self) -> Result<(), AwsError> {
        let call = self
            .client
            .delete_bucket_policy()
            .bucket(&self.bucket)
            .set_expected_bucket_owner(self.expected_owner.clone());
        self.timed(call.send()).await.map(drop)
    }

    async fn location(&self) -> Result<Option<Value>, AwsError> {
        let call = self
            .client
            .get_bucket_location()
            .bucket(&self.bucket)
            .set_expected_bucket_owner(self.expected_owner.clone());
        let found = self.timed(call.send()).await?;
        let region = match found.location_constraint {
            // `EU` is the old word, and the oldest region has none (API reference, GetBucketLocation)
            Some(BucketLocationConstraint::Eu) => "eu-west-1".to_owned(),
            Some(region) if !region.as_str().is_empty() => region.as_str().to_owned(),
            _ => "us-east-1".to_owned(),
        };
        Ok(Some(json!({"region": region})))
    }

    async fn versioning(&self) -> Result<Option<Value>, AwsError> {
        let call = self
            .client
            .get_bucket_versioning()
            .bucket(&self.bucket)
            .set_expected_bucket_owner(self.expected_owner.clone());
        let found = self.timed(call.send()).await?;
        let word = |text: &str| text.to_lowercase();
        let status = found.status.map(|status| word(status.as_str()));
        let mfa = found.mfa_delete.map(|status| word(status.as_str()));
        Ok(status.map(|status| without_nulls(json!({"status": status, "mfa_delete": mfa}))))
    }

    async fn bucket_encryption(&self) -> Result<Option<Value>, AwsError> {
        let call = self
            .client
            .get_bucket_encryption()
            .bucket(&self.bucket)
            .set_expected_bucket_owner(self.expected_owner.clone());
        let found = self.timed(call.send()).await?;
        let rules = found.server_side_encryption_configuration.map(|found| found.rules).unwrap_or_default();
        let rules = rules.into_iter().map(|rule| {
            let given = rule.apply_server_side_encryption_by_default;
            let (algorithm, key) = given.map_or((None, None), |given| {
                (Some(given.sse_algorithm.as_str().to_owned()), given.kms_master_key_id)
            });
            without_nulls(
                json!({"algorithm": algorithm, "kms_key_id": key, "bucket_key": rule.bucket_key_enabled}),
            )
        });
        Ok(listed(rules.collect()).map(|rules| json!({"rules": rules})))
    }

    async fn ownership(&self) -> Result<Option<Value>, AwsError> {
        let found = self.object_ownership(&self.bucket).await?;
        Ok(found.map(|ownership| json!({"object_ownership": ownership})))
    }

    async fn public_access_block(&self) -> Result<Option<Value>, AwsError> {
        let call = self
            .client
            .get_public_access_block()
            .bucket(&self.bucket)
            .set_expected_bucket_owner(self.expected_owner.clone());
        let found = self.timed(call.send()).await?;
        Ok(found.public_access_block_configuration.map(|block| {
            let on = |flag: Option<bool>| flag.unwrap_or(false);
            json!({
                "block_public_acls": on(block.block_public_acls),
                "ignore_public_acls": on(block.ignore_public_acls),
                "block_public_policy": on(block.block_public_policy),
                "restrict_public_buckets": on(block.restrict_public_buckets),
            })
        }))
    }

    async fn policy(&self) -> Result<Option<Value>, AwsError> {
        let text = self.read_policy().await?;
        // what is no JSON is shown as the text that it is
        Ok(text.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    async fn read_policy(&self) -> Result<Option<String>, AwsError> {
        let call = self
            .client
            .get_bucket_policy()
            .bucket(&self.bucket)
            .set_expected_bucket_owner(self.expected_owner.clone());
        Ok(self.timed(call.send()).await?.policy.filter(|text| !text.trim().is_empty()))
    }

    async fn cors(&self) -> Result<Option<Value>, AwsError> {
        let call = self
            .client
            .get_bucket_cors()
            .bucket(&self.bucket)
            .set_expected_bucket_owner(self.expected_owner.clone());
        let rules = self.timed(call.send()).await?.cors_rules.unwrap_or_default();
        let rules = rules.into_iter().map(|rule| CorsRule {
            id: rule.id.filter(|id| !id.is_empty()),
            allowed_origins: rule.allowed_origins,
            allowed_methods: rule.allowed_methods,
            allowed_headers: rule.allowed_headers.unwrap_or_default(),
            expose_headers: rule.expose_headers.unwrap_or_default(),
            max_age_seconds: rule.max_age_seconds,
        });
        let rules = CorsRules { rules: rules.collect() };
        Ok(if rules.rules.is_empty() { None } else { serde_json::to_value(rules).ok() })
    }

    async fn lifecycle(&self) -> Result<Option<Value>, AwsError> {
        let call = self
            .client
            .get_bucket_lifecycle_configuration()
            .bucket(&self.bucket)
            .set_expected_bucket_owner(self.expected_owner.clone());
        let rules = self.timed(call.send()).await?.rules.unwrap_or_default();
        Ok(listed(rules.into_iter().map(lifecycle_rule).collect()).map(|rules| json!({"rules": rules})))
    }
}

/// What a store answers that has no such setting is no failure.
fn or_not_set<T>(asked: Result<Option<T>, AwsError>) -> Result<Option<T>, AwsError> {
    match asked {
        Err(error) if NOT_SET.contains(&error.code.as_str()) => Ok(None),
        // a store that does not know the setting lists the bucket instead, which is no answer to this
        Err(error) if error.status.is_some_and(|status| status < 300) => {
            let text = "the store answers something else: it does not know this setting";
            Err(AwsError {
                kind: ErrorKind::Unsupported,
                code: "NotImplemented".to_owned(),
                message: text.to_owned(),
                ..error
            })
        }
        asked => asked,
    }
}

#[expect(deprecated, reason = "rules of old buckets have their prefix there")]
fn lifecycle_rule(rule: LifecycleRule) -> Value {
    let transitions = rule.transitions.unwrap_or_default().iter().map(transition).collect();
    let noncurrent = rule.noncurrent_version_transitions.unwrap_or_default().into_iter().map(|step| {
        without_nulls(json!({
            "days": step.noncurrent_days,
            "storage_class": step.storage_class.map(|class| class.as_str().to_owned()),
            "newer_versions_kept": step.newer_noncurrent_versions,
        }))
    });
    let noncurrent = noncurrent.collect();
    without_nulls(json!({
        "id": rule.id,
        "status": rule.status.as_str().to_lowercase(),
        "filter": rule.filter.map(|found| filter(&found)).or(rule.prefix.map(|prefix| json!({"prefix": prefix}))),
        "expiration": rule.expiration.map(|found| expiration(&found)),
        "transitions": listed(transitions),
        "noncurrent_transitions": listed(noncurrent),
        "noncurrent_expiration": rule.noncurrent_version_expiration.map(|found| {
            without_nulls(json!({"days": found.noncurrent_days, "newer_versions_kept": found.newer_noncurrent_versions}))
        }),
        "abort_uploads_after_days": rule.abort_incomplete_multipart_upload.and_then(|found| found.days_after_initiation),
    }))
}

fn filter(filter: &LifecycleRuleFilter) -> Value {
    let pair = |tag: &Tag| (tag.key.clone(), Value::String(tag.value.clone()));
    let (both, own) = (filter.and.as_ref(), filter.tag.as_ref());
    let several = both.map(LifecycleRuleAndOperator::tags).unwrap_or_default();
    let tags: Map<String, Value> = own.into_iter().chain(several).map(pair).collect();
    without_nulls(json!({
        "prefix": filter.prefix.as_deref().or(both.and_then(LifecycleRuleAndOperator::prefix)),
        "tags": (!tags.is_empty()).then_some(tags),
        "larger_than": filter.object_size_greater_than.or(both.and_then(LifecycleRuleAndOperator::object_size_greater_than)),
        "smaller_than": filter.object_size_less_than.or(both.and_then(LifecycleRuleAndOperator::object_size_less_than)),
    }))
}

fn expiration(found: &LifecycleExpiration) -> Value {
    without_nulls(json!({
        "days": found.days,
        "date": found.date.as_ref().and_then(rfc3339),
        "expired_delete_markers": found.expired_object_delete_marker,
    }))
}

fn transition(step: &Transition) -> Value {
    without_nulls(json!({
        "days": step.days,
        "date": step.date.as_ref().and_then(rfc3339),
        "storage_class": step.storage_class.as_ref().map(|class| class.as_str().to_owned()),
    }))
}

fn without_nulls(mut value: Value) -> Value {
    if let Some(members) = value.as_object_mut() {
        members.retain(|_, member| !member.is_null());
    }
    value
}

/// An empty list is none.
fn listed(all: Vec<Value>) -> Option<Vec<Value>> {
    (!all.is_empty()).then_some(all)
}

fn some(texts: &[String]) -> Option<Vec<String>> {
    (!texts.is_empty()).then(|| texts.to_vec())
}
