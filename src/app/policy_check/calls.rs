//! Which calls of the store stand behind an operation of a resource and behind a check of a test, and what each asks IAM
//! for.

use crate::app::policy_check::facts::Requests;
use crate::app::policy_check::keys::NOBODYS_KEY;
use crate::model::check::Check;
use crate::model::operation::Operation;
use crate::policy::generate::operations::{self, On, When};

/// What a call is made with, as far as policies see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::app) enum Form {
    /// Nothing of note.
    Plain,
    /// A list that begins at the root prefix.
    List,
    /// A list of one key there, without a delimiter.
    ListOne,
    /// An upload with the defaults of the resource.
    Upload,
    /// The copy of an object, with the same defaults.
    Copy,
    /// An upload without the default ACL.
    UploadWithoutAcl,
    /// A change of an object's ACL, to one that the query names.
    Acl,
}

/// One action that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::app) struct Call {
    pub(super) action: &'static str,
    pub(super) on: Target,
    pub(super) form: Form,
}

/// What it is asked for on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::app) enum Target {
    Bucket,
    /// Any object under the prefix.
    Objects,
    /// This one, by its full key.
    Object(String),
    /// The KMS key that encrypts what the resource uploads.
    Key,
}

/// The calls of an operation. To sign needs none: a URL does what its signer may.
pub(super) fn of_operation(operation: Operation, requests: &Requests) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    for name in api(operation) {
        let needs = operations::find(name).map(|found| found.needs).unwrap_or_default();
        for need in needs {
            let on = match need.on {
                On::Bucket => Target::Bucket,
                On::Object | On::Source => Target::Objects,
                On::Key => Target::Key,
                On::Any | On::Role => continue,
            };
            let wanted = match need.when {
                When::Always => true,
                When::Acl => requests.acl.is_some(),
                When::Kms => requests.uses_kms && requests.signed && needs_key(name, need.action),
                _ => false,
            };
            let call = Call { action: need.action, on, form: form(name, need.action) };
            if wanted && !calls.contains(&call) {
                calls.push(call);
            }
        }
    }
    calls
}

/// Whether the call certainly asks KMS, with a key for uploads: what it reads may be encrypted otherwise.
fn needs_key(api: &str, action: &str) -> bool {
    match action {
        "kms:GenerateDataKey" => true,
        _ => matches!(api, "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload"),
    }
}

/// The operations of S3 that it is made of, as queries send them.
fn api(operation: Operation) -> &'static [&'static str] {
    match operation {
        Operation::List => &["ListObjectsV2"],
        Operation::Head => &["HeadObject"],
        Operation::Get => &["GetObject"],
        Operation::Put => &["PutObject"],
        Operation::Delete => &["DeleteObject"],
        Operation::Copy => &["CopyObject"],
        Operation::GetTags => &["GetObjectTagging"],
        Operation::PutTags => &["PutObjectTagging", "DeleteObjectTagging"],
        Operation::GetAcl => &["GetObjectAcl"],
        Operation::PutAcl => &["PutObjectAcl"],
        Operation::Versions => &["ListObjectVersions"],
        Operation::Multipart => &[
            "CreateMultipartUpload",
            "UploadPart",
            "CompleteMultipartUpload",
            "AbortMultipartUpload",
            "ListParts",
            "ListMultipartUploads",
        ],
        Operation::Sign => &[],
        Operation::GetBucket => &[
            "GetBucketLocation",
            "GetBucketVersioning",
            "GetBucketEncryption",
            "GetBucketOwnershipControls",
            "GetPublicAccessBlock",
            "GetBucketPolicy",
            "GetBucketCors",
            "GetBucketLifecycleConfiguration",
        ],
        Operation::PutBucket => &["PutBucketCors", "PutBucketPolicy", "DeleteBucketPolicy"],
    }
}

fn form(api: &str, action: &str) -> Form {
    match (api, action) {
        (_, action) if action.starts_with("kms:") => Form::Plain,
        ("ListObjectsV2" | "ListObjectVersions", _) => Form::List,
        ("CopyObject", "s3:PutObject" | "s3:PutObjectAcl") => Form::Copy,
        ("PutObject" | "CreateMultipartUpload", _) => Form::Upload,
        ("PutObjectAcl", _) => Form::Acl,
        // parts, their completion and their end bring nothing
        _ => Form::Plain,
    }
}

