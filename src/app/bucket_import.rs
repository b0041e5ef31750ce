//! Buckets that a credential may list, as definitions to choose from. Nothing is created here.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::app::body::read_definition;
use crate::app::connect::templates;
use crate::app::connection::{Connection, Subject};
use crate::app::{App, Error, audit};
use crate::aws::s3::{BucketList, ListedBucket};
use crate::model::name::Name;
use crate::model::principal::Caller;
use crate::model::provider::{AUTO, Feature};
use crate::model::resource::{CannedAcl, Definition, NamedPolicy, SessionPolicy, is_region};

/// Buckets that are proposed at once.
const MOST: usize = 1_000;
/// Buckets that are asked for their settings at once.
const AT_ONCE: usize = 8;
/// Stands for the bucket in the definition that only lists; never sent.
const ANY: &str = "any-bucket";
/// What the audit says of all buckets.
const ALL: &str = "*";
/// The region that answers for all of them at AWS.
const LIST_REGION: &str = "us-east-1";

/// A definition that would lead to a bucket: these fields, and those that were sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BucketProposal {
    /// A name for the resource, made from the bucket's, that is free in the project.
    #[schema(example = "acme-invoices")]
    pub name: String,
    /// The bucket.
    pub bucket: String,
    /// The region of the bucket; `auto` where neither the store nor the definition says.
    pub region: String,
    /// The ACL that uploads need so that the bucket's owner owns them; none where the bucket takes no ACLs.
    pub default_acl: Option<CannedAcl>,
    /// The provider's profile.
    pub provider: String,
    /// When the bucket was made (RFC 3339), where the store tells.
    pub created_at: Option<String>,
    /// The resource of this project that leads there already.
    pub exists_as: Option<String>,
}

/// What could be imported.
#[derive(Debug, Serialize, ToSchema)]
pub struct BucketProposals {
    /// By bucket, in the order of the store.
    pub proposals: Vec<BucketProposal>,
    /// True when there are more buckets than were looked at.
    pub truncated: bool,
}

impl App {
    /// Lists the buckets that the identity of a definition may list. It has neither `name` nor `bucket`; every other
    /// field is as in a definition, and goes into what is proposed.
    pub async fn propose_buckets(
        self: &Arc<Self>,
        caller: &Caller,
        mut body: Value,
        environment: &Name,
    ) -> Result<BucketProposals, Error> {
        if let Some(fields) = body.as_object_mut() {
            if let Some(given) = ["name", "bucket"].into_iter().find(|name| fields.contains_key(*name)) {
                return Err(Error::field(given, "is what is proposed: leave it out"));
            }
            fields.insert("name".to_owned(), json!(ANY));
            fields.insert("bucket".to_owned(), json!(ANY));
            fields.entry("region").or_insert_with(|| json!(AUTO));
        }
        let region = body.get("region").and_then(Value::as_str).unwrap_or(AUTO).to_owned();
        let (definition, literals) = read_definition(body)?;
        self.check(caller, &definition, &literals)?;
        self.check_environment(&caller.project.id, &definition, environment)?;
        let mut listing = definition.in_environment(environment);
        if listing.region == AUTO {
            LIST_REGION.clone_into(&mut listing.region);
        }
        // a session for one bucket may list none
        if let Some(role) = &mut listing.assume_role
            && role.session_policy == SessionPolicy::Named(NamedPolicy::Scoped)
        {
            role.session_policy = SessionPolicy::Absent;
        }
        let _permit = self.admit(caller).await?;
        let project_id = &caller.project.id;
        let subject = Subject { definition: &listing, literals: &literals, project_id, environment };
        let connection = self.connect_unsaved(&subject).await;
        let list = match &connection {
            Ok(connection) => connection.s3.list_buckets(MOST).await.map_err(Error::from),
            Err(_) => Ok(BucketList::default()),
        };
        let mut event = audit::event(caller, "bucket.list", ALL, self.clock.now_ms());
        event.secrets = connection.as_ref().map(Connection::used_secrets).unwrap_or_default();
        if let Some(error) = connection.as_ref().err().or(list.as_ref().err()) {
            error.code().clone_into(&mut event.outcome);
        }
        event.upstream_request_id = list.as_ref().ok().and_then(|list| list.request_id.clone());
        event.detail =
            Some("to propose resources; and the object ownership of those in its region".to_owned());
        self.audit.note(event).await;
        let (connection, mut list) = (connection?, list?);
        let mut seen = HashSet::new();
        list.buckets.retain(|bucket| seen.insert(bucket.name.clone()));
        let looks: Vec<_> = list.buckets.iter().map(|bucket| acl_for(&connection, bucket)).collect();
        let acls: Vec<_> = stream::iter(looks).buffered(AT_ONCE).collect().await;
        let mut taken = HashSet::new();
        let proposals = list.buckets.into_iter().zip(acls).map(|(bucket, default_acl)| {
            let name = self.free_name(caller, &bucket.name, &taken);
            taken.insert(name.clone());
            BucketProposal {
                name,
                region: bucket.region.filter(|region| is_region(region)).unwrap_or_else(|| region.clone()),
                default_acl,
                provider: connection.plan.profile.id.to_owned(),
                exists_as: self.leads_to(caller, &definition, &bucket.name),
                created_at: bucket.created_at,
                bucket: bucket.name,
            }
        });
        Ok(BucketProposals { proposals: proposals.collect(), truncated: list.truncated })
    }

