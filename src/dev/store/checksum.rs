//! The additional checksums of S3: which a request names, which an object has.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
use s3s::{S3Result, s3_error};
use serde::{Deserialize, Serialize};

/// Collects the five checksum fields that many S3 structures share.
macro_rules! from_fields {
    ($source:expr) => {
        $crate::dev::store::checksum::Checksums::from_values([
            ($crate::dev::store::checksum::Algorithm::Crc32, $source.checksum_crc32.as_ref()),
            ($crate::dev::store::checksum::Algorithm::Crc32c, $source.checksum_crc32c.as_ref()),
            ($crate::dev::store::checksum::Algorithm::Crc64nvme, $source.checksum_crc64nvme.as_ref()),
            ($crate::dev::store::checksum::Algorithm::Sha1, $source.checksum_sha1.as_ref()),
            ($crate::dev::store::checksum::Algorithm::Sha256, $source.checksum_sha256.as_ref()),
        ])
    };
}

/// Fills the five checksum fields that many S3 structures share.
macro_rules! fill_fields {
    ($target:expr, $checksums:expr) => {
        $target.checksum_crc32 = $checksums.get($crate::dev::store::checksum::Algorithm::Crc32);
        $target.checksum_crc32c = $checksums.get($crate::dev::store::checksum::Algorithm::Crc32c);
        $target.checksum_crc64nvme = $checksums.get($crate::dev::store::checksum::Algorithm::Crc64nvme);
        $target.checksum_sha1 = $checksums.get($crate::dev::store::checksum::Algorithm::Sha1);
        $target.checksum_sha256 = $checksums.get($crate::dev::store::checksum::Algorithm::Sha256);
    };
}

pub(super) use {fill_fields, from_fields};

/// An algorithm of <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64nvme,
    Sha1,
    Sha256,
}

impl Algorithm {
    const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64nvme, Self::Sha1, Self::Sha256];

    /// The name S3 uses in headers and XML.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    pub(super) fn parse(name: &str) -> S3Result<Self> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name));
        found.ok_or_else(|| s3_error!(InvalidRequest, "the checksum algorithm `{name}` is not known"))
    }

    /// The algorithms whose value an upload promises to send behind its body.
    pub(super) fn announced_in_trailer(headers: &HeaderMap) -> Vec<Self> {
        let names = headers.get("x-amz-trailer").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let names: Vec<&str> = names.split(',').map(str::trim).collect();
        let announced =
            |algorithm: &Self| names.iter().any(|name| name.eq_ignore_ascii_case(algorithm.header()));
        Self::ALL.into_iter().filter(announced).collect()
    }
}

/// Checksum values in base64, one per algorithm. That of a multipart object may end in `-<parts>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Checksums(BTreeMap<Algorithm, String>);

impl Checksums {
    pub(super) fn from_values(values: [(Algorithm, Option<&String>); 5]) -> Self {
        Self(values.into_iter().filter_map(|(algorithm, value)| Some((algorithm, value?.clone()))).collect())
    }

    /// Reads the values that came behind the body.
    pub(super) fn from_trailer(headers: &HeaderMap) -> Self {
        let value =
            |algorithm: Algorithm| Some(headers.get(algorithm.header())?.to_str().ok()?.trim().to_owned());
        Self(
            Algorithm::ALL.into_iter().filter_map(|algorithm| Some((algorithm, value(algorithm)?))).collect(),
        )
    }

    pub(super) fn get(&self, algorithm: Algorithm) -> Option<String> {
        self.0.get(&algorithm).cloned()
    }

    pub(super) fn insert(&mut self, algorithm: Algorithm, value: String) {
        self.0.insert(algorithm, value);
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(super) fn algorithms(&self) -> Vec<Algorithm> {
        self.0.keys().copied().collect()
    }

    /// The first algorithm in `self` whose value differs from that in `computed`.
    pub(super) fn first_difference(&self, computed: &Self) -> Option<Algorithm> {
        let differs = |(algorithm, value): (&Algorithm, &String)| {
            (computed.0.get(algorithm) != Some(value)).then_some(*algorithm)
        };
        self.0.iter().find_map(differs)
    }
}

/// Starts hashing with `algorithms`.
pub(super) fn hasher(algorithms: &[Algorithm]) -> ChecksumHasher {
    let mut hasher = ChecksumHasher::default();
    for algorithm in algorithms {
        match algorithm {
            Algorithm::Crc32 => hasher.crc32 = Some(Crc32::new()),
            Algorithm::Crc32c => hasher.crc32c = Some(Crc32c::new()),
            Algorithm::Crc64nvme => hasher.crc64nvme = Some(Crc64Nvme::new()),
            Algorithm::Sha1 => hasher.sha1 = Some(Sha1::new()),
            Algorithm::Sha256 => hasher.sha256 = Some(Sha256::new()),
        }
    }
    hasher
}

pub(super) fn finalize(hasher: ChecksumHasher) -> Checksums {
    let computed = hasher.finalize();
    from_fields!(computed)
}

/// The checksum of checksums of a multipart object, or nothing if a part lacks its value.
pub(super) fn composite(algorithm: Algorithm, parts: &[&Checksums]) -> Option<String> {
    let mut hasher = hasher(&[algorithm]);
    for part in parts {
        hasher.update(&STANDARD.decode(part.0.get(&algorithm)?).ok()?);
    }
    Some(format!("{}-{}", finalize(hasher).get(algorithm)?, parts.len()))
}
