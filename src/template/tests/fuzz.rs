//! Hostile input in large numbers: fields for the parser, JSON and paths for the look-up.
//!
//! `PROPTEST_CASES` says how many; `.ci/run` sets it so that each test runs for about a minute.

use std::fmt::Write;
use std::time::{Duration, Instant};

use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_assume, prop_oneof, proptest,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::super::{LookUpError, MAX_FIELD_BYTES, Mode, Piece, Reference, Step, Template, from_parts, parse};
use super::{
    assert_house_style, assert_suggestion_is_valid, only_path, only_reference, rendered, secret_value,
};

/// For a field of 16 KiB, in a build without optimisation on a busy machine; a linear parser takes milliseconds.
const GENEROUS: Duration = Duration::from_secs(5);

/// Pieces of the grammar, whole references, and text that looks like either.
const FRAGMENTS: &[&str] = &[
    "{{",
    "}}",
    "{",
    "}",
    r"\{{",
    "\\",
    "{{ ",
    " }}",
    "secrets",
    "vault",
    "secret",
    ".",
    ":",
    "[",
    "]",
    "['",
    "']",
    "[\"",
    "\"]",
    "'",
    "\"",
    "`",
    "‘",
    "“",
    "@",
    " @ ",
    "version",
    "version:",
    "AWSPREVIOUS",
    "awspending",
    "8f14e45f-ceea-467f-a0e6-1b2c3d4e5f60",
    "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a-AbCdEf",
    "a",
    "a/b",
    "name",
    "0",
    "[0]",
    "[99999999999999999999]",
    "-1",
    r"\u",
    r"\u00e9",
    r"\ud83d",
    r"\ude00",
    r"\'",
    " ",
    "\t",
    "\n",
    "\r\n",
    "\u{a0}",
    "\u{0}",
    "\u{7}",
    "é",
    "日",
    "😀",
    "\u{202e}",
    "|",
    "(",
    ")",
    "$",
    "}}{{",
    "{{ secrets.name }}",
    "{{ secrets['a/b']['c d'] }}",
    "{{vault:alias.key[0]}}",
    "{{ secrets@src.n @ AWSPENDING }}",
    "\"{{ secrets.a }}\"",
    "'{{ secrets.a }}'",
    "{{ secrets.a",
];

proptest! {
    #[test]
    fn a_field_is_read_or_its_mistake_is_placed_inside_of_it(text in hostile()) {
        match parse(&text) {
            Ok(template) => {
                prop_assert_eq!(template.text(), &text);
                for reference in template.references() {
                    let rest = at(&text, reference.span.line, reference.span.column);
                    prop_assert!(rest.is_some_and(|rest| rest.starts_with("{{")), "{:?}", reference.span);
                }
            }
            Err(error) => {
                prop_assert!(at(&text, error.line, error.column).is_some(), "{:?}", error);
                assert_house_style(&error);
                assert_suggestion_is_valid(&error);
            }
        }
    }

    #[test]
    fn a_printed_field_is_read_as_the_same(text in hostile()) {
        if let Ok(template) = parse(&text) {
            let printed = printed(&template);
            if printed.len() <= MAX_FIELD_BYTES {
                let again = parse(&printed);
                prop_assert!(again.is_ok(), "{} printed as {}: {:?}", text, printed, again);
                let again = again.unwrap();
                prop_assert_eq!(again.pieces(), template.pieces(), "printed as {}", printed);
            }
            for reference in template.references() {
                prop_assert_eq!(&only_reference(&reference.to_string()), reference);
            }
        }
    }

    #[test]
    fn a_field_renders_in_one_pass_whatever_the_values_hold(text in hostile(), value in hostile()) {
        if let Ok(template) = parse(&text) {
            let expected: String = template.pieces().iter().map(|piece| match piece {
                Piece::Text(text) => text.as_str(),
                Piece::Reference(_) => value.as_str(),
            }).collect();
            prop_assert_eq!(rendered(&template, &value), expected);
        }
    }

    #[test]
    fn parts_are_refused_or_become_one_reference(
        source in prop::option::of(hostile()),
        secret in prop_oneof![hostile(), "[A-Za-z0-9/_+=.@!-]{1,12}"],
        key in prop::option::of(hostile()),
    ) {
        if let Ok(text) = from_parts(source.as_deref(), &secret, key.as_deref())
            && text.len() <= MAX_FIELD_BYTES
        {
            let reference = only_reference(&text);
            prop_assert_eq!(&reference.secret, &secret);
            prop_assert_eq!(&reference.source, &source);
            prop_assert_eq!(reference.to_string(), text);
        }
    }

    #[test]
    fn a_look_up_gives_what_a_search_of_every_reading_gives((value, path) in json_and_path()) {
        let expected = expected(&value, &path);
        prop_assert_eq!(found(&value, &path), expected, "{:?} in {}", path, value);
    }

    #[test]
    fn a_path_that_is_printed_and_read_leads_to_the_same_value((value, path) in json_and_path()) {
        let mut reference: Reference = only_reference("{{ secrets.s }}");
        reference.path = path;
        let text = reference.to_string();
        let read = only_reference(&text);
        prop_assert_eq!(found(&value, &read.path), found(&value, &reference.path), "{}", text);
    }

    #[test]
    fn json_that_was_tampered_with_is_judged_as_serde_json_does(
        value in json(),
        place in any::<prop::sample::Index>(),
        with in prop_oneof![
            Just(None),
            any::<char>().prop_map(Some),
            prop::sample::select(JSON_CHARACTERS).prop_map(Some),
        ],
    ) {
        let mut characters: Vec<char> = value.to_string().chars().collect();
        let place = place.index(characters.len());
        match with {
            Some(c) => characters[place] = c,
            None => {
                characters.remove(place);
            }
        }
        let text: String = characters.into_iter().collect();
        let theirs = serde_json::from_str::<Value>(&text);
        // it ends at a number that fits no `f64`, whatever stands behind it
        prop_assume!(!theirs.as_ref().is_err_and(|error| error.to_string().contains("out of range")));
        let ours = secret_value(&text).look_up(Mode::Json, &[]);
        let is_json = !matches!(ours, Err(LookUpError::NotJson { .. }));
        prop_assert_eq!(is_json, theirs.is_ok(), "{}", text);
    }
}

