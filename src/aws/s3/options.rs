//! Options as the headers of S3: one place for every way that an upload goes.

use percent_encoding::utf8_percent_encode;

use crate::aws::direct::address::KEPT_IN_QUERY;
use crate::aws::s3::{S3, SERVICE};
use crate::aws::{AwsError, ErrorKind};
use crate::model::object::PutOptions;
use crate::model::provider::Quirk;
use crate::model::upload::{ChecksumType, StoreEncryption};

/// What a request that takes the headers of an upload does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::aws) enum UploadCall {
    /// Writes the whole object: conditions and checksums are its own.
    Whole,
    /// Starts an upload in parts: they are those of the parts and of its end. What a checksum of the whole covers is
    /// said here.
    Parts(Option<ChecksumType>),
}

/// Names in lower case with their values, ready to be signed.
pub(in crate::aws) type HeaderList = Vec<(String, String)>;

impl S3 {
    /// The headers that an upload has: what its options say, and what the resource gives to every upload where they
    /// say nothing. Whoever owns the bucket and who pays are not among them, as every request has these.
    pub(in crate::aws) fn upload_headers(
        &self,
        options: &PutOptions,
        call: UploadCall,
    ) -> Result<HeaderList, AwsError> {
        let extras = &options.extras;
        let acl = extras.acl.or(self.defaults.acl).map(|acl| acl.as_str().to_owned());
        let class = extras.storage_class.clone().or_else(|| self.defaults.storage_class.clone());
        let tags = (!extras.tags.is_empty()).then(|| tagging(&extras.tags));
        let mut headers = present([
            ("content-type", options.content_type.clone()),
            ("cache-control", options.cache_control.clone()),
            ("content-disposition", options.content_disposition.clone()),
            ("content-encoding", options.content_encoding.clone()),
            ("content-language", options.content_language.clone()),
            ("expires", extras.expires.clone()),
            ("x-amz-acl", acl),
            ("x-amz-storage-class", class),
            ("x-amz-tagging", tags),
        ]);
        headers.extend(encryption(extras.encryption.as_ref().unwrap_or(&self.defaults.encryption)));
        let metadata = options.metadata.iter();
        headers.extend(metadata.map(|(name, value)| (format!("x-amz-meta-{name}"), value.clone())));
        match call {
            UploadCall::Whole => {
                headers.extend(self.only_new(options.if_none_match.clone()));
                headers.extend(present([
                    ("if-match", options.if_match.clone()),
                    ("content-md5", extras.content_md5.clone()),
                ]));
            }
            UploadCall::Parts(kind) => headers.extend(present([
                (
                    "x-amz-checksum-algorithm",
                    extras.checksum.as_ref().map(|checksum| checksum.algorithm.as_str().to_ascii_uppercase()),
                ),
                ("x-amz-checksum-type", kind.map(|kind| kind.as_str().to_owned())),
            ])),
        }
        check(headers)
    }

    /// The header that keeps what is there: that of HTTP, or the provider's own.
    pub(in crate::aws) fn only_new(&self, if_none_match: Option<String>) -> Option<(String, String)> {
        if self.profile.does(Quirk::ForbidOverwrite) {
            return if_none_match.map(|_| ("x-oss-forbid-overwrite".to_owned(), "true".to_owned()));
        }
        if_none_match.map(|value| ("if-none-match".to_owned(), value))
    }
}

fn present<const N: usize>(headers: [(&str, Option<String>); N]) -> HeaderList {
    headers.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn encryption(encryption: &StoreEncryption) -> HeaderList {
    const KIND: &str = "x-amz-server-side-encryption";
    match encryption {
        StoreEncryption::BucketDefault => HeaderList::new(),
        StoreEncryption::SseS3 => vec![(KIND.to_owned(), "AES256".to_owned())],
        StoreEncryption::SseKms { key_id } => present([
            (KIND, Some("aws:kms".to_owned())),
            ("x-amz-server-side-encryption-aws-kms-key-id", key_id.clone()),
        ]),
    }
}

/// The form of `x-amz-tagging`, with blanks as `%20`, which every store reads alike.
fn tagging(tags: &[(String, String)]) -> String {
    let encoded = |text| utf8_percent_encode(text, KEPT_IN_QUERY);
    let pairs: Vec<String> =
        tags.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    pairs.join("&")
}

/// Whatever a caller gave becomes a header, or is refused with its name.
fn check(headers: HeaderList) -> Result<HeaderList, AwsError> {
    for (name, value) in &headers {
        if http::HeaderName::try_from(name.as_str()).is_err() {
            let text = format!("`{name}` cannot be the name of a header: use letters, digits and `-`");
            return Err(AwsError::new(ErrorKind::InvalidRequest, SERVICE, "InvalidRequest", text));
        }
        // S3 reads bytes above ASCII in its own way (RFC 2047), and signatures over them differ between stores
        if !value.bytes().all(|byte| byte == b'\t' || (0x20..0x7F).contains(&byte)) {
            let text =
                format!("the value of `{name}` holds characters that are not visible ASCII: encode it");
            return Err(AwsError::new(ErrorKind::InvalidRequest, SERVICE, "InvalidRequest", text));
        }
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::{check, encryption, tagging};
    use crate::model::upload::StoreEncryption;

    #[test]
    fn tags_are_encoded_so_that_nothing_in_them_separates() {
        let tags = [("a b", "1&2=3"), ("ü", "")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(tagging(&tags), "a%20b=1%262%3D3&%C3%BC=");
    }

    #[test]
    fn encryption_has_its_headers() {
        assert_eq!(encryption(&StoreEncryption::BucketDefault), []);
        let kms = encryption(&StoreEncryption::SseKms { key_id: Some("k".to_owned()) });
        let values: Vec<&str> = kms.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, ["aws:kms", "k"]);
    }

    #[test]
    fn what_no_header_can_carry_is_refused_with_its_name() {
        let with = |name: &str, value: &str| check(vec![(name.to_owned(), value.to_owned())]);
        assert!(with("x-amz-meta-a", "plain text").is_ok());
        for (name, value) in [("x-amz-meta-a", "ü"), ("x-amz-meta-a", "a\nb"), ("x-amz-meta-a b", "c")] {
            assert!(with(name, value).unwrap_err().message.contains(name), "{name}: {value}");
        }
    }
}
