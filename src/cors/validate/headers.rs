//! Header names that can have no effect, values that stand twice, and how long a preflight is kept.

use std::collections::HashSet;

use super::super::finding::{Findings, Severity, shown};
use super::super::place::Spot;
use super::super::profile::AllowHeaders;
use super::super::repair::Repair;
use super::super::rule::{CorsRule, List};
use super::super::safelist;
use super::Subject;

/// The most that a browser keeps a preflight, in seconds; Firefox does.
const MAX_AGE: i32 = 86_400;
/// What is kept long enough to matter, and short enough that a mistake goes away.
const GOOD_AGE: i32 = 3_600;

pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    for list in [List::AllowedHeaders, List::ExposeHeaders] {
        for value in subject.values(list).filter(|value| !is_name(value.text)) {
            let text = format!("`{}` is no name of a header, so it never matches", shown(value.text));
            let help = "write one name a value, such as `content-type`";
            let trimmed = value.text.trim();
            let repair = is_name(trimmed).then(|| value.replaced(vec![trimmed.to_owned()]));
            findings.offer((Severity::Warning, "CORS_HEADER_NAME"), value.spot(), (text, help), repair);
        }
    }
    for value in
        subject.values(List::AllowedHeaders).filter(|value| safelist::is_forbidden_header(value.text, ""))
    {
        let text = format!("`{}` is set by the browser itself, which never asks for it", shown(value.text));
        let repair = Some(value.replaced(Vec::new()));
        let finding = (Severity::Suggestion, "CORS_HEADER_FORBIDDEN");
        findings.offer(finding, value.spot(), (text, "take it out"), repair);
    }
    for list in List::ALL {
        duplicates(subject, list, findings);
    }
    for (index, rule) in subject.rules() {
        if subject.profile.allow_headers == AllowHeaders::Requested {
            star_with_others(index, rule, findings);
        }
        max_age(index, rule, findings);
    }
}

fn is_name(text: &str) -> bool {
    // `*` is a character that names may hold
    safelist::is_header_name(text)
}

fn duplicates(subject: &Subject<'_>, list: List, findings: &mut Findings<'_>) {
    let is_header = matches!(list, List::AllowedHeaders | List::ExposeHeaders);
    let mut seen: HashSet<(usize, String)> = HashSet::new();
    for value in subject.values(list) {
        let text = if is_header { value.text.to_ascii_lowercase() } else { value.text.to_owned() };
        if !seen.insert((value.rule, text)) {
            let message = format!("`{}` stands in the list twice", shown(value.text));
            let repair = Some(value.replaced(Vec::new()));
            let finding = (Severity::Suggestion, "CORS_DUPLICATE_VALUE");
            findings.offer(finding, value.spot(), (message, "take one away"), repair);
        }
    }
}

/// `*` among the headers takes in all others; `*` among the origins even decides the answer for them.
fn star_with_others(index: usize, rule: &CorsRule, findings: &mut Findings<'_>) {
    let keep = |list| Some(Repair::KeepOnly { rule: index, list, text: "*".to_owned() });
    let has_others = |values: &[String]| {
        values.iter().any(|value| value == "*") && values.iter().any(|value| value != "*")
    };
    if has_others(&rule.allowed_origins) {
        let message = "next to `*` other origins have no effect: all are answered `*`, without credentials";
        let help = "take the others away, or give them an earlier rule of their own";
        let spot = Spot::List(index, List::AllowedOrigins);
        let finding = (Severity::Warning, "CORS_STAR_WITH_OTHERS");
        findings.offer(finding, spot, (message.to_owned(), help), keep(List::AllowedOrigins));
    }
    if has_others(&rule.allowed_headers) {
        let message = "next to `*` other headers have no effect";
        let spot = Spot::List(index, List::AllowedHeaders);
        let finding = (Severity::Suggestion, "CORS_STAR_WITH_OTHERS");
        let help = "take the others away, or the `*`";
        findings.offer(finding, spot, (message.to_owned(), help), keep(List::AllowedHeaders));
    }
}

fn max_age(index: usize, rule: &CorsRule, findings: &mut Findings<'_>) {
    let spot = Spot::MaxAge(index);
    match rule.max_age_seconds {
        Some(0) => {
            let message = "a preflight is never kept, so every request is asked for again".to_owned();
            let repair = Some(Repair::SetMaxAge { rule: index, seconds: GOOD_AGE });
            let finding = (Severity::Suggestion, "CORS_MAX_AGE_ZERO");
            findings.offer(finding, spot, (message, "3000 to 7200 seconds are usual"), repair);
        }
        Some(seconds) if seconds > MAX_AGE => {
            let message = format!("{seconds} seconds are more than any browser keeps a preflight");
            let repair = Some(Repair::SetMaxAge { rule: index, seconds: MAX_AGE });
            let help = "Chromium keeps one for 7200 seconds at most, Firefox for 86400";
            findings.offer((Severity::Warning, "CORS_MAX_AGE_LONG"), spot, (message, help), repair);
        }
        _ => {}
    }
}
