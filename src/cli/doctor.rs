//! `doctor`: looks whether the service could start with its settings and would work, without starting it.

mod installation;

use std::fs;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::app::doctor;
use crate::aws::egress::Egress;
use crate::aws::sqs::Queue;
use crate::cli::exit::Exit;
use crate::cli::output::{Format, Output};
use crate::cli::report;
use crate::cli::serve::Layers;
use crate::clock::{Clock, rfc3339};
use crate::config::Config;
use crate::model::check::{Check, Report, Status, Verdict, verdict};

/// Bytes that are written to see whether there is room.
const TRIAL_BYTES: usize = 1 << 20;
const READY_TIMEOUT: Duration = Duration::from_secs(3);

/// Without these the service does not start.
const ESSENTIAL: &[&str] = &[
    "settings-read",
    "data-folder-writable",
    "sealing-key-usable",
    "schema-known",
    "database-opens",
    "sealing-key-opens",
    "database-writable",
    "registry-read",
    "egress-rules-read",
    "listen-address-free",
];

/// Flags of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Make the data folder, the sealing key and the database when they are missing, as a first start would
    #[arg(long)]
    create: bool,
    #[command(flatten)]
    layers: Layers,
}

impl Doctor {
    pub(crate) async fn run(&self, out: &Output) -> anyhow::Result<Exit> {
        let (clock, started) = (Clock::system(), Instant::now());
        let checks = self.checks().await;
        let failed = checks.iter().find(|check| check.status == Status::Failed);
        let report = Report {
            verdict: verdict(&checks, ESSENTIAL),
            reason: failed.map(|check| format!("{}: {}", check.name, check.detail)),
            tested_at: rfc3339(clock.now_ms()),
            took_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            permissions: Vec::new(),
            checks,
        };
        if out.format() == Format::Table {
            report::print_checks(out, &report.checks)?;
        } else {
            out.json(&json!(report))?;
        }
        out.say(match report.verdict {
            Verdict::Fails => "the service cannot start like this",
            Verdict::WorksWithLimits => "the service can start, and not everything will work",
            Verdict::Works | Verdict::Unverified => "the service can start",
        });
        Ok(Exit::failed_if(report.reason.is_some()))
    }

    async fn checks(&self) -> Vec<Check> {
        let config = match self.layers.load() {
            Ok(config) => config,
            Err(error) => {
                return vec![failed(
                    "settings-read",
                    error.to_string(),
                    "correct the named file or variable; `s3-connector config --defaults` shows every key",
                )];
            }
        };
        let mut checks =
            vec![self.settings(&config), data_folder(&config.store.data, self.create), disk_space(&config)];
        let before = sealing_key(&config);
        let mut installation = installation::checks(&config, self.create).await;
        // with --create it was made meanwhile
        let key = if before.status == Status::Warning { sealing_key(&config) } else { before };
        if key.status == Status::Failed {
            let opens = installation.iter_mut().filter(|check| check.name == "sealing-key-opens");
            opens.for_each(|check| *check = not_opened(check));
        }
        checks.push(key);
        checks.extend(installation);
        checks.push(egress(&config));
        checks.extend(proxy_not_used());
        checks.push(listen_address(config.server.listen).await);
        checks.extend(queue_of_events(&config).await);
        checks
    }

    fn settings(&self, config: &Config) -> Check {
        if let Err(error) = doctor::settings(config) {
            return failed("settings-read", error.to_string(), "set a longer one here and where it is used");
        }
        let mut layers = vec!["defaults".to_owned()];
        layers.extend(self.layers.config.iter().map(|file| format!("the file `{}`", file.display())));
        let variables = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        let mut variables: Vec<String> =
            variables.filter(|name| name.starts_with("S3_CONNECTOR__")).collect();
        variables.sort();
        layers.extend(variables);
        layers.extend(self.layers.listen.map(|_| "--listen".to_owned()));
        layers.extend(self.layers.data.as_ref().map(|_| "--data".to_owned()));
        passed("settings-read", layers.join(" < "))
    }
}

/// What cannot be used was told by its own check: whether it is the right key is not known.
fn not_opened(check: &Check) -> Check {
    Check::new(&check.name, Status::Skipped, "not tried, because the sealing key cannot be used as it is")
}

fn passed(name: &str, detail: impl Into<String>) -> Check {
    Check::new(name, Status::Passed, detail)
}

fn failed(name: &str, detail: impl Into<String>, remedy: &str) -> Check {
    Check { remedy: Some(remedy.to_owned()), ..Check::new(name, Status::Failed, detail) }
}

fn warning(name: &str, detail: impl Into<String>, remedy: &str) -> Check {
    Check { remedy: Some(remedy.to_owned()), ..Check::new(name, Status::Warning, detail) }
}

/// The database file, for settings that name one.
fn database_file(config: &Config) -> Option<PathBuf> {
    let url = config.store.database_url();
    let path = url.strip_prefix("sqlite:")?;
    let path = path.strip_prefix("//").unwrap_or(path);
    Some(PathBuf::from(path.split('?').next().unwrap_or(path)))
}

