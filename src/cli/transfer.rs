//! Transfers: the bytes of objects between the server and files, stdin and stdout.
//!
//! Bodies stream. A file appears under its name only when it is complete; until then its bytes are in a file
//! beside it, which goes when the transfer fails or is interrupted.

use std::future::Future;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, anyhow};
use clap::Args;
use futures_util::TryStreamExt;
use indicatif::ProgressBar;
use reqwest::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use reqwest::{Body, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_util::io::ReaderStream;

use crate::cli::client::{ANSWER_TIMEOUT, IDLE_TIMEOUT};
use crate::cli::exit::{Exit, usage};
use crate::cli::object::conditions::{Conditions, is_not_modified};
use crate::cli::object::content::Content;
use crate::cli::object::{checked_key, look};
use crate::cli::problem::Problem;
use crate::cli::{Session, client, input};
use crate::model::upload::ChecksumAlgorithm;

const CHUNK: usize = 256 << 10;

/// Flags of `object get`.
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// Name of the resource
    resource: String,
    /// Key of the object
    key: String,
    /// File or folder to write to, `-` for stdout; may be left out when stdout is no terminal
    to: Option<PathBuf>,
    /// Only these bytes, for example `bytes=0-99` or `bytes=-100`
    #[arg(long, value_name = "RANGE", value_parser = range, allow_hyphen_values = true)]
    range: Option<String>,
    /// A version of the object
    #[arg(long, value_name = "VERSION", allow_hyphen_values = true)]
    version: Option<String>,
    /// A part of a multipart upload, from 1
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=10000))]
    part: Option<u16>,
    /// Ask for the checksum that the store keeps, so that what arrives is verified
    #[arg(long)]
    checksums: bool,
    #[command(flatten)]
    conditions: Conditions,
    #[command(flatten)]
    content: Content,
}

/// Flags of `object put`.
#[derive(Debug, Args)]
pub(crate) struct Put {
    /// Name of the resource
    resource: String,
    /// Key of the object
    key: String,
    /// File to read, `-` for stdin
    from: PathBuf,
    /// Media type; guessed from the key when it is left out
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Metadata; may be repeated
    #[arg(long = "metadata", value_name = "NAME=VALUE", value_parser = input::pair)]
    metadata: Vec<(String, String)>,
    /// Only if there is no such object yet
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "*", value_name = "*")]
    if_none_match: Option<String>,
    /// Only if the object still has this `ETag`
    #[arg(long, value_name = "ETAG")]
    if_match: Option<String>,
    /// `Cache-Control` of the object
    #[arg(long, value_name = "TEXT")]
    cache_control: Option<String>,
    /// `Content-Disposition` of the object
    #[arg(long, value_name = "TEXT")]
    content_disposition: Option<String>,
    /// `Content-Encoding` of the object
    #[arg(long, value_name = "TEXT")]
    content_encoding: Option<String>,
    /// `Content-Language` of the object
    #[arg(long, value_name = "TEXT")]
    content_language: Option<String>,
    /// `Expires` of the object; an HTTP date
    #[arg(long, value_name = "DATE")]
    expires: Option<String>,
    /// Tags; may be repeated
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = input::pair)]
    tags: Vec<(String, String)>,
    /// Another canned ACL than the resource's, for example `public-read`
    #[arg(long, value_name = "ACL")]
    acl: Option<String>,
    /// Another storage class than the resource's, for example `STANDARD_IA`
    #[arg(long, value_name = "CLASS")]
    storage_class: Option<String>,
    /// Another encryption than the resource's
    #[arg(long, value_name = "KIND", value_parser = ["sse-s3", "sse-kms", "bucket-default"])]
    encryption: Option<String>,
    /// KMS key for `--encryption sse-kms`
    #[arg(long, value_name = "KEY", requires = "encryption")]
    kms_key_id: Option<String>,
    /// A checksum that the store keeps: `crc32`, `crc32c`, `crc64nvme`, `sha1` or `sha256`, with `=VALUE` in base64 where
    /// it is known already
    #[arg(long, value_name = "ALGORITHM")]
    checksum: Option<String>,
    /// MD5 of the content in base64, which is checked
    #[arg(long, value_name = "MD5")]
    content_md5: Option<String>,
    /// Only look what would be replaced
    #[arg(long)]
    dry_run: bool,
}

