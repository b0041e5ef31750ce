//! What is done to many objects: counted, confirmed, and followed line by line.

use serde_json::{Value, json};

use crate::cli::client::Call;
use crate::cli::exit::Exit;
use crate::cli::output::{Format, counted};
use crate::cli::problem::Problem;
use crate::cli::{Session, input};
use crate::model::bulk::{BulkPlan, NamedKey};

/// Keys that one call may name.
const MOST_KEYS: usize = 10_000;
/// Failures that are kept for the JSON at the end.
const MOST_FAILURES: usize = 10_000;

/// Something that is done to every object below a prefix.
pub(super) struct Task<'a> {
    pub(super) resource: &'a str,
    pub(super) route: &'a str,
    pub(super) body: Value,
    pub(super) question: String,
    pub(super) verb: &'a str,
    pub(super) done: &'a str,
}

/// Deletes what is named, as many with one call as one may name. One that fails does not stop the others.
pub(super) async fn delete_keys(
    session: &Session,
    resource: &str,
    named: &[NamedKey],
) -> anyhow::Result<Exit> {
    let path = ["resources", resource, "objects:delete"];
    let mut shown = Shown::default();
    for some in named.chunks(MOST_KEYS) {
        let call = Call::post(&path, json!({"keys": some}));
        if let Err(error) = follow(session, call, named.len() as u64, &mut shown).await {
            let (done, failed) = shown.counts();
            return Err(error.context(format!(
                "{done} were deleted before that and {failed} failed: repeat the command"
            )));
        }
        if shown.is_over() {
            break;
        }
    }
    shown.finish(session, "deleted")
}

/// What is there of what is named.
pub(super) async fn look_at_keys(
    session: &Session,
    resource: &str,
    named: &[NamedKey],
) -> anyhow::Result<Value> {
    let path = ["resources", resource, "objects:delete"];
    let (mut count, mut bytes, mut missing) = (0, 0, Vec::new());
    for some in named.chunks(MOST_KEYS) {
        let call = Call::post(&path, json!({"keys": some, "dry_run": true}));
        let plan: BulkPlan = serde_json::from_value(session.client.send(call).await?.body)?;
        count += plan.count;
        bytes += plan.bytes;
        missing.extend(plan.missing);
    }
    Ok(json!({"dry_run": true, "count": count, "bytes": bytes, "missing": missing}))
}

/// Sends a call that is answered line by line, and shows what became of the keys.
async fn follow(session: &Session, call: Call<'_>, number: u64, shown: &mut Shown) -> anyhow::Result<()> {
    let mut lines = session.client.lines(call).await?;
    let (before, _) = shown.counts();
    let spinner = session.out.spinner(&format!("{before} of {number}"));
    shown.open = true;
    while let Some(line) = lines.next().await.map_err(|error| shown.broken(error))? {
        if let Some(done) = shown.line(session, line)? {
            spinner.set_message(format!("{} of {number}", before + done));
        }
    }
    spinner.finish_and_clear();
    Ok(())
}

impl Task<'_> {
    pub(super) async fn run(self, session: &Session, dry_run: bool, yes: bool) -> anyhow::Result<Exit> {
        let path = ["resources", self.resource, self.route];
        let plan = session.client.send(Call::post(&path, self.with("dry_run", json!(true)))).await?.body;
        let count = plan.get("confirm_count").cloned().unwrap_or_default();
        if dry_run {
            session.out.record(&plan)?;
            session.out.say(format!("dry run: nothing was {}", self.done));
            return Ok(Exit::Ok);
        }
        let number = count.as_u64().unwrap_or(0);
        if number == 0 {
            session.out.say(format!("no objects {}", self.question));
            return Ok(Exit::Ok);
        }
        let bytes = plan.get("bytes").and_then(Value::as_u64).unwrap_or(0);
        let taken = plan.get("taken").and_then(Value::as_u64).unwrap_or(0);
        let stay = match taken {
            0 => String::new(),
            _ => format!(" {taken} of them stay, because their new keys are taken (see --overwrite)."),
        };
        let question = format!("{} {number} objects ({bytes} bytes) {}?{stay}", self.verb, self.question);
        input::confirm(&session.out, yes, &question).await?;
        let mut shown = Shown::default();
        follow(session, Call::post(&path, self.with("confirm_count", count)), number, &mut shown).await?;
        shown.finish(session, self.done)
    }

    fn with(&self, name: &str, value: Value) -> Value {
        let mut body = self.body.clone();
        if let Some(members) = body.as_object_mut() {
            members.insert(name.to_owned(), value);
        }
        body
    }
}

