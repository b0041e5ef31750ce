//! Reading an object or its metadata.

use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, LAST_MODIFIED,
    RANGE,
};
use http::{HeaderName, Method, Response};
use hyper::body::Incoming;

use crate::aws::AwsError;
use crate::aws::body::{DownloadBody, RequestBody};
use crate::aws::direct::address::push_parameter;
use crate::aws::direct::{Call, Direct, set};
use crate::aws::s3::{Download, rfc3339_of, total_size};
use crate::aws::sigv4::Signed;
use crate::model::object::{Conditions, GetOptions, ObjectKey, ObjectMetadata};

const META: &str = "x-amz-meta-";
const STORAGE_CLASS: HeaderName = HeaderName::from_static("x-amz-storage-class");
const ENCRYPTION: HeaderName = HeaderName::from_static("x-amz-server-side-encryption");
const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");

impl Direct {
    /// An object; the body is not read here. The caller bounds the time.
    pub(in crate::aws) async fn get(
        &self,
        key: &ObjectKey,
        options: &GetOptions,
    ) -> Result<Download, AwsError> {
        self.read(Method::GET, key, options).await
    }

    /// An object's metadata. The caller bounds the time.
    pub(in crate::aws) async fn head(
        &self,
        key: &ObjectKey,
        options: &GetOptions,
    ) -> Result<Download, AwsError> {
        self.read(Method::HEAD, key, options).await
    }

    async fn read(
        &self,
        method: Method,
        key: &ObjectKey,
        options: &GetOptions,
    ) -> Result<Download, AwsError> {
        // all by name: an option that is added and not sent here would be lost without a word
        let GetOptions { range, version_id, conditions } = options;
        let Conditions { if_match, if_none_match, if_modified_since, if_unmodified_since } = conditions;
        let headers = || {
            let mut headers = self.headers();
            set(&mut headers, RANGE, range.as_deref())?;
            set(&mut headers, IF_MATCH, if_match.as_deref())?;
            set(&mut headers, IF_NONE_MATCH, if_none_match.as_deref())?;
            set(&mut headers, IF_MODIFIED_SINCE, if_modified_since.as_deref())?;
            set(&mut headers, IF_UNMODIFIED_SINCE, if_unmodified_since.as_deref())?;
            Ok(headers)
        };
        let mut query = String::new();
        if let Some(version) = version_id {
            push_parameter(&mut query, "versionId", version);
        }
        let call = Call { method, key: key.as_str(), query: &query };
        let response = self.call(call, headers, || Some((RequestBody::Empty, Signed::Empty))).await?;
        Ok(download(response))
    }
}

fn download(response: Response<Incoming>) -> Download {
    let (parts, body) = response.into_parts();
    let headers = parts.headers;
    let borrowed = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let text = |name: &HeaderName| borrowed(name).map(str::to_owned);
    let content_length = borrowed(&CONTENT_LENGTH).and_then(|length| length.parse().ok());
    let (content_range, last_modified) = (text(&CONTENT_RANGE), text(&LAST_MODIFIED));
    let metadata = headers.iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix(META)?;
        Some((name.to_owned(), value.to_str().ok()?.to_owned()))
    });
    Download {
        metadata: ObjectMetadata {
            key: String::new(),
            size: total_size(content_range.as_deref()).or(content_length),
            etag: text(&ETAG),
            last_modified: last_modified.as_deref().and_then(rfc3339_of),
            content_type: text(&CONTENT_TYPE),
            cache_control: text(&CACHE_CONTROL),
            content_disposition: text(&CONTENT_DISPOSITION),
            content_encoding: text(&CONTENT_ENCODING),
            content_language: text(&CONTENT_LANGUAGE),
            storage_class: text(&STORAGE_CLASS),
            server_side_encryption: text(&ENCRYPTION),
            version_id: text(&VERSION_ID),
            metadata: metadata.collect(),
        },
        last_modified,
        content_length,
        content_range,
        request_id: text(&REQUEST_ID),
        body: DownloadBody::Direct(body),
    }
}
