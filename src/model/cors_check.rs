//! The live check of a bucket's CORS: what is asked, and what its configuration says beside what the store really does.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::cors::{
    self, CorsConfiguration, Credentials, Evaluation, Operation, PageRequest, Received, RecommendError,
    Signing, Use, Verdict,
};
use crate::finding::Finding;
use crate::model::bucket::AspectAnswer;
use crate::model::check::Fix;

/// Origins that are checked together; each use of each is a request or two to the store.
pub const MOST_ORIGINS: usize = 10;

/// Which pages to check, and what they do.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CorsCheckWanted {
    /// The origins of the pages, at most 10; a pattern with one `*` is tried with an origin that fits it. Absent takes
    /// the `browser_origins` of the resource.
    #[serde(default)]
    #[schema(example = json!(["https://app.example.com"]))]
    pub origins: Vec<String>,
    /// What they do.
    #[serde(default = "get_and_put")]
    pub uses: Vec<Operation>,
    /// How they sign.
    #[serde(default)]
    pub signing: Signing,
    /// Whether an SDK sends checksums of what it uploads, and reads those of what it downloads.
    #[serde(default)]
    pub checksums: bool,
    /// Whether cookies go along; a bucket needs none.
    #[serde(default = "omit")]
    pub credentials: Credentials,
    /// Headers that every request sends as well, by name.
    #[serde(default)]
    #[schema(example = json!(["x-amz-meta-name"]))]
    pub request_headers: Vec<String>,
    /// Headers of every answer that the page reads as well.
    #[serde(default)]
    #[schema(example = json!(["x-amz-version-id"]))]
    pub read_headers: Vec<String>,
}

fn get_and_put() -> Vec<Operation> {
    vec![Operation::Get, Operation::Put]
}

fn omit() -> Credentials {
    Credentials::Omit
}

impl CorsCheckWanted {
    /// Pages of these origins that do this with signed URLs.
    pub fn of(origins: &[String], uses: Vec<Operation>) -> Self {
        Self {
            origins: origins.to_vec(),
            uses,
            signing: Signing::Presigned,
            checksums: false,
            credentials: omit(),
            request_headers: Vec::new(),
            read_headers: Vec::new(),
        }
    }

    /// All of it as one use.
    pub fn whole(&self) -> Use {
        Use {
            origins: self.origins.clone(),
            operations: self.uses.clone(),
            signing: self.signing,
            checksums: self.checksums,
            credentials: self.credentials,
            request_headers: self.request_headers.clone(),
            read_headers: self.read_headers.clone(),
        }
    }

    /// Every request of every use, origin by origin.
    pub fn requests(&self) -> Result<Vec<(Operation, PageRequest)>, RecommendError> {
        let mut all = Vec::new();
        // each question once, however often it is given
        let first =
            |(index, use_): &(usize, &Operation)| !self.uses.iter().take(*index).any(|other| other == *use_);
        let uses: Vec<&Operation> =
            self.uses.iter().enumerate().filter(first).map(|(_, use_)| use_).collect();
        for origin in &self.origins {
            for operation in &uses {
                let single =
                    Use { origins: vec![origin.clone()], operations: vec![**operation], ..self.whole() };
                let requests = cors::requests(&[single])?;
                all.extend(requests.into_iter().map(|request| (**operation, request)));
            }
        }
        Ok(all)
    }

    /// What cannot be checked, each with its place.
    pub fn validate(&self) -> Vec<Finding> {
        let mut findings = check_origins(&self.origins, "origins");
        if self.origins.is_empty() {
            let text = "no origin is given: say where the pages come from";
            findings.push(
                Finding::error("ORIGINS_MISSING", "origins", text)
                    .with_help("give `origins`, or list `browser_origins` in the resource"),
            );
        } else if findings.is_empty()
            && let Err(error) = cors::requests(&[self.whole()])
        {
            findings.push(Finding::error("CORS_NO_RECOMMENDATION", "uses", error.to_string()));
        }
        findings
    }
}

/// What no browser sends as an origin, and what is too much.
pub fn check_origins(origins: &[String], path: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if origins.len() > MOST_ORIGINS {
        let text = format!("there are {} origins, and {MOST_ORIGINS} are checked together", origins.len());
        findings.push(
            Finding::error("TOO_MANY_ORIGINS", path, text)
                .with_help("use a pattern such as `https://*.example.com` in place of many"),
        );
    }
    for (index, origin) in origins.iter().take(MOST_ORIGINS).enumerate() {
        let single = CorsCheckWanted::of(std::slice::from_ref(origin), vec![Operation::Get]).whole();
        if let Err(error) = cors::requests(&[single]) {
            findings.push(Finding::error("INVALID_ORIGIN", format!("{path}[{index}]"), error.to_string()));
        }
    }
    findings
}

