//! The requests that a use makes.

use super::super::evaluate::origin_of;
use super::super::finding::shown;
use super::super::page::{Header, PageRequest};
use super::super::safelist;
use super::{Operation, RecommendError, Signing, Use};

/// What an SDK for browsers sends with a request that it signs in headers; its credentials are temporary.
const SIGNING: [&str; 7] = [
    "amz-sdk-invocation-id",
    "amz-sdk-request",
    "authorization",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-user-agent",
];
/// What it sends with an upload to have it checked.
const CHECKSUM_OF_UPLOAD: [&str; 2] = ["x-amz-checksum-crc32", "x-amz-sdk-checksum-algorithm"];
/// What it sends with a download to have the checksum in the answer.
const CHECKSUM_MODE: &str = "x-amz-checksum-mode";
/// The checksums that it reads: its own default, and that of S3.
const CHECKSUMS_READ: [&str; 2] = ["x-amz-checksum-crc32", "x-amz-checksum-crc64nvme"];
/// What stands for the `*` of a pattern in a request that is tried out; no name of anything else.
const ANY: &str = "any-origin";

/// What one operation sends: a request without its origin, and the headers of it that are patterns.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) method: &'static str,
    pub(super) headers: Vec<Header>,
    pub(super) body_content_type: Option<&'static str>,
    pub(super) read: Vec<String>,
}

/// Whether the texts of a use can be what they are meant to be.
pub(super) fn check(stated: &Use) -> Result<(), RecommendError> {
    for origin in &stated.origins {
        let example = example_of(origin);
        let is_whole = matches!(origin.as_str(), "*" | "null");
        // schemes of apps have no origin for the URL standard, but browsers send them
        let is_of_app = origin.split_once("://").is_some_and(|(scheme, host)| {
            !matches!(scheme, "http" | "https")
                && !origin.contains(char::is_uppercase)
                && safelist::is_header_name(scheme)
                && safelist::is_header_name(host)
        });
        let is_sent = is_whole || is_of_app || origin_of(&example).is_some_and(|sent| sent == example);
        if !is_sent || origin.matches('*').count() > 1 {
            return Err(RecommendError::Origin { origin: shown(origin) });
        }
    }
    for header in stated.request_headers.iter().chain(&stated.read_headers) {
        if !safelist::is_header_name(header) || header.matches('*').count() > 1 {
            return Err(RecommendError::Header { header: shown(header) });
        }
    }
    match stated.read_headers.iter().find(|header| header.contains('*')) {
        Some(header) => Err(RecommendError::Header { header: shown(header) }),
        None => Ok(()),
    }
}

/// An origin that fits the pattern.
pub(super) fn example_of(origin: &str) -> String {
    match origin.split_once('*') {
        None => origin.to_owned(),
        Some(("", "")) => format!("https://{ANY}.example"),
        // after a colon stands a port
        Some((start, end)) if start.ends_with(':') => format!("{start}8443{end}"),
        Some((start, "")) => format!("{start}{ANY}"),
        Some((start, end)) => format!("{start}{ANY}{end}"),
    }
}

/// A header that fits the pattern, with a value that decides nothing by itself.
pub(super) fn example_header(pattern: &str) -> Header {
    let name = pattern.replace('*', ANY).to_ascii_lowercase();
    let value = match name.as_str() {
        "content-type" => "application/octet-stream",
        "range" => "bytes=-100",
        _ => "1",
    };
    Header::new(&name, value)
}

/// Every request of every use, for each of its origins.
pub(super) fn requests(uses: &[Use]) -> Vec<PageRequest> {
    let mut requests = Vec::new();
    for one in uses {
        for origin in &one.origins {
            for step in steps(one) {
                let request = page_request(one, origin, &step);
                if !requests.contains(&request) {
                    requests.push(request);
                }
            }
        }
    }
    requests
}

fn page_request(one: &Use, origin: &str, step: &Step) -> PageRequest {
    PageRequest {
        origin: Some(example_of(origin)),
        method: step.method.to_owned(),
        headers: step.headers.clone(),
        credentials: one.credentials,
        body_content_type: step.body_content_type.map(str::to_owned),
        read: step.read.clone(),
        ..PageRequest::default()
    }
}

/// What a use sends, operation by operation.
pub(super) fn steps(one: &Use) -> Vec<Step> {
    let mut operations = one.operations.clone();
    operations.sort();
    operations.dedup();
    let mut steps: Vec<Step> =
        operations.into_iter().flat_map(|operation| of_operation(one, operation)).collect();
    for step in &mut steps {
        if one.signing == Signing::Headers {
            step.headers.extend(SIGNING.iter().map(|name| Header::new(name, "1")));
        }
        step.headers.extend(one.request_headers.iter().map(|pattern| example_header(pattern)));
        step.headers.sort();
        step.headers.dedup_by(|later, first| later.name == first.name);
        step.read.extend(one.read_headers.iter().map(|name| name.to_ascii_lowercase()));
        step.read.sort();
        step.read.dedup();
    }
    steps
}

fn of_operation(one: &Use, operation: Operation) -> Vec<Step> {
    let step = |method| Step { method, headers: Vec::new(), body_content_type: None, read: Vec::new() };
    let etag = || vec!["etag".to_owned()];
    match operation {
        Operation::List => vec![step("GET")],
        Operation::Get => vec![with_checksum_read(one, step("GET"))],
        Operation::GetRange => {
            let read = vec!["accept-ranges".to_owned(), "content-range".to_owned()];
            // a range from the end is asked for first, one with a first byte is not
            let ranges = ["bytes=0-99", "bytes=-100"];
            let of_range = |value| Step {
                headers: vec![Header::new("range", value)],
                read: read.clone(),
                ..step("GET")
            };
            ranges.into_iter().map(of_range).collect()
        }
        Operation::Head => vec![with_checksum_read(one, step("HEAD"))],
        Operation::Put => {
            vec![with_checksum_sent(one, Step { headers: vec![of_type("image/png")], ..step("PUT") })]
        }
        Operation::PutParts => {
            let part =
                Step { headers: vec![of_type("application/octet-stream")], read: etag(), ..step("PUT") };
            vec![with_checksum_sent(one, part)]
        }
        Operation::Multipart => {
            let part =
                Step { headers: vec![of_type("application/octet-stream")], read: etag(), ..step("PUT") };
            let begin = Step { headers: vec![of_type("image/png")], ..step("POST") };
            let complete = Step { headers: vec![of_type("application/xml")], ..step("POST") };
            vec![with_checksum_sent(one, begin), with_checksum_sent(one, part), complete, step("DELETE")]
        }
        Operation::FormPost => vec![Step { body_content_type: Some("multipart/form-data"), ..step("POST") }],
        Operation::Delete => vec![step("DELETE")],
    }
}

fn of_type(value: &str) -> Header {
    Header::new("content-type", value)
}

fn with_checksum_sent(one: &Use, mut step: Step) -> Step {
    if one.checksums {
        step.headers.extend(CHECKSUM_OF_UPLOAD.iter().map(|name| Header::new(name, "1")));
    }
    step
}

fn with_checksum_read(one: &Use, mut step: Step) -> Step {
    if one.checksums {
        step.headers.push(Header::new(CHECKSUM_MODE, "ENABLED"));
        step.read.extend(CHECKSUMS_READ.map(str::to_owned));
    }
    step
}
