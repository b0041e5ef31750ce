//! Writing an object in one request.
//!
//! Over TLS a body is not signed: the connection protects it, and hashing it twice costs more than sending it. Over
//! plain HTTP it is, unless the resource says otherwise: as a whole when it is in memory, chunk by chunk when it streams.
//! A checksum travels behind an unsigned stream where the provider wants one with every upload.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use hyper::body::Incoming;

use crate::aws::body::RequestBody;
use crate::aws::direct::address::push_parameter;
use crate::aws::direct::{Call, Direct, ERROR_BYTES, SERVICE, collect, unusable};
use crate::aws::s3::Uploaded;
use crate::aws::s3::options::HeaderList;
use crate::aws::sigv4::Signed;
use crate::aws::source::Source;
use crate::aws::trailer::{DECODED_LENGTH, announce, sent_length};
use crate::aws::{AwsError, ErrorKind, signed_chunks};
use crate::model::check::Proposal;
use crate::model::object::ObjectKey;
use crate::model::provider::{Checksums, Quirk};
use crate::model::resource::PayloadSigning;
use crate::model::upload::{Checksum, ChecksumAlgorithm};

const CHECKSUM: &str = "x-amz-checksum-";

/// The next bytes of a source, as an object or as a part of one.
#[derive(Clone, Copy)]
pub(in crate::aws) struct Streamed<'a> {
    pub(in crate::aws) source: &'a Source,
    pub(in crate::aws) length: u64,
    /// The id of the upload and the number in it.
    pub(in crate::aws) part: Option<(&'a str, u32)>,
    /// Whether a checksum may go behind it, where it has none among its headers.
    pub(in crate::aws) may_trail: bool,
}

impl Direct {
    /// Writes bytes that are in memory. The caller bounds the time.
    pub(in crate::aws) async fn put_bytes(
        &self,
        key: &ObjectKey,
        headers: HeaderList,
        bytes: Bytes,
    ) -> Result<Uploaded, AwsError> {
        let call = Call { method: Method::PUT, key: key.as_str(), query: String::new() };
        let headers = map(headers)?;
        let signed = if self.signs() { Signed::Bytes(&bytes) } else { Signed::Nothing };
        let body = || Some((RequestBody::Bytes(Some(bytes.clone())), signed));
        let length = bytes.len() as u64;
        uploaded(self.call(call, || Ok(self.put_headers(&headers, length)), body).await?).await
    }

    /// Writes a body that streams: an object, or a part of one. It is sent again only when nothing of it was taken, or
    /// the source can go back.
    pub(in crate::aws) async fn put_stream(
        &self,
        key: &ObjectKey,
        headers: HeaderList,
        body: Streamed<'_>,
    ) -> Result<Uploaded, AwsError> {
        let Streamed { source, length, part, may_trail } = body;
        let mut query = String::new();
        if let Some((upload_id, number)) = part {
            push_parameter(&mut query, "partNumber", &number.to_string());
            push_parameter(&mut query, "uploadId", upload_id);
        }
        let call = Call { method: Method::PUT, key: key.as_str(), query };
        let headers = map(headers)?;
        let from = source.taken();
        if may_trail && self.trails() && !has_checksum(&headers) {
            let body = || source.rewind_to(from).then(|| (source.trailed(length), Signed::NothingTrailed));
            let headers = || {
                let mut headers = self.put_headers(&headers, sent_length(length));
                announce(&mut headers, length).map_err(|error| unusable(&error))?;
                Ok(headers)
            };
            return uploaded(self.call(call, headers, body).await?).await;
        }
        if self.signs_stream()? {
            let body = || source.rewind_to(from).then(|| (source.signed(length), Signed::Chunks));
            let headers = || {
                let mut headers = self.put_headers(&headers, signed_chunks::sent_length(length));
                headers.insert(DECODED_LENGTH, HeaderValue::from(length));
                Ok(headers)
            };
            return uploaded(self.call(call, headers, body).await.map_err(unsigned_instead)?).await;
        }
        let body = || source.rewind_to(from).then(|| (source.stretch(length), Signed::Nothing));
        uploaded(self.call(call, || Ok(self.put_headers(&headers, length)), body).await?).await
    }

