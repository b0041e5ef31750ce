//! What the store refuses (API reference, `PutBucketCors` and `CORSRule`).

use super::super::finding::{Findings, Severity, shown};
use super::super::place::Spot;
use super::super::profile::{MethodNames, Profile};
use super::super::rule::{CorsRule, List, MAX_ID_CHARACTERS, MAX_RULES, MAX_XML_BYTES, METHODS};
use super::{Subject, Value};

const ERROR: Severity = Severity::Error;

pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let count = subject.configuration.rules.len();
    if count == 0 || count > MAX_RULES {
        let text = format!("there are {count} rules, and a bucket takes 1 to {MAX_RULES}");
        let help = "to have none, delete the configuration";
        findings.advise((ERROR, "CORS_RULE_COUNT"), Spot::Document, text, help);
    }
    let bytes = subject.configuration.xml_bytes();
    if bytes > MAX_XML_BYTES {
        let text = format!("as XML the configuration has {bytes} bytes, and S3 takes {MAX_XML_BYTES}");
        let help = "use patterns such as `https://*.example.com` in place of many origins";
        findings.advise((ERROR, "CORS_TOO_LARGE"), Spot::Document, text, help);
    }
    for (index, rule) in subject.rules() {
        check_rule(index, rule, findings);
    }
    for value in subject.values(List::AllowedMethods) {
        check_method(value, subject.profile, findings);
    }
    for list in [List::AllowedOrigins, List::AllowedHeaders] {
        for value in subject.values(list).filter(|value| value.text.matches('*').count() > 1) {
            let text = format!("`{}` holds more than one `*`", shown(value.text));
            let help = "split it into several values with one `*` each";
            findings.advise((ERROR, "CORS_WILDCARDS"), value.spot(), text, help);
        }
    }
    for value in subject.values(List::ExposeHeaders).filter(|value| value.text.contains('*')) {
        let text = format!("`{}` holds a `*`, which headers to expose do not take", shown(value.text));
        findings.advise((ERROR, "CORS_WILDCARDS"), value.spot(), text, "name the headers one by one");
    }
}

fn check_rule(index: usize, rule: &CorsRule, findings: &mut Findings<'_>) {
    if rule.id.as_ref().is_some_and(|id| id.chars().count() > MAX_ID_CHARACTERS) {
        let text = format!("the id has more than {MAX_ID_CHARACTERS} characters");
        findings.advise((ERROR, "CORS_ID_TOO_LONG"), Spot::Id(index), text, "shorten it, or leave it out");
    }
    if rule.allowed_origins.is_empty() {
        let text = "the rule names no origin";
        let help = "name one, such as `https://app.example.com`";
        findings.advise((ERROR, "CORS_NO_ORIGIN"), Spot::List(index, List::AllowedOrigins), text, help);
    }
    if rule.allowed_methods.is_empty() {
        let help = format!("name some of {}", METHODS.join(", "));
        let spot = Spot::List(index, List::AllowedMethods);
        findings.advise((ERROR, "CORS_NO_METHOD"), spot, "the rule names no method", help);
    }
    if rule.max_age_seconds.is_some_and(|seconds| seconds < 0) {
        let help = "write 0 or more seconds, such as 3600";
        findings.advise((ERROR, "CORS_MAX_AGE"), Spot::MaxAge(index), "the seconds are less than 0", help);
    }
}

fn check_method(value: Value<'_>, profile: &Profile, findings: &mut Findings<'_>) {
    let takes_star = profile.methods == MethodNames::ExactOrStar && value.text == "*";
    if takes_star || METHODS.contains(&value.text) {
        return;
    }
    let meant = value.text.trim().to_ascii_uppercase();
    let repair = match meant.as_str() {
        "*" => Some(METHODS.map(str::to_owned).to_vec()),
        // every preflight is answered, whether OPTIONS is listed or not
        "OPTIONS" if value.siblings > 1 => Some(Vec::new()),
        meant if METHODS.contains(&meant) => Some(vec![meant.to_owned()]),
        _ => None,
    };
    let help = match meant.as_str() {
        "OPTIONS" => "leave it out: S3 answers preflights without it",
        "PATCH" => "leave it out: S3 has no operation with this method",
        _ => "use some of GET, PUT, POST, DELETE, HEAD, in capitals",
    };
    let text = format!("`{}` is no method that a rule takes", shown(value.text));
    let repair = repair.map(|with| value.replaced(with));
    findings.offer((ERROR, "CORS_UNKNOWN_METHOD"), value.spot(), (text, help), repair);
}
