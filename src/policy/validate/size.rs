//! How long a policy may be.

use super::subject::Subject;
use crate::policy::document::Kind;
use crate::policy::finding::Rule;
use crate::policy::finding::code::{errors, warnings};
use crate::policy::finding::report::Report;

/// Characters of a managed policy, blanks not counted (IAM quotas).
const MANAGED: usize = 6_144;

/// Bytes of a bucket policy, blanks and all (S3 user guide: 20 KB).
const BUCKET: usize = 20 * 1024;

/// Characters of a trust policy, blanks not counted (IAM quotas); it can be raised to 4,096.
const TRUST: usize = 2_048;

/// Characters of a service or resource control policy (Organizations quotas).
const CONTROL: usize = 5_120;

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    let (rule, size, quota): (&'static Rule, _, _) = match subject.kind {
        Kind::Identity => (
            &warnings::POLICY_SIZE_EXCEEDS_IDENTITY_POLICY_QUOTA,
            without_blanks(subject.text, MANAGED),
            MANAGED,
        ),
        Kind::Bucket => (&warnings::POLICY_SIZE_EXCEEDS_RESOURCE_POLICY_QUOTA, subject.text.len(), BUCKET),
        Kind::Trust => (
            &warnings::POLICY_SIZE_EXCEEDS_ROLE_TRUST_POLICY_QUOTA,
            without_blanks(subject.text, TRUST),
            TRUST,
        ),
        Kind::Scp => (&errors::POLICY_SIZE_EXCEEDS_SCP_QUOTA, subject.text.chars().count(), CONTROL),
        Kind::Rcp => (&errors::POLICY_SIZE_EXCEEDS_RCP_QUOTA, subject.text.chars().count(), CONTROL),
    };
    if size > quota {
        let unit = if subject.kind == Kind::Bucket { "bytes" } else { "characters" };
        report
            .add(rule, subject.draft.at, format!("the policy has {size} {unit}; {quota} is the most"))
            .help("use wildcards, merge statements, or split the policy");
    }
}

/// Of a text whose bytes are already few enough, these: they are not fewer than its characters.
fn without_blanks(text: &str, quota: usize) -> usize {
    if text.len() <= quota {
        return text.len();
    }
    text.chars().filter(|c| !c.is_whitespace()).count()
}
