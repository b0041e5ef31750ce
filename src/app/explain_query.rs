//! Explain a query: the request that it would send, where it goes and why, who it would be, and what it needs.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::connect::sts_target;
use crate::app::connection::{Connection, Plan, Subject};
use crate::app::explain::ExplainedReference;
use crate::app::scope;
use crate::app::secret_policy::NeededPermission;
use crate::app::unsent::Unsent;
use crate::app::{App, Resource};
use crate::aws::capture::Captured;
use crate::aws::credentials::Base;
use crate::clock::rfc3339;
use crate::model::name::Name;
use crate::model::operation::Operation;
use crate::model::provider::{self, AUTO};
use crate::model::query_actions::{self, Need, On};
use crate::model::query_calls;
use crate::model::resource::{Addressing, Definition, NamedPolicy, SessionPolicy};
use crate::model::upload::StoreEncryption;
use crate::template;

/// What would happen. Nothing was sent: neither to the store, nor to STS or a source of secrets.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct QueryExplanation {
    /// As it was asked for.
    #[schema(example = "get")]
    pub operation: String,
    /// The resource.
    #[schema(value_type = String)]
    pub resource: Name,
    /// The environment that it is true for.
    #[schema(value_type = String)]
    pub environment: Name,
    /// Whether the resources allow all of it.
    pub allowed: bool,
    /// What it is made of, in the words that a resource allows.
    pub operations: Vec<ExplainedOperation>,
    /// The first request; absent when there would be none.
    pub request: Option<ExplainedRequest>,
    /// How many calls it may become.
    pub calls: ExplainedCalls,
    /// Where it goes, and why; absent when that cannot be told.
    pub place: Option<ExplainedPlace>,
    /// Who it would be; absent when that cannot be told.
    pub identity: Option<ExplainedIdentity>,
    /// What the identity must be allowed, at AWS.
    pub permissions: Vec<NeededPermission>,
    /// What the operation needs and the provider's profile lacks: the query would be refused.
    #[schema(value_type = Vec<String>)]
    pub not_supported: Vec<&'static str>,
    /// The references behind the definition, with what is cached of each; never a value.
    pub secrets: Vec<ExplainedReference>,
    /// Fields whose values are not cached: a made-up value stands for each above.
    #[schema(value_type = Vec<String>)]
    pub unknown: Vec<&'static str>,
    /// Why the query would fail before anything is sent.
    pub refused: Option<Refusal>,
    /// What it answers where nothing is sent, without signatures.
    #[schema(value_type = Option<Object>)]
    pub answer: Option<Value>,
}

/// One class of operation that a query needs.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ExplainedOperation {
    /// The class.
    pub operation: Operation,
    /// Of which resource.
    #[schema(value_type = String)]
    pub resource: Name,
    /// Whether the resource allows it.
    pub allowed: bool,
}

/// A request.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ExplainedRequest {
    /// The method.
    #[schema(example = "GET")]
    pub method: String,
    /// With the query.
    #[schema(example = "https://acme-invoices.s3.eu-central-1.amazonaws.com/2026/a.pdf")]
    pub url: String,
    /// In the order of their names.
    pub headers: Vec<ExplainedHeader>,
    /// Which of them are signed; empty for anonymous requests.
    pub signed_headers: Vec<String>,
    /// Bytes of the body; absent where the length is not known.
    pub body_bytes: Option<u64>,
}

/// A header.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ExplainedHeader {
    /// In lower case.
    pub name: String,
    /// Absent for what signs or encrypts.
    pub value: Option<String>,
}

/// How many calls.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ExplainedCalls {
    /// The most; absent where only the store knows.
    pub at_most: Option<u64>,
    /// What they are.
    pub why: String,
    /// How often each may be tried again.
    pub retries: Option<u32>,
}