/// What a bucket lets pages do: by its configuration, and really.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CorsCheck {
    /// Whether every use works.
    pub works: bool,
    /// The bucket.
    pub bucket: String,
    /// Where the requests went: the URL that signed URLs begin with.
    pub endpoint: String,
    /// The kind of store that the configuration was evaluated for, as in `POST /v1/cors/evaluate`.
    #[schema(value_type = String, example = "aws")]
    pub store: &'static str,
    /// The configuration as it was read, or why it was not; without it the real answers alone decide.
    pub configuration: AspectAnswer,
    /// Every request of every use.
    pub uses: Vec<CheckedUse>,
    /// The code of the error catalogue for the first use that fails, or else for the first difference.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "CorsNotAllowed")]
    pub cause: Option<String>,
    /// What was found, in one sentence.
    pub detail: String,
    /// What to change, and who can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// A change that can be applied as it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
    /// The smallest configuration for these uses and nothing else; absent where the store has none for buckets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recommended: Option<CorsConfiguration>,
}

/// One request of a use: by the configuration, and really.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CheckedUse {
    /// The origin of the page.
    pub origin: String,
    /// What the page does.
    #[serde(rename = "use")]
    pub operation: Operation,
    /// What it sends for that.
    pub request: PageRequest,
    /// Whether the page gets what it wants.
    pub works: bool,
    /// What that is taken from.
    pub decided_by: DecidedBy,
    /// What follows from the configuration; absent when that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicted: Option<Evaluation>,
    /// What really came back.
    pub real: RealAnswers,
    /// What the store really answers otherwise than its configuration says, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<String>,
    /// Why it does not work, or why the answers differ: a code of the error catalogue.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "CorsNotPropagated")]
    pub cause: Option<String>,
}

/// What a statement about a use is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CorsDecidedBy)]
pub enum DecidedBy {
    /// Real answers, and the configuration agrees.
    Both,
    /// Real answers: the configuration is not known, or says something else.
    RealAnswers,
    /// The configuration: no real answer came in.
    Configuration,
    /// Neither is known.
    Nothing,
}

/// Real answers to what a browser would send.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
#[schema(as = CorsRealAnswers)]
pub struct RealAnswers {
    /// To the preflight, which went without a signature in a header. Also where a browser does not ask first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preflight: Option<Received>,
    /// To the request itself, for GET and HEAD: what writes is not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actual: Option<Received>,
    /// What a browser makes of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Why no answer came in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{CorsCheckWanted, MOST_ORIGINS, check_origins};

    #[test]
    fn every_use_of_every_origin_becomes_requests() {
        let wanted: CorsCheckWanted = serde_json::from_value(
            json!({"origins": ["https://a.example", "https://*.b.example"], "uses": ["get", "multipart"]}),
        )
        .unwrap();
        assert_eq!(wanted.validate(), []);
        let requests = wanted.requests().unwrap();
        let of_first =
            requests.iter().filter(|(_, page)| page.origin.as_deref() == Some("https://a.example"));
        assert_eq!((of_first.count(), requests.len()), (5, 10));
        assert!(requests.iter().all(|(_, page)| !page.origin.as_deref().unwrap().contains('*')));
    }

    #[test]
    fn what_cannot_be_checked_is_found_with_its_place() {
        let codes = |wanted: serde_json::Value| {
            let wanted: CorsCheckWanted = serde_json::from_value(wanted).unwrap();
            let found = wanted.validate().into_iter().map(|finding| (finding.code, finding.path));
            found.collect::<Vec<_>>()
        };
        assert_eq!(codes(json!({})), [("ORIGINS_MISSING", "origins".to_owned())]);
        let slash = json!({"origins": ["https://a.example", "https://b.example/"]});
        assert_eq!(codes(slash), [("INVALID_ORIGIN", "origins[1]".to_owned())]);
        let header = json!({"origins": ["https://a.example"], "request_headers": ["a b"]});
        assert_eq!(codes(header), [("CORS_NO_RECOMMENDATION", "uses".to_owned())]);
        let many = vec!["https://a.example".to_owned(); MOST_ORIGINS + 1];
        assert_eq!(check_origins(&many, "browser_origins")[0].code, "TOO_MANY_ORIGINS");
    }
}
