//! What is read, what is refused, and the laws of reading and printing.

use proptest::prelude::*;

use crate::policy::document::{
    Condition, ConditionValue, Effect, Listed, Located, Policy, Position, PrincipalKind, Principals,
    Statement, ValueKind, Version, Who,
};
use crate::policy::parse::parse;
use crate::policy::print::print;

fn codes(text: &str) -> Vec<String> {
    let findings = parse(text).unwrap_err();
    findings.iter().map(|finding| format!("{} {}", finding.code, finding.path)).collect()
}

#[test]
fn every_error_of_a_document_is_told_with_its_path() {
    let text = r#"{
        "Version": "2012-10-18",
        "Statements": [],
        "Statement": [
            {"Effect": "allow", "Action": 1, "Action": "s3:GetObject", "Resource": [true]},
            {"Sid": {}, "NotAction": "a:b", "Action": [], "Principal": {"aws": "x"},
             "Condition": {"StringLike": {"s3:prefix": [null], "S3:prefix": "a"}}},
            3
        ]
    }"#;
    assert_eq!(
        codes(text),
        [
            "INVALID_VERSION Version",
            "INVALID_POLICY_ELEMENT Statements",
            "INVALID_EFFECT Statement[0].Effect",
            "DATA_TYPE_MISMATCH Statement[0].Action",
            "DUPLICATE_JSON_KEY Statement[0].Action",
            "DATA_TYPE_MISMATCH Statement[0].Resource[0]",
            "MISSING_EFFECT Statement[1]",
            "DATA_TYPE_MISMATCH Statement[1].Sid",
            "UNSUPPORTED_ELEMENT_COMBINATION Statement[1].Action",
            "INVALID_PRINCIPAL_KEY Statement[1].Principal.aws",
            "DATA_TYPE_MISMATCH Statement[1].Condition.StringLike[\"s3:prefix\"][0]",
            "DUPLICATE_KEYS_WITH_DIFFERENT_CASE Statement[1].Condition.StringLike[\"S3:prefix\"]",
            "DATA_TYPE_MISMATCH Statement[2]",
        ]
    );
}

#[test]
fn a_single_value_and_a_list_of_one_are_the_same() {
    let single =
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "a:b", "Resource": "*"}}"#;
    let list = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["a:b"], "Resource": ["*"]}]}"#;
    assert_eq!(placeless(parse(single).unwrap()), placeless(parse(list).unwrap()));
}

#[test]
fn an_equal_document_is_printed_as_serde_json_reads_it() {
    let text = r#"{"Version": "2012-10-17", "Id": "i", "Statement": [{"Sid": "S", "Effect": "Deny", "NotPrincipal":
        {"AWS": ["1", "2"], "Service": "s"}, "NotAction": ["a:b", "c:d"], "NotResource": [], "Condition":
        {"Bool": {"a:b": false}, "NumericEquals": {"c:d": [1.10, 2]}}}]}"#;
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(read(text), read(&print(&parse(text).unwrap())));
}

#[test]
fn hostile_texts_are_refused_or_read_in_bounded_time() {
    assert_eq!(codes(&"[".repeat(10_000)), ["JSON_SYNTAX_ERROR "]);
    assert_eq!(codes(&format!("{{\"Id\": \"{}\"}}", "x".repeat(1_000_000))), ["JSON_SYNTAX_ERROR "]);
    let many = format!("{{\"Statement\": [{}{{}}]}}", "{},".repeat(100_000));
    assert_eq!(codes(&many), ["JSON_SYNTAX_ERROR "]);
    let within_bounds = format!("{{\"Statement\": [{}{{}}]}}", "{},".repeat(40_000));
    assert_eq!(codes(&within_bounds).len(), 200, "the list of findings is bounded");
    let keys = format!("{{{}\"a\": 1}}", "\"a\": 1,".repeat(15_000));
    assert!(codes(&keys).len() <= 200);
}

fn at<T>(value: T) -> Located<T> {
    Located { value, at: Position::default() }
}

