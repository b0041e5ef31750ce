//! From a configuration to a text, in any form; reading the text gives the same configuration.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::from_xml::NAMESPACE;
use super::parse::Form;
use super::rule::{CorsConfiguration, CorsRule, List};
use super::xml::is_xml;

impl CorsConfiguration {
    /// The configuration as text of that form, indented, with a line break at the end.
    ///
    /// XML has no way to write most control characters, and a reader trims what it reads: such characters of names
    /// and values, which no store takes, are lost in that form.
    pub fn print(&self, form: Form) -> String {
        match form {
            Form::Xml => xml(self),
            Form::Console => pretty(&rules(self)),
            Form::Api => pretty(&json!({"CORSRules": rules(self)})),
            Form::Service => serde_json::to_value(self).map(|value| pretty(&value)).unwrap_or_default(),
        }
    }

    /// The size of the form that S3 takes, in bytes.
    pub(super) fn xml_bytes(&self) -> usize {
        xml(self).len()
    }
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn rules(configuration: &CorsConfiguration) -> Value {
    configuration.rules.iter().map(rule).collect()
}

fn rule(rule: &CorsRule) -> Value {
    let mut members = Map::new();
    if let Some(id) = &rule.id {
        members.insert("ID".to_owned(), json!(id));
    }
    for list in List::ALL {
        let values = rule.list(list);
        let is_needed = matches!(list, List::AllowedOrigins | List::AllowedMethods);
        if is_needed || !values.is_empty() {
            members.insert(list.s3_name().to_owned(), json!(values));
        }
    }
    if let Some(seconds) = rule.max_age_seconds {
        members.insert("MaxAgeSeconds".to_owned(), json!(seconds));
    }
    Value::Object(members)
}

fn xml(configuration: &CorsConfiguration) -> String {
    let mut text = format!("<CORSConfiguration xmlns=\"{NAMESPACE}\">\n");
    for rule in &configuration.rules {
        text.push_str("  <CORSRule>\n");
        if let Some(id) = &rule.id {
            element(&mut text, "ID", id);
        }
        for list in List::ALL {
            for value in rule.list(list) {
                element(&mut text, list.xml_name(), value);
            }
        }
        if let Some(seconds) = rule.max_age_seconds {
            element(&mut text, "MaxAgeSeconds", &seconds.to_string());
        }
        text.push_str("  </CORSRule>\n");
    }
    text.push_str("</CORSConfiguration>\n");
    text
}

fn element(text: &mut String, name: &str, value: &str) {
    // writing to a String cannot fail
    let _ = write!(text, "    <{name}>");
    for c in value.chars().filter(|c| is_xml(*c)) {
        match c {
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '&' => text.push_str("&amp;"),
            '\r' => text.push_str("&#13;"),
            _ => text.push(c),
        }
    }
    let _ = writeln!(text, "</{name}>");
}
