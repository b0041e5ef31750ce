//! `resource explain`: the request that a query would send, and what it needs. Nothing is sent.

use std::collections::BTreeSet;

use clap::Args;
use serde_json::{Map, Value};

use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, usage};
use crate::cli::output::{Format, Output, Style, one_line};

/// Flags of `resource explain`.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// Name of the resource
    name: String,
    /// Operation of the JSON interface, for example `get` or `list`; --json may name it instead
    #[arg(required_unless_present = "json")]
    operation: Option<String>,
    /// Option of the operation: `key=a.txt` is a text, `limit:=10` is JSON
    #[arg(value_name = "OPTION=VALUE")]
    options: Vec<String>,
    /// The body of the query, or all options, as a JSON object; single options go before it
    #[arg(long, value_name = "JSON")]
    json: Option<String>,
}

impl Explain {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let body = self.body()?;
        let path = ["resources", self.name.as_str(), "explain"];
        let call = Call::post(&path, Value::Object(body));
        let answer = session.client.send(call).await?.body;
        match session.out.format() {
            Format::Table => show(&session.out, &answer)?,
            Format::Json | Format::Ndjson => session.out.json(&answer)?,
        }
        Ok(Exit::Ok)
    }

    fn body(&self) -> anyhow::Result<Map<String, Value>> {
        let mut body = match &self.json {
            Some(text) => serde_json::from_str(text)
                .map_err(|_| usage("--json is not a JSON object: give for example '{\"key\": \"a.txt\"}'"))?,
            None => Map::new(),
        };
        let mut given = BTreeSet::new();
        // where --json names the operation, the first argument is an option: no operation has a `=`
        let (operation, first) = match self.operation.as_deref() {
            Some(option) if option.contains('=') => (None, Some(option)),
            operation => (operation, None),
        };
        for option in first.into_iter().chain(self.options.iter().map(String::as_str)) {
            let (name, value) = option_of(option)?;
            if !given.insert(name.clone()) {
                return Err(usage(format!("`{name}` is given twice: give it once")));
            }
            body.insert(name, value);
        }
        match (operation, body.get("operation")) {
            (None, None) => {
                return Err(usage("name the operation: as an argument, or as `operation` in --json"));
            }
            (Some(operation), Some(other)) if other != operation => {
                return Err(usage(format!("--json is about {other}, and the command about `{operation}`")));
            }
            (None, Some(_)) => {}
            (Some(operation), _) => {
                body.insert("operation".to_owned(), operation.into());
            }
        }
        Ok(body)
    }
}

fn option_of(text: &str) -> anyhow::Result<(String, Value)> {
    let wrong =
        || usage(format!("`{text}` is no option: write `key=a.txt` for a text and `limit:=10` for JSON"));
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    match name.strip_suffix(':') {
        Some(name) => Ok((name.to_owned(), serde_json::from_str(value).map_err(|_| wrong())?)),
        None => Ok((name.to_owned(), value.into())),
    }
}

fn show(out: &Output, answer: &Value) -> anyhow::Result<()> {
    match answer.get("request").filter(|request| !request.is_null()) {
        Some(request) => show_request(out, request)?,
        None => out.line("no request would be sent")?,
    }
    let calls = answer.get("calls").map(|calls| match calls.get("at_most").and_then(Value::as_u64) {
        Some(most) => format!("at most {most}: {}", text(calls, "/why")),
        None => text(calls, "/why"),
    });
    section(out, "calls", calls)?;
    let place = answer.get("place").filter(|place| !place.is_null());
    let of = |pointer: &str| text(answer, pointer);
    section(
        out,
        "addressing",
        place.map(|_| format!("{}, by {}", of("/place/addressing"), of("/place/addressing_by"))),
    )?;
    section(out, "region", place.map(|_| format!("{}, by {}", of("/place/region"), of("/place/region_by"))))?;
    section(
        out,
        "provider",
        place.map(|_| format!("{}: {}", of("/place/provider"), of("/place/provider_by"))),
    )?;
    section(out, "identity", answer.pointer("/identity/kind").map(|_| of("/identity/kind")))?;
    let role = answer.pointer("/identity/role").filter(|role| !role.is_null());
    section(
        out,
        "role",
        role.map(|role| format!("{}, session {}", text(role, "/arn"), text(role, "/session"))),
    )?;
    for secret in items(answer, "secrets") {
        let cache = text(secret, "/target/cache/state");
        let version = text(secret, "/target/cache/version_id");
        section(
            out,
            "secret",
            Some(format!("{} for {}: {cache} {version}", text(secret, "/reference"), text(secret, "/field"))),
        )?;
    }
    for permission in items(answer, "permissions") {
        let when = text(permission, "/when");
        let when = if when.is_empty() { when } else { format!(", when {when}") };
        section(
            out,
            "allow",
            Some(format!("{} on {}{when}", text(permission, "/action"), text(permission, "/resource"))),
        )?;
    }
    for operation in
        items(answer, "operations").filter(|operation| operation.get("allowed") == Some(&Value::Bool(false)))
    {
        out.warn(format!("the resource does not allow `{}`", text(operation, "/operation")));
    }
    for lacking in items(answer, "not_supported").filter_map(Value::as_str) {
        out.warn(format!("the provider's profile does not promise {lacking}: the query would be refused"));
    }
    for field in items(answer, "unknown").filter_map(Value::as_str) {
        out.warn(format!("`{field}` is not cached and unknown yet: a made-up value stands for it"));
    }
    if let Some(refused) = answer.get("refused").filter(|refused| !refused.is_null()) {
        out.warn(format!(
            "the query would fail with {}: {}",
            text(refused, "/code"),
            text(refused, "/detail")
        ));
    }
    Ok(())
}

fn show_request(out: &Output, request: &Value) -> anyhow::Result<()> {
    out.line(format!("{} {}", text(request, "/method"), text(request, "/url")))?;
    let signed: Vec<&str> = items(request, "signed_headers").filter_map(Value::as_str).collect();
    for header in items(request, "headers") {
        let name = text(header, "/name");
        let value = header.get("value").and_then(Value::as_str).unwrap_or("(not shown)");
        let mark =
            if signed.contains(&name.as_str()) || name == "authorization" { "" } else { "  (not signed)" };
        out.line(format!("  {name}: {}{mark}", one_line(value)))?;
    }
    let bytes = request.get("body_bytes").and_then(Value::as_u64).filter(|bytes| *bytes > 0);
    section(out, "body", bytes.map(|bytes| format!("{bytes} bytes")))
}

fn section(out: &Output, label: &str, said: Option<String>) -> anyhow::Result<()> {
    let Some(said) = said else { return Ok(()) };
    out.line(format!("{} {}", out.paint(Style::Faint, format!("{label:10}")), one_line(&said).trim_end()))
}

fn text(holder: &Value, pointer: &str) -> String {
    holder.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn items<'a>(holder: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    holder.get(name).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::option_of;

    #[test]
    fn options_are_texts_or_json() {
        assert_eq!(option_of("key=a=b").unwrap(), ("key".to_owned(), json!("a=b")));
        assert_eq!(option_of("limit:=10").unwrap(), ("limit".to_owned(), json!(10)));
        for wrong in ["key", "limit:=ten"] {
            assert!(option_of(wrong).is_err(), "{wrong}");
        }
    }
}
