//! The actions of the catalogue that a list of patterns reaches.

use std::collections::HashSet;
use std::sync::OnceLock;

use crate::policy::catalogue::{self, Action, Service};
use crate::policy::document::Listed;
use crate::policy::glob::Glob;

/// A set of actions, one bit each: a hostile policy has thousands of statements.
#[derive(Debug, Clone, Default)]
pub(super) struct ActionSet(Vec<u64>);

/// An action of the catalogue.
#[derive(Clone, Copy)]
pub(super) struct Reached {
    pub(super) prefix: &'static str,
    pub(super) service: &'static Service,
    pub(super) action: &'static Action,
}

impl Reached {
    /// `service:Name`.
    pub(super) fn name(&self) -> String {
        format!("{}:{}", self.prefix, self.action.name)
    }

    /// Whether a request for it can carry the key; see [`Service::carries`].
    pub(super) fn carries(&self, key: &str) -> bool {
        self.service.carries(self.action, key)
    }
}

impl ActionSet {
    /// What `Action` or `NotAction` reaches.
    pub(super) fn of(listed: &Listed) -> Self {
        let lower = listed.values.iter().map(|value| value.value.to_ascii_lowercase());
        let (wild, exact): (Vec<String>, Vec<String>) =
            lower.partition(|pattern| pattern.contains(['*', '?']));
        let wild: Vec<Glob> = wild.iter().map(|pattern| Glob::wild(pattern)).collect();
        let exact: HashSet<String> = exact.into_iter().collect();
        let mut set = Self(vec![0; all().len().div_ceil(64)]);
        for (index, (name, _)) in all().iter().enumerate() {
            let is_listed = exact.contains(name) || wild.iter().any(|pattern| pattern.matches(name));
            if let Some(word) = set.0.get_mut(index / 64).filter(|_| is_listed != listed.not) {
                *word |= 1 << (index % 64);
            }
        }
        set
    }

    /// The actions by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = Reached> {
        let has = |index: usize| self.0.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1);
        all().iter().enumerate().filter(move |(index, _)| has(*index)).map(|(_, (_, action))| *action)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
}

/// Every action of the catalogue with its name in lower case, by name.
fn all() -> &'static [(String, Reached)] {
    static ALL: OnceLock<Vec<(String, Reached)>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all: Vec<_> = catalogue::get()
            .detailed()
            .flat_map(|(prefix, service)| {
                service.actions().map(move |action| {
                    let reached = Reached { prefix, service, action };
                    (reached.name().to_ascii_lowercase(), reached)
                })
            })
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    })
}
