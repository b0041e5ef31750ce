//! What a request tells about itself: the values of its condition keys.

use std::collections::BTreeMap;

/// Keys with their values. Keys compare without regard to case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Context {
    /// By key in lower case, in order.
    entries: Vec<(Box<str>, Vec<String>)>,
}

impl Context {
    /// Takes keys as a caller writes them. The error is a key that comes twice in different case.
    pub(super) fn new(given: &BTreeMap<String, Vec<String>>) -> Result<Self, String> {
        let mut entries: Vec<(Box<str>, Vec<String>)> = Vec::with_capacity(given.len() + 8);
        entries.extend(given.iter().map(|(key, values)| (key.to_lowercase().into(), values.clone())));
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        let twice = entries.windows(2).find_map(|pair| match pair {
            [(one, _), (other, _)] if one == other => Some(one.to_string()),
            _ => None,
        });
        match twice {
            Some(key) => Err(key),
            None => Ok(Self { entries }),
        }
    }

    /// The values of a key that is in lower case. Without the key there are none.
    pub(super) fn values(&self, key: &str) -> &[String] {
        let found = self.entries.binary_search_by(|(known, _)| (**known).cmp(key));
        found.ok().and_then(|at| self.entries.get(at)).map_or(&[], |(_, values)| values)
    }

    /// The value of a key that has exactly one.
    pub(super) fn value(&self, key: &str) -> Option<&str> {
        match self.values(key) {
            [value] => Some(value),
            _ => None,
        }
    }

    /// Gives a key in lower case a value, when it has none yet.
    pub(super) fn fill_in(&mut self, key: &str, value: impl Into<String>) {
        if let Err(at) = self.entries.binary_search_by(|(known, _)| (**known).cmp(key)) {
            self.entries.insert(at, (key.into(), vec![value.into()]));
        }
    }

    /// Drops every key for which `keep` has an error, and says so.
    pub(super) fn retain<E>(
        &mut self,
        keep: impl Fn(&str) -> Result<(), E>,
        mut dropped: impl FnMut(&str, E),
    ) {
        self.entries.retain(|(key, _)| keep(key).map_err(|error| dropped(key, error)).is_ok());
    }

    #[cfg(test)]
    pub(super) fn from_pairs<const N: usize>(pairs: [(&str, Vec<&str>); N]) -> Self {
        let given = pairs
            .into_iter()
            .map(|(key, values)| (key.to_owned(), values.into_iter().map(str::to_owned).collect::<Vec<_>>()));
        Self::new(&given.collect()).expect("every key once")
    }
}
