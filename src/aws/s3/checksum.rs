//! Checksums that we compute ourselves: of a body in memory, of parts, and of all of them together.

use aws_sdk_s3::types::CompletedPart;
use aws_smithy_checksums::ChecksumAlgorithm as Known;
use aws_smithy_checksums::http::HttpChecksum;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use s3s::crypto::{Checksum as _, Md5};

use crate::aws::frames::Frames;
use crate::aws::s3::SERVICE;
use crate::aws::{AwsError, ErrorKind};
use crate::model::upload::{Checksum, ChecksumAlgorithm, UploadExtras};

/// A checksum under way.
pub(in crate::aws) struct Summed {
    algorithm: ChecksumAlgorithm,
    sum: Box<dyn HttpChecksum>,
}

impl Summed {
    /// Of nothing yet.
    pub(in crate::aws) fn new(algorithm: ChecksumAlgorithm) -> Summed {
        let known = match algorithm {
            ChecksumAlgorithm::Crc32 => Known::Crc32,
            ChecksumAlgorithm::Crc32c => Known::Crc32c,
            ChecksumAlgorithm::Crc64nvme => Known::Crc64Nvme,
            ChecksumAlgorithm::Sha1 => Known::Sha1,
            ChecksumAlgorithm::Sha256 => Known::Sha256,
        };
        Summed { algorithm, sum: known.into_impl() }
    }

    /// Adds bytes.
    pub(in crate::aws) fn add(&mut self, bytes: &[u8]) {
        self.sum.update(bytes);
    }

    /// The checksum; an error where the caller gave another one.
    pub(in crate::aws) fn checked(self, given: Option<&str>) -> Result<Checksum, AwsError> {
        let algorithm = self.algorithm;
        let value = BASE64.encode(self.sum.finalize());
        if given.is_some_and(|given| given != value) {
            let text = format!(
                "the content has the {} checksum {value}, and another one was given: give the one of the very bytes that \
                 are sent; if it was, they were changed on their way: send them again",
                algorithm.as_str()
            );
            return Err(AwsError::new(ErrorKind::InvalidRequest, SERVICE, "BadDigest", text));
        }
        Ok(Checksum { algorithm, value: Some(value) })
    }
}

/// The checksum of bytes in memory; an error where the caller gave another one.
pub(in crate::aws) fn checked(wanted: &Checksum, bytes: &[u8]) -> Result<Checksum, AwsError> {
    let mut sum = Summed::new(wanted.algorithm);
    sum.add(bytes);
    sum.checked(wanted.value.as_deref())
}

/// The same of bytes in pieces.
fn checksum_of(algorithm: ChecksumAlgorithm, frames: &Frames) -> Result<Checksum, AwsError> {
    let mut sum = Summed::new(algorithm);
    frames.iter().for_each(|bytes| sum.add(bytes));
    sum.checked(None)
}

/// The header that carries it.
pub(in crate::aws) fn checksum_header(checksum: &Checksum) -> Option<(String, String)> {
    Some((format!("x-amz-checksum-{}", checksum.algorithm.as_str()), checksum.value.clone()?))
}

/// A part as the completion of its upload names it.
pub(in crate::aws) fn completed_part(
    number: u32,
    etag: Option<String>,
    checksum: Option<Checksum>,
) -> CompletedPart {
    let number = i32::try_from(number).unwrap_or(i32::MAX);
    let part = CompletedPart::builder().part_number(number).set_e_tag(etag);
    let Some(Checksum { algorithm, value }) = checksum else { return part.build() };
    let part = match algorithm {
        ChecksumAlgorithm::Crc32 => part.set_checksum_crc32(value),
        ChecksumAlgorithm::Crc32c => part.set_checksum_crc32_c(value),
        ChecksumAlgorithm::Crc64nvme => part.set_checksum_crc64_nvme(value),
        ChecksumAlgorithm::Sha1 => part.set_checksum_sha1(value),
        ChecksumAlgorithm::Sha256 => part.set_checksum_sha256(value),
    };
    part.build()
}

