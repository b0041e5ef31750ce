//! Origins that no browser sends, and patterns that let in more than was meant.
//!
//! S3 compares an origin as text. A browser sends scheme, host and port in lower case, without the default port and
//! without a path (RFC 6454, section 6.2), so anything else in a rule never matches.

use url::{Host, Url};

use super::super::finding::{Findings, Severity, shown};
use super::super::rule::List;
use super::{Subject, Value};

const ERROR: Severity = Severity::Error;
const SECURITY: Severity = Severity::SecurityWarning;

const SHAPE: &str = "an origin is a scheme, a host and maybe a port, as in `https://app.example.com`";

pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    for value in subject.values(List::AllowedOrigins) {
        // several stars are refused anyway
        if value.text != "*" && value.text.matches('*').count() <= 1 {
            check_origin(value, findings);
        }
    }
}

fn check_origin(value: Value<'_>, findings: &mut Findings<'_>) {
    let text = value.text;
    if text.trim().is_empty() {
        let repair = (value.siblings > 1).then(|| value.replaced(Vec::new()));
        let message = "an empty origin is taken by the store and matches nothing".to_owned();
        return findings.offer(
            (Severity::Warning, "CORS_ORIGIN_EMPTY"),
            value.spot(),
            (message, SHAPE),
            repair,
        );
    }
    if text == "null" {
        let message =
            "`null` lets in every page in a sandboxed frame and every local file, of whoever made it";
        let help = "take it out, and give the page an origin: `allow-same-origin` on its frame";
        return findings.advise((SECURITY, "CORS_ORIGIN_NULL"), value.spot(), message, help);
    }
    if text.contains(',') {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned);
        let message = format!("`{}` are several origins in one text", shown(text));
        let repair = Some(value.replaced(parts.collect()));
        let help = "write every origin as a value of its own";
        return findings.offer((ERROR, "CORS_ORIGIN_JOINED"), value.spot(), (message, help), repair);
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '`' | '\\')) {
        return check_characters(value, findings);
    }
    if check_scheme(value, findings) {
        check_shape(value, findings);
        check_http(value, findings);
        check_breadth(value, findings);
    }
}

fn check_characters(value: Value<'_>, findings: &mut Findings<'_>) {
    let parts = value.text.split(char::is_whitespace).map(|part| {
        part.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '\'' | '`' | '\\')).collect::<String>()
    });
    let parts: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
    let message =
        format!("`{}` holds blanks, quotes or line breaks, which no browser sends", shown(value.text));
    let repair = (!parts.is_empty()).then(|| value.replaced(parts));
    findings.offer((ERROR, "CORS_ORIGIN_CHARACTERS"), value.spot(), (message, SHAPE), repair);
}

/// Looks for a scheme; false when nothing more is to be said.
fn check_scheme(value: Value<'_>, findings: &mut Findings<'_>) -> bool {
    let text = value.text;
    if text.split_once('*').map_or(text, |(start, _)| start).contains("://") {
        return true;
    }
    let Some((start, end)) = text.split_once('*') else {
        let message = format!("`{}` has no scheme, so no browser sends it", shown(text));
        let scheme = if is_loopback(text) { "http" } else { "https" };
        let repair = value.replaced(vec![format!("{scheme}://{text}")]);
        findings.offer((ERROR, "CORS_ORIGIN_SCHEME"), value.spot(), (message, SHAPE), Some(repair));
        return false;
    };
    if !"https://".starts_with(start) && !"http://".starts_with(start) {
        let message = format!("no origin begins with `{}`, so no browser sends one that fits", shown(start));
        findings.advise((ERROR, "CORS_ORIGIN_SCHEME"), value.spot(), message, SHAPE);
        return false;
    }
    let host = end.split_once("://").map_or(end, |(_, host)| host);
    if host == end && !end.starts_with('.') {
        let message =
            format!("`{}` lets in every host whose name ends so, such as `evil{}`", shown(text), shown(end));
        let help = "write the scheme, and a dot after the `*`";
        findings.advise((SECURITY, "CORS_ORIGIN_OPEN_PREFIX"), value.spot(), message, help);
        return false;
    }
    let message =
        format!("`{}` also lets in pages over http, which others can change on their way", shown(text));
    let narrowed = if host == end { format!("https://*{end}") } else { format!("https://{host}") };
    let repair = Some(value.replaced(vec![narrowed]));
    findings.offer(
        (SECURITY, "CORS_ORIGIN_ANY_SCHEME"),
        value.spot(),
        (message, "begin with `https://`"),
        repair,
    );
    false
}