fn database_is_there(config: &Config) -> bool {
    database_file(config).is_some_and(|file| file.exists())
}

fn data_folder(folder: &Path, create: bool) -> Check {
    const NAME: &str = "data-folder-writable";
    const REMEDY: &str =
        "give the service's user the folder, make room on the disk, or choose another folder in `store.data`";
    if create && let Err(error) = fs::create_dir_all(folder) {
        return failed(NAME, format!("`{}` cannot be made: {error}", folder.display()), REMEDY);
    }
    if folder.exists() {
        return match write_trial(folder) {
            Ok(()) => passed(NAME, format!("`{}` can be written and has room", folder.display())),
            Err(error) => failed(NAME, format!("`{}`: {error}", folder.display()), REMEDY),
        };
    }
    // the first start makes the folder: what counts is the nearest one that is there
    let shown = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let Some(above) = shown.ancestors().skip(1).find(|above| above.exists()) else {
        return failed(NAME, format!("`{}` has no folder above it", folder.display()), REMEDY);
    };
    match write_trial(above) {
        Ok(()) => passed(NAME, format!("`{}` is not there yet and can be made", folder.display())),
        Err(error) => failed(
            NAME,
            format!("`{}` cannot be made in `{}`: {error}", folder.display(), above.display()),
            REMEDY,
        ),
    }
}

/// Room on the disk of the data folder, or of the nearest folder above it that is there.
fn disk_space(config: &Config) -> Check {
    const NAME: &str = "disk-has-room";
    const REMEDY: &str =
        "make room, or move `store.data` to a larger disk; `store.min_free_bytes` is the bound";
    let folder = std::path::absolute(&config.store.data).unwrap_or_else(|_| config.store.data.clone());
    let Some(there) = folder.ancestors().find(|above| above.exists()) else {
        return Check::new(NAME, Status::Skipped, format!("`{}` has no folder above it", folder.display()));
    };
    let (free, all) = match doctor::disk(there) {
        Ok(known) => known,
        Err(error) => {
            return Check::new(
                NAME,
                Status::Skipped,
                format!("`{}` does not tell: {error}", there.display()),
            );
        }
    };
    let least = config.store.min_free_bytes;
    let text = format!("{} of {} MiB are free at `{}`", free >> 20, all >> 20, there.display());
    let below = format!("{text}, less than {} MiB", least >> 20);
    if free < least / 10 {
        failed(NAME, below, REMEDY)
    } else if free < least {
        warning(NAME, below, REMEDY)
    } else {
        passed(NAME, text)
    }
}

/// Writes a small file and takes it away again.
fn write_trial(folder: &Path) -> std::io::Result<()> {
    let file = folder.join(format!(".s3-connector-doctor-{}", std::process::id()));
    let mut trial = fs::File::create_new(&file)?;
    let written = trial.write_all(&vec![0; TRIAL_BYTES]).and_then(|()| trial.sync_all());
    fs::remove_file(&file)?;
    written
}

fn sealing_key(config: &Config) -> Check {
    const NAME: &str = "sealing-key-usable";
    const REMEDY: &str = "put the right key back; a new one is made with `openssl rand -base64 32`, but opens nothing that was sealed with the old one";
    if !config.seal.kms_key_arn.is_empty() {
        return passed(
            NAME,
            format!("`{}` of AWS KMS; whether it opens shows with the database", config.seal.kms_key_arn),
        );
    }
    if let Some(key) = &config.seal.key {
        let usable = is_key(key);
        return if usable {
            passed(NAME, "from S3_CONNECTOR_SEALING_KEY")
        } else {
            failed(NAME, "S3_CONNECTOR_SEALING_KEY is not base64 of 32 bytes", REMEDY)
        };
    }
    let file = match config.seal.key_file.as_str() {
        "" => config.store.data.join("sealing.key"),
        path => PathBuf::from(path),
    };
    let shown = file.display();
    let mode = match fs::metadata(&file) {
        Ok(known) => known.permissions().mode() & 0o777,
        Err(_) if database_is_there(config) => {
            return failed(
                NAME,
                format!("`{shown}` is missing, and there is a database sealed with it"),
                REMEDY,
            );
        }
        Err(_) => {
            return warning(
                NAME,
                format!("`{shown}` is not there yet: the first start makes it"),
                "back it up after the first start",
            );
        }
    };
    if mode & 0o077 != 0 {
        return failed(
            NAME,
            format!("`{shown}` has mode {mode:o} and can be read by others"),
            "run `chmod 600` on it",
        );
    }
    match fs::read_to_string(&file).map(SecretString::from) {
        Ok(text) if is_key(&text) => passed(NAME, format!("`{shown}`, mode {mode:o}")),
        Ok(_) => failed(NAME, format!("`{shown}` is not base64 of 32 bytes"), REMEDY),
        Err(error) => {
            failed(NAME, format!("`{shown}` cannot be read: {error}"), "give the service's user the file")
        }
    }
}

fn is_key(text: &SecretString) -> bool {
    BASE64
        .decode(text.expose_secret().trim())
        .map(zeroize::Zeroizing::new)
        .is_ok_and(|bytes| bytes.len() == 32)
}

