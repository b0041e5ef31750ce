//! What a use lacks: headers that an upload sends, headers that a page has to read, methods.

use std::collections::HashSet;

use super::super::finding::{Findings, Severity};
use super::super::matching::lists_header;
use super::super::pattern::Patterns;
use super::super::place::Spot;
use super::super::profile::Profile;
use super::super::repair::Repair;
use super::super::rule::{CorsRule, List};
use super::{Expectation, Subject};

/// Headers of an upload by an SDK that sends checksums.
const CHECKSUM_HEADERS: [&str; 2] = ["x-amz-checksum-crc32", "x-amz-sdk-checksum-algorithm"];
/// Headers of a request that is signed in a header (Signature Version 4).
const SIGNING_HEADERS: [&str; 3] = ["authorization", "x-amz-content-sha256", "x-amz-date"];

pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    for (index, rule) in subject.rules() {
        if rule.allows_method("PUT") {
            check_upload(subject, index, rule, findings);
        }
        if subject.expects(Expectation::SignedHeaders) {
            check_signing(subject.profile, index, rule, findings);
        }
        if subject.expects(Expectation::Credentials) && rule.is_for_every_origin() {
            let message = "the rule answers `*`, which a request with credentials does not take";
            let help = "name the origins: S3 then answers the origin, and allows credentials";
            let spot = Spot::List(index, List::AllowedOrigins);
            findings.advise((Severity::Error, "CORS_STAR_CREDENTIALS"), spot, message, help);
        }
    }
    if subject.expects(Expectation::Delete) {
        check_delete(subject, findings);
    }
    if subject.expects(Expectation::Head) {
        check_head(subject, findings);
    }
}

fn check_upload(subject: &Subject<'_>, index: usize, rule: &CorsRule, findings: &mut Findings<'_>) {
    let headers = Spot::List(index, List::AllowedHeaders);
    if rule.allowed_headers.is_empty() {
        let message =
            "the rule allows PUT and no header, so an upload with a Content-Type or with `x-amz-*` fails";
        let help = "list `content-type`, and the `x-amz-` headers that the upload sends";
        findings.advise((Severity::Warning, "CORS_WRITE_NO_HEADERS"), headers, message, help);
    }
    let is_multipart = subject.expects(Expectation::Multipart);
    let reads_etag = rule.exposes("ETag") || subject.profile.always_exposed.contains(&"ETag");
    if !reads_etag && (is_multipart || rule.allows_method("POST")) {
        let severity = if is_multipart { Severity::Warning } else { Severity::Suggestion };
        let message = "the page cannot read `ETag`, which it needs to complete an upload in parts".to_owned();
        let repair = Repair::Add { rule: index, list: List::ExposeHeaders, text: "ETag".to_owned() };
        let spot = Spot::List(index, List::ExposeHeaders);
        let help = "add `ETag` to ExposeHeaders";
        findings.offer((severity, "CORS_EXPOSE_ETAG"), spot, (message, help), Some(repair));
    }
    let missing = CHECKSUM_HEADERS.iter().find(|name| !lists_header(rule, subject.profile, name));
    if let (Some(name), true) = (missing, subject.expects(Expectation::Checksums)) {
        let message = format!("the rule does not allow `{name}`, which SDKs send with an upload");
        let pattern = if subject.profile.headers == Patterns::WholeOnly { "*" } else { "x-amz-*" };
        let repair = Repair::Add { rule: index, list: List::AllowedHeaders, text: pattern.to_owned() };
        let help = format!("add `{pattern}` to AllowedHeaders");
        findings.offer((Severity::Warning, "CORS_CHECKSUM_HEADERS"), headers, (message, &help), Some(repair));
    }
}

fn check_signing(profile: &Profile, index: usize, rule: &CorsRule, findings: &mut Findings<'_>) {
    let missing: Vec<&str> =
        SIGNING_HEADERS.into_iter().filter(|name| !lists_header(rule, profile, name)).collect();
    if missing.is_empty() {
        return;
    }
    let names = missing.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let message = format!("the rule does not allow {names}, which a request signed in a header carries");
    let help = "add `authorization` and `x-amz-*` to AllowedHeaders, or presign the URL";
    let spot = Spot::List(index, List::AllowedHeaders);
    findings.advise((Severity::Warning, "CORS_SIGNED_HEADERS"), spot, message, help);
}

fn check_delete(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    if subject.configuration.rules.iter().any(|rule| rule.allows_method("DELETE")) {
        return;
    }
    let only = (subject.configuration.rules.len() == 1).then(|| Repair::Add {
        rule: 0,
        list: List::AllowedMethods,
        text: "DELETE".to_owned(),
    });
    let message = "no rule allows DELETE".to_owned();
    let help = "add `DELETE` to the rule of the page that deletes";
    findings.offer((Severity::Warning, "CORS_METHOD_MISSING"), Spot::Document, (message, help), only);
}

/// SDKs ask for an object's metadata with HEAD, which GET does not include.
fn check_head(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let with_head = subject.configuration.rules.iter().filter(|rule| rule.allows_method("HEAD"));
    let origins: HashSet<&str> =
        with_head.flat_map(|rule| rule.allowed_origins.iter().map(String::as_str)).collect();
    let has_head = |origin: &String| origins.contains("*") || origins.contains(origin.as_str());
    for (index, rule) in subject.rules() {
        if rule.allows_method("GET") && !rule.allowed_origins.iter().all(has_head) {
            let message = "the rule allows GET and not HEAD, which SDKs use to ask for metadata".to_owned();
            let repair = Repair::Add { rule: index, list: List::AllowedMethods, text: "HEAD".to_owned() };
            let spot = Spot::List(index, List::AllowedMethods);
            let finding = (Severity::Warning, "CORS_METHOD_MISSING");
            findings.offer(finding, spot, (message, "add `HEAD`"), Some(repair));
        }
    }
}