proptest! {
    #![proptest_config(fewer())]

    #[test]
    fn a_field_of_16_kib_of_hostile_text_ends_soon(
        parts in prop::collection::vec(fragment(), 1..5),
        tail in hostile(),
    ) {
        let unit = parts.concat();
        let mut text = unit.repeat((MAX_FIELD_BYTES - 1) / unit.len().max(1));
        text.push_str(&tail);
        while text.len() > MAX_FIELD_BYTES {
            text.pop();
        }
        let began = Instant::now();
        let read = parse(&text);
        prop_assert!(began.elapsed() < GENEROUS, "{:?} for {} ...", began.elapsed(), unit);
        if let Ok(template) = read {
            let rendered = rendered(&template, &unit);
            prop_assert!(began.elapsed() < GENEROUS, "{} bytes rendered", rendered.len());
        }
    }

    #[test]
    fn a_path_of_128_steps_through_repeated_keys_ends_soon(width in 1_usize..6, depth in 1_usize..60) {
        // every object can be reached by `a` and, with the dots read as part of a key, by `a.a`, `a.a.a`, ...
        let mut text = "1".to_owned();
        for _ in 0..depth {
            let member = |length: usize| format!(r#","{}":{{}}"#, ["a"; 6][..length].join("."));
            let joined = (2..=width).map(member).collect::<Vec<_>>().concat();
            text = format!(r#"{{"a":{text}{joined}}}"#);
        }
        let began = Instant::now();
        let outcome = secret_value(&text).look_up(Mode::Json, &only_path(&".a".repeat(128)));
        prop_assert!(outcome.is_err());
        prop_assert!(began.elapsed() < GENEROUS, "{:?}", began.elapsed());
    }
}

/// Keys that dots may be meant to lead to, and others.
const KEYS: &[&str] = &["a", "b", "a.b", "b.a", "a.a", "a.b.a", "a.", ".a", "", "0", "a-b", "c d"];
/// Names that a dot takes.
const NAMES: &[&str] = &["a", "b", "a-b"];
/// What looks like JSON, for single characters that go wrong.
const JSON_CHARACTERS: &[char] =
    &['{', '}', '[', ']', ':', ',', '"', '\\', '0', '1', '-', '.', 'e', 't', 'u', ' ', '\n', '\u{1}'];

/// For cases that take milliseconds; a number in the environment goes before it.
fn fewer() -> ProptestConfig {
    ProptestConfig { cases: 16, ..ProptestConfig::default() }
}

fn fragment() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(FRAGMENTS).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => any::<String>(),
    ]
}

/// A field that begins as a reference does, or anyhow.
fn hostile() -> impl Strategy<Value = String> {
    let fragments = prop::collection::vec(fragment(), 0..16);
    let start = prop_oneof![Just(""), Just("{{ secrets"), Just("{{ secrets.a"), Just("{{ vault:a")];
    let end = prop_oneof![Just(""), Just(" }}"), Just("'] }}")];
    (start, fragments, end).prop_map(|(start, fragments, end)| format!("{start}{}{end}", fragments.concat()))
}

/// The rest of a text from a place on; `None` when the place is not in it.
fn at(text: &str, line: u32, column: u32) -> Option<&str> {
    let from_zero = |number: u32| usize::try_from(number).ok()?.checked_sub(1);
    let (line, column) = (from_zero(line)?, from_zero(column)?);
    let start = text.split('\n').take(line).map(|line| line.len() + 1).sum::<usize>();
    let in_line = text.split('\n').nth(line)?;
    let offset = in_line.char_indices().map(|(offset, _)| offset).chain([in_line.len()]).nth(column)?;
    text.get(start + offset..)
}

