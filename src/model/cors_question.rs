//! Questions about CORS configurations and their answers: the same values over REST and on the command line.
//!
//! Nothing is sent and no bucket is asked; [`crate::cors`] answers.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::cors::{
    self, Bucket, CorsConfiguration, Document, Evaluation, Expectation, Form, PageRequest, Profile,
    RecommendError, Use,
};
use crate::finding;

/// The store that a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CorsProvider(&'static Profile);

impl CorsProvider {
    /// The store of that name; `cloudflare-r2`, as resources call it, is `r2`. The error lists the names.
    pub fn parse(name: &str) -> Result<CorsProvider, String> {
        let known = if name == "cloudflare-r2" { "r2" } else { name };
        Profile::find(known).map(CorsProvider).ok_or_else(|| {
            let names: Vec<&str> = Profile::all().iter().map(|profile| profile.name).collect();
            // the body of a request is refused with what stands behind `is not a valid`
            format!("`{}` is not a valid store: take one of {}", shown(name), names.join(", "))
        })
    }

    /// The store behind a resource with this provider profile. One that is not known in detail is taken for Amazon S3,
    /// which the others follow.
    pub fn of_resource(provider: &str) -> CorsProvider {
        CorsProvider::parse(provider).unwrap_or_default()
    }

    /// How the store behaves.
    pub fn profile(self) -> &'static Profile {
        self.0
    }
}

fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(40).collect()
}

impl Default for CorsProvider {
    fn default() -> Self {
        CorsProvider(Profile::aws())
    }
}

impl<'de> Deserialize<'de> for CorsProvider {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        CorsProvider::parse(&name).map_err(serde::de::Error::custom)
    }
}

/// What to look for in a configuration.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CorsValidation {
    /// A text in any form (JSON of the console, of the API or of this service; XML), or the JSON itself. Only findings
    /// about a text have lines and columns. At most 256 KiB are read.
    #[schema(value_type = Value)]
    pub configuration: Value,
    /// `aws`, `ceph`, `ceph_whole` (the rule choice of 2026), `minio`, `garage`, `rustfs`, `r2`, `moto`, `localstack`,
    /// `versity` or `storj`.
    #[serde(default)]
    #[schema(value_type = String, default = "aws")]
    pub provider: CorsProvider,
    /// What pages will do; without it, only what is wrong for every use is found.
    #[serde(default)]
    pub expected: Vec<Expectation>,
}

/// What there is to say about a configuration.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CorsReport {
    /// Whether no finding is an error.
    pub usable: bool,
    /// The form that it is written in; absent when it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<Form>,
    /// What it says, as far as it could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configuration: Option<CorsConfiguration>,
    /// In the order of the text: at most 200, and one that says how many more there are.
    pub findings: Vec<cors::Finding>,
}

impl CorsValidation {
    /// Everything that can be said without a request.
    pub fn report(&self) -> CorsReport {
        let mut report = match read(&self.configuration) {
            Ok(document) => report(document, self.provider, &self.expected),
            Err(finding) => {
                CorsReport { usable: false, form: None, configuration: None, findings: vec![finding] }
            }
        };
        if !self.configuration.is_string() {
            forget_places(&mut report.findings);
        }
        report
    }
}

fn report(document: Document, provider: CorsProvider, expected: &[Expectation]) -> CorsReport {
    let findings = document.validate(provider.0, expected);
    CorsReport {
        usable: !cors::has_errors(&findings),
        form: Some(document.form),
        configuration: Some(document.configuration),
        findings,
    }
}

/// A text is read as it stands, JSON as if it had been written down.
fn read(configuration: &Value) -> Result<Document, cors::Finding> {
    match configuration {
        Value::String(text) => cors::parse(text),
        json => cors::parse(&json.to_string()),
    }
}

/// The places are those of a text that nobody saw.
fn forget_places(findings: &mut [cors::Finding]) {
    for finding in findings {
        finding.line = None;
        finding.column = None;
    }
}

/// A request of a page, and the bucket that it goes to.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CorsQuestion {
    /// The bucket's configuration, as a text in any form or as JSON; absent or null when it has none.
    #[serde(default)]
    #[schema(value_type = Option<Value>)]
    pub configuration: Option<Value>,
    /// There is no such bucket.
    #[serde(default)]
    pub missing_bucket: bool,
    /// The store, as for validations.
    #[serde(default)]
    #[schema(value_type = String, default = "aws")]
    pub provider: CorsProvider,
    /// What the page sends.
    pub page: PageRequest,
}

impl CorsQuestion {
    /// What the store answers and the page gets; or what is wrong with the configuration, when parts of it have no
    /// meaning.
    pub fn evaluate(&self) -> Result<Evaluation, Vec<cors::Finding>> {
        let document = self.document()?;
        let bucket = match &document {
            _ if self.missing_bucket => Bucket::Missing,
            Some(document) => Bucket::Configured(&document.configuration),
            None => Bucket::NotSet,
        };
        Ok(cors::evaluate(bucket, self.provider.0, &self.page))
    }

    fn document(&self) -> Result<Option<Document>, Vec<cors::Finding>> {
        let Some(given) = &self.configuration else { return Ok(None) };
        let mut findings = match read(given) {
            Ok(document) if !cors::has_errors(&document.findings) => return Ok(Some(document)),
            Ok(document) => document.findings,
            Err(finding) => vec![finding],
        };
        if !given.is_string() {
            forget_places(&mut findings);
        }
        Err(findings)
    }
}

