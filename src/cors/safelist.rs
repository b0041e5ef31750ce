//! What the Fetch standard lets a page do without asking first: methods, headers and their values.
//!
//! Source: <https://fetch.spec.whatwg.org/>, sections 2.2.1 to 2.2.2 and 2.2.5.

/// Bytes of a value that may go without a preflight.
const MAX_VALUE_BYTES: usize = 128;
/// Bytes of all such values together.
const MAX_VALUES_BYTES: usize = 1024;

/// Media types that an HTML form could send as well.
const FORM_TYPES: [&str; 3] = ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];

/// Headers of an answer that a page may always read.
pub const READABLE_HEADERS: [&str; 7] = [
    "cache-control",
    "content-language",
    "content-length",
    "content-type",
    "expires",
    "last-modified",
    "pragma",
];

/// Headers that a page cannot set: the browser drops them in silence.
const FORBIDDEN: [&str; 21] = [
    "accept-charset",
    "accept-encoding",
    "access-control-request-headers",
    "access-control-request-method",
    "connection",
    "content-length",
    "cookie",
    "cookie2",
    "date",
    "dnt",
    "expect",
    "host",
    "keep-alive",
    "origin",
    "referer",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// Whether a method may go without a preflight.
pub(super) fn is_simple_method(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "POST")
}

/// Whether a browser refuses to send the method at all.
pub(super) fn is_forbidden_method(method: &str) -> bool {
    ["CONNECT", "TRACE", "TRACK"].iter().any(|forbidden| forbidden.eq_ignore_ascii_case(method))
}

/// The method as the browser sends it: the case of six is put right, that of others stays.
pub(super) fn normal_method(method: &str) -> &str {
    let known = ["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"];
    known.into_iter().find(|known| known.eq_ignore_ascii_case(method)).unwrap_or(method)
}

/// Whether the browser drops the header instead of sending it.
pub(super) fn is_forbidden_header(name: &str, value: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let overrides = ["x-http-method", "x-http-method-override", "x-method-override"];
    FORBIDDEN.contains(&name.as_str())
        || name.starts_with("proxy-")
        || name.starts_with("sec-")
        || overrides.contains(&name.as_str()) && value.split(',').any(|word| is_forbidden_method(word.trim()))
}

/// Whether it can be the name of a header.
pub(super) fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(is_token)
}

/// Whether it can be the value of a header.
pub(super) fn is_header_value(value: &str) -> bool {
    !value.contains(['\r', '\n', '\0'])
}

/// The names that a preflight has to ask for: lower case, sorted, each once.
pub(super) fn unsafe_names<'h>(headers: impl Iterator<Item = (&'h str, &'h str)>) -> Vec<String> {
    let mut unsafe_names = Vec::new();
    let mut maybe = Vec::new();
    let mut bytes: usize = 0;
    for (name, value) in headers {
        let name = name.to_ascii_lowercase();
        if is_simple_header(&name, value) {
            bytes = bytes.saturating_add(value.len());
            maybe.push(name);
        } else {
            unsafe_names.push(name);
        }
    }
    if bytes > MAX_VALUES_BYTES {
        unsafe_names.append(&mut maybe);
    }
    unsafe_names.sort();
    unsafe_names.dedup();
    unsafe_names
}

/// Whether the header, its name in lower case, may go without a preflight.
fn is_simple_header(name: &str, value: &str) -> bool {
    if value.len() > MAX_VALUE_BYTES {
        return false;
    }
    match name {
        "accept" => !value.bytes().any(is_unsafe),
        "accept-language" | "content-language" => value.bytes().all(is_of_language),
        "content-type" => !value.bytes().any(is_unsafe) && is_form_type(value),
        "range" => is_simple_range(value),
        _ => false,
    }
}

fn is_unsafe(byte: u8) -> bool {
    byte < 0x20 && byte != b'\t' || byte == 0x7f || b"\"():<>?@[\\]{}".contains(&byte)
}

fn is_of_language(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" *,-.;=".contains(&byte)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether the media type, without its parameters, is one of those that forms send.
fn is_form_type(value: &str) -> bool {
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    FORM_TYPES.contains(&essence.as_str())
}

/// Whether it is one range with a first byte: `bytes=0-99` or `bytes=100-`.
fn is_simple_range(value: &str) -> bool {
    let Some((first, last)) = value.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return false;
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(first) {
        return false;
    }
    if last.is_empty() {
        return true;
    }
    let (first, last) = (first.trim_start_matches('0'), last_digits(last));
    last.is_some_and(|last| (first.len(), first) <= (last.len(), last))
}

/// The digits without zeros in front; numbers are compared as text, since they may be of any length.
fn last_digits(text: &str) -> Option<&str> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.trim_start_matches('0'))
}
