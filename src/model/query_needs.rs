//! What a query needs besides its first request: how many calls it may become, and which IAM actions.
//!
//! By class of operation, so that a new operation of a class is described with it. Sources: the S3 user guide (limits
//! of lists, deletes, copies and uploads in parts) and the Service Authorization Reference.

use serde_json::Value;

use crate::model::operation::Operation;

/// Rows of one page of a list.
const PAGE: u64 = 1_000;
/// Bytes from which an upload goes in parts.
const MULTIPART_FROM: u64 = 16 << 20;
/// Bytes of each part but the last.
const PART: u64 = 8 << 20;

/// How many calls, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calls {
    /// The most, without repeated tries; none where only the store knows.
    pub at_most: Option<u64>,
    /// What they are.
    pub why: String,
}

/// The calls of a query, by its body as it was sent; a delete may name `batch` keys.
pub fn calls(operation: Operation, body: &Value, batch: usize) -> Calls {
    let number = |field: &str| body.get(field).and_then(Value::as_u64);
    let told = |at_most: Option<u64>, why: &str| Calls { at_most, why: why.to_owned() };
    match operation {
        Operation::List | Operation::Versions if reads_all(body) => {
            told(None, "a page of 1000 rows a call; `filter` and `sort` may have to read every page")
        }
        Operation::List if body.get("confirm_count").is_some() || body.get("dry_run").is_some() => {
            let why = if is_dry_run(body) {
                "a list of the prefix, page by page; nothing is deleted"
            } else {
                "a list of the prefix to compare the count, then page by page again with a delete for each"
            };
            told(None, why)
        }
        Operation::List => {
            let pages = number("limit").unwrap_or(PAGE).div_ceil(PAGE);
            told(Some(pages), "a page of 1000 rows a call")
        }
        Operation::Head => {
            told(Some(2), "one; a refusal is asked again as a read of one byte, whose answer says why")
        }
        Operation::Put => match body_bytes(body) {
            Some(bytes) if bytes >= MULTIPART_FROM => {
                let parts = bytes.div_ceil(PART);
                told(Some(parts + 2), "one to start, one for each part of 8 MiB, one to complete")
            }
            _ => told(Some(1), "one; a streamed upload of 16 MiB and more goes in parts"),
        },
        Operation::Delete => match keys(body) {
            Some(keys) if is_dry_run(body) => told(Some(keys * 2), "a look at each key; nothing is deleted"),
            Some(keys) => {
                let chunks = keys.div_ceil(u64::try_from(batch.max(1)).unwrap_or(1));
                let why = format!(
                    "one for each {batch} keys; one for each key where the store lacks DeleteObjects"
                );
                Calls { at_most: Some(chunks), why }
            }
            None if body.get("prefix").is_some() && is_dry_run(body) => {
                told(None, "a list of the prefix, page by page; nothing is deleted")
            }
            None if body.get("prefix").is_some() => told(
                None,
                "a list of the prefix to compare the count, then page by page again with a delete for each",
            ),
            None => told(Some(1), "one"),
        },
        Operation::Copy => told(
            None,
            "for each object: one, and above 5 GiB one for each part; between different credentials a read and an upload; a move deletes the source after it",
        ),
        Operation::Versions => told(None, "a page of 1000 rows a call; to restore one is a copy"),
        Operation::Multipart => told(None, "one for each step; a clean-up lists the uploads and aborts each"),
        Operation::Sign => {
            told(Some(0), "none: URLs are signed here; credentials that end soon are renewed first")
        }
        Operation::GetBucket => told(None, "one for each setting that is asked for"),
        Operation::PutBucket => {
            told(None, "what is there is read first where a lockout is checked, then one that writes")
        }
        Operation::Get | Operation::GetTags | Operation::PutTags | Operation::GetAcl | Operation::PutAcl => {
            told(Some(1), "one")
        }
    }
}

fn is_dry_run(body: &Value) -> bool {
    body.get("dry_run").and_then(Value::as_bool).unwrap_or(false)
}

fn reads_all(body: &Value) -> bool {
    ["filter", "sort"].iter().any(|field| body.get(*field).is_some_and(|value| !value.is_null()))
}

fn keys(body: &Value) -> Option<u64> {
    let listed = body.get("keys").or_else(|| body.get("objects"))?.as_array()?;
    u64::try_from(listed.len()).ok()
}