/// What pages will do with a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CorsWanted {
    /// 1 to 20 uses, with at most 100 origins together.
    pub uses: Vec<Use>,
    /// The store, as for validations.
    #[serde(default)]
    #[schema(value_type = String, default = "aws")]
    pub provider: CorsProvider,
    /// How `text` is written.
    #[serde(default)]
    pub form: Form,
}

/// The smallest configuration with which all that was stated works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CorsAdvice {
    /// The configuration.
    pub configuration: CorsConfiguration,
    /// The same in the wanted form.
    pub text: String,
    /// The requests that it was tried with: each succeeds and reads what it wants to.
    pub requests: Vec<PageRequest>,
}

impl CorsWanted {
    /// The recommendation, or why there is none.
    pub fn recommend(&self) -> Result<CorsAdvice, RecommendError> {
        let found = cors::recommend(&self.uses, self.provider.0)?;
        let text = found.configuration.print(self.form);
        Ok(CorsAdvice { configuration: found.configuration, text, requests: found.requests })
    }
}

/// Findings of the engine as those of a request that holds the configuration in the field `configuration`.
pub fn of_request(findings: Vec<cors::Finding>) -> Vec<finding::Finding> {
    let mut findings = of_document(findings);
    for found in &mut findings {
        found.path = format!("configuration.{}", found.path);
    }
    findings
}

/// Findings of the engine as those of a request that is the configuration.
pub fn of_document(findings: Vec<cors::Finding>) -> Vec<finding::Finding> {
    let of_document = |found: cors::Finding| finding::Finding {
        severity: match found.severity {
            cors::Severity::Suggestion => finding::Severity::Suggestion,
            cors::Severity::Warning => finding::Severity::Warning,
            cors::Severity::SecurityWarning => finding::Severity::SecurityWarning,
            cors::Severity::Error => finding::Severity::Error,
        },
        code: found.code,
        path: found.path,
        line: found.line,
        column: found.column,
        message: found.message,
        help: found.help,
    };
    findings.into_iter().map(of_document).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{CorsProvider, CorsQuestion, CorsValidation, CorsWanted, of_request};

    fn validation(configuration: &Value) -> CorsValidation {
        serde_json::from_value(json!({"configuration": configuration})).unwrap()
    }

    #[test]
    fn a_text_and_the_same_json_have_the_same_findings_but_only_the_text_has_places() {
        let rules = json!([{"AllowedOrigins": ["https://app.example.com/"], "AllowedMethods": ["get"]}]);
        let of_text = validation(&json!(rules.to_string())).report();
        let mut of_json = validation(&rules).report();
        assert!(!of_text.usable && of_text.findings.iter().all(|finding| finding.line == Some(1)));
        assert!(of_json.findings.iter().all(|finding| finding.line.is_none() && finding.column.is_none()));
        for (finding, with_place) in of_json.findings.iter_mut().zip(&of_text.findings) {
            (finding.line, finding.column) = (with_place.line, with_place.column);
        }
        assert_eq!(of_json, of_text);
    }

    #[test]
    fn what_cannot_be_read_is_a_finding() {
        let report = validation(&json!("[{")).report();
        assert_eq!((report.usable, report.form, report.findings.len()), (false, None, 1));
        assert_eq!(report.findings[0].code, "CORS_SYNTAX");
        let report = validation(&json!(7)).report();
        assert_eq!((report.findings[0].code, report.findings[0].line), ("CORS_SYNTAX", None));
    }

    #[test]
    fn a_question_about_a_configuration_with_unknown_members_is_not_answered() {
        let page = json!({"origin": "https://a.example", "method": "GET"});
        let rule =
            json!({"AllowedOrigins": ["https://a.example"], "AllowedMethods": ["GET"], "AllowedHosts": []});
        let question: CorsQuestion =
            serde_json::from_value(json!({"configuration": [rule], "page": page})).unwrap();
        let findings = of_request(question.evaluate().unwrap_err());
        assert_eq!(findings[0].code, "CORS_UNKNOWN_MEMBER");
        assert_eq!(findings[0].path, "configuration.rules[0]");
    }

    #[test]
    fn no_configuration_and_no_bucket_are_different_answers() {
        let page = json!({"origin": "https://a.example", "method": "PUT"});
        let reason = |fields: Value| {
            let question: CorsQuestion = serde_json::from_value(fields).unwrap();
            question.evaluate().unwrap().verdict.reason
        };
        let not_set = reason(json!({"page": page, "configuration": null}));
        let missing = reason(json!({"page": page, "missing_bucket": true}));
        assert!(not_set.contains("no CORS configuration"), "{not_set}");
        assert!(missing.contains("no such bucket"), "{missing}");
    }

    #[test]
    fn stores_are_named_as_resources_name_them_too() {
        let of = |name: &str| CorsProvider::parse(name).map(|provider| provider.profile().name);
        assert_eq!(of("cloudflare-r2"), Ok("r2"));
        assert_eq!(of("garage"), Ok("garage"));
        let error = of("gcs").unwrap_err();
        assert!(error.starts_with("`gcs` is not a valid store: take one of aws, ceph,"), "{error}");
    }

    #[test]
    fn a_recommendation_is_printed_in_the_wanted_form() {
        let uses = json!([{"origins": ["https://a.example"], "operations": ["get"]}]);
        for (form, start) in [("console", "["), ("api", "{\n  \"CORSRules\""), ("xml", "<CORSConfiguration")]
        {
            let wanted: CorsWanted = serde_json::from_value(json!({"uses": uses, "form": form})).unwrap();
            let advice = wanted.recommend().unwrap();
            assert!(advice.text.starts_with(start), "{form}: {}", advice.text);
            assert_eq!(
                crate::cors::parse(&advice.text).unwrap().configuration,
                advice.configuration,
                "{form}"
            );
        }
    }
}
