//! Behaviour as tables in `fixtures/template`, and what no table can hold.

mod fuzz;
mod laws;
mod pitfalls;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::{BuildHasher, RandomState};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::{
    Error, LookUpError, MAX_FIELD_BYTES, MAX_PATH_STEPS, Mode, Piece, Reference, SecretValue, Step, Template,
    from_parts, parse, render,
};

/// Runs every case of a table and reports all that fail, by name.
fn check<C: DeserializeOwned, T: PartialEq + Debug>(table: &str, outcome: impl Fn(&C) -> (String, T, T)) {
    let cases: Vec<C> = serde_json::from_str(table).expect("the table is valid");
    assert!(!cases.is_empty());
    let failures: Vec<String> = cases
        .iter()
        .map(outcome)
        .filter(|(_, actual, expected)| actual != expected)
        .map(|(name, actual, expected)| format!("{name}\n    actual {actual:?}\n  expected {expected:?}"))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[derive(Deserialize)]
struct ParseOk {
    name: String,
    text: String,
    pieces: Vec<String>,
    #[serde(default)]
    same_as: Vec<String>,
    #[serde(default)]
    differs_from: Vec<String>,
}

#[test]
fn fields_are_read() {
    check(include_str!("../../fixtures/template/parse-ok.json"), |case: &ParseOk| {
        let template = parse(&case.text).unwrap_or_else(|error| panic!("{}: {error:?}", case.name));
        assert_eq!(template.text(), case.text, "{}: the text is kept", case.name);
        for other in &case.same_as {
            assert_eq!(only_reference(&case.text), only_reference(other), "{}", case.name);
            assert_eq!(hash(&only_reference(&case.text)), hash(&only_reference(other)), "{}", case.name);
            assert_eq!(
                only_reference(&case.text).to_string(),
                only_reference(other).to_string(),
                "{}",
                case.name
            );
        }
        for other in &case.differs_from {
            assert_ne!(only_reference(&case.text), only_reference(other), "{}", case.name);
        }
        (case.name.clone(), pieces(&template), case.pieces.clone())
    });
}

#[derive(Deserialize)]
struct ParseError {
    name: String,
    text: String,
    at: (u32, u32),
    message: String,
    help: String,
}

#[test]
fn mistakes_are_named_placed_and_helped() {
    check(include_str!("../../fixtures/template/parse-errors.json"), |case: &ParseError| {
        let error = parse(&case.text).expect_err(&case.name);
        assert_house_style(&error);
        assert_suggestion_is_valid(&error);
        let actual = ((error.line, error.column), error.message, error.help);
        (case.name.clone(), actual, (case.at, case.message.clone(), case.help.clone()))
    });
}

#[derive(Deserialize)]
struct LookUp {
    name: String,
    secret: String,
    #[serde(default)]
    mode: Mode,
    path: String,
    value: Option<String>,
    error: Option<String>,
}

#[test]
fn values_are_looked_up() {
    check(include_str!("../../fixtures/template/look-up.json"), |case: &LookUp| {
        let secret = secret_value(&case.secret);
        (
            case.name.clone(),
            look_up(&secret, case.mode, &case.path),
            expected(case.value.clone(), case.error.clone()),
        )
    });
}

#[derive(Deserialize)]
struct Render {
    name: String,
    field: String,
    secrets: BTreeMap<String, String>,
    value: Option<String>,
    error: Option<String>,
}

#[test]
fn fields_render() {
    check(include_str!("../../fixtures/template/render.json"), |case: &Render| {
        let template = parse(&case.field).unwrap_or_else(|error| panic!("{}: {error:?}", case.name));
        let rendered = render(&template, |reference| {
            let text =
                case.secrets.get(&reference.secret).ok_or(format!("no secret {}", reference.secret))?;
            secret_value(text).look_up(Mode::Auto, &reference.path).map_err(|error| error.to_string())
        });
        let actual = rendered.map(|value| value.expose_secret().to_owned());
        (case.name.clone(), actual, expected(case.value.clone(), case.error.clone()))
    });
}

#[derive(Deserialize)]
struct Parts {
    name: String,
    source: Option<String>,
    secret: String,
    key: Option<String>,
    value: Option<String>,
    error: Option<String>,
}

#[test]
fn parts_become_a_reference() {
    check(include_str!("../../fixtures/template/parts.json"), |case: &Parts| {
        let text = from_parts(case.source.as_deref(), &case.secret, case.key.as_deref());
        if let Ok(text) = &text {
            assert_eq!(only_reference(text).to_string(), *text, "{}", case.name);
        }
        let actual = text.map_err(|error| format!("{}; {}", error.message, error.help));
        (case.name.clone(), actual, expected(case.value.clone(), case.error.clone()))
    });
}

#[derive(Deserialize)]
struct Leaves {
    name: String,
    secret: String,
    keys: Vec<String>,
}

#[test]
fn leaf_keys_are_named() {
    check(include_str!("../../fixtures/template/leaf-keys.json"), |case: &Leaves| {
        (case.name.clone(), secret_value(&case.secret).leaf_keys(), case.keys.clone())
    });
}

#[test]
fn references_know_their_place_and_it_does_not_count() {
    let template = parse("é {{ secrets.a }}\n  {{secrets.a}}").unwrap();
    let places: Vec<_> = template.references().map(|found| (found.span.line, found.span.column)).collect();
    assert_eq!(places, [(1, 3), (2, 3)]);
    let references: Vec<_> = template.references().collect();
    assert_eq!(references[0], references[1]);
    assert!(template.has_references());
}

#[test]
fn a_field_may_be_16_kib_and_not_a_byte_more() {
    assert!(parse(&"x".repeat(MAX_FIELD_BYTES)).is_ok());
    let error = parse(&"x".repeat(MAX_FIELD_BYTES + 1)).unwrap_err();
    assert_eq!(error.message, "the field is 16385 bytes long; at most 16384 are read");
}

#[test]
fn a_path_may_have_128_steps_and_not_one_more() {
    let field = |steps| format!("{{{{ secrets.s{} }}}}", ".a".repeat(steps));
    assert!(parse(&field(MAX_PATH_STEPS)).is_ok());
    let error = parse(&field(MAX_PATH_STEPS + 1)).unwrap_err();
    assert_eq!((error.message.as_str(), error.column), ("the path has more than 128 steps", 269));
    assert!(from_parts(None, "s", Some(&["a"; MAX_PATH_STEPS + 1].join("."))).is_err());
}

#[test]
fn a_secret_name_may_have_512_characters_and_not_one_more() {
    let field = |length| format!("{{{{ secrets['{}'] }}}}", "n".repeat(length));
    assert!(parse(&field(512)).is_ok());
    assert!(parse(&field(513)).unwrap_err().message.ends_with("is longer than 512 characters"));
}

#[test]
fn json_is_read_128_levels_deep_and_not_one_more() {
    let nested = |depth| secret_value(&format!("{}1{}", "[".repeat(depth), "]".repeat(depth)));
    let path = vec![Step::Index(0); 128];
    assert_eq!(nested(128).look_up(Mode::Json, &path).unwrap().expose_secret(), "1");
    assert_eq!(nested(128).leaf_keys().len(), 1);
    let error = nested(129).look_up(Mode::Json, &path).unwrap_err().to_string();
    assert!(error.contains("nested deeper than 128 levels at line 1, column 129"), "{error}");
    assert!(nested(30_000).look_up(Mode::Json, &path).is_err());
}

#[test]
fn a_binary_secret_is_base64_as_a_whole_and_nothing_else() {
    let secret = SecretValue::from_binary(Zeroizing::new(vec![0, 0xff, 0xfe]));
    let key = [Step::Key { name: "a".into(), dotted: true }];
    assert_eq!(secret.look_up(Mode::Plaintext, &[]).unwrap().expose_secret(), "AP/+");
    assert_eq!(secret.look_up(Mode::Auto, &[]).unwrap().expose_secret(), "AP/+");
    for (mode, path) in [(Mode::Json, &[][..]), (Mode::Auto, &key), (Mode::Plaintext, &key)] {
        assert_eq!(secret.look_up(mode, path).unwrap_err(), LookUpError::Binary);
    }
    assert!(secret.leaf_keys().is_empty());
}

#[test]
fn nothing_prints_a_value() {
    let secret = secret_value(r#"{"user": "hunter2", "list": ["hunter2"]}"#);
    assert_eq!(format!("{secret:?}"), "SecretValue(..)");
    for path in [".nope", ".user.deeper", ".user[0]", ".list.key", ".list[1]", ".list", ""] {
        for mode in [Mode::Auto, Mode::Json] {
            let error = look_up(&secret, mode, path).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
    let broken = secret_value(r#"{"user": "hunter2" hunter2}"#);
    assert!(!look_up(&broken, Mode::Json, ".user").unwrap_err().contains("hunter2"));
    let literal = parse("hunter2 {{ secrets.name }}").unwrap();
    assert!(!format!("{literal:?}").contains("hunter2"));
}

#[test]
fn errors_and_lists_of_keys_are_bounded() {
    let members: Vec<String> = (0..1500).map(|at| format!(r#""k{at}": {at}"#)).collect();
    let secret = secret_value(&format!("{{{}}}", members.join(",")));
    assert_eq!(secret.leaf_keys().len(), 1000);
    let Err(LookUpError::MissingKey { have, .. }) = secret.look_up(Mode::Auto, &only_path(".nope")) else {
        panic!("a missing key")
    };
    assert_eq!(have.len(), 20);
    assert!(secret.bytes() > 1500 * 10);
}

#[test]
fn hostile_input_is_read_or_refused() {
    let dots = format!("{{{{ secrets{} }}}}", ".a".repeat(8000));
    let opened = "{{ secrets.a }}".repeat(1000) + &"{{ secrets['".repeat(10);
    let quotes = format!("{{{{ secrets['{}", "}}\\'".repeat(4000));
    for text in [dots, opened, quotes, "{{".repeat(8000), "\\{{".repeat(5000), "}}{".repeat(5000)] {
        let _ = parse(&text);
    }
}

#[test]
fn reading_dots_in_every_way_is_bounded_by_the_secret() {
    let mut objects = ["{}".to_owned(), "{}".to_owned()];
    while objects[1].len() < 60_000 {
        let next = format!(r#"{{"a":{},"a.a":{}}}"#, objects[1], objects[0]);
        objects = [objects[1].clone(), next];
    }
    let error = secret_value(&objects[1]).look_up(Mode::Auto, &only_path(&".a".repeat(128))).unwrap_err();
    assert!(matches!(error, LookUpError::MissingKey { .. }));
}

fn assert_house_style(error: &Error) {
    for text in [&error.message, &error.help] {
        assert!(!text.is_empty() && !text.ends_with('.') && !text.starts_with(char::is_uppercase), "{text}");
        assert!(!text.contains('\n'), "{text}");
    }
}

fn assert_suggestion_is_valid(error: &Error) {
    if let Some((_, suggestion)) = error.help.split_once("; try `") {
        let suggestion = suggestion.strip_suffix('`').unwrap();
        assert_eq!(only_reference(suggestion).to_string(), suggestion);
    }
}

fn only_reference(text: &str) -> Reference {
    let template = parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    match template.pieces() {
        [Piece::Reference(reference)] => reference.clone(),
        pieces => panic!("{text}: {pieces:?}"),
    }
}

fn only_path(path: &str) -> Vec<Step> {
    only_reference(&format!("{{{{ secrets.s{path} }}}}")).path
}

/// Text in plain, references in their canonical form.
fn pieces(template: &Template) -> Vec<String> {
    template
        .pieces()
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) => format!("text {text}"),
            Piece::Reference(reference) => reference.to_string(),
        })
        .collect()
}

fn secret_value(text: &str) -> SecretValue {
    SecretValue::from_text(SecretString::from(text))
}

fn look_up(secret: &SecretValue, mode: Mode, path: &str) -> Result<String, String> {
    let found = secret.look_up(mode, &only_path(path));
    found.map(|value| value.expose_secret().to_owned()).map_err(|error| error.to_string())
}

fn rendered(template: &Template, value: &str) -> String {
    let Ok(rendered) = render(template, |_| Ok::<_, std::convert::Infallible>(SecretString::from(value)));
    rendered.expose_secret().to_owned()
}

fn expected(value: Option<String>, error: Option<String>) -> Result<String, String> {
    assert!(value.is_some() != error.is_some(), "a case has a value or an error");
    value.ok_or_else(|| error.unwrap_or_default())
}

fn hash(reference: &Reference) -> u64 {
    thread_local! { static HASHES: RandomState = RandomState::new(); }
    HASHES.with(|hashes| hashes.hash_one(reference))
}
