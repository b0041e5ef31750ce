//! Taking in a body: streamed to a scratch file, hashed on the way, checked against what the client promised.

use std::fmt::Display;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::{HeaderMap, StatusCode};
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::StreamingBlob;
use s3s::{S3Error, S3ErrorCode, S3Result, TrailingHeaders, s3_error};
use tokio::io::AsyncWriteExt;

use super::checksum::{self, Algorithm, Checksums};
use super::file::Scratch;
use super::meta;

/// What a client promised about its body.
#[derive(Debug, Default)]
pub(super) struct Promise {
    /// Content-MD5, in base64.
    pub(super) md5: Option<String>,
    pub(super) checksums: Checksums,
    /// Algorithms whose value comes behind the body.
    pub(super) announced: Vec<Algorithm>,
    /// Algorithms to compute although the client sends no value.
    pub(super) computed: Vec<Algorithm>,
    pub(super) trailer: Option<TrailingHeaders>,
    /// Bytes of the body without the framing of a chunked upload.
    pub(super) decoded_length: Option<u64>,
}

impl Promise {
    /// Reads the promises that stand in headers: what comes behind the body, and its length.
    pub(super) fn from_headers(headers: &HeaderMap) -> Self {
        let length = headers.get("x-amz-decoded-content-length").and_then(|value| value.to_str().ok());
        Self {
            announced: Algorithm::announced_in_trailer(headers),
            decoded_length: length.and_then(|length| length.trim().parse().ok()),
            ..Self::default()
        }
    }
}

/// A body that lies complete in a scratch file.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) scratch: Scratch,
    pub(super) file: std::fs::File,
    /// Bytes.
    pub(super) size: u64,
    /// In hex.
    pub(super) md5: String,
    pub(super) checksums: Checksums,
}

/// Writes a body piece by piece.
pub(super) struct Writer {
    scratch: Scratch,
    file: tokio::fs::File,
    size: u64,
    md5: Md5,
    hasher: ChecksumHasher,
}

impl Writer {
    pub(super) async fn create(folder: &Path, algorithms: &[Algorithm]) -> S3Result<Self> {
        let scratch = Scratch::new(folder);
        let file = tokio::fs::File::create_new(scratch.path()).await.map_err(meta::internal)?;
        Ok(Self { scratch, file, size: 0, md5: Md5::new(), hasher: checksum::hasher(algorithms) })
    }

    /// Appends a stream. If it breaks off, dropping the writer removes all that was written.
    pub(super) async fn append<S, E>(&mut self, mut stream: S) -> S3Result<()>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
        E: Display,
    {
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| broken_body(&error))?;
            self.md5.update(&chunk);
            self.hasher.update(&chunk);
            self.size += u64::try_from(chunk.len()).unwrap_or_default();
            self.file.write_all(&chunk).await.map_err(meta::internal)?;
        }
        Ok(())
    }

    pub(super) async fn finish(mut self) -> S3Result<Written> {
        self.file.flush().await.map_err(meta::internal)?;
        Ok(Written {
            scratch: self.scratch,
            file: self.file.into_std().await,
            size: self.size,
            md5: hex::encode(self.md5.finalize()),
            checksums: checksum::finalize(self.hasher),
        })
    }
}

/// Takes in the body of a request and checks every promise about it.
pub(super) async fn receive(
    folder: &Path,
    body: Option<StreamingBlob>,
    promise: Promise,
) -> S3Result<Written> {
    let mut algorithms = promise.checksums.algorithms();
    algorithms.extend(promise.announced.iter().chain(&promise.computed));
    let mut writer = Writer::create(folder, &algorithms).await?;
    if let Some(body) = body {
        writer.append(body).await?;
    }
    let written = writer.finish().await?;
    check(promise, &written)?;
    Ok(written)
}

fn check(promise: Promise, written: &Written) -> S3Result<()> {
    if promise.decoded_length.is_some_and(|length| length != written.size) {
        return Err(s3_error!(
            IncompleteBody,
            "the body does not have the length of x-amz-decoded-content-length"
        ));
    }
    if let Some(md5) = &promise.md5 {
        let digest = STANDARD.decode(md5).ok().filter(|digest| digest.len() == 16);
        let digest = digest.ok_or_else(|| s3_error!(InvalidDigest, "content-md5 is not an md5 in base64"))?;
        if hex::encode(digest) != written.md5 {
            return Err(s3_error!(BadDigest, "the body does not have the md5 of content-md5"));
        }
    }
    let mut expected = promise.checksums;
    if let Some(headers) = promise.trailer.and_then(|trailer| trailer.take()) {
        expected.extend(Checksums::from_trailer(&headers));
    }
    if let Some(missing) = promise.announced.iter().find(|algorithm| expected.get(**algorithm).is_none()) {
        return Err(s3_error!(InvalidRequest, "the announced checksum {} did not arrive", missing.name()));
    }
    match expected.first_difference(&written.checksums) {
        Some(algorithm) => {
            Err(s3_error!(BadDigest, "the body does not have the promised {}", algorithm.name()))
        }
        None => Ok(()),
    }
}

/// Tells a tampered body from one that broke off. The protocol crate keeps its error types to itself, so
/// the text decides.
fn broken_body(error: &impl Display) -> S3Error {
    let text = error.to_string();
    if text.contains("Sha256Mismatch") {
        let code = S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into());
        let mut error =
            S3Error::with_message(code, "the body does not have the hash of x-amz-content-sha256");
        error.set_status_code(StatusCode::BAD_REQUEST);
        return error;
    }
    if text.contains("SignatureMismatch") {
        return s3_error!(SignatureDoesNotMatch, "the signature of a chunk does not match");
    }
    s3_error!(IncompleteBody, "the body ended early or was malformed")
}