/// A field as it may be written for these pieces.
fn printed(template: &Template) -> String {
    template.pieces().iter().fold(String::new(), |mut field, piece| {
        match piece {
            Piece::Text(text) => field.push_str(&escaped(text)),
            Piece::Reference(reference) => write!(field, "{reference}").unwrap(),
        }
        field
    })
}

/// Of an odd number of braces the first one stands alone, so that none is left before a reference.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let (before, braces) = rest.split_at(start);
        let count = braces.chars().take_while(|c| *c == '{').count();
        escaped.push_str(before);
        escaped.push_str(&"{".repeat(count % 2));
        escaped.push_str(&r"\{{".repeat(count / 2));
        rest = braces.split_at(count).1;
    }
    escaped + rest
}

fn found(value: &Value, path: &[Step]) -> Result<String, &'static str> {
    match secret_value(&value.to_string()).look_up(Mode::Json, path) {
        Ok(text) => Ok(exposed(&text)),
        Err(LookUpError::Ambiguous { .. }) => Err("ambiguous"),
        Err(LookUpError::NotAString { .. }) => Err("not a string"),
        Err(
            LookUpError::MissingKey { .. }
            | LookUpError::IndexOutOfRange { .. }
            | LookUpError::NotAnObject { .. }
            | LookUpError::NotAnArray { .. },
        ) => Err("not there"),
        Err(other) => panic!("{other}"),
    }
}

fn exposed(text: &SecretString) -> String {
    text.expose_secret().to_owned()
}

/// The same by trying every way to read the dots.
fn expected(value: &Value, path: &[Step]) -> Result<String, &'static str> {
    match readings(value, path).as_slice() {
        [] => Err("not there"),
        [Value::String(text)] => Ok(text.clone()),
        [leaf @ (Value::Number(_) | Value::Bool(_))] => Ok(leaf.to_string()),
        [_] => Err("not a string"),
        _ => Err("ambiguous"),
    }
}

fn readings<'v>(value: &'v Value, path: &[Step]) -> Vec<&'v Value> {
    match path {
        [] => vec![value],
        [Step::Index(index), rest @ ..] => {
            let item = value.as_array().and_then(|items| items.get(*index));
            item.map_or_else(Vec::new, |item| readings(item, rest))
        }
        [Step::Key { .. }, ..] => {
            let dotted = path.iter().take_while(|step| is_dotted(step)).count();
            (1..=dotted.max(1))
                .filter_map(|length| Some((length, value.as_object()?.get(&joined(&path[..length]))?)))
                .flat_map(|(length, member)| readings(member, &path[length..]))
                .collect()
        }
    }
}

fn is_dotted(step: &Step) -> bool {
    matches!(step, Step::Key { dotted: true, .. })
}

fn joined(steps: &[Step]) -> String {
    let names: Vec<&str> = steps
        .iter()
        .map(|step| match step {
            Step::Key { name, .. } => name.as_str(),
            Step::Index(_) => panic!("an index joins nothing"),
        })
        .collect();
    names.join(".")
}

/// JSON whose keys can be mistaken for paths.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9_f64..1e9).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            3 => prop::collection::btree_map(key(), inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        9 => prop::sample::select(KEYS).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

/// Half of the paths lead somewhere; the others may.
fn json_and_path() -> impl Strategy<Value = (Value, Vec<Step>)> {
    let step = prop_oneof![
        4 => prop::sample::select(NAMES).prop_map(|name| Step::Key { name: name.into(), dotted: true }),
        2 => key().prop_map(|name| Step::Key { name, dotted: false }),
        1 => (0_usize..3).prop_map(Step::Index),
    ];
    let guess = prop::collection::vec(step, 0..6);
    let choices = prop::collection::vec(any::<(prop::sample::Index, bool)>(), 0..6);
    (json(), any::<bool>(), choices, guess).prop_map(|(value, leads, choices, guess)| {
        let path = if leads { walk(&value, &choices) } else { guess };
        (value, path)
    })
}

/// Goes down by the choices; a key is written with dots where it can be and the choice says so.
fn walk(value: &Value, choices: &[(prop::sample::Index, bool)]) -> Vec<Step> {
    let (mut node, mut path) = (value, Vec::new());
    for (choice, wants_dots) in choices {
        match node {
            Value::Array(items) if !items.is_empty() => {
                let index = choice.index(items.len());
                path.push(Step::Index(index));
                node = &items[index];
            }
            Value::Object(members) if !members.is_empty() => {
                let Some((name, member)) = members.iter().nth(choice.index(members.len())) else { break };
                path.extend(steps(name, *wants_dots));
                node = member;
            }
            _ => break,
        }
    }
    path
}

fn steps(name: &str, wants_dots: bool) -> Vec<Step> {
    let takes_dot = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    };
    if wants_dots && name.split('.').all(takes_dot) {
        return name.split('.').map(|part| Step::Key { name: part.into(), dotted: true }).collect();
    }
    vec![Step::Key { name: name.into(), dotted: false }]
}
