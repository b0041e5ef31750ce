//! `secret keys|explain|policy|forecast|rehearse`: what can be told about secrets without showing them.

use std::rc::Rc;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::client::Call;
use crate::cli::exit::Exit;
use crate::cli::output::{Column, Format, Output};
use crate::cli::secret::Of;
use crate::cli::{Session, input};
use crate::model::parsed::{ReferenceParts, syntax_finding};
use crate::template;

const KEYS: &[Column] = &[("PATH", "path"), ("KIND", "kind"), ("REFERENCE", "reference")];
const PARTS: &[Column] = &[
    ("LINE", "line"),
    ("COLUMN", "column"),
    ("REFERENCE", "reference"),
    ("SECRET", "names_secret"),
    ("SOURCE", "names_source"),
    ("STAGE", "stage"),
    ("VERSION", "version_id"),
];
const EXPLAINED: &[Column] = &[
    ("FIELD", "field"),
    ("REFERENCE", "reference"),
    ("SOURCE", "target.source"),
    ("BY", "source_by"),
    ("SECRET", "target.secret"),
    ("PIN", "target.pin"),
    ("CACHE", "target.cache.state"),
    ("AGE MS", "target.cache.age_ms"),
    ("NEXT REFRESH AT", "target.cache.next_refresh_at"),
    ("LAST ERROR", "target.cache.last_error"),
    // last, where a long text pushes nothing away
    ("REASON", "reason"),
];
const FORECASTS: &[Column] = &[
    ("SOURCE", "source"),
    ("SECRETS", "secrets"),
    ("TTL MS", "current.cache_ttl_ms"),
    ("CALLS A MONTH", "current.calls_a_month"),
    ("USD A MONTH", "current.cost_usd_a_month"),
    ("NEW TTL MS", "proposed.cache_ttl_ms"),
    ("CALLS A MONTH", "proposed.calls_a_month"),
    ("USD A MONTH", "proposed.cost_usd_a_month"),
    ("LEAST TTL MS", "least_ttl_ms"),
];
const REHEARSED: &[Column] = &[
    ("RESOURCE", "resource"),
    ("ENVIRONMENT", "environment"),
    ("VERDICT", "verdict"),
    ("IDENTITY", "identity"),
    ("REASON", "reason"),
];

/// What can be told about secrets.
#[derive(Debug, Subcommand)]
pub(crate) enum Answer {
    /// Shows the keys inside a secret with the text that refers to each; never a value
    #[command(after_help = "Example:\n  s3-connector secret keys payments/s3 --source aws-prod")]
    Keys(Keys),
    /// Explains references: where they lead, what is cached, and which permissions they need
    #[command(after_help = "Examples:
  s3-connector secret explain '{{ secrets.s3.key_id }}'
  s3-connector secret explain '{{ secrets.s3.bucket }}' --field bucket
  s3-connector secret explain --resource invoices --output json
  s3-connector secret explain --offline '{{ secrets.s3.key_id }}'     # needs no server

Exits with 3 when something is wrong with the text.")]
    Explain(Explain),
    /// Prints the least IAM policy that reads the secrets in use
    #[command(after_help = "Examples:
  s3-connector secret policy --source aws-prod > policy.json
  s3-connector secret policy --source aws-prod --list --account 111122223333
  s3-connector secret policy --kms-key-arn arn:aws:kms:eu-central-1:111122223333:key/1234abcd")]
    Policy(Policy),
    /// Tells how often sources at AWS are asked, and what that costs
    #[command(after_help = "Examples:
  s3-connector secret forecast
  s3-connector secret forecast --cache-ttl-ms 60000 --replicas 3

The numbers are upper bounds: `--output json` shows the formula and the price.")]
    Forecast(Forecast),
    /// Tries every resource that uses a secret with its next version; switches nothing
    #[command(after_help = "Examples:
  s3-connector secret rehearse payments/s3 --source aws-prod
  s3-connector secret rehearse payments/s3 --stage AWSPREVIOUS --resource invoices

Exits with 1 unless the verdict is `safe`.")]
    Rehearse(Rehearse),
}

