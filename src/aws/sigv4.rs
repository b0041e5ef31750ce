//! Signature Version 4 in headers, for the direct path.
//!
//! The same signatures as those of the `aws-sigv4` crate, which the tests compare, at a fraction of its cost: the
//! day's key is kept, and the canonical request is hashed as it is written instead of being put together first
//! (Signature Version 4 signing process, S3's rules: the path is signed as it is sent).

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwapOption;
use aws_credential_types::Credentials;
use hmac::digest::Key;
use hmac::{Hmac, KeyInit, Mac};
use http::header::{AUTHORIZATION, InvalidHeaderValue, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::clock::civil;
use crate::model::hex::write_hex;

const SERVICE: &str = "s3";
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
/// SHA-256 of nothing.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
const UNSIGNED_TRAILED: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
const CHUNKED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
/// What a signature of a chunk begins with.
const CHUNK_ALGORITHM: &str = "AWS4-HMAC-SHA256-PAYLOAD";
const SECONDS_OF_DAY: u64 = 86_400;

/// What of a body is signed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Signed<'a> {
    /// There is none.
    Empty,
    /// These bytes.
    Bytes(&'a [u8]),
    /// Nothing: the connection is TLS, or the body streams.
    Nothing,
    /// Nothing, and a checksum comes behind the body.
    NothingTrailed,
    /// Each chunk of it, when it is sent.
    Chunks,
}

/// What is signed of a request, besides its headers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    /// The method.
    pub(super) method: &'a Method,
    /// As it is sent.
    pub(super) path: &'a str,
    /// As it is sent: sorted, encoded, each name with a `=`.
    pub(super) query: &'a str,
    /// The body.
    pub(super) payload: Signed<'a>,
}

/// Signs for one region and service. The day's key is shared by all clones.
#[derive(Clone)]
pub(super) struct Signer {
    region: Arc<str>,
    service: &'static str,
    day: Arc<ArcSwapOption<DayKey>>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Signer").field("region", &self.region).finish_non_exhaustive()
    }
}

/// Signs the chunks of a body, each with the signature before it; the first one with that of the headers.
pub(super) struct ChunkSigner {
    key: Arc<DayKey>,
    date: [u8; 16],
    before: [u8; 64],
}

impl ChunkSigner {
    /// The signature of the next chunk, in hex. Its content comes as a hash.
    pub(super) fn sign(&mut self, content: &[u8; 32]) -> &str {
        let mut hex = [0; 64];
        let mut mac = keyed(&*self.key.key);
        mac.update(CHUNK_ALGORITHM.as_bytes());
        for part in [&self.date[..], self.key.scope.as_bytes(), &self.before, EMPTY.as_bytes()] {
            mac.update(b"\n");
            mac.update(part);
        }
        mac.update(b"\n");
        mac.update(hex_of(content, &mut hex).as_bytes());
        hex_of(&mac.finalize().into_bytes(), &mut self.before)
    }
}

/// What stays the same for a day and a key.
struct DayKey {
    id: String,
    secret: Zeroizing<String>,
    day: u64,
    key: Zeroizing<[u8; 32]>,
    /// `20150830/us-east-1/s3/aws4_request`
    scope: String,
}

impl Signer {
    /// For S3.
    pub(super) fn new(region: &str) -> Signer {
        Signer::of(SERVICE, region)
    }

    /// For another service.
    pub(super) fn of(service: &'static str, region: &str) -> Signer {
        Signer { region: region.into(), service, day: Arc::new(ArcSwapOption::empty()) }
    }

