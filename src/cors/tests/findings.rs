//! Findings as a table: `fixtures/cors/findings.json` says for each text what is found, where, and what the repairs
//! make of it.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use super::{configuration, root, rule};
use crate::cors::{
    CorsConfiguration, CorsRule, Document, Expectation, Finding, MAX_FINDINGS, Profile, Severity, parse,
    validate,
};

#[derive(Deserialize)]
struct Row {
    name: String,
    text: String,
    profile: Option<String>,
    #[serde(default)]
    expected: Vec<Expectation>,
    findings: Vec<Expected>,
    repaired: Option<Value>,
}

#[derive(Deserialize)]
struct Expected {
    severity: String,
    code: String,
    path: String,
    line: Option<u32>,
    column: Option<u32>,
}

fn rows() -> Vec<Row> {
    serde_json::from_str(&std::fs::read_to_string(root("fixtures/cors/findings.json")).unwrap()).unwrap()
}

impl Row {
    fn profile(&self) -> &'static Profile {
        Profile::find(self.profile.as_deref().unwrap_or("aws")).unwrap()
    }

    fn document(&self) -> Result<Document, Finding> {
        parse(&self.text)
    }

    fn findings(&self) -> Vec<Finding> {
        match self.document() {
            Ok(document) => document.validate(self.profile(), &self.expected),
            Err(finding) => vec![finding],
        }
    }
}

fn word(severity: Severity) -> String {
    serde_json::to_value(severity).unwrap().as_str().unwrap().to_owned()
}

#[test]
fn findings_are_those_of_the_table() {
    let mut failures = Vec::new();
    for row in rows() {
        let found: Vec<(String, String, String)> = row
            .findings()
            .iter()
            .map(|finding| (word(finding.severity), finding.code.to_owned(), finding.path.clone()))
            .collect();
        let expected: Vec<(String, String, String)> = row
            .findings
            .iter()
            .map(|finding| (finding.severity.clone(), finding.code.clone(), finding.path.clone()))
            .collect();
        if found != expected {
            failures.push(format!("{}\n    actual {found:?}\n  expected {expected:?}", row.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn findings_stand_where_the_table_says() {
    let mut failures = Vec::new();
    for row in rows() {
        for (found, expected) in row.findings().iter().zip(&row.findings) {
            assert!(found.line.is_some() && found.column.is_some(), "{}: {found:?}", row.name);
            let place = (found.line, found.column);
            if expected.line.is_some() && place != (expected.line, expected.column) {
                failures.push(format!(
                    "{}: {} actual {place:?} expected {:?}",
                    row.name,
                    found.code,
                    (expected.line, expected.column)
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn repairs_make_what_the_table_says() {
    let mut repaired_rows = 0;
    for row in rows() {
        let Ok(document) = row.document() else { continue };
        let mut configuration = document.configuration;
        let mut has_repair = false;
        while let Some(repair) = validate(&configuration, row.profile(), &row.expected)
            .into_iter()
            .find_map(|finding| finding.repair)
        {
            has_repair = true;
            let changed = repair.apply(&configuration);
            assert_ne!(changed, configuration, "{}: a repair changes something", row.name);
            configuration = changed;
        }
        let Some(expected) = &row.repaired else { continue };
        repaired_rows += 1;
        assert!(has_repair, "{}", row.name);
        let expected = parse(&expected.to_string()).unwrap().configuration;
        assert_eq!(configuration, expected, "{}", row.name);
        assert_eq!(validate(&configuration, row.profile(), &row.expected), [], "{}", row.name);
    }
    assert!(repaired_rows > 30, "{repaired_rows}");
}

#[test]
fn a_repair_takes_its_finding_away() {
    for row in rows() {
        let Ok(document) = row.document() else { continue };
        for finding in validate(&document.configuration, row.profile(), &row.expected) {
            let Some(repair) = &finding.repair else { continue };
            let after = validate(&repair.apply(&document.configuration), row.profile(), &row.expected);
            let is_left = after.iter().any(|left| left.code == finding.code && left.path == finding.path);
            assert!(!is_left, "{}: {finding:?}", row.name);
        }
    }
}

#[test]
fn texts_are_in_the_style_of_the_house() {
    for row in rows() {
        for finding in row.findings() {
            let help = finding.help.clone().unwrap_or_else(|| panic!("{finding:?} says not what to do"));
            for text in [finding.message.as_str(), help.as_str()] {
                assert!(!text.ends_with('.') && !text.is_empty(), "{text}");
                assert!(!text.contains(['\n', '\r']), "{text}");
                assert!(text.len() < 400, "{text}");
            }
        }
    }
}

#[test]
fn every_code_of_the_engine_is_in_the_table() {
    let mut codes = BTreeSet::new();
    let mut folders = vec![root("src/cors")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("tests") {
                folders.push(path);
            } else if path.is_file() {
                let text = std::fs::read_to_string(path).unwrap();
                let quoted = text.split('"').filter(|word| word.starts_with("CORS_"));
                codes.extend(quoted.map(str::to_owned));
            }
        }
    }
    // these take more text than a table should hold, and have tests of their own below
    assert!(codes.remove("CORS_MORE_FINDINGS") && codes.remove("CORS_TOO_LARGE"));
    let listed: BTreeSet<String> =
        rows().iter().flat_map(|row| &row.findings).map(|finding| finding.code.clone()).collect();
    assert_eq!(listed, codes);
    assert!(codes.len() > 40, "{}", codes.len());
}

#[test]
fn findings_are_few_even_when_everything_is_wrong() {
    let rule = r#"{"AllowedOrigins": ["x", "y", 1], "AllowedMethods": ["z"], "Foo": 1}"#;
    let text = format!("[{}]", vec![rule; 2000].join(","));
    let document = parse(&text).unwrap();
    let findings = document.validate(Profile::aws(), &[]);
    assert_eq!(findings.len(), MAX_FINDINGS + 1);
    let last = findings.last().unwrap();
    assert_eq!(last.code, "CORS_MORE_FINDINGS");
    let left_out: usize = last.message.split(' ').next().unwrap().parse().unwrap();
    assert!(left_out > 2 * 2000, "{}", last.message);
}

#[test]
fn more_than_s3_takes_is_told() {
    let origins = (0..1_100).map(|number| format!("https://customer-{number:04}.app.example.com")).collect();
    let one = CorsRule { allowed_origins: origins, ..rule("", "GET", "", "") };
    let codes = |rules: &[CorsRule]| {
        let findings = validate(&configuration(rules), Profile::aws(), &[]);
        findings.into_iter().map(|finding| finding.code).collect::<Vec<_>>()
    };
    assert_eq!(codes(std::slice::from_ref(&one)), ["CORS_TOO_LARGE"]);
    let half = CorsRule { allowed_origins: one.allowed_origins[..550].to_vec(), ..one };
    assert_eq!(codes(&[half]), [""; 0]);
}

#[test]
fn a_text_that_is_too_long_is_not_read() {
    let text = " ".repeat(super::super::MAX_TEXT_BYTES) + "[]";
    assert_eq!(parse(&text).unwrap_err().code, "CORS_TOO_LARGE");
}

#[test]
fn a_configuration_without_a_text_has_no_places() {
    let findings = validate(&CorsConfiguration::default(), Profile::aws(), &[]);
    assert_eq!(
        findings.iter().map(|finding| (finding.code, finding.line)).collect::<Vec<_>>(),
        [("CORS_RULE_COUNT", None)]
    );
}
