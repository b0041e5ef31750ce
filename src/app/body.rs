//! Bodies of definitions: what a client may write in short, and what of the old definition stays.

use serde_json::Value;

use crate::app::Error;
use crate::app::sources::parse_body;
use crate::finding::Finding;
use crate::model::literal::{self, Literals};
use crate::model::resource::{CREDENTIAL_FIELDS, Definition};
use crate::template;

/// Literals after a change.
pub(super) struct KeptLiterals {
    pub(super) values: Literals,
    /// True when a stored one is among them.
    pub(super) reused: bool,
}

/// Text that holds a reference, or tries to: what is broken is shown as an error, not sealed as a key.
pub(super) fn is_template(text: &str) -> bool {
    text.contains("{{")
}

pub(super) fn read_definition(mut body: Value) -> Result<(Definition, Literals), Error> {
    drop_view_fields(&mut body);
    rewrite_reference_objects(&mut body)?;
    generate_external_id(&mut body)?;
    let typed = literal::split(&mut body, CREDENTIAL_FIELDS, is_template);
    let literals = kept_literals(&mut body, CREDENTIAL_FIELDS, &Literals::new(), typed)?;
    let definition = parse_body(&body)?;
    Ok((definition, literals.values))
}

/// A client may send back what it read.
pub(super) fn drop_view_fields(body: &mut Value) {
    if let Some(fields) = body.as_object_mut() {
        for own in [
            "project",
            "version",
            "created_at",
            "updated_at",
            "findings",
            "outbound_addresses",
            "test",
            "test_error",
        ] {
            fields.remove(own);
        }
    }
}

/// `{"secret": "name", "key": "a.b", "source": "…"}` becomes the reference it stands for.
pub(super) fn rewrite_reference_objects(value: &mut Value) -> Result<(), Error> {
    let Value::Object(fields) = value else { return Ok(()) };
    let known = ["secret", "key", "source"];
    let is_reference = fields.get("secret").is_some_and(Value::is_string)
        && fields.keys().all(|key| known.contains(&key.as_str()));
    if !is_reference {
        // free maps of the user's own may well have a key that is called `secret`
        let inner = fields
            .iter_mut()
            .filter(|(name, _)| !["labels", "tags", "session_policy"].contains(&name.as_str()));
        return inner.map(|(_, value)| value).try_for_each(rewrite_reference_objects);
    }
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let reference = template::from_parts(text("source"), text("secret").unwrap_or_default(), text("key"));
    *value = Value::String(reference.map_err(|error| Error::BadRequest(format!("{error}: {}", error.help)))?);
    Ok(())
}

/// `{"generate": true}` in place of an external id asks for an unguessable one. It is made once and then kept like
/// any other text, so that the trust policy can be written before the role is there.
pub(super) fn generate_external_id(body: &mut Value) -> Result<(), Error> {
    let Some(slot) = body.get_mut("assume_role").and_then(|role| role.get_mut("external_id")) else {
        return Ok(());
    };
    if !slot.is_object() {
        return Ok(());
    }
    if *slot != serde_json::json!({"generate": true}) {
        return Err(Error::BadRequest("`external_id` is a text, or {\"generate\": true}".to_owned()));
    }
    let random: [u8; 20] = rand::random();
    *slot = Value::String(format!("s3c-{}", hex::encode(random)));
    Ok(())
}

/// The literals after a change: typed ones, and stored ones whose mark was sent back.
pub(super) fn kept_literals(
    definition: &mut Value,
    paths: &[&str],
    old: &Literals,
    mut typed: Literals,
) -> Result<KeptLiterals, Error> {
    let mut reused = false;
    for path in literal::marked(definition, paths) {
        if typed.contains_key(path) {
            continue;
        }
        let Some(kept) = old.get(path) else {
            let finding =
                Finding::error("KEY_MISSING", path, "no key is stored here, so there is none to keep");
            return Err(Error::invalid(vec![finding.with_help("give the key itself, or a template")]));
        };
        typed.insert(path.to_owned(), kept.clone());
        reused = true;
    }
    literal::remark(definition, &typed);
    Ok(KeptLiterals { values: typed, reused })
}

/// RFC 7396.
pub(super) fn merge(target: Value, patch: Value) -> Value {
    let Value::Object(changes) = patch else { return patch };
    let mut fields = match target {
        Value::Object(fields) => fields,
        _ => serde_json::Map::new(),
    };
    for (name, change) in changes {
        if change.is_null() {
            fields.remove(&name);
            continue;
        }
        let old = fields.remove(&name).unwrap_or(Value::Null);
        fields.insert(name, merge(old, change));
    }
    Value::Object(fields)
}

/// Those of `paths` (top level) that differ.
pub(super) fn changed_paths<T: AsRef<str>>(before: &Value, after: &Value, paths: &[T]) -> Vec<String> {
    let differs = |path: &&T| before.get(path.as_ref()) != after.get(path.as_ref());
    paths.iter().filter(differs).map(|path| path.as_ref().to_owned()).collect()
}

pub(super) fn top_level(before: &Value, after: &Value) -> Vec<String> {
    let names = |value: &Value| {
        value.as_object().into_iter().flat_map(|fields| fields.keys().cloned()).collect::<Vec<_>>()
    };
    let mut all: Vec<String> = names(before);
    all.extend(names(after));
    all.sort();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{merge, rewrite_reference_objects};

    #[test]
    fn a_merge_patch_changes_what_it_names_and_null_removes() {
        let before = json!({"a": 1, "b": {"c": 2, "d": 3}, "e": [1]});
        let after = merge(before, json!({"a": null, "b": {"c": 9}, "e": [2, 3]}));
        assert_eq!(after, json!({"b": {"c": 9, "d": 3}, "e": [2, 3]}));
    }

    #[test]
    fn a_reference_given_as_an_object_is_stored_as_text() {
        let mut body = json!({"auth": {"access_key_id": {"secret": "s3", "key": "id"}}, "assume_role": {"tags": {"secret": 1}}});
        rewrite_reference_objects(&mut body).unwrap();
        assert_eq!(body["auth"]["access_key_id"], "{{ secrets.s3.id }}");
        assert_eq!(body["assume_role"]["tags"], json!({"secret": 1}));
    }
}