/// A range with or without its unit.
fn range(text: &str) -> Result<String, String> {
    let bounds = text.strip_prefix("bytes=").unwrap_or(text);
    let number = |part: &str| part.is_empty() || part.bytes().all(|byte| byte.is_ascii_digit());
    match bounds.split_once('-') {
        Some((first, last)) if number(first) && number(last) && bounds.len() > 1 => {
            Ok(format!("bytes={bounds}"))
        }
        _ => Err("write it like `bytes=0-99`, `bytes=100-` or `bytes=-100`".to_owned()),
    }
}

impl Get {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        if self.content.is_wanted() {
            return self.read(session).await;
        }
        let to = destination(self.to.as_deref(), &self.key, session.out.is_terminal())?;
        let path = ["resources", &self.resource, "object"];
        let mut query = vec![("key", checked_key(&self.key)?.to_owned())];
        query.extend(self.version.clone().map(|version| ("version", version)));
        query.extend(self.part.map(|part| ("part", part.to_string())));
        query.extend(self.checksums.then(|| ("checksum_mode", "enabled".to_owned())));
        let mut request = self.conditions.add_to(session.client.request(Method::GET, &path, &query)?)?;
        if let Some(range) = &self.range {
            request = request.header("range", range);
        }
        let response = match session.client.first_byte(request).await {
            Err(error) if is_not_modified(&error) => {
                session.out.say(format!("`{}` is not modified: nothing was written", self.key));
                return Ok(Exit::Ok);
            }
            response => response?,
        };
        let length = client::header(&response, "content-length").and_then(|length| length.parse().ok());
        let bar = session.out.bar(&self.key, length, !(to.is_none() && session.out.is_terminal()));
        let outcome = receive(session, response, length, to.as_deref(), &bar).await;
        bar.finish_and_clear();
        let bytes = outcome?;
        if let Some(file) = to {
            session.out.say(format!("wrote {bytes} bytes to `{}`", file.display()));
        }
        Ok(Exit::Ok)
    }
}

impl Get {
    /// The server reads the content.
    async fn read(self, session: &Session) -> anyhow::Result<Exit> {
        if self.to.is_some_and(|to| to.as_os_str() != "-") {
            return Err(usage(
                "content that the server reads goes to stdout: leave out the file, or write `> file`",
            ));
        }
        let mut fields = json!({"key": checked_key(&self.key)?});
        if let Some(fields) = fields.as_object_mut() {
            fields.extend(self.range.map(|range| ("range".to_owned(), json!(range))));
            fields.extend(self.version.map(|version| ("version".to_owned(), json!(version))));
            fields.extend(self.part.map(|part| ("part".to_owned(), json!(part))));
            fields.extend(self.checksums.then(|| ("checksum_mode".to_owned(), json!("enabled"))));
            fields.extend(self.conditions.members());
        }
        self.content.run(session, &self.resource, fields).await
    }
}

/// The file to write to; `None` is stdout.
fn destination(to: Option<&Path>, key: &str, terminal: bool) -> anyhow::Result<Option<PathBuf>> {
    let Some(to) = to else {
        return if terminal {
            Err(usage("say where to: name a file, or `-` for the terminal"))
        } else {
            Ok(None)
        };
    };
    if to.as_os_str() == "-" {
        return Ok(None);
    }
    if !to.is_dir() {
        return Ok(Some(to.to_owned()));
    }
    // only the last part, so that a key cannot choose the folder
    match key.rsplit('/').next() {
        None | Some("" | "." | "..") => {
            Err(usage(format!("`{key}` does not end in a file name: name the file instead of a folder")))
        }
        Some(name) => Ok(Some(to.join(name))),
    }
}

