//! The JSON forms: an array of rules, or an object that holds one.

use super::finding::{Finding, Severity, shown};
use super::json::{Member, Node, Value};
use super::names::{self, Field, Meaning};
use super::parse::{Builder, Document, Form};
use super::place::Spot;

const KNOWN: &str = "a rule has `ID`, `AllowedOrigins`, `AllowedMethods`, `AllowedHeaders`, `ExposeHeaders` and `MaxAgeSeconds`";

/// The document that a JSON value is.
pub(super) fn document(root: &Node) -> Result<Document, Finding> {
    let mut builder = Builder::new(root.at);
    let form = match &root.value {
        Value::List(rules) => {
            for rule in rules {
                read_rule(&mut builder, rule);
            }
            Form::Console
        }
        Value::Object(members) => read_root(&mut builder, root, members, 0)?,
        _ => return Err(no_configuration(root)),
    };
    Ok(builder.finish(form))
}

fn no_configuration(node: &Node) -> Finding {
    let help = "write an array of rules, or `{\"CORSRules\": […]}`";
    Finding::syntax(node.at, format!("a configuration is expected, not {}", node.kind()), help)
}

/// Reads the object around the rules; others put one object into another.
fn read_root(builder: &mut Builder, root: &Node, members: &[Member], depth: usize) -> Result<Form, Finding> {
    let is_root = |name: &str| {
        matches!(name, "CORSRules" | "rules") || names::FOREIGN_ROOTS.iter().any(|(known, _)| *known == name)
    };
    if is_rule(members) && !members.iter().any(|member| is_root(&member.name)) {
        let message = "one rule stands by itself".to_owned();
        builder.error("CORS_TYPE", (Spot::Document, root.at), message, "put the rule into a list: `[{…}]`");
        read_rule(builder, root);
        return Ok(Form::Console);
    }
    let mut form = None;
    for member in members {
        let foreign = names::FOREIGN_ROOTS.iter().find(|(name, _)| *name == member.name);
        let found = match (member.name.as_str(), foreign) {
            ("CORSRules", _) => Form::Api,
            ("rules", _) => Form::Service,
            (_, Some((name, by))) => {
                foreign_name(builder, (Spot::Document, member), name, by, "CORSRules");
                Form::Api
            }
            _ => {
                let message = format!("`{}` is no member of a configuration", shown(&member.name));
                let help = "a configuration has one member, `CORSRules`, the list of the rules";
                builder.error("CORS_UNKNOWN_MEMBER", (Spot::Document, member.at), message, help);
                continue;
            }
        };
        if form.is_some() {
            let message = format!("`{}` gives rules a second time", shown(&member.name));
            let help = "keep one of them: which one counts differs between readers";
            builder.error("CORS_DUPLICATE_MEMBER", (Spot::Document, member.at), message, help);
            builder.configuration.rules.clear();
            builder.places.rules.clear();
        }
        form = Some(read_rules(builder, &member.node, found, depth)?);
    }
    form.ok_or_else(|| no_configuration(root))
}

/// Whether the members look like those of a rule.
fn is_rule(members: &[Member]) -> bool {
    members.iter().any(|member| {
        names::in_json(&member.name).is_some_and(|meaning| matches!(meaning.field, Field::List(_)))
    })
}

fn read_rules(builder: &mut Builder, node: &Node, form: Form, depth: usize) -> Result<Form, Finding> {
    match &node.value {
        Value::List(rules) => rules.iter().for_each(|rule| read_rule(builder, rule)),
        Value::Object(members) if is_rule(members) => {
            let help = "write a list of rules, also when there is one";
            builder.error(
                "CORS_TYPE",
                (Spot::Document, node.at),
                "one rule stands for the list".to_owned(),
                help,
            );
            read_rule(builder, node);
        }
        Value::Object(members) if depth == 0 => return read_root(builder, node, members, 1),
        _ => wrong_kind(builder, Spot::Document, node, "a list of rules"),
    }
    Ok(form)
}

fn read_rule(builder: &mut Builder, node: &Node) {
    let index = builder.begin_rule(node.at);
    let Value::Object(members) = &node.value else {
        wrong_kind(builder, Spot::Rule(index), node, "a rule, which is an object");
        return;
    };
    let mut seen: Vec<Field> = Vec::new();
    read_members(builder, index, members, &mut seen, 0);
}