/// What is computed while an upload goes in parts: the store checks each part, and nobody else checks the whole.
pub(in crate::aws) struct Sums {
    whole: Option<Summed>,
    md5: Option<Md5>,
}

impl Sums {
    /// Of nothing yet.
    pub(in crate::aws) fn new(extras: &UploadExtras) -> Sums {
        Sums {
            whole: extras.checksum.as_ref().map(|checksum| Summed::new(checksum.algorithm)),
            md5: extras.content_md5.as_ref().map(|_| Md5::new()),
        }
    }

    /// Whether parts must go through here.
    pub(in crate::aws) fn is_wanted(&self) -> bool {
        self.whole.is_some() || self.md5.is_some()
    }

    /// Adds a part; its own checksum comes back.
    pub(in crate::aws) fn add(&mut self, part: &Frames) -> Option<Checksum> {
        if let Some(md5) = &mut self.md5 {
            part.iter().for_each(|bytes| md5.update(bytes));
        }
        let whole = self.whole.as_mut()?;
        part.iter().for_each(|bytes| whole.add(bytes));
        checksum_of(whole.algorithm, part).ok()
    }

    /// The checksum of the whole; an error where the caller gave another one.
    pub(in crate::aws) fn checked(self, extras: &UploadExtras) -> Result<Option<Checksum>, AwsError> {
        if let (Some(md5), Some(given)) = (self.md5, &extras.content_md5) {
            let value = BASE64.encode(md5.finalize());
            if value != *given {
                let text = format!(
                    "the content has the MD5 {value}, and `Content-MD5` names another one: give that of the very bytes \
                     that are sent; if it was, they were changed on their way: send them again"
                );
                return Err(AwsError::new(ErrorKind::InvalidRequest, SERVICE, "BadDigest", text));
            }
        }
        let given = extras.checksum.as_ref().and_then(|checksum| checksum.value.as_deref());
        self.whole.map(|whole| whole.checked(given)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Summed, Sums};
    use crate::model::upload::{Checksum, ChecksumAlgorithm, UploadExtras};

    /// The check values of the algorithms: of `123456789` (catalogue of CRC `RevEng`, FIPS 180).
    #[test]
    fn checksums_have_their_known_values() {
        for (algorithm, expected) in [
            (ChecksumAlgorithm::Crc32, "y/Q5Jg=="),
            (ChecksumAlgorithm::Crc32c, "4waSgw=="),
            (ChecksumAlgorithm::Crc64nvme, "rosUhgp5mIg="),
            (ChecksumAlgorithm::Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE="),
            (ChecksumAlgorithm::Sha256, "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
        ] {
            let checksum = Some(Checksum { algorithm, value: Some(expected.to_owned()) });
            let extras = UploadExtras { checksum, ..UploadExtras::default() };
            let mut sums = Sums::new(&extras);
            sums.add(&Bytes::from_static(b"1234").into());
            sums.add(&Bytes::from_static(b"56789").into());
            assert_eq!(sums.checked(&extras).unwrap(), extras.checksum, "{}", algorithm.as_str());
        }
    }

    #[test]
    fn another_checksum_than_the_one_given_is_an_error() {
        let mut sum = Summed::new(ChecksumAlgorithm::Crc32);
        sum.add(b"123456789");
        assert_eq!(sum.checked(Some("AAAAAA==")).unwrap_err().code, "BadDigest");
        let content_md5 = Some("AAAAAAAAAAAAAAAAAAAAAA==".to_owned());
        let extras = UploadExtras { content_md5, ..UploadExtras::default() };
        let mut sums = Sums::new(&extras);
        sums.add(&Bytes::from_static(b"123456789").into());
        assert_eq!(sums.checked(&extras).unwrap_err().code, "BadDigest");
    }
}
