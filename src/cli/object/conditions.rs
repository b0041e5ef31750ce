//! Conditions of reads: flags, and what they are in a request.

use clap::Args;
use jiff::fmt::rfc2822;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Map, Value, json};

use crate::cli::exit::usage;
use crate::cli::problem::Problem;

/// Only under these conditions.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Conditions")]
pub(crate) struct Conditions {
    /// Only if the object has this `ETag`
    #[arg(long = "if-match", value_name = "ETAG")]
    same: Option<String>,
    /// Only if the object has another `ETag`
    #[arg(long = "if-none-match", value_name = "ETAG")]
    other: Option<String>,
    /// Only if the object changed after this time, `2026-11-01T00:00:00Z` or an HTTP date
    #[arg(long = "if-modified-since", value_name = "TIME", value_parser = http_date)]
    changed: Option<String>,
    /// Only if the object did not change after this time
    #[arg(long = "if-unmodified-since", value_name = "TIME", value_parser = http_date)]
    unchanged: Option<String>,
}

impl Conditions {
    fn given(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("if_match", &self.same),
            ("if_none_match", &self.other),
            ("if_modified_since", &self.changed),
            ("if_unmodified_since", &self.unchanged),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }

    /// As headers of a request.
    pub(crate) fn add_to(&self, request: RequestBuilder) -> anyhow::Result<RequestBuilder> {
        let mut headers = HeaderMap::new();
        for (name, value) in self.given() {
            let header = name.replace('_', "-");
            let value = HeaderValue::from_str(value)
                .map_err(|_| usage(format!("--{header} takes text without control characters")))?;
            headers.insert(HeaderName::from_bytes(header.as_bytes())?, value);
        }
        Ok(request.headers(headers))
    }

    /// As members of a query.
    pub(crate) fn members(&self) -> Map<String, Value> {
        self.given().map(|(name, value)| (name.to_owned(), json!(value))).collect()
    }
}

/// A time as HTTP writes it.
fn http_date(text: &str) -> Result<String, String> {
    if rfc2822::parse(text).is_ok() {
        return Ok(text.to_owned());
    }
    let wrong = || "write a time like `2026-11-01T00:00:00Z`, or an HTTP date".to_owned();
    let at: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
    rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).map_err(|_| wrong())
}

/// Whether an answer says that nothing is new: no failure, since that was asked.
pub(crate) fn is_not_modified(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Problem>().is_some_and(|problem| problem.status == StatusCode::NOT_MODIFIED)
}
