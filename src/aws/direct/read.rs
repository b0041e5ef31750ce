//! Reading an object or its metadata.

use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, RANGE};
use http::{HeaderName, Method, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;

use crate::aws::AwsError;
use crate::aws::body::{Checked, DownloadBody, RequestBody};
use crate::aws::direct::address::push_parameter;
use crate::aws::direct::{Call, Direct, set};
use crate::aws::s3::{Download, rfc3339_of, total_size};
use crate::aws::sigv4::Signed;
use crate::aws::verify::Check;
use crate::model::object::{Conditions, GetOptions, ObjectKey, ObjectMetadata};
use crate::model::object_facts::ObjectFacts;

const META: &str = "x-amz-meta-";
const CHECKSUM_MODE: HeaderName = HeaderName::from_static("x-amz-checksum-mode");

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
        let GetOptions { range, version_id, conditions, part, checksums, overrides, bounded: _ } = options;
        let Conditions { if_match, if_none_match, if_modified_since, if_unmodified_since } = conditions;
        let headers = || {
            let mut headers = self.object_headers();
            set(&mut headers, RANGE, range.as_deref())?;
            set(&mut headers, IF_MATCH, if_match.as_deref())?;
            set(&mut headers, IF_NONE_MATCH, if_none_match.as_deref())?;
            set(&mut headers, IF_MODIFIED_SINCE, if_modified_since.as_deref())?;
            set(&mut headers, IF_UNMODIFIED_SINCE, if_unmodified_since.as_deref())?;
            set(&mut headers, CHECKSUM_MODE, checksums.then_some("ENABLED"))?;
            Ok(headers)
        };
        let mut query = String::new();
        if let Some(version) = version_id {
            push_parameter(&mut query, "versionId", version);
        }
        if let Some(part) = part {
            push_parameter(&mut query, "partNumber", &part.to_string());
        }
        for (name, value) in overrides.parameters() {
            push_parameter(&mut query, name, value);
        }
        let call = Call { method, key: key.as_str(), query };
        let response = self.call(call, headers, || Some((RequestBody::Empty, Signed::Empty))).await?;
        Ok(download(response))
    }
}

fn download(response: Response<Incoming>) -> Download {
    let (parts, body) = response.into_parts();
    // the checksum is one of the whole object
    let whole = parts.status == StatusCode::OK && !body.is_end_stream();
    let check = whole.then(|| Check::new(&parts.headers)).flatten();
    let mut found = Download {
        metadata: ObjectMetadata::default(),
        last_modified: None,
        content_length: None,
        content_range: None,
        request_id: None,
        body: match check {
            Some(check) => DownloadBody::Checked(Checked::new(body, check)),
            None => DownloadBody::Direct(body),
        },
    };
    let (mut more, mut unreadable) = (false, 0);
    for (name, value) in &parts.headers {
        // what a store sends above ASCII is UTF-8, or it cannot be shown
        match (value.to_str(), std::str::from_utf8(value.as_bytes())) {
            (Ok(value), _) => more |= !found.take_header(name.as_str(), value),
            (_, text) => match (name.as_str().strip_prefix(META), text) {
                (Some(name), Ok(text)) => {
                    found.metadata.metadata.insert(name.to_owned(), text.to_owned());
                }
                (Some(_), Err(_)) => unreadable += 1,
                (None, _) => {}
            },
        }
    }
    // most objects have none of these, and they are many to look for
    if more {
        let text = |name: &str| parts.headers.get(name)?.to_str().ok().map(str::to_owned);
        *found.metadata.facts = ObjectFacts::of_headers(text);
    }
    let metadata = &mut found.metadata;
    if unreadable > 0 {
        let missing = &mut metadata.facts.missing_metadata;
        *missing = Some(missing.unwrap_or(0) + unreadable);
    }
    metadata.size = total_size(found.content_range.as_deref()).or(found.content_length);
    metadata.last_modified = found.last_modified.as_deref().and_then(rfc3339_of);
    found
}

impl Download {
    /// Whether the header is one of those that every answer may have; the others tell of some objects only.
    fn take_header(&mut self, name: &str, value: &str) -> bool {
        let metadata = &mut self.metadata;
        let place = match name {
            "content-length" => {
                self.content_length = value.parse().ok();
                return true;
            }
            "content-range" => &mut self.content_range,
            "last-modified" => &mut self.last_modified,
            "x-amz-request-id" => &mut self.request_id,
            "etag" => &mut metadata.etag,
            "content-type" => &mut metadata.content_type,
            "cache-control" => &mut metadata.cache_control,
            "content-disposition" => &mut metadata.content_disposition,
            "content-encoding" => &mut metadata.content_encoding,
            "content-language" => &mut metadata.content_language,
            "x-amz-storage-class" => &mut metadata.storage_class,
            "x-amz-server-side-encryption" => &mut metadata.server_side_encryption,
            "x-amz-version-id" => &mut metadata.version_id,
            "x-amz-id-2" => return true,
            _ => {
                if let Some(name) = name.strip_prefix(META) {
                    metadata.metadata.insert(name.to_owned(), value.to_owned());
                    return true;
                }
                return !(name.starts_with("x-amz-") || name == "expires");
            }
        };
        *place = Some(value.to_owned());
        true
    }
}
