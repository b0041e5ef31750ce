//! Laws that hold for every input.

use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use secrecy::{ExposeSecret, SecretString};

use super::super::{LookUpError, Mode, Pin, Reference, Span, Step, Style, from_parts, parse, reference_text};
use super::{assert_house_style, assert_suggestion_is_valid, only_reference, rendered, secret_value};

proptest! {
    #[test]
    fn parsing_never_panics(text in any::<String>(), path in any::<String>()) {
        let _ = parse(&text);
        let _ = from_parts(Some(&text), &path, Some(&text));
        let _ = secret_value(&text);
    }

    #[test]
    fn parsing_what_looks_like_references_never_panics(text in broken_field()) {
        if let Err(error) = parse(&text) {
            assert_house_style(&error);
            assert_suggestion_is_valid(&error);
        }
    }

    #[test]
    fn a_printed_reference_is_read_as_the_same(reference in reference()) {
        let printed = reference.to_string();
        let read = only_reference(&printed);
        prop_assert_eq!(&read, &reference);
        prop_assert_eq!(read.to_string(), printed);
    }

    #[test]
    fn a_text_to_paste_means_the_secret(secret in secret_name()) {
        let read = only_reference(&reference_text(&secret));
        prop_assert_eq!((&read.secret, read.path.len(), &read.pin), (&secret, 0, &Pin::Current));
    }

    #[test]
    fn text_without_braces_and_backslashes_renders_as_itself(text in r"([^{\\]|\{[^{\\])*") {
        let template = parse(&text).unwrap();
        prop_assert!(!template.has_references());
        prop_assert_eq!(rendered(&template, ""), text);
    }

    #[test]
    fn escaped_text_renders_as_itself(text in r"[{}a\n]*") {
        let template = parse(&text.replace("{{", r"\{{")).unwrap();
        prop_assert_eq!(rendered(&template, ""), text);
    }

    #[test]
    fn a_value_is_never_expanded(value in r#"[a "'\\]{0,3}\{\{ secrets\.x \}\}[a "'\\]{0,3}"#) {
        let template = parse("<{{ secrets.x }}|{{ vault:y.z }}>").unwrap();
        prop_assert_eq!(rendered(&template, &value), format!("<{value}|{value}>"));
    }

    #[test]
    fn strings_come_out_of_json_as_they_went_in(value in any::<String>(), key in any::<String>()) {
        let text = serde_json::json!({ "first": 1, &key: [&value] }).to_string();
        let path = [Step::Key { name: key, dotted: false }, Step::Index(0)];
        let found = secret_value(&text).look_up(Mode::Auto, &path).unwrap();
        prop_assert_eq!(found.expose_secret(), value);
    }

    #[test]
    fn json_is_what_serde_json_says_it_is(text in r#"([\[\]{}:,"\\ab 01.eE+-]|u00e9|"a":|true|null|\\n){0,24}"#) {
        let is_json = |found: Result<SecretString, LookUpError>| {
            !matches!(found, Err(LookUpError::NotJson { .. }))
        };
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        let is_out_of_range = theirs.as_ref().is_err_and(|error| error.to_string().contains("out of range"));
        prop_assert_eq!(is_json(secret_value(&text).look_up(Mode::Json, &[])), theirs.is_ok() || is_out_of_range);
    }

    #[test]
    fn a_leaf_key_leads_to_a_leaf(text in json(), name in "[a-z]{1,3}") {
        let secret = secret_value(&text);
        for key in secret.leaf_keys() {
            let reference = only_reference(&from_parts(None, &name, Some(&key)).unwrap());
            let found = secret.look_up(Mode::Auto, &reference.path);
            prop_assert!(found.is_ok(), "{} {:?}", key, found.err());
        }
    }
}

fn reference() -> impl Strategy<Value = Reference> {
    let key = prop_oneof![
        ("[A-Za-z_][A-Za-z0-9_-]{0,3}", any::<bool>()).prop_map(|(name, dotted)| Step::Key { name, dotted }),
        any::<String>().prop_map(|name| Step::Key { name, dotted: false }),
        any::<usize>().prop_map(Step::Index),
    ];
    let pin = prop_oneof![
        Just(Pin::Current),
        Just(Pin::Stage("AWSPREVIOUS".into())),
        "x[A-Za-z0-9_+=-]{0,8}".prop_map(Pin::Stage),
        "[a-f0-9]{8}-[a-f0-9]{23}".prop_map(Pin::Version),
    ];
    let named = prop_oneof![
        secret_name().prop_map(|secret| (Style::Secrets, secret)),
        "[A-Za-z_][A-Za-z0-9_-]{0,8}".prop_map(|alias| (Style::Vault, alias)),
    ];
    let source = prop::option::of("[A-Za-z_][A-Za-z0-9_-]{0,8}");
    (named, source, prop::collection::vec(key, 0..6), pin).prop_map(|((style, secret), source, path, pin)| {
        Reference { style, source, secret, path, pin, span: Span { line: 9, column: 9 } }
    })
}

fn secret_name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z0-9/_+=.@!-]{1,20}",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:[a-z/]{1,8}-AbCdEf",
    ]
}

/// Pieces of the grammar in any order.
fn broken_field() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        Just("{{"),
        Just("}}"),
        Just("}"),
        Just("secrets"),
        Just("vault"),
        Just(":"),
        Just("."),
        Just("["),
        Just("]"),
        Just("'"),
        Just("\""),
        Just("\\"),
        Just("\\u"),
        Just("d83d"),
        Just("@"),
        Just("version"),
        Just("awsprevious"),
        Just("arn:aws"),
        Just("a/b"),
        Just("name"),
        Just("0"),
        Just(" "),
        Just("\n"),
        Just("‘"),
        Just("é"),
    ];
    prop::collection::vec(token, 0..12).prop_map(|tokens| format!("{{{{ secrets{}", tokens.concat()))
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![Just("1".to_owned()), Just("\"x\"".to_owned()), Just("true".to_owned())];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let key = "(a|b|a\\.b|b\\.a|a\\.a|0|c d|'|\\[0\\])";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::btree_map(key, inner, 0..5).prop_map(|members| {
                let members: Vec<String> =
                    members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}
