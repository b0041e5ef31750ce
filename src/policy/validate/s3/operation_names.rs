//! Names of S3 operations that are no actions, and the actions that allow them (S3 API reference, "required
//! permissions").

/// The actions for an operation. None when there is no such operation, or an action has its name.
pub(in super::super) fn actions_of(operation: &str) -> Option<&'static [&'static str]> {
    let found = OPERATIONS.iter().find(|(name, _)| name.eq_ignore_ascii_case(operation));
    found.map(|(_, actions)| *actions)
}

const OPERATIONS: &[(&str, &[&str])] = &[
    ("CompleteMultipartUpload", &["s3:PutObject"]),
    ("CopyObject", &["s3:GetObject", "s3:PutObject"]),
    ("CreateMultipartUpload", &["s3:PutObject"]),
    ("DeleteBucketAnalyticsConfiguration", &["s3:PutAnalyticsConfiguration"]),
    ("DeleteBucketCORS", &["s3:PutBucketCORS"]),
    ("DeleteBucketEncryption", &["s3:PutEncryptionConfiguration"]),
    ("DeleteBucketInventoryConfiguration", &["s3:PutInventoryConfiguration"]),
    ("DeleteBucketLifecycle", &["s3:PutLifecycleConfiguration"]),
    ("DeleteBucketMetricsConfiguration", &["s3:PutMetricsConfiguration"]),
    ("DeleteBucketOwnershipControls", &["s3:PutBucketOwnershipControls"]),
    ("DeleteBucketReplication", &["s3:PutReplicationConfiguration"]),
    ("DeleteBucketTagging", &["s3:PutBucketTagging"]),
    ("DeleteObjects", &["s3:DeleteObject"]),
    ("DeletePublicAccessBlock", &["s3:PutBucketPublicAccessBlock"]),
    ("GetBucketAccelerateConfiguration", &["s3:GetAccelerateConfiguration"]),
    ("GetBucketAnalyticsConfiguration", &["s3:GetAnalyticsConfiguration"]),
    ("GetBucketEncryption", &["s3:GetEncryptionConfiguration"]),
    ("GetBucketInventoryConfiguration", &["s3:GetInventoryConfiguration"]),
    ("GetBucketLifecycle", &["s3:GetLifecycleConfiguration"]),
    ("GetBucketLifecycleConfiguration", &["s3:GetLifecycleConfiguration"]),
    ("GetBucketMetricsConfiguration", &["s3:GetMetricsConfiguration"]),
    ("GetBucketNotificationConfiguration", &["s3:GetBucketNotification"]),
    ("GetBucketReplication", &["s3:GetReplicationConfiguration"]),
    ("GetObjectLockConfiguration", &["s3:GetBucketObjectLockConfiguration"]),
    ("GetPublicAccessBlock", &["s3:GetBucketPublicAccessBlock"]),
    ("HeadBucket", &["s3:ListBucket"]),
    ("HeadObject", &["s3:GetObject"]),
    ("ListBuckets", &["s3:ListAllMyBuckets"]),
    ("ListMultipartUploads", &["s3:ListBucketMultipartUploads"]),
    ("ListObjects", &["s3:ListBucket"]),
    ("ListObjectsV2", &["s3:ListBucket"]),
    ("ListObjectVersions", &["s3:ListBucketVersions"]),
    ("ListParts", &["s3:ListMultipartUploadParts"]),
    ("PostObject", &["s3:PutObject"]),
    ("PutBucketAccelerateConfiguration", &["s3:PutAccelerateConfiguration"]),
    ("PutBucketAnalyticsConfiguration", &["s3:PutAnalyticsConfiguration"]),
    ("PutBucketEncryption", &["s3:PutEncryptionConfiguration"]),
    ("PutBucketInventoryConfiguration", &["s3:PutInventoryConfiguration"]),
    ("PutBucketLifecycle", &["s3:PutLifecycleConfiguration"]),
    ("PutBucketLifecycleConfiguration", &["s3:PutLifecycleConfiguration"]),
    ("PutBucketMetricsConfiguration", &["s3:PutMetricsConfiguration"]),
    ("PutBucketNotificationConfiguration", &["s3:PutBucketNotification"]),
    ("PutBucketReplication", &["s3:PutReplicationConfiguration"]),
    ("PutObjectLockConfiguration", &["s3:PutBucketObjectLockConfiguration"]),
    ("PutPublicAccessBlock", &["s3:PutBucketPublicAccessBlock"]),
    ("SelectObjectContent", &["s3:GetObject"]),
    ("UploadPart", &["s3:PutObject"]),
    ("UploadPartCopy", &["s3:GetObject", "s3:PutObject"]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::catalogue;

    #[test]
    fn no_operation_has_the_name_of_an_action_and_all_actions_exist() {
        for (name, actions) in OPERATIONS {
            assert!(catalogue::get().action(&format!("s3:{name}")).is_none(), "{name} is an action");
            for action in *actions {
                assert!(catalogue::get().action(action).is_some(), "{action}");
            }
        }
    }
}
