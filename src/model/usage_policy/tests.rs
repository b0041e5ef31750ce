//! Judgements as a table, and laws that hold for every set of rules.

use proptest::prelude::{Strategy, prop, prop_assert, prop_assert_eq, proptest};
use serde_json::{Value, json};

use super::{
    Assumed, Decision, Denial, Dimension, Host, UsagePolicy, Use, judge, judge_all, matches, readings_of,
};
use crate::config::UsageDefault;
use crate::model::secret::SourceDefinition;

const ROLE: &str = "arn:aws:iam::111122223333:role/payments-read";

/// A use of `payments/s3` of the source `aws`, for the secret key, in `billing`, at AWS, without a role.
struct Wanted {
    project: &'static str,
    source: &'static str,
    secret: &'static str,
    field: &'static str,
    host: Host,
    role: Assumed,
}

fn wanted() -> Wanted {
    Wanted {
        project: "billing",
        source: "aws",
        secret: "payments/s3",
        field: "auth.secret_access_key",
        host: Host::Aws,
        role: Assumed::Nothing,
    }
}

fn at(host: &str) -> Wanted {
    Wanted { host: Host::Named(host.to_owned()), ..wanted() }
}

fn with_role(arn: &str) -> Wanted {
    Wanted { role: Assumed::Role(arn.to_owned()), ..wanted() }
}

fn rule(fields: Value) -> UsagePolicy {
    let mut body = json!({"name": "rule", "secrets": ["payments/*"]});
    let Value::Object(fields) = fields else { panic!("fields are an object") };
    body.as_object_mut().unwrap().extend(fields);
    serde_json::from_value(body).unwrap()
}

fn decide(rules: &[UsagePolicy], default: UsageDefault, wanted: &Wanted) -> Decision {
    let names = [wanted.secret.to_owned()];
    let used = Use {
        project: wanted.project,
        source: wanted.source,
        names: &names,
        field: wanted.field,
        host: &wanted.host,
        role: &wanted.role,
    };
    judge(rules, default, &used)
}

/// What one rule refuses of a use; none when it allows.
fn refused(fields: Value, wanted: &Wanted) -> Option<Dimension> {
    match decide(&[rule(fields)], UsageDefault::Allow, wanted) {
        Decision::Allowed(by) => {
            assert_eq!(by.unwrap().as_str(), "rule");
            None
        }
        Decision::Denied(Denial::Refused(_, dimension)) => Some(dimension),
        Decision::Denied(Denial::NotRuled) => panic!("the rule names the secret"),
    }
}

fn source(namespace: &str) -> SourceDefinition {
    serde_json::from_value(json!({
        "name": "aws", "kind": "aws", "region": "us-east-1", "namespace": namespace,
        "auth": {"kind": "default_chain"},
    }))
    .unwrap()
}