/// The calls that a check of a test makes, where its outcome tells whether they are allowed. `first` is the object that
/// it reads, by its full key, when that is known.
pub(in crate::app) fn of_check(check: &Check, requests: &Requests, first: Option<&str>) -> Vec<Call> {
    let on_bucket = |action, form| vec![Call { action, on: Target::Bucket, form }];
    let marker = || Target::Object(format!("{}{NOBODYS_KEY}", requests.prefix));
    let on_marker = |action, form| vec![Call { action, on: marker(), form }];
    let on_first = |action| {
        let reads_nobodys = check.call.as_deref().is_some_and(|call| call.contains("not there"));
        let on = match first {
            _ if reads_nobodys => marker(),
            Some(key) => Target::Object(key.to_owned()),
            None => Target::Objects,
        };
        vec![Call { action, on, form: Form::Plain }]
    };
    match check.name.as_str() {
        "objects-listable" => on_bucket("s3:ListBucket", Form::ListOne),
        "versions-listable" => on_bucket("s3:ListBucketVersions", Form::ListOne),
        "objects-readable" => on_first("s3:GetObject"),
        "tags-readable" => on_first("s3:GetObjectTagging"),
        "acl-readable" => on_first("s3:GetObjectAcl"),
        "cors-readable" => on_bucket("s3:GetBucketCORS", Form::Plain),
        "policy-readable" => on_bucket("s3:GetBucketPolicy", Form::Plain),
        "location-readable" => on_bucket("s3:GetBucketLocation", Form::Plain),
        "uploads-allowed" => on_marker("s3:PutObject", Form::UploadWithoutAcl),
        "acl-accepted" => {
            let mut calls = on_marker("s3:PutObject", Form::Upload);
            calls.extend(on_marker("s3:PutObjectAcl", Form::Upload));
            calls
        }
        "object-written" => {
            let mut calls = on_marker("s3:PutObject", Form::Upload);
            if requests.acl.is_some() {
                calls.extend(on_marker("s3:PutObjectAcl", Form::Upload));
            }
            calls
        }
        "object-read-back" => on_marker("s3:GetObject", Form::Plain),
        "object-deleted" => on_marker("s3:DeleteObject", Form::Plain),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Requests, Target, api, of_check};
    use crate::model::check::{Check, Status};
    use crate::model::check_catalogue;
    use crate::model::operation::Operation;
    use crate::policy::generate::operations;

    #[test]
    fn every_operation_is_made_of_calls_that_are_known() {
        for operation in Operation::ALL {
            for name in api(operation) {
                assert!(operations::find(name).is_some(), "{name}");
            }
            assert_eq!(api(operation).is_empty(), operation == Operation::Sign, "{operation:?}");
        }
    }

    #[test]
    fn what_a_check_claims_are_actions_that_exist() {
        let requests = Requests {
            bucket: "arn:aws:s3:::b".to_owned(),
            prefix: "p/".to_owned(),
            owner: None,
            context: BTreeMap::new(),
            upload: BTreeMap::new(),
            acl: Some("private"),
            uses_kms: false,
            kms_key: None,
            region: String::new(),
            in_url: false,
            url_tls: true,
            signed: true,
            lasting_key: true,
        };
        let catalogue = crate::policy::catalogue::get();
        let mut claimed = 0;
        for entry in check_catalogue::CHECKS {
            let check = Check::new(entry.name, Status::Passed, "");
            for call in of_check(&check, &requests, Some("p/first")) {
                let action = catalogue.action(call.action).unwrap_or_else(|| panic!("{}", call.action));
                let of_bucket = action.resources.iter().any(|resource| resource == "bucket");
                assert_eq!(of_bucket, call.on == Target::Bucket, "{}", call.action);
                claimed += 1;
            }
        }
        assert_eq!(claimed, 15);
    }
}