/// Where a request goes.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ExplainedPlace {
    /// The bucket.
    pub bucket: String,
    /// What is put before every key.
    pub prefix: String,
    /// The endpoint; absent for the region's own at AWS.
    pub endpoint: Option<String>,
    /// `virtual` (the bucket stands in the host) or `path`.
    #[schema(value_type = String, example = "virtual")]
    pub addressing: &'static str,
    /// Why.
    #[schema(value_type = String)]
    pub addressing_by: &'static str,
    /// The region that is signed for.
    pub region: String,
    /// Why.
    #[schema(value_type = String)]
    pub region_by: &'static str,
    /// The service that is signed for.
    #[schema(value_type = String)]
    pub service: &'static str,
    /// The provider's profile.
    #[schema(value_type = String)]
    pub provider: &'static str,
    /// Why.
    #[schema(value_type = String)]
    pub provider_by: &'static str,
    /// What the profile does not promise.
    #[schema(value_type = Vec<String>)]
    pub provider_lacks: Vec<&'static str>,
}

/// Whose credentials a request is signed with.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ExplainedIdentity {
    /// `access_key`, `default_chain` or `anonymous`.
    #[schema(value_type = String)]
    pub kind: &'static str,
    /// The role that is assumed with it.
    pub role: Option<ExplainedRole>,
}

/// A role.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ExplainedRole {
    /// Its ARN.
    pub arn: String,
    /// As the audit of the cloud account names it.
    pub session_name: String,
    /// Whether an external id is sent.
    pub external_id: bool,
    /// `none`, `scoped` or `document`.
    #[schema(value_type = String)]
    pub session_policy: &'static str,
    /// `cached`, or `unknown yet`: the query asks STS first.
    #[schema(value_type = String)]
    pub session: &'static str,
    /// RFC 3339.
    pub session_ends_at: Option<String>,
}

/// Why a query would fail before anything is sent.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Refusal {
    /// As the query would answer it.
    pub code: String,
    /// What is wrong.
    pub detail: String,
    /// What to do.
    pub remedy: Option<String>,
}

/// What was asked, and what the query that was not sent came to.
#[derive(Debug)]
pub struct Asked {
    /// The body.
    pub body: Value,
    /// Its answer, where it needs no request.
    pub answer: Option<Value>,
    /// Its failure, but for that nothing was sent.
    pub refused: Option<Refusal>,
}

impl App {
    /// Tells what the query came to that ran on this twin ([`App::unsent`]).
    pub fn explained_query(
        &self,
        resource: &Arc<Resource>,
        environment: &Name,
        asked: Asked,
    ) -> QueryExplanation {
        let unsent = self.unsent.clone().unwrap_or_default();
        let mut begun = unsent.begun();
        if begun.is_empty() {
            begun.extend(class_named(&asked.body).map(|operation| (operation, Arc::clone(resource))));
        }
        let main = self.connect_unsent(resource, environment, &unsent).ok();
        let plan = main.as_deref().map(|connection| &connection.plan);
        let definition = resource.record.definition.in_environment(environment);
        let first = unsent.capture().first();
        let signed = asked.answer.as_ref().and_then(|answer| {
            answer.get("url").or_else(|| answer.pointer("/parts/0/url")).and_then(Value::as_str)
        });
        let url = first.map(|captured| captured.url.as_str()).or(signed);
        let operations: Vec<ExplainedOperation> = begun.iter().map(explained_operation).collect();
        let batch = plan.map_or(1000, |plan| plan.profile.delete_batch);
        let calls =
            query_calls::calls(begun.first().map_or(Operation::Get, |(class, _)| *class), &asked.body, batch);
        let operation = asked.body.get("operation").and_then(Value::as_str).unwrap_or_default().to_owned();
        QueryExplanation {
            operation,
            allowed: operations.iter().all(|operation| operation.allowed),
            operations,
            request: first.map(explained_request),
            calls: ExplainedCalls {
                at_most: calls.at_most,
                why: calls.why,
                retries: plan.map(|plan| plan.retries),
            },
            place: plan.map(|plan| explained_place(&definition, plan, url)),
            identity: plan.map(|plan| self.explained_identity(&definition, plan)),
            permissions: self.permissions(resource, &begun, environment, &asked.body, &unsent),
            not_supported: unsent.lacking().into_iter().map(provider::Feature::as_str).collect(),
            secrets: self.explained_secrets(resource, &definition, environment),
            unknown: unsent.unknown(),
            refused: asked.refused,
            answer: asked.answer.filter(|_| first.is_none()).map(without_signatures),
            resource: resource.name().clone(),
            environment: environment.clone(),
        }
    }