/// The policy without its places.
fn placeless(mut policy: Policy) -> Policy {
    fn clear<T>(located: &mut Located<T>) {
        located.at = Position::default();
    }
    policy.version.iter_mut().for_each(clear);
    policy.id.iter_mut().for_each(clear);
    for statement in &mut policy.statements {
        statement.at = Position::default();
        statement.sid.iter_mut().for_each(clear);
        clear(&mut statement.effect);
        if let Some(principal) = &mut statement.principal {
            principal.at = Position::default();
            if let Who::Named(kinds) = &mut principal.who {
                for (_, names) in kinds {
                    names.iter_mut().for_each(clear);
                }
            }
        }
        for listed in std::iter::once(&mut statement.action).chain(&mut statement.resource) {
            listed.at = Position::default();
            listed.values.iter_mut().for_each(clear);
        }
        for condition in &mut statement.conditions {
            clear(&mut condition.operator);
            clear(&mut condition.key);
            condition.values.iter_mut().for_each(clear);
        }
    }
    policy
}

fn texts() -> impl Strategy<Value = Vec<Located<String>>> {
    prop::collection::vec(any::<String>().prop_map(at), 0..3)
}

fn listed() -> impl Strategy<Value = Listed> {
    (any::<bool>(), texts()).prop_map(|(not, values)| Listed { not, at: Position::default(), values })
}

fn principals() -> impl Strategy<Value = Principals> {
    let kind = prop::sample::select(vec![
        PrincipalKind::Aws,
        PrincipalKind::Service,
        PrincipalKind::Federated,
        PrincipalKind::CanonicalUser,
    ]);
    let named = prop::collection::btree_map(kind, texts(), 0..4);
    let who =
        prop_oneof![Just(Who::Everyone), named.prop_map(|kinds| Who::Named(kinds.into_iter().collect()))];
    (any::<bool>(), who).prop_map(|(not, who)| Principals { not, at: Position::default(), who })
}

fn condition_value() -> impl Strategy<Value = Located<ConditionValue>> {
    let value = |kind| move |text: String| at(ConditionValue { text, kind });
    prop_oneof![
        any::<String>().prop_map(value(ValueKind::String)),
        "(0|[1-9][0-9]{0,5})(\\.[0-9]{1,3})?".prop_map(value(ValueKind::Number)),
        any::<bool>().prop_map(|flag| at(ConditionValue { text: flag.to_string(), kind: ValueKind::Bool })),
    ]
}

/// Keys are lower case here: those that differ only by case are an error.
fn conditions() -> impl Strategy<Value = Vec<Condition>> {
    let values = prop::collection::vec(condition_value(), 0..3);
    let keys = prop::collection::btree_map("[a-z]{1,3}:[a-z/]{1,4}", values, 1..3);
    prop::collection::btree_map(any::<String>(), keys, 0..3).prop_map(|operators| {
        let each = operators.into_iter().flat_map(|(operator, keys)| {
            keys.into_iter().map(move |(key, values)| Condition {
                operator: at(operator.clone()),
                key: at(key),
                values,
            })
        });
        each.collect()
    })
}

fn statement() -> impl Strategy<Value = Statement> {
    (
        prop::option::of(any::<String>().prop_map(at)),
        prop::sample::select(vec![Effect::Allow, Effect::Deny]),
        prop::option::of(principals()),
        listed(),
        prop::option::of(listed()),
        conditions(),
    )
        .prop_map(|(sid, effect, principal, action, resource, conditions)| Statement {
            at: Position::default(),
            sid,
            effect: at(effect),
            principal,
            action,
            resource,
            conditions,
        })
}

fn policy() -> impl Strategy<Value = Policy> {
    (
        prop::option::of(prop::sample::select(vec![at(Version::V2008), at(Version::V2012)])),
        prop::option::of(any::<String>().prop_map(at)),
        prop::collection::vec(statement(), 1..4),
    )
        .prop_map(|(version, id, statements)| Policy { version, id, statements })
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(policy in policy()) {
        prop_assert_eq!(placeless(parse(&print(&policy)).unwrap()), policy);
    }

    #[test]
    fn what_is_read_is_a_policy_or_errors(text in any::<String>()) {
        let errors = parse(&text).err();
        prop_assert!(errors.is_none_or(|errors| !errors.is_empty()));
    }
}
