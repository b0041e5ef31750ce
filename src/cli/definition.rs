//! What definitions of resources and sources have in common on the command line: the flags for identities, and
//! how a file and flags become a body.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::client::{Answer, Call};
use crate::cli::exit::usage;
use crate::cli::output::{Format, Output};
use crate::cli::patch::{self, Number, Patch, SHOWN_ONLY};
use crate::cli::{Session, input};

/// Whose credentials are used.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Identity")]
pub(crate) struct CredentialFlags {
    /// Access key id: a template, a value, `@file` or `-` (stdin)
    #[arg(long, value_name = "VALUE")]
    pub(crate) access_key_id: Option<String>,
    /// Secret key: a template like "{{ secrets.s3.secret }}", `@file` or `-` (stdin); a literal value shows up in process lists
    #[arg(long, value_name = "VALUE")]
    pub(crate) secret_access_key: Option<String>,
    /// Session token of temporary credentials: like the secret key; empty clears it
    #[arg(long, value_name = "VALUE")]
    pub(crate) session_token: Option<String>,
    /// Use the service's own identity
    #[arg(long, conflicts_with_all = ["access_key_id", "secret_access_key", "session_token"])]
    pub(crate) default_chain: bool,
}

/// A role that is assumed.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Identity")]
pub(crate) struct RoleFlags {
    /// ARN of a role to assume; empty clears the role and all that belongs to it
    #[arg(long, value_name = "ARN")]
    pub(crate) role_arn: Option<String>,
    /// External id that the role's trust policy asks for
    #[arg(long, value_name = "ID")]
    pub(crate) external_id: Option<String>,
    /// Name of the role's sessions
    #[arg(long, value_name = "NAME")]
    pub(crate) session_name: Option<String>,
    /// Seconds that a session lasts, 900 to 43200
    #[arg(long, value_name = "SECONDS")]
    pub(crate) role_duration: Option<Number>,
}

/// The parts of an access key.
const KEY_FIELDS: &[&str] = &["auth.access_key_id", "auth.secret_access_key", "auth.session_token"];

/// What is said when two values would be read from stdin.
pub(crate) const ONE_STDIN: &str =
    "stdin can be only one of the values: put the others into files and write `@file`";

impl CredentialFlags {
    /// Whether one of them is read from stdin.
    pub(crate) fn read_stdin(&self) -> bool {
        let all = [&self.access_key_id, &self.secret_access_key, &self.session_token];
        all.iter().any(|value| value.as_deref() == Some("-"))
    }

    /// Adds the flags to a patch. Values are read here, so that no later step sees `@file`.
    pub(crate) async fn add_to(&self, patch: &mut Patch, out: &Output) -> anyhow::Result<()> {
        let parts = [
            ("auth.access_key_id", "--access-key-id", &self.access_key_id),
            ("auth.secret_access_key", "--secret-access-key", &self.secret_access_key),
            ("auth.session_token", "--session-token", &self.session_token),
        ];
        if parts.iter().filter(|(_, _, value)| value.as_deref() == Some("-")).count() > 1 {
            return Err(usage(ONE_STDIN));
        }
        for (path, flag, argument) in parts {
            let Some(argument) = argument else { continue };
            // the id of a key is no secret
            let is_id = flag == "--access-key-id";
            let value = if is_id {
                input::value(argument).await?
            } else {
                input::secret(out, flag, argument).await?
            };
            patch.set("auth.kind", "access_key");
            patch.text(path, Some(&value));
        }
        if self.default_chain {
            unsigned(patch, "default_chain");
        }
        Ok(())
    }
}

/// Another kind of identity: the parts of a key that may be there go.
pub(crate) fn unsigned(patch: &mut Patch, kind: &str) {
    patch.set("auth.kind", kind);
    for path in KEY_FIELDS {
        patch.set(path, Value::Null);
    }
}