fn read_members(
    builder: &mut Builder,
    index: usize,
    members: &[Member],
    seen: &mut Vec<Field>,
    depth: usize,
) {
    for member in members {
        if let ("allowed", Value::Object(inner), 0) = (member.name.as_str(), &member.node.value, depth) {
            foreign_name(
                builder,
                (Spot::Rule(index), member),
                "allowed",
                "Wrangler of Cloudflare R2",
                KNOWN_FLAT,
            );
            read_members(builder, index, inner, seen, 1);
            continue;
        }
        let Some(Meaning { field, foreign }) = names::in_json(&member.name) else {
            unknown(builder, index, member);
            continue;
        };
        if let Some(by) = foreign {
            foreign_name(builder, (Spot::Rule(index), member), &member.name, by, field.s3_name());
        }
        if seen.contains(&field) {
            let message = format!("`{}` stands in the rule twice", shown(&member.name));
            let help = "keep one of them: which one counts differs between readers";
            builder.error("CORS_DUPLICATE_MEMBER", (Spot::Rule(index), member.at), message, help);
        } else {
            seen.push(field);
        }
        read_field(builder, index, field, member);
    }
}

const KNOWN_FLAT: &str = "`AllowedOrigins`, `AllowedMethods` and `AllowedHeaders` in the rule itself";

fn unknown(builder: &mut Builder, index: usize, member: &Member) {
    let message = format!("`{}` is no member of a rule", shown(&member.name));
    let help = match names::nearest(&member.name, false) {
        Some(name) => format!("write `{name}`, if that is meant; {KNOWN}"),
        None => format!("take it out; {KNOWN}"),
    };
    builder.error("CORS_UNKNOWN_MEMBER", (Spot::Rule(index), member.at), message, help);
}

fn foreign_name(builder: &mut Builder, (spot, member): (Spot, &Member), name: &str, by: &str, own: &str) {
    let message = format!("`{}` is a name of {by}, which S3 does not take", shown(name));
    let own = if own.starts_with('`') { own.to_owned() } else { format!("`{own}`") };
    builder.note(Severity::Warning, "CORS_FOREIGN_NAME", (spot, member.at), message, format!("write {own}"));
}

fn read_field(builder: &mut Builder, index: usize, field: Field, member: &Member) {
    let node = &member.node;
    match (field, &node.value) {
        (Field::Id, Value::Text(id)) => builder.set_id(id, node.at),
        (Field::Id, _) => wrong_kind(builder, Spot::Id(index), node, "a text"),
        (Field::MaxAge, Value::Number(number)) => read_max_age(builder, index, number, node),
        (Field::MaxAge, _) => wrong_kind(builder, Spot::MaxAge(index), node, "a number of seconds"),
        (Field::List(_) | Field::BothHeaders, _) => read_list(builder, index, field, node),
    }
}

fn read_max_age(builder: &mut Builder, index: usize, number: &str, node: &Node) {
    let seconds = number.parse().ok();
    if seconds.is_none() {
        let message = format!("`{}` is no number of seconds that S3 takes", shown(number));
        let help = "write a whole number, such as 3600";
        builder.error("CORS_MAX_AGE", (Spot::MaxAge(index), node.at), message, help);
    }
    builder.set_max_age(seconds, node.at);
}

fn read_list(builder: &mut Builder, index: usize, field: Field, node: &Node) {
    builder.begin_list(field, node.at);
    let spot =
        super::parse::lists_of(field).first().map_or(Spot::Rule(index), |list| Spot::List(index, *list));
    match &node.value {
        Value::List(values) => {
            for value in values {
                if let Value::Text(text) = &value.value {
                    builder.push(field, text, value.at);
                } else {
                    wrong_kind(builder, spot, value, "a text");
                }
            }
        }
        Value::Text(text) => {
            builder.push(field, text, node.at);
            let message = "one text stands where a list of texts belongs".to_owned();
            let help = "put it into a list, also when there is one";
            builder.error("CORS_TYPE", (spot, node.at), message, help);
        }
        _ => wrong_kind(builder, spot, node, "a list of texts"),
    }
}

fn wrong_kind(builder: &mut Builder, spot: Spot, node: &Node, expected: &str) {
    let message = format!("{expected} belongs here, not {}", node.kind());
    builder.error("CORS_TYPE", (spot, node.at), message, KNOWN);
}
