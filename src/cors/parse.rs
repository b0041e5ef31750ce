//! From a text to a configuration: tells the form, reads it, and keeps the places of everything.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::finding::{Finding, MAX_FINDINGS, Severity};
use super::names::Field;
use super::place::{Place, Places, RulePlaces, Spot};
use super::rule::{CorsConfiguration, CorsRule, List};
use super::{from_json, from_xml, json, xml};

/// Bytes of a text that are read; four times what S3 takes, since JSON may be printed wide.
pub const MAX_TEXT_BYTES: usize = 256 * 1024;

/// The forms that a configuration is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CorsForm)]
pub enum Form {
    /// A JSON array of rules, as the console of S3 takes it.
    Console,
    /// JSON with `CORSRules`, as the API and `aws s3api put-bucket-cors` take it.
    #[default]
    Api,
    /// XML, as the store itself takes it.
    Xml,
    /// JSON with `rules` and names in snake case, as this service takes it.
    Service,
}

/// A configuration that was read from a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The form of the text.
    pub form: Form,
    /// What it says, as far as it could be understood.
    pub configuration: CorsConfiguration,
    /// What could not be understood, or only guessed: the first 200. Part of what [`Document::validate`] gives.
    pub findings: Vec<Finding>,
    pub(super) left_out: usize,
    pub(super) places: Places,
}

/// Reads a configuration in any form. The error is a finding about the first character that has no meaning.
///
/// Members that are unknown, double or of the wrong kind do not end the reading: they are among the findings of the
/// document, all of them errors. Work is linear in the text, and a text of more than 256 KiB is not read.
pub fn parse(text: &str) -> Result<Document, Finding> {
    if text.len() > MAX_TEXT_BYTES {
        let message = format!("the text has {} bytes, and at most {MAX_TEXT_BYTES} are read", text.len());
        let finding =
            Finding::syntax(Place::START, message, "S3 takes 64 KB: allow patterns instead of names");
        return Err(Finding { code: "CORS_TOO_LARGE", ..finding });
    }
    let begins = text.trim_start_matches('\u{feff}').trim_start();
    match begins.chars().next() {
        None => {
            let help = "write a list of rules; to have no CORS, delete the configuration";
            Err(Finding::syntax(Place::START, "the text is empty", help))
        }
        Some('<') => from_xml::document(&xml::read(text)?),
        Some(_) => from_json::document(&json::read(text)?),
    }
}

/// Puts a document together.
pub(super) struct Builder {
    pub(super) configuration: CorsConfiguration,
    pub(super) places: Places,
    findings: Vec<Finding>,
    left_out: usize,
}

impl Builder {
    pub(super) fn new(at: Place) -> Self {
        let places = Places { document: Some(at), rules: Vec::new() };
        Self { configuration: CorsConfiguration::default(), places, findings: Vec::new(), left_out: 0 }
    }

    /// Begins the next rule and gives its number.
    pub(super) fn begin_rule(&mut self, at: Place) -> usize {
        self.configuration.rules.push(CorsRule::default());
        self.places.rules.push(RulePlaces { rule: Some(at), ..RulePlaces::default() });
        self.configuration.rules.len().saturating_sub(1)
    }

    pub(super) fn set_id(&mut self, id: &str, at: Place) {
        if let (Some(rule), Some(places)) =
            (self.configuration.rules.last_mut(), self.places.rules.last_mut())
        {
            rule.id = Some(id.to_owned());
            places.id = Some(at);
        }
    }

    pub(super) fn set_max_age(&mut self, seconds: Option<i32>, at: Place) {
        if let (Some(rule), Some(places)) =
            (self.configuration.rules.last_mut(), self.places.rules.last_mut())
        {
            rule.max_age_seconds = seconds;
            places.max_age = Some(at);
        }
    }

    /// Notes where a list begins, and takes away what it held: the last of two members counts.
    pub(super) fn begin_list(&mut self, field: Field, at: Place) {
        for list in lists_of(field) {
            if let (Some(rule), Some(places)) =
                (self.configuration.rules.last_mut(), self.places.rules.last_mut())
            {
                rule.list_mut(*list).clear();
                let place = places.list_mut(*list);
                place.list = Some(at);
                place.values.clear();
            }
        }
    }

    pub(super) fn push(&mut self, field: Field, value: &str, at: Place) {
        for list in lists_of(field) {
            if let (Some(rule), Some(places)) =
                (self.configuration.rules.last_mut(), self.places.rules.last_mut())
            {
                rule.list_mut(*list).push(value.to_owned());
                places.list_mut(*list).values.push(at);
            }
        }
    }

    pub(super) fn note(
        &mut self,
        severity: Severity,
        code: &'static str,
        (spot, at): (Spot, Place),
        message: String,
        help: impl Into<String>,
    ) {
        if self.findings.len() >= MAX_FINDINGS {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        self.findings.push(Finding {
            severity,
            code,
            path: spot.path(),
            line: Some(at.line),
            column: Some(at.column),
            message,
            help: Some(help.into()),
            repair: None,
        });
    }

    pub(super) fn error(
        &mut self,
        code: &'static str,
        place: (Spot, Place),
        message: String,
        help: impl Into<String>,
    ) {
        self.note(Severity::Error, code, place, message, help);
    }

    pub(super) fn finish(self, form: Form) -> Document {
        let Self { configuration, places, findings, left_out } = self;
        Document { form, configuration, findings, left_out, places }
    }
}

/// The lists that a field fills.
pub(super) fn lists_of(field: Field) -> &'static [List] {
    match field {
        Field::List(List::AllowedOrigins) => &[List::AllowedOrigins],
        Field::List(List::AllowedMethods) => &[List::AllowedMethods],
        Field::List(List::AllowedHeaders) => &[List::AllowedHeaders],
        Field::List(List::ExposeHeaders) => &[List::ExposeHeaders],
        Field::BothHeaders => &[List::AllowedHeaders, List::ExposeHeaders],
        Field::Id | Field::MaxAge => &[],
    }
}
