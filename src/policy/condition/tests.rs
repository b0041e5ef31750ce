//! Conditions: the operators one by one, and what they make of missing and of several values.

use super::{Condition, Context, Operator};

fn holds(operator: &str, expected: &[&str], actual: &[&str]) -> bool {
    let context = Context::from_pairs([
        ("s3:Key", actual.to_vec()),
        ("aws:username", vec!["ann"]),
        ("arn", vec!["arn:aws:iam::111122223333:role/a"]),
    ]);
    let condition = Condition::new(operator, "S3:key", expected, true).expect("a valid condition");
    condition.holds(&context)
}

#[test]
fn values_are_compared_as_the_operator_says() {
    let cases: &[(&str, &str, &str, bool)] = &[
        ("StringEquals", "a", "a", true),
        ("StringEquals", "a", "A", false),
        ("StringEquals", "a*", "ab", false),
        ("StringEquals", "a*", "a*", true),
        ("StringEquals", "${*}", "*", true),
        ("StringEquals", "${aws:username}", "ann", true),
        ("StringEqualsIgnoreCase", "ÄB", "äb", true),
        ("StringEqualsIgnoreCase", "${aws:username}", "ANN", true),
        ("StringEqualsIgnoreCase", "*", "a", false),
        ("StringLike", "home/${aws:username}/*", "home/ann/x", true),
        ("StringLike", "a?", "ab", true),
        ("StringLike", "a?", "A?", false),
        ("NumericEquals", "10", "10.0", true),
        ("NumericEquals", "10", "010", true),
        ("NumericEquals", "9007199254740993", "9007199254740992", false),
        ("NumericLessThan", "10", "9.99", true),
        ("NumericLessThan", "-1", "-2", true),
        ("NumericLessThanEquals", "10", "10", true),
        ("NumericGreaterThan", "2", "10", true),
        ("NumericGreaterThan", "-0", "0", false),
        ("NumericGreaterThanEquals", "0.5", ".5", true),
        ("NumericEquals", "ten", "ten", false),
        ("NumericNotEquals", "ten", "10", false),
        ("NumericNotEquals", "10", "ten", true),
        ("NumericEquals", "10", "", false),
        ("DateLessThan", "2026-01-01T00:00:00Z", "2025-12-31T23:59:59Z", true),
        ("DateLessThan", "2026-01-01", "2025-12-31T23:59:59Z", true),
        ("DateEquals", "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00Z", true),
        ("DateEquals", "2026-01-01T00:00:00", "1767225600", true),
        ("DateGreaterThanEquals", "1767225600", "2026-01-01T00:00:00Z", true),
        ("DateLessThanEquals", "1767225600", "2026-01-01T00:00:01Z", false),
        ("DateGreaterThan", "soon", "2026-01-01", false),
        ("DateNotEquals", "2026-01-01", "2026-01-02", true),
        ("Bool", "TRUE", "true", true),
        ("Bool", "false", "true", false),
        ("IpAddress", "203.0.113.0/24", "203.0.113.7", true),
        ("IpAddress", "203.0.113.9/24", "203.0.113.7", true),
        ("IpAddress", "203.0.113.7", "203.0.113.7", true),
        ("IpAddress", "203.0.113.7", "203.0.113.8", false),
        ("IpAddress", "2001:DB8::/32", "2001:db8:1::1", true),
        ("IpAddress", "203.0.113.0/24", "::ffff:203.0.113.7", false),
        ("IpAddress", "0.0.0.0/0", "nowhere", false),
        ("NotIpAddress", "203.0.113.0/24", "198.51.100.1", true),
        ("ArnEquals", "arn:aws:iam::*:role/*", "arn:aws:iam::111122223333:role/a", true),
        ("ArnLike", "arn:aws:iam::*", "arn:aws:iam::111122223333:role/a", false),
        ("ArnLike", "arn:*:role/a", "arn:aws:iam::111122223333:role/a", false),
        ("ArnLike", "${arn}", "arn:aws:iam::111122223333:role/a", true),
        ("ArnNotEquals", "arn:aws:iam::*:role/*", "arn:aws:iam::111122223333:user/a", true),
        ("ArnNotLike", "arn:aws:iam::*", "arn:aws:iam::111122223333:role/a", true),
        ("StringLike", "arn:aws:iam::*", "arn:aws:iam::111122223333:role/a", true),
        ("BinaryEquals", "QmluYXJ5", "QmluYXJ5", true),
        ("BinaryEquals", "QmluYXJ5", "QmluYXJ6", false),
        ("BinaryEquals", "%", "%", false),
        ("Null", "true", "", false),
        ("Null", "FALSE", "", true),
        ("Null", "yes", "", false),
        ("stringequals", "a", "a", true),
        ("StringEqualsIfExists", "a", "b", false),
    ];
    for (operator, expected, actual, result) in cases {
        assert_eq!(holds(operator, &[expected], &[actual]), *result, "{operator} {expected} {actual}");
    }
}

