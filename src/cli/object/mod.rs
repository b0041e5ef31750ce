//! `object`: list, look at, read, write and delete the objects of a resource.

mod bulk;
pub(crate) mod conditions;
pub(crate) mod content;
mod delete;
mod follow;
mod list;
mod put_part;
mod restore;
mod sign;
mod tags;
mod uploads;

use clap::{Args, Subcommand};
use reqwest::{Method, Response};
use serde_json::{Map, Value, json};

use self::sign::{Sign, SignParts, SignPost};
use self::uploads::UploadCommand;
use crate::cli::Session;
use crate::cli::client;
use crate::cli::exit::{Exit, usage};
use crate::cli::object::bulk::{Copy, Move, Rename};
use crate::cli::object::conditions::{Conditions, is_not_modified};
use crate::cli::object::delete::Delete;
use crate::cli::object::list::List;
use crate::cli::object::restore::RestoreObject;
use crate::cli::object::tags::{AclCommand, TagsCommand};
use crate::cli::problem::Problem;
use crate::cli::transfer::{Get, Put};
use crate::model::object_facts::ObjectFacts;

/// Response headers that describe an object, and the names of `ObjectMetadata` for them.
const METADATA: &[(&str, &str)] = &[
    ("etag", "etag"),
    ("content-type", "content_type"),
    ("cache-control", "cache_control"),
    ("content-disposition", "content_disposition"),
    ("content-encoding", "content_encoding"),
    ("content-language", "content_language"),
    ("x-amz-storage-class", "storage_class"),
    ("x-amz-server-side-encryption", "server_side_encryption"),
    ("x-amz-version-id", "version_id"),
];

/// What can be done with objects.
#[derive(Debug, Subcommand)]
pub(crate) enum ObjectCommand {
    /// Lists keys, all below the prefix unless --delimiter groups them
    #[command(after_help = "Examples:
  s3-connector object list invoices --prefix 2026/ --delimiter /
  s3-connector object list invoices --output ndjson | jq -r .key
  s3-connector object list invoices --glob '2026/**.pdf' --min-size 1000000
  s3-connector object list invoices --sort last_modified --direction desc --limit 10
  s3-connector object list invoices --versions --filter '{\"is_latest\": true, \"delete_marker\": true}'   # what was deleted

A filter and an order are evaluated by the server, which reads every key below the prefix for them.")]
    List(Box<List>),
    /// Reads an object to a file, or to stdout
    #[command(after_help = "Examples:
  s3-connector object get invoices 2026/a.pdf a.pdf
  s3-connector object get invoices 2026/log.txt --range bytes=-1000 -
  s3-connector object get invoices 2026/sales.csv --as csv --rows 20 --columns day,total
  s3-connector object get invoices 2026/old.txt --as text --charset latin1

The file appears when it is complete; a transfer that fails leaves nothing behind.")]
    Get(Box<Get>),
    /// Writes an object from a file, or from stdin
    #[command(after_help = "Examples:
  s3-connector object put invoices 2026/a.pdf a.pdf --content-type application/pdf --metadata author=ann
  tar c docs | s3-connector object put backups docs.tar - --if-none-match
  s3-connector object put invoices 2026/a.pdf a.pdf --tag team=books --storage-class STANDARD_IA --checksum sha256")]
    Put(Box<Put>),
    /// Shows what is known about an object besides its bytes
    #[command(after_help = "Examples:
  s3-connector object head invoices 2026/a.pdf
  s3-connector object head invoices 2026/a.pdf --checksums")]
    Head(Head),
    /// Deletes objects
    #[command(after_help = "Examples:
  s3-connector object delete invoices 2026/a.pdf 2026/b.pdf --dry-run     # which of them are there
  s3-connector object delete invoices 2026/a.pdf 2026/b.pdf --yes
  s3-connector object delete invoices 2026/a.pdf --if-match '\"9b2cf535f27731c974343645a3985328\"'
  s3-connector object delete invoices --prefix 2024/ --dry-run            # how many there are
  s3-connector object delete invoices --prefix 2024/                      # counts, asks, deletes
  s3-connector object list invoices --versions --filter '{\"is_latest\": false}' --output ndjson |
    s3-connector object delete invoices --from - --yes                    # purges earlier versions

A store does not say whether a deleted key was there; --dry-run looks.")]
    Delete(Delete),
    /// Signs a URL: whoever has it may read, write, look at or delete the object until it expires
    #[command(after_help = "Examples:
  s3-connector object sign invoices 2026/a.pdf --expires-in 1h
  s3-connector object sign invoices 2026/a.pdf --response-content-disposition 'attachment; filename=\"a.pdf\"'
  s3-connector object sign invoices 2026/b.pdf --method PUT --content-type application/pdf

The URL goes to stdout, everything else to stderr. It ends with the credentials that signed it, at the latest after 7 days.")]
    Sign(Box<Sign>),
    /// Signs a form: a browser may upload with it what its conditions allow
    #[command(after_help = "Example:
  s3-connector object sign-post invoices --key-prefix uploads/ --content-type-prefix image/ --max-bytes 5000000 --output json")]
    SignPost(Box<SignPost>),
    /// Signs a URL for each part of an upload
    #[command(after_help = "Examples:
  s3-connector object sign-parts videos 2026/film.mp4 \"$UPLOAD\" --size 104857600
  s3-connector object sign-parts videos 2026/film.mp4 \"$UPLOAD\" --parts 3,7 --output ndjson | jq -r .url")]
    SignParts(SignParts),
    /// Uploads in parts, step by step: create, parts, complete, abort, list, clean
    #[command(subcommand)]
    Upload(UploadCommand),
    /// Copies an object, within the resource or to another
    #[command(after_help = "Examples:
  s3-connector object copy invoices inbox/a.pdf archive/a.pdf
  s3-connector object copy invoices a.pdf 2026/a.pdf --to-resource backup --storage-class STANDARD_IA
  s3-connector object copy invoices a.pdf a.pdf --metadata-directive replace --metadata state=paid

