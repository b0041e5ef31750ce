//! The fixtures.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::{Decision, Evaluation, has_matching_deny, question, verdict};
use crate::policy::document::Kind;
use crate::policy::finding::Severity;
use crate::policy::generate::operations::{self, When};
use crate::policy::parse::parse;
use crate::policy::public_access;
use crate::policy::request::{BlockPublicAccess, Bucket};
use crate::policy::validate::{self, BucketFacts, Facts};

/// Rules of the specification that no fixture here shows, and why.
const ELSEWHERE: [(u32, &str); 3] = [
    (19, "sizes are for the validation of a text; they decide no request"),
    (85, "a bucket where the requester pays refuses requests by a header, which no policy sees"),
    (88, "refusals that no policy explains are for the check that saw them"),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    rule: u32,
    #[serde(default)]
    cases: Vec<Case>,
    #[serde(default)]
    operations: Vec<OperationCase>,
    #[serde(default)]
    public: Vec<PublicCase>,
    #[serde(default)]
    acls: Vec<AclCase>,
    #[serde(default)]
    settings: Vec<SettingsCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    question: Value,
    decision: String,
    decided_by: String,
    explanation: Option<String>,
    explanation_says: Option<String>,
    repair_says: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OperationCase {
    operation: String,
    requires: BTreeSet<String>,
    #[serde(default)]
    when: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PublicCase {
    name: String,
    policy: Value,
    public: Option<String>,
    #[serde(default)]
    statement: usize,
    message: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AclCase {
    name: String,
    bucket: Bucket,
    grants: Vec<usize>,
    acl_is_open: bool,
    #[serde(default)]
    acl_is_refused: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SettingsCase {
    name: String,
    settings: Vec<BlockPublicAccess>,
    action: Option<String>,
    policy_is_open: bool,
    #[serde(default)]
    policy_is_refused: bool,
}

fn fixtures() -> Vec<Fixture> {
    let folder = format!("{}/fixtures/policy/evaluate", env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(folder).expect("the folder is there");
    let read = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(&path).expect("it can be read");
        let fixture: Fixture =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let name = path.file_name().expect("it has a name").to_string_lossy().into_owned();
        assert!(name.starts_with(&format!("{:02}-", fixture.rule)), "{name} is of rule {}", fixture.rule);
        fixture
    };
    files.map(|file| read(file.expect("an entry").path())).collect()
}

/// Collects what fails, so that a change shows all it breaks.
fn check(found: impl IntoIterator<Item = Option<String>>) {
    let found: Vec<Option<String>> = found.into_iter().collect();
    assert!(!found.is_empty());
    let failures: Vec<String> = found.into_iter().flatten().collect();
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
}

#[test]
fn requests_are_decided_as_the_rules_say() {
    check(fixtures().iter().flat_map(|fixture| {
        fixture
            .cases
            .iter()
            .map(|case| wrong(case).map(|wrong| format!("rule {}, {}: {wrong}", fixture.rule, case.name)))
    }));
}

/// What is not as the case says.
fn wrong(case: &Case) -> Option<String> {
    let question = question(&case.question.to_string());
    let short = verdict(&question);
    let evaluation = Evaluation::new(question).unwrap_or_else(|error| panic!("{}: {error}", case.name));
    let answer = evaluation.answer();
    assert_eq!(short.map_or(Decision::Invalid, |verdict| verdict.decision), answer.decision, "{}", case.name);
    assert_house_style(&answer.explanation);
    answer.repair.as_deref().inspect(|repair| assert_house_style(repair));
    assert_eq!(
        answer.repair.is_none(),
        answer.decision == Decision::Allowed && !answer.explanation.contains("400")
    );
    if answer.decision == Decision::Allowed && !case.question.to_string().contains("DeleteBucketPolicy") {
        assert!(!has_matching_deny(&answer), "{}", case.name);
    }
    let written = serde_json::to_value(&answer).expect("it is JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let actual = (text(&written["decision"]), text(&written["decided_by"]));
    if actual != (case.decision.clone(), case.decided_by.clone()) {
        return Some(format!(
            "{actual:?} instead of {:?} by {:?}: {}",
            case.decision, case.decided_by, answer.explanation
        ));
    }
    if case.explanation.as_ref().is_some_and(|explanation| *explanation != answer.explanation) {
        return Some(format!("explanation `{}`", answer.explanation));
    }
    if case.explanation_says.as_ref().is_some_and(|part| !answer.explanation.contains(part)) {
        return Some(format!("explanation `{}`", answer.explanation));
    }
    let repair = answer.repair.unwrap_or_default();
    case.repair_says.as_ref().is_some_and(|part| !repair.contains(part)).then(|| format!("repair `{repair}`"))
}

fn assert_house_style(text: &str) {
    assert!(!text.is_empty() && !text.ends_with('.') && !text.contains('\n'), "{text}");
    assert!(!text.contains("  "), "{text}");
}

#[test]
fn operations_ask_for_actions_as_the_rules_say() {
    check(fixtures().iter().flat_map(|fixture| &fixture.operations).map(|case| {
        let Some(operation) = operations::find(&case.operation) else {
            return Some(format!("{} is unknown", case.operation));
        };
        let actions = |when: When| -> BTreeSet<String> {
            let needs = operation.needs.iter().filter(|need| need.when == when);
            needs.map(|need| need.action.to_owned()).collect()
        };
        let conditional = case.when.iter().all(|(when, expected)| actions(named(when)) == *expected);
        (actions(When::Always) != case.requires || !conditional).then(|| case.operation.clone())
    }));
}

fn named(when: &str) -> When {
    match when {
        "version" => When::Version,
        "tags" => When::Tags,
        "acl" => When::Acl,
        "retention" => When::Retention,
        "legal_hold" => When::LegalHold,
        "kms" => When::Kms,
        other => panic!("{other}"),
    }
}

#[test]
fn policies_are_public_as_the_rules_say() {
    check(fixtures().iter().flat_map(|fixture| &fixture.public).map(|case| {
        let policy =
            parse(&case.policy.to_string()).unwrap_or_else(|findings| panic!("{}: {findings:?}", case.name));
        let found = public_access::public_statement(&policy);
        let value = found.as_ref().map(|found| found.value.clone());
        let place = found.as_ref().map_or(case.statement, |found| found.index);
        let message = found.map(|found| found.message).unwrap_or_default();
        let as_said = case.message.as_ref().is_none_or(|expected| *expected == message);
        (value != case.public || place != case.statement || !as_said)
            .then(|| format!("{}: {value:?} {message}", case.name))
    }));
}

#[test]
fn acls_are_public_as_the_rules_say() {
    check(fixtures().iter().flat_map(|fixture| &fixture.acls).map(|case| {
        let found = public_access::judge(None, &case.bucket);
        let open = (found.acl.is_open, found.acl.is_refused, found.policy.is_open);
        let grants: Vec<usize> = found.acl.grants.iter().map(|grant| grant.index).collect();
        (grants != case.grants || open != (case.acl_is_open, case.acl_is_refused, false))
            .then(|| format!("{}: {found:?}", case.name))
    }));
}

#[test]
fn the_strictest_of_all_settings_counts() {
    check(fixtures().iter().flat_map(|fixture| &fixture.settings).map(|case| {
        let action = case.action.as_deref().unwrap_or("s3:GetObject");
        let text = format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Principal": "*", "Action": "{action}", "Resource": "*"}}}}"#
        );
        let effective =
            case.settings.iter().fold(BlockPublicAccess::default(), |all, one| all.strictest(*one));
        let bucket = Bucket { block_public_access: effective, ..Bucket::default() };
        let found = public_access::judge(Some(&parse(&text).expect("a policy")), &bucket);
        let open = (found.policy.is_open, found.policy.is_refused);
        (open != (case.policy_is_open, case.policy_is_refused) || found.policy.statements.len() != 1).then(|| case.name.clone())
    }));
}

#[test]
fn every_rule_has_a_fixture_or_a_reason() {
    let shown: BTreeSet<u32> = fixtures().iter().map(|fixture| fixture.rule).collect();
    let elsewhere: BTreeSet<u32> = ELSEWHERE.iter().map(|(rule, _)| *rule).collect();
    assert!(shown.is_disjoint(&elsewhere), "a rule with a fixture needs no reason");
    let missing: Vec<u32> =
        (1..=90).filter(|rule| !shown.contains(rule) && !elsewhere.contains(rule)).collect();
    assert!(missing.is_empty(), "rules without a fixture: {missing:?}");
}

#[test]
fn an_answer_has_the_shape_of_the_contract() {
    let evaluation = Evaluation::new(question(include_str!("shape-question.json"))).expect("a question");
    let written = serde_json::to_string_pretty(&evaluation.answer()).expect("it is JSON");
    assert_eq!(written.trim(), include_str!("shape-answer.json").trim());
}

#[test]
fn requests_that_make_no_sense_are_errors_with_a_remedy() {
    let base = r#"{"request": {"principal": "anonymous", "action": "s3:GetObject", "resource": "arn:aws:s3:::b/k"}}"#;
    assert!(Evaluation::new(question(base)).is_ok());
    for (from, to, path) in [
        ("anonymous", "somebody", "request.principal"),
        ("anonymous", "arn:aws:iam::111122223333:role/a*", "request.principal"),
        ("anonymous", "arn:aws:sts::111122223333:assumed-role/r", "request.principal"),
        (
            r#""anonymous""#,
            r#""arn:aws:sts::111122223333:assumed-role/r/s", "context": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/q"}"#,
            "request.principal",
        ),
        ("s3:GetObject", "s3:*", "request.action"),
        ("s3:GetObject", "GetObject", "request.action"),
        ("arn:aws:s3:::b/k", "b/k", "request.resource"),
        (
            r#""arn:aws:s3:::b/k""#,
            r#""arn:aws:s3:::b/k", "resource_account": "1""#,
            "request.resource_account",
        ),
        (
            r#""arn:aws:s3:::b/k""#,
            r#""arn:aws:s3:::b/k", "context": {"aws:SourceIp": "1.2.3.4", "aws:sourceip": "1.2.3.4"}"#,
            "request.context",
        ),
    ] {
        let error = Evaluation::new(question(&base.replace(from, to))).unwrap_err();
        assert_eq!(error.path, path);
        assert!(error.message.starts_with(['`', 't']), "{error}");
    }
}

/// What the evaluation refuses, the validation of the same text has to explain.
#[test]
fn every_policy_that_is_not_evaluated_is_an_error_to_the_validation() {
    let kinds = [
        ("identity", Kind::Identity),
        ("permission_boundary", Kind::Identity),
        ("session", Kind::Identity),
        ("resource", Kind::Bucket),
    ];
    check(
        fixtures().iter().flat_map(|fixture| &fixture.cases).filter(|case| case.decision == "invalid").map(
            |case| {
                let policies = &case.question["policies"];
                let texts = kinds.iter().flat_map(|(field, kind)| {
                    let documents =
                        policies[field].as_array().cloned().unwrap_or_else(|| vec![policies[field].clone()]);
                    documents.into_iter().filter(|document| !document.is_null()).map(|document| {
                        (document.as_str().map_or_else(|| document.to_string(), str::to_owned), *kind)
                    })
                });
                let bucket = BucketFacts { name: Some("b".to_owned()), ..BucketFacts::default() };
                let facts = Facts { bucket: Some(bucket), ..Facts::default() };
                let is_explained = texts.into_iter().any(|(text, kind)| {
                    let findings = validate::validate(&text, kind, &facts);
                    // IAM Access Analyzer calls this one a danger; S3 refuses it when the policy is put.
                    findings.iter().any(|found| {
                        found.severity == Severity::Error || found.code == "ALLOW_WITH_NOT_PRINCIPAL"
                    })
                });
                (!is_explained).then(|| case.name.clone())
            },
        ),
    );
}
