//! Why a page does not get what it wants, or why the real answers are others than the configuration says, and what
//! mends it.

use serde_json::json;

use crate::app::App;
use crate::app::connection::Plan;
use crate::app::cors::live::{Known, Live, Row};
use crate::app::propose::Written;
use crate::app::scope::bucket_arn;
use crate::aws::{AwsError, ErrorKind};
use crate::cors::{self, CorsConfiguration, Profile, Scope, Sending};
use crate::model::bucket::{AspectAnswer, AspectState};
use crate::model::check::Fix;
use crate::model::cors_check::{CorsCheckWanted, DecidedBy};
use crate::model::{error_catalogue, provider};

/// Seconds after which a new configuration is in force at most stores, where the profile says no more.
const USUAL_PROPAGATION: u32 = 5;

/// What all uses come to.
pub(super) struct Conclusion {
    pub(super) cause: Option<String>,
    pub(super) detail: String,
    pub(super) remedy: Option<String>,
    pub(super) fix: Option<Fix>,
    pub(super) recommended: Option<CorsConfiguration>,
}

/// What mends it, and the words for it.
type Mending = (Option<String>, Option<Fix>);

/// The cause of one use whose preflight was answered; none when it works as the configuration says.
pub(super) fn of_row(live: &Live<'_>, sending: &Sending, row: &Row) -> Option<&'static str> {
    let preflight = row.preflight.as_ref()?;
    match preflight.received.status {
        301 | 308 => return Some("PermanentRedirect"),
        302 | 303 | 307 => return Some("TemporaryRedirect"),
        _ => {}
    }
    let actual = row.shown.real.actual.as_ref();
    let is_known = !matches!(live.known, Known::Unknown);
    let is_twice = |received| cors::has_origin_twice(received, live.profile);
    if is_twice(&preflight.received) || actual.is_some_and(is_twice) {
        return Some("CorsAnsweredByProxy");
    }
    if !live.is_of_store(preflight) && (!row.shown.differences.is_empty() || !is_known) {
        return Some("CorsAnsweredByProxy");
    }
    if row.is_other_than_predicted() {
        match &live.known {
            Known::Configured(configuration) => {
                return Some(of_difference(live, configuration, sending, row));
            }
            // something lets the page in, and it is not the bucket
            _ if row.shown.works => return Some("CorsAnsweredByProxy"),
            _ => {}
        }
    }
    match live.known {
        _ if row.shown.works => None,
        // what answers no preflight is helped by no configuration
        Known::NotSet if !live.is_amazon() && answers_none(row) => Some("CorsDeviates"),
        Known::NotSet if live.profile.scope == Scope::Bucket => Some("CorsNotSet"),
        Known::Missing => Some("NoSuchBucket"),
        _ => Some("CorsNotAllowed"),
    }
}

/// Why the store does otherwise than its configuration says.
fn of_difference(
    live: &Live<'_>,
    configuration: &CorsConfiguration,
    sending: &Sending,
    row: &Row,
) -> &'static str {
    if answers_none(row) || like(live, configuration, sending, row).is_some() {
        return "CorsDeviates";
    }
    // a store that has another configuration in force answers preflights by it, too
    if row.preflight_differs { "CorsNotPropagated" } else { "CorsAnsweredByProxy" }
}

/// Whether the store has no preflights at all: it keeps a configuration and does nothing with it. Such stores have no
/// such method, or take it for a request whose signature is wrong.
fn answers_none(row: &Row) -> bool {
    let Some(preflight) = &row.preflight else { return false };
    let code = preflight.received.code.as_deref();
    matches!(preflight.received.status, 405 | 501) || code == Some("SignatureDoesNotMatch")
}

/// Another kind of store that answers so with the present configuration. Amazon's own endpoints are of no other kind.
fn like(
    live: &Live<'_>,
    configuration: &CorsConfiguration,
    sending: &Sending,
    row: &Row,
) -> Option<&'static Profile> {
    let preflight = row.preflight.as_ref().filter(|_| !live.is_amazon())?;
    let real = (&preflight.received, row.shown.real.actual.as_ref());
    cors::answers_like(configuration, live.profile, sending, real)
}

