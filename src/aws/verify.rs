//! Checksums that a store sends with an object: the body is checked against them on its way through.
//!
//! A body that differs must not end as if it were whole: its last bytes are held back and an error takes their place,
//! so that whoever reads sees a body that broke off (S3 user guide, checking object integrity).

use http::HeaderMap;
use http::header::TRAILER;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};

const PREFIX: &str = "x-amz-checksum-";

/// The body is not what the store said that it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the body does not have the checksum `{name}: {expected}` that the store sent with it")]
pub struct Mismatch {
    name: &'static str,
    expected: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Crc64Nvme,
    Crc32c,
    Crc32,
    Sha256,
    Sha1,
}

/// The cheapest first: one is enough.
const ALL: [Algorithm; 5] =
    [Algorithm::Crc64Nvme, Algorithm::Crc32c, Algorithm::Crc32, Algorithm::Sha256, Algorithm::Sha1];

/// A body that is being checked.
pub struct Check {
    algorithm: Algorithm,
    /// In base64; absent until the trailers come.
    expected: Option<String>,
    hasher: ChecksumHasher,
}

impl std::fmt::Debug for Check {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Check").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl Algorithm {
    fn header(self) -> &'static str {
        match self {
            Algorithm::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Algorithm::Crc32c => "x-amz-checksum-crc32c",
            Algorithm::Crc32 => "x-amz-checksum-crc32",
            Algorithm::Sha256 => "x-amz-checksum-sha256",
            Algorithm::Sha1 => "x-amz-checksum-sha1",
        }
    }

    fn hasher(self) -> ChecksumHasher {
        let mut hasher = ChecksumHasher::default();
        match self {
            Algorithm::Crc64Nvme => hasher.crc64nvme = Some(Crc64Nvme::new()),
            Algorithm::Crc32c => hasher.crc32c = Some(Crc32c::new()),
            Algorithm::Crc32 => hasher.crc32 = Some(Crc32::new()),
            Algorithm::Sha256 => hasher.sha256 = Some(Sha256::new()),
            Algorithm::Sha1 => hasher.sha1 = Some(Sha1::new()),
        }
        hasher
    }
}

impl Check {
    /// What the headers of a whole object ask for; none when they name no checksum of the whole body. The checksum of
    /// an object that was put together from parts (`…-3`) is not one of its bytes.
    pub(super) fn new(headers: &HeaderMap) -> Option<Check> {
        if !headers.keys().any(|name| {
            name.as_str().starts_with(PREFIX) || *name == TRAILER || name.as_str() == "x-amz-trailer"
        }) {
            return None;
        }
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if text("x-amz-checksum-type").is_some_and(|kind| kind.eq_ignore_ascii_case("COMPOSITE")) {
            return None;
        }
        let sent = ALL.into_iter().find_map(|algorithm| {
            let expected = text(algorithm.header())?.trim();
            (!expected.contains('-')).then(|| (algorithm, Some(expected.to_owned())))
        });
        let announced = || {
            let names = [text("trailer"), text("x-amz-trailer")].map(Option::unwrap_or_default).join(",");
            let listed = |algorithm: &Algorithm| {
                names.split(',').any(|name| name.trim().eq_ignore_ascii_case(algorithm.header()))
            };
            ALL.into_iter().find(listed).map(|algorithm| (algorithm, None))
        };
        let (algorithm, expected) = sent.or_else(announced)?;
        Some(Check { algorithm, expected, hasher: algorithm.hasher() })
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// Takes the value that came behind the body.
    pub(super) fn take_trailers(&mut self, trailers: &HeaderMap) {
        let value = trailers.get(self.algorithm.header()).and_then(|value| value.to_str().ok());
        if let Some(value) = value.filter(|value| !value.contains('-')) {
            self.expected = Some(value.trim().to_owned());
        }
    }

    /// What the whole body comes to; a value that never came proves nothing.
    pub(super) fn finish(self) -> Result<(), Mismatch> {
        let Some(expected) = self.expected else { return Ok(()) };
        let computed = self.hasher.finalize();
        let computed = match self.algorithm {
            Algorithm::Crc64Nvme => computed.checksum_crc64nvme,
            Algorithm::Crc32c => computed.checksum_crc32c,
            Algorithm::Crc32 => computed.checksum_crc32,
            Algorithm::Sha256 => computed.checksum_sha256,
            Algorithm::Sha1 => computed.checksum_sha1,
        };
        if computed.as_deref() == Some(expected.as_str()) {
            return Ok(());
        }
        Err(Mismatch { name: self.algorithm.header(), expected })
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::Check;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    /// The check values of the catalogues for `123456789`.
    const RIGHT: [(&str, &str); 5] = [
        ("x-amz-checksum-crc32", "y/Q5Jg=="),
        ("x-amz-checksum-crc32c", "4waSgw=="),
        ("x-amz-checksum-crc64nvme", "rosUhgp5mIg="),
        ("x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE="),
        ("x-amz-checksum-sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
    ];

    #[test]
    fn every_algorithm_tells_a_body_from_another() {
        for sent in RIGHT {
            for (body, whole) in [("123456789", true), ("123456780", false), ("12345678", false)] {
                let mut check = Check::new(&headers(&[sent])).unwrap();
                let (first, second) = body.split_at(4);
                check.update(first.as_bytes());
                check.update(second.as_bytes());
                assert_eq!(check.finish().is_ok(), whole, "{sent:?} {body}");
            }
        }
    }

    #[test]
    fn a_value_may_come_behind_the_body() {
        for (sent, whole) in [(RIGHT[0], true), (("x-amz-checksum-crc32", "AAAAAA=="), false)] {
            for announced in ["trailer", "x-amz-trailer"] {
                let mut check =
                    Check::new(&headers(&[(announced, "x-other, X-Amz-Checksum-Crc32")])).unwrap();
                check.update(b"123456789");
                check.take_trailers(&headers(&[sent]));
                assert_eq!(check.finish().is_ok(), whole);
            }
        }
    }

    #[test]
    fn what_is_no_checksum_of_the_bytes_is_not_checked() {
        assert!(Check::new(&headers(&[])).is_none());
        assert!(Check::new(&headers(&[("etag", "\"x\"")])).is_none());
        assert!(Check::new(&headers(&[("x-amz-checksum-crc32", "y/Q5Jg==-3")])).is_none());
        let composite = [("x-amz-checksum-crc32", "y/Q5Jg=="), ("x-amz-checksum-type", "COMPOSITE")];
        assert!(Check::new(&headers(&composite)).is_none());
    }
}
