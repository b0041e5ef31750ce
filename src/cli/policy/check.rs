//! `policy check`: what the live policies of a bucket make of a resource.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, usage};
use crate::cli::input;
use crate::cli::output::{Column, Format, Output, Style, one_line, plain};

const PREDICTIONS: &[Column] = &[
    ("OPERATION", "operation"),
    ("ALLOWED", "answer"),
    ("TRIED", "tried"),
    // last, where a long text pushes nothing away
    ("WHY", "explanation"),
];
const PARTS: &[Column] = &[("PART", "part"), ("STATE", "state"), ("DETAIL", "detail")];
const FINDINGS: &[Column] = &[
    ("SEVERITY", "severity"),
    ("CODE", "code"),
    ("DOCUMENT", "document"),
    ("LINE", "line"),
    ("MESSAGE", "message"),
];
const MISSING: &[Column] = &[("MISSING", "action"), ("ON", "resource")];
const UNUSED: &[Column] = &[("NOT NEEDED", "shown"), ("ON", "resource"), ("REASON", "reason")];

/// Flags of `policy check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Name of the resource
    resource: String,
    /// Try the operations now, in place of the last test that was kept
    #[arg(long)]
    test: bool,
    /// Who asks, where the store does not tell: ARN of a user, role or session
    #[arg(long, value_name = "ARN")]
    principal: Option<String>,
    /// File with a policy of the identity, again for each; together they are all that it has
    #[arg(long = "identity-policy", value_name = "FILE")]
    identity: Vec<PathBuf>,
    /// The identity has no policies of its own
    #[arg(long, conflicts_with = "identity")]
    no_identity_policies: bool,
    /// File with the permissions boundary of the identity
    #[arg(long, value_name = "FILE")]
    boundary: Option<PathBuf>,
    /// File with the policy of the session, when it is not the one of the resource
    #[arg(long, value_name = "FILE")]
    session_policy: Option<PathBuf>,
    /// Exit with 0 also when something could not be decided, and nothing is denied
    #[arg(long)]
    accept_unknown: bool,
}

impl Check {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let body = self.body().await?;
        let path = ["resources", &self.resource, "policy", "check"];
        let answer = session.client.send(Call::post(&path, body)).await?.body;
        match session.out.format() {
            Format::Table => show(&session.out, &answer)?,
            Format::Json | Format::Ndjson => session.out.json(&answer)?,
        }
        Ok(match answer.get("verdict").and_then(Value::as_str) {
            Some("passes") => Exit::Ok,
            Some("undecided") => Exit::failed_if(!self.accept_unknown),
            _ => Exit::Denied,
        })
    }

    async fn body(&self) -> anyhow::Result<Value> {
        let files = self.identity.iter().chain(&self.boundary).chain(&self.session_policy);
        if files.filter(|file| file.as_path() == Path::new("-")).count() > 1 {
            return Err(usage("only one of the policies can be stdin"));
        }
        let mut body = json!({"test": self.test});
        let mut put =
            |name: &str, value: Value| body.as_object_mut().map(|body| body.insert(name.to_owned(), value));
        if let Some(principal) = &self.principal {
            put("principal", json!(principal));
        }
        if self.no_identity_policies || !self.identity.is_empty() {
            let mut policies = Vec::new();
            for file in &self.identity {
                // as a text, so that lines are those of the file
                policies.push(json!(input::text(file).await?));
            }
            put("identity_policies", json!(policies));
        }
        for (name, file) in
            [("permission_boundary", &self.boundary), ("session_policy", &self.session_policy)]
        {
            if let Some(file) = file {
                put(name, json!(input::text(file).await?));
            }
        }
        Ok(body)
    }
}

