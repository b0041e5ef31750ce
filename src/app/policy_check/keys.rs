//! Condition keys that requests of this service never have, and keys of objects to ask policies about.

use std::collections::BTreeSet;

use crate::app::policy_check::calls::Form;
use crate::app::policy_check::facts::Requests;

/// The end of an object's key that nobody has: that of the markers of a test.
pub(in crate::app) const NOBODYS_KEY: &str = ".s3-connector-test-00000000000000000000000000000000";
/// Keys that one call is asked for.
pub(super) const MOST_WITNESSES: usize = 8;
/// Characters of a key that is asked for.
const LONGEST_KEY: usize = 1024;

/// Keys that only temporary credentials have (IAM user guide, global condition keys).
pub(super) const OF_SESSIONS: [&str; 10] = [
    "aws:multifactorauthpresent",
    "aws:multifactorauthage",
    "aws:tokenissuetime",
    "aws:federatedprovider",
    "aws:sourceidentity",
    "aws:rolesessionname",
    "aws:assumedroot",
    "aws:chatbotsourcearn",
    "aws:ec2instancesourcevpc",
    "aws:ec2instancesourceprivateipv4",
];

/// What no request of this service carries.
const NEVER: [&str; 24] = [
    // set by services that call for others, and by browsers
    "aws:calledvia",
    "aws:calledviafirst",
    "aws:calledvialast",
    "aws:sourcearn",
    "aws:sourceaccount",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
    "aws:sourceowner",
    "aws:principalservicename",
    "aws:principalservicenameslist",
    "aws:referer",
    // headers that are sent only when a query asks for them
    "s3:versionid",
    "s3:if-match",
    "s3:object-lock-mode",
    "s3:object-lock-retain-until-date",
    "s3:object-lock-remaining-retention-days",
    "s3:object-lock-legal-hold",
    "s3:x-amz-metadata-directive",
    "s3:x-amz-website-redirect-location",
    "s3:x-amz-grant-read",
    "s3:x-amz-grant-write",
    "s3:x-amz-grant-read-acp",
    "s3:x-amz-grant-write-acp",
    "s3:x-amz-grant-full-control",
];

/// What others may send with a URL that was signed for them.
const SENT_BY_OTHERS: [&str; 4] =
    ["aws:referer", "s3:if-match", "s3:versionid", "s3:x-amz-website-redirect-location"];

/// Headers of uploads that the defaults of the resource set, or nobody.
const OF_UPLOADS: [&str; 9] = [
    "s3:x-amz-acl",
    "s3:x-amz-storage-class",
    "s3:x-amz-server-side-encryption",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "s3:x-amz-server-side-encryption-customer-algorithm",
    "s3:requestobjecttag/",
    "s3:requestobjecttagkeys",
    "s3:if-none-match",
    "s3:x-amz-tagging",
];

/// Condition keys, in lower case, that such a request does not have unless its context says so.
pub(super) fn absent(form: Form, requests: &Requests) -> BTreeSet<String> {
    let mut absent: BTreeSet<String> = NEVER.map(str::to_owned).into();
    absent.extend(OF_UPLOADS.map(str::to_owned));
    if requests.in_url {
        // whoever has a URL sends it, with what was signed and with more
        absent.retain(|key| !SENT_BY_OTHERS.contains(&key.as_str()));
        if !requests.context.contains_key("s3:authType") {
            absent.retain(|key| !OF_UPLOADS.contains(&key.as_str()));
        }
    }
    if form == Form::Acl {
        absent.retain(|key| key != "s3:x-amz-acl" && !key.starts_with("s3:x-amz-grant-"));
    }
    if form != Form::Copy {
        absent.insert("s3:x-amz-copy-source".to_owned());
    }
    if form == Form::ListOne {
        absent.insert("s3:delimiter".to_owned());
    }
    absent
}

/// A key under the prefix that a pattern of objects matches, to show what an answer depends on; none where none can be
/// told.
pub(super) fn witness(pattern: &str, requests: &Requests) -> Option<String> {
    let pattern = pattern.strip_prefix(requests.bucket.as_str())?.strip_prefix('/')?;
    if pattern.contains("${") {
        return None;
    }
    let key = pattern.replace(['*', '?'], "x");
    let key = if key.starts_with(&requests.prefix) {
        key
    } else if pattern.starts_with('*') {
        format!("{}{key}", requests.prefix)
    } else {
        return None;
    };
    (!key.is_empty() && key.len() <= LONGEST_KEY).then_some(key)
}