/// Looks for what makes an origin one that is never sent: a path, capitals, a default port, other letters.
fn check_shape(value: Value<'_>, findings: &mut Findings<'_>) {
    let text = value.text;
    let Some((scheme, rest)) = text.split_once("://") else { return };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let lower = authority.to_lowercase();
    let default_port = match scheme.to_ascii_lowercase().as_str() {
        "https" => ":443",
        "http" => ":80",
        _ => "\0",
    };
    let host = lower.strip_suffix(default_port).unwrap_or(&lower);
    let host = if host.is_ascii() { host.to_owned() } else { to_ascii(host) };
    let right = format!("{}://{host}", scheme.to_ascii_lowercase());
    let repair = (!host.is_empty()).then(|| value.replaced(vec![right.clone()]));
    let help = if host.is_empty() { SHAPE.to_owned() } else { format!("write `{}`", shown(&right)) };
    let shape = |message: String| (message, help.as_str());
    if !path.is_empty() {
        let what = if path == "/" {
            "ends with a slash".to_owned()
        } else {
            format!("has the path `{}`", shown(path))
        };
        let message = format!("`{}` {what}, and an origin has none, so it never matches", shown(text));
        findings.offer((ERROR, "CORS_ORIGIN_PATH"), value.spot(), shape(message), repair.clone());
    }
    if scheme.chars().chain(authority.chars()).any(char::is_uppercase) {
        let message = format!("`{}` has capitals, and browsers send origins in lower case", shown(text));
        findings.offer((ERROR, "CORS_ORIGIN_CASE"), value.spot(), shape(message), repair.clone());
    }
    if lower.ends_with(default_port) {
        let message = format!("`{}` names the default port, which browsers leave out", shown(text));
        findings.offer((ERROR, "CORS_ORIGIN_DEFAULT_PORT"), value.spot(), shape(message), repair.clone());
    }
    if !authority.is_ascii() {
        let message = format!("`{}` has letters that browsers send in another form", shown(text));
        findings.offer((ERROR, "CORS_ORIGIN_LETTERS"), value.spot(), shape(message), repair);
    }
}

/// The host in the form that browsers send, or nothing when there is none.
fn to_ascii(host: &str) -> String {
    let url = Url::parse(&format!("https://{host}"));
    let origin = url.map(|url| url.origin().ascii_serialization()).unwrap_or_default();
    origin.strip_prefix("https://").unwrap_or_default().to_owned()
}

fn check_http(value: Value<'_>, findings: &mut Findings<'_>) {
    let Some(rest) = value.text.strip_prefix("http://") else { return };
    if is_loopback(rest) {
        return;
    }
    let message = format!("`{}` lets in a page that others can change on its way", shown(value.text));
    let help = "serve the page over https, and allow that origin";
    findings.advise((SECURITY, "CORS_ORIGIN_HTTP"), value.spot(), message, help);
}

/// Whether the host, maybe with a port, is one of this machine.
fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(inside) => inside.split(']').next().unwrap_or_default(),
        None => authority.split([':', '/']).next().unwrap_or_default(),
    };
    match Host::parse(host).or_else(|_| Host::parse(&format!("[{host}]"))) {
        Ok(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Ok(Host::Ipv4(address)) => address.is_loopback(),
        Ok(Host::Ipv6(address)) => address.is_loopback(),
        Err(_) => false,
    }
}

/// Looks at the `*` in a host: whoever can register a name that fits is let in.
fn check_breadth(value: Value<'_>, findings: &mut Findings<'_>) {
    let Some((start, end)) = value.text.split_once('*') else { return };
    let Some((scheme, before)) = start.split_once("://") else { return };
    let host_end = end.split([':', '/']).next().unwrap_or_default();
    // a port, or a path that never matches anyway
    if before.contains([':', '/']) {
        return;
    }
    if host_end.is_empty() && before.is_empty() {
        let message = format!("`{}` lets in every site", shown(value.text));
        let help = "name the hosts, such as `https://*.example.com`";
        return findings.advise((SECURITY, "CORS_ORIGIN_ANY_HOST"), value.spot(), message, help);
    }
    if host_end.is_empty() {
        let message = format!(
            "`{}` also lets in hosts of others, such as `{}.evil.example`",
            shown(value.text),
            shown(start)
        );
        let repair = Some(value.replaced(vec![format!("{start}{end}")]));
        let help = "take the `*` away from the end of the host; one for the port goes after a colon";
        return findings.offer((SECURITY, "CORS_ORIGIN_OPEN_SUFFIX"), value.spot(), (message, help), repair);
    }
    if let Some(domain) = host_end.strip_prefix('.') {
        if !domain.contains('.') && domain != "localhost" {
            let message = format!("`{}` lets in every site under `.{}`", shown(value.text), shown(domain));
            let help = "name your own domain, such as `https://*.example.com`";
            findings.advise((SECURITY, "CORS_ORIGIN_TOP_LEVEL"), value.spot(), message, help);
        }
        return;
    }
    if is_registrable(host_end) {
        let message =
            format!("`{}` also lets in hosts of others, such as `evil{}`", shown(value.text), shown(end));
        let both = || vec![format!("{scheme}://{end}"), format!("{scheme}://*.{end}")];
        let repair = before.is_empty().then(|| value.replaced(both()));
        let help = "write a dot after the `*`; the domain itself is a value of its own";
        findings.offer((SECURITY, "CORS_ORIGIN_OPEN_PREFIX"), value.spot(), (message, help), repair);
    }
}

/// Whether what stands after the `*` can be the end of a domain that anybody registers, so far as can be told without
/// the list of public suffixes: two labels, or three with a short one in the middle as in `example.co.uk`.
fn is_registrable(end: &str) -> bool {
    let labels: Vec<&str> = end.split('.').collect();
    match labels.as_slice() {
        [_, middle, _] => middle.len() <= 3,
        labels => labels.len() <= 2,
    }
}
