//! The XML form, with the element names of S3; those of GCS are understood and named.

use super::finding::{Finding, Severity, shown};
use super::names::{self, Field, Meaning};
use super::parse::{Builder, Document, Form};
use super::place::{Place, Spot};
use super::xml::Element;

/// The namespace of S3's own documents (API reference).
pub(super) const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

const KNOWN: &str =
    "a rule has `ID`, `AllowedOrigin`, `AllowedMethod`, `AllowedHeader`, `ExposeHeader` and `MaxAgeSeconds`";

/// The document that an element is.
pub(super) fn document(root: &Element) -> Result<Document, Finding> {
    let mut builder = Builder::new(root.place());
    let rule_name = match root.name.as_str() {
        "CORSConfiguration" => "CORSRule",
        "CorsConfig" => {
            let at = (Spot::Document, root.place());
            let message =
                "this is a configuration of Google Cloud Storage, which S3 does not take".to_owned();
            builder.note(Severity::Warning, "CORS_FOREIGN_FORM", at, message, "print it in a form of S3");
            "Cors"
        }
        other => {
            let message = format!("`<{}>` is no CORS configuration", shown(other));
            return Err(Finding::syntax(
                root.place(),
                message,
                "the outermost element is `<CORSConfiguration>`",
            ));
        }
    };
    let namespace = root.namespace.as_deref().filter(|namespace| *namespace != NAMESPACE);
    if let Some(namespace) = namespace {
        let message = format!("the namespace `{}` is not the one of S3", shown(namespace));
        let help = format!("write `xmlns=\"{NAMESPACE}\"`, or no namespace");
        builder.note(Severity::Warning, "CORS_NAMESPACE", (Spot::Document, root.place()), message, help);
    }
    stray_text(&mut builder, Spot::Document, root);
    for child in &root.children {
        if child.name == rule_name {
            read_rule(&mut builder, child);
        } else {
            let message = format!("`<{}>` is no member of a configuration", shown(&child.name));
            let help = "a configuration holds `<CORSRule>` elements only";
            builder.error("CORS_UNKNOWN_MEMBER", (Spot::Document, child.place()), message, help);
        }
    }
    Ok(builder.finish(Form::Xml))
}

impl Element {
    fn place(&self) -> Place {
        self.at.unwrap_or(Place::START)
    }
}

fn read_rule(builder: &mut Builder, rule: &Element) {
    let index = builder.begin_rule(rule.place());
    stray_text(builder, Spot::Rule(index), rule);
    let mut seen: Vec<Field> = Vec::new();
    for child in &rule.children {
        if let Some((_, inner, field)) = names::GCS_XML.iter().find(|(name, ..)| *name == child.name) {
            read_gcs_list(builder, index, child, (inner, *field));
            continue;
        }
        let Some(Meaning { field, foreign }) = names::in_xml(&child.name) else {
            unknown(builder, index, child, KNOWN);
            continue;
        };
        if let Some(by) = foreign {
            let message =
                format!("`<{}>` is a name of {by}, which S3 does not take here", shown(&child.name));
            let help = format!("write `<{}>`, one for each value", field.xml_name());
            let at = (Spot::Rule(index), child.place());
            builder.note(Severity::Warning, "CORS_FOREIGN_NAME", at, message, help);
        }
        let is_first = !seen.contains(&field);
        if is_first {
            seen.push(field);
        }
        read_field(builder, index, child, field, is_first);
    }
}

fn read_field(builder: &mut Builder, index: usize, child: &Element, field: Field, is_first: bool) {
    no_children(builder, index, child);
    let text = child.text.trim();
    let at = child.text_at.unwrap_or(child.place());
    if let Field::List(_) | Field::BothHeaders = field {
        if is_first {
            builder.begin_list(field, child.place());
        }
        builder.push(field, text, at);
        return;
    }
    if !is_first {
        let message = format!("`<{}>` stands in the rule twice", shown(&child.name));
        let help = "keep one of them: S3 takes it once";
        builder.error("CORS_DUPLICATE_MEMBER", (Spot::Rule(index), child.place()), message, help);
    }
    if field == Field::Id {
        return builder.set_id(text, at);
    }
    let seconds = text.parse().ok();
    if seconds.is_none() {
        let message = format!("`{}` is no number of seconds that S3 takes", shown(text));
        let help = "write a whole number, such as 3600";
        builder.error("CORS_MAX_AGE", (Spot::MaxAge(index), at), message, help);
    }
    builder.set_max_age(seconds, at);
}

/// Reads a list of GCS, whose values stand one level deeper.
fn read_gcs_list(builder: &mut Builder, index: usize, list: &Element, (inner, field): (&str, Field)) {
    builder.begin_list(field, list.place());
    for value in &list.children {
        if value.name == inner {
            no_children(builder, index, value);
            builder.push(field, value.text.trim(), value.text_at.unwrap_or(value.place()));
        } else {
            unknown(builder, index, value, KNOWN);
        }
    }
}

fn unknown(builder: &mut Builder, index: usize, element: &Element, known: &str) {
    let message = format!("`<{}>` is no member of a rule", shown(&element.name));
    let help = match names::nearest(&element.name, true) {
        Some(name) => format!("write `<{name}>`, if that is meant; {known}"),
        None => format!("take it out; {known}"),
    };
    builder.error("CORS_UNKNOWN_MEMBER", (Spot::Rule(index), element.place()), message, help);
}

fn no_children(builder: &mut Builder, index: usize, element: &Element) {
    if let Some(child) = element.children.first() {
        let message = format!("`<{}>` holds elements, and takes text only", shown(&element.name));
        let at = (Spot::Rule(index), child.place());
        builder.error("CORS_TYPE", at, message, "write one element for each value");
    }
}

fn stray_text(builder: &mut Builder, spot: Spot, element: &Element) {
    if let Some(at) = element.text_at {
        let message = format!("`{}` stands between the elements", shown(element.text.trim()));
        builder.error("CORS_TYPE", (spot, at), message, "take the text out");
    }
}