A copy has the metadata and tags of its source, unless a directive says `replace`.")]
    Copy(Box<Copy>),
    /// Moves an object: copies it, and deletes the source when the copy is there
    #[command(after_help = "Examples:
  s3-connector object move invoices inbox/a.pdf archive/a.pdf --dry-run
  s3-connector object move invoices inbox/a.pdf a.pdf --to-resource archive --yes")]
    Move(Box<Move>),
    /// Moves every object below a prefix below another one
    #[command(after_help = "Examples:
  s3-connector object rename invoices inbox/ archive/2026/ --dry-run
  s3-connector object rename invoices inbox/ archive/2026/ --yes
  s3-connector object rename invoices inbox/ 2026/ --to-resource archive --output ndjson

What an interrupt leaves behind is below the old prefix: the same command goes on.")]
    Rename(Rename),
    /// The tags of an object
    #[command(subcommand)]
    Tags(TagsCommand),
    /// The access control list of an object
    #[command(subcommand)]
    Acl(AclCommand),
    /// Brings an earlier version back
    #[command(after_help = "Examples:
  s3-connector object restore invoices 2026/a.pdf --version 3HL4kqtJvjVBH40Nrjfkd   # a copy on top
  s3-connector object restore invoices 2026/a.pdf --undelete                        # takes delete markers away")]
    Restore(RestoreObject),
}

/// Flags of `object head`.
#[derive(Debug, Args)]
pub(crate) struct Head {
    /// Name of the resource
    resource: String,
    /// Key of the object
    key: String,
    /// Ask for the checksums that the store keeps
    #[arg(long)]
    checksums: bool,
    /// A version of the object
    #[arg(long, value_name = "VERSION", allow_hyphen_values = true)]
    version: Option<String>,
    /// A part of a multipart upload, from 1; tells how many there are
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=10000))]
    part: Option<u16>,
    #[command(flatten)]
    conditions: Conditions,
}

impl ObjectCommand {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        match self {
            ObjectCommand::List(list) => list.run(session).await,
            ObjectCommand::Get(get) => get.run(session).await,
            ObjectCommand::Put(put) => put.run(session).await,
            ObjectCommand::Head(head) => head.run(session).await,
            ObjectCommand::Delete(delete) => delete.run(session).await,
            ObjectCommand::Sign(sign) => sign.run(session).await,
            ObjectCommand::SignPost(sign) => sign.run(session).await,
            ObjectCommand::SignParts(sign) => sign.run(session).await,
            ObjectCommand::Upload(upload) => upload.run(session).await,
            ObjectCommand::Copy(copy) => copy.run(session).await,
            ObjectCommand::Move(moved) => moved.run(session).await,
            ObjectCommand::Rename(rename) => rename.run(session).await,
            ObjectCommand::Tags(command) => command.run(session).await,
            ObjectCommand::Acl(command) => command.run(session).await,
            ObjectCommand::Restore(restore) => restore.run(session).await,
        }
    }
}

