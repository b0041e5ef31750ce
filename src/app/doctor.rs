//! What `doctor` looks at in the database and beyond: can it be written, does the key open it, is the clock right, do the
//! sources answer. Nothing is started, and nothing stays changed.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crate::app::keys::OpenError;
use crate::app::source::Source;
use crate::app::sources::elapsed_ms;
use crate::app::{App, check_settings, open_store};
use crate::aws::probe;
use crate::clock::Clock;
use crate::config::Config;
use crate::model::check::{Check, Status, Verdict};
use crate::store::{Schema, Store};

/// Seconds of skew from which a warning is given; AWS refuses signatures at five minutes.
const SKEW_WARNING_MS: u64 = 60_000;
const SKEW_FAILURE_MS: u64 = 300_000;
/// What is looked at once the store is open.
pub const BEYOND: &[&str] =
    &["registry-read", "database-writable", "clock-in-step", "outbound-works", "source-works"];
/// Sources that are tested at once.
const AT_ONCE: usize = 4;

/// Reads how far a database is migrated, and changes nothing.
pub async fn schema(config: &Config) -> anyhow::Result<Schema> {
    Schema::read(&config.store).await
}

/// Refuses settings that are well formed and that the service does not start with.
pub fn settings(config: &Config) -> anyhow::Result<()> {
    check_settings(config)
}

/// Free and whole bytes of the disk below a folder.
pub fn disk(folder: &Path) -> std::io::Result<(u64, u64)> {
    let known = rustix::fs::statvfs(folder)?;
    let block = known.f_frsize.max(1);
    Ok((known.f_bavail.saturating_mul(block), known.f_blocks.saturating_mul(block)))
}

/// Opens the installation and looks at it; then lets it go. The database must be migrated, or will be.
pub async fn installation(config: Config, shown: &str) -> Vec<Check> {
    let clock = Clock::system();
    let started = Instant::now();
    let store = open_store(&config, clock.now_ms()).await;
    let (mut opens, mut key) = opened(&store, shown);
    opens.took_ms = elapsed_ms(started);
    key.depends_on = vec!["database-opens".to_owned()];
    let mut checks = vec![opens, key];
    match store {
        Ok(store) => checks.extend(beyond(config, clock, store).await),
        Err(_) => checks.extend(BEYOND.iter().copied().map(not_tried)),
    }
    checks
}

fn not_tried(name: &str) -> Check {
    Check::new(name, Status::Skipped, "not tried, because something before it failed")
}

fn opened(store: &Result<Store, OpenError>, shown: &str) -> (Check, Check) {
    const DATABASE: &str = "database-opens";
    const KEY: &str = "sealing-key-opens";
    let answers = || Check::new(DATABASE, Status::Passed, format!("`{shown}` opens and answers"));
    match store {
        Ok(_) => {
            let text = "the sealing key opens the keys that values in the database are sealed with";
            (answers(), Check::new(KEY, Status::Passed, text))
        }
        Err(OpenError::Database(error)) => (
            failed(DATABASE, format!("{error:#}"), "correct `store.url`, or start the database"),
            Check::new(KEY, Status::Skipped, "not tried, because the database does not open"),
        ),
        Err(OpenError::Key(error)) => (
            answers(),
            failed(
                KEY,
                format!("{error:#}"),
                "put back the key that was made with this database, in the file, S3_CONNECTOR_SEALING_KEY or `seal.kms_key_arn`: nothing else opens what is sealed",
            ),
        ),
    }
}

async fn beyond(config: Config, clock: Clock, store: Store) -> Vec<Check> {
    const REGISTRY: &str = "registry-read";
    let grace = std::time::Duration::from_secs(5);
    let started = Instant::now();
    let app = match App::of_store(config, clock, store).await {
        Ok(app) => app,
        Err(error) => {
            let remedy =
                "the message says what cannot be read; restore the database from a backup if it is damaged";
            let mut checks = vec![failed(REGISTRY, format!("{error:#}"), remedy)];
            let behind = BEYOND.iter().copied().filter(|name| *name != REGISTRY);
            checks.extend(behind.map(not_tried));
            return checks;
        }
    };
    let mut registry = Check::new(REGISTRY, Status::Passed, "everything that is registered can be read");
    registry.took_ms = elapsed_ms(started);
    registry.depends_on = vec!["sealing-key-opens".to_owned()];
    let mut checks = vec![registry, app.database_writable().await, app.clock_checked().await];
    checks.extend(app.outbound_works().await);
    checks.extend(app.sources_work().await);
    app.stop(grace).await;
    checks
}

impl App {
    async fn database_writable(&self) -> Check {
        const NAME: &str = "database-writable";
        let started = Instant::now();
        let mut check = match self.store.try_write().await {
            Ok(()) => Check::new(NAME, Status::Passed, "a row was written and taken away"),
            Err(error) => failed(
                NAME,
                format!("{:#}", anyhow::Error::new(error)),
                "give the service's user the right to write to the database, or make room on its disk",
            ),
        };
        check.took_ms = elapsed_ms(started);
        check.depends_on = vec!["database-opens".to_owned()];
        check
    }

