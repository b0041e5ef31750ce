//! How many calls a query may become besides its first request.
//!
//! By class of operation, so that a new operation of a class is described with it. Source: the S3 user guide (limits
//! of lists, deletes, copies and uploads in parts).

use serde_json::Value;

use crate::model::operation::Operation;

/// Rows of one page of a list.
const PAGE: u64 = 1_000;
/// Bytes from which an upload goes in parts.
const MULTIPART_FROM: u64 = 16 << 20;
/// Bytes of each part but the last, where the length is known.
const PART: u64 = 5 << 20;

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
        Operation::Versions if body.get("key").is_some() => {
            told(None, "to restore one is a copy; above 5 GiB one for each part")
        }
        Operation::List | Operation::Versions => {
            let pages = number("limit").unwrap_or(PAGE).div_ceil(PAGE);
            told(Some(pages), "a page of 1000 rows a call")
        }
        Operation::Head => {
            told(Some(2), "one; a refusal is asked again as a read of one byte, whose answer says why")
        }
        Operation::Put => match body_bytes(body) {
            Some(bytes) if bytes >= MULTIPART_FROM => {
                let parts = bytes.div_ceil(PART);
                told(Some(parts + 2), "one to start, one for each part of 5 MiB, one to complete")
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
        Operation::Copy if is_dry_run(body) => {
            told(None, "a look at the source, and at the target where that decides; nothing is copied")
        }
        Operation::Copy => told(
            None,
            "for each object: one, and above 5 GiB one for each part; between different credentials a read and an upload; a move deletes the source after it",
        ),
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::calls;
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
    fn every_class_of_operation_is_described() {
        for operation in Operation::ALL {
            assert!(!calls(operation, &json!({}), 1000).why.is_empty(), "{operation:?}");
        }
    }
}
