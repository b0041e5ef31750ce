//! Literal keys: values typed into a definition instead of a template.
//!
//! A literal leaves the JSON of a definition the moment it is read: [`split`] moves it into a
//! [`SecretString`] and leaves `{"set": true, "last4": "…"}` behind. The definition that is stored, shown,
//! compared and audited therefore never holds a secret.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use zeroize::Zeroize;

/// Literal values by the path of their field, for example `auth.secret_access_key`.
pub type Literals = BTreeMap<String, SecretString>;

/// A credential field as it is stored and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Credential {
    /// A template, shown as it was written; a value without references is a literal when it is sent.
    #[schema(example = "{{ secrets.s3.key_id }}")]
    Template(String),
    /// A literal that is stored sealed and never shown.
    Literal(LiteralMark),
}

/// What is shown in place of a literal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LiteralMark {
    /// Always true: a literal is stored.
    pub set: bool,
    /// The last four characters, when the literal is long enough to give them away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last4: Option<String>,
}

/// Moves every literal out of `definition` at the given dotted `paths`. Strings that `is_template` accepts stay.
pub fn split(definition: &mut Value, paths: &[&str], is_template: impl Fn(&str) -> bool) -> Literals {
    let mut literals = Literals::new();
    for path in paths {
        let Some(slot) = pointer(definition, path) else { continue };
        let Value::String(text) = slot else { continue };
        if text.is_empty() || is_template(text) {
            continue;
        }
        let secret = SecretString::from(text.clone());
        text.zeroize();
        *slot = mark(&secret);
        literals.insert((*path).to_owned(), secret);
    }
    literals
}

/// Paths among `paths` whose field holds a literal mark in `definition`.
pub fn marked<'a>(definition: &mut Value, paths: &'a [&'a str]) -> Vec<&'a str> {
    paths
        .iter()
        .copied()
        .filter(|path| pointer(definition, path).is_some_and(|slot| LiteralMark::deserialize(&*slot).is_ok()))
        .collect()
}

/// Writes the mark of every literal whose field holds one: what is shown comes from the key that is stored, not
/// from what a client sent back or what stood there before.
pub fn remark(definition: &mut Value, literals: &Literals) {
    for (path, secret) in literals {
        if let Some(slot) = pointer(definition, path).filter(|slot| slot.is_object()) {
            *slot = mark(secret);
        }
    }
}

/// The text of a serde error without the values in it: a key may stand at the wrong place. Names of fields stay.
pub fn without_values(error: &str) -> String {
    let cut = |start: &str, end: &str, instead: &str| {
        let (before, _) = error.split_once(start)?;
        let (_, after) = error.rsplit_once(end)?;
        Some(format!("{before}{instead}{after}"))
    };
    cut("string \"", "\", expected", "a string, expected")
        .or_else(|| cut("unknown variant `", "`, expected", "an unknown word, expected"))
        .unwrap_or_else(|| error.to_owned())
}

fn mark(secret: &SecretString) -> Value {
    let text = secret.expose_secret();
    let count = text.chars().count();
    // four characters of a short value would be a good part of it
    if count < 16 {
        return json!({"set": true});
    }
    let last4: String = text.chars().skip(count - 4).collect();
    json!({"set": true, "last4": last4})
}

fn pointer<'a>(value: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    path.split('.').try_fold(value, |at, part| at.get_mut(part))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;
    use serde_json::json;

    use super::{marked, remark, split, without_values};

    const PATHS: &[&str] = &["auth.id", "auth.secret", "auth.token"];

    #[test]
    fn a_literal_leaves_the_definition_and_a_template_stays() {
        let mut value =
            json!({"auth": {"id": "{{ secrets.a }}", "secret": "0123456789abcdefXYZW", "token": null}});
        let literals = split(&mut value, PATHS, |text| text.contains("{{"));
        assert_eq!(
            value,
            json!({"auth": {"id": "{{ secrets.a }}", "secret": {"set": true, "last4": "XYZW"}, "token": null}})
        );
        assert_eq!(literals["auth.secret"].expose_secret(), "0123456789abcdefXYZW");
        assert_eq!(marked(&mut value, PATHS), ["auth.secret"]);
    }

    #[test]
    fn a_short_literal_shows_none_of_its_characters() {
        let mut value = json!({"auth": {"secret": "short"}});
        split(&mut value, PATHS, |_| false);
        assert_eq!(value, json!({"auth": {"secret": {"set": true}}}));
    }

    #[test]
    fn a_mark_tells_of_the_literal_and_not_of_what_was_sent() {
        let mut value = json!({"auth": {"secret": "0123456789abcdefXYZW", "id": "{{ secrets.a }}"}});
        let literals = split(&mut value, PATHS, |text| text.contains("{{"));
        value["auth"]["secret"]["last4"] = json!("FAKE");
        remark(&mut value, &literals);
        assert_eq!(value["auth"]["secret"], json!({"set": true, "last4": "XYZW"}));
        assert_eq!(value["auth"]["id"], "{{ secrets.a }}");
        value["auth"]["secret"] = json!({"set": "KEY"});
        assert!(marked(&mut value, PATHS).is_empty());
    }

    #[test]
    fn an_error_is_told_without_the_values_in_it() {
        let told = without_values("invalid type: string \"KEY\", expected `a\", expected b` at line 1");
        assert!(!told.contains("KEY"), "{told}");
        assert_eq!(
            without_values("unknown variant `KEY`, expected `a` or `b`"),
            "an unknown word, expected `a` or `b`"
        );
        assert_eq!(without_values("unknown field `bukket`"), "unknown field `bukket`");
    }
}
