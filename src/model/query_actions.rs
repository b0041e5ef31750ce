//! Which IAM actions a query needs, and on what: by operation and by what its body asks for.
//!
//! Sources: the Service Authorization Reference (Amazon S3), and the permissions that the S3 API reference names for
//! each call.

use serde_json::Value;

use crate::model::bucket::Aspect;

/// Keys that are named one by one; of more, only that they are keys of the resource.
const MOST_NAMED: usize = 20;

const MISSING: &str = "an object that is missing is to be told from one that may not be read";
const USED: &str = "the signed URL is used";
const TAGGED: &str = "the source has tags";
const PARTS_FAIL: &str = "an upload in parts fails";

/// What an action is needed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On<'a> {
    /// The bucket itself.
    Bucket,
    /// One object, by its key below the resource's prefix.
    Key(&'a str),
    /// Every object whose key starts so.
    Below(&'a str),
}

/// One action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need<'a> {
    /// The IAM action.
    pub action: &'static str,
    /// What it is needed on.
    pub on: On<'a>,
    /// When it is needed; always where that is none.
    pub when: Option<&'static str>,
    /// Whether at the resource that a copy or move goes to.
    pub at_target: bool,
}

impl<'a> Need<'a> {
    fn new(action: &'static str, on: On<'a>) -> Need<'a> {
        Need { action, on, when: None, at_target: false }
    }

    fn when(self, when: &'static str) -> Need<'a> {
        Need { when: Some(when), ..self }
    }

    fn at_target(self) -> Need<'a> {
        Need { at_target: true, ..self }
    }

    /// Whether it writes an object, which brings the resource's ACL and encryption with it.
    pub fn writes(&self) -> bool {
        self.action == "s3:PutObject"
    }

    /// Whether it reads an object's content or metadata.
    pub fn reads(&self) -> bool {
        matches!(self.action, "s3:GetObject" | "s3:GetObjectVersion")
    }
}

/// What the query of that body needs; nothing for an operation that is not known.
pub fn needs(body: &Value) -> Vec<Need<'_>> {
    let asked = Asked { body };
    let word = asked.text("operation").unwrap_or_default();
    asked.of_many(word).or_else(|| asked.of_bucket(word)).unwrap_or_else(|| asked.of_one(word))
}

/// A body that was read as a query.
#[derive(Clone, Copy)]
struct Asked<'a> {
    body: &'a Value,
}