    async fn connect_unsaved(self: &Arc<Self>, subject: &Subject<'_>) -> Result<Connection, Error> {
        let templates = templates(subject.definition)?;
        let snapshot = self.resolve(subject, &templates).await?;
        let mut connection = self.open(self.plan(subject, &templates, &snapshot)?)?;
        connection.used = snapshot.used(self.clock.now_ms());
        Ok(connection)
    }

    /// The bucket's name as the name of a resource; with a number behind it where there is one already.
    fn free_name(&self, caller: &Caller, bucket: &str, taken: &HashSet<String>) -> String {
        let fitting =
            |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' };
        let plain: String = bucket.chars().map(fitting).collect();
        let plain = plain.trim_matches('-');
        let plain = if plain.is_empty() { "bucket" } else { plain };
        let is_free = |name: &str| {
            let parsed = Name::parse(name);
            !taken.contains(name)
                && parsed.is_ok_and(|name| {
                    self.registry.find_resource(name.as_str(), &caller.project.id).is_none()
                })
        };
        let numbered = |number: u32| {
            let end = if number == 1 { String::new() } else { format!("-{number}") };
            let start: String = plain.chars().take(Name::MOST - end.len()).collect();
            format!("{}{end}", start.trim_end_matches('-'))
        };
        (1..=u32::MAX).map(numbered).find(|name| is_free(name)).unwrap_or_default()
    }

    /// The resource of the project with the same bucket and endpoint.
    fn leads_to(&self, caller: &Caller, definition: &Definition, bucket: &str) -> Option<String> {
        let all = self.registry.state().resources(&caller.project.id);
        let found = all.iter().find(|resource| {
            let other = &resource.record.definition;
            other.bucket == bucket && other.endpoint == definition.endpoint
        });
        found.map(|resource| resource.name().to_string())
    }
}

/// What uploads need so that the bucket's owner owns them. A bucket that says nothing, or that may not be asked, takes
/// uploads without an ACL.
async fn acl_for(connection: &Connection, bucket: &ListedBucket) -> Option<CannedAcl> {
    let profile = connection.plan.profile;
    // another region would have to be asked elsewhere
    let elsewhere = bucket.region.as_ref().is_some_and(|region| *region != connection.plan.region);
    if elsewhere || !profile.has(Feature::BucketOwnership) || !profile.has(Feature::ObjectAcl) {
        return None;
    }
    let ownership = connection.s3.object_ownership(&bucket.name).await.ok()??;
    (ownership != "BucketOwnerEnforced").then_some(CannedAcl::BucketOwnerFullControl)
}
