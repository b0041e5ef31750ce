//! What gives away more than was meant.

use super::super::{Rule, Severity};

rules! { SecurityWarning:
    ALLOW_WITH_NOT_PRINCIPAL R "Allow with `NotPrincipal` allows everybody else, unsigned requests too."
    DENY_NOTACTION_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE IRS "A Deny of all but some actions depends on tags that many actions do not carry."
    DENY_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE IRS "A Deny depends on tags that its actions do not carry, so it does not deny what it names."
    DYNAMODB_ATTRIBUTES_WITHOUT_SELECT I "The attributes of an item are limited, and requests for all of them are not."
    FORALLVALUES_WITH_SINGLE_VALUED_KEY ALL "`ForAllValues` is true when the key is missing, and this key has one value at most."
    FORANYVALUE_WITH_AUDIENCE_CLAIM_TYPE T "A set operator stands before the audience, which has one value."
    MISSING_CONDITION_KEY_FOR_OIDC_PRINCIPAL T "Every user of a public identity provider can assume the role."
    MISSING_GITHUB_REPO_CONDITION_KEY T "Every workflow on GitHub can assume the role."
    MISSING_PAIRED_CONDITION_KEYS IRS "A condition key is safe only next to another one."
    PASS_ROLE_WITH_NOT_RESOURCE I "All but some roles can be passed to services."
    PASS_ROLE_WITH_STAR_IN_ACTION_AND_NOT_RESOURCE I "A wildcard in the actions lets all but some roles be passed to services."
    PASS_ROLE_WITH_NOT_ACTION_AND_NOT_RESOURCE I "`NotAction` lets all but some roles be passed to services."
    PASS_ROLE_WITH_STAR_IN_RESOURCE I "Every role can be passed to services."
    PASS_ROLE_WITH_STAR_IN_ACTION_AND_RESOURCE I "A wildcard in the actions lets every role be passed to services."
    PASS_ROLE_WITH_STAR_IN_RESOURCE_AND_NOT_ACTION I "`NotAction` lets every role be passed to services."
    RESTRICT_ACCESS_TO_SERVICE_PRINCIPAL R "An AWS service may act for anybody's account."
    S3_PREFIX_IN_NEGATIVE_CONTEXT IR "A prefix that is to be kept out of sight is shown by a listing of a shorter prefix."
    STRING_LIKE_OPERATOR_WITH_ARN_CONDITION_KEYS ALL "A string operator compares an ARN, so a wildcard runs over its fields."
    UNTRUSTWORTHY_CONDITION_KEY IR "The caller chooses the value of a condition key freely."
}