async fn receive(
    session: &Session,
    response: Response,
    length: Option<u64>,
    to: Option<&Path>,
    bar: &ProgressBar,
) -> anyhow::Result<u64> {
    let Some(file) = to else {
        let mut stdout = std::io::stdout().lock();
        let bytes = copy(session, response, length, bar, async |chunk| Ok(stdout.write_all(chunk)?)).await?;
        stdout.flush()?;
        return Ok(bytes);
    };
    let special = std::fs::metadata(file).is_ok_and(|known| !known.is_file());
    if special {
        // a device or pipe is written to, not replaced
        let mut open = File::options().write(true).open(file).await.with_context(|| cannot_write(file))?;
        let bytes =
            copy(session, response, length, bar, async |chunk| Ok(open.write_all(chunk).await?)).await?;
        open.flush().await.with_context(|| cannot_write(file))?;
        return Ok(bytes);
    }
    let mut partial = Partial::create(file)?;
    let mut open = partial.open()?;
    let write = async |chunk: &[u8]| open.write_all(chunk).await.with_context(|| cannot_write(file));
    let bytes = copy(session, response, length, bar, write).await?;
    open.flush().await.with_context(|| cannot_write(file))?;
    open.sync_data().await.with_context(|| cannot_write(file))?;
    partial.complete()?;
    Ok(bytes)
}

fn cannot_write(file: &Path) -> String {
    format!("cannot write `{}`", file.display())
}

async fn copy(
    session: &Session,
    mut response: Response,
    length: Option<u64>,
    bar: &ProgressBar,
    mut write: impl AsyncFnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    let mut bytes = 0_u64;
    loop {
        let chunk = timeout(IDLE_TIMEOUT, response.chunk()).await.map_err(|_| session.client.silent())?;
        let chunk = chunk.map_err(|error| {
            anyhow!("the object broke off after {bytes} bytes: {}; try again", client::root_cause(&error))
        })?;
        let Some(chunk) = chunk else { break };
        write(&chunk).await?;
        bytes += chunk.len() as u64;
        bar.set_position(bytes);
    }
    anyhow::ensure!(
        length.is_none_or(|length| length == bytes),
        "the object broke off after {bytes} of {} bytes: try again",
        length.unwrap_or_default()
    );
    Ok(bytes)
}

/// A file that is being written beside its final place.
#[derive(Debug)]
struct Partial {
    place: PathBuf,
    beside: PathBuf,
    open: Option<std::fs::File>,
    complete: bool,
}

impl Partial {
    fn create(file: &Path) -> anyhow::Result<Partial> {
        // a link stays one: what it points to is replaced
        let place = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        let mut attempt = 0_u32;
        loop {
            let beside = place.with_file_name(format!(".s3-connector-{}-{attempt}.part", std::process::id()));
            match std::fs::File::create_new(&beside) {
                Ok(open) => return Ok(Partial { place, beside, open: Some(open), complete: false }),
                Err(error) if error.kind() == ErrorKind::AlreadyExists && attempt < 100 => attempt += 1,
                Err(error) => return Err(error).with_context(|| cannot_write(file)),
            }
        }
    }

    fn open(&mut self) -> anyhow::Result<File> {
        self.open.take().map(File::from_std).ok_or_else(|| anyhow!("the file is open already"))
    }

    /// Puts the file in its place, with the permissions of the one that was there.
    fn complete(mut self) -> anyhow::Result<()> {
        if let Ok(known) = std::fs::metadata(&self.place) {
            std::fs::set_permissions(&self.beside, known.permissions())
                .with_context(|| cannot_write(&self.place))?;
        }
        std::fs::rename(&self.beside, &self.place).with_context(|| cannot_write(&self.place))?;
        self.complete = true;
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.complete {
            drop(std::fs::remove_file(&self.beside));
        }
    }
}

/// What is sent: an open file, a pipe or a terminal.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) file: File,
    /// Bytes, when they are known before they are read.
    pub(super) length: Option<u64>,
}

impl Source {
    pub(super) async fn open(from: &Path) -> anyhow::Result<Source> {
        let cannot = || format!("cannot read `{}`", from.display());
        let from_stdin = from.as_os_str() == "-";
        let file = if from_stdin { input::stdin() } else { File::open(from).await };
        let mut file = file.with_context(cannot)?;
        let known = file.metadata().await.with_context(cannot)?;
        if known.is_dir() {
            return Err(usage(format!("`{}` is a folder: objects are written one by one", from.display())));
        }
        let length = if known.is_file() {
            Some(known.len().saturating_sub(file.stream_position().await?))
        } else {
            None
        };
        Ok(Source { file, length })
    }
}

