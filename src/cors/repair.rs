//! Changes of a configuration that a finding offers: mechanical ones only.

use serde::Serialize;
use utoipa::ToSchema;

use super::rule::{CorsConfiguration, List};

/// A change of a configuration; rules and values are counted from 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "change", rename_all = "snake_case")]
#[schema(as = CorsRepair)]
pub enum Repair {
    /// Puts these values in the place of one; none takes it away. Values that the list has already are not repeated.
    Replace {
        /// The rule.
        rule: usize,
        /// The list.
        list: List,
        /// The value.
        value: usize,
        /// What comes in its place.
        with: Vec<String>,
    },
    /// Adds a value at the end of a list.
    Add {
        /// The rule.
        rule: usize,
        /// The list.
        list: List,
        /// The value.
        text: String,
    },
    /// Keeps one value of a list only.
    KeepOnly {
        /// The rule.
        rule: usize,
        /// The list.
        list: List,
        /// The value.
        text: String,
    },
    /// Sets how long a preflight may be kept.
    SetMaxAge {
        /// The rule.
        rule: usize,
        /// Seconds.
        seconds: i32,
    },
    /// Takes a rule away.
    RemoveRule {
        /// The rule.
        rule: usize,
    },
    /// Moves a rule behind all others.
    MoveRuleLast {
        /// The rule.
        rule: usize,
    },
}

impl Repair {
    /// The configuration after the change; what the change does not find stays as it is.
    ///
    /// Places of other repairs may not hold any more: validate again after each.
    #[must_use]
    pub fn apply(&self, configuration: &CorsConfiguration) -> CorsConfiguration {
        let mut changed = configuration.clone();
        match self {
            Repair::RemoveRule { rule } if *rule < changed.rules.len() => {
                changed.rules.remove(*rule);
            }
            Repair::MoveRuleLast { rule } if *rule < changed.rules.len() => {
                let moved = changed.rules.remove(*rule);
                changed.rules.push(moved);
            }
            Repair::SetMaxAge { rule, seconds } => {
                if let Some(found) = changed.rules.get_mut(*rule) {
                    found.max_age_seconds = Some(*seconds);
                }
            }
            Repair::KeepOnly { rule, list, text } => {
                if let Some(found) = changed.rules.get_mut(*rule) {
                    *found.list_mut(*list) = vec![text.clone()];
                }
            }
            Repair::Add { rule, list, text } => {
                if let Some(found) = changed.rules.get_mut(*rule) {
                    found.list_mut(*list).push(text.clone());
                }
            }
            Repair::Replace { rule, list, value, with } => {
                if let Some(found) = changed.rules.get_mut(*rule) {
                    replace(found.list_mut(*list), *value, with);
                }
            }
            Repair::RemoveRule { .. } | Repair::MoveRuleLast { .. } => {}
        }
        changed
    }
}

fn replace(values: &mut Vec<String>, at: usize, with: &[String]) {
    if at >= values.len() {
        return;
    }
    values.remove(at);
    let mut next = at;
    for text in with {
        if !values.contains(text) {
            values.insert(next, text.clone());
            next = next.saturating_add(1);
        }
    }
}