    /// Adds the headers that sign the request: every header that is there is signed, apart from `user-agent`. `host`
    /// must be among them. What comes back signs the chunks of a body that has some.
    pub(super) fn sign(
        &self,
        target: Target<'_>,
        headers: &mut HeaderMap,
        credentials: &Credentials,
        now: SystemTime,
    ) -> Result<ChunkSigner, InvalidHeaderValue> {
        let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let digits = date_time(seconds);
        let date = std::str::from_utf8(&digits).unwrap_or_default();
        let mut digest = [0; 64];
        let payload = match target.payload {
            Signed::Empty => EMPTY,
            Signed::Nothing => UNSIGNED,
            Signed::NothingTrailed => UNSIGNED_TRAILED,
            Signed::Chunks => CHUNKED,
            Signed::Bytes(bytes) => hex_of(&Sha256::digest(bytes), &mut digest),
        };
        headers.insert(CONTENT_SHA256, HeaderValue::from_str(payload)?);
        headers.insert(DATE, HeaderValue::from_str(date)?);
        if let Some(token) = credentials.session_token() {
            let mut value = HeaderValue::from_str(token)?;
            value.set_sensitive(true);
            headers.insert(SECURITY_TOKEN, value);
        }
        let (hash, names) = canonical(target, headers, payload);
        let key = self.key(credentials, seconds / SECONDS_OF_DAY, date);
        let mut hex = [0; 64];
        let signature = {
            let mut mac = keyed(&*key.key);
            for part in [ALGORITHM, "\n", date, "\n", &key.scope, "\n", hex_of(&hash, &mut hex)] {
                mac.update(part.as_bytes());
            }
            mac.finalize().into_bytes()
        };
        let signature = hex_of(&signature, &mut hex);
        let mut text = String::with_capacity(160 + key.id.len() + key.scope.len() + names.len());
        for part in [
            ALGORITHM,
            " Credential=",
            &key.id,
            "/",
            &key.scope,
            ", SignedHeaders=",
            &names,
            ", Signature=",
            signature,
        ] {
            text.push_str(part);
        }
        let mut value = HeaderValue::try_from(text)?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
        Ok(ChunkSigner { key, date: digits, before: hex })
    }

    /// The key of the day; made again when the day or the credentials are others.
    fn key(&self, credentials: &Credentials, day: u64, date: &str) -> Arc<DayKey> {
        if let Some(key) = &*self.day.load()
            && key.day == day
            && key.id == credentials.access_key_id()
            && *key.secret == credentials.secret_access_key()
        {
            return Arc::clone(key);
        }
        let date = date.split_once('T').map_or(date, |(date, _)| date);
        let key = signing_key(credentials, date, &self.region, self.service);
        let made = Arc::new(DayKey {
            id: credentials.access_key_id().to_owned(),
            secret: Zeroizing::new(credentials.secret_access_key().to_owned()),
            day,
            key,
            scope: format!("{date}/{}/{}/aws4_request", self.region, self.service),
        });
        self.day.store(Some(Arc::clone(&made)));
        made
    }
}

/// The hash of the canonical request, and the names of the signed headers.
fn canonical(target: Target<'_>, headers: &HeaderMap, payload: &str) -> ([u8; 32], String) {
    let mut sorted: Vec<(&str, &HeaderValue)> = Vec::with_capacity(headers.len());
    sorted.extend(
        headers
            .iter()
            .filter(|(name, _)| *name != USER_AGENT && *name != AUTHORIZATION)
            .map(|(name, value)| (name.as_str(), value)),
    );
    sorted.sort_unstable_by_key(|(name, _)| *name);
    let mut hash = Sha256::new();
    for part in [target.method.as_str(), "\n", target.path, "\n", target.query, "\n"] {
        hash.update(part.as_bytes());
    }
    let mut names = String::with_capacity(128);
    for (name, value) in sorted {
        hash.update(name.as_bytes());
        hash.update(b":");
        update_trimmed(&mut hash, value.as_bytes());
        hash.update(b"\n");
        if !names.is_empty() {
            names.push(';');
        }
        names.push_str(name);
    }
    for part in ["\n", &names, "\n", payload] {
        hash.update(part.as_bytes());
    }
    (hash.finalize().into(), names)
}

/// A value without blanks around it, and with one for several within it.
fn update_trimmed(hash: &mut Sha256, value: &[u8]) {
    let value = value.trim_ascii();
    if !value.windows(2).any(|pair| pair == b"  ") {
        return hash.update(value);
    }
    let mut blank = false;
    for byte in value {
        let another = *byte == b' ';
        if !(blank && another) {
            hash.update([*byte]);
        }
        blank = another;
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    // HMAC takes keys of any length: the other branch is never reached, and would make a signature that is refused
    Hmac::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&Key::<Hmac<Sha256>>::default()))
}

/// The key of a day, a region and a service.
pub(super) fn signing_key(
    credentials: &Credentials,
    date: &str,
    region: &str,
    service: &str,
) -> Zeroizing<[u8; 32]> {
    let secret = Zeroizing::new(format!("AWS4{}", credentials.secret_access_key()));
    let mut key = Zeroizing::new(mac(secret.as_bytes(), date.as_bytes()));
    for step in [region, service, "aws4_request"] {
        key = Zeroizing::new(mac(&*key, step.as_bytes()));
    }
    key
}