impl<'a> Asked<'a> {
    fn text(self, field: &str) -> Option<&'a str> {
        self.body.get(field).and_then(Value::as_str)
    }

    fn is(self, field: &str) -> bool {
        self.body.get(field).and_then(Value::as_bool).unwrap_or(false)
    }

    fn has(self, field: &str) -> bool {
        match self.body.get(field) {
            None | Some(Value::Null) => false,
            Some(Value::Object(fields)) => !fields.is_empty(),
            Some(_) => true,
        }
    }

    /// The action on the object, or its twin where a version is named.
    fn versioned(self, action: &'static str, twin: &'static str) -> &'static str {
        if self.has("version") { twin } else { action }
    }

    /// Operations on one object.
    fn of_one(self, word: &str) -> Vec<Need<'a>> {
        let key = On::Key(self.text("key").unwrap_or_default());
        let version = |action, twin| vec![Need::new(self.versioned(action, twin), key)];
        match word {
            "head" | "get" => {
                let read = self.versioned("s3:GetObject", "s3:GetObjectVersion");
                vec![Need::new("s3:ListBucket", On::Bucket).when(MISSING), Need::new(read, key)]
            }
            "put" => {
                let mut needed = self.written(key);
                if self.has("tags") {
                    needed.push(Need::new("s3:PutObjectTagging", key));
                }
                needed.push(Need::new("s3:AbortMultipartUpload", key).when(PARTS_FAIL));
                needed
            }
            "delete" => version("s3:DeleteObject", "s3:DeleteObjectVersion"),
            "get_tags" => version("s3:GetObjectTagging", "s3:GetObjectVersionTagging"),
            "put_tags" => version("s3:PutObjectTagging", "s3:PutObjectVersionTagging"),
            "delete_tags" => version("s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging"),
            "get_acl" => version("s3:GetObjectAcl", "s3:GetObjectVersionAcl"),
            "put_acl" => version("s3:PutObjectAcl", "s3:PutObjectVersionAcl"),
            "sign" => self.signed(key),
            "sign_post" => {
                let prefix = self.text("key_prefix").map(On::Below);
                let needed = self.written(prefix.unwrap_or(key));
                needed.into_iter().map(|need| need.when("the form is used")).collect()
            }
            "sign_parts" => vec![Need::new("s3:PutObject", key).when(USED)],
            "create_multipart_upload" => {
                let mut needed = self.written(key);
                if self.has("tags") {
                    needed.push(Need::new("s3:PutObjectTagging", key));
                }
                needed
            }
            "upload_part" => vec![Need::new("s3:PutObject", key)],
            "list_parts" => vec![Need::new("s3:ListMultipartUploadParts", key)],
            "complete_multipart_upload" => {
                let listed = "the parts are not named, or the resource bounds uploads";
                let list = Need::new("s3:ListMultipartUploadParts", key).when(listed);
                vec![Need::new("s3:PutObject", key), list]
            }
            "abort_multipart_upload" => vec![Need::new("s3:AbortMultipartUpload", key)],
            "restore_version" => self.restored(key),
            "copy" | "move" => self.copied(word == "move"),
            _ => Vec::new(),
        }
    }

    fn written(self, on: On<'a>) -> Vec<Need<'a>> {
        let mut needed = vec![Need::new("s3:PutObject", on)];
        if self.has("acl") {
            needed.push(Need::new("s3:PutObjectAcl", on));
        }
        needed
    }

    fn signed(self, key: On<'a>) -> Vec<Need<'a>> {
        let needed = match self.text("method").unwrap_or("GET") {
            "PUT" => self.written(key),
            "DELETE" => {
                vec![Need::new(self.versioned("s3:DeleteObject", "s3:DeleteObjectVersion"), key)]
            }
            _ => vec![Need::new(self.versioned("s3:GetObject", "s3:GetObjectVersion"), key)],
        };
        needed.into_iter().map(|need| need.when(USED)).collect()
    }

    /// An earlier version is copied on top; delete markers are taken away.
    fn restored(self, key: On<'a>) -> Vec<Need<'a>> {
        if self.is("undelete") {
            return vec![
                Need::new("s3:ListBucketVersions", On::Bucket),
                Need::new("s3:DeleteObjectVersion", key),
            ];
        }
        vec![
            Need::new("s3:GetObjectVersion", key),
            Need::new("s3:GetObjectVersionTagging", key).when(TAGGED),
            Need::new("s3:PutObject", key),
            Need::new("s3:PutObjectTagging", key).when(TAGGED),
            Need::new("s3:AbortMultipartUpload", key).when(PARTS_FAIL),
        ]
    }

    fn copied(self, moves: bool) -> Vec<Need<'a>> {
        let from = On::Key(self.text("from").unwrap_or_default());
        let to = On::Key(self.text("to").unwrap_or_default());
        let read = self.versioned("s3:GetObject", "s3:GetObjectVersion");
        let tags = self.versioned("s3:GetObjectTagging", "s3:GetObjectVersionTagging");
        let replaced = self.text("tags_directive") == Some("replace");
        let mut needed = vec![Need::new("s3:ListBucket", On::Bucket).when(MISSING), Need::new(read, from)];
        if self.is("dry_run") {
            if moves || self.has("if_none_match") {
                needed.push(Need::new("s3:GetObject", to).at_target());
            }
            return needed;
        }
        if !replaced {
            needed.push(Need::new(tags, from));
        }
        if moves {
            needed.push(Need::new(self.versioned("s3:DeleteObject", "s3:DeleteObjectVersion"), from));
        }
        needed.extend(self.written(to).into_iter().map(Need::at_target));
        let tagging = Need::new("s3:PutObjectTagging", to).at_target();
        match (replaced, self.has("tags")) {
            (false, _) => needed.push(tagging.when(TAGGED)),
            (true, true) => needed.push(tagging),
            (true, false) => {}
        }
        if moves || self.has("if_none_match") {
            needed.push(Need::new("s3:GetObject", to).at_target());
            needed.push(Need::new("s3:ListBucket", On::Bucket).when(MISSING).at_target());
        }
        needed.push(Need::new("s3:AbortMultipartUpload", to).when(PARTS_FAIL).at_target());
        needed
    }

    /// Operations on many objects.
    fn of_many(self, word: &str) -> Option<Vec<Need<'a>>> {
        let below = |field: &str| On::Below(self.text(field).unwrap_or_default());
        Some(match word {
            "list" => {
                let versions = self.is("versions");
                let (list, read) = if versions {
                    ("s3:ListBucketVersions", "s3:GetObjectVersion")
                } else {
                    ("s3:ListBucket", "s3:GetObject")
                };
                let rows = Need::new(read, below("prefix")).when("the signed URLs of rows are used");
                let list = Need::new(list, On::Bucket);
                if self.has("sign_expires_in") { vec![list, rows] } else { vec![list] }
            }
            "list_multipart_uploads" => vec![Need::new("s3:ListBucketMultipartUploads", On::Bucket)],
            "clean_multipart_uploads" => {
                let abort = Need::new("s3:AbortMultipartUpload", below("prefix"));
                self.unless_dry("s3:ListBucketMultipartUploads", vec![abort])
            }
            "delete_many" => self.deleted(),
            "delete_prefix" => {
                self.unless_dry("s3:ListBucket", vec![Need::new("s3:DeleteObject", below("prefix"))])
            }
            "rename_prefix" => {
                let (from, to) = (below("from"), below("to"));
                let replaced = self.text("tags_directive") == Some("replace");
                let tagging = Need::new("s3:PutObjectTagging", to).at_target();
                let mut moved = vec![Need::new("s3:GetObject", from)];
                if !replaced {
                    moved.push(Need::new("s3:GetObjectTagging", from));
                }
                moved.push(Need::new("s3:DeleteObject", from));
                moved.push(Need::new("s3:PutObject", to).at_target());
                if self.has("acl") {
                    moved.push(Need::new("s3:PutObjectAcl", to).at_target());
                }
                moved.push(if replaced { tagging } else { tagging.when(TAGGED) });
                moved.extend([
                    Need::new("s3:GetObject", to).at_target(),
                    Need::new("s3:ListBucket", On::Bucket).when(MISSING).at_target(),
                    Need::new("s3:AbortMultipartUpload", to).when(PARTS_FAIL).at_target(),
                ]);
                self.unless_dry("s3:ListBucket", moved)
            }
            _ => return None,
        })
    }

    /// The list that comes first, and what follows where it is not only looked.
    fn unless_dry(self, list: &'static str, then: Vec<Need<'a>>) -> Vec<Need<'a>> {
        let mut needed = vec![Need::new(list, On::Bucket)];
        if !self.is("dry_run") {
            needed.extend(then);
        }
        needed
    }

    fn deleted(self) -> Vec<Need<'a>> {
        let keys = self.body.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let (plain, versions) = if self.is("dry_run") {
            ("s3:GetObject", "s3:GetObjectVersion")
        } else {
            ("s3:DeleteObject", "s3:DeleteObjectVersion")
        };
        let needed = keys.iter().map(|key| {
            let version = key.get("version").is_some_and(|version| !version.is_null());
            let name = key.as_str().or_else(|| key.get("key")?.as_str()).unwrap_or_default();
            let on = if keys.len() > MOST_NAMED { On::Below("") } else { On::Key(name) };
            Need::new(if version { versions } else { plain }, on)
        });
        let look = self.is("dry_run").then(|| Need::new("s3:ListBucket", On::Bucket).when(MISSING));
        let mut distinct: Vec<Need<'a>> = Vec::new();
        for need in look.into_iter().chain(needed) {
            if !distinct.contains(&need) {
                distinct.push(need);
            }
        }
        distinct
    }

    /// Operations on the bucket's settings.
    fn of_bucket(self, word: &str) -> Option<Vec<Need<'a>>> {
        let changed = |write: &'static str, read: &'static str| {
            let looked = Need::new(read, On::Bucket).when("what is there is told");
            vec![if self.is("dry_run") { looked } else { Need::new(write, On::Bucket) }]
        };
        Some(match word {
            "get_bucket" => {
                let named = self.body.get("aspects").and_then(Value::as_array).map(Vec::as_slice);
                let named = named.unwrap_or_default().iter().filter_map(|word| Aspect::parse(word.as_str()?));
                let named: Vec<Aspect> = named.collect();
                let wanted = if named.is_empty() { Aspect::ALL.to_vec() } else { named };
                wanted.into_iter().map(|aspect| Need::new(aspect.action(), On::Bucket)).collect()
            }
            // there is no action of its own to delete it
            "put_bucket_cors" | "delete_bucket_cors" => changed("s3:PutBucketCORS", Aspect::Cors.action()),
            "put_bucket_policy" => changed("s3:PutBucketPolicy", Aspect::Policy.action()),
            "delete_bucket_policy" => changed("s3:DeleteBucketPolicy", Aspect::Policy.action()),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{On, needs};

    /// Every action as `action on what`, with `?` where it is not always needed and `>` where it is the target's.
    fn told(body: &Value) -> Vec<String> {
        let one = |need: &super::Need<'_>| {
            let on = match need.on {
                On::Bucket => "bucket".to_owned(),
                On::Key(key) => key.to_owned(),
                On::Below(prefix) => format!("{prefix}*"),
            };
            let (side, when) = (if need.at_target { ">" } else { "" }, need.when.map_or("", |_| "?"));
            format!("{} {side}{on}{when}", need.action.strip_prefix("s3:").unwrap())
        };
        needs(body).iter().map(one).collect()
    }

    #[test]
    fn each_operation_names_what_it_needs_and_nothing_else() {
        let cases = [
            (json!({"operation": "get", "key": "a"}), vec!["ListBucket bucket?", "GetObject a"]),
            (
                json!({"operation": "head", "key": "a", "version": "1"}),
                vec!["ListBucket bucket?", "GetObjectVersion a"],
            ),
            (
                json!({"operation": "get", "key": "a", "version": null}),
                vec!["ListBucket bucket?", "GetObject a"],
            ),
            (
                json!({"operation": "put", "key": "a", "text": "", "tags": {"b": "c"}, "acl": "private"}),
                vec!["PutObject a", "PutObjectAcl a", "PutObjectTagging a", "AbortMultipartUpload a?"],
            ),
            (
                json!({"operation": "put", "key": "a", "text": "", "tags": {}}),
                vec!["PutObject a", "AbortMultipartUpload a?"],
            ),
            (json!({"operation": "delete", "key": "a"}), vec!["DeleteObject a"]),
            (json!({"operation": "delete", "key": "a", "version": "1"}), vec!["DeleteObjectVersion a"]),
            (
                json!({"operation": "delete_many", "keys": ["a", {"key": "b", "version": "1"}]}),
                vec!["DeleteObject a", "DeleteObjectVersion b"],
            ),
            (
                json!({"operation": "copy", "from": "a", "to": "b", "dry_run": true}),
                vec!["ListBucket bucket?", "GetObject a"],
            ),
            (
                json!({"operation": "move", "from": "a", "to": "b", "dry_run": true}),
                vec!["ListBucket bucket?", "GetObject a", "GetObject >b"],
            ),
            (
                json!({"operation": "delete_many", "keys": ["a"], "dry_run": true}),
                vec!["ListBucket bucket?", "GetObject a"],
            ),
            (
                json!({"operation": "delete_prefix", "prefix": "p/", "confirm_count": 1}),
                vec!["ListBucket bucket", "DeleteObject p/*"],
            ),
            (
                json!({"operation": "delete_prefix", "prefix": "p/", "dry_run": true}),
                vec!["ListBucket bucket"],
            ),
            (json!({"operation": "sign", "key": "a", "method": "PUT"}), vec!["PutObject a?"]),
            (json!({"operation": "sign_post", "key_prefix": "up/"}), vec!["PutObject up/*?"]),
            (
                json!({"operation": "restore_version", "key": "a", "undelete": true}),
                vec!["ListBucketVersions bucket", "DeleteObjectVersion a"],
            ),
            (
                json!({"operation": "restore_version", "key": "a", "version": "1"}),
                vec![
                    "GetObjectVersion a",
                    "GetObjectVersionTagging a?",
                    "PutObject a",
                    "PutObjectTagging a?",
                    "AbortMultipartUpload a?",
                ],
            ),
            (json!({"operation": "get_bucket", "aspects": ["cors"]}), vec!["GetBucketCORS bucket"]),
            (json!({"operation": "put_bucket_cors", "rules": []}), vec!["PutBucketCORS bucket"]),
            (json!({"operation": "delete_bucket_cors"}), vec!["PutBucketCORS bucket"]),
            (json!({"operation": "delete_bucket_policy"}), vec!["DeleteBucketPolicy bucket"]),
        ];
        for (body, expected) in cases {
            assert_eq!(told(&body), expected, "{body}");
        }
    }

    #[test]
    fn a_copy_names_both_keys_and_a_move_deletes_the_first() {
        let copy = json!({"operation": "copy", "from": "a", "to": "b", "tags_directive": "replace"});
        let read = ["ListBucket bucket?", "GetObject a"];
        assert_eq!(told(&copy), [&read[..], &["PutObject >b", "AbortMultipartUpload >b?"]].concat());
        let moved = told(&json!({"operation": "move", "from": "a", "to": "b"}));
        for needed in ["GetObjectTagging a", "DeleteObject a", "GetObject >b", "PutObjectTagging >b?"] {
            assert!(moved.contains(&needed.to_owned()), "{moved:?}");
        }
        let version = told(&json!({"operation": "copy", "from": "a", "to": "b", "version": "1"}));
        assert!(version.contains(&"GetObjectVersionTagging a".to_owned()), "{version:?}");
        assert!(!version.iter().any(|action| action.starts_with("GetObject ")), "{version:?}");
    }

    #[test]
    fn of_very_many_keys_only_the_resource_is_named() {
        let keys: Vec<String> = (0..50).map(|number| number.to_string()).collect();
        assert_eq!(told(&json!({"operation": "delete_many", "keys": keys})), ["DeleteObject *"]);
    }
}
