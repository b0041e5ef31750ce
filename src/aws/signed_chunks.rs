//! A body whose chunks are signed one by one, for connections that protect nothing.
//!
//! The form is `aws-chunked`: each chunk has its size and its signature before it, and the last one is empty. All but the
//! last two have the same size, so that the length is known before anything is read (API reference, "transferring
//! payload in multiple chunks"). A chunk is held until it is whole: its signature comes before its content.
//!
//! Stores know the form by `x-amz-content-sha256`. `Content-Encoding: aws-chunked` is not sent besides, because Ceph RGW 16
//! would keep it with the object.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use sha2::{Digest, Sha256};

use crate::aws::sigv4::ChunkSigner;
use crate::aws::source::Part;
use crate::model::object::BodyError;

/// Bytes of a chunk; the least is 8 KiB.
const CHUNK: u64 = 64 * 1024;
/// What stands around the content of a chunk, besides its size in hex.
const AROUND: u64 = ";chunk-signature=".len() as u64 + 64 + 2 * "\r\n".len() as u64;

/// A stretch of a source in signed chunks.
pub struct SignedChunks {
    part: Part,
    /// None until the headers are signed.
    signer: Option<ChunkSigner>,
    hash: Sha256,
    /// The content of the chunk that is put together.
    held: VecDeque<Bytes>,
    held_bytes: u64,
    /// What goes out next.
    ready: VecDeque<Bytes>,
    ended: bool,
    left: u64,
}

impl std::fmt::Debug for SignedChunks {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("SignedChunks").field("left", &self.left).finish_non_exhaustive()
    }
}

/// Bytes that go over the connection for a content of that length.
pub(super) fn sent_length(length: u64) -> u64 {
    let of = |content: u64| format!("{content:x}").len() as u64 + AROUND + content;
    let rest = length % CHUNK;
    (length / CHUNK) * of(CHUNK) + if rest == 0 { 0 } else { of(rest) } + of(0)
}

impl SignedChunks {
    pub(super) fn new(part: Part) -> SignedChunks {
        let left = sent_length(part.left());
        SignedChunks {
            part,
            signer: None,
            hash: Sha256::new(),
            held: VecDeque::new(),
            held_bytes: 0,
            ready: VecDeque::new(),
            ended: false,
            left,
        }
    }

    /// The headers are signed: so are the chunks from now on.
    pub(super) fn sign_with(&mut self, signer: ChunkSigner) {
        self.signer = Some(signer);
    }

    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            if let Some(bytes) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(bytes)));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            if self.part.is_end_stream() {
                if self.held_bytes > 0 {
                    self.end_chunk();
                }
                self.end_chunk();
                self.ended = true;
                continue;
            }
            let polled = Pin::new(&mut self.part).poll_frame(context);
            let Poll::Ready(next) = polled else { return Poll::Pending };
            match next {
                Some(Ok(frame)) => self.hold(frame.into_data().unwrap_or_default()),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }

    fn hold(&mut self, mut bytes: Bytes) {
        while !bytes.is_empty() {
            let room = usize::try_from(CHUNK - self.held_bytes).unwrap_or(usize::MAX);
            let piece = bytes.split_to(bytes.len().min(room));
            self.hash.update(&piece);
            self.held_bytes += piece.len() as u64;
            self.held.push_back(piece);
            if self.held_bytes == CHUNK {
                self.end_chunk();
            }
        }
    }

    /// What is held goes out as a chunk; as the last one when it is nothing.
    fn end_chunk(&mut self) {
        let hash = self.hash.finalize_reset().into();
        let signature = self.signer.as_mut().map(|signer| signer.sign(&hash)).unwrap_or_default();
        self.ready.push_back(format!("{:x};chunk-signature={signature}\r\n", self.held_bytes).into());
        self.ready.append(&mut self.held);
        self.ready.push_back(Bytes::from_static(b"\r\n"));
        self.held_bytes = 0;
    }
}

