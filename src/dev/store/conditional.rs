//! The conditions of a request (RFC 9110 section 13, and S3's conditional writes). Pure.

use s3s::dto::{ETag, ETagCondition, Timestamp};
use s3s::{S3Result, s3_error};

use super::meta::ObjectMeta;

/// The conditions of a read.
#[derive(Debug, Default)]
pub(super) struct ReadCondition {
    pub(super) tag_match: Option<ETagCondition>,
    pub(super) none_match: Option<ETagCondition>,
    pub(super) modified_since: Option<Timestamp>,
    pub(super) unmodified_since: Option<Timestamp>,
}

/// What the conditions of a read ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Proceed,
    /// 304
    NotModified,
    /// 412
    Failed,
}

impl ReadCondition {
    /// Evaluates in the order of RFC 9110 section 13.2.2: an entity tag outranks a date.
    pub(super) fn evaluate(&self, etag: &str, modified: &Timestamp) -> Verdict {
        let expected = match (&self.tag_match, &self.unmodified_since) {
            (Some(condition), _) => matches_strongly(condition, etag),
            (None, Some(date)) => modified <= date,
            (None, None) => true,
        };
        if !expected {
            return Verdict::Failed;
        }
        let changed = match (&self.none_match, &self.modified_since) {
            (Some(condition), _) => !matches_weakly(condition, etag),
            (None, Some(date)) => modified > date,
            (None, None) => true,
        };
        if changed { Verdict::Proceed } else { Verdict::NotModified }
    }
}

/// The conditions of a write or a delete.
#[derive(Debug, Clone, Default)]
pub(super) struct WriteCondition {
    pub(super) if_match: Option<ETagCondition>,
    pub(super) if_none_match: Option<ETagCondition>,
}

impl WriteCondition {
    /// Refuses the write when `current`, the object now under the key, does not fit.
    ///
    /// See <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>: If-Match on a
    /// missing object is `NoSuchKey`, and If-None-Match takes only `*`.
    pub(super) fn check(&self, current: Option<&ObjectMeta>) -> S3Result<()> {
        match &self.if_none_match {
            Some(ETagCondition::Any) if current.is_some() => {
                return Err(s3_error!(PreconditionFailed, "an object with this key exists already"));
            }
            Some(ETagCondition::ETag(_)) => {
                return Err(s3_error!(NotImplemented, "if-none-match takes only `*` on a write"));
            }
            Some(ETagCondition::Any) | None => {}
        }
        match (&self.if_match, current) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(s3_error!(NoSuchKey, "no object has this key")),
            (Some(condition), Some(object)) if matches_strongly(condition, &object.etag) => Ok(()),
            (Some(_), Some(_)) => Err(s3_error!(PreconditionFailed, "the object has another entity tag")),
        }
    }
}

fn matches_strongly(condition: &ETagCondition, etag: &str) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(ETag::Strong(value)) => value == etag,
        ETagCondition::ETag(ETag::Weak(_)) => false,
    }
}

fn matches_weakly(condition: &ETagCondition, etag: &str) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(value) => value.value() == etag,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use s3s::dto::{ETagCondition, Timestamp};

    use super::{ReadCondition, Verdict};

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    }

    fn tag(text: &str) -> Option<ETagCondition> {
        text.parse().ok()
    }

    #[test]
    fn entity_tags_outrank_dates() {
        let none = ReadCondition::default;
        let cases = [
            (none(), Verdict::Proceed),
            (ReadCondition { tag_match: tag("\"e\""), ..none() }, Verdict::Proceed),
            (ReadCondition { tag_match: tag("*"), ..none() }, Verdict::Proceed),
            (ReadCondition { tag_match: tag("\"x\""), ..none() }, Verdict::Failed),
            (ReadCondition { tag_match: tag("W/\"e\""), ..none() }, Verdict::Failed),
            (ReadCondition { none_match: tag("\"e\""), ..none() }, Verdict::NotModified),
            (ReadCondition { none_match: tag("W/\"e\""), ..none() }, Verdict::NotModified),
            (ReadCondition { none_match: tag("\"x\""), ..none() }, Verdict::Proceed),
            (ReadCondition { modified_since: Some(at(99)), ..none() }, Verdict::Proceed),
            (ReadCondition { modified_since: Some(at(100)), ..none() }, Verdict::NotModified),
            (ReadCondition { unmodified_since: Some(at(99)), ..none() }, Verdict::Failed),
            (ReadCondition { unmodified_since: Some(at(100)), ..none() }, Verdict::Proceed),
            (
                ReadCondition { tag_match: tag("\"e\""), unmodified_since: Some(at(1)), ..none() },
                Verdict::Proceed,
            ),
            (
                ReadCondition { none_match: tag("\"x\""), modified_since: Some(at(200)), ..none() },
                Verdict::Proceed,
            ),
        ];
        for (condition, expected) in cases {
            assert_eq!(condition.evaluate("e", &at(100)), expected, "{condition:?}");
        }
    }
}
