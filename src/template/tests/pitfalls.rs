//! The pitfalls of the specification of secrets, sections 2 and 4, by name.

use secrecy::{ExposeSecret, SecretString};

use super::super::{LookUpError, MAX_FIELD_BYTES, Mode, parse, render};
use super::{look_up, only_reference, rendered, secret_value};

/// Renders a field whose references all go into this secret.
fn field(text: &str, secret: &str) -> Result<String, String> {
    field_in(text, secret, Mode::Auto)
}

fn field_in(text: &str, secret: &str, mode: Mode) -> Result<String, String> {
    let template = parse(text).map_err(|error| error.message)?;
    let value = secret_value(secret);
    let result = render(&template, |reference| value.look_up(mode, &reference.path));
    result.map(|text| text.expose_secret().to_owned()).map_err(|error| error.to_string())
}

#[test]
fn dots_and_brackets_are_the_same_reference() {
    assert_eq!(only_reference("{{ secrets['db']['user'] }}"), only_reference("{{secrets.db.user}}"));
    let secret = r#"{"user": "bob"}"#;
    for text in ["{{ secrets['db']['user'] }}", "{{ secrets.db.user }}", "{{secrets['db'].user}}"] {
        assert_eq!(field(text, secret).unwrap(), "bob", "{text}");
    }
}

#[test]
fn both_habits_of_quoting_give_the_same_value() {
    for secret in ["secret-value", r#""secret-value""#] {
        for text in ["{{ secrets.s }}", r#""{{ secrets.s }}""#, "'{{ secrets.s }}'"] {
            assert_eq!(field(text, secret).unwrap(), "secret-value", "{text} of {secret}");
        }
    }
    let json = r#"{"key": "secret-value"}"#;
    for text in ["{{ secrets.s.key }}", r#""{{ secrets.s.key }}""#, "'{{ secrets.s.key }}'"] {
        assert_eq!(field(text, json).unwrap(), "secret-value", "{text}");
    }
}

