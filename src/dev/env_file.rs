//! The embedded store's keys for other tools: a file that a shell reads, and nobody but its owner.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::dev::REGION;

/// Writes the file, in place of what an earlier start wrote; its absolute path comes back.
///
/// Keys hold until the store stops, and the next start makes new ones.
pub(super) fn write(
    file: &Path,
    store: SocketAddr,
    key_id: &SecretString,
    secret: &SecretString,
) -> anyhow::Result<PathBuf> {
    let file = std::path::absolute(file)?;
    let told = || format!("the keys cannot be written to `{}`", file.display());
    let folder = file.parent().with_context(told)?;
    // beside it and then in its place: a file that others could read before keeps none of its rights
    let beside = folder.join(format!(".{}.env", uuid::Uuid::new_v4().simple()));
    let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside);
    let mut made = made.with_context(told)?;
    let written =
        made.write_all(text(store, key_id, secret).as_bytes()).and_then(|()| fs::rename(&beside, &file));
    if written.is_err() {
        // the first error is the one to tell
        fs::remove_file(&beside).ok();
    }
    written.with_context(told)?;
    Ok(file)
}

/// `AWS_…` for the command line and SDKs of AWS and all that read them, and a remote `dev` for rclone.
fn text(store: SocketAddr, key_id: &SecretString, secret: &SecretString) -> Zeroizing<String> {
    let url = format!("http://{store}");
    let lines = [
        ("AWS_ACCESS_KEY_ID", key_id.expose_secret()),
        ("AWS_SECRET_ACCESS_KEY", secret.expose_secret()),
        ("AWS_REGION", REGION),
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_ENDPOINT_URL_S3", &url),
        ("RCLONE_CONFIG_DEV_TYPE", "s3"),
        ("RCLONE_CONFIG_DEV_PROVIDER", "Other"),
        ("RCLONE_CONFIG_DEV_ENV_AUTH", "true"),
        ("RCLONE_CONFIG_DEV_REGION", REGION),
        ("RCLONE_CONFIG_DEV_ENDPOINT", &url),
    ];
    // as large as it gets, so that no half of it stays behind in memory
    let mut text = Zeroizing::new(String::with_capacity(1024));
    text.push_str("# the embedded store of `s3-connector dev`; a new start makes new keys\nunset AWS_SESSION_TOKEN AWS_PROFILE\n");
    for (name, value) in lines {
        // nothing in these values needs quotes
        writeln!(text, "export {name}={value}").ok();
    }
    text
}