impl RoleFlags {
    /// Adds the flags to a patch.
    pub(crate) fn add_to(&self, patch: &mut Patch) {
        if self.role_arn.as_deref() == Some("") {
            patch.set("assume_role", Value::Null);
            return;
        }
        patch.text("assume_role.role_arn", self.role_arn.as_deref());
        patch.text("assume_role.external_id", self.external_id.as_deref());
        patch.text("assume_role.session_name", self.session_name.as_deref());
        patch.number("assume_role.duration", self.role_duration);
    }
}

/// Refuses empty numbers: a new definition has nothing to clear.
pub(crate) fn nothing_to_clear(numbers: &[(&str, Option<Number>)]) -> anyhow::Result<()> {
    match numbers.iter().find(|(_, number)| *number == Some(Number::Clear)) {
        Some((flag, _)) => Err(usage(format!("{flag} is empty: give a number, or leave the flag out"))),
        None => Ok(()),
    }
}

/// Refuses what has no identity, in the words of the flags.
pub(crate) fn check_auth(definition: &Value) -> anyhow::Result<()> {
    if definition.get("auth").is_some() {
        return Ok(());
    }
    Err(usage(
        "the resource has no credentials: give --access-key-id and --secret-access-key, --default-chain or --anonymous",
    ))
}

/// The definition that a file and flags make: the flags go before the file, and `name` before both.
pub(crate) async fn from_file(
    file: Option<&PathBuf>,
    name: Option<&str>,
    mut patch: Patch,
) -> anyhow::Result<Value> {
    let mut definition = match file {
        Some(file) => input::json(file).await?,
        None => json!({}),
    };
    patch::strip_shown(&mut definition);
    patch.text("name", name);
    patch::apply(&mut definition, patch.into_value());
    if definition.get("name").is_none() {
        return Err(usage("the definition has no name: give NAME, or `name` in the file"));
    }
    Ok(definition)
}

/// How a definition is changed.
#[derive(Debug)]
pub(crate) struct Update<'a> {
    /// `resources` or `sources`.
    pub(crate) noun: &'static str,
    pub(crate) name: &'a str,
    pub(crate) file: Option<&'a PathBuf>,
    /// The file is a patch and no whole definition.
    pub(crate) merge: bool,
    /// From the flags.
    pub(crate) patch: Patch,
    pub(crate) if_match: Option<&'a str>,
    pub(crate) dry_run: bool,
}

impl Update<'_> {
    /// Changes the definition and shows what came of it; a dry run shows people only what would differ.
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let dry_run = self.dry_run;
        let sentence = format!("updated the {} `{}`", self.noun.trim_end_matches('s'), self.name);
        if !dry_run || session.out.format() != Format::Table {
            return session.out.saved(&sentence, &self.send(session).await?.body, dry_run);
        }
        let before = session.client.send(Call::get(&[self.noun, self.name])).await?.body;
        let after = self.send(session).await?.body;
        would_differ(session, &before, &after)
    }

    /// Replaces the definition by the file, or merges the flags into it.
    async fn send(self, session: &Session) -> anyhow::Result<Answer> {
        let path = [self.noun, self.name];
        let (call, if_match) = match self.file {
            Some(file) if !self.merge => {
                let mut definition = input::json(file).await?;
                let version = patch::strip_shown(&mut definition);
                patch::apply(&mut definition, self.patch.into_value());
                if definition.get("name").is_none() {
                    patch::apply(&mut definition, json!({"name": self.name}));
                }
                let etag = etag_of(session, &path, version, self.if_match).await?;
                (Call::put(&path, definition), etag)
            }
            file => {
                let body = match file {
                    Some(file) => {
                        let mut body = input::json(file).await?;
                        only_file(&mut body, &self.patch)?;
                        body
                    }
                    None if self.patch.is_empty() => {
                        return Err(usage("nothing to change: give flags, or --file with a definition"));
                    }
                    None => self.patch.into_value(),
                };
                // a patch changes what it names, whatever else changed meanwhile
                (Call::new(reqwest::Method::PATCH, &path).body(body), self.if_match.unwrap_or("*").to_owned())
            }
        };
        session.client.send(call.if_match(if_match).dry_run(self.dry_run)).await
    }
}