fn body_bytes(body: &Value) -> Option<u64> {
    let text = body.get("text").and_then(Value::as_str).map(str::len);
    let encoded = || body.get("base64").and_then(Value::as_str).map(|text| text.len() / 4 * 3);
    u64::try_from(text.or_else(encoded)?).ok()
}

/// An action, and when it is needed; always where that is none.
pub type NeededAction = (&'static str, Option<&'static str>);

/// The IAM actions on objects that a query needs. Those on versions are needed only where one is named.
pub fn object_actions(operation: Operation, body: &Value) -> Vec<NeededAction> {
    let (all, named) = (operation.actions(), names_version(body));
    let twin = |action: &str| all.contains(&action.replace("Version", "").as_str());
    let kept = all.iter().copied().filter(|action| named || !action.contains("Version") || !twin(action));
    let mut needed: Vec<NeededAction> = kept.map(|action| (action, when(operation, action, named))).collect();
    let uploads = matches!(operation, Operation::Put | Operation::Multipart);
    if body.get("acl").is_some() && uploads {
        needed.push(("s3:PutObjectAcl", None));
    }
    if body.get("tags").is_some() && uploads {
        needed.push(("s3:PutObjectTagging", None));
    }
    needed
}

/// The IAM actions on the bucket that a query needs.
pub fn bucket_actions(operation: Operation) -> Vec<NeededAction> {
    let needed = operation.bucket_actions().iter().map(|action| {
        let several = matches!(operation, Operation::GetBucket | Operation::PutBucket | Operation::Multipart);
        (*action, several.then_some("this is what is asked for"))
    });
    let head = matches!(operation, Operation::Head | Operation::Get).then_some((
        "s3:ListBucket",
        Some("an object that is missing is to be told from one that may not be read"),
    ));
    needed.chain(head).collect()
}

fn when(operation: Operation, action: &str, version: bool) -> Option<&'static str> {
    match (operation, action) {
        (_, action) if version && action.contains("Version") => Some("a version is named"),
        (_, "s3:AbortMultipartUpload") => Some("an upload in parts fails or is aborted"),
        (_, "s3:ListMultipartUploadParts") => Some("parts are listed"),
        (Operation::Copy, "s3:GetObjectTagging" | "s3:PutObjectTagging") => Some("tags are copied or given"),
        (Operation::PutTags, "s3:DeleteObjectTagging") => Some("tags are deleted"),
        _ => None,
    }
}

/// Whether a version stands anywhere in a body.
fn names_version(body: &Value) -> bool {
    match body {
        Value::Object(fields) => fields.iter().any(|(name, value)| {
            (["version", "version_id"].contains(&name.as_str()) && !value.is_null()) || names_version(value)
        }),
        Value::Array(items) => items.iter().any(names_version),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{bucket_actions, calls, object_actions};
    use crate::model::operation::Operation;

    #[test]
    fn calls_are_counted_from_what_is_asked() {
        let most = |operation, body| calls(operation, &body, 700).at_most;
        assert_eq!(most(Operation::List, json!({})), Some(1));
        assert_eq!(most(Operation::List, json!({"limit": 2001})), Some(3));
        assert_eq!(most(Operation::List, json!({"limit": 1, "filter": {"glob": "*"}})), None);
        assert_eq!(most(Operation::Delete, json!({"key": "a"})), Some(1));
        assert_eq!(most(Operation::Delete, json!({"keys": vec!["a"; 701]})), Some(2));
        assert_eq!(most(Operation::Delete, json!({"prefix": "a/"})), None);
        assert_eq!(most(Operation::Sign, json!({})), Some(0));
    }

    #[test]
    fn actions_on_versions_are_needed_where_one_is_named() {
        let actions = |body| {
            object_actions(Operation::Get, &body).into_iter().map(|(action, _)| action).collect::<Vec<_>>()
        };
        assert_eq!(actions(json!({"key": "a"})), ["s3:GetObject"]);
        assert_eq!(actions(json!({"key": "a", "version": null})), ["s3:GetObject"]);
        assert_eq!(actions(json!({"key": "a", "version": "1"})), ["s3:GetObject", "s3:GetObjectVersion"]);
    }

    #[test]
    fn every_class_of_operation_is_described() {
        for operation in Operation::ALL {
            assert!(!calls(operation, &json!({}), 1000).why.is_empty(), "{operation:?}");
            let needed = object_actions(operation, &json!({})).len() + bucket_actions(operation).len();
            assert!(needed > 0 || operation == Operation::Sign, "{operation:?}");
        }
    }
}