#[test]
fn quotes_around_more_than_one_whole_reference_belong_to_the_field() {
    for (text, expected) in [
        (r#""{{ secrets.s }}-x""#, r#""v-x""#),
        (r#"" {{ secrets.s }} ""#, r#"" v ""#),
        (r#""{{ secrets.s }}{{ secrets.s }}""#, r#""vv""#),
        (r#""{{ secrets.s }}'"#, r#""v'"#),
        (r#""\{{ secrets.s }}""#, r#""{{ secrets.s }}""#),
    ] {
        assert_eq!(field(text, "v").unwrap(), expected, "{text}");
    }
}

#[test]
fn a_string_renders_as_itself_and_numbers_and_booleans_as_their_json_text() {
    let secret = r#"{"text": "it's \"so\"", "port": 9000, "rate": 1.10, "big": 12345678901234567890123,
                     "on": true, "off": false}"#;
    for (path, expected) in [
        ("text", r#"it's "so""#),
        ("port", "9000"),
        ("rate", "1.10"),
        ("big", "12345678901234567890123"),
        ("on", "true"),
        ("off", "false"),
    ] {
        assert_eq!(field(&format!("{{{{ secrets.s.{path} }}}}"), secret).unwrap(), expected);
    }
    assert_eq!(field("h:{{ secrets.s.port }}/{{ secrets.s.on }}", secret).unwrap(), "h:9000/true");
}

#[test]
fn null_an_object_and_an_array_in_a_field_are_errors() {
    let secret = r#"{"nil": null, "object": {"k": "v"}, "array": ["v"]}"#;
    let paths = [(".nil", "null"), (".object", "an object"), (".array", "an array"), ("", "an object")];
    for (path, found) in paths {
        let reference = format!("{{{{ secrets.s{path} }}}}");
        for text in [reference.clone(), format!("before {reference} after")] {
            let error = field(&text, secret).unwrap_err();
            assert!(error.starts_with(&format!("the reference ends at {found}")), "{text}: {error}");
        }
    }
}

#[test]
fn a_whole_object_or_array_as_plain_text_is_its_text() {
    for secret in [r#"{"k": [1, null]}"#, "[ 1 ]\n"] {
        assert_eq!(field_in("{{ secrets.s }}", secret, Mode::Plaintext).unwrap(), secret);
    }
}

#[test]
fn an_ambiguous_dotted_key_is_refused_and_brackets_decide() {
    let secret = r#"{"a.b": "literal", "a": {"b": "path"}}"#;
    let error = field("{{ secrets.s.a.b }}", secret).unwrap_err();
    assert!(error.contains("['a.b']") && error.contains("['a']['b']"), "{error}");
    assert_eq!(field("{{ secrets.s['a.b'] }}", secret).unwrap(), "literal");
    assert_eq!(field("{{ secrets.s['a']['b'] }}", secret).unwrap(), "path");
    assert_eq!(field("{{ secrets.s.a['b'] }}", secret).unwrap(), "path");
}

#[test]
fn a_value_with_braces_is_never_expanded_again() {
    for value in ["{{ secrets.other }}", r"\{{ secrets.other }}", "{{", "}}", "{{ secrets.other"] {
        let json = serde_json::json!({ "key": value }).to_string();
        assert_eq!(field("<{{ secrets.s }}>", value).unwrap(), format!("<{value}>"));
        assert_eq!(field("<{{ secrets.s.key }}>", &json).unwrap(), format!("<{value}>"));
    }
}

#[test]
fn two_braces_after_a_backslash_are_text() {
    for (text, expected) in [
        (r"\{{ secrets.s }}", "{{ secrets.s }}"),
        (r"\{{{{ secrets.s }}", "{{v"),
        (r"{{ secrets.s }}\{{", "v{{"),
        (r"\\{{ x", r"\{{ x"),
        (r"\{ {", r"\{ {"),
    ] {
        assert_eq!(field(text, "v").unwrap(), expected, "{text}");
    }
}

#[test]
fn an_arn_is_known_as_one_so_that_no_namespace_is_put_before_it() {
    let arn = "arn:aws:secretsmanager:us-east-1:111122223333:secret:prod/db-AbCdEf";
    let reference = only_reference(&format!("{{{{ secrets['{arn}'].user @ AWSPREVIOUS }}}}"));
    assert!(reference.is_arn());
    assert_eq!(reference.secret, arn);
    assert!(!only_reference("{{ secrets['arn'] }}").is_arn());
    assert!(!only_reference("{{ secrets['prod/arn-AbCdEf'] }}").is_arn());
}

#[test]
fn a_dot_after_an_alias_always_starts_a_path() {
    let reference = only_reference("{{ vault:db.user.name }}");
    assert_eq!((reference.secret.as_str(), reference.path.len()), ("db", 2));
    assert!(parse("{{ vault:'db.user' }}").is_err());
}

#[test]
fn a_field_of_16_kib_made_of_references_is_read_and_one_byte_more_is_not() {
    let reference = "{{ secrets.s }}";
    let mut text = reference.repeat(MAX_FIELD_BYTES / reference.len());
    text.push_str(&"x".repeat(MAX_FIELD_BYTES - text.len()));
    assert_eq!(parse(&text).unwrap().references().count(), MAX_FIELD_BYTES / reference.len());
    text.push('x');
    assert!(parse(&text).unwrap_err().message.contains("16385 bytes"));
    // the bound counts bytes, not characters
    assert!(parse(&"é".repeat(MAX_FIELD_BYTES / 2)).is_ok());
    assert!(parse(&"é".repeat(MAX_FIELD_BYTES / 2 + 1)).is_err());
}

#[test]
fn what_cannot_be_resolved_is_an_error_and_never_an_empty_text() {
    let template = parse("key={{ secrets.s }}").unwrap();
    let missing = render(&template, |_| Err::<SecretString, _>("no such secret"));
    assert_eq!(missing.err(), Some("no such secret"));
    for (secret, path) in [("{}", ".key"), ("[]", "[0]"), ("text", ".key"), (r#"{"key": null}"#, ".key")] {
        assert!(look_up(&secret_value(secret), Mode::Auto, path).is_err(), "{path} of {secret}");
    }
    // an empty text that somebody stored is a value
    assert_eq!(field("<{{ secrets.s.key }}>", r#"{"key": ""}"#).unwrap(), "<>");
    assert_eq!(rendered(&template, ""), "key=");
}

#[test]
fn each_mode_reads_a_secret_as_it_says() {
    type Expected = [Result<&'static str, &'static str>; 3];
    let not_json = "the secret is not valid JSON";
    let plain = "the secret is read as plain text";
    let object = "the reference ends at an object";
    let table: [(&str, &str, Expected); 8] = [
        // text, path, then what auto, json and plaintext make of it
        (r#"{"k":"v"}"#, ".k", [Ok("v"), Ok("v"), Err(plain)]),
        (r#"{"k":"v"}"#, "", [Err(object), Err(object), Ok(r#"{"k":"v"}"#)]),
        (r#"["v"]"#, "[0]", [Ok("v"), Ok("v"), Err(plain)]),
        ("text", "", [Ok("text"), Err(not_json), Ok("text")]),
        ("text", ".k", [Err(plain), Err(not_json), Err(plain)]),
        (r#"{"k":"#, ".k", [Err(not_json), Err(not_json), Err(plain)]),
        (r#"{"k":"#, "", [Ok(r#"{"k":"#), Err(not_json), Ok(r#"{"k":"#)]),
        ("1.10", "", [Ok("1.10"), Ok("1.10"), Ok("1.10")]),
    ];
    for (text, path, expected) in table {
        let secret = secret_value(text);
        for (mode, expected) in [Mode::Auto, Mode::Json, Mode::Plaintext].into_iter().zip(expected) {
            let found = look_up(&secret, mode, path);
            let as_expected = match (&found, expected) {
                (Ok(value), Ok(expected)) => value == expected,
                (Err(error), Err(expected)) => error.starts_with(expected),
                _ => false,
            };
            assert!(as_expected, "{text} {path} {mode:?}: {found:?}, not {expected:?}");
        }
    }
}

#[test]
fn the_default_mode_is_auto() {
    assert_eq!(Mode::default(), Mode::Auto);
    let error = secret_value("x").look_up(Mode::default(), &only_reference("{{ secrets.s.k }}").path);
    assert!(matches!(error, Err(LookUpError::PlainText { .. })));
}