impl Put {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        checked_key(&self.key)?;
        input::distinct("--metadata", &self.metadata)?;
        input::distinct("--tag", &self.tags)?;
        let source = Source::open(&self.from).await?;
        if self.dry_run {
            return self.look(session, source.length).await;
        }
        if self.from.as_os_str() == "-" && std::io::stdin().is_terminal() {
            session.out.say("reading from the terminal: end with Ctrl-D");
        }
        let path = ["resources", &self.resource, "object"];
        let query = [("key", self.key.clone())];
        let request = self.with_headers(session.client.request(Method::PUT, &path, &query)?)?;
        let bar = session.out.bar(&self.key, source.length, true);
        let outcome = send(session, request, source, &bar).await;
        bar.finish_and_clear();
        let answer = match outcome {
            Ok(answer) => answer,
            Err(error) => return Err(self.reason(session, error).await),
        };
        let size = answer.get("size").and_then(Value::as_u64).unwrap_or_default();
        session.out.saved(&format!("wrote {size} bytes to `{}`", self.key), &answer, false)?;
        Ok(Exit::Ok)
    }

    /// A server that refuses at once closes the connection while bytes are on their way, and its answer can be
    /// lost with it (RFC 9112, section 9.6). A look at the object is refused for the same reason.
    async fn reason(&self, session: &Session, error: anyhow::Error) -> anyhow::Error {
        if error.is::<Problem>() {
            return error;
        }
        let refused = |why: &anyhow::Error| {
            why.downcast_ref::<Problem>().is_some_and(|problem| !problem.is_missing_object())
        };
        match look(session, &self.resource, &self.key).await {
            Err(why) if refused(&why) => why,
            _ => error,
        }
    }

    fn with_headers(&self, mut request: RequestBuilder) -> anyhow::Result<RequestBuilder> {
        let headers = [
            ("content-type", &self.content_type),
            ("cache-control", &self.cache_control),
            ("content-disposition", &self.content_disposition),
            ("content-encoding", &self.content_encoding),
            ("content-language", &self.content_language),
            ("if-none-match", &self.if_none_match),
            ("if-match", &self.if_match),
            ("expires", &self.expires),
            ("x-amz-acl", &self.acl),
            ("x-amz-storage-class", &self.storage_class),
            ("x-amz-server-side-encryption-aws-kms-key-id", &self.kms_key_id),
            ("content-md5", &self.content_md5),
        ];
        for (name, value) in headers {
            let Some(value) = value else { continue };
            request = request.header(name, header_value(name, value)?);
        }
        if let Some(kind) = &self.encryption {
            let kind = match kind.as_str() {
                "sse-kms" => "aws:kms",
                "sse-s3" => "AES256",
                other => other,
            };
            request = request.header("x-amz-server-side-encryption", kind);
        }
        if let Some(checksum) = &self.checksum {
            let (name, value) = match checksum.split_once('=') {
                Some((algorithm, value)) => {
                    (format!("x-amz-checksum-{}", algorithm.to_ascii_lowercase()), value)
                }
                None => ("x-amz-checksum-algorithm".to_owned(), checksum.as_str()),
            };
            request = request.header(known_checksum(&name)?, header_value("checksum", value)?);
        }
        if !self.tags.is_empty() {
            let mut tags = url::form_urlencoded::Serializer::new(String::new());
            let tags = tags.extend_pairs(&self.tags).finish();
            request = request.header("x-amz-tagging", tags);
        }
        for (name, value) in &self.metadata {
            let header = HeaderName::try_from(format!("x-amz-meta-{name}")).map_err(|_| {
                usage(format!("`{name}` cannot be the name of metadata: use letters, digits and `-`"))
            })?;
            request = request.header(header, header_value(name, value)?);
        }
        Ok(request)
    }

    /// Nothing but a look: an object store has no dry run of its own.
    async fn look(self, session: &Session, length: Option<u64>) -> anyhow::Result<Exit> {
        let there = match look(session, &self.resource, &self.key).await {
            Ok(_) => true,
            Err(error) if error.downcast_ref::<Problem>().is_some_and(Problem::is_missing_object) => false,
            Err(error) => return Err(error),
        };
        session.out.record(&json!({"key": self.key, "size": length, "replaces": there}))?;
        session.out.say("dry run: nothing was written");
        Ok(Exit::Ok)
    }
}