fn egress(config: &Config) -> Check {
    const NAME: &str = "egress-rules-read";
    let list = |items: Vec<String>, none: &str| {
        if items.is_empty() { none.to_owned() } else { format!("`{}`", items.join("`, `")) }
    };
    match Egress::new(&config.egress) {
        Ok(_) => {
            let ports = list(config.egress.ports.iter().map(u16::to_string).collect(), "every one");
            let private = list(config.egress.allow.clone(), "none");
            passed(
                NAME,
                format!(
                    "public addresses may be reached; private ones: {private}; ports: {ports}; no proxy is used"
                ),
            )
        }
        Err(error) => failed(NAME, format!("{error:#}"), "correct `egress.allow`"),
    }
}

/// Who set one expects that it is used.
fn proxy_not_used() -> Option<Check> {
    let set = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]
        .into_iter()
        .find(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))?;
    Some(warning(
        "proxy-not-expected",
        format!("`{set}` is set, and stores and sources are reached without a proxy all the same"),
        "let the service reach them directly, or through a proxy that needs no setting here",
    ))
}

/// The queue, for settings that name one.
async fn queue_of_events(config: &Config) -> Option<Check> {
    const NAME: &str = "event-queue-answers";
    const REMEDY: &str =
        "correct the section `events`, or give the service's own identity the policy in docs/secrets/push.md";
    let url = &config.events.queue_url;
    if url.is_empty() {
        return None;
    }
    let answer = match Queue::new(&config.events).await {
        Ok(queue) => queue.check().await,
        Err(error) => Err(error),
    };
    Some(match answer {
        Ok(()) => passed(NAME, format!("`{url}`")),
        // the service starts all the same, and asks again
        Err(error) => warning(NAME, format!("`{url}`: {}: {}", error.code, error.message), REMEDY),
    })
}

async fn listen_address(address: SocketAddr) -> Check {
    const NAME: &str = "listen-address-free";
    let Err(error) = tokio::net::TcpListener::bind(address).await else {
        return passed(NAME, format!("`{address}`"));
    };
    if is_ready(address).await {
        return passed(NAME, format!("the service runs already at `{address}` and is ready"));
    }
    failed(
        NAME,
        format!("`{address}`: {error}"),
        "stop what listens there, or choose another address in `server.listen`",
    )
}

/// Whether the service answers there.
async fn is_ready(address: SocketAddr) -> bool {
    let host = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let url = format!("http://{}/readyz", SocketAddr::new(host, address.port()));
    let Ok(client) = reqwest::Client::builder().no_proxy().timeout(READY_TIMEOUT).build() else {
        return false;
    };
    client.get(url).send().await.is_ok_and(|answer| answer.status().is_success())
}

#[cfg(test)]
mod tests {
    use super::{data_folder, disk_space, listen_address, sealing_key};
    use crate::config::{Config, Overrides};
    use crate::model::check::Status;

    fn config(data: &std::path::Path) -> Config {
        Config::load(None, Overrides { listen: None, data: Some(data.to_owned()) }).unwrap()
    }

    #[test]
    fn a_folder_that_is_missing_can_be_made() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(data_folder(folder.path(), false).status, Status::Passed);
        let missing = folder.path().join("a/b");
        assert_eq!(data_folder(&missing, false).status, Status::Passed);
        assert!(!missing.exists());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        std::fs::write(folder.path().join("file"), "").unwrap();
        assert_eq!(data_folder(&folder.path().join("file/below"), false).status, Status::Failed);
    }

    #[test]
    fn a_disk_warns_below_the_bound_and_fails_below_a_tenth_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(&folder.path().join("not/there/yet"));
        let free = crate::app::doctor::disk(folder.path()).unwrap().0;
        for (least, status) in
            [(0, Status::Passed), (free * 2, Status::Warning), (free.saturating_mul(100), Status::Failed)]
        {
            config.store.min_free_bytes = least;
            let check = disk_space(&config);
            assert_eq!(check.status, status, "{check:?}");
            assert_eq!(check.remedy.is_some(), status != Status::Passed);
        }
    }

    #[test]
    fn a_sealing_key_must_be_private_whole_and_there_when_something_was_sealed() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        assert_eq!(sealing_key(&config).status, Status::Warning);
        std::fs::write(folder.path().join("s3-connector.db"), "").unwrap();
        assert_eq!(sealing_key(&config).status, Status::Failed);
        let file = folder.path().join("sealing.key");
        std::fs::write(&file, "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(sealing_key(&config).status, Status::Failed);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(sealing_key(&config).status, Status::Passed);
        std::fs::write(&file, "short").unwrap();
        assert_eq!(sealing_key(&config).status, Status::Failed);
    }

    #[tokio::test]
    async fn an_address_that_something_else_uses_is_not_free() {
        let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = other.local_addr().unwrap();
        drop(other);
        assert_eq!(listen_address(address).await.status, Status::Passed);
        let other = std::net::TcpListener::bind(address).unwrap();
        let answering = std::thread::spawn(move || drop(other.accept()));
        assert_eq!(listen_address(address).await.status, Status::Failed);
        answering.join().unwrap();
    }
}