fn show(out: &Output, answer: &Value) -> anyhow::Result<()> {
    let list = |name: &str| answer.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let who = match text("/identity/principal") {
        "" => "somebody",
        known => known,
    };
    let known_by = one_line(text("/identity/known_by"));
    out.line(format!("{} asks ({known_by})", one_line(who)))?;
    out.line("")?;
    out.table(PREDICTIONS, &list("predictions"))?;
    out.line("")?;
    out.table(PARTS, &list("parts"))?;
    let table = |columns: &[Column], rows: Vec<Value>| -> anyhow::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        out.line("")?;
        out.table(columns, &rows)
    };
    table(FINDINGS, list("findings"))?;
    table(MISSING, list("missing"))?;
    table(UNUSED, list("unused").into_iter().map(unused).collect())?;
    show_public(out, answer)?;
    show_change(out, answer)?;
    show_agreement(out, answer)?;
    for unseen in list("unseen") {
        out.say(format!("not seen here: {}", plain(unseen.as_str().unwrap_or_default())));
    }
    let (style, word) = match text("/verdict") {
        "passes" => (Style::Good, "passes"),
        "undecided" => (Style::Careful, "undecided: what `unknown` depends on could not be read"),
        _ => (Style::Bad, "does not pass"),
    };
    out.line("")?;
    out.line(out.paint(style, word))
}

/// The actions on one line.
fn unused(mut row: Value) -> Value {
    let actions = row.get("actions").and_then(Value::as_array).into_iter().flatten();
    let actions: Vec<&str> = actions.filter_map(Value::as_str).collect();
    let shown = match actions.as_slice() {
        [one, two, three, rest @ ..] if !rest.is_empty() => {
            format!("{one}, {two}, {three} and {} more", rest.len())
        }
        few => few.join(", "),
    };
    if let Some(row) = row.as_object_mut() {
        row.insert("shown".to_owned(), json!(shown));
    }
    row
}

fn show_public(out: &Output, answer: &Value) -> anyhow::Result<()> {
    let found = ["/public_access/policy/statements", "/public_access/acl/grants"];
    let found = found.iter().filter_map(|pointer| answer.pointer(pointer)?.as_array()).flatten();
    for message in found.filter_map(|found| found.get("message")?.as_str()) {
        out.line(format!("{} {}", out.paint(Style::Bad, "public:"), one_line(message)))?;
    }
    Ok(())
}

fn show_change(out: &Output, answer: &Value) -> anyhow::Result<()> {
    let Some(change) = answer.get("change").filter(|change| !change.is_null()) else { return Ok(()) };
    for step in change.get("steps").and_then(Value::as_array).into_iter().flatten() {
        out.line(format!("change: {}", one_line(step.as_str().unwrap_or_default())))?;
    }
    let same = answer.pointer("/identity/same_account").and_then(Value::as_bool);
    let both =
        if same == Some(true) { "or add to the bucket policy" } else { "and add to the bucket policy" };
    for (name, title) in [("identity", "add to the identity"), ("bucket", both)] {
        if let Some(policy) = change.get(name).filter(|policy| !policy.is_null()) {
            out.line(out.paint(Style::Faint, format!("# {title}")))?;
            out.line(plain(&serde_json::to_string_pretty(policy)?))?;
        }
    }
    Ok(())
}

fn show_agreement(out: &Output, answer: &Value) -> anyhow::Result<()> {
    let Some(agreement) = answer.get("agreement").filter(|found| !found.is_null()) else {
        out.say("no test of this environment was kept: `--test` tries the operations");
        return Ok(());
    };
    let list =
        |name: &str| agreement.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let text =
        |value: &Value, name: &str| one_line(value.get(name).and_then(Value::as_str).unwrap_or_default());
    let tested_at = text(agreement, "tested_at");
    out.line(format!("\nthe test of {tested_at} agrees on {} checks", list("agree").len()))?;
    for differs in list("differ") {
        let check = text(differs, "check");
        let (predicted, tried) = (text(differs, "predicted"), text(differs, "tried"));
        let title = out.paint(Style::Careful, format!("differs: {check}"));
        out.line(format!("{title}: predicted {predicted}, tried {tried}: {}", text(differs, "explanation")))?;
        for reason in differs.get("reasons").and_then(Value::as_array).into_iter().flatten() {
            out.line(format!("    maybe {}", one_line(reason.as_str().unwrap_or_default())))?;
        }
    }
    Ok(())
}
