//! Lists: one page a call, by the version of the call that the provider's profile names.
//!
//! Where the store can, keys come URL-encoded: XML has no place for control characters, and S3 takes them in keys.

use std::fmt::Display;

use aws_sdk_s3::operation::RequestId;
use aws_sdk_s3::types::{CommonPrefix, EncodingType, Object};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::percent_decode_str;

use crate::aws::s3::{S3, SERVICE, rfc3339};
use crate::aws::{AwsError, ErrorKind};
use crate::model::object::{ObjectSummary, Owner};
use crate::model::provider::{ListVersion, Quirk};

/// A page as the store gave it.
#[derive(Debug, Default)]
pub struct ListPage {
    /// With full keys.
    pub objects: Vec<ObjectSummary>,
    /// With full keys.
    pub prefixes: Vec<String>,
    /// For the next page, when the page is cut.
    pub next: Option<String>,
    /// The store says that there is more.
    pub(in crate::aws) truncated: bool,
    /// Where a list without tokens goes on, as the store says.
    pub(in crate::aws) marker: Option<String>,
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
    /// Tell who owns each object.
    pub fetch_owner: bool,
}

impl S3 {
    /// One page.
    pub async fn list(&self, mut request: ListRequest) -> Result<ListPage, AwsError> {
        let version = self.profile.list;
        request.token = request.token.map(|cursor| open_cursor(version, &cursor)).transpose()?;
        let began = request.token.clone();
        let mut page = match (&self.direct, version) {
            (Some(direct), _) => self.within(direct.list(request)).await?,
            // boxed: their state is large, and few take them
            (None, ListVersion::V1) => Box::pin(self.list_by_marker(request)).await?,
            (None, ListVersion::V2) => Box::pin(self.list_by_token(request)).await?,
        };
        let next = goes_on(page.truncated, page.next.take(), began.as_ref())?;
        page.next = next.map(|next| cursor(version, &next));
        Ok(page)
    }

    async fn list_by_token(&self, request: ListRequest) -> Result<ListPage, AwsError> {
        let call = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .set_prefix((!request.prefix.is_empty()).then_some(request.prefix))
            .set_delimiter(request.delimiter)
            .set_start_after(request.start_after)
            .set_continuation_token(request.token)
            .set_encoding_type(self.list_encoding())
            .max_keys(request.max_keys)
            .set_fetch_owner(request.fetch_owner.then_some(true))
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_request_payer(self.payer.clone());
        let page = self.timed(call.send()).await?;
        let request_id = page.request_id().map(str::to_owned);
        let names = Names::of(page.encoding_type.as_ref());
        let objects = names.objects(page.contents.unwrap_or_default())?;
        let prefixes = names.prefixes(page.common_prefixes.unwrap_or_default())?;
        let truncated = page.is_truncated == Some(true);
        let next = page.next_continuation_token;
        Ok(ListPage { objects, prefixes, next, truncated, request_id, marker: None })
    }

    async fn list_by_marker(&self, request: ListRequest) -> Result<ListPage, AwsError> {
        let call = self
            .client
            .list_objects()
            .bucket(&self.bucket)
            .set_prefix((!request.prefix.is_empty()).then_some(request.prefix))
            .set_delimiter(request.delimiter)
            .set_marker(request.token.or(request.start_after))
            .set_encoding_type(self.list_encoding())
            .max_keys(request.max_keys)
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_request_payer(self.payer.clone());
        let page = self.timed(call.send()).await?;
        let request_id = page.request_id().map(str::to_owned);
        let names = Names::of(page.encoding_type.as_ref());
        let objects = names.objects(page.contents.unwrap_or_default())?;
        let prefixes = names.prefixes(page.common_prefixes.unwrap_or_default())?;
        // it goes on behind the last row (ListObjects, Marker). `NextMarker` says the same where it is there at all, but
        // not every store encodes it as it does the rows
        let last = objects.last().map(|object| object.key.clone()).max(prefixes.last().cloned());
        let truncated = page.is_truncated == Some(true);
        let next = last.or(page.next_marker);
        Ok(ListPage { objects, prefixes, next, truncated, request_id, marker: None })
    }

    pub(in crate::aws) fn list_encoding(&self) -> Option<EncodingType> {
        (!self.profile.does(Quirk::PlainLists)).then_some(EncodingType::Url)
    }
}

/// How a store writes the names of a list.
pub(in crate::aws) struct Names {
    encoded: bool,
}

impl Names {
    pub(in crate::aws) fn of(encoding: Option<&EncodingType>) -> Names {
        Names { encoded: encoding == Some(&EncodingType::Url) }
    }

    /// Those of a list that was asked to encode them by a store that says nothing about it.
    pub(in crate::aws) fn encoded() -> Names {
        Names { encoded: true }
    }

    pub(in crate::aws) fn name(&self, text: String) -> Result<String, AwsError> {
        if !self.encoded {
            return Ok(text);
        }
        url_decoded(text).ok_or_else(|| unreadable("it is not UTF-8"))
    }