    /// Whether a stream gets a checksum behind it, where connection and provider let it.
    pub(in crate::aws) fn trails(&self) -> bool {
        // without a signature there is no header that declares the form
        let signs_headers = self.credentials.is_some();
        let tls = self.address.is_tls();
        signs_headers && tls && !self.signs() && self.profile.checksums == Checksums::WhenSupported
    }

    /// Whether the bytes of uploads are signed.
    fn signs(&self) -> bool {
        let wanted = match self.payload_signing {
            PayloadSigning::Auto => !self.address.is_tls(),
            PayloadSigning::Always => true,
            PayloadSigning::Never => false,
        };
        wanted && self.credentials.is_some()
    }

    /// The same for what streams, which not every provider takes signed.
    pub(in crate::aws) fn signs_stream(&self) -> Result<bool, AwsError> {
        if !self.signs() || !self.profile.does(Quirk::NoChunkedBodies) {
            return Ok(self.signs());
        }
        if self.payload_signing == PayloadSigning::Auto {
            return Ok(false);
        }
        let text = format!(
            "`{}` takes no signed streams: set `payload_signing` of the resource to `auto`",
            self.profile.id
        );
        Err(AwsError::new(ErrorKind::Unsupported, SERVICE, "NotSupportedByProvider", text))
    }

    fn put_headers(&self, given: &HeaderMap, length: u64) -> HeaderMap {
        let mut headers = self.object_headers();
        headers.extend(given.iter().map(|(name, value)| (name.clone(), value.clone())));
        // as the SDK does it; a store left alone would say `binary/octet-stream`
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/octet-stream"));
        // given, because of an empty body the client would say nothing, and stores want to be told
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        headers
    }
}

/// A store that takes no signed streams gets unsigned ones where the resource's owner wants that. A signature that does
/// not fit is no reason for it: somebody may have changed the bytes.
fn unsigned_instead(mut error: AwsError) -> AwsError {
    let named = error.kind == ErrorKind::InvalidRequest && error.message.contains("STREAMING-AWS4");
    if named || error.kind == ErrorKind::Unsupported {
        error.proposal = Some(Box::new(Proposal {
            patch: serde_json::json!({"payload_signing": "never"}),
            reason: "the store may not take uploads that are signed as they stream".to_owned(),
        }));
    }
    error
}

fn has_checksum(given: &HeaderMap) -> bool {
    given.keys().any(|name| name.as_str().starts_with(CHECKSUM) || name.as_str() == "content-md5")
}

/// Headers whose names and values were checked when they were made from options.
fn map(headers: HeaderList) -> Result<HeaderMap, AwsError> {
    let mut map = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let name = HeaderName::try_from(name).map_err(|error| unusable(&error))?;
        map.insert(name, HeaderValue::try_from(value).map_err(|error| unusable(&error))?);
    }
    Ok(map)
}

/// What the answer says; its body, which is empty or nearly so, is read so that the connection serves again.
async fn uploaded(response: Response<Incoming>) -> Result<Uploaded, AwsError> {
    let text = |name: &HeaderName| response.headers().get(name)?.to_str().ok().map(str::to_owned);
    let done = Uploaded {
        etag: text(&ETAG),
        version_id: text(&HeaderName::from_static("x-amz-version-id")),
        request_id: text(&HeaderName::from_static("x-amz-request-id")),
        checksum: text(&HeaderName::from_static("x-amz-checksum-crc32"))
            .map(|value| Checksum { algorithm: ChecksumAlgorithm::Crc32, value: Some(value) }),
        untagged: false,
    };
    collect(response, ERROR_BYTES).await?;
    Ok(done)
}
