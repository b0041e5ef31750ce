//! Findings of our own: what goes wrong with buckets and objects.

use super::super::{Rule, Severity};

rules! { mixed:
    ACL_ACTION_WITH_OWNER_ENFORCED Warning IR "A right to change ACLs is useless in a bucket that has none."
    ACL_CONDITION_BREAKS_OWNER_ENFORCED Error IR "An upload must set an ACL that the bucket refuses."
    ACTION_RESOURCE_TYPE_MISMATCH Error IR "No listed resource is of the kind that the action acts on."
    API_NAME_NOT_ACTION Error IR "The name of an operation stands where the action that allows it belongs."
    CONDITION_KEY_NEVER_PRESENT Error IR "No action of the statement ever carries a condition key."
    LOCKOUT_RISK SecurityWarning R "A Deny takes the right to mend the policy from those who could."
    MISSING_DELETE Warning IR "The resource deletes objects and the policy does not let it."
    MISSING_LISTBUCKET_404_HINT Suggestion I "Without s3:ListBucket a missing object looks like a forbidden one."
    MISSING_MULTIPART_COMPANIONS Suggestion IR "Uploads in parts cannot be given up, and what is left of them costs money."
    MIXED_BUCKET_AND_OBJECT_RESOURCE Suggestion IR "One statement lists buckets and objects, each for some of its actions."
    NOT_PRINCIPAL_WITHOUT_ACCOUNT Warning R "A Deny spares a user or role and not its account, so it is denied all the same."
    PUBLIC_BY_S3_RULES SecurityWarning R "S3 takes the policy for public."
    RESOURCE_NOT_THIS_BUCKET Error R "A bucket policy names another bucket."
    SENSITIVE_ACTION_ON_EVERYTHING SecurityWarning I "An action that reads secrets or data, or takes on a role, is allowed on everything."
    STAR_RUNS_OVER_BUCKETS Warning IR "A star in the name of a bucket also stands for other buckets and for their objects."
    TLS_DENY_ONLY_OBJECTS SecurityWarning R "Requests without TLS are denied for one of bucket and objects, and not for the other."
    UNUSED_FOR_OPERATIONS Suggestion I "An action is allowed that no operation of the resource needs."
    UPLOAD_HEADER_REQUIRED Suggestion IR "Uploads that leave a header to the defaults of the bucket are denied."
    VARIABLE_IN_2008_POLICY Warning IR "A variable stands in a policy without a version, which takes it for text."
    VARIABLE_WITHOUT_VALUE Warning R "A variable has no value for the principals that the statement names."
}
