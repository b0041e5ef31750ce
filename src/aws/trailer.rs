//! A body with its checksum behind it, so that a store checks a stream that nobody read before it was sent.
//!
//! The form is `aws-chunked` with one chunk: its size, the content, the chunk of size 0 and the trailer. Nothing but the
//! headers is signed, so it is for connections that are TLS (S3 user guide, trailing checksums).

use std::pin::Pin;
use std::task::{Context, Poll};

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, InvalidHeaderValue};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use s3s::crypto::{Checksum as _, Crc32};

use crate::aws::source::Part;
use crate::model::object::BodyError;

const NAME: &str = "x-amz-checksum-crc32";
const TRAILER: HeaderName = HeaderName::from_static("x-amz-trailer");
/// Bytes of the content without its form.
pub(super) const DECODED_LENGTH: HeaderName = HeaderName::from_static("x-amz-decoded-content-length");

/// A stretch of a source as one chunk, with its CRC-32 behind it.
pub struct Trailed {
    part: Part,
    crc: Crc32,
    next: Piece,
    /// Of the content, all of it.
    length: u64,
    left: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Size,
    Content,
    Trailer,
    Nothing,
}

impl std::fmt::Debug for Trailed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Trailed")
            .field("next", &self.next)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

/// Bytes that go over the connection for a content of that length.
pub(super) fn sent_length(length: u64) -> u64 {
    let around = chunk_start(length).len() + trailer(length, [0; 4]).len();
    length + around as u64
}

/// Says in the headers that the checksum comes behind the content.
pub(super) fn announce(headers: &mut HeaderMap, length: u64) -> Result<(), InvalidHeaderValue> {
    let encoding = match headers.get(CONTENT_ENCODING) {
        Some(own) => HeaderValue::from_bytes(&[b"aws-chunked,", own.as_bytes()].concat())?,
        None => HeaderValue::from_static("aws-chunked"),
    };
    headers.insert(CONTENT_ENCODING, encoding);
    headers.insert(TRAILER, HeaderValue::from_static(NAME));
    headers.insert(DECODED_LENGTH, HeaderValue::from(length));
    Ok(())
}

/// Empty for no content: a chunk of size 0 is the last one.
fn chunk_start(length: u64) -> String {
    if length == 0 { String::new() } else { format!("{length:x}\r\n") }
}

fn trailer(length: u64, crc: [u8; 4]) -> String {
    let chunk_end = if length == 0 { "" } else { "\r\n" };
    format!("{chunk_end}0\r\n{NAME}:{}\r\n\r\n", BASE64.encode(crc))
}

impl Trailed {
    pub(super) fn new(part: Part) -> Trailed {
        let length = part.left();
        let next = if length == 0 { Piece::Trailer } else { Piece::Size };
        Trailed { part, crc: Crc32::new(), next, length, left: sent_length(length) }
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        match self.next {
            Piece::Size => {
                self.next = Piece::Content;
                Poll::Ready(Some(Ok(chunk_start(self.length).into())))
            }
            Piece::Content => {
                let polled = Pin::new(&mut self.part).poll_frame(context);
                let Poll::Ready(next) = polled else { return Poll::Pending };
                let Some(frame) = next else { return Poll::Ready(None) };
                let bytes = frame.map(|frame| frame.into_data().unwrap_or_default());
                if let Ok(bytes) = &bytes {
                    self.crc.update(bytes);
                }
                if self.part.is_end_stream() {
                    self.next = Piece::Trailer;
                }
                Poll::Ready(Some(bytes))
            }
            Piece::Trailer => {
                self.next = Piece::Nothing;
                let crc = std::mem::take(&mut self.crc).finalize();
                Poll::Ready(Some(Ok(trailer(self.length, crc).into())))
            }
            Piece::Nothing => Poll::Ready(None),
        }
    }
}

impl Body for Trailed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        this.poll_piece(context).map(|next| {
            next.map(|bytes| {
                bytes.map(|bytes| {
                    this.left = this.left.saturating_sub(bytes.len() as u64);
                    Frame::data(bytes)
                })
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.next == Piece::Nothing
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;
    use http::header::CONTENT_ENCODING;
    use http_body::Body;
    use http_body_util::BodyExt;

    use super::{Trailed, announce, sent_length};
    use crate::aws::source::Source;

    async fn sent(pieces: &[&'static str]) -> String {
        let frames =
            pieces.iter().map(|piece| Ok(http_body::Frame::data(Bytes::from_static(piece.as_bytes()))));
        let body = http_body_util::StreamBody::new(futures_util::stream::iter(frames.collect::<Vec<_>>()));
        let length = pieces.iter().map(|piece| piece.len() as u64).sum();
        let trailed = Trailed::new(Source::new(body.boxed_unsync()).cut(length));
        assert_eq!(trailed.size_hint().exact(), Some(sent_length(length)));
        let bytes = trailed.collect().await.unwrap().to_bytes();
        assert_eq!(bytes.len() as u64, sent_length(length), "the length is said before");
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    /// The check value of CRC-32 for `123456789` is `cbf43926`.
    #[tokio::test]
    async fn the_content_is_one_chunk_with_its_checksum_behind_it() {
        let whole = "9\r\n123456789\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n";
        assert_eq!(sent(&["123456789"]).await, whole);
        assert_eq!(sent(&["1234", "", "56789"]).await, whole);
        assert_eq!(sent(&[]).await, "0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n");
    }

    #[tokio::test]
    async fn content_that_ends_early_ends_in_an_error() {
        let body = http_body_util::Full::new(Bytes::from_static(b"123")).map_err(|never| match never {});
        let trailed = Trailed::new(Source::new(body.boxed_unsync()).cut(4));
        assert!(trailed.collect().await.is_err());
    }

    #[test]
    fn an_encoding_of_the_object_stays() {
        let mut headers = HeaderMap::new();
        announce(&mut headers, 1).unwrap();
        assert_eq!(headers[CONTENT_ENCODING], "aws-chunked");
        headers.insert(CONTENT_ENCODING, "gzip".parse().unwrap());
        announce(&mut headers, 1).unwrap();
        assert_eq!(headers[CONTENT_ENCODING], "aws-chunked,gzip");
    }
}