#[test]
fn a_rule_allows_what_its_lists_name_and_refuses_the_rest() {
    let any = json!({});
    let projects = json!({"projects": ["billing", "ops"]});
    let fields = json!({"fields": ["auth.access_key_id"]});
    let hosts = json!({"endpoint_hosts": ["aws", "*.Example.com", "10.0.0.?"]});
    let roles = json!({"role_arns": ["arn:aws:iam::111122223333:role/payments-*"]});
    let direct = json!({"role_arns": ["none"]});
    let (project, field) = (Some(Dimension::Projects), Some(Dimension::Fields));
    let (host, role) = (Some(Dimension::EndpointHosts), Some(Dimension::RoleArns));
    let other = "arn:aws:iam::111122223333:role/other";
    let cases = [
        (&any, wanted(), None),
        (&any, at("anywhere.example.org"), None),
        (&any, with_role(ROLE), None),
        (&any, Wanted { field: "assume_role.external_id", ..wanted() }, None),
        // the default is the credential fields, where nothing becomes visible
        (&any, Wanted { field: "bucket", ..wanted() }, field),
        (&projects, wanted(), None),
        (&projects, Wanted { project: "other", ..wanted() }, project),
        (&json!({"projects": []}), wanted(), project),
        (&json!({"projects": ["*"]}), wanted(), None),
        (&fields, Wanted { field: "auth.access_key_id", ..wanted() }, None),
        (&fields, wanted(), field),
        (&json!({"fields": ["*"]}), Wanted { field: "bucket", ..wanted() }, None),
        (&hosts, wanted(), None),
        (&hosts, at("s3.eu-central-1.amazonaws.com"), None),
        (&hosts, at("S3.EXAMPLE.COM"), None),
        (&hosts, at("10.0.0.7"), None),
        (&hosts, at("10.0.0.77"), host),
        (&hosts, at("example.com"), host),
        (&hosts, at("s3.example.com.evil.org"), host),
        (&json!({"endpoint_hosts": ["s3.example.com"]}), wanted(), host),
        (&json!({"endpoint_hosts": ["*.amazonaws.com"]}), wanted(), None),
        (&json!({"endpoint_hosts": ["a*"]}), wanted(), host),
        (&roles, with_role(ROLE), None),
        (&roles, with_role(other), role),
        (&roles, wanted(), role),
        (&direct, wanted(), None),
        (&direct, with_role(ROLE), role),
        (&direct, with_role("none"), role),
        // what is not rendered yet is judged later
        (&hosts, Wanted { host: Host::Unknown, ..wanted() }, None),
        (&roles, Wanted { role: Assumed::Unknown, ..wanted() }, None),
    ];
    for (index, (fields, wanted, expected)) in cases.into_iter().enumerate() {
        assert_eq!(refused(fields.clone(), &wanted), expected, "case {index}: {fields}");
    }
}

#[test]
fn only_aws_itself_is_aws() {
    let aws = json!({"endpoint_hosts": ["aws"]});
    for host in [
        "s3.amazonaws.com",
        "s3.eu-central-1.amazonaws.com",
        "s3-us-west-2.amazonaws.com",
        "s3.dualstack.us-gov-west-1.amazonaws.com",
        "s3-fips.us-east-1.amazonaws.com",
        "s3.cn-north-1.amazonaws.com.cn",
    ] {
        assert_eq!(refused(aws.clone(), &at(host)), None, "{host}");
    }
    // anybody can have a name of these kinds
    for host in [
        "ec2-1-2-3-4.compute-1.amazonaws.com",
        "s3-1234567.us-east-1.elb.amazonaws.com",
        "s3.elb.amazonaws.com",
        "abc.execute-api.us-east-1.amazonaws.com",
        "bucket.s3.amazonaws.com",
        "s3.amazonaws.com.evil.org",
        "s3amazonaws.com",
        "amazonaws.com",
        "",
    ] {
        assert_eq!(refused(aws.clone(), &at(host)), Some(Dimension::EndpointHosts), "{host}");
    }
}

#[test]
fn a_secret_that_no_rule_names_is_the_defaults_matter() {
    let rules = [rule(json!({"projects": []})), rule(json!({"source": "other", "secrets": ["*"]}))];
    let free = Wanted { secret: "billing/s3", ..wanted() };
    assert_eq!(decide(&rules, UsageDefault::Allow, &free), Decision::Allowed(None));
    assert_eq!(decide(&rules, UsageDefault::Deny, &free), Decision::Denied(Denial::NotRuled));
    let allowed = [rule(json!({"source": "aws"}))];
    assert!(matches!(decide(&allowed, UsageDefault::Deny, &wanted()), Decision::Allowed(Some(_))));
}

#[test]
fn a_denial_tells_of_the_rule_that_came_nearest() {
    let rules = [
        rule(json!({"name": "a-far", "projects": ["ops"]})),
        rule(json!({"name": "c-near", "endpoint_hosts": ["s3.example.com"]})),
        rule(json!({"name": "b-near", "endpoint_hosts": ["s3.example.org"]})),
        rule(json!({"name": "d-field", "fields": ["bucket"]})),
    ];
    let Decision::Denied(denial) = decide(&rules, UsageDefault::Allow, &wanted()) else { panic!("allowed") };
    assert_eq!(denial.rule().unwrap().as_str(), "b-near");
    assert_eq!(denial.to_string(), "the usage policy `b-near` does not allow the endpoint host");
}

