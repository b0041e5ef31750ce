//! Text to [`Policy`].
//!
//! Reading is in two steps: JSON with places (`json`), then the elements (`lower`). The second one goes on after an
//! error, so that its author sees all that is wrong at once; only [`parse`] insists on a document without errors.

use super::document::Policy;
use super::finding::Finding;
use super::finding::code::errors;
use super::finding::report::Report;
use super::json::{self, Node};

pub(super) use draft::{Draft, DraftStatement};

mod condition;
mod draft;
mod element;
mod lower;
mod principal;

/// The longest text that is read, in bytes. The largest policy that AWS takes, that of a bucket, has 20 KB.
pub const MAX_BYTES: usize = json::MAX_BYTES;

/// Makes a policy of a text of at most [`MAX_BYTES`] bytes.
///
/// # Errors
///
/// Every error that can be found, in the order of the text: what is no JSON, repeated keys, unknown elements, values
/// of the wrong kind, missing elements. What else AWS would refuse is for [`validate`](super::validate) to say.
pub fn parse(text: &str) -> Result<Policy, Vec<Finding>> {
    let mut report = Report::default();
    let Some((tree, draft)) = read(text, &mut report) else {
        return Err(report.finish(text, None, None));
    };
    if !report.has_errors()
        && let Some(policy) = draft.complete()
    {
        return Ok(policy);
    }
    let mut findings = report.finish(text, Some(&tree), None);
    findings.retain(|finding| finding.severity == super::finding::Severity::Error);
    Err(findings)
}

/// What can be read of a text, errors or not. None when it is no JSON at all.
pub(super) fn read<'a>(text: &'a str, report: &mut Report) -> Option<(Node<'a>, Draft)> {
    match json::parse(text) {
        Ok(tree) => {
            let draft = lower::document(&tree, text, report);
            Some((tree, draft))
        }
        Err(fault) => {
            let message = format!("the text is not JSON: {}", fault.reason);
            report.add(&errors::JSON_SYNTAX_ERROR, fault.at, message);
            None
        }
    }
}

#[cfg(test)]
mod tests;
