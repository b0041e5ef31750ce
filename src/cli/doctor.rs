//! `doctor`: looks whether the service could start with its settings, without starting it.

use std::fs;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::app;
use crate::aws::egress::Egress;
use crate::aws::sqs::Queue;
use crate::cli::exit::Exit;
use crate::cli::output::{Format, Output};
use crate::cli::report;
use crate::cli::serve::Layers;
use crate::cli::settings::without_password;
use crate::clock::Clock;
use crate::config::Config;
use crate::model::check::{Check, Status};

/// Bytes that are written to see whether there is room.
const TRIAL_BYTES: usize = 1 << 20;
const READY_TIMEOUT: Duration = Duration::from_secs(3);

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
        let checks = self.checks().await;
        if out.format() == Format::Table {
            report::print_checks(out, &checks)?;
        } else {
            out.json(&json!({ "checks": checks }))?;
        }
        let failed = checks.iter().any(|check| check.status == Status::Failed);
        out.say(if failed { "the service cannot start like this" } else { "the service can start" });
        Ok(Exit::failed_if(failed))
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
        let mut checks = vec![
            self.settings(),
            data_folder(&config.store.data, self.create),
            sealing_key(&config),
            self.database(&config).await,
            egress(&config),
            listen_address(config.server.listen).await,
        ];
        checks.extend(queue_of_events(&config).await);
        checks
    }

    fn settings(&self) -> Check {
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

    /// Opening a database migrates it, so only one that is there is opened unless it was asked for.
    async fn database(&self, config: &Config) -> Check {
        const NAME: &str = "database-opens";
        let shown = without_password(&config.store.database_url());
        if !self.create && !database_is_there(config) {
            return Check::new(
                NAME,
                Status::Skipped,
                format!("`{shown}` is not opened, because that may make or change it; --create does it"),
            );
        }
        let store = match app::open_store(config, Clock::system().now_ms()).await {
            Ok(store) => store,
            Err(error) => {
                return failed(
                    NAME,
                    format!("{error:#}"),
                    "correct `store.url` or the sealing key, or start the database",
                );
            }
        };
        let answer = store.ping().await;
        store.close().await;
        match answer {
            Ok(()) => passed(NAME, format!("`{shown}` opens and answers")),
            Err(error) => failed(NAME, format!("`{shown}`: {error:#}"), "look at the database's logs"),
        }
    }
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
    match Egress::new(&config.egress) {
        Ok(_) => {
            let ports = if config.egress.ports.is_empty() {
                "every port".to_owned()
            } else {
                format!("{} ports", config.egress.ports.len())
            };
            passed(NAME, format!("{} private targets allowed, {ports}", config.egress.allow.len()))
        }
        Err(error) => failed(NAME, format!("{error:#}"), "correct `egress.allow`"),
    }
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
    use super::{data_folder, listen_address, sealing_key};
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
