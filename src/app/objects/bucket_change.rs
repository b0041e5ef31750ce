//! Changes of a bucket's CORS configuration and policy: shown before they are made, and refused where they would lock
//! the resource out.

use std::sync::Arc;

use serde_json::Value;

use crate::app::connect;
use crate::app::connection::{Connection, Plan};
use crate::app::objects::bucket::ask;
use crate::app::objects::change::OwnedTarget;
use crate::app::objects::{Answered, Outcome, Target, require};
use crate::app::policy_check::session_arn;
use crate::app::{App, Error};
use crate::aws::{AwsError, ErrorKind};
use crate::cors;
use crate::finding::{Finding, has_errors};
use crate::model::bucket::{Aspect, BucketChange, CorsRules, only_in};
use crate::model::cors_question::{CorsProvider, of_document};
use crate::model::lockout::{Tenant, statements};
use crate::model::operation::Operation;
use crate::model::principal::Role;
use crate::model::provider::Feature;
use crate::model::resource::Definition;

/// Bytes of a bucket policy (S3 user guide, bucket policies).
const MOST_POLICY: usize = 20 << 10;

/// How a bucket is changed.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// Another CORS configuration.
    PutCors(CorsRules),
    /// None any more.
    DeleteCors,
    /// Another policy.
    PutPolicy(Value),
    /// None any more.
    DeletePolicy,
}

/// How careful a change is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Care {
    /// Say what would happen and change nothing.
    pub dry_run: bool,
    /// Make it although it would lock the resource out.
    pub force: bool,
}

/// What a change came to before it was audited.
enum Made {
    Change(Box<BucketChange>),
    Refused(Vec<Finding>),
}

impl App {
    /// Changes the bucket's CORS configuration or policy. Only editors may: it holds for everybody who uses the bucket.
    pub async fn change_bucket(
        self: &Arc<Self>,
        target: Target<'_>,
        wanted: Wanted,
        care: Care,
    ) -> Result<Outcome<BucketChange>, Error> {
        if target.caller.role < Role::Editor {
            return Err(Error::Forbidden { needs: Role::Editor, has: target.caller.role });
        }
        wanted.check()?;
        let (app, target) = (Arc::clone(self), OwnedTarget::of(target));
        self.change(async move { app.change_bucket_now(target.as_target(), &wanted, care).await }).await
    }

    async fn change_bucket_now(
        self: &Arc<Self>,
        target: Target<'_>,
        wanted: &Wanted,
        care: Care,
    ) -> Result<Outcome<BucketChange>, Error> {
        let what = Some(wanted.audited(care.dry_run));
        let query = self.begin(target.caller, target.resource, Operation::PutBucket, what).await?;
        let definition = &query.resource.record.definition;
        let change = |connection: Arc<Connection>| async move {
            require(&connection, wanted.feature())?;
            self.make(&connection, definition, wanted, care).await
        };
        let made = self.with_connection(&query.resource, target.environment, change).await;
        let made = made.and_then(|(answered, connection)| match answered.value {
            Made::Change(change) => {
                Ok((Answered { value: *change, bytes: None, request_id: answered.request_id }, connection))
            }
            Made::Refused(findings) => Err(Error::invalid(findings)),
        });
        let describe = |answered: &Answered<BucketChange>| (answered.bytes, answered.request_id.clone());
        let outcome = self.end(&query, made, describe).await?;
        Ok(Outcome { value: outcome.value.value, freshness: outcome.freshness })
    }

    async fn make(
        &self,
        connection: &Connection,
        definition: &Definition,
        wanted: &Wanted,
        care: Care,
    ) -> Result<Answered<Made>, AwsError> {
        let aspect = wanted.aspect();
        let remarks = wanted.remarks(connection);
        if has_errors(&remarks) {
            return Ok(Answered { value: Made::Refused(remarks), bytes: None, request_id: None });
        }
        let (before, mut findings) = match ask(connection, aspect).await {
            Ok(before) => (before, Vec::new()),
            // who may write need not be allowed to read
            Err(error) if error.kind == ErrorKind::AccessDenied => (None, vec![unread("before", aspect)]),
            Err(error) => return Err(error),
        };
        findings.extend(remarks);
        findings.extend(self.lockouts(connection, definition, wanted, before.as_ref()).await);
        let refused = has_errors(&findings) && !care.force;
        if refused && !care.dry_run {
            return Ok(Answered { value: Made::Refused(findings), bytes: None, request_id: None });
        }
        let after = if care.dry_run {
            wanted.after()
        } else {
            wanted.send(connection, care.force).await?;
            ask(connection, aspect).await.unwrap_or_else(|_| {
                findings.push(unread("after", aspect));
                wanted.after()
            })
        };
        let parts =
            |value: &Option<Value>| value.as_ref().map(|value| wanted.parts(value)).unwrap_or_default();
        let (old, new) = (parts(&before), parts(&after));
        let change = BucketChange {
            bucket: connection.s3.bucket().to_owned(),
            aspect,
            dry_run: care.dry_run,
            refused: care.dry_run && refused,
            added: only_in(&new, &old),
            removed: only_in(&old, &new),
            before,
            after,
            findings,
        };
        Ok(Answered { value: Made::Change(Box::new(change)), bytes: None, request_id: None })
    }