/// The header of a checksum that there is.
fn known_checksum(name: &str) -> anyhow::Result<&str> {
    let known = |algorithm: &str| algorithm == "algorithm" || ChecksumAlgorithm::parse(algorithm).is_some();
    match name.strip_prefix("x-amz-checksum-") {
        Some(algorithm) if known(algorithm) => Ok(name),
        _ => Err(usage("`--checksum` takes crc32, crc32c, crc64nvme, sha1 or sha256")),
    }
}

fn header_value(name: &str, value: &str) -> anyhow::Result<HeaderValue> {
    HeaderValue::from_bytes(value.as_bytes())
        .map_err(|_| usage(format!("the value of `{name}` holds control characters")))
}

pub(super) async fn send(
    session: &Session,
    request: RequestBuilder,
    source: Source,
    bar: &ProgressBar,
) -> anyhow::Result<Value> {
    let moved = Arc::new(AtomicU64::new(0));
    let (counter, shown) = (Arc::clone(&moved), bar.clone());
    let chunks = ReaderStream::with_capacity(source.file.take(source.length.unwrap_or(u64::MAX)), CHUNK)
        .inspect_ok(move |chunk| {
            let bytes = chunk.len() as u64;
            counter.fetch_add(bytes, Ordering::Relaxed);
            shown.inc(bytes);
        });
    let mut request = request.body(Body::wrap_stream(chunks));
    if let Some(length) = source.length {
        request = request.header(CONTENT_LENGTH, length);
    }
    let answer =
        watched(&moved, session.client.answer(request)).await.ok_or_else(|| session.client.silent())??;
    let bytes = timeout(ANSWER_TIMEOUT, answer.bytes()).await.map_err(|_| session.client.silent())?;
    let bytes = bytes.map_err(|error| session.client.unreachable(&error))?;
    serde_json::from_slice(&bytes).context("the answer is not JSON")
}

/// Waits as long as bytes move; `None` when none do for too long.
async fn watched<T>(moved: &AtomicU64, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let mut before = 0;
    loop {
        if let Ok(done) = timeout(ANSWER_TIMEOUT, &mut work).await {
            return Some(done);
        }
        let now = moved.load(Ordering::Relaxed);
        if now == before {
            return None;
        }
        before = now;
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{Partial, destination, range};

    #[test]
    fn ranges_are_read_with_and_without_their_unit() {
        assert_eq!(range("bytes=0-99").unwrap(), "bytes=0-99");
        assert_eq!(range("-100").unwrap(), "bytes=-100");
        assert_eq!(range("5-").unwrap(), "bytes=5-");
        for wrong in ["", "-", "5", "a-b", "bytes=", "0-1,3-4"] {
            assert!(range(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_key_cannot_choose_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let inside = |key: &str| destination(Some(folder.path()), key, false);
        assert_eq!(inside("../../etc/passwd").unwrap(), Some(folder.path().join("passwd")));
        assert!(inside("a/..").is_err());
        assert!(inside("a/").is_err());
    }

    #[test]
    fn bytes_go_to_a_terminal_only_when_asked_for() {
        assert!(destination(None, "a", true).is_err());
        assert_eq!(destination(None, "a", false).unwrap(), None);
        assert_eq!(destination(Some(Path::new("-")), "a", true).unwrap(), None);
        assert_eq!(destination(Some(Path::new("x.pdf")), "a", true).unwrap(), Some(PathBuf::from("x.pdf")));
    }

    #[test]
    fn what_is_not_complete_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        std::fs::write(&file, "old").unwrap();
        let partial = Partial::create(&file).unwrap();
        std::fs::write(&partial.beside, "ne").unwrap();
        drop(partial);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

        let partial = Partial::create(&file).unwrap();
        std::fs::write(&partial.beside, "new").unwrap();
        partial.complete().unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
