//! How references of a project name a source: not at all, by its name, or in no way.

use std::sync::Arc;

use crate::app::registry::State;
use crate::app::source::Source;
use crate::model::name::Name;
use crate::template;

/// How references of a project name a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Naming {
    /// Plain references mean it.
    Plain,
    /// By this name.
    Named(String),
    /// None can: the project's own source has its name.
    Hidden(String),
}

impl State {
    /// How references of a project name a source in an environment.
    pub(super) fn naming(&self, project_id: &Arc<str>, environment: &Name, source: &Source) -> Naming {
        let name = source.record.definition.name.to_string();
        if self.means(project_id, environment, &source.record.id) {
            return Naming::Plain;
        }
        if source.is_of_workspace() && self.source(project_id, &name).is_some() {
            return Naming::Hidden(name);
        }
        Naming::Named(name)
    }
}

impl Naming {
    /// The text that refers to a secret, or to a value inside it; none where no text does.
    pub(super) fn reference(&self, secret: &str, key: Option<&str>) -> Option<String> {
        match self {
            Naming::Plain => template::from_parts(None, secret, key).ok(),
            Naming::Named(name) => template::from_parts(Some(name), secret, key).ok(),
            Naming::Hidden(_) => None,
        }
    }

    /// The text that refers to a whole secret, as lists show it.
    pub(super) fn whole(&self, secret: &str) -> Option<String> {
        match self {
            Naming::Plain => Some(template::reference_text(secret)),
            Naming::Named(_) | Naming::Hidden(_) => self.reference(secret, None),
        }
    }

    /// Why there is no text that refers to a secret of the source.
    pub(super) fn note(&self) -> Option<String> {
        let Naming::Hidden(name) = self else { return None };
        Some(format!(
            "no reference can name this source: in this project `{name}` means the project's own source. Make `workspace:{name}` active in the environment, or rename the project's own"
        ))
    }
}