/// What a dry run of a change shows to people: only what would differ.
pub(crate) fn would_differ(session: &Session, before: &Value, after: &Value) -> anyhow::Result<()> {
    session.out.changes(before, after, SHOWN_ONLY)?;
    session.out.say("dry run: nothing was changed");
    session.out.remarks(after);
    Ok(())
}

fn only_file(body: &mut Value, flags: &Patch) -> anyhow::Result<()> {
    if !flags.is_empty() {
        return Err(usage("--merge takes its changes from the file: leave out the other flags"));
    }
    patch::strip_shown(body);
    Ok(())
}

/// The `ETag` to base a replacement on: the one that was given; that of the version the file was shown with; or any.
async fn etag_of(
    session: &Session,
    path: &[&str],
    version: Option<i64>,
    given: Option<&str>,
) -> anyhow::Result<String> {
    let (None, Some(version)) = (given, version) else { return Ok(given.unwrap_or("*").to_owned()) };
    let current = session.client.send(Call::get(path)).await?;
    let now = current.body.get("version").and_then(Value::as_i64);
    match now {
        Some(now) if now != version => anyhow::bail!(
            "the definition changed meanwhile: the file shows version {version} and the server has {now}; \
             show it again and repeat the change, or replace it with --if-match '*'"
        ),
        _ => Ok(current.etag.unwrap_or_else(|| "*".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{CredentialFlags, RoleFlags, from_file, nothing_to_clear, unsigned};
    use crate::cli::output::{Format, Output};
    use crate::cli::patch::{Number, Patch};

    #[test]
    fn an_empty_number_makes_no_new_definition() {
        let error =
            nothing_to_clear(&[("--retries", None), ("--timeout-ms", Some(Number::Clear))]).unwrap_err();
        assert_eq!(error.to_string(), "--timeout-ms is empty: give a number, or leave the flag out");
        assert!(nothing_to_clear(&[("--retries", Some(Number::Is(0)))]).is_ok());
    }

    #[tokio::test]
    async fn templates_pass_as_they_are_and_make_an_access_key() {
        let flags = CredentialFlags {
            access_key_id: Some("{{ secrets.s3.key_id }}".to_owned()),
            secret_access_key: Some("{{ secrets.s3.secret }}".to_owned()),
            session_token: Some(String::new()),
            default_chain: false,
        };
        let mut patch = Patch::default();
        flags.add_to(&mut patch, &Output::new(Format::Table)).await.unwrap();
        let expected = json!({"auth": {"kind": "access_key", "access_key_id": "{{ secrets.s3.key_id }}",
            "secret_access_key": "{{ secrets.s3.secret }}", "session_token": null}});
        assert_eq!(patch.into_value(), expected);
    }

    #[tokio::test]
    async fn stdin_is_one_value_only() {
        let both = Some("-".to_owned());
        let flags = CredentialFlags {
            access_key_id: both.clone(),
            secret_access_key: both,
            ..CredentialFlags::default()
        };
        assert!(flags.add_to(&mut Patch::default(), &Output::new(Format::Table)).await.is_err());
    }

    #[tokio::test]
    async fn a_new_definition_has_no_nulls_and_needs_a_name() {
        let mut patch = Patch::default();
        unsigned(&mut patch, "anonymous");
        let made = from_file(None, Some("a"), patch).await.unwrap();
        assert_eq!(made, json!({"name": "a", "auth": {"kind": "anonymous"}}));
        assert!(from_file(None, None, Patch::default()).await.is_err());
    }

    #[test]
    fn an_empty_role_clears_all_of_it() {
        let mut patch = Patch::default();
        RoleFlags {
            role_arn: Some(String::new()),
            external_id: Some("x".to_owned()),
            ..RoleFlags::default()
        }
        .add_to(&mut patch);
        assert_eq!(patch.into_value(), json!({"assume_role": Value::Null}));
    }
}