/// What came of the keys so far.
#[derive(Default)]
struct Shown {
    failures: Vec<Value>,
    cursor: Option<String>,
    /// The last line of every call, with the counts of all of them.
    end: Option<Value>,
    /// A call whose last line has not come yet.
    open: bool,
}

impl Shown {
    /// Takes one line in; how many keys are done with, after a chunk.
    fn line(&mut self, session: &Session, line: Value) -> anyhow::Result<Option<u64>> {
        // the last line is told once for all calls
        let is_last = line.get("truncated").is_some() && line.get("outcome").is_none();
        if session.out.format() == Format::Ndjson && !is_last {
            session.out.json(&line)?;
        }
        if line.get("outcome").is_some() {
            if line.get("error").is_some() {
                if session.out.format() == Format::Table {
                    session.out.warn(failure(&line));
                }
                if self.failures.len() < MOST_FAILURES {
                    self.failures.push(line);
                }
            }
            return Ok(None);
        }
        let done = line.get("done").and_then(Value::as_u64);
        self.cursor = line.get("cursor").and_then(Value::as_str).map(str::to_owned);
        if is_last {
            self.add(line);
        }
        Ok(done)
    }

    fn add(&mut self, mut line: Value) {
        let before = self.counts();
        let of_line = counts(&line);
        if let Some(members) = line.as_object_mut() {
            members.insert("done".to_owned(), json!(before.0 + of_line.0));
            members.insert("failed".to_owned(), json!(before.1 + of_line.1));
        }
        self.end = Some(line);
        self.open = false;
    }

    /// Objects that were done and that failed, of all calls that ended.
    fn counts(&self) -> (u64, u64) {
        self.end.as_ref().map(counts).unwrap_or_default()
    }

    /// Whether the next call has to be left out.
    fn is_over(&self) -> bool {
        self.open || self.end.as_ref().is_none_or(|end| end.get("error").is_some())
    }

    fn finish(self, session: &Session, done: &str) -> anyhow::Result<Exit> {
        let Some(end) = self.end.as_ref().filter(|_| !self.open) else {
            return Err(self.broken(anyhow::anyhow!("the answer broke off")));
        };
        let (number, failed) = counts(end);
        if session.out.format() == Format::Ndjson {
            session.out.json(end)?;
        }
        if session.out.format() == Format::Json {
            let mut whole = end.clone();
            if let Some(members) = whole.as_object_mut() {
                members.insert("failures".to_owned(), json!(self.failures));
            }
            session.out.json(&whole)?;
        }
        let were = if number == 1 { "was" } else { "were" };
        session.out.say(format!("{} {were} {done}, {failed} failed", counted(number, "object")));
        if let Some(error) = end.get("error") {
            let problem = serde_json::from_value::<Problem>(error.clone())?;
            return Err(self.broken(problem.into()));
        }
        if let Some(cursor) = &self.cursor {
            session.out.say(format!("there is more: go on with --cursor '{cursor}'"));
        }
        Ok(Exit::failed_if(failed > 0 || self.cursor.is_some()))
    }

    /// An interrupt loses nothing: the same command goes on with what is left.
    fn broken(&self, error: anyhow::Error) -> anyhow::Error {
        match &self.cursor {
            Some(cursor) => error.context(format!(
                "not everything was done: repeat the command, or go on with --cursor '{cursor}'"
            )),
            None => error,
        }
    }
}

fn counts(end: &Value) -> (u64, u64) {
    let number = |name: &str| end.get(name).and_then(Value::as_u64).unwrap_or(0);
    (number("done"), number("failed"))
}

fn failure(line: &Value) -> String {
    let text = |path: &str| line.pointer(path).and_then(Value::as_str).unwrap_or_default();
    format!("`{}`: {} [{}]", text("/key"), text("/error/detail"), text("/error/code"))
}