    fn objects(&self, objects: Vec<Object>) -> Result<Vec<ObjectSummary>, AwsError> {
        let summary = |object: Object| {
            Ok(ObjectSummary {
                key: self.name(object.key.unwrap_or_default())?,
                size: object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
                etag: object.e_tag,
                last_modified: object.last_modified.as_ref().and_then(rfc3339),
                storage_class: object.storage_class.map(|class| class.as_str().to_owned()),
                owner: object.owner.map(owner),
                ..ObjectSummary::default()
            })
        };
        objects.into_iter().map(summary).collect()
    }

    /// Where a page ended. Not every store encodes it as it does the rows: one that is a row as it stands is taken so.
    pub(in crate::aws) fn marker(
        &self,
        text: String,
        is_row: impl Fn(&str) -> bool,
    ) -> Result<String, AwsError> {
        if is_row(&text) { Ok(text) } else { self.name(text) }
    }

    pub(in crate::aws) fn prefixes(&self, prefixes: Vec<CommonPrefix>) -> Result<Vec<String>, AwsError> {
        prefixes.into_iter().filter_map(|prefix| Some(self.name(prefix.prefix?))).collect()
    }
}

pub(super) fn owner(owner: aws_sdk_s3::types::Owner) -> Owner {
    Owner { id: owner.id, display_name: owner.display_name }
}

/// Undoes `encoding-type=url`: a `+` is a blank, as S3 writes it; a plus itself is `%2B`. None when it is not UTF-8 then.
pub(in crate::aws) fn url_decoded(text: String) -> Option<String> {
    if !text.contains(['%', '+']) {
        return Some(text);
    }
    Some(percent_decode_str(&text.replace('+', " ")).decode_utf8().ok()?.into_owned())
}

/// Where a list goes on: nowhere when it is not cut. One that is cut and does not say where it goes on would look
/// complete, and one that goes on where it began would never end.
pub(super) fn goes_on<T: PartialEq>(
    truncated: bool,
    next: Option<T>,
    began: Option<&T>,
) -> Result<Option<T>, AwsError> {
    if !truncated {
        return Ok(None);
    }
    match next {
        None => Err(unreadable("the list goes on, and it does not say where")),
        next if next.as_ref() == began => Err(unreadable("the list goes on where it began")),
        next => Ok(next),
    }
}

/// The store answered with what is no page of a list.
pub(in crate::aws) fn unreadable(why: impl Display) -> AwsError {
    AwsError::new(ErrorKind::Internal, SERVICE, "InternalError", format!("the answer cannot be read: {why}"))
}

/// Where the next page starts, for callers: it says by which version of the call it was given.
pub(in crate::aws) fn cursor(version: ListVersion, place: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}{place}", mark(version)))
}

/// The marker or token in a cursor; one of another version means something else.
pub(in crate::aws) fn open_cursor(version: ListVersion, cursor: &str) -> Result<String, AwsError> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let place = text.as_deref().and_then(|text| text.strip_prefix(mark(version)));
    place.map(str::to_owned).ok_or_else(|| {
        let text = "the cursor is none of this list: take the one of the page before, or start without one";
        AwsError::new(ErrorKind::InvalidRequest, SERVICE, "InvalidRequest", text)
    })
}

fn mark(version: ListVersion) -> char {
    match version {
        ListVersion::V1 => '1',
        ListVersion::V2 => '2',
    }
}

#[cfg(test)]
mod tests {
    use super::{cursor, goes_on, open_cursor, url_decoded};
    use crate::model::provider::ListVersion::{V1, V2};

    #[test]
    fn a_cursor_is_of_one_version() {
        for place in ["", "a/b ü", "1", "2"] {
            assert_eq!(open_cursor(V1, &cursor(V1, place)).unwrap(), place);
            assert_eq!(open_cursor(V2, &cursor(V2, place)).unwrap(), place);
            assert!(open_cursor(V2, &cursor(V1, place)).is_err(), "{place}");
        }
        for other in ["", "!", "a/b", "MQ=="] {
            assert!(open_cursor(V1, other).is_err(), "{other}");
        }
    }

    #[test]
    fn names_of_lists_are_decoded_as_forms_are() {
        let decoded = |text: &str| url_decoded(text.to_owned());
        assert_eq!(decoded("a+b%2Bc%20d/%C3%BC%01").as_deref(), Some("a b+c d/ü\u{1}"));
        assert_eq!(decoded("100%").as_deref(), Some("100%"));
        // another key must not take its place
        assert_eq!(decoded("a%FF"), None);
    }

    #[test]
    fn a_list_that_is_cut_says_where_it_goes_on_and_gets_on() {
        assert_eq!(goes_on(false, Some(1), None).unwrap(), None);
        assert_eq!(goes_on(false, None, Some(&1)).unwrap(), None);
        assert_eq!(goes_on(true, Some(2), Some(&1)).unwrap(), Some(2));
        assert!(goes_on(true, None::<u8>, None).is_err());
        assert!(goes_on(true, Some(1), Some(&1)).is_err());
    }
}
