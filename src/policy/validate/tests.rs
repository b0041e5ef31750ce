//! Every rule with policies that break it and policies that almost do: `fixtures/policy/validate/CODE.json`.

mod documents;
mod meaning;
mod samples;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::*;
use crate::policy::finding::{Severity, code};
use crate::policy::json;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    kind: Kind,
    #[serde(default)]
    facts: Facts,
    bad: Vec<Bad>,
    good: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bad {
    /// A document, or a string with the text of one.
    policy: Box<RawValue>,
    /// Where the finding must be.
    path: String,
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/policy/validate"))
}

/// The fixtures by code.
fn fixtures() -> BTreeMap<String, Fixture> {
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let code = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let fixture = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{code}: {error}"));
            (code, fixture)
        })
        .collect()
}

/// The text as it stands in the fixture: its lines, columns and order count.
fn text(policy: &RawValue) -> String {
    serde_json::from_str::<String>(policy.get()).unwrap_or_else(|_| policy.get().to_owned())
}

fn with_code<'a>(findings: &'a [Finding], code: &str) -> Vec<&'a Finding> {
    findings.iter().filter(|finding| finding.code == code).collect()
}

#[test]
fn every_rule_has_a_fixture_and_every_fixture_a_rule() {
    let fixtures = fixtures();
    let codes: Vec<&str> = code::all().map(|rule| rule.code).collect();
    let missing: Vec<_> = codes.iter().filter(|code| !fixtures.contains_key(**code)).collect();
    assert!(missing.is_empty(), "without fixture: {missing:?}");
    for (code, fixture) in &fixtures {
        let rule = code::find(code).unwrap_or_else(|| panic!("{code} is no rule"));
        assert!(rule.kinds.contains(&fixture.kind), "{code} is not for {:?}", fixture.kind);
        assert!(!fixture.bad.is_empty() && !fixture.good.is_empty(), "{code}");
    }
    let mut unique = codes.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), codes.len(), "a code stands twice in the table");
}

