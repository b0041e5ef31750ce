//! `object upload`: uploads in parts, step by step.

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::cli::client::Call;
use crate::cli::exit::Exit;
use crate::cli::object::checked_key;
use crate::cli::object::put_part::PutPart;
use crate::cli::object::sign::{pairs, set};
use crate::cli::output::Column;
use crate::cli::{Session, input};
use crate::model::span::Span;

const UPLOADS: &[Column] = &[("UPLOAD", "upload_id"), ("INITIATED", "initiated"), ("KEY", "key")];
const PARTS: &[Column] = &[("PART", "part_number"), ("SIZE", "size"), ("ETAG", "etag")];
const CLEANED: &[Column] =
    &[("OUTCOME", "outcome"), ("INITIATED", "initiated"), ("KEY", "key"), ("ERROR", "error")];

/// What can be done with uploads in parts.
#[derive(Debug, Subcommand)]
pub(crate) enum UploadCommand {
    /// Begins an upload in parts
    #[command(after_help = "Examples:
  s3-connector object upload create videos 2026/film.mp4 --content-type video/mp4
  UPLOAD=$(s3-connector object upload create videos 2026/film.mp4 --output json | jq -r .upload_id)")]
    Create(Box<Create>),
    /// Sends one part: a whole file, or a stretch of it
    #[command(after_help = "Examples:
  s3-connector object upload part videos 2026/film.mp4 \"$UPLOAD\" 1 part1.bin
  s3-connector object upload part videos 2026/film.mp4 \"$UPLOAD\" 2 film.mp4 --offset 8388608 --length 8388608

Every part but the last has at least 5 MiB.")]
    Part(PutPart),
    /// Lists the parts that are there
    #[command(after_help = "Example:\n  s3-connector object upload parts videos 2026/film.mp4 \"$UPLOAD\"")]
    Parts(Parts),
    /// Puts parts together: those that are named, or all that are there
    #[command(after_help = "Examples:
  s3-connector object upload complete videos 2026/film.mp4 \"$UPLOAD\"
  s3-connector object upload complete videos 2026/film.mp4 \"$UPLOAD\" --part 1='\"9bb5…\"' --part 2='\"ab12…\"'")]
    Complete(Complete),
    /// Ends an upload without an object
    #[command(
        after_help = "Example:\n  s3-connector object upload abort videos 2026/film.mp4 \"$UPLOAD\" --yes"
    )]
    Abort(Abort),
    /// Lists the uploads that are open
    #[command(after_help = "Example:\n  s3-connector object upload list videos --prefix 2026/")]
    List(List),
    /// Aborts the uploads that began long ago
    #[command(after_help = "Examples:
  s3-connector object upload clean videos --older-than 7d --dry-run
  s3-connector object upload clean videos --older-than 7d --yes

Parts of an upload that nobody completes are paid for until it is aborted.")]
    Clean(Clean),
}

/// Flags of `object upload create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Name of the resource
    resource: String,
    /// Key of the object
    key: String,
    /// Media type; guessed from the key when it is left out
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
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
    /// Metadata; may be repeated
    #[arg(long = "metadata", value_name = "NAME=VALUE", value_parser = input::pair)]
    metadata: Vec<(String, String)>,
    /// Tag; may be repeated, up to 10 times
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = input::pair)]
    tags: Vec<(String, String)>,
    /// Canned ACL
    #[arg(long, value_name = "ACL")]
    acl: Option<String>,
    /// Storage class
    #[arg(long, value_name = "CLASS")]
    storage_class: Option<String>,
    /// Another encryption than the resource's
    #[arg(long, value_name = "KIND", value_parser = ["sse-s3", "sse-kms", "bucket-default"])]
    encryption: Option<String>,
    /// KMS key for `--encryption sse-kms`
    #[arg(long, value_name = "KEY", requires = "encryption")]
    kms_key_id: Option<String>,
    /// A checksum that the store keeps and that every part brings: `crc32`, `crc32c`, `crc64nvme`, `sha1` or `sha256`
    #[arg(long, value_name = "ALGORITHM")]
    checksum: Option<String>,
    /// What the checksum of the whole covers: its parts, or the full object
    #[arg(long, value_name = "TYPE", requires = "checksum", value_parser = ["composite", "full-object"])]
    checksum_type: Option<String>,
}

/// Flags of `object upload parts`.
#[derive(Debug, Args)]
pub(crate) struct Parts {
    /// Name of the resource
    resource: String,
    /// Key of the object
    key: String,
    /// The upload
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    upload_id: String,
}

/// Flags of `object upload complete`.
#[derive(Debug, Args)]
pub(crate) struct Complete {
    /// Name of the resource
    resource: String,
    /// Key of the object
    key: String,
    /// The upload
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    upload_id: String,
    /// A part and its `ETag`; may be repeated
    #[arg(long = "part", value_name = "NUMBER=ETAG", value_parser = part)]
    parts: Vec<(u32, String)>,
    /// Only if there is no such object yet
    #[arg(long)]
    if_none_match: bool,
    /// Only if the object there has this `ETag`
    #[arg(long, value_name = "ETAG", conflicts_with = "if_none_match")]
    if_match: Option<String>,
}

/// Flags of `object upload abort`.
#[derive(Debug, Args)]
pub(crate) struct Abort {
    /// Name of the resource
    resource: String,
    /// Key of the object
    key: String,
    /// The upload
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    upload_id: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// Flags of `object upload list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Name of the resource
    resource: String,
    /// Only keys that start so
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    /// At most this many [default: all]
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
}