#[test]
fn a_secret_is_named_however_a_reference_is_written() {
    let arn = "arn:aws:secretsmanager:us-east-1:111122223333:secret:retool/prod/payments/s3-AbCdEf";
    let short = "arn:aws:secretsmanager:us-east-1:111122223333:secret:retool/prod/payments/s3";
    for secret in ["retool/prod/payments/s3", arn, short] {
        let names = readings_of(&source("retool/prod"), secret).concat();
        for name in ["payments/s3", "retool/prod/payments/s3", secret] {
            assert!(names.iter().any(|known| known == name), "{secret}: no `{name}` in {names:?}");
        }
    }
    assert_eq!(readings_of(&source(""), "db-backup"), [["db-backup"]]);
}

#[test]
fn rules_for_two_secrets_do_not_widen_each_other_where_an_arn_may_mean_either() {
    let arn = "arn:aws:secretsmanager:us-east-1:111122223333:secret:db-master";
    let readings = readings_of(&source(""), arn);
    assert_eq!(readings.len(), 2);
    let asked = wanted();
    let used = Use {
        project: asked.project,
        source: asked.source,
        names: &[],
        field: asked.field,
        host: &asked.host,
        role: &asked.role,
    };
    let judged = |rules: &[UsagePolicy], default| judge_all(&rules, default, &used, &readings);
    let db = rule(json!({"name": "db", "secrets": ["db"], "projects": ["billing"]}));
    let master = rule(json!({"name": "master", "secrets": ["db-master"], "projects": ["ops"]}));
    let Decision::Denied(denial) = judged(&[db.clone(), master], UsageDefault::Allow) else {
        panic!("allowed")
    };
    assert_eq!(denial.rule().unwrap().as_str(), "master");
    // one reading that is ruled is enough where what is not ruled is denied
    assert!(matches!(judged(&[db], UsageDefault::Deny), Decision::Allowed(Some(_))));
    assert_eq!(judged(&[], UsageDefault::Deny), Decision::Denied(Denial::NotRuled));
}

#[test]
fn what_a_rule_cannot_mean_is_refused_at_its_place() {
    let cases = [
        (json!({"name": "check"}), "name"),
        (json!({"source": "a b"}), "source"),
        (json!({"secrets": []}), "secrets"),
        (json!({"secrets": [""]}), "secrets[0]"),
        (json!({"secrets": ["x".repeat(2049)]}), "secrets[0]"),
        (json!({"secrets": vec!["x"; 101]}), "secrets"),
        (json!({"fields": ["auth.*", "auth.secret"]}), "fields[1]"),
        (json!({"fields": []}), "fields"),
        (json!({"projects": ["Billing"]}), "projects[0]"),
        (json!({"endpoint_hosts": ["https://s3.example.com"]}), "endpoint_hosts[0]"),
        (json!({"endpoint_hosts": []}), "endpoint_hosts"),
        (json!({"role_arns": ["payments"]}), "role_arns[0]"),
        (json!({"role_arns": []}), "role_arns"),
    ];
    for (fields, path) in cases {
        let findings = rule(fields.clone()).validate();
        assert!(findings.iter().any(|finding| finding.path == path), "{fields}: {findings:?}");
        assert!(findings.iter().all(|finding| finding.help.is_some()), "{findings:?}");
    }
    let whole = json!({"source": "*", "fields": ["*"], "projects": [], "endpoint_hosts": ["::1", "aws"],
        "role_arns": ["none", "*:role/x"]});
    let findings = rule(whole).validate();
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn patterns_match_whole_texts_and_hostile_ones_end_soon() {
    for (pattern, text) in [("*", ""), ("a*c", "abc"), ("a?c", "abc"), ("*b*b", "abbab"), ("", "")] {
        assert!(matches(pattern, text), "{pattern} {text}");
    }
    for (pattern, text) in [("a*c", "abd"), ("a?c", "ac"), ("?", ""), ("", "a"), ("abc", "abcd")] {
        assert!(!matches(pattern, text), "{pattern} {text}");
    }
    let hostile = "*a".repeat(1000) + "b";
    assert!(!matches(&hostile, &"a".repeat(5000)));
}

/// Small alphabets, so that rules and uses meet often.
fn rules() -> impl Strategy<Value = Vec<UsagePolicy>> {
    let list = |words: &'static [&'static str]| {
        prop::option::of(prop::collection::vec(prop::sample::select(words), 1..3))
    };
    let one = (
        prop::sample::select(vec!["*", "aws", "vault"]),
        prop::sample::select(vec!["*", "payments/*", "payments/s?", "other"]),
        list(&["billing", "ops", "*"]),
        list(&["aws", "s3.example.com", "*"]),
        list(&["none", ROLE, "*"]),
    );
    let rule = one.prop_map(|(source, secret, projects, hosts, roles)| {
        let mut rule = rule(json!({"source": source, "secrets": [secret]}));
        let texts = |list: Option<Vec<&str>>| -> Option<Vec<String>> {
            list.map(|list| list.into_iter().map(str::to_owned).collect())
        };
        (rule.projects, rule.endpoint_hosts, rule.role_arns) = (texts(projects), texts(hosts), texts(roles));
        rule
    });
    prop::collection::vec(rule, 0..6).prop_map(|mut rules| {
        for (index, rule) in rules.iter_mut().enumerate() {
            rule.name = crate::model::name::Name::parse(&format!("r{index}")).unwrap();
        }
        rules
    })
}

