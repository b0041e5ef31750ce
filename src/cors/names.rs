//! The names of the members, in the forms of S3 and in those that people bring from elsewhere.

use super::rule::List;

/// What a member of a rule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    Id,
    List(List),
    MaxAge,
    /// One list of GCS that stands for headers to send and headers to read.
    BothHeaders,
}

impl Field {
    /// What S3 calls it in JSON.
    pub(super) fn s3_name(self) -> &'static str {
        match self {
            Field::Id => "ID",
            Field::MaxAge => "MaxAgeSeconds",
            Field::List(list) => list.s3_name(),
            Field::BothHeaders => "AllowedHeaders",
        }
    }

    /// What S3 calls it, or one value of it, in XML.
    pub(super) fn xml_name(self) -> &'static str {
        match self {
            Field::List(list) => list.xml_name(),
            Field::BothHeaders => "AllowedHeader",
            Field::Id | Field::MaxAge => self.s3_name(),
        }
    }
}

/// What a name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) field: Field,
    /// Who calls it so, when it is neither S3 nor this service.
    pub(super) foreign: Option<&'static str>,
}

/// What S3 and this service call the members of a rule.
const OWN: &[(&str, Field)] = &[
    ("ID", Field::Id),
    ("AllowedOrigins", Field::List(List::AllowedOrigins)),
    ("AllowedMethods", Field::List(List::AllowedMethods)),
    ("AllowedHeaders", Field::List(List::AllowedHeaders)),
    ("ExposeHeaders", Field::List(List::ExposeHeaders)),
    ("MaxAgeSeconds", Field::MaxAge),
    ("id", Field::Id),
    ("allowed_origins", Field::List(List::AllowedOrigins)),
    ("allowed_methods", Field::List(List::AllowedMethods)),
    ("allowed_headers", Field::List(List::AllowedHeaders)),
    ("expose_headers", Field::List(List::ExposeHeaders)),
    ("max_age_seconds", Field::MaxAge),
];

const XML_OF_S3: &str = "the XML of S3";
const GCS: &str = "Google Cloud Storage";
const CLOUDFORMATION: &str = "CloudFormation";
const WRANGLER: &str = "Wrangler of Cloudflare R2";
const CAMEL: &str = "SDKs in camel case";

/// What others call them (the documentation of each).
const FOREIGN: &[(&str, Field, &str)] = &[
    ("AllowedOrigin", Field::List(List::AllowedOrigins), XML_OF_S3),
    ("AllowedMethod", Field::List(List::AllowedMethods), XML_OF_S3),
    ("AllowedHeader", Field::List(List::AllowedHeaders), XML_OF_S3),
    ("ExposeHeader", Field::List(List::ExposeHeaders), XML_OF_S3),
    ("Id", Field::Id, CLOUDFORMATION),
    ("ExposedHeaders", Field::List(List::ExposeHeaders), CLOUDFORMATION),
    ("MaxAge", Field::MaxAge, CLOUDFORMATION),
    ("allowedOrigins", Field::List(List::AllowedOrigins), CAMEL),
    ("allowedMethods", Field::List(List::AllowedMethods), CAMEL),
    ("allowedHeaders", Field::List(List::AllowedHeaders), CAMEL),
    ("exposedHeaders", Field::List(List::ExposeHeaders), CAMEL),
    ("exposeHeaders", Field::List(List::ExposeHeaders), WRANGLER),
    ("origins", Field::List(List::AllowedOrigins), WRANGLER),
    ("methods", Field::List(List::AllowedMethods), WRANGLER),
    ("headers", Field::List(List::AllowedHeaders), WRANGLER),
    ("origin", Field::List(List::AllowedOrigins), GCS),
    ("method", Field::List(List::AllowedMethods), GCS),
    ("responseHeader", Field::BothHeaders, GCS),
    ("maxAgeSeconds", Field::MaxAge, GCS),
];

/// What others call the list of rules.
pub(super) const FOREIGN_ROOTS: &[(&str, &str)] = &[
    ("CorsRules", CLOUDFORMATION),
    ("CORSRule", XML_OF_S3),
    ("CORSConfiguration", XML_OF_S3),
    ("CorsConfiguration", CLOUDFORMATION),
    ("cors_rule", "Terraform"),
    ("cors", GCS),
];

/// What the XML of GCS calls the elements that hold lists, and their values.
pub(super) const GCS_XML: &[(&str, &str, Field)] = &[
    ("Origins", "Origin", Field::List(List::AllowedOrigins)),
    ("Methods", "Method", Field::List(List::AllowedMethods)),
    ("ResponseHeaders", "ResponseHeader", Field::BothHeaders),
];

/// What a member of a rule means in JSON.
pub(super) fn in_json(name: &str) -> Option<Meaning> {
    let own = OWN.iter().find(|(known, _)| *known == name);
    if let Some((_, field)) = own {
        return Some(Meaning { field: *field, foreign: None });
    }
    let (_, field, by) = FOREIGN.iter().find(|(known, _, _)| *known == name)?;
    Some(Meaning { field: *field, foreign: Some(by) })
}

/// What an element of a rule means in XML.
pub(super) fn in_xml(name: &str) -> Option<Meaning> {
    let lists = List::ALL.map(Field::List);
    let fields = lists.into_iter().chain([Field::Id, Field::MaxAge]);
    for field in fields {
        if field.xml_name() == name {
            return Some(Meaning { field, foreign: None });
        }
        if field.s3_name() == name {
            return Some(Meaning { field, foreign: Some("the JSON of S3") });
        }
    }
    Some(Meaning { field: Field::MaxAge, foreign: Some(GCS) }).filter(|_| name == "MaxAgeSec")
}

/// The name of S3 that is most like an unknown one, when it is like one at all.
pub(super) fn nearest(name: &str, in_xml: bool) -> Option<&'static str> {
    /// Longer names are like none of ours, and comparing takes the product of both lengths.
    const LONGEST: usize = 40;
    if name.len() > LONGEST {
        return None;
    }
    let lists = List::ALL.map(Field::List);
    let fields = lists.into_iter().chain([Field::Id, Field::MaxAge]);
    let names = fields.map(|field| if in_xml { field.xml_name() } else { field.s3_name() });
    let near = names.map(|known| (distance(&name.to_lowercase(), &known.to_lowercase()), known)).min()?;
    (near.0 <= 3 && near.0 < near.1.len()).then_some(near.1)
}

/// Edits that make one text of the other.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (line, c) in one.chars().enumerate() {
        let mut diagonal = line;
        let mut left = line.saturating_add(1);
        for (cell, d) in row.iter_mut().skip(1).zip(other.chars()) {
            let changed = diagonal.saturating_add(usize::from(c != d));
            diagonal = *cell;
            left = changed.min(left.saturating_add(1)).min(cell.saturating_add(1));
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = line.saturating_add(1);
        }
    }
    row.last().copied().unwrap_or_default()
}
