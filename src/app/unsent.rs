//! Queries that are explained and not sent.
//!
//! A twin of the app runs the very query, on a connection whose HTTP client keeps the first request and refuses it. So
//! no operation has a second description of itself that could drift from what it sends. The twin reads what is cached
//! and asks nobody: neither a source, nor STS, nor the store; it audits and counts nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::SecretString;

use crate::app::audit::AuditLog;
use crate::app::connection::{Connection, Prepared, Snapshot, Subject};
use crate::app::{App, Error, Resource};
use crate::aws::capture::Capture;
use crate::aws::credentials::{Base, Role};
use crate::cache::Hit;
use crate::model::name::Name;
use crate::model::operation::Operation;
use crate::model::provider::Feature;
use crate::model::resource::Definition;
use crate::template::Template;

/// Stands for what is not cached.
const UNKNOWN: &str = "unknown-yet";

/// What a query that is not sent comes to.
#[derive(Debug, Default)]
pub struct Unsent {
    capture: Capture,
    begun: Mutex<Vec<(Operation, Arc<Resource>)>>,
    lacking: Mutex<Vec<Feature>>,
    unknown: Mutex<Vec<&'static str>>,
}

impl Unsent {
    /// In place of the HTTP clients.
    pub(super) fn capture(&self) -> &Capture {
        &self.capture
    }

    /// An operation began; whether the resource allows it is told, and not in its way.
    pub(super) fn begin(&self, operation: Operation, resource: &Arc<Resource>) {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let known =
            |(known, of): &(Operation, Arc<Resource>)| *known == operation && Arc::ptr_eq(of, resource);
        if !begun.iter().any(known) {
            begun.push((operation, Arc::clone(resource)));
        }
    }

    /// The operations that began, in their order.
    pub(super) fn begun(&self) -> Vec<(Operation, Arc<Resource>)> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The provider's profile lacks what the operation needs; this, too, is told and not in its way.
    pub(super) fn lack(&self, feature: Feature) {
        push(&self.lacking, feature);
    }

    /// What the profile lacks of what the operation needs.
    pub(super) fn lacking(&self) -> Vec<Feature> {
        self.lacking.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What stands for a value that is not cached.
    pub(super) fn stand_in(&self, definition: &Definition, field: &'static str) -> SecretString {
        push(&self.unknown, field);
        let whole_endpoint =
            || definition.endpoint.as_deref().is_some_and(|text| text.trim_start().starts_with("{{"));
        let text = match field {
            "endpoint" if whole_endpoint() => format!("https://{UNKNOWN}.invalid"),
            "endpoint" => format!("{UNKNOWN}.invalid"),
            "expected_bucket_owner" => "000000000000".to_owned(),
            _ => UNKNOWN.to_owned(),
        };
        SecretString::from(text)
    }

    /// The fields whose values are not known.
    pub(super) fn unknown(&self) -> Vec<&'static str> {
        self.unknown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn push<T: PartialEq>(to: &Mutex<Vec<T>>, what: T) {
    let mut all = to.lock().unwrap_or_else(PoisonError::into_inner);
    if !all.contains(&what) {
        all.push(what);
    }
}

impl App {
    /// A twin that runs one query and sends nothing. What it learnt is told by [`App::explained_query`].
    #[must_use]
    pub fn unsent(&self) -> Arc<App> {
        Arc::new(App {
            unsent: Some(Arc::default()),
            audit: AuditLog::silent(),
            identities: Arc::new(self.identities.silent()),
            ..self.clone()
        })
    }

    /// A connection of what is cached, whose requests are kept. It is used once.
    pub(super) fn connect_unsent(
        &self,
        resource: &Arc<Resource>,
        environment: &Name,
        unsent: &Arc<Unsent>,
    ) -> Result<Arc<Connection>, Error> {
        let record = &resource.record;
        self.check_environment(&record.project_id, &record.definition, environment)?;
        let prepared = Prepared::of(record, environment)?;
        let subject = Subject::of(record, &prepared.definition, environment);
        let snapshot = self.cached(&subject, &prepared.templates, unsent)?;
        let plan = self.plan(&subject, &prepared.templates, &snapshot)?;
        Ok(Arc::new(self.open(plan)?))
    }

    /// The values that are there, fresh or not.
    fn cached(
        &self,
        subject: &Subject<'_>,
        templates: &BTreeMap<&'static str, Template>,
        unsent: &Arc<Unsent>,
    ) -> Result<Snapshot, Error> {
        let (mut hits, mut sources) = (HashMap::new(), HashMap::new());
        for (field, template) in templates {
            for reference in template.references() {
                let source = self.source_of(subject, field, reference)?;
                let key = source.wanted(reference).key;
                if let Some(entry) = self.cache.peek(&key) {
                    hits.insert(key.clone(), Hit { entry: entry.into(), stale_ms: None, fresh_until_ms: 0 });
                }
                sources.insert(key, source);
            }
        }
        Ok(Snapshot { hits, sources, unsent: Some(Arc::clone(unsent)) })
    }

    /// Whether the credentials have a session token, which is one more header to sign.
    pub(super) fn signs_with_token(&self, base: &Base, role: Option<&Role>, region: &str) -> bool {
        match (base, role) {
            (_, Some(_)) | (Base::Session(_), None) => true,
            (Base::Key(key), None) => key.token.is_some(),
            // most chains end in a session
            (Base::Chain, None) => self.identities.chain_has_token(region).unwrap_or(true),
        }
    }
}