/// Flags of `object upload clean`.
#[derive(Debug, Args)]
pub(crate) struct Clean {
    /// Name of the resource
    resource: String,
    /// Only keys that start so
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    /// Only uploads that began so long ago: `90m`, `24h`, `7d`
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = age)]
    older_than: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Only say which they are
    #[arg(long)]
    dry_run: bool,
}

impl UploadCommand {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        match self {
            UploadCommand::Create(create) => create.run(session).await,
            UploadCommand::Part(part) => part.run(session).await,
            UploadCommand::Parts(parts) => parts.run(session).await,
            UploadCommand::Complete(complete) => complete.run(session).await,
            UploadCommand::Abort(abort) => abort.run(session).await,
            UploadCommand::List(list) => list.run(session).await,
            UploadCommand::Clean(clean) => clean.run(session).await,
        }
    }
}

impl Create {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let mut body = Map::new();
        set(&mut body, "key", Some(checked_key(&self.key)?));
        set(&mut body, "content_type", self.content_type.as_ref());
        set(&mut body, "cache_control", self.cache_control.as_ref());
        set(&mut body, "content_disposition", self.content_disposition.as_ref());
        set(&mut body, "content_encoding", self.content_encoding.as_ref());
        set(&mut body, "content_language", self.content_language.as_ref());
        set(&mut body, "expires", self.expires.as_ref());
        set(&mut body, "metadata", pairs("--metadata", self.metadata)?);
        set(&mut body, "tags", pairs("--tag", self.tags)?);
        set(&mut body, "acl", self.acl.as_ref());
        set(&mut body, "storage_class", self.storage_class.as_ref());
        let of_kind = |kind: &String| match &self.kms_key_id {
            Some(key) => json!({"kind": kind.replace('-', "_"), "key_id": key}),
            None => json!({"kind": kind.replace('-', "_")}),
        };
        set(&mut body, "encryption", self.encryption.as_ref().map(of_kind));
        let kind = self.checksum_type.as_ref().map(|kind| kind.replace('-', "_"));
        let of_algorithm = |algorithm: &String| json!({"algorithm": algorithm, "type": kind});
        set(&mut body, "checksum", self.checksum.as_ref().map(of_algorithm));
        let path = ["resources", &self.resource, "uploads"];
        let started = session.client.send(Call::post(&path, Value::Object(body))).await?.body;
        session.out.record(&started)?;
        Ok(Exit::Ok)
    }
}

impl Parts {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let path = ["resources", &self.resource, "uploads", &self.upload_id];
        let query = [("key", Some(checked_key(&self.key)?.to_owned()))];
        let page = session.client.pages(&path, &query, "parts", None).await?;
        session.out.rows(&page, "parts", PARTS)?;
        Ok(Exit::Ok)
    }
}

impl Complete {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let path = ["resources", &self.resource, "uploads", &self.upload_id, "complete"];
        let named: Vec<Value> =
            self.parts.iter().map(|(number, etag)| json!({"part_number": number, "etag": etag})).collect();
        let mut body = Map::new();
        set(&mut body, "parts", (!named.is_empty()).then_some(named));
        set(&mut body, "if_none_match", self.if_none_match.then_some("*"));
        set(&mut body, "if_match", self.if_match.as_ref());
        let call = Call::post(&path, Value::Object(body)).query("key", Some(checked_key(&self.key)?));
        let done = session.client.send(call).await?.body;
        session.out.record(&done)?;
        Ok(Exit::Ok)
    }
}

impl Abort {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let question = format!("Abort the upload `{}` of `{}` and lose its parts?", self.upload_id, self.key);
        input::confirm(&session.out, self.yes, &question).await?;
        let path = ["resources", &self.resource, "uploads", &self.upload_id];
        let call = Call::delete(&path).query("key", Some(checked_key(&self.key)?));
        let answer = session.client.send(call).await?;
        session.out.saved(&format!("the upload `{}` is no more", self.upload_id), &answer.body, false)?;
        Ok(Exit::Ok)
    }
}

impl List {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let path = ["resources", &self.resource, "uploads"];
        let page = session.client.pages(&path, &[("prefix", self.prefix)], "uploads", self.limit).await?;
        session.out.rows(&page, "uploads", UPLOADS)?;
        Ok(Exit::Ok)
    }
}

impl Clean {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        if !self.dry_run {
            let question =
                format!("Abort every upload of `{}` that is older than {}?", self.resource, self.older_than);
            input::confirm(&session.out, self.yes, &question).await?;
        }
        let path = ["resources", self.resource.as_str(), "uploads"];
        let call = Call::new(Method::DELETE, &path)
            .query("prefix", self.prefix.as_ref())
            .query("older_than", Some(&self.older_than))
            .dry_run(self.dry_run);
        let report = session.client.send(call).await?.body;
        session.out.rows(&report, "uploads", CLEANED)?;
        if self.dry_run {
            session.out.say("dry run: nothing was aborted");
        }
        if report.get("truncated") == Some(&Value::Bool(true)) {
            session.out.say("there are more: run it again");
        }
        let failed = report.get("failed").and_then(Value::as_u64).unwrap_or_default();
        Ok(if failed == 0 { Exit::Ok } else { Exit::Failed })
    }
}

fn part(text: &str) -> Result<(u32, String), String> {
    let wrong = || "write it as `number=etag`".to_owned();
    let (number, etag) = text.split_once('=').ok_or_else(wrong)?;
    Ok((number.parse().map_err(|_| wrong())?, etag.to_owned()))
}

fn age(text: &str) -> Result<String, String> {
    Span::parse(text).map(|_| text.to_owned())
}
