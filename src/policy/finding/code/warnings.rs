//! What is likely not what was meant.

use super::super::{Rule, Severity};

rules! { Warning:
    CREATE_SLR_WITH_NOT_RESOURCE I "Service-linked roles can be made with all but some names."
    CREATE_SLR_WITH_STAR_IN_ACTION_AND_NOT_RESOURCE I "A wildcard in the actions lets service-linked roles be made with all but some names."
    CREATE_SLR_WITH_NOT_ACTION_AND_NOT_RESOURCE I "`NotAction` lets service-linked roles be made with all but some names."
    CREATE_SLR_WITH_STAR_IN_RESOURCE I "Service-linked roles of every service can be made."
    CREATE_SLR_WITH_STAR_IN_ACTION_AND_RESOURCE I "A wildcard in the actions lets service-linked roles of every service be made."
    CREATE_SLR_WITH_STAR_IN_RESOURCE_AND_NOT_ACTION I "`NotAction` lets service-linked roles of every service be made."
    DEPRECATED_GLOBAL_CONDITION_KEY IR "A global condition key has a newer name."
    INVALID_DATE_VALUE ALL "A date is written in seconds since 1970, which nobody can read."
    INVALID_ROLE_REFERENCE RT "The principal is the unique id of a role, usually one that was deleted."
    INVALID_USER_REFERENCE RT "The principal is the unique id of a user, usually one that was deleted."
    MISSING_VERSION ALL "The policy names no version, and gets the rules of 2008-10-17."
    MORE_FINDINGS ALL "The policy has more findings than are listed."
    POLICY_SIZE_EXCEEDS_IDENTITY_POLICY_QUOTA I "An identity policy is longer than a managed policy can be."
    POLICY_SIZE_EXCEEDS_RESOURCE_POLICY_QUOTA R "A bucket policy is longer than S3 takes."
    POLICY_SIZE_EXCEEDS_ROLE_TRUST_POLICY_QUOTA T "A trust policy is longer than IAM takes without a raised quota."
    RCP_MISSING_RELATED_PRINCIPAL_CONDITION_KEY C "A Deny for principals from elsewhere also meets AWS services."
    RCP_MISSING_RELATED_SERVICE_PRINCIPAL_CONDITION_KEY C "A Deny for services that act for others also meets principals that are no services."
    RCP_MISSING_SERVICE_CONDITION_KEY_NULL_CHECK C "A Deny for services that act for others also meets calls that say for nobody whom."
    SCP_SYNTAX_ERROR_ACTION_WILDCARD S "An action has a wildcard before its end, which service control policies could not have before September 2025."
    SPECIFIC_GITHUB_REPO_AND_BRANCH_RECOMMENDED T "GitHub's subject names no repository."
    TYPE_MISMATCH ALL "An operator does not fit the type of its condition key."
    TYPE_MISMATCH_BOOLEAN ALL "A value of a boolean operator is neither true nor false."
    TYPE_MISMATCH_DATE ALL "A value of a date operator is not a date."
    TYPE_MISMATCH_NUMBER ALL "A value of a numeric operator is not a number."
    TYPE_MISMATCH_STRING ALL "A value of a string operator is not written as a string."
    UNIQUE_SIDS_RECOMMENDED R "Two statements have the same Sid."
    USE_CONDITION_KEY_ONLY_WITH_SUPPORTED_SERVICES NOT_TRUST "A key for the owner of a VPC endpoint is used beyond the services that send it."
    WILDCARD_WITHOUT_LIKE_OPERATOR ALL "A wildcard stands under an operator that takes it for text."
}