    /// Compares with the clock of a database of another machine, or else with that of AWS.
    async fn clock_checked(&self) -> Check {
        const NAME: &str = "clock-in-step";
        let started = Instant::now();
        let mut seen = match self.store.clock_ms().await {
            Ok(Some(theirs)) => Some(("the database's", theirs)),
            Ok(None) => None,
            Err(error) => {
                return failed(
                    NAME,
                    format!("{:#}", anyhow::Error::new(error)),
                    "look at the database's logs",
                );
            }
        };
        if seen.is_none() {
            let theirs = self.clock_of_a_source().await;
            seen = theirs.map(|theirs| ("the one of Secrets Manager", theirs));
        }
        let Some((whose, theirs)) = seen else {
            let text = "there is no other clock to compare with: the database has this machine's, and no source in AWS answers";
            return Check::new(NAME, Status::Skipped, text);
        };
        let mut check = skew(whose, self.clock.now_ms().abs_diff(theirs));
        check.took_ms = elapsed_ms(started);
        check
    }

    async fn clock_of_a_source(&self) -> Option<i64> {
        let state = Arc::clone(&self.registry.state());
        for (_, aws) in state.aws_sources() {
            let own = || format!("https://secretsmanager.{}.amazonaws.com", aws.region);
            let url = aws.endpoint.clone().unwrap_or_else(own);
            if let Ok(Some(date)) = probe::date(&self.http, &url).await {
                return Some(date);
            }
        }
        None
    }

    /// Whether the proxies are there; and what others must let in.
    async fn outbound_works(&self) -> Vec<Check> {
        const NAME: &str = "outbound-works";
        let seen = |addresses: &[String]| match addresses {
            [] => String::new(),
            addresses => format!("; others see {}", addresses.join(", ")),
        };
        let straight = format!("requests go straight{}", seen(self.outbound_addresses(None)));
        let mut checks = vec![Check::new(NAME, Status::Passed, straight)];
        for route in self.routes.iter() {
            let started = Instant::now();
            let mut check = match route.reach().await {
                Ok(()) => {
                    let text = format!("the proxy of `{}` is there{}", route.name(), seen(&route.addresses));
                    Check::new(NAME, Status::Passed, text)
                }
                Err(error) => {
                    let text = format!("the proxy of `{}` does not answer: {error}", route.name());
                    failed(NAME, text, "correct `proxy` of the route, or start the proxy")
                }
            };
            check.took_ms = elapsed_ms(started);
            checks.push(check);
        }
        checks
    }

    async fn sources_work(self: &Arc<Self>) -> Vec<Check> {
        let state = Arc::clone(&self.registry.state());
        let named = |source: &Arc<Source>| {
            let project = state.project_by_id(&source.record.project_id);
            let project = project.map_or("", |project| project.name.as_str());
            let project = if source.is_of_workspace() { "workspace" } else { project };
            (format!("{project}/{}", source.record.definition.name.as_str()), Arc::clone(source))
        };
        let mut sources: Vec<_> = state.all_sources().map(named).collect();
        sources.sort_by(|a, b| a.0.cmp(&b.0));
        if sources.is_empty() {
            return vec![Check::new("source-works", Status::Skipped, "there are no sources of secrets yet")];
        }
        let mut checks = Vec::new();
        for group in sources.chunks(AT_ONCE) {
            let tests = group.iter().map(|(name, source)| self.source_works(name, source));
            checks.extend(futures_util::future::join_all(tests).await);
        }
        checks
    }

    async fn source_works(self: &Arc<Self>, name: &str, source: &Arc<Source>) -> Check {
        let report = self.source_report(source).await;
        let status = match report.verdict {
            Verdict::Works => Status::Passed,
            Verdict::WorksWithLimits => Status::Warning,
            Verdict::Fails => Status::Failed,
            Verdict::Unverified => Status::Skipped,
        };
        let bad = report.checks.into_iter().find(|check| check.status == Status::Failed);
        let mut check = match bad {
            Some(bad) => Check { detail: format!("`{name}`, {}: {}", bad.name, bad.detail), ..bad },
            None => Check::new("", status, format!("`{name}` answers")),
        };
        (check.name, check.status, check.took_ms) = ("source-works".to_owned(), status, report.took_ms);
        check.depends_on = vec!["sealing-key-opens".to_owned()];
        check
    }
}

fn skew(whose: &str, apart_ms: u64) -> Check {
    let text = format!("our clock and {whose} are {apart_ms} ms apart");
    let status = match apart_ms {
        SKEW_FAILURE_MS.. => Status::Failed,
        SKEW_WARNING_MS.. => Status::Warning,
        _ => Status::Passed,
    };
    let mut check = Check::new("clock-in-step", status, text);
    if status != Status::Passed {
        check.cause = Some("RequestTimeTooSkewed".to_owned());
        check.remedy = Some("set the clock of this machine, best by NTP".to_owned());
    }
    check
}

fn failed(name: &str, detail: String, remedy: &str) -> Check {
    Check { remedy: Some(remedy.to_owned()), ..Check::new(name, Status::Failed, detail) }
}

#[cfg(test)]
mod tests {
    use super::{disk, skew};
    use crate::model::check::Status;

    #[test]
    fn a_clock_warns_from_a_minute_and_fails_from_five() {
        let status = |apart_ms| skew("another", apart_ms).status;
        assert_eq!([status(0), status(59_999)], [Status::Passed; 2]);
        assert_eq!([status(60_000), status(299_999)], [Status::Warning; 2]);
        assert_eq!(status(300_000), Status::Failed);
        assert!(skew("another", 300_000).remedy.is_some());
    }

    #[test]
    fn a_disk_has_no_more_room_than_it_has() {
        let (free, all) = disk(std::path::Path::new("/")).unwrap();
        assert!(all > 0 && free <= all, "{free} of {all}");
        assert!(disk(std::path::Path::new("/nowhere")).is_err());
    }
}