/// Flags of `secret keys`.
#[derive(Debug, Args)]
pub(crate) struct Keys {
    /// Name or ARN of the secret
    name: String,
    #[command(flatten)]
    of: Of,
}

/// Flags of `secret explain`.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// Text with references; `@file` reads it from a file and `-` from stdin
    #[arg(required_unless_present = "resource")]
    template: Option<String>,
    /// Resource whose references are explained, instead of a text
    #[arg(long, value_name = "NAME", conflicts_with = "template")]
    resource: Option<String>,
    /// Field that the text is meant for, or the only one of the resource to explain
    #[arg(long, value_name = "FIELD")]
    field: Option<String>,
    /// Only read the text, without a server
    #[arg(long, conflicts_with = "resource")]
    offline: bool,
}

/// Flags of `secret policy`.
#[derive(Debug, Args)]
pub(crate) struct Policy {
    /// Only this source [default: all at AWS]
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Account of the secrets [default: what known ARNs say]
    #[arg(long, value_name = "DIGITS")]
    account: Option<String>,
    /// Also allow to list names
    #[arg(long)]
    list: bool,
    /// Also allow to read in batches
    #[arg(long)]
    batch: bool,
    /// KMS key that the secrets are encrypted with; may be repeated
    #[arg(long = "kms-key-arn", value_name = "ARN")]
    kms_key_arns: Vec<String>,
}

/// Flags of `secret forecast`.
#[derive(Debug, Args)]
pub(crate) struct Forecast {
    /// Only this source [default: all at AWS]
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// TTL in milliseconds to compare with the present one
    #[arg(long, value_name = "NUMBER")]
    cache_ttl_ms: Option<u64>,
    /// Services that each keep their own cache [default: 1]
    #[arg(long, value_name = "NUMBER")]
    replicas: Option<u64>,
    /// US dollars for 10,000 calls [default: the list price]
    #[arg(long, value_name = "USD")]
    price: Option<f64>,
}

/// Flags of `secret rehearse`.
#[derive(Debug, Args)]
pub(crate) struct Rehearse {
    /// Name or ARN of the secret
    name: String,
    #[command(flatten)]
    of: Of,
    /// Stage of the candidate [default: AWSPENDING]
    #[arg(long, value_name = "STAGE", conflicts_with = "version_id")]
    stage: Option<String>,
    /// Version of the candidate
    #[arg(long, value_name = "ID")]
    version_id: Option<String>,
    /// Only this resource; may be repeated [default: all that use the secret, at most 50]
    #[arg(long = "resource", value_name = "NAME")]
    resources: Vec<String>,
}

impl Answer {
    /// Whether it needs no server.
    pub(crate) fn is_offline(&self) -> bool {
        matches!(self, Answer::Explain(explain) if explain.offline)
    }

    /// Answers without a server.
    pub(crate) async fn offline(self, out: &Rc<Output>) -> anyhow::Result<Exit> {
        match self {
            Answer::Explain(Explain { template: Some(argument), field, .. }) => {
                let text = input::value(&argument).await?;
                let answer = parsed(&text, field.as_deref().unwrap_or_default());
                show_explanation(out, &answer, PARTS)
            }
            _ => Ok(Exit::Usage),
        }
    }

    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        match self {
            Answer::Keys(keys) => keys.run(session).await,
            Answer::Explain(explain) => explain.run(session).await,
            Answer::Policy(policy) => policy.run(session).await,
            Answer::Forecast(forecast) => forecast.run(session).await,
            Answer::Rehearse(rehearse) => rehearse.run(session).await,
        }
    }
}

/// What can be told from the text alone, in the shape of the server's answer.
fn parsed(text: &str, field: &str) -> Value {
    match template::parse(text) {
        Ok(template) => {
            let parts: Vec<ReferenceParts> = template.references().map(ReferenceParts::of).collect();
            json!({"references": parts, "findings": []})
        }
        Err(error) => json!({"references": [], "findings": [syntax_finding(field, &error)]}),
    }
}

