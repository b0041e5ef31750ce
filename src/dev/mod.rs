//! `s3-connector dev`: the whole product on one machine, without an account and without another server.
//!
//! It starts the service with SQLite, the local vault and an embedded S3 store, all on loopback, and then walks
//! the main job through the REST interface like any client would. Only the configuration differs from `serve`:
//! the embedded store's address is in `egress.allow`. The store's keys are made anew at every start and written
//! into the vault, so that every start is also a rotation.

mod env_file;
pub mod server;
mod store;
#[cfg(test)]
mod tests;
mod walk;

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};

use crate::app::new_token;
use crate::config::{Config, Overrides};
use crate::http;
use crate::telemetry;
use server::EmbeddedStore;

/// The sample bucket.
pub const BUCKET: &str = "sample-bucket";
/// Where the embedded store says it is.
const REGION: &str = "us-east-1";
/// Where things are kept when nothing is said.
const DEFAULT_DATA: &str = "s3-connector-dev";

/// What to start.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// End after one round.
    pub once: bool,
    /// Where things are kept; a folder that is removed at the end for `once`, else `s3-connector-dev`.
    pub data: Option<PathBuf>,
    /// Where the REST interface listens; 127.0.0.1:8080, or any free port for `once`.
    pub listen: Option<SocketAddr>,
    /// Where the embedded store's keys are written for other tools. They end with the store.
    pub env_file: Option<PathBuf>,
}

/// Runs until the round is done (`once`) or the process is asked to end. `say` gets every line for the user.
pub async fn run(options: Options, say: impl Fn(&str)) -> anyhow::Result<()> {
    let scratch = (options.once && options.data.is_none()).then(Scratch::new).transpose()?;
    let data = match (&options.data, &scratch) {
        (Some(data), _) => data.clone(),
        (None, Some(scratch)) => scratch.0.clone(),
        (None, None) => PathBuf::from(DEFAULT_DATA),
    };
    let outcome = serve(&options, &data, &say).await;
    drop(scratch);
    outcome
}

async fn serve(options: &Options, data: &Path, say: &impl Fn(&str)) -> anyhow::Result<()> {
    let port = if options.once { 0 } else { 8080 };
    let listen = options.listen.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let mut config = Config::load(None, Overrides { listen: Some(listen), data: Some(data.to_owned()) })?;
    if std::env::var_os("S3_CONNECTOR__LOG__FILTER").is_none() {
        // the steps are what is to be seen
        "warn,s3s=off".clone_into(&mut config.log.filter);
    }
    let _lines = telemetry::start_logs(&config.log)?;
    http::forbid_core_dumps();
    fs::create_dir_all(data).with_context(|| format!("the folder `{}` cannot be made", data.display()))?;
    let (key_id, secret) = (random("DEV", 17), random("", 40));
    let embedded = start_store(data, &key_id, &secret).await?;
    embedded.create_bucket(BUCKET).await?;
    let write = |file: &PathBuf| env_file::write(file, embedded.address, &key_id, &secret);
    let env_file = options.env_file.as_ref().map(write).transpose()?;
    config.egress.allow.push(embedded.address.to_string());
    let token = match config.bootstrap_token.clone() {
        Some(token) => token,
        None => kept_token(&data.join("dev.token"))?,
    };
    config.bootstrap_token = Some(token.clone());
    let serving = http::start(config).await?;
    let walk = walk::Walk::new(serving.address, embedded.address, token)?;
    say(&format!(
        "s3-connector at http://{}, embedded S3 store at http://{}",
        serving.address, embedded.address
    ));
    if !options.once {
        say("the curl lines below work in another terminal after:");
        say(&exports(serving.address, data)?);
    }
    let round = walk.round(&key_id, &secret, say).await;
    if options.once {
        serving.stop().await;
        embedded.stop().await;
        return round;
    }
    // what was changed since the first start may not suit the sample; the way back leads through the service
    if let Err(error) = &round {
        say("");
        say(&format!("the walk through the sample did not work: {error:#}"));
    }
    say("");
    say(&format!("API docs   http://{}/docs", serving.address));
    say(&format!("OpenAPI    http://{}/openapi.json", serving.address));
    say(&format!("data       {}   (delete the folder to start anew)", data.display()));
    say("the command line, with the export above:");
    say(&format!("           {} object list sample", program()));
    say_others(env_file.as_deref(), say);
    say("Press Ctrl-C to stop.");
    http::signal().await?;
    serving.stop().await;
    embedded.stop().await;
    Ok(())
}

/// The line that makes curl and the command line work in another terminal.
fn exports(server: SocketAddr, data: &Path) -> anyhow::Result<String> {
    let token = std::path::absolute(data.join("dev.token"))?;
    Ok(format!(
        "   export S3_CONNECTOR_SERVER=http://{server} S3_CONNECTOR_TOKEN=\"$(cat '{}')\"",
        token.display()
    ))
}

/// How other tools reach the embedded store.
fn say_others(env_file: Option<&Path>, say: &impl Fn(&str)) {
    let Some(file) = env_file else {
        return say("other S3 tools: start with `--env-file FILE` for the keys of the embedded store");
    };
    say("other S3 tools reach the embedded store, until it stops, after:");
    say(&format!("           . '{}'", file.display()));
    say(&format!("           aws s3 ls s3://{BUCKET}"));
    say(&format!("           rclone ls dev:{BUCKET}"));
}

/// How this program is called from anywhere.
fn program() -> String {
    std::env::current_exe().map_or_else(|_| "s3-connector".to_owned(), |path| path.display().to_string())
}

/// Starts the store at the port that it had before, so that resources of the user's own go on working.
async fn start_store(
    data: &Path,
    key_id: &SecretString,
    secret: &SecretString,
) -> anyhow::Result<EmbeddedStore> {
    let file = data.join("dev.port");
    let kept: u16 = fs::read_to_string(&file).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    let options = |port: u16| server::Options {
        root: data.join("objects"),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        access_key_id: key_id.expose_secret().to_owned(),
        secret_access_key: secret.clone(),
        region: REGION.to_owned(),
    };
    let embedded = match EmbeddedStore::start(options(kept)).await {
        // the port may be taken meanwhile
        Err(_) if kept != 0 => EmbeddedStore::start(options(0)).await?,
        started => started?,
    };
    fs::write(&file, embedded.address.port().to_string())?;
    Ok(embedded)
}

/// The admin token of a data folder, made on its first start and readable by its owner alone.
fn kept_token(file: &Path) -> anyhow::Result<SecretString> {
    if file.exists() {
        return Ok(SecretString::from(fs::read_to_string(file)?.trim()));
    }
    let token = new_token();
    let mut handle = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    handle.write_all(token.expose_secret().as_bytes())?;
    handle.write_all(b"\n")?;
    Ok(token)
}

fn random(prefix: &str, length: usize) -> SecretString {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let letters = (0..length)
        .map(|_| char::from(LETTERS.get(rand::random_range(0..LETTERS.len())).copied().unwrap_or(b'A')));
    SecretString::from(prefix.chars().chain(letters).collect::<String>())
}

/// A folder that goes away with its owner.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> anyhow::Result<Scratch> {
        let folder = std::env::temp_dir().join(format!("s3-connector-dev-{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir(&folder)?;
        Ok(Scratch(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(folder = %self.0.display(), cause = %error, "a temporary folder could not be removed");
        }
    }
}