    fn explained_identity(&self, definition: &Definition, plan: &Plan) -> ExplainedIdentity {
        let kind = match &plan.base {
            Some(Base::Key(_)) => "access_key",
            Some(Base::Chain | Base::Session(_)) => "default_chain",
            None => "anonymous",
        };
        let role = plan.base.as_ref().zip(plan.role.as_ref()).map(|(base, role)| {
            let ends = self.identities.session_ends_ms(base, role, &sts_target(plan));
            let written = definition.assume_role.as_ref().map(|role| &role.session_policy);
            ExplainedRole {
                arn: role.arn.clone(),
                session_name: role.session_name.clone(),
                external_id: role.external_id.is_some(),
                session_policy: match written {
                    Some(SessionPolicy::Named(NamedPolicy::Scoped)) => "scoped",
                    Some(SessionPolicy::Document(_)) => "document",
                    _ => "none",
                },
                session: if ends.is_some() { "cached" } else { "unknown yet" },
                session_ends_at: ends.map(rfc3339),
            }
        });
        ExplainedIdentity { kind, role }
    }

    fn explained_secrets(
        &self,
        resource: &Resource,
        definition: &Definition,
        environment: &Name,
    ) -> Vec<ExplainedReference> {
        let subject = Subject::of(&resource.record, definition, environment);
        let mut references = Vec::new();
        for (field, text) in definition.text_fields() {
            // it was parsed when it was saved
            let Ok(template) = template::parse(text) else { continue };
            let found = template.references();
            references.extend(found.map(|reference| self.explained(&subject, field, reference)));
        }
        references
    }

    fn permissions(
        &self,
        resource: &Arc<Resource>,
        begun: &[(Operation, Arc<Resource>)],
        environment: &Name,
        body: &Value,
        unsent: &Arc<Unsent>,
    ) -> Vec<NeededPermission> {
        let named = body.get("to_resource").and_then(Value::as_str);
        let other = begun.iter().find(|(_, other)| named == Some(other.name().as_str()));
        let target = other.map_or(resource, |(_, other)| other);
        let mut distinct = Vec::new();
        for (resource, at_target) in [(resource, false), (target, true)] {
            let Ok(connection) = self.connect_unsent(resource, environment, unsent) else { continue };
            if connection.plan.base.is_none() {
                continue;
            }
            let needed = query_actions::needs(body).into_iter().filter(|need| need.at_target == at_target);
            for permission in needed.flat_map(|need| permissions_at(&connection, &need, body)) {
                if !distinct.contains(&permission) {
                    distinct.push(permission);
                }
            }
        }
        distinct
    }
}

/// By the word that was asked with, where the query failed before it began.
fn class_named(body: &Value) -> Option<Operation> {
    let word = body.get("operation")?.as_str()?;
    Operation::ALL.into_iter().find(|operation| operation.as_str() == word)
}

fn explained_operation((operation, resource): &(Operation, Arc<Resource>)) -> ExplainedOperation {
    let allowed = resource.record.definition.operations.as_ref();
    ExplainedOperation {
        operation: *operation,
        resource: resource.name().clone(),
        allowed: allowed.is_none_or(|allowed| allowed.contains(operation)),
    }
}

fn explained_request(captured: &Captured) -> ExplainedRequest {
    let headers = captured.headers.iter().cloned();
    ExplainedRequest {
        method: captured.method.clone(),
        url: captured.url.clone(),
        headers: headers.map(|(name, value)| ExplainedHeader { name, value }).collect(),
        signed_headers: captured.signed.clone(),
        body_bytes: captured.body_bytes,
    }
}

