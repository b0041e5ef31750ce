//! Moving a secret from AWS Secrets Manager into the local vault: its last fetched value, under the same short name.
//! References are not rewritten; the answer says which there are and what to write instead.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use crate::app::source::{self, Source};
use crate::app::usage::{self, Place};
use crate::app::vault::{LocalWrite, check_secret_name, check_value, is_there};
use crate::app::{App, Error, Unresolved, audit};
use crate::cache::{Entry, LoadError, SecretKey};
use crate::clock::rfc3339;
use crate::model::principal::Caller;
use crate::model::secret::{SourceDefinition, SourceKind};
use crate::model::usage_policy;
use crate::template::{self, Mode, Pin, Reference, Style};

/// What to move.
#[derive(Debug, Clone)]
pub struct MoveWanted {
    /// The name inside the namespace, or the ARN.
    pub secret: String,
    /// The local source.
    pub target: String,
    /// Whether a secret of that name gives way.
    pub overwrite: bool,
}

/// What was moved, or would be.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Moved {
    /// The local source.
    pub target: String,
    /// The name in it.
    pub name: String,
    /// The version there; empty for a dry run.
    pub version_id: String,
    /// The version at AWS that the value has.
    pub from_version_id: String,
    /// When the value was fetched from AWS; RFC 3339.
    pub fetched_at: String,
    /// Whether a secret of that name was there, whose value is an earlier version now.
    pub replaced: bool,
    /// Where the secret is referenced at its old place.
    pub references: Vec<MovedReference>,
}

/// A reference to a secret that was moved.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MovedReference {
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// Whether it has to be changed; one that has not is right once the target is the active source.
    pub rewrite: bool,
    /// What to write.
    pub new_reference: String,
    /// What to do, in words.
    pub advice: String,
}

impl App {
    /// Puts the last fetched value of a secret at AWS into a local source. Nothing at AWS changes.
    pub async fn move_to_local(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        wanted: &MoveWanted,
        dry_run: bool,
    ) -> Result<Moved, Error> {
        let source = self.known_source(caller, name)?;
        if source.record.definition.kind == SourceKind::Local {
            return Err(Error::BadRequest(format!(
                "the source `{name}` is a local one: its secrets are moved with an export and an import"
            )));
        }
        // the copy is under another name than rules and the workspace's admins know it by
        Self::may_change(caller, source.record.definition.scope)?;
        let target = self.writable_source(caller, &wanted.target)?;
        let key = source.key(&wanted.secret, "AWSCURRENT");
        let definition = &source.record.definition;
        self.check_free_to_move(caller, definition, &usage_policy::readings_of(definition, &key.secret))?;
        let entry = self.last_fetched(&source, &key, &wanted.secret).await?;
        let told = usage_policy::names_of(definition, &[&entry.secret.name]);
        self.check_free_to_move(caller, definition, &[told])?;
        let short = short_name(&source, &entry, &wanted.secret);
        check_secret_name(&short)?;
        if entry.secret.value.is_binary() {
            return Err(Error::BadRequest(format!(
                "the secret `{}` is binary, and the local vault holds texts: write it there in a form that its users read",
                wanted.secret
            )));
        }
        let value = entry.secret.value.look_up(Mode::Plaintext, &[]);
        let value = value.map_err(|error| Error::BadRequest(error.to_string()))?;
        check_value(&value)?;
        let replaced = !self.store.vault_versions(&target.record.id, &short).await?.is_empty();
        if replaced && !wanted.overwrite {
            return Err(is_there(&wanted.target, &short));
        }
        let moving = Move { source: &source, target: &target, short: &short, key: &key, entry: &entry };
        let references = self.moved_references(caller, &moving);
        let mut moved = Moved {
            target: wanted.target.clone(),
            version_id: String::new(),
            from_version_id: entry.secret.version_id.clone(),
            fetched_at: rfc3339(entry.fetched_ms),
            replaced,
            references,
            name: short,
        };
        if dry_run {
            return Ok(moved);
        }
        let mut event = audit::event(caller, "secret.move_to_local", name, self.clock.now_ms());
        event.secrets = vec![format!("{} version {}", key.secret, entry.secret.version_id)];
        event.detail = Some(format!("to `{}` as `{}`", moved.target, moved.name));
        let write =
            LocalWrite { source: &target, secret: &moved.name, value: &value, overwrite: wanted.overwrite };
        moved.version_id = self.write_local(&write, &event).await?;
        Ok(moved)
    }

    /// A secret that a usage policy names would leave the policy with its copy.
    fn check_free_to_move(
        &self,
        caller: &Caller,
        source: &SourceDefinition,
        readings: &[Vec<String>],
    ) -> Result<(), Error> {
        if !caller.installation && self.usage_rules().name(source, readings) {
            return Err(Error::InstallationOnly);
        }
        Ok(())
    }

