//! What AWS publishes about actions: which exist, on what they act, which condition keys they carry.
//!
//! The data is dated and part of the program (`catalogue/data.json`, made by `fixtures/policy/catalogue/build.py`). It
//! knows every service by its prefix, and the services a resource needs in detail. An action of another service is not
//! judged, and what is missing here is "unknown to the catalogue of its date", not wrong.

use std::sync::OnceLock;

use rustc_hash::{FxHashMap, FxHashSet};
use serde::Deserialize;

/// Everything known, loaded once.
pub struct Catalogue {
    /// The day of the data, as `2026-01-31`.
    pub date: String,
    /// The version of the package it was made from.
    pub version: String,
    services: FxHashSet<String>,
    arn_services: FxHashSet<String>,
    resource_control_services: FxHashSet<String>,
    keys: FxHashMap<String, Key>,
    detail: FxHashMap<String, Service>,
}

/// One service in detail.
pub struct Service {
    /// The actions by their name in lower case.
    actions: FxHashMap<String, Action>,
    /// The resource types by name.
    resources: FxHashMap<String, ResourceType>,
}

/// An action of a service.
#[derive(Debug, Deserialize)]
pub struct Action {
    /// The name without the prefix of the service, in the spelling of AWS.
    #[serde(skip)]
    pub name: String,
    /// What it can do.
    pub level: Level,
    /// The names of the resource types it acts on. Empty: it acts on none, and only `*` matches.
    pub resources: Vec<String>,
    keys: Vec<String>,
}

/// What an action can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
pub enum Level {
    /// Lists what exists.
    List,
    /// Reads content.
    Read,
    /// Creates, changes or deletes.
    Write,
    /// Changes tags.
    Tagging,
    /// Changes who may do what.
    #[serde(rename = "Permissions management")]
    Permissions,
}

/// A resource type of a service.
#[derive(Debug, Deserialize)]
pub struct ResourceType {
    /// The form of its ARN, with `${Partition}`, `${Region}`, `${Account}` and names of its own.
    pub arn: String,
    keys: Vec<String>,
}

/// A condition key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The name in the spelling of AWS. One that ends in `/` or `:` stands for all that begin with it.
    pub name: String,
    /// The type of its values.
    pub kind: KeyType,
}

/// The types of condition keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
pub enum KeyType {
    /// One text.
    String,
    /// Several texts.
    ArrayOfString,
    /// One ARN.
    #[serde(rename = "ARN")]
    Arn,
    /// Several ARNs.
    #[serde(rename = "ArrayOfARN")]
    ArrayOfArn,
    /// `true` or `false`.
    Bool,
    /// A moment.
    Date,
    /// A number.
    Numeric,
    /// An address.
    #[serde(rename = "IPAddress")]
    IpAddress,
    /// Bytes.
    Binary,
}

/// The catalogue of this program.
pub fn get() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(load)
}

impl Catalogue {
    /// Whether a service has this prefix. Case does not count.
    pub fn has_service(&self, prefix: &str) -> bool {
        in_lower_case(prefix, |prefix| self.services.contains(prefix))
    }

    /// Whether ARNs name a service so. Case counts.
    pub fn has_arn_service(&self, name: &str) -> bool {
        self.services.contains(name) || self.arn_services.contains(name)
    }

    /// The prefixes of all services, in no order.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.services.iter().map(String::as_str)
    }

    /// Whether resource control policies reach this service.
    pub fn has_resource_control(&self, prefix: &str) -> bool {
        in_lower_case(prefix, |prefix| self.resource_control_services.contains(prefix))
    }

    /// The services that are known in detail by their prefix, in no order.
    pub fn detailed(&self) -> impl Iterator<Item = (&str, &Service)> {
        self.detail.iter().map(|(prefix, service)| (prefix.as_str(), service))
    }

    /// The service with this prefix, when it is known in detail. Case does not count.
    pub fn service(&self, prefix: &str) -> Option<&Service> {
        in_lower_case(prefix, |prefix| self.detail.get(prefix))
    }

    /// The action `service:Name`, when its service is known in detail. Case does not count.
    pub fn action(&self, action: &str) -> Option<&Action> {
        let (service, name) = action.split_once(':')?;
        self.service(service)?.action(name)
    }

    /// The condition key of this name: a global one, or one of a service known in detail. Case does not count.
    pub fn key(&self, name: &str) -> Option<&Key> {
        in_lower_case(name, |name| {
            let stem = stem(name);
            self.keys.get(name).or_else(|| self.keys.get(stem).filter(|_| stem.len() < name.len()))
        })
    }

    /// The names of the condition keys that begin with `prefix` (in lower case), in no order.
    pub fn keys_of<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.keys.iter().filter(move |(name, _)| name.starts_with(prefix)).map(|(_, key)| key.name.as_str())
    }
}

impl Service {
    /// The action of this name, without the prefix. Case does not count.
    pub fn action(&self, name: &str) -> Option<&Action> {
        in_lower_case(name, |name| self.actions.get(name))
    }