fn uses() -> impl Strategy<Value = (usize, usize, usize, usize)> {
    (0..2_usize, 0..2_usize, 0..3_usize, 0..3_usize)
}

fn of_choice((project, secret, host, role): (usize, usize, usize, usize)) -> Wanted {
    Wanted {
        project: ["billing", "other"][project],
        secret: ["payments/s3", "free"][secret],
        host: [Host::Aws, Host::Named("s3.example.com".to_owned()), Host::Unknown][host].clone(),
        role: [Assumed::Nothing, Assumed::Role(ROLE.to_owned()), Assumed::Unknown][role].clone(),
        ..wanted()
    }
}

proptest! {
    #[test]
    fn the_order_of_rules_means_nothing(rules in rules(), by in 0..6_usize, used in uses()) {
        let used = of_choice(used);
        let mut turned = rules.clone();
        if !turned.is_empty() {
            turned.reverse();
            let by = by % turned.len();
            turned.rotate_left(by);
        }
        for default in [UsageDefault::Allow, UsageDefault::Deny] {
            prop_assert_eq!(decide(&rules, default, &used), decide(&turned, default, &used));
        }
    }

    #[test]
    fn a_rule_that_names_nothing_of_it_changes_nothing(rules in rules(), used in uses()) {
        let used = of_choice(used);
        let mut more = rules.clone();
        more.push(rule(json!({"name": "apart", "secrets": ["nobody"], "projects": []})));
        more.push(rule(json!({"name": "apart-2", "source": "nobody", "secrets": ["*"]})));
        for default in [UsageDefault::Allow, UsageDefault::Deny] {
            prop_assert_eq!(decide(&rules, default, &used), decide(&more, default, &used));
        }
    }

    #[test]
    fn what_one_rule_allows_no_other_rule_denies(rules in rules(), more in rules(), used in uses()) {
        let used = of_choice(used);
        if let Decision::Allowed(Some(_)) = decide(&rules, UsageDefault::Allow, &used) {
            let all: Vec<UsagePolicy> = rules.iter().chain(&more).cloned().collect();
            prop_assert!(matches!(decide(&all, UsageDefault::Deny, &used), Decision::Allowed(Some(_))));
        }
    }

    #[test]
    fn without_its_last_rule_a_secret_is_free_again(used in uses()) {
        let used = of_choice(used);
        let locked = rule(json!({"secrets": ["*"], "projects": []}));
        let denied = decide(&[locked], UsageDefault::Allow, &used);
        prop_assert!(matches!(denied, Decision::Denied(Denial::Refused(_, Dimension::Projects))));
        prop_assert_eq!(decide(&[], UsageDefault::Allow, &used), Decision::Allowed(None));
    }
}