/// `url` is one that the query would send, or answer.
fn explained_place(definition: &Definition, plan: &Plan, url: Option<&str>) -> ExplainedPlace {
    let host = url.and_then(|url| url.split_once("://")).map(|(_, rest)| rest);
    let in_host = host.map_or(!plan.path_style, |host| host.starts_with(&format!("{}.", plan.bucket)));
    ExplainedPlace {
        bucket: plan.bucket.clone(),
        prefix: plan.prefix.clone(),
        endpoint: plan.endpoint.as_ref().map(|endpoint| endpoint.url.clone()),
        addressing: if in_host { "virtual" } else { "path" },
        addressing_by: match definition.addressing {
            _ if !in_host && !plan.path_style => {
                "the bucket's name or the endpoint's address does not fit into a host name"
            }
            Addressing::Auto => "the provider's profile",
            Addressing::Virtual | Addressing::Path => "the resource's `addressing`",
        },
        region: plan.region.clone(),
        region_by: if definition.region.is_empty() {
            "the default of the provider's profile"
        } else {
            "the resource's `region`"
        },
        service: "s3",
        provider: plan.profile.id,
        provider_by: match &plan.endpoint {
            _ if definition.provider != AUTO && provider::find(&definition.provider).is_some() => {
                "the resource's `provider`"
            }
            Some(_) => "the endpoint's host",
            None => "there is no endpoint",
        },
        provider_lacks: plan.profile.missing.iter().map(|feature| feature.as_str()).collect(),
    }
}

/// An action at its ARN, with what the resource's ACL and encryption bring along.
fn permissions_at(connection: &Connection, need: &Need<'_>, body: &Value) -> Vec<NeededPermission> {
    let plan = &connection.plan;
    let bucket = scope::bucket_arn(&plan.bucket, &plan.region);
    let separator = if bucket.contains(":accesspoint/") { "/object/" } else { "/" };
    let resource = match need.on {
        On::Bucket => bucket,
        On::Key(key) => format!("{bucket}{separator}{}{key}", plan.prefix),
        On::Below(prefix) => format!("{bucket}{separator}{}{prefix}*", plan.prefix),
    };
    let on = |resource: &str, action: &'static str, when: Option<&'static str>| NeededPermission {
        action,
        resource: resource.to_owned(),
        when,
    };
    let mut needed = vec![on(&resource, need.action, need.when)];
    if need.writes() && plan.defaults.acl.is_some() {
        needed.push(on(&resource, "s3:PutObjectAcl", need.when));
    }
    if let StoreEncryption::SseKms { key_id } = encryption_of(plan, body) {
        let key = key_id.unwrap_or_else(|| "the account's key for S3, `alias/aws/s3`".to_owned());
        if need.writes() {
            needed.push(on(&key, "kms:GenerateDataKey", need.when));
            needed.push(on(&key, "kms:Decrypt", Some("the upload goes in parts, or is a copy")));
        } else if need.reads() {
            needed.push(on(&key, "kms:Decrypt", Some("the object is encrypted with it")));
        }
    }
    needed
}

/// What the query says, else what the resource does.
fn encryption_of(plan: &Plan, body: &Value) -> StoreEncryption {
    let given = body.get("encryption").and_then(|given| StoreEncryption::deserialize(given).ok());
    given.unwrap_or_else(|| plan.defaults.encryption.clone())
}

/// An answer with signed URLs and forms: what signs them is made up here and left out.
fn without_signatures(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(without_signature(&text)),
        Value::Array(items) => Value::Array(items.into_iter().map(without_signatures).collect()),
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(name, _)| !signs(name) && name != "policy");
            Value::Object(kept.map(|(name, value)| (name, without_signatures(value))).collect())
        }
        other => other,
    }
}

fn without_signature(text: &str) -> String {
    let Some((before, query)) = text.split_once('?').filter(|_| text.starts_with("http")) else {
        return text.to_owned();
    };
    let kept = query.split('&').filter(|pair| !signs(pair.split('=').next().unwrap_or_default()));
    format!("{before}?{}", kept.collect::<Vec<_>>().join("&"))
}

fn signs(name: &str) -> bool {
    ["x-amz-signature", "x-amz-credential", "x-amz-security-token"]
        .contains(&name.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::without_signatures;

    #[test]
    fn what_signs_is_left_out_of_urls_and_forms() {
        let url =
            "https://b.s3.example/k?X-Amz-Algorithm=A&X-Amz-Credential=C&X-Amz-Signature=S&x-id=GetObject";
        let answer = json!({"url": url, "fields": {"policy": "P", "x-amz-signature": "S", "key": "k?a=b"}});
        let kept = json!({"url": "https://b.s3.example/k?X-Amz-Algorithm=A&x-id=GetObject", "fields": {"key": "k?a=b"}});
        assert_eq!(without_signatures(answer), kept);
    }
}