fn show_explanation(out: &Output, answer: &Value, columns: &[Column]) -> anyhow::Result<Exit> {
    out.rows(answer, "references", columns)?;
    if out.format() == Format::Table {
        out.remarks(answer);
    }
    let wrong = members(answer, "findings").iter().any(|finding| text(finding, "severity") == "error");
    Ok(if wrong { Exit::Denied } else { Exit::Ok })
}

impl Keys {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let source = self.of.name(session).await?;
        let path = ["sources", &source, "secrets", &self.name, "keys"];
        let answer = session.client.send(Call::get(&path)).await?.body;
        let mode = text(&answer, "mode");
        if !text(&answer, "note").is_empty() {
            session.out.warn(text(&answer, "note"));
        }
        if session.out.format() == Format::Table && mode != "json" {
            session.out.say(format!("the secret is {mode}: it has no keys, refer to all of it"));
            session.out.line(text(&answer, "reference"))?;
            return Ok(Exit::Ok);
        }
        session.out.rows(&answer, "keys", KEYS)?;
        if answer.get("truncated") == Some(&Value::Bool(true)) {
            session.out.warn("there are more keys than are shown");
        }
        Ok(Exit::Ok)
    }
}

impl Explain {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let template = match &self.template {
            Some(argument) => Some(input::value(argument).await?),
            None => None,
        };
        let body = json!({"template": template, "resource": self.resource, "field": self.field});
        let answer = session.client.send(Call::post(&["secrets", "explain"], body)).await?.body;
        show_explanation(&session.out, &answer, EXPLAINED)
    }
}

impl Policy {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let body = json!({
            "source": self.source, "account": self.account, "list": self.list, "batch": self.batch,
            "kms_key_arns": self.kms_key_arns,
        });
        let answer = session.client.send(Call::post(&["secrets", "policy"], body)).await?.body;
        if session.out.format() != Format::Table {
            session.out.json(&answer)?;
            return Ok(Exit::Ok);
        }
        for row in members(&answer, "policies") {
            session.out.say(format!("policy for the source `{}`:", text(row, "source")));
            if let Some(policy) = row.get("policy").filter(|policy| !policy.is_null()) {
                session.out.json(policy)?;
            }
            for note in members(row, "notes").iter().filter_map(Value::as_str) {
                session.out.say(format!("note: {note}"));
            }
        }
        Ok(Exit::Ok)
    }
}

impl Forecast {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let body = json!({
            "source": self.source, "cache_ttl_ms": self.cache_ttl_ms, "replicas": self.replicas,
            "usd_per_10_000_calls": self.price,
        });
        let answer = session.client.send(Call::post(&["secrets", "forecast"], body)).await?.body;
        session.out.rows(&answer, "forecasts", FORECASTS)?;
        if session.out.format() == Format::Table {
            session.out.say(text(&answer, "formula"));
        }
        Ok(Exit::Ok)
    }
}

impl Rehearse {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let source = self.of.name(session).await?;
        let mut body = json!({
            "source": source, "secret": self.name, "stage": self.stage, "version_id": self.version_id,
        });
        if let (false, Some(members)) = (self.resources.is_empty(), body.as_object_mut()) {
            members.insert("resources".to_owned(), json!(self.resources));
        }
        let answer = session.client.send(Call::post(&["secrets", "rehearse"], body)).await?.body;
        session.out.rows(&answer, "resources", REHEARSED)?;
        let verdict = text(&answer, "verdict");
        if session.out.format() == Format::Table {
            let reason = answer.get("reason").and_then(Value::as_str);
            let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            session.out.say(format!("{verdict}{reason}"));
        }
        Ok(Exit::failed_if(verdict != "safe"))
    }
}

fn members<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::parsed;

    #[test]
    fn a_text_is_explained_without_a_server() {
        let good = parsed("{{ secrets.s3.id }}", "");
        assert_eq!(good["references"][0]["names_secret"], "s3");
        assert_eq!(good["findings"].as_array().map(Vec::len), Some(0));
        let wrong = parsed("{{ secrets.s3.id", "bucket");
        assert_eq!(wrong["findings"][0]["code"], "TEMPLATE_SYNTAX");
        assert_eq!(wrong["findings"][0]["path"], "bucket");
        assert!(wrong["findings"][0]["help"].is_string());
    }
}
