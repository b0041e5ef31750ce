//! Lists: one page a call.

use aws_sdk_s3::operation::RequestId;

use crate::aws::AwsError;
use crate::aws::s3::{S3, rfc3339};
use crate::model::object::ObjectSummary;

/// A page as the store gave it.
#[derive(Debug, Default)]
pub struct ListPage {
    /// With full keys.
    pub objects: Vec<ObjectSummary>,
    /// With full keys.
    pub prefixes: Vec<String>,
    /// For the next page.
    pub next: Option<String>,
    /// The store's id of the request.
    pub request_id: Option<String>,
}

/// What to list, with full keys.
#[derive(Debug, Default)]
pub struct ListRequest {
    /// Only keys that start so.
    pub prefix: String,
    /// Groups keys.
    pub delimiter: Option<String>,
    /// Only keys after this one.
    pub start_after: Option<String>,
    /// Where the last page ended.
    pub token: Option<String>,
    /// 1 to 1000.
    pub max_keys: i32,
}

impl S3 {
    /// One page.
    pub async fn list(&self, request: ListRequest) -> Result<ListPage, AwsError> {
        match &self.direct {
            Some(direct) => self.within(direct.list(request)).await,
            // boxed: its state is large, and few take it
            None => Box::pin(self.list_by_sdk(request)).await,
        }
    }

    async fn list_by_sdk(&self, request: ListRequest) -> Result<ListPage, AwsError> {
        let call = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .set_prefix((!request.prefix.is_empty()).then_some(request.prefix))
            .set_delimiter(request.delimiter)
            .set_start_after(request.start_after)
            .set_continuation_token(request.token)
            .max_keys(request.max_keys)
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_request_payer(self.payer.clone());
        let page = self.timed(call.send()).await?;
        let request_id = page.request_id().map(str::to_owned);
        let next = page.next_continuation_token.filter(|_| page.is_truncated == Some(true));
        let objects = page.contents.unwrap_or_default().into_iter().map(|object| ObjectSummary {
            key: object.key.unwrap_or_default(),
            size: object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
            etag: object.e_tag,
            last_modified: object.last_modified.as_ref().and_then(rfc3339),
            storage_class: object.storage_class.map(|class| class.as_str().to_owned()),
        });
        let prefixes =
            page.common_prefixes.unwrap_or_default().into_iter().filter_map(|prefix| prefix.prefix);
        Ok(ListPage { objects: objects.collect(), prefixes: prefixes.collect(), next, request_id })
    }
}
