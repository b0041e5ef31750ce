//! The customer's key of SSE-C: three headers, on every request that reads or writes what is encrypted with it.
//!
//! The store keeps neither the key nor a copy of it, so whoever reads must bring it again (S3 user guide, server-side
//! encryption with customer-provided keys). It is in these headers and nowhere else.

use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, HeaderName, HeaderValue};
use s3s::crypto::{Checksum as _, Md5};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::aws::s3::options::HeaderList;

const ALGORITHM: &str = "AES256";
/// Bytes of a key of AES-256.
const BYTES: usize = 32;
/// The names of the headers, and those of the source of a copy.
const OWN: [&str; 3] = [
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-server-side-encryption-customer-key",
    "x-amz-server-side-encryption-customer-key-md5",
];
const OF_A_SOURCE: [&str; 3] = [
    "x-amz-copy-source-server-side-encryption-customer-algorithm",
    "x-amz-copy-source-server-side-encryption-customer-key",
    "x-amz-copy-source-server-side-encryption-customer-key-md5",
];
/// The operations that take the headers, as the SDK calls them. The last two want them for uploads with checksums.
const OPERATIONS: [&str; 9] = [
    "GetObject",
    "HeadObject",
    "PutObject",
    "CopyObject",
    "CreateMultipartUpload",
    "UploadPart",
    "UploadPartCopy",
    "ListParts",
    "CompleteMultipartUpload",
];

/// A key of AES-256 that the store gets with every request and does not keep.
#[derive(Debug, Clone)]
pub struct CustomerKey {
    key: SecretString,
    md5: SecretString,
}

impl CustomerKey {
    /// From the base64 of 32 bytes; blanks around it come with values that were pasted. The error never holds the text.
    pub fn parse(text: &SecretString) -> Result<CustomerKey, String> {
        let text = text.expose_secret().trim();
        let wrong = |what: &str| format!("it is {what}, and a key of SSE-C is the base64 of {BYTES} bytes");
        let bytes = Zeroizing::new(BASE64.decode(text).map_err(|_| wrong("no base64"))?);
        if bytes.len() != BYTES {
            return Err(wrong(&format!("the base64 of {} bytes", bytes.len())));
        }
        Ok(CustomerKey { key: text.into(), md5: BASE64.encode(Md5::checksum(&bytes)).into() })
    }

    /// Stands for a key whose value is not known, in requests that are explained and not sent.
    pub fn made_up() -> CustomerKey {
        let bytes = [0; BYTES];
        CustomerKey {
            key: BASE64.encode(bytes).into(),
            md5: BASE64.encode(Md5::checksum(bytes.as_slice())).into(),
        }
    }

    /// Whether both are one key: what was written with one is read with the other.
    pub fn is(&self, other: &CustomerKey) -> bool {
        self.key.expose_secret() == other.key.expose_secret()
    }

    /// The headers of a request of the direct path.
    pub(in crate::aws) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(OWN.len());
        for (name, value) in OWN.into_iter().zip(self.values()) {
            // base64 and a word: always a value of a header
            if let Ok(mut value) = HeaderValue::from_str(value) {
                value.set_sensitive(true);
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        headers
    }

    /// The headers that open the source of a copy.
    pub(super) fn source_headers(&self) -> HeaderList {
        OF_A_SOURCE.into_iter().zip(self.values()).map(|(name, value)| (name.into(), value.into())).collect()
    }

    fn values(&self) -> [&str; 3] {
        [ALGORITHM, self.key.expose_secret(), self.md5.expose_secret()]
    }
}

#[dyn_dispatch_hint]
impl Intercept for CustomerKey {
    fn name(&self) -> &'static str {
        "CustomerKey"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = config.load::<Metadata>().map_or("", Metadata::name);
        if OPERATIONS.contains(&operation) {
            for (name, value) in OWN.into_iter().zip(self.values()) {
                context.request_mut().headers_mut().try_insert(name, value.to_owned())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::CustomerKey;

    fn parse(text: &str) -> Result<CustomerKey, String> {
        CustomerKey::parse(&SecretString::from(text))
    }

    /// The MD5 is that of `printf 0123456789abcdef0123456789abcdef | openssl md5 -binary | base64`.
    #[test]
    fn a_key_has_its_headers() {
        let key = parse(" MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n").unwrap();
        let expected = ["AES256", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "hRasmdxgYDKV3nvbahU1MA=="];
        assert_eq!(key.values(), expected);
        let source: Vec<String> = key.source_headers().into_iter().map(|(_, value)| value).collect();
        assert_eq!(source, expected);
        let own = key.headers();
        assert_eq!(own.len(), 3);
        assert!(own.values().all(http::HeaderValue::is_sensitive));
        assert!(!format!("{key:?} {own:?}").contains("MDEy"));
    }

    #[test]
    fn what_is_no_key_is_refused_without_its_value() {
        for (text, what) in [
            ("", "the base64 of 0 bytes"),
            ("c2VjcmV0", "the base64 of 6 bytes"),
            ("not-base64!", "no base64"),
            ("0123456789abcdef0123456789abcdef", "the base64 of 24 bytes"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(what), "{text}: {error}");
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
    }

    #[test]
    fn keys_are_compared_by_their_bytes() {
        let key = |byte: u8| parse(&base64::Engine::encode(&super::BASE64, [byte; 32])).unwrap();
        assert!(key(1).is(&key(1)) && !key(1).is(&key(2)));
        assert!(CustomerKey::made_up().is(&key(0)));
    }
}
