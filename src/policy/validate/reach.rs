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
    /// Its place in the catalogue.
    index: usize,
    /// `service:name` in lower case.
    pub(super) lower: &'static str,
    pub(super) prefix: &'static str,
    pub(super) service: &'static Service,
    pub(super) action: &'static Action,
}

impl Reached {
    /// The action of this name, without wildcards. Case does not count.
    pub(super) fn of(name: &str) -> Option<Self> {
        catalogue::in_lower_case(name, |name| by_name().get(name)).copied()
    }

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
    /// What `Action` or `NotAction` reaches; `named` is what its values name, where they do.
    pub(super) fn of(listed: &Listed, named: &[Option<Reached>]) -> Self {
        let all = all();
        let mut set = Self(vec![0; all.len().div_ceil(64)]);
        for (value, named) in listed.values.iter().zip(named) {
            if let Some(named) = named {
                set.add(named.index);
                continue;
            }
            let Some(end) = value.value.find(['*', '?']) else { continue };
            let pattern = value.value.to_ascii_lowercase();
            let fixed = pattern.get(..end).unwrap_or_default();
            let first = all.partition_point(|known| known.lower < fixed);
            let glob = Glob::wild(&pattern);
            let begins = all.iter().skip(first).take_while(|known| known.lower.starts_with(fixed));
            for known in begins.filter(|known| glob.matches(known.lower)) {
                set.add(known.index);
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
        all().iter().filter(move |known| has(known.index)).copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
}

/// Every action of the catalogue by its name in lower case.
fn by_name() -> &'static FxHashMap<&'static str, Reached> {
    static BY_NAME: OnceLock<FxHashMap<&str, Reached>> = OnceLock::new();
    BY_NAME.get_or_init(|| all().iter().map(|known| (known.lower, *known)).collect())
}

/// The same in the order of the names.
fn all() -> &'static [Reached] {
    static ALL: OnceLock<Vec<Reached>> = OnceLock::new();
    ALL.get_or_init(|| {
        let of_service = |(prefix, service): (&'static str, &'static Service)| {
            service.actions().map(move |action| {
                let lower = format!("{prefix}:{}", action.name).to_ascii_lowercase();
                // made once and kept for as long as the program runs
                Reached { index: 0, lower: lower.leak(), prefix, service, action }
            })
        };
        let mut all: Vec<Reached> = catalogue::get().detailed().flat_map(of_service).collect();
        all.sort_by_key(|known| known.lower);
        all.iter_mut().enumerate().for_each(|(index, known)| known.index = index);
        all
    })
}
