//! Listing: one page a call.

use http::Method;

use crate::aws::body::RequestBody;
use crate::aws::direct::address::push_parameter;
use crate::aws::direct::page::parse;
use crate::aws::direct::{Call, Direct, SERVICE, collect};
use crate::aws::s3::{ListPage, ListRequest};
use crate::aws::sigv4::Signed;
use crate::aws::{AwsError, ErrorKind};

/// Bytes of a page that are read: a thousand keys of 1024 bytes, each written as an entity of six, and more.
const PAGE_BYTES: usize = 16 << 20;

impl Direct {
    /// One page. The caller bounds the time.
    pub(in crate::aws) async fn list(&self, request: ListRequest) -> Result<ListPage, AwsError> {
        let call = Call { method: Method::GET, key: "", query: query(&request) };
        let response =
            self.call(call, || Ok(self.headers()), || Some((RequestBody::Empty, Signed::Empty))).await?;
        let id = response.headers().get("x-amz-request-id");
        let request_id = id.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = collect(response, PAGE_BYTES).await?;
        let mut page = parse(&body).map_err(|error| {
            let text = format!("the answer cannot be read: {error}");
            AwsError::new(ErrorKind::Internal, SERVICE, "InternalError", text)
        })?;
        page.request_id = request_id;
        Ok(page)
    }
}

/// `ListObjectsV2` (S3 API reference).
fn query(request: &ListRequest) -> String {
    // all by name: an option that is added and not sent here would be lost without a word
    let ListRequest { prefix, delimiter, start_after, token, max_keys } = request;
    let mut query = String::with_capacity(96 + prefix.len() * 2);
    if let Some(token) = token {
        push_parameter(&mut query, "continuation-token", token);
    }
    if let Some(delimiter) = delimiter {
        push_parameter(&mut query, "delimiter", delimiter);
    }
    push_parameter(&mut query, "list-type", "2");
    push_parameter(&mut query, "max-keys", &max_keys.to_string());
    if !prefix.is_empty() {
        push_parameter(&mut query, "prefix", prefix);
    }
    if let Some(after) = start_after {
        push_parameter(&mut query, "start-after", after);
    }
    query
}

#[cfg(test)]
mod tests {
    use super::query;
    use crate::aws::s3::ListRequest;

    #[test]
    fn every_option_is_a_parameter() {
        let request = ListRequest {
            prefix: "a b/+".to_owned(),
            delimiter: Some("/".to_owned()),
            start_after: Some("ü".to_owned()),
            token: Some("1/2==".to_owned()),
            max_keys: 7,
        };
        let query = query(&request);
        let expected = "continuation-token=1%2F2%3D%3D&delimiter=%2F&list-type=2&max-keys=7&prefix=a%20b%2F%2B&start-after=%C3%BC";
        assert_eq!(query, expected);
    }
}