#[test]
fn every_rule_finds_what_breaks_it_and_nothing_else() {
    let mut wrong = String::new();
    for (code, Fixture { kind, facts, bad, good }) in fixtures() {
        for Bad { policy, path } in bad {
            let findings = validate(&text(&policy), kind, &facts);
            let found = with_code(&findings, &code);
            if !found.iter().any(|finding| finding.path == path) {
                let all: Vec<_> = findings.iter().map(|finding| (finding.code, &finding.path)).collect();
                writeln!(wrong, "{code} is not found at `{path}` of {}: {all:?}", policy.get()).unwrap();
            }
        }
        for policy in good {
            if let [finding, ..] = with_code(&validate(&text(&policy), kind, &facts), &code).as_slice() {
                writeln!(
                    wrong,
                    "{code} is found at `{}` of {}: {}",
                    finding.path,
                    policy.get(),
                    finding.message
                )
                .unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn a_rule_is_applied_to_its_kinds_of_policy_alone() {
    for (code, fixture) in fixtures() {
        let rule = code::find(&code).unwrap();
        for kind in [Kind::Identity, Kind::Bucket, Kind::Trust, Kind::Scp, Kind::Rcp] {
            for bad in &fixture.bad {
                let findings = validate(&text(&bad.policy), kind, &fixture.facts);
                let is_found = !with_code(&findings, &code).is_empty();
                assert!(!is_found || rule.kinds.contains(&kind), "{code} for {kind:?}");
            }
        }
    }
}

fn count_errors(findings: &[Finding]) -> usize {
    findings.iter().filter(|finding| finding.severity == Severity::Error).count()
}

#[test]
fn a_repair_takes_its_finding_away_and_brings_no_error() {
    let mut repairs = 0;
    for Fixture { kind, facts, bad, good, .. } in fixtures().into_values() {
        let texts = bad.iter().map(|bad| text(&bad.policy)).chain(good.iter().map(|policy| text(policy)));
        for text in texts {
            let before = validate(&text, kind, &facts);
            for finding in &before {
                let Some(repaired) = &finding.repair else { continue };
                repairs += 1;
                let after = validate(repaired, kind, &facts);
                let code = finding.code;
                let (was, is) = (with_code(&before, code).len(), with_code(&after, code).len());
                // A long policy lists the gravest findings alone, so one that goes lets another one in.
                let is_cut = !with_code(&before, "MORE_FINDINGS").is_empty();
                assert!(json::parse(repaired).is_ok(), "{code}: {repaired}");
                assert!(is < was || is_cut, "{code} stays at {}: {text} became {repaired}", finding.path);
                let (had, has) = (count_errors(&before), count_errors(&after));
                assert!(has <= had, "the repair of {code} brings errors: {repaired}: {after:?}");
            }
        }
    }
    assert!(repairs > 60, "{repairs} repairs");
}

#[test]
fn all_repairs_together_leave_nothing_to_repair() {
    for (code, Fixture { kind, facts, bad, .. }) in fixtures() {
        for bad in bad {
            let Some(repaired) = repair(&text(&bad.policy), kind, &facts) else { continue };
            let left: Vec<_> = validate(&repaired, kind, &facts)
                .into_iter()
                .filter(|finding| finding.repair.is_some())
                .map(|finding| finding.code)
                .collect();
            assert!(left.is_empty(), "{code}: {left:?} in {repaired}");
        }
    }
}

/// What users read, for review: one line a finding.
#[test]
fn messages() {
    let mut lines = String::new();
    for (code, Fixture { kind, facts, bad, .. }) in fixtures() {
        for bad in bad {
            let findings = validate(&text(&bad.policy), kind, &facts);
            for finding in with_code(&findings, &code).into_iter().take(2) {
                let Finding { line, column, path, message, help, .. } = finding;
                let help = help.as_deref().unwrap_or("-");
                let repair = if finding.repair.is_some() { " [repair]" } else { "" };
                writeln!(lines, "{code} {line}:{column} {path}\n  {message}\n  {help}{repair}").unwrap();
            }
        }
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder());
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("messages", lines));
}

#[test]
fn messages_follow_the_house() {
    for Fixture { kind, facts, bad, .. } in fixtures().into_values() {
        for bad in bad {
            for finding in validate(&text(&bad.policy), kind, &facts) {
                for sentence in std::iter::once(&finding.message).chain(&finding.help) {
                    assert!(!sentence.ends_with('.'), "full stop: {sentence}");
                    assert!(sentence.len() < 400, "too long: {sentence}");
                }
                assert!(!finding.message.contains('\n'), "{}", finding.message);
            }
        }
    }
}

#[test]
fn hostile_policies_take_bounded_work() {
    let repeated = |item: &str, count: usize| vec![item; count].join(",");
    let list = |items: &str| {
        format!(
            r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Principal": "*", "Action": [{items}], "Resource": [{items}]}}]}}"#
        )
    };
    let conditions: Vec<String> = (0..2_000)
        .map(|index| format!(r#""s3:prefix{index}": "*", "aws:RequestTag/{index}": "*""#))
        .collect();
    let conditions = conditions.join(",");
    let texts = [
        list(&repeated(r#""*""#, 15_000)),
        list(&repeated(r#""a*?*?*?*b""#, 4_000)),
        list(&(0..3_000).map(|index| format!(r#""s3:{index}*""#)).collect::<Vec<_>>().join(",")),
        list(&format!(r#""arn:aws:s3:::{}""#, "*?".repeat(25_000))),
        list(&format!(r#""{}""#, "${".repeat(25_000))),
        format!(
            r#"{{"Statement": [{}]}}"#,
            repeated(r#"{"Effect": "Deny", "Action": "*", "Resource": "*"}"#, 2_000)
        ),
        format!(
            r#"{{"Statement": [{{"Effect": "Deny", "Action": [{}], "Resource": "*", "Condition": {{"StringLike": {{{conditions}}}}}}}]}}"#,
            repeated(r#""s3:GetObject""#, 2_000)
        ),
        list(&repeated(r#""s3:ListBucket", "arn:aws:s3:::docs/a""#, 1_500)),
        list(&(0..4_000).map(|index| format!(r#""s3:Lst{index}""#)).collect::<Vec<_>>().join(",")),
        format!(
            r#"{{"Statement": [{{"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {{"NumericLessThan": {{"a:b": [{}]}}}}}}]}}"#,
            (0..15_000).map(|index| index.to_string()).collect::<Vec<_>>().join(",")
        ),
        "[".repeat(100_000),
        format!(r#"{{"Statement": [{}{{}}]}}"#, "{},".repeat(100_000)),
    ];
    for text in texts {
        let started = Instant::now();
        let findings = validate(&text, Kind::Bucket, &Facts::default());
        assert!(!findings.is_empty() && findings.len() <= 201);
        let took = started.elapsed();
        // Far above what it takes; without bounds these take hours.
        assert!(took < Duration::from_secs(20), "{took:?} for {}", text.get(..100).unwrap());
    }
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![Kind::Identity, Kind::Bucket, Kind::Trust, Kind::Scp, Kind::Rcp])
}

proptest! {
    #[test]
    fn any_document_ends_in_findings_whose_repairs_take_them_away(document in documents::document(), kind in kinds()) {
        let before = validate(&document.to_string(), kind, &Facts::default());
        for finding in &before {
            let Some(repaired) = &finding.repair else { continue };
            prop_assert!(json::parse(repaired).is_ok(), "{}: {repaired}", finding.code);
            let after = validate(repaired, kind, &Facts::default());
            let (was, is) = (with_code(&before, finding.code).len(), with_code(&after, finding.code).len());
            prop_assert!(is < was, "{} stays: {document} became {repaired}", finding.code);
        }
    }

    #[test]
    fn any_text_ends_in_findings(text in any::<String>()) {
        let _ = validate(&text, Kind::Bucket, &Facts::default());
    }
}