/// What all uses come to: the first that fails, or else the first whose answers differ.
pub(super) async fn conclude(
    app: &App,
    live: &Live<'_>,
    (written, plan): (Written<'_>, &Plan),
    wanted: &CorsCheckWanted,
    (read, rows): (&AspectAnswer, &[Row]),
) -> Conclusion {
    let (uses, profile) = (vec![wanted.whole()], live.profile);
    let recommended = aside(move || cors::recommend(&uses, profile).ok()).await.flatten();
    let failing = rows.iter().find(|row| !row.shown.works);
    let Some(row) = failing.or_else(|| rows.iter().find(|row| row.shown.cause.is_some())) else {
        return Conclusion {
            cause: None,
            detail: format!("all that the pages do works ({} requests){}", rows.len(), unread(read)),
            remedy: None,
            fix: None,
            recommended: recommended.map(|found| found.configuration),
        };
    };
    let cause = row.shown.cause.clone().unwrap_or_else(|| "CorsNotAllowed".to_owned());
    let (remedy, fix) = match cause.as_str() {
        "CorsNotSet" | "CorsNotAllowed" => allowing(live, wanted, read).await,
        "CorsDeviates" => other_provider(live, row),
        "CorsNotPropagated" => (Some(waiting(live.profile)), None),
        "PermanentRedirect" | "TemporaryRedirect" => elsewhere(app, row, (written, plan)).await,
        _ => (None, None),
    };
    let entry = error_catalogue::find(&cause);
    let usual = || entry.map(|entry| format!("{} - {} can do this", entry.remedy, entry.owner.as_str()));
    Conclusion {
        remedy: remedy.or_else(usual),
        fix,
        detail: format!("{}{}", detail(row), unread(read)),
        cause: Some(cause),
        recommended: recommended.map(|found| found.configuration),
    }
}

/// What the page gets, and why.
fn detail(row: &Row) -> String {
    let shown = &row.shown;
    let (origin, operation) = (&shown.origin, shown.operation.as_str());
    let by_configuration = shown.predicted.as_ref().map(|found| found.verdict.reason.as_str());
    let really = shown.real.verdict.as_ref().map(|verdict| verdict.reason.as_str());
    let why = match (really, by_configuration) {
        // the configuration's sentence names the rule and the header
        (Some(_), Some(reason)) if shown.decided_by == DecidedBy::Both && shown.differences.is_empty() => {
            reason.to_owned()
        }
        (Some(really), Some(reason)) => format!("really {really}; by the configuration {reason}"),
        (Some(really), None) => really.to_owned(),
        (None, Some(reason)) => {
            let problem = shown.real.problem.as_deref().unwrap_or("no answer came in");
            format!("by the configuration {reason}; nothing came back really ({problem})")
        }
        (None, None) => shown.real.problem.clone().unwrap_or_else(|| "nothing came back".to_owned()),
    };
    let differs = shown.differences.first().map(|first| format!(" ({first})")).unwrap_or_default();
    format!("{operation} from `{origin}`: {why}{differs}")
}

/// A word about a configuration that could not be read.
fn unread(read: &AspectAnswer) -> String {
    match (read.state, &read.problem) {
        (AspectState::Denied | AspectState::Failed, Some(problem)) => format!(
            "; the configuration could not be read ({}), so the real answers alone decide",
            problem.code
        ),
        _ => String::new(),
    }
}

/// Computes off the threads that answer others: a configuration may have a hundred rules with long lists. The check has
/// its caller's place already.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    // none only while the service ends
    tokio::task::spawn_blocking(work).await.ok()
}