    /// What the cache has, fetched now when it has nothing. A value that is too old to be served is the last one all the
    /// same while its source cannot be reached: leaving a source behind is what this is for.
    async fn last_fetched(
        self: &Arc<Self>,
        source: &Arc<Source>,
        key: &SecretKey,
        secret: &str,
    ) -> Result<Arc<Entry>, Error> {
        let loader = source::loader(self, source, key);
        match self.cache.get(key, source.policy(), &loader).await {
            Ok(hit) => Ok(hit.entry.to_arc()),
            Err(error) => {
                let last = self.cache.peek(key).filter(|_| error.class.is_transient());
                last.ok_or_else(|| unfetched(secret, key, error))
            }
        }
    }

    fn moved_references(&self, caller: &Caller, moving: &Move<'_>) -> Vec<MovedReference> {
        let resources = self.registry.state().resources(&caller.project.id);
        let mut places = Vec::new();
        for used in resources.iter().flat_map(|resource| self.uses(&resource.record)) {
            if used.target.as_ref().is_ok_and(|(source, key)| moving.is_of(source, key)) {
                usage::merge(&mut places, &used);
            }
        }
        places.into_iter().filter_map(|place| moving.advise(place)).collect()
    }
}

/// A secret on its way.
struct Move<'a> {
    source: &'a Source,
    target: &'a Source,
    short: &'a str,
    key: &'a SecretKey,
    entry: &'a Entry,
}

impl Move<'_> {
    fn is_of(&self, source: &Source, key: &SecretKey) -> bool {
        let secret = &self.entry.secret;
        // the name of another account's secret is not its name here
        let name = if secret.foreign { &*self.key.secret } else { secret.name.as_str() };
        source.record.id == self.source.record.id
            && (key.secret == self.key.secret || usage::is_named(&key.secret, name, secret.arn.as_deref()))
    }

    fn advise(&self, place: Place) -> Option<MovedReference> {
        let old = template::parse(&place.reference).ok()?;
        let old = old.references().next()?;
        let alias = self.alias_of(old);
        let new = self.rewritten(old, alias.is_some());
        let target = self.target.record.definition.name.as_str();
        let rewrite = new != *old;
        let mut advice = Vec::new();
        if rewrite {
            advice.push("write the new reference".to_owned());
        }
        if new.source.is_none() {
            let environments: Vec<String> =
                place.environments.iter().map(|environment| format!("`{environment}`")).collect();
            advice.push(format!("make `{target}` the active source in {}", environments.join(", ")));
        }
        if let Some(alias) = alias.filter(|alias| !self.target_has(alias)) {
            advice.push(format!(
                "set the alias `{alias}` of `{target}` to `{}` with the mode of the old one",
                self.short
            ));
        }
        if old.pin != Pin::Current {
            let text = "only the current value was moved, so the new reference has no stage and no version";
            advice.push(text.to_owned());
        }
        Some(MovedReference { rewrite, new_reference: new.to_string(), advice: advice.join("; "), place })
    }

    /// The alias that the reference goes through.
    fn alias_of<'r>(&self, reference: &'r Reference) -> Option<&'r str> {
        let aliases = &self.source.record.definition.aliases;
        let is_alias =
            reference.style == Style::Vault && aliases.keys().any(|alias| alias.as_str() == reference.secret);
        is_alias.then_some(reference.secret.as_str())
    }

    /// Whether the target has the same alias for what was moved.
    fn target_has(&self, alias: &str) -> bool {
        let mode_of = |source: &Source| {
            let aliases = &source.record.definition.aliases;
            aliases
                .iter()
                .find(|(name, _)| name.as_str() == alias)
                .map(|(_, alias)| (alias.secret.clone(), alias.mode))
        };
        let old = mode_of(self.source).map(|(_, mode)| mode);
        mode_of(self.target).is_some_and(|(secret, mode)| secret == self.short && Some(mode) == old)
    }

    fn rewritten(&self, old: &Reference, through_alias: bool) -> Reference {
        let mut new = old.clone();
        if new.source.is_some() {
            new.source = Some(self.target.record.definition.name.to_string());
        }
        if !through_alias && new.secret != self.short {
            self.short.clone_into(&mut new.secret);
            new.style = Style::Secrets;
        }
        new.pin = Pin::Current;
        new
    }
}

/// The name in the vault: the one that was given, or of an ARN the secret's name inside the namespace.
fn short_name(source: &Source, entry: &Entry, given: &str) -> String {
    if !given.starts_with("arn:") {
        return given.to_owned();
    }
    let name = entry.secret.name.as_str();
    source.record.definition.short_name(name).unwrap_or(name).to_owned()
}

fn unfetched(secret: &str, key: &SecretKey, error: Arc<LoadError>) -> Error {
    Error::Unresolved(Box::new(Unresolved {
        field: "secret".to_owned(),
        reference: template::reference_text(secret),
        secret: key.secret.to_string(),
        reason: error.message.clone(),
        code: error.code.clone(),
        load: Some(error),
    }))
}