#[test]
fn several_policy_values_are_alternatives_and_for_negated_operators_exclusions() {
    assert!(holds("StringEquals", &["a", "b"], &["b"]));
    assert!(!holds("StringNotEquals", &["a", "b"], &["b"]));
    assert!(holds("StringNotEquals", &["a", "b"], &["c"]));
    assert!(holds("NumericEquals", &["ten", "10"], &["10"]));
    assert!(holds("StringNotEquals", &["${none}", "b"], &["c"]), "an unknown variable matches nothing");
    assert!(!holds("StringEquals", &["${none}"], &[""]));
}

#[test]
fn a_missing_key_fails_positive_operators_and_satisfies_negated_ones() {
    for (operator, expected) in [
        ("StringEquals", false),
        ("StringNotEquals", true),
        ("StringNotLike", true),
        ("NumericNotEquals", true),
        ("DateNotEquals", true),
        ("NotIpAddress", true),
        ("ArnNotLike", true),
        ("Bool", false),
        ("IpAddress", false),
        ("ArnLike", false),
        ("BinaryEquals", false),
        ("StringEqualsIfExists", true),
        ("StringNotEqualsIfExists", true),
        ("ForAllValues:StringEquals", true),
        ("ForAllValues:StringNotEquals", true),
        ("ForAnyValue:StringEquals", false),
        ("ForAnyValue:StringNotEquals", false),
        ("ForAnyValue:StringEqualsIfExists", true),
    ] {
        let value = match operator {
            "NotIpAddress" | "IpAddress" => "203.0.113.0/24",
            "DateNotEquals" => "2026-01-01",
            "NumericNotEquals" => "1",
            _ => "true",
        };
        assert_eq!(holds(operator, &[value], &[]), expected, "{operator}");
    }
    assert!(holds("Null", &["true"], &[]));
    assert!(!holds("Null", &["false"], &[]));
}

#[test]
fn set_operators_negate_every_value_and_not_the_whole() {
    let cases: &[(&str, &[&str], bool)] = &[
        ("ForAllValues:StringEquals", &["a", "b"], true),
        ("ForAllValues:StringEquals", &["a", "c"], false),
        ("ForAllValues:StringNotEquals", &["c", "d"], true),
        ("ForAllValues:StringNotEquals", &["a", "c"], false),
        ("ForAnyValue:StringEquals", &["a", "c"], true),
        ("ForAnyValue:StringEquals", &["c"], false),
        ("ForAnyValue:StringNotEquals", &["a", "c"], true),
        ("ForAnyValue:StringNotEquals", &["a", "b"], false),
        ("ForAllValues:StringEquals", &[""], true),
        ("ForAnyValue:StringEquals", &[""], false),
        ("ForAllValues:Null", &["a"], true),
        ("ForAnyValue:Null", &["a"], false),
    ];
    for (operator, actual, expected) in cases {
        let values: &[&str] = if operator.ends_with("Null") { &["true"] } else { &["a", "b"] };
        assert_eq!(holds(operator, values, actual), *expected, "{operator} {actual:?}");
    }
}

#[test]
fn several_values_without_a_set_operator_do_not_match() {
    for operator in ["StringEquals", "StringNotEquals", "StringLikeIfExists", "StringNotLike"] {
        assert!(!holds(operator, &["a"], &["a", "b"]), "{operator}");
        assert!(!holds(operator, &["a"], &["b", "c"]), "{operator}");
    }
}

#[test]
fn an_empty_list_of_values_is_a_test_for_the_key_or_nothing() {
    for (operator, absent, present) in [
        ("StringEquals", false, false),
        ("StringNotEquals", false, false),
        ("StringEqualsIfExists", true, false),
        ("ForAllValues:StringEquals", true, false),
        ("ForAnyValue:StringEquals", false, false),
        ("Null", false, false),
    ] {
        assert_eq!(holds(operator, &[], &[]), absent, "{operator}");
        assert_eq!(holds(operator, &[], &["a"]), present, "{operator}");
    }
}

#[test]
fn what_aws_refuses_is_refused() {
    for (operator, value, message) in [
        ("StringEqual", "a", "no condition operator"),
        ("ForSomeValues:StringEquals", "a", "no condition operator"),
        ("NullIfExists", "true", "Null already asks"),
        ("IpAddress", "203.0.113.0/33", "no range of addresses"),
        ("IpAddress", "203.0.113", "no range of addresses"),
        ("StringLike", "${a", "no closing brace"),
    ] {
        let error = Condition::new(operator, "k", &[value], true).unwrap_err();
        assert!(error.contains(message), "{operator} {value}: {error}");
    }
    assert!(Condition::new("StringLike", "k", &["${a"], false).is_ok(), "in a document of 2008");
    assert!(Operator::parse("ForAllValues:ArnLikeIfExists").is_ok_and(|operator| operator.if_exists));
}
