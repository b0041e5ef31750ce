//! `object sign`, `sign-post` and `sign-parts`: URLs and forms for others.

use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::cli::client::Call;
use crate::cli::exit::{Exit, usage};
use crate::cli::object::checked_key;
use crate::cli::output::{Column, Format};
use crate::cli::{Session, input};
use crate::model::span::Span;

/// Columns of the parts: the URL is last, since it is long.
const PARTS: &[Column] =
    &[("PART", "part_number"), ("OFFSET", "offset"), ("LENGTH", "length"), ("URL", "url")];

/// Flags of `object sign`.
#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// Name of the resource
    resource: String,
    /// Key of the object
    key: String,
    /// What the holder of the URL may do
    #[arg(long, default_value = "GET", value_parser = ["GET", "PUT", "HEAD", "DELETE"], ignore_case = true)]
    method: String,
    /// How long it holds: `90`, `15m`, `24h`, `7d` [default: 15m]
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    expires_in: Option<u64>,
    /// Version of the object
    #[arg(long, value_name = "VERSION", allow_hyphen_values = true)]
    version: Option<String>,
    /// Media type that the upload must have
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Bytes that the upload must have
    #[arg(long, value_name = "BYTES")]
    content_length: Option<u64>,
    /// `Content-Disposition` of the upload
    #[arg(long, value_name = "TEXT")]
    content_disposition: Option<String>,
    /// `Content-Encoding` of the upload
    #[arg(long, value_name = "TEXT")]
    content_encoding: Option<String>,
    /// `Content-Language` of the upload
    #[arg(long, value_name = "TEXT")]
    content_language: Option<String>,
    /// `Cache-Control` of the upload
    #[arg(long, value_name = "TEXT")]
    cache_control: Option<String>,
    /// Only if there is no such object yet
    #[arg(long)]
    if_none_match: bool,
    /// Metadata of the upload; may be repeated
    #[arg(long = "metadata", value_name = "NAME=VALUE", value_parser = input::pair)]
    metadata: Vec<(String, String)>,
    /// Canned ACL of the upload
    #[arg(long, value_name = "ACL")]
    acl: Option<String>,
    /// Storage class of the upload
    #[arg(long, value_name = "CLASS")]
    storage_class: Option<String>,
    /// `Content-Type` of the answer, whatever the object has
    #[arg(long, value_name = "TYPE")]
    response_content_type: Option<String>,
    /// `Content-Disposition` of the answer, for example `attachment; filename="a.pdf"`
    #[arg(long, value_name = "TEXT")]
    response_content_disposition: Option<String>,
    /// `Content-Encoding` of the answer
    #[arg(long, value_name = "TEXT")]
    response_content_encoding: Option<String>,
    /// `Content-Language` of the answer
    #[arg(long, value_name = "TEXT")]
    response_content_language: Option<String>,
    /// `Cache-Control` of the answer
    #[arg(long, value_name = "TEXT")]
    response_cache_control: Option<String>,
    /// `Expires` of the answer; an HTTP date
    #[arg(long, value_name = "DATE")]
    response_expires: Option<String>,
}

/// Flags of `object sign-post`.
#[derive(Debug, Args)]
pub(crate) struct SignPost {
    /// Name of the resource
    resource: String,
    /// Key of the upload
    #[arg(long, value_name = "KEY", required_unless_present = "key_prefix", conflicts_with = "key_prefix")]
    key: Option<String>,
    /// What the key of the upload must start with
    #[arg(long, value_name = "TEXT")]
    key_prefix: Option<String>,
    /// How long it holds: `90`, `15m`, `24h`, `7d` [default: 15m]
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    expires_in: Option<u64>,
    /// Media type that the upload must have
    #[arg(long, value_name = "TYPE", conflicts_with = "content_type_prefix")]
    content_type: Option<String>,
    /// What the media type must start with, for example `image/`
    #[arg(long, value_name = "TEXT")]
    content_type_prefix: Option<String>,
    /// The least bytes
    #[arg(long, value_name = "BYTES")]
    min_bytes: Option<u64>,
    /// The most bytes
    #[arg(long, value_name = "BYTES")]
    max_bytes: Option<u64>,
    /// Canned ACL of the upload
    #[arg(long, value_name = "ACL")]
    acl: Option<String>,
    /// What the store answers: 200, 201 or 204
    #[arg(long, value_name = "STATUS")]
    success_action_status: Option<u16>,
    /// Where the store sends the browser afterwards
    #[arg(long, value_name = "URL", conflicts_with = "success_action_status")]
    success_action_redirect: Option<String>,
    /// Metadata of the upload; may be repeated
    #[arg(long = "metadata", value_name = "NAME=VALUE", value_parser = input::pair)]
    metadata: Vec<(String, String)>,
}

/// Flags of `object sign-parts`.
#[derive(Debug, Args)]
pub(crate) struct SignParts {
    /// Name of the resource
    resource: String,
    /// Key of the object
    key: String,
    /// The upload, as `object upload create` names it
    upload_id: String,
    /// Numbers of the parts, with commas between them
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', conflicts_with_all = ["count", "size"])]
    parts: Option<Vec<u32>>,
    /// Parts from number 1 on
    #[arg(long, value_name = "NUMBER", conflicts_with = "size")]
    count: Option<u32>,
    /// Bytes of the whole object: says which bytes belong into which part
    #[arg(long, value_name = "BYTES")]
    size: Option<u64>,
    /// Bytes of each part but the last
    #[arg(long, value_name = "BYTES", requires = "size")]
    part_size: Option<u64>,
    /// How long they hold: `90`, `15m`, `24h`, `7d` [default: 15m]
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    expires_in: Option<u64>,
}