/// The configuration with which the uses work, and which keeps what the present one allows.
async fn allowing(live: &Live<'_>, wanted: &CorsCheckWanted, read: &AspectAnswer) -> Mending {
    const OWNER: &str = "an editor of the resource can do this";
    let present = match &live.known {
        Known::Configured(present) => present.clone(),
        Known::Unknown => return (Some(unseen(read)), live.may_look(read)),
        Known::NotSet | Known::Missing => CorsConfiguration::default(),
    };
    let (uses, profile) = ([wanted.whole()], live.profile);
    let Some(extended) = aside(move || cors::extend(&present, &uses, profile)).await else {
        return (None, None);
    };
    let extended = match extended {
        Ok(extended) => extended,
        Err(error) => return (Some(format!("{error} - {OWNER}")), None),
    };
    if matches!(&live.known, Known::Configured(present) if *present == extended.configuration) {
        return (None, None);
    }
    let kept = if extended.keeps {
        "which keeps what the present one allows"
    } else {
        "which does not keep all that the present one allows: look at what it removes first"
    };
    let remedy = format!(
        "give the bucket the CORS configuration of the fix, {kept}: save it as cors.json, then `s3-connector bucket set-cors {} --file cors.json` - {OWNER}",
        live.resource
    );
    (Some(remedy), Some(Fix::Cors(json!(extended.configuration))))
}

fn unseen(read: &AspectAnswer) -> String {
    let look = read.problem.as_ref().and_then(|problem| problem.remedy.as_deref());
    let look =
        look.map(|look| format!("; to have it compared and extended here, {look}")).unwrap_or_default();
    format!(
        "add the rules of the recommended configuration to those that the bucket has{look} - an administrator of the cloud account can do this"
    )
}

/// The provider that the store answers like.
fn other_provider(live: &Live<'_>, row: &Row) -> Mending {
    if answers_none(row) {
        let remedy = "the store answers no preflights, whatever is set: put a proxy before it that does and name it in `public_endpoint`, or use a store that has CORS - an editor of the resource can do this";
        return (Some(remedy.to_owned()), None);
    }
    let Known::Configured(configuration) = &live.known else { return (None, None) };
    let sending = cors::sending(&row.shown.request).ok();
    let Some(found) = sending.and_then(|sending| like(live, configuration, &sending, row)) else {
        return (None, None);
    };
    let title = found.title;
    let known = provider::find(found.name).is_some();
    let remedy = if known {
        format!(
            "the store answers as {title} does: set `provider` to `{}`, then check again - an editor of the resource can do this",
            found.name
        )
    } else {
        format!(
            "the store answers as {title} does: let `cors recommend --provider {}` say which configuration it needs - an editor of the resource can do this",
            found.name
        )
    };
    (Some(remedy), known.then(|| Fix::Patch(json!({"provider": found.name}))))
}

fn waiting(profile: &Profile) -> String {
    let seconds = profile.propagation_seconds.max(USUAL_PROPAGATION);
    format!(
        "check again in {seconds} seconds: a change takes about that long at {}; if the answers stay, look for a cache before the store - the caller can do this",
        profile.title
    )
}

/// The region that the redirect names.
async fn elsewhere(app: &App, row: &Row, (written, plan): (Written<'_>, &Plan)) -> Mending {
    let Some(region) = row.preflight.as_ref().and_then(|preflight| preflight.region.clone()) else {
        return (None, None);
    };
    let mut error = AwsError::new(ErrorKind::WrongRegion, "s3", "PermanentRedirect", "");
    error.region = Some(region);
    let proposal = app.propose(written, plan, None, error).await.proposal;
    proposal.map_or((None, None), |proposal| (Some(proposal.remedy()), Some(proposal.fix())))
}

impl Live<'_> {
    /// The statement that lets the check read the configuration, where that is what is missing.
    fn may_look(&self, read: &AspectAnswer) -> Option<Fix> {
        let action = read.problem.as_ref()?.action.as_deref()?;
        let resource = bucket_arn(self.connection.s3.bucket(), &self.connection.plan.region);
        Some(Fix::Statement(json!({"Effect": "Allow", "Action": action, "Resource": resource})))
    }
}
