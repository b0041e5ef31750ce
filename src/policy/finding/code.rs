//! The one table of rules. Checks name a rule by its constant; documentation is made from [`all`].

use super::Rule;
use crate::policy::document::Kind;

/// Makes a constant and a table entry of every line: name, severity where the page has several, kinds, meaning.
macro_rules! rules {
    (mixed: $($name:ident $severity:ident $kinds:ident $meaning:literal)*) => {
        $(
            #[doc = $meaning]
            pub static $name: Rule = Rule {
                code: stringify!($name),
                severity: Severity::$severity,
                kinds: super::$kinds,
                meaning: $meaning,
            };
        )*

        /// Every rule of this page.
        pub(super) static RULES: &[&Rule] = &[$(&$name),*];
    };
    ($severity:ident: $($name:ident $kinds:ident $meaning:literal)*) => {
        rules! { mixed: $($name $severity $kinds $meaning)* }
    };
}

pub mod errors;
pub mod s3;
pub mod security_warnings;
pub mod suggestions;
pub mod warnings;

const ALL: &[Kind] = &[Kind::Identity, Kind::Bucket, Kind::Trust, Kind::Scp, Kind::Rcp];
const NOT_TRUST: &[Kind] = &[Kind::Identity, Kind::Bucket, Kind::Scp, Kind::Rcp];
const I: &[Kind] = &[Kind::Identity];
const R: &[Kind] = &[Kind::Bucket];
const T: &[Kind] = &[Kind::Trust];
const S: &[Kind] = &[Kind::Scp];
const C: &[Kind] = &[Kind::Rcp];
const IR: &[Kind] = &[Kind::Identity, Kind::Bucket];
const IS: &[Kind] = &[Kind::Identity, Kind::Scp];
const IT: &[Kind] = &[Kind::Identity, Kind::Trust];
const RT: &[Kind] = &[Kind::Bucket, Kind::Trust];
const IRS: &[Kind] = &[Kind::Identity, Kind::Bucket, Kind::Scp];
const IRT: &[Kind] = &[Kind::Identity, Kind::Bucket, Kind::Trust];

/// Every rule: those that IAM Access Analyzer has too, the gravest first, then our own.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    let pages = [errors::RULES, security_warnings::RULES, warnings::RULES, suggestions::RULES, s3::RULES];
    pages.into_iter().flatten().copied()
}

/// The rule of this code.
pub fn find(code: &str) -> Option<&'static Rule> {
    all().find(|rule| rule.code == code)
}
