//! `object upload part`: one part of an upload, from a file.

use std::io::SeekFrom;
use std::path::PathBuf;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use reqwest::Method;
use serde_json::Value;
use tokio::io::AsyncSeekExt;

use crate::cli::Session;
use crate::cli::exit::{Exit, usage};
use crate::cli::object::checked_key;
use crate::cli::transfer::{Source, send};
use crate::model::upload::{Checksum, ChecksumAlgorithm};

/// Flags of `object upload part`.
#[derive(Debug, Args)]
pub(crate) struct PutPart {
    /// Name of the resource
    resource: String,
    /// Key of the object
    key: String,
    /// The upload
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    upload_id: String,
    /// Number of the part, from 1
    #[arg(value_parser = clap::value_parser!(u16).range(1..=10000))]
    number: u16,
    /// File to read
    from: PathBuf,
    /// Where in the file the part begins
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    offset: u64,
    /// How many bytes of it the part has [default: the rest]
    #[arg(long, value_name = "BYTES")]
    length: Option<u64>,
    /// Checksum of the part in base64, for an upload that was begun with one: `crc32=y/Q5Jg==`
    #[arg(long, value_name = "ALGORITHM=VALUE", value_parser = checksum)]
    checksum: Option<(ChecksumAlgorithm, String)>,
}

fn checksum(text: &str) -> Result<(ChecksumAlgorithm, String), String> {
    let wrong = || "write it as `crc32=VALUE`, with crc32, crc32c, crc64nvme, sha1 or sha256".to_owned();
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    let algorithm = ChecksumAlgorithm::ALL.into_iter().find(|algorithm| algorithm.as_str() == name);
    let checksum = Checksum { algorithm: algorithm.ok_or_else(wrong)?, value: Some(value.to_owned()) };
    checksum.validate()?;
    Ok((checksum.algorithm, value.to_owned()))
}

impl PutPart {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        checked_key(&self.key)?;
        let mut source = Source::open(&self.from).await?;
        let Some(whole) = source.length.filter(|_| self.from.as_os_str() != "-") else {
            return Err(usage("a part says how long it is before it is sent: give a file"));
        };
        let rest = whole.saturating_sub(self.offset);
        let length = self.length.unwrap_or(rest).min(rest);
        if length == 0 {
            return Err(usage(format!("the file has {whole} bytes: nothing of it is in this part")));
        }
        source.file.seek(SeekFrom::Start(self.offset)).await?;
        source.length = Some(length);
        let path = ["resources", &self.resource, "object", "part"];
        let query = [
            ("key", self.key.clone()),
            ("upload_id", self.upload_id.clone()),
            ("part_number", self.number.to_string()),
        ];
        let mut request = session.client.request(Method::PUT, &path, &query)?;
        if let Some((algorithm, value)) = &self.checksum {
            request = request.header(format!("x-amz-checksum-{}", algorithm.as_str()), value);
        }
        let bar = session.out.bar(&self.key, source.length, true);
        let outcome = send(session, request, source, &bar).await;
        bar.finish_and_clear();
        let answer = outcome?;
        let tag = answer.get("etag").and_then(Value::as_str).unwrap_or_default();
        session.out.saved(
            &format!("part {} of {length} bytes is there: {tag}", self.number),
            &answer,
            false,
        )?;
        Ok(Exit::Ok)
    }
}