impl Sign {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        checked_key(&self.key)?;
        let mut body = Map::new();
        set(&mut body, "key", Some(&self.key));
        set(&mut body, "method", Some(self.method.to_uppercase()));
        set(&mut body, "expires_in", self.expires_in);
        set(&mut body, "version", self.version);
        set(&mut body, "content_type", self.content_type);
        set(&mut body, "content_length", self.content_length);
        set(&mut body, "content_disposition", self.content_disposition);
        set(&mut body, "content_encoding", self.content_encoding);
        set(&mut body, "content_language", self.content_language);
        set(&mut body, "cache_control", self.cache_control);
        set(&mut body, "if_none_match", self.if_none_match.then_some("*"));
        set(&mut body, "metadata", pairs("--metadata", self.metadata)?);
        set(&mut body, "acl", self.acl);
        set(&mut body, "storage_class", self.storage_class);
        set(&mut body, "response_content_type", self.response_content_type);
        set(&mut body, "response_content_disposition", self.response_content_disposition);
        set(&mut body, "response_content_encoding", self.response_content_encoding);
        set(&mut body, "response_content_language", self.response_content_language);
        set(&mut body, "response_cache_control", self.response_cache_control);
        set(&mut body, "response_expires", self.response_expires);
        let signed = ask(session, &self.resource, "objects:sign", body).await?;
        if session.out.format() != Format::Table {
            session.out.json(&signed)?;
            return Ok(Exit::Ok);
        }
        session.out.line(signed.get("url").and_then(Value::as_str).unwrap_or_default())?;
        let headers = signed.get("headers").and_then(Value::as_object);
        for (name, value) in headers.into_iter().flatten() {
            session.out.say(format!("send the header `{name}: {}`", value.as_str().unwrap_or_default()));
        }
        told(session, &signed);
        Ok(Exit::Ok)
    }
}

impl SignPost {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let mut body = Map::new();
        set(&mut body, "key", self.key);
        set(&mut body, "key_prefix", self.key_prefix);
        set(&mut body, "expires_in", self.expires_in);
        set(&mut body, "content_type", self.content_type);
        set(&mut body, "content_type_prefix", self.content_type_prefix);
        set(&mut body, "min_bytes", self.min_bytes);
        set(&mut body, "max_bytes", self.max_bytes);
        set(&mut body, "acl", self.acl);
        set(&mut body, "success_action_status", self.success_action_status);
        set(&mut body, "success_action_redirect", self.success_action_redirect);
        set(&mut body, "metadata", pairs("--metadata", self.metadata)?);
        let signed = ask(session, &self.resource, "objects:sign-post", body).await?;
        session.out.record(&signed)?;
        if session.out.format() == Format::Table {
            told(session, &signed);
        }
        Ok(Exit::Ok)
    }
}

impl SignParts {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        checked_key(&self.key)?;
        if self.parts.is_none() && self.count.is_none() && self.size.is_none() {
            return Err(usage("say which parts: --parts, --count or --size"));
        }
        let mut body = Map::new();
        set(&mut body, "key", Some(self.key));
        set(&mut body, "upload_id", Some(self.upload_id));
        set(&mut body, "parts", self.parts);
        set(&mut body, "count", self.count);
        set(&mut body, "size", self.size);
        set(&mut body, "part_size", self.part_size);
        set(&mut body, "expires_in", self.expires_in);
        let signed = ask(session, &self.resource, "objects:sign-parts", body).await?;
        session.out.rows(&signed, "parts", PARTS)?;
        if session.out.format() == Format::Table {
            told(session, &signed);
        }
        Ok(Exit::Ok)
    }
}

async fn ask(
    session: &Session,
    resource: &str,
    verb: &str,
    body: Map<String, Value>,
) -> anyhow::Result<Value> {
    let path = ["resources", resource, verb];
    let call = Call::new(Method::POST, &path).body(Value::Object(body));
    Ok(session.client.send(call).await?.body)
}

/// Until when, and what is worth knowing.
fn told(session: &Session, signed: &Value) {
    let at = signed.get("expires_at").and_then(Value::as_str).unwrap_or_default();
    let seconds = signed.get("expires_in").and_then(Value::as_u64).unwrap_or_default();
    session.out.say(format!("holds until {at}, which is {seconds} seconds: whoever has it may use it"));
    let warnings = signed.get("warnings").and_then(Value::as_array);
    for warning in warnings.into_iter().flatten().filter_map(Value::as_str) {
        session.out.warn(warning);
    }
}

/// Only what was given is sent.
pub(super) fn set(body: &mut Map<String, Value>, name: &str, value: Option<impl serde::Serialize>) {
    if let Some(value) = value {
        body.insert(name.to_owned(), json!(value));
    }
}

/// What a flag gave, as an object, when it gave anything.
pub(super) fn pairs(flag: &str, pairs: Vec<(String, String)>) -> anyhow::Result<Option<Map<String, Value>>> {
    input::distinct(flag, &pairs)?;
    let object: Map<String, Value> =
        pairs.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
    Ok((!object.is_empty()).then_some(object))
}

pub(super) fn seconds(text: &str) -> Result<u64, String> {
    Span::parse(text).map(|span| span.0)
}
