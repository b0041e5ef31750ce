//! Listing: one page a call.

use http::Method;

use crate::aws::AwsError;
use crate::aws::body::RequestBody;
use crate::aws::direct::address::push_parameter;
use crate::aws::direct::page::{parse, parse_by_marker};
use crate::aws::direct::{Call, Direct, collect};
use crate::aws::s3::{ListPage, ListRequest, unreadable};
use crate::aws::sigv4::Signed;
use crate::model::provider::{ListVersion, Profile, Quirk};

/// Bytes of a page that are read: a thousand keys of 1024 bytes, each written as an entity of six, and more.
const PAGE_BYTES: usize = 16 << 20;

impl Direct {
    /// One page. The caller bounds the time.
    pub(in crate::aws) async fn list(&self, request: ListRequest) -> Result<ListPage, AwsError> {
        let call = Call { method: Method::GET, key: "", query: query(&request, self.profile) };
        let response =
            self.call(call, || Ok(self.headers()), || Some((RequestBody::Empty, Signed::Empty))).await?;
        let id = response.headers().get("x-amz-request-id");
        let request_id = id.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = collect(response, PAGE_BYTES).await?;
        let read = match self.profile.list {
            ListVersion::V1 => parse_by_marker(&body),
            ListVersion::V2 => parse(&body),
        };
        let mut page = read.map_err(unreadable)?;
        page.request_id = request_id;
        Ok(page)
    }
}

/// `ListObjectsV2`, or `ListObjects` where the profile says so (S3 API reference).
fn query(request: &ListRequest, profile: &Profile) -> String {
    // all by name: an option that is added and not sent here would be lost without a word
    let ListRequest { prefix, delimiter, start_after, token, max_keys, fetch_owner } = request;
    let mut query = String::with_capacity(128 + prefix.len() * 2);
    if let Some(delimiter) = delimiter {
        push_parameter(&mut query, "delimiter", delimiter);
    }
    if !profile.does(Quirk::PlainLists) {
        push_parameter(&mut query, "encoding-type", "url");
    }
    push_parameter(&mut query, "max-keys", &max_keys.to_string());
    if !prefix.is_empty() {
        push_parameter(&mut query, "prefix", prefix);
    }
    match profile.list {
        ListVersion::V1 => {
            if let Some(marker) = token.as_ref().or(start_after.as_ref()) {
                push_parameter(&mut query, "marker", marker);
            }
        }
        ListVersion::V2 => {
            push_parameter(&mut query, "list-type", "2");
            if *fetch_owner {
                push_parameter(&mut query, "fetch-owner", "true");
            }
            if let Some(token) = token {
                push_parameter(&mut query, "continuation-token", token);
            }
            if let Some(after) = start_after {
                push_parameter(&mut query, "start-after", after);
            }
        }
    }
    query
}

#[cfg(test)]
mod tests {
    use super::query;
    use crate::aws::s3::ListRequest;
    use crate::model::provider::find;

    #[test]
    fn every_option_is_a_parameter_of_the_version_that_the_profile_names() {
        let request = ListRequest {
            prefix: "a b/+".to_owned(),
            delimiter: Some("/".to_owned()),
            start_after: Some("ü".to_owned()),
            token: Some("1/2==".to_owned()),
            max_keys: 7,
            fetch_owner: true,
        };
        let common = "delimiter=%2F&encoding-type=url&max-keys=7&prefix=a%20b%2F%2B";
        assert_eq!(
            query(&request, find("aws").unwrap()),
            format!(
                "{common}&list-type=2&fetch-owner=true&continuation-token=1%2F2%3D%3D&start-after=%C3%BC"
            )
        );
        assert_eq!(query(&request, find("seaweedfs").unwrap()), format!("{common}&marker=1%2F2%3D%3D"));
        assert!(!query(&request, find("generic").unwrap()).contains("encoding-type"));
    }
}