    /// All its actions, in no order.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.actions.values()
    }

    /// The resource type of this name.
    pub fn resource(&self, name: &str) -> Option<&ResourceType> {
        self.resources.get(name)
    }

    /// All its resource types by name, in no order.
    pub fn resources(&self) -> impl Iterator<Item = (&str, &ResourceType)> {
        self.resources.iter().map(|(name, kind)| (name.as_str(), kind))
    }

    /// Whether a request for this action can carry the key of the service or the tag key `aws:…Tag…`. Other global
    /// keys are not for this question: any request can carry them.
    pub fn carries(&self, action: &Action, key: &str) -> bool {
        let own = action.keys.iter();
        let resources = action.resources.iter().filter_map(|name| self.resources.get(name));
        own.chain(resources.flat_map(|kind| &kind.keys)).any(|name| is_key(name, key))
    }
}

impl KeyType {
    /// Whether a request can have several values for the key.
    pub fn is_list(self) -> bool {
        matches!(self, Self::ArrayOfString | Self::ArrayOfArn)
    }
}

/// Looks a text up in lower case. For texts as long as names are that takes no memory.
pub(super) fn in_lower_case<T>(text: &str, look: impl FnOnce(&str) -> T) -> T {
    let mut buffer = [0; 96];
    let lower = buffer.get_mut(..text.len()).map(|lower| {
        lower.copy_from_slice(text.as_bytes());
        lower.make_ascii_lowercase();
        &*lower
    });
    match lower.map(std::str::from_utf8) {
        Some(Ok(lower)) => look(lower),
        _ => look(&text.to_ascii_lowercase()),
    }
}

/// Whether `key` is the key that the catalogue calls `name`.
fn is_key(name: &str, key: &str) -> bool {
    if !name.ends_with(['/', ':']) {
        return name.eq_ignore_ascii_case(key);
    }
    key.len() > name.len() && key.get(..name.len()).is_some_and(|stem| stem.eq_ignore_ascii_case(name))
}

/// The fixed part of a name with a variable part: `aws:ResourceTag/` of `aws:ResourceTag/team`. Of
/// `kms:EncryptionContext:x` it is `kms:EncryptionContext:`.
fn stem(name: &str) -> &str {
    let end = name.find('/').or_else(|| {
        let first = name.find(':')? + 1;
        name.get(first..)?.find(':').map(|second| first + second)
    });
    end.and_then(|end| name.get(..=end)).unwrap_or(name)
}

#[derive(Deserialize)]
struct Data {
    date: String,
    version: String,
    services: FxHashSet<String>,
    arn_services: FxHashSet<String>,
    resource_control_services: FxHashSet<String>,
    global_keys: FxHashMap<String, KeyType>,
    detail: FxHashMap<String, ServiceData>,
}

#[derive(Deserialize)]
struct ServiceData {
    keys: FxHashMap<String, KeyType>,
    resources: FxHashMap<String, ResourceType>,
    actions: FxHashMap<String, Action>,
}

#[expect(clippy::expect_used, reason = "the data is part of the program, and a test reads it")]
fn load() -> Catalogue {
    let data: Data = serde_json::from_str(include_str!("catalogue/data.json"))
        .expect("the catalogue has the form of `Data`");
    let mut keys = FxHashMap::default();
    let mut detail = FxHashMap::default();
    for (prefix, service) in data.detail {
        keys.extend(service.keys.into_iter().map(lowered));
        let actions = service.actions.into_iter().map(|(name, action)| {
            let lower = name.to_ascii_lowercase();
            (lower, Action { name, ..action })
        });
        detail.insert(prefix, Service { actions: actions.collect(), resources: service.resources });
    }
    // Last, so that the global type of a key counts where a service has the key too.
    keys.extend(data.global_keys.into_iter().map(lowered));
    let Data { date, version, services, arn_services, resource_control_services, .. } = data;
    Catalogue { date, version, services, arn_services, resource_control_services, keys, detail }
}

fn lowered((name, kind): (String, KeyType)) -> (String, Key) {
    (name.to_ascii_lowercase(), Key { name, kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_services_that_a_resource_needs_are_known_in_detail() {
        for action in [
            "s3:GetObject",
            "S3:getobject",
            "s3express:CreateSession",
            "secretsmanager:GetSecretValue",
            "sts:AssumeRole",
            "kms:Decrypt",
        ] {
            assert!(get().action(action).is_some(), "{action}");
        }
        assert!(get().action("s3:HeadObject").is_none());
        assert!(get().has_service("ec2") && get().service("ec2").is_none());
    }

    #[test]
    fn keys_with_a_variable_part_are_found_and_their_stem_alone_is_not_a_key() {
        let name = |key| get().key(key).map(|key| key.name.as_str());
        assert_eq!(name("AWS:resourcetag/Team"), Some("aws:ResourceTag/"));
        assert_eq!(name("kms:EncryptionContext:app"), Some("kms:EncryptionContext:"));
        assert_eq!(name("s3:ExistingObjectTag/a/b"), Some("s3:ExistingObjectTag/"));
        assert_eq!(name("s3:Prefix"), Some("s3:prefix"));
        assert_eq!(name("aws:ResourceTag"), None);
    }

    #[test]
    fn an_action_carries_its_own_keys_and_those_of_its_resources() {
        let s3 = get().service("s3").unwrap();
        let carries = |action, key| s3.carries(s3.action(action).unwrap(), key);
        assert!(carries("ListBucket", "s3:prefix"));
        assert!(!carries("GetObject", "s3:prefix"));
        assert!(carries("GetObject", "S3:existingobjecttag/a"));
        assert!(carries("GetObject", "s3:DataAccessPointArn"), "of the access point");
    }
}
