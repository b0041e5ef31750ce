//! Writing an object in one request.
//!
//! Over TLS a body is not signed: the connection protects it, and hashing it twice costs more than sending it. Over
//! plain HTTP a body that is in memory is signed; one that streams is not, because its hash would have to be known
//! before its first byte is sent, and chunked signatures are refused by Ceph RGW 16 and Garage.

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_TYPE,
    ETAG, IF_MATCH, IF_NONE_MATCH,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use hyper::body::Incoming;

use crate::aws::AwsError;
use crate::aws::body::{RequestBody, Source};
use crate::aws::direct::{Call, Direct, ERROR_BYTES, collect, set, unusable};
use crate::aws::s3::{UploadDefaults, Uploaded};
use crate::aws::sigv4::Signed;
use crate::model::object::{ObjectKey, PutOptions};
use crate::model::resource::{CannedAcl, Encryption};

const ACL: HeaderName = HeaderName::from_static("x-amz-acl");
const STORAGE_CLASS: HeaderName = HeaderName::from_static("x-amz-storage-class");
const ENCRYPTION: HeaderName = HeaderName::from_static("x-amz-server-side-encryption");
const KMS_KEY: HeaderName = HeaderName::from_static("x-amz-server-side-encryption-aws-kms-key-id");

/// The headers of uploads of a resource; none when one of them cannot be a header.
pub(super) fn defaults(defaults: &UploadDefaults) -> Option<HeaderMap> {
    // all by name: a default that is added and not sent here would be lost without a word
    let UploadDefaults { acl, storage_class, encryption } = defaults;
    let mut headers = HeaderMap::new();
    set(&mut headers, ACL, acl.map(CannedAcl::as_str)).ok()?;
    set(&mut headers, STORAGE_CLASS, storage_class.as_deref()).ok()?;
    match encryption {
        Encryption::BucketDefault => {}
        Encryption::SseS3 => set(&mut headers, ENCRYPTION, Some("AES256")).ok()?,
        Encryption::SseKms { key_id } => {
            set(&mut headers, ENCRYPTION, Some("aws:kms")).ok()?;
            set(&mut headers, KMS_KEY, key_id.as_deref()).ok()?;
        }
    }
    Some(headers)
}

impl Direct {
    /// Writes bytes that are in memory. The caller bounds the time.
    pub(in crate::aws) async fn put_bytes(
        &self,
        key: &ObjectKey,
        options: &PutOptions,
        bytes: Bytes,
    ) -> Result<Uploaded, AwsError> {
        let call = Call { method: Method::PUT, key: key.as_str(), query: String::new() };
        let signed = if self.address.is_tls() { Signed::Nothing } else { Signed::Bytes(&bytes) };
        let body = || Some((RequestBody::Bytes(Some(bytes.clone())), signed));
        let length = bytes.len() as u64;
        uploaded(self.call(call, || self.put_headers(options, length), body).await?).await
    }

    /// Writes a body that streams. It is sent again only when nothing of it was taken, or it can start over.
    pub(in crate::aws) async fn put_stream(
        &self,
        key: &ObjectKey,
        options: &PutOptions,
        source: &Source,
        length: u64,
    ) -> Result<Uploaded, AwsError> {
        let call = Call { method: Method::PUT, key: key.as_str(), query: String::new() };
        let body = || source.rewind().then(|| (source.stretch(length), Signed::Nothing));
        uploaded(self.call(call, || self.put_headers(options, length), body).await?).await
    }

    fn put_headers(&self, options: &PutOptions, length: u64) -> Result<HeaderMap, AwsError> {
        // all by name: an option that is added and not sent here would be lost without a word
        let PutOptions {
            content_type,
            cache_control,
            content_disposition,
            content_encoding,
            content_language,
            metadata,
            if_none_match,
            if_match,
        } = options;
        let mut headers = self.headers();
        for (name, value) in &self.defaults {
            headers.insert(name, value.clone());
        }
        // as the SDK does it; a store left alone would say `binary/octet-stream`
        set(&mut headers, CONTENT_TYPE, content_type.as_deref().or(Some("application/octet-stream")))?;
        // given, because of an empty body the client would say nothing, and stores want to be told
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        set(&mut headers, CACHE_CONTROL, cache_control.as_deref())?;
        set(&mut headers, CONTENT_DISPOSITION, content_disposition.as_deref())?;
        set(&mut headers, CONTENT_ENCODING, content_encoding.as_deref())?;
        set(&mut headers, CONTENT_LANGUAGE, content_language.as_deref())?;
        set(&mut headers, IF_NONE_MATCH, if_none_match.as_deref())?;
        set(&mut headers, IF_MATCH, if_match.as_deref())?;
        for (name, value) in metadata {
            let name =
                HeaderName::try_from(format!("x-amz-meta-{name}")).map_err(|error| unusable(&error))?;
            headers.insert(name, HeaderValue::from_str(value).map_err(|error| unusable(&error))?);
        }
        Ok(headers)
    }
}

/// What the answer says; its body, which is empty or nearly so, is read so that the connection serves again.
async fn uploaded(response: Response<Incoming>) -> Result<Uploaded, AwsError> {
    let text = |name: &HeaderName| response.headers().get(name)?.to_str().ok().map(str::to_owned);
    let done = Uploaded {
        etag: text(&ETAG),
        version_id: text(&HeaderName::from_static("x-amz-version-id")),
        request_id: text(&HeaderName::from_static("x-amz-request-id")),
    };
    collect(response, ERROR_BYTES).await?;
    Ok(done)
}
