//! Everything that can be said about a configuration without a request: what the store refuses, what never matches,
//! what gives away more than was meant, and what a stated use lacks.

mod headers;
mod limits;
mod order;
mod origins;
mod provider;
mod uses;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::finding::{Finding, Findings, Severity};
use super::parse::Document;
use super::place::{Places, Spot};
use super::profile::Profile;
use super::repair::Repair;
use super::rule::{CorsConfiguration, CorsRule, List};

/// What pages will do with the bucket; without it, only what is wrong for every use is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CorsExpectation)]
pub enum Expectation {
    /// Requests carry cookies or other credentials of the browser.
    Credentials,
    /// Uploads in parts.
    Multipart,
    /// An SDK that sends checksums.
    Checksums,
    /// Objects are deleted.
    Delete,
    /// An SDK that asks for the metadata of objects.
    Head,
    /// Requests are signed in a header instead of the URL.
    SignedHeaders,
}

/// The findings about a configuration that was not read from text.
pub fn validate(
    configuration: &CorsConfiguration,
    profile: &Profile,
    expected: &[Expectation],
) -> Vec<Finding> {
    let places = Places::default();
    let subject = Subject { configuration, profile, expected };
    subject.findings(Findings::new(&places, Vec::new(), 0))
}

impl Document {
    /// The findings about the text and about the configuration in it, in the order of the text; at most 200, and one
    /// that says how many more there are.
    pub fn validate(&self, profile: &Profile, expected: &[Expectation]) -> Vec<Finding> {
        let subject = Subject { configuration: &self.configuration, profile, expected };
        subject.findings(Findings::new(&self.places, self.findings.clone(), self.left_out))
    }
}

/// What is looked at.
struct Subject<'s> {
    configuration: &'s CorsConfiguration,
    profile: &'s Profile,
    expected: &'s [Expectation],
}

impl Subject<'_> {
    fn findings(&self, mut findings: Findings<'_>) -> Vec<Finding> {
        limits::check(self, &mut findings);
        origins::check(self, &mut findings);
        headers::check(self, &mut findings);
        order::check(self, &mut findings);
        uses::check(self, &mut findings);
        provider::check(self, &mut findings);
        findings.finish()
    }

    fn expects(&self, expectation: Expectation) -> bool {
        self.expected.contains(&expectation)
    }

    fn rules(&self) -> impl Iterator<Item = (usize, &CorsRule)> {
        self.configuration.rules.iter().enumerate()
    }

    /// Every value of a list of every rule.
    fn values(&self, list: List) -> impl Iterator<Item = Value<'_>> {
        self.rules().flat_map(move |(rule, found)| {
            let siblings = found.list(list).len();
            let values = found.list(list).iter().enumerate();
            values.map(move |(index, text)| Value { rule, list, index, text, siblings })
        })
    }
}

/// One value of a list, and where it stands.
#[derive(Clone, Copy)]
struct Value<'v> {
    rule: usize,
    list: List,
    index: usize,
    text: &'v str,
    /// How many values the list has.
    siblings: usize,
}

impl Value<'_> {
    fn spot(self) -> Spot {
        Spot::Value(self.rule, self.list, self.index)
    }

    fn replaced(self, with: Vec<String>) -> Repair {
        Repair::Replace { rule: self.rule, list: self.list, value: self.index, with }
    }
}

impl Findings<'_> {
    /// A finding with advice.
    fn advise(
        &mut self,
        (severity, code): (Severity, &'static str),
        spot: Spot,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.add(severity, code, spot, message, |finding| finding.with_help(help));
    }

    /// A finding with advice, and a change where there is a mechanical one.
    fn offer(
        &mut self,
        (severity, code): (Severity, &'static str),
        spot: Spot,
        (message, help): (String, &str),
        repair: Option<Repair>,
    ) {
        self.add(severity, code, spot, message, |finding| {
            let finding = finding.with_help(help);
            match repair {
                Some(repair) => finding.with_repair(repair),
                None => finding,
            }
        });
    }
}
