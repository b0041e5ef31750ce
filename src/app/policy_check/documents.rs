//! Texts of policies as they come: from the store, from IAM, from the caller.

use serde_json::value::RawValue;

use crate::app::Error;
use crate::app::policy_check::accounts::Accounts;
use crate::app::policy_check::facts::Named;
use crate::finding::Finding;
use crate::model::policy_check::PolicyText;
use crate::policy::document::Policy;
use crate::policy::{parse, print};

/// Bytes of a text that is judged; S3 takes 20 KiB (S3 user guide, bucket policies).
const MOST_BYTES: usize = 64 << 10;

/// A text that was read.
pub(super) struct Document {
    /// What is shown, and what lines count in.
    pub(super) text: String,
    /// What it says; else why it cannot be used.
    pub(super) policy: Result<Policy, String>,
}

impl Document {
    /// A text in a single line, which stores return, is written anew: else all of it stands in line 1.
    pub(super) fn read(text: &str, accounts: &mut Accounts) -> Document {
        if text.len() > MOST_BYTES {
            let why = format!("it has {} bytes, and no more than {MOST_BYTES} are judged", text.len());
            return Document { text: String::new(), policy: Err(why) };
        }
        let mut shown = text.to_owned();
        let mut parsed = parse::parse(text);
        if let (Ok(policy), true) = (&parsed, text.trim().lines().count() < 2) {
            print::print(policy).trim_end().clone_into(&mut shown);
            parsed = parse::parse(&shown);
        }
        let policy = match parsed {
            Ok(mut policy) => {
                accounts.lend_policy(&mut policy);
                Ok(policy)
            }
            Err(findings) => Err(findings.first().map_or_else(
                || "it cannot be read".to_owned(),
                |first| format!("line {}, column {}: {}", first.line, first.column, first.message),
            )),
        };
        Document { text: shown, policy }
    }

    /// What came with a request: a document, or a string that holds one. What cannot be used is refused.
    pub(super) fn given(value: &RawValue, path: &str, accounts: &mut Accounts) -> Result<Document, Error> {
        let inner: Option<String> = serde_json::from_str(value.get()).ok();
        let document = Document::read(inner.as_deref().unwrap_or(value.get()), accounts);
        match &document.policy {
            Ok(_) => Ok(document),
            Err(why) => Err(Error::invalid(vec![Finding::error("INVALID_POLICY", path, why.clone())])),
        }
    }

    pub(super) fn shown_as(&self, name: &str) -> PolicyText {
        PolicyText { name: name.to_owned(), text: self.text.clone() }
    }

    /// With the name that answers use; none when it cannot be used.
    pub(super) fn named(&self, name: &str) -> Option<Named> {
        let policy = self.policy.as_ref().ok()?.clone();
        Some(Named { name: name.to_owned(), policy })
    }
}