pub(super) fn mac(key: &[u8], data: &[u8]) -> [u8; 32] {
    let mut mac = keyed(key);
    mac.update(data);
    mac.finalize().into_bytes().into()
}

fn hex_of<'a>(bytes: &[u8], out: &'a mut [u8; 64]) -> &'a str {
    write_hex(bytes, out);
    std::str::from_utf8(out).unwrap_or_default()
}

/// `20150830T123600Z`
pub(super) fn date_time(seconds: u64) -> [u8; 16] {
    let (year, month, day) = civil(seconds / SECONDS_OF_DAY);
    let rest = seconds % SECONDS_OF_DAY;
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    let digit = |number: u64| b'0' + u8::try_from(number % 10).unwrap_or(0);
    [
        digit(year / 1000),
        digit(year / 100),
        digit(year / 10),
        digit(year),
        digit(month / 10),
        digit(month),
        digit(day / 10),
        digit(day),
        b'T',
        digit(hour / 10),
        digit(hour),
        digit(minute / 10),
        digit(minute),
        digit(second / 10),
        digit(second),
        b'Z',
    ]
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use aws_credential_types::Credentials;
    use aws_sigv4::http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
        UriPathNormalizationMode, sign,
    };
    use aws_sigv4::sign::v4;
    use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
    use proptest::prelude::{any, prop};
    use proptest::{prop_assert_eq, proptest};
    use sha2::{Digest, Sha256};

    use super::{Signed, Signer, Target, date_time};

    struct Case<'a> {
        method: &'a str,
        path: &'a str,
        query: &'a str,
        headers: Vec<(String, String)>,
        body: Option<&'a [u8]>,
        token: Option<&'a str>,
        seconds: u64,
    }

    fn ours(signer: &Signer, case: &Case<'_>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("s3.example.com:9000"));
        for (name, value) in &case.headers {
            headers.insert(HeaderName::try_from(name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let payload = match case.body {
            None => Signed::Nothing,
            Some(b"") => Signed::Empty,
            Some(bytes) => Signed::Bytes(bytes),
        };
        let target =
            Target { method: &case.method.parse().unwrap(), path: case.path, query: case.query, payload };
        let now = UNIX_EPOCH + Duration::from_secs(case.seconds);
        signer.sign(target, &mut headers, &credentials(case), now).unwrap();
        headers
    }

    fn credentials(case: &Case<'_>) -> Credentials {
        Credentials::new("AKIDEXAMPLE", "secret/key+", case.token.map(str::to_owned), None, "test")
    }

    fn theirs(case: &Case<'_>) -> HeaderMap {
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let identity = credentials(case).into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region("eu-central-1")
            .name("s3")
            .time(UNIX_EPOCH + Duration::from_secs(case.seconds))
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let mark = if case.query.is_empty() { "" } else { "?" };
        let url = format!("http://s3.example.com:9000{}{mark}{}", case.path, case.query);
        let body = case.body.map_or(SignableBody::UnsignedPayload, SignableBody::Bytes);
        let headers = case.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let signable = SignableRequest::new(case.method, &url, headers.clone(), body).unwrap();
        let (instructions, _) = sign(signable, &parameters).unwrap().into_parts();
        let mut request = Request::builder().method(case.method).uri(&url).body(()).unwrap();
        request.headers_mut().insert("host", HeaderValue::from_static("s3.example.com:9000"));
        for (name, value) in headers {
            request
                .headers_mut()
                .insert(HeaderName::try_from(name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        instructions.apply_to_request_http1x(&mut request);
        request.headers().clone()
    }

    fn check(case: &Case<'_>) {
        let signer = Signer::new("eu-central-1");
        for _ in 0..2 {
            assert_eq!(ours(&signer, case), theirs(case), "{} {}", case.method, case.path);
        }
    }

    fn case<'a>(method: &'a str, path: &'a str, query: &'a str, headers: &[(&str, &str)]) -> Case<'a> {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Case { method, path, query, headers, body: Some(b""), token: None, seconds: 1_440_938_160 }
    }

    #[test]
    fn a_signature_is_the_one_that_the_sdk_makes() {
        check(&case("GET", "/b/k", "", &[]));
        check(&case("GET", "/b/a%20b//../%C3%BC%2B", "versionId=a%2Fb", &[("range", "bytes=0-9")]));
        check(&case("GET", "/b/", "delimiter=%2F&list-type=2&max-keys=1000&prefix=a%20b", &[]));
        check(&case("HEAD", "/b/k", "", &[("user-agent", "not signed"), ("if-match", "\"a\"")]));
        check(&case("PUT", "/b/k", "", &[("x-amz-meta-a", "  two  blanks   in a row  ")]));
        check(&Case { body: None, ..case("PUT", "/b/k", "", &[("content-type", "text/plain")]) });
        check(&Case { body: Some(b"a body"), ..case("PUT", "/b/k", "", &[]) });
        check(&Case { token: Some("a/session+token=="), ..case("GET", "/b/k", "", &[]) });
    }

    #[test]
    fn a_kept_key_is_used_for_its_day_and_its_credentials_only() {
        let signer = Signer::new("eu-central-1");
        let day = 86_400;
        for seconds in [day - 1, day, day + 1, 2 * day, day - 1] {
            let case = Case { seconds, ..case("GET", "/b/k", "", &[]) };
            assert_eq!(ours(&signer, &case), theirs(&case), "{seconds}");
        }
        let sign = |id: &str, secret: &str| {
            let mut headers = HeaderMap::new();
            let target = Target { method: &Method::GET, path: "/", query: "", payload: Signed::Empty };
            let credentials = Credentials::new(id, secret, None, None, "test");
            signer.sign(target, &mut headers, &credentials, UNIX_EPOCH).unwrap();
            headers.remove("authorization").unwrap()
        };
        assert_ne!(sign("A", "1"), sign("A", "2"));
        assert_ne!(sign("A", "1"), sign("B", "1"));
        assert_eq!(sign("A", "1"), sign("A", "1"));
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (1_440_938_160, "20150830T123600Z"),
            (4_107_542_400, "21000301T000000Z"),
        ] {
            assert_eq!(std::str::from_utf8(&date_time(seconds)).unwrap(), expected);
        }
    }

    proptest! {
        #[test]
        fn any_request_is_signed_as_the_sdk_does_it(
            segments in prop::collection::vec("[a-zA-Z0-9._~-]{0,8}|%2F|%20|\\.\\.", 0..5),
            values in prop::collection::btree_map("x-amz-meta-[a-z]{1,8}", "[!-~]([ -~]{0,20}[!-~])?", 0..5),
            parameters in prop::collection::btree_map("[a-z-]{1,8}", "[a-zA-Z0-9._~-]{0,8}", 0..4),
            body in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
            token in prop::option::of("[A-Za-z0-9/+=]{1,40}"),
            seconds in 0_u64..4_000_000_000,
        ) {
            let query: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let case = Case {
                method: "PUT",
                path: &format!("/{}", segments.join("/")),
                query: &query.join("&"),
                headers: values.into_iter().collect(),
                body: body.as_deref(),
                token: token.as_deref(),
                seconds,
            };
            prop_assert_eq!(ours(&Signer::new("eu-central-1"), &case), theirs(&case));
        }
    }

    /// The example of the documentation (API reference, "Signature calculations for the authorization header:
    /// transferring payload in multiple chunks"): 65 KiB of `a` in chunks of 64 KiB.
    #[test]
    fn chunks_are_signed_as_in_the_example_of_the_documentation() {
        let credentials = Credentials::new(
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            None,
            None,
            "test",
        );
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "s3.amazonaws.com"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("content-encoding", "aws-chunked"),
            ("x-amz-decoded-content-length", "66560"),
            ("content-length", "66824"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let target = Target {
            method: &Method::PUT,
            path: "/examplebucket/chunkObject.txt",
            query: "",
            payload: Signed::Chunks,
        };
        let at = UNIX_EPOCH + Duration::from_hours(380_376);
        let signer = Signer::new("us-east-1");
        let mut chunks = signer.sign(target, &mut headers, &credentials, at).unwrap();
        let seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
        assert!(headers["authorization"].to_str().unwrap().ends_with(seed));
        for (length, signature) in [
            (65_536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
            (1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
            (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
        ] {
            assert_eq!(chunks.sign(&Sha256::digest(vec![b'a'; length]).into()), signature);
        }
    }
}