impl Head {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let asked = [
            ("version", self.version),
            ("part", self.part.map(|part| part.to_string())),
            ("checksum_mode", self.checksums.then(|| "enabled".to_owned())),
        ];
        let asked = asked.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let response = match look_at(session, &self.resource, &self.key, asked, &self.conditions).await {
            Err(error) if is_not_modified(&error) => {
                session.out.say(format!("`{}` is not modified", self.key));
                return Ok(Exit::Ok);
            }
            response => response?,
        };
        session.out.record(&metadata(&self.key, &response))?;
        Ok(Exit::Ok)
    }
}

/// What is known of an object, and whether it is there; that it is missing is no failure.
pub(super) async fn state(session: &Session, resource: &str, key: &str) -> anyhow::Result<Value> {
    match look(session, resource, key).await {
        Ok(response) => {
            let mut shown = metadata(key, &response);
            if let Value::Object(members) = &mut shown {
                members.insert("state".to_owned(), json!("exists"));
            }
            Ok(shown)
        }
        Err(error) if error.downcast_ref::<Problem>().is_some_and(Problem::is_missing_object) => {
            Ok(json!({"key": key, "state": "missing"}))
        }
        Err(error) => Err(error),
    }
}

/// Asks for the head of an object.
pub(crate) async fn look(session: &Session, resource: &str, key: &str) -> anyhow::Result<Response> {
    look_at(session, resource, key, Vec::new(), &Conditions::default()).await
}

/// The same with parameters, and only under conditions.
async fn look_at(
    session: &Session,
    resource: &str,
    key: &str,
    asked: Vec<(&str, String)>,
    conditions: &Conditions,
) -> anyhow::Result<Response> {
    let client = &session.client;
    let path = ["resources", resource, "object"];
    let mut query = vec![("key", checked_key(key)?.to_owned())];
    query.extend(asked);
    let head = conditions.add_to(client.request(Method::HEAD, &path, &query)?)?;
    let error = match client.answer(head.timeout(client::ANSWER_TIMEOUT)).await {
        Ok(response) => return Ok(response),
        Err(error) if is_not_modified(&error) => return Err(error),
        Err(error) => error,
    };
    let Some(status) = error.downcast_ref::<Problem>().map(|problem| problem.status) else {
        return Err(error);
    };
    // the answer to HEAD has no body that could say why; that to a read of one byte has
    let why = conditions.add_to(client.request(Method::GET, &path, &query)?)?;
    let why = why.header("range", "bytes=0-0").timeout(client::ANSWER_TIMEOUT);
    match client.answer(why).await {
        Err(explained)
            if explained.downcast_ref::<Problem>().is_some_and(|problem| problem.status == status) =>
        {
            Err(explained)
        }
        _ => Err(error),
    }
}

/// A text as one word of a shell.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Keys are taken as they are; only the empty one names nothing.
pub(crate) fn checked_key(key: &str) -> anyhow::Result<&str> {
    if key.is_empty() { Err(usage("the key is empty: name an object")) } else { Ok(key) }
}

/// What the headers of an answer say about an object.
fn metadata(key: &str, response: &Response) -> Value {
    let mut shown = Map::new();
    shown.insert("key".to_owned(), json!(key));
    let size = client::header(response, "content-length").and_then(|length| length.parse::<u64>().ok());
    shown.insert("size".to_owned(), json!(size));
    shown.insert(
        "last_modified".to_owned(),
        json!(client::header(response, "last-modified").map(|date| rfc3339(&date))),
    );
    for (header, name) in METADATA {
        shown.insert((*name).to_owned(), json!(client::header(response, header)));
    }
    let own = response.headers().iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix("x-amz-meta-")?;
        Some((name.to_owned(), json!(String::from_utf8_lossy(value.as_bytes()))))
    });
    shown.insert("metadata".to_owned(), Value::Object(own.collect()));
    let facts = ObjectFacts::of_headers(|name| client::header(response, name));
    if let Ok(Value::Object(facts)) = serde_json::to_value(facts) {
        shown.extend(facts);
    }
    Value::Object(shown)
}

/// An HTTP date as RFC 3339; what is none stays as it is.
fn rfc3339(date: &str) -> String {
    jiff::fmt::rfc2822::parse(date).map_or_else(|_| date.to_owned(), |at| at.timestamp().to_string())
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn dates_of_headers_become_those_of_json() {
        assert_eq!(rfc3339("Sun, 06 Nov 1994 08:49:37 GMT"), "1994-11-06T08:49:37Z");
        assert_eq!(rfc3339("soon"), "soon");
    }
}
