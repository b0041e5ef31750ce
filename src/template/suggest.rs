//! Guesses what a broken reference was meant to be, for the help of an error.

use super::name;
use super::parser::MAX_PATH_STEPS;
use super::reference::{Pin, Reference, Span, Step, Style};

/// The rule, followed by the corrected text where it can be guessed.
pub(super) fn with_correction(rule: &str, body: &str) -> String {
    match correct(body) {
        Some(reference) => format!("{rule}; try `{reference}`"),
        None => rule.into(),
    }
}

/// Reads the inside of the braces generously; `None` when the guess would be no valid reference.
fn correct(body: &str) -> Option<Reference> {
    let body = body.replace(['‘', '’', '´', '`'], "'").replace(['“', '”'], "\"");
    let body = body.trim().trim_end_matches('}').trim_end();
    let (style, rest) = root(body);
    let (source, rest) = source(rest);
    let rest = rest.trim_start();
    if source.is_some() && !rest.starts_with(['.', ':', '[']) {
        return None;
    }
    let (rest, pin) = pin(rest.trim_start_matches([':', '.', '/']));
    let mut path = path(rest)?;
    if path.is_empty() || path.len() > MAX_PATH_STEPS {
        return None;
    }
    let Step::Key { name: secret, .. } = path.remove(0) else { return None };
    let style = if name::is_identifier(&secret) { style } else { Style::Secrets };
    name::check_secret(&secret).ok()?;
    Some(Reference { style, source, secret, path, pin, span: Span::START })
}

/// Without a root that is known, the whole text is taken as a secret's name and path.
fn root(body: &str) -> (Style, &str) {
    let end = body.find(|c| !name::continues_identifier(c)).unwrap_or(body.len());
    let (word, rest) = body.split_at_checked(end).unwrap_or((body, ""));
    match word.to_ascii_lowercase().as_str() {
        "secrets" | "secret" => (Style::Secrets, rest),
        "vault" | "vaults" => (Style::Vault, rest),
        _ => (Style::Secrets, body),
    }
}

fn source(rest: &str) -> (Option<String>, &str) {
    let Some(named) = rest.trim_start().strip_prefix('@') else { return (None, rest) };
    let named = named.trim_start();
    let end = named.find(|c| !name::continues_identifier(c)).unwrap_or(named.len());
    match named.split_at_checked(end) {
        Some((source, rest)) if name::is_identifier(source) => (Some(source.into()), rest),
        _ => (None, named),
    }
}

/// An `@` that no stage or version follows stays part of the name.
fn pin(rest: &str) -> (&str, Pin) {
    let Some((before, pin)) = rest.rsplit_once('@') else { return (rest, Pin::Current) };
    let pin = pin.trim();
    if let Some(version) = pin.strip_prefix("version").map(|id| id.trim_start_matches([':', ' ']))
        && name::is_version(version)
    {
        return (before, Pin::Version(version.into()));
    }
    match name::AWS_STAGES.iter().find(|stage| stage.eq_ignore_ascii_case(pin)) {
        Some(&"AWSCURRENT") => (before, Pin::Current),
        Some(stage) => (before, Pin::Stage((*stage).into())),
        None if pin.is_empty() => (before, Pin::Current),
        None => (rest, Pin::Current),
    }
}

fn path(mut rest: &str) -> Option<Vec<Step>> {
    let mut path = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Some(path);
        }
        let (part, after) = if let Some(inside) = rest.strip_prefix('[') {
            inside.split_once(']').unwrap_or((inside, ""))
        } else {
            let named = rest.trim_start_matches('.');
            let end = named.find(['.', '[']).unwrap_or(named.len());
            named.split_at_checked(end)?
        };
        let is_bracket = rest.starts_with('[');
        rest = after;
        let part = part.trim();
        let is_negative = is_bracket && part.parse::<i64>().is_ok_and(i64::is_negative);
        if is_negative || part.contains(['{', '}', '\\', ']', '(', ')', '|']) {
            return None;
        }
        path.extend(step(part, is_bracket));
    }
}

/// A name whose quotes were forgotten gets them; a part that is empty is left out.
fn step(part: &str, is_bracket: bool) -> Option<Step> {
    let name = part.trim_matches(['\'', '"']);
    if let Ok(index) = part.parse() {
        return Some(Step::Index(index));
    }
    (!name.is_empty())
        .then(|| Step::Key { name: name.into(), dotted: !is_bracket && name::is_identifier(name) })
}