impl Body for SignedChunks {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        this.poll_bytes(context).map(|next| {
            next.map(|bytes| {
                bytes.map(|bytes| {
                    this.left = this.left.saturating_sub(bytes.len() as u64);
                    Frame::data(bytes)
                })
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ended && self.ready.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use aws_credential_types::Credentials;
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, Method};
    use http_body::{Body, Frame};
    use http_body_util::{BodyExt, StreamBody};
    use proptest::prelude::prop;
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::{CHUNK, SignedChunks, sent_length};
    use crate::aws::sigv4::{ChunkSigner, Signed, Signer, Target};
    use crate::aws::source::Source;

    fn signer() -> ChunkSigner {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("s3.example.com"));
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
        let target = Target { method: &Method::PUT, path: "/b/k", query: "", payload: Signed::Chunks };
        Signer::new("us-east-1").sign(target, &mut headers, &credentials, UNIX_EPOCH).unwrap()
    }

    /// What is sent of a content that comes in such pieces.
    async fn sent(pieces: Vec<Bytes>, length: u64) -> Result<Vec<u8>, String> {
        let frames = pieces.into_iter().map(|piece| Ok(Frame::data(piece)));
        let body = StreamBody::new(futures_util::stream::iter(frames.collect::<Vec<_>>()));
        let mut chunks = SignedChunks::new(Source::new(body.boxed_unsync()).cut(length));
        chunks.sign_with(signer());
        assert_eq!(chunks.size_hint().exact(), Some(sent_length(length)));
        Ok(chunks.collect().await.map_err(|error| error.to_string())?.to_bytes().to_vec())
    }

    /// The sizes of the chunks and their contents put together.
    fn read(mut sent: &[u8]) -> (Vec<u64>, Vec<u8>) {
        let (mut sizes, mut content) = (Vec::new(), Vec::new());
        while !sent.is_empty() {
            let end = sent.windows(2).position(|pair| pair == b"\r\n").unwrap();
            let head = std::str::from_utf8(&sent[..end]).unwrap();
            let (size, signature) = head.split_once(";chunk-signature=").unwrap();
            assert_eq!(signature.len(), 64);
            let size = u64::from_str_radix(size, 16).unwrap();
            let (bytes, rest) = sent[end + 2..].split_at(usize::try_from(size).unwrap());
            sizes.push(size);
            content.extend_from_slice(bytes);
            sent = rest.strip_prefix(b"\r\n").unwrap();
        }
        (sizes, content)
    }

    #[tokio::test]
    async fn chunks_are_full_but_for_the_last_two() {
        for (length, sizes) in [
            (0, vec![0]),
            (1, vec![1, 0]),
            (CHUNK, vec![CHUNK, 0]),
            (2 * CHUNK + 5, vec![CHUNK, CHUNK, 5, 0]),
        ] {
            let content = vec![b'x'; usize::try_from(length).unwrap()];
            let sent = sent(vec![content.clone().into()], length).await.unwrap();
            assert_eq!(sent.len() as u64, sent_length(length), "the length is said before");
            assert_eq!(read(&sent), (sizes, content));
        }
    }

    #[tokio::test]
    async fn content_that_ends_early_ends_in_an_error() {
        assert!(sent(vec![Bytes::from_static(b"123")], 4).await.is_err());
    }

    proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

        /// How a content comes does not show in what is sent.
        #[test]
        fn pieces_do_not_matter(lengths in prop::collection::vec(0_usize..100_000, 0..6)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let content: Vec<u8> = (0_u8..251).cycle().take(lengths.iter().sum()).collect();
            let mut rest = Bytes::from(content.clone());
            let pieces = lengths.iter().map(|length| rest.split_to(*length)).collect();
            let length = content.len() as u64;
            let in_pieces = runtime.block_on(sent(pieces, length)).unwrap();
            prop_assert_eq!(&read(&in_pieces).1, &content);
            prop_assert!(runtime.block_on(sent(vec![content.into()], length)).unwrap() == in_pieces);
        }
    }
}
