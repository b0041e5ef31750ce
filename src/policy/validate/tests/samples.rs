//! Whole policies with everything that is said about them, and the policies that we ship.

use std::fmt::Write as _;
use std::fs;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Facts, Kind, folder, text, validate};
use crate::policy::finding::Severity;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    /// What the policy is for.
    #[serde(rename = "about")]
    _about: String,
    kind: Kind,
    #[serde(default)]
    facts: Facts,
    policy: Box<RawValue>,
    /// Code and path of every finding, in the order of the text.
    findings: Vec<String>,
}

#[test]
fn samples_have_the_findings_that_their_author_should_see() {
    let mut wrong = String::new();
    for entry in fs::read_dir(folder().join("samples")).unwrap() {
        let path = entry.unwrap().path();
        let sample: Sample = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let findings: Vec<String> = validate(&text(&sample.policy), sample.kind, &sample.facts)
            .iter()
            .map(|finding| format!("{} {}", finding.code, finding.path))
            .collect();
        if findings != sample.findings {
            writeln!(wrong, "{}: {findings:#?}", path.display()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_policies_that_we_ship_are_sound() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");
    let kinds = [
        ("assume-role-trust-with-external-id", Kind::Trust),
        ("kms-sealing-key", Kind::Identity),
        ("s3-read", Kind::Identity),
        ("s3-read-write", Kind::Identity),
        ("s3-upload-only", Kind::Identity),
        ("secrets-manager-read", Kind::Identity),
        ("sqs-receive-events", Kind::Identity),
    ];
    for (name, kind) in kinds {
        let mut text = fs::read_to_string(format!("{folder}/{name}.json")).unwrap();
        for (placeholder, value) in [
            ("REGION", "eu-central-1"),
            ("ACCOUNT", "111122223333"),
            ("BUCKET", "docs"),
            ("PREFIX", "a/"),
            ("NAMESPACE", "app"),
        ] {
            text = text.replace(placeholder, value);
        }
        let grave: Vec<_> = validate(&text, kind, &Facts::default())
            .into_iter()
            .filter(|finding| finding.severity > Severity::Suggestion)
            .collect();
        assert!(grave.is_empty(), "{name}: {grave:#?}");
    }
}