    /// What a policy would take from the resource itself.
    async fn lockouts(
        &self,
        connection: &Connection,
        definition: &Definition,
        wanted: &Wanted,
        before: Option<&Value>,
    ) -> Vec<Finding> {
        let after = match wanted {
            Wanted::PutPolicy(policy) => policy,
            Wanted::DeletePolicy => &Value::Null,
            Wanted::PutCors(_) | Wanted::DeleteCors => return Vec::new(),
        };
        let arns = self.identity(&connection.plan).await;
        let tenant = Tenant {
            arns: &arns,
            anonymous: connection.plan.base.is_none(),
            bucket: connection.s3.bucket(),
            prefix: &connection.prefix,
            operations: definition.operations.as_deref().unwrap_or(&Operation::ALL),
            https: connection.plan.endpoint.as_ref().is_none_or(|endpoint| endpoint.tls),
        };
        let mut findings = tenant.denials(after);
        findings.extend(tenant.lost_grants(before.unwrap_or(&Value::Null), after));
        findings
    }

    /// The ARNs of the resource's identity, as far as they can be known.
    async fn identity(&self, plan: &Plan) -> Vec<String> {
        if let Some(role) = &plan.role {
            // whoever assumes it, policies see the role and its session
            return session_arn(&role.arn, &role.session_name)
                .into_iter()
                .chain([role.arn.clone()])
                .collect();
        }
        let Ok((base, target)) = connect::identity_target(plan) else { return Vec::new() };
        let asked = self.identities.caller_identity(base, &target).await;
        // a store without the call leaves the identity unknown, which the check is careful with
        asked.ok().filter(|arn| arn.starts_with("arn:")).into_iter().collect()
    }
}

impl Wanted {
    fn aspect(&self) -> Aspect {
        match self {
            Wanted::PutCors(_) | Wanted::DeleteCors => Aspect::Cors,
            Wanted::PutPolicy(_) | Wanted::DeletePolicy => Aspect::Policy,
        }
    }

    fn feature(&self) -> Feature {
        match self {
            Wanted::PutCors(_) | Wanted::DeleteCors => Feature::BucketCors,
            Wanted::PutPolicy(_) | Wanted::DeletePolicy => Feature::BucketPolicy,
        }
    }

    /// What stands in the audit in place of a key: the sub-resource, as S3 writes it.
    fn audited(&self, dry_run: bool) -> &'static str {
        match (self.aspect(), dry_run) {
            (Aspect::Cors, false) => "?cors",
            (Aspect::Cors, true) => "?cors (dry run)",
            (_, false) => "?policy",
            (_, true) => "?policy (dry run)",
        }
    }

    /// What no store takes is refused here, with its place.
    fn check(&self) -> Result<(), Error> {
        let findings = match self {
            Wanted::PutPolicy(policy) => policy_shape(policy),
            Wanted::PutCors(_) | Wanted::DeleteCors | Wanted::DeletePolicy => Vec::new(),
        };
        if has_errors(&findings) { Err(Error::invalid(findings)) } else { Ok(()) }
    }

    /// What there is to say about it at this kind of store; an error is what the store refuses, or what never has an
    /// effect. The same as `cors validate` says.
    fn remarks(&self, connection: &Connection) -> Vec<Finding> {
        let Wanted::PutCors(rules) = self else { return Vec::new() };
        let store = CorsProvider::of_resource(connection.plan.profile.id).profile();
        of_document(cors::validate(&rules.configuration(), store, &[]))
    }

    /// What there is once it is made.
    fn after(&self) -> Option<Value> {
        match self {
            Wanted::PutCors(rules) => serde_json::to_value(rules).ok(),
            Wanted::PutPolicy(policy) => Some(policy.clone()),
            Wanted::DeleteCors | Wanted::DeletePolicy => None,
        }
    }

    /// The rules or statements of a document.
    fn parts(&self, document: &Value) -> Vec<Value> {
        match self.aspect() {
            Aspect::Cors => document.get("rules").and_then(Value::as_array).cloned().unwrap_or_default(),
            _ => statements(document).to_vec(),
        }
    }

    async fn send(&self, connection: &Connection, force: bool) -> Result<(), AwsError> {
        match self {
            Wanted::PutCors(rules) => connection.s3.put_cors(rules).await,
            Wanted::DeleteCors => connection.s3.delete_cors().await,
            Wanted::PutPolicy(policy) => connection.s3.put_policy(policy, force).await,
            Wanted::DeletePolicy => connection.s3.delete_policy().await,
        }
    }
}

/// Only what no store takes: what a policy means is the store's to judge.
fn policy_shape(policy: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    if policy.get("Version").and_then(Value::as_str).is_none() {
        let text = "the policy has no version: add `\"Version\": \"2012-10-17\"`";
        findings.push(Finding::error("POLICY_VERSION", "policy.Version", text));
    }
    if statements(policy).is_empty() {
        let text = "the policy has no statement: to have no policy, delete it";
        findings.push(Finding::error("POLICY_NO_STATEMENT", "policy.Statement", text));
    }
    for (index, statement) in statements(policy).iter().enumerate() {
        let effect = statement.get("Effect").and_then(Value::as_str);
        if !matches!(effect, Some("Allow" | "Deny")) {
            let text = "the effect is `Allow` or `Deny`";
            findings.push(Finding::error("POLICY_EFFECT", format!("policy.Statement[{index}].Effect"), text));
        }
    }
    let bytes = policy.to_string().len();
    if bytes > MOST_POLICY {
        let text = format!("the policy has {bytes} bytes, and a bucket takes {MOST_POLICY}");
        findings.push(Finding::error("POLICY_TOO_LARGE", "policy", text));
    }
    findings
}

fn unread(which: &str, aspect: Aspect) -> Finding {
    let text = format!("what the bucket has {which} the change could not be read");
    Finding::warning("NOT_READ", which, text)
        .with_help(format!("allow `{}` for the resource's identity", aspect.action()))
}
