//! The actions of the catalogue that a list of patterns reaches.

use std::sync::OnceLock;

use rustc_hash::FxHashMap;

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
        let all = all();
        let mut set = Self(vec![0; all.len().div_ceil(64)]);
        for value in &listed.values {
            let Some(end) = value.value.bytes().position(|byte| matches!(byte, b'*' | b'?')) else {
                if let Some(index) = catalogue::in_lower_case(&value.value, |name| indexes().get(name)) {
                    set.add(*index);
                }
                continue;
            };
            let pattern = value.value.to_ascii_lowercase();
            let fixed = pattern.get(..end).unwrap_or_default();
            let first = all.partition_point(|(name, _)| name.as_str() < fixed);
            let glob = Glob::wild(&pattern);
            let begins =
                all.iter().enumerate().skip(first).take_while(|(_, (name, _))| name.starts_with(fixed));
            for (index, _) in begins.filter(|(_, (name, _))| glob.matches(name)) {
                set.add(index);
            }
        }
        if listed.not {
            (0..all.len()).for_each(|index| set.flip(index));
        }
        set
    }

    fn add(&mut self, index: usize) {
        if let Some(word) = self.0.get_mut(index / 64) {
            *word |= 1 << (index % 64);
        }
    }

    fn flip(&mut self, index: usize) {
        if let Some(word) = self.0.get_mut(index / 64) {
            *word ^= 1 << (index % 64);
        }
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

/// The place of each in [`all`].
fn indexes() -> &'static FxHashMap<&'static str, usize> {
    static INDEXES: OnceLock<FxHashMap<&str, usize>> = OnceLock::new();
    INDEXES
        .get_or_init(|| all().iter().enumerate().map(|(index, (name, _))| (name.as_str(), index)).collect())
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
