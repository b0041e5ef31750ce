//! The source of an upload: a body from which parts are cut, and which can go back as far as it was kept.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use aws_smithy_types::body::SdkBody;
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty};

use crate::aws::body::{RequestBody, UploadBody};
use crate::aws::frames::Frames;
use crate::aws::signed_chunks::SignedChunks;
use crate::aws::trailer::Trailed;
use crate::model::object::BodyError;

/// Bytes that are taken at once at the most: what was taken tells whether an upload moves.
const PIECE: usize = 256 * 1024;

/// The source of an upload, from which parts are cut one after the other.
#[derive(Clone)]
pub struct Source(Arc<Shared>);

struct Shared {
    inner: Mutex<Inner>,
    taken: AtomicU64,
}

struct Inner {
    body: UploadBody,
    rest: Bytes,
    /// What is read again after a rewind, before the body goes on.
    again: VecDeque<Bytes>,
    /// What went through since `from`, when the source may go back there.
    kept: Option<Frames>,
    from: u64,
    /// A body must not be polled after its end.
    ended: bool,
    /// Grows with every rewind: a part that was cut before it must not take bytes from the ones after.
    turn: u64,
    /// When the last byte of a part was last taken.
    through: Instant,
}

impl Source {
    /// Nothing is read yet.
    pub fn new(body: UploadBody) -> Source {
        Source::with(body, VecDeque::new(), None)
    }

    /// Of bytes in memory, which it keeps.
    pub(super) fn gathered(frames: Frames) -> Source {
        let nothing = Empty::new().map_err(|never| match never {}).boxed_unsync();
        Source::with(nothing, frames.into_pieces(), Some(Frames::default()))
    }

    fn with(body: UploadBody, again: VecDeque<Bytes>, kept: Option<Frames>) -> Source {
        let inner = Inner {
            body,
            rest: Bytes::new(),
            again,
            kept,
            from: 0,
            ended: false,
            turn: 0,
            through: Instant::now(),
        };
        Source(Arc::new(Shared { inner: Mutex::new(inner), taken: AtomicU64::new(0) }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that went through; tells a slow upload from a dead one, and one that can start over from one that cannot.
    pub fn taken(&self) -> u64 {
        self.0.taken.load(Ordering::Relaxed)
    }

    /// Keeps what goes through from here on, so that the source can come back here. The bytes are shared with what is
    /// sent, not copied; those kept before are let go.
    pub fn keep(&self) {
        let mut inner = self.inner();
        inner.from = self.taken();
        inner.kept = Some(Frames::default());
    }

    /// Keeps nothing any more.
    pub(super) fn release(&self) {
        self.inner().kept = None;
    }

    /// Starts over; false when bytes went through that were not kept.
    pub fn rewind(&self) -> bool {
        self.rewind_to(0)
    }

    /// Goes back to where so many bytes had gone through; false when those after it were not kept.
    pub(super) fn rewind_to(&self, taken: u64) -> bool {
        let mut inner = self.inner();
        inner.turn += 1;
        if self.taken() == taken {
            return true;
        }
        if inner.from != taken {
            return false;
        }
        let Some(kept) = inner.kept.take() else { return false };
        let rest = std::mem::take(&mut inner.rest);
        let later = std::mem::take(&mut inner.again);
        inner.again = kept.into_pieces().into_iter().chain([rest]).chain(later).collect();
        inner.kept = Some(Frames::default());
        self.0.taken.store(taken, Ordering::Relaxed);
        true
    }

    /// Reads up to `most` bytes and throws them away. A connection that is closed with bytes unread may take the
    /// answer with it.
    pub async fn drain(&self, most: u64) {
        let turn = {
            let mut inner = self.inner();
            inner.kept = None;
            inner.turn += 1;
            inner.turn
        };
        let mut left = most;
        while left > 0 {
            match std::future::poll_fn(|context| self.poll_bytes(context, turn, left)).await {
                Some(Ok(bytes)) => left -= bytes.len() as u64,
                Some(Err(_)) | None => return,
            }
        }
    }

    /// The next `length` bytes as a body of their own, which can be sent again if they are kept. Only one part may be
    /// read at a time.
    pub(super) fn part(&self, length: u64) -> SdkBody {
        if self.inner().kept.is_none() {
            return SdkBody::from_body_1_x(self.cut(length));
        }
        let (source, from) = (self.clone(), self.taken());
        // the SDK makes bodies in stock: each one goes back only when it is read
        SdkBody::retryable(move || {
            let (source, start) = (source.clone(), Start::At(from));
            SdkBody::from_body_1_x(Part { source, start, left: length })
        })
    }

    /// The same for the direct path.
    pub(super) fn stretch(&self, length: u64) -> RequestBody {
        RequestBody::Part(self.cut(length))
    }

    /// The same with a checksum behind it.
    pub(super) fn trailed(&self, length: u64) -> RequestBody {
        RequestBody::Trailed(Box::new(Trailed::new(self.cut(length))))
    }

    /// The same with a signature before each chunk.
    pub(super) fn signed(&self, length: u64) -> RequestBody {
        RequestBody::Signed(Box::new(SignedChunks::new(self.cut(length))))
    }

    pub(super) fn cut(&self, length: u64) -> Part {
        Part { source: self.clone(), start: Start::Turn(self.turn()), left: length }
    }

    /// How long ago the last byte of a part was taken. When the answer just came, it took so long, and what was still in
    /// the buffers of the connection with it.
    pub(super) fn since_part(&self) -> Duration {
        self.inner().through.elapsed()
    }

    /// The next bytes, up to `most`; fewer only at the end.
    pub async fn collect(&self, most: usize) -> Result<Bytes, BodyError> {
        self.collect_into(BytesMut::new(), most).await
    }

    /// The same where so many are expected: memory is taken once, and no more than that.
    pub(super) async fn collect_part(&self, most: usize) -> Result<Bytes, BodyError> {
        self.collect_into(BytesMut::with_capacity(most), most).await
    }

    async fn collect_into(&self, mut collected: BytesMut, most: usize) -> Result<Bytes, BodyError> {
        let turn = self.turn();
        while collected.len() < most {
            let room = (most - collected.len()) as u64;
            let next = std::future::poll_fn(|context| self.poll_bytes(context, turn, room)).await;
            match next {
                Some(Ok(bytes)) => collected.extend_from_slice(&bytes),
                Some(Err(error)) => return Err(error),
                None => break,
            }
        }
        Ok(collected.freeze())
    }

    /// The same as it came: nothing is copied to have it in one piece.
    pub(super) async fn collect_frames(&self, most: u64) -> Result<Frames, BodyError> {
        let turn = self.turn();
        let mut collected = Frames::default();
        while collected.length() < most {
            let room = most - collected.length();
            let next = std::future::poll_fn(|context| self.poll_bytes(context, turn, room)).await;
            match next {
                Some(Ok(bytes)) => collected.push(bytes),
                Some(Err(error)) => return Err(error),
                None => break,
            }
        }
        Ok(collected)
    }

    fn turn(&self) -> u64 {
        self.inner().turn
    }

    /// Takes back what was collected and not used: the next reader gets it first.
    pub(super) fn put_back(&self, bytes: &Bytes) {
        let mut inner = self.inner();
        inner.rest = [bytes.as_ref(), inner.rest.as_ref()].concat().into();
        self.0.taken.fetch_sub(bytes.len() as u64, Ordering::Relaxed);
    }

    fn poll_bytes(
        &self,
        context: &mut Context<'_>,
        turn: u64,
        most: u64,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        let mut inner = self.inner();
        if inner.turn != turn {
            return Poll::Ready(Some(Err(BodyError::EndedEarly("the upload started over".to_owned()))));
        }
        loop {
            if !inner.rest.is_empty() {
                let most = usize::try_from(most).unwrap_or(usize::MAX);
                let length = most.min(inner.rest.len()).min(PIECE);
                let bytes = inner.rest.split_to(length);
                self.0.taken.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                if let Some(kept) = &mut inner.kept {
                    kept.push(bytes.clone());
                }
                if bytes.len() == most {
                    inner.through = Instant::now();
                }
                return Poll::Ready(Some(Ok(bytes)));
            }
            if let Some(bytes) = inner.again.pop_front() {
                inner.rest = bytes;
                continue;
            }
            if inner.ended {
                return Poll::Ready(None);
            }
            match Pin::new(&mut inner.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    // trailers of a request are of no use to a store
                    if let Ok(bytes) = frame.into_data() {
                        inner.rest = bytes;
                    }
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => inner.ended = true,
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// A stretch of the source.
pub struct Part {
    source: Source,
    start: Start,
    left: u64,
}

/// Where a stretch begins.
#[derive(Clone, Copy)]
enum Start {
    /// Where the source is, unless it went back after this turn.
    Turn(u64),
    /// There, whereto the source goes back when the stretch is first read.
    At(u64),
}

impl std::fmt::Debug for Part {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Part").field("left", &self.left).finish_non_exhaustive()
    }
}

impl Part {
    /// Bytes that are still to come.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    fn turn(&mut self) -> u64 {
        match self.start {
            Start::Turn(turn) => turn,
            Start::At(from) => {
                // a turn that never comes reads nothing
                let turn = if self.source.rewind_to(from) { self.source.turn() } else { u64::MAX };
                self.start = Start::Turn(turn);
                turn
            }
        }
    }
}

impl Body for Part {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let turn = self.turn();
        let polled = self.source.poll_bytes(context, turn, self.left);
        polled.map(|next| match next {
            Some(Ok(bytes)) => {
                self.left -= bytes.len() as u64;
                Some(Ok(Frame::data(bytes)))
            }
            Some(Err(error)) => Some(Err(error)),
            None => Some(Err(BodyError::EndedEarly(format!("{} bytes were still to come", self.left)))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::stream;
    use http_body::Frame;
    use http_body_util::{BodyExt, StreamBody};

    use super::Source;
    use crate::aws::frames::Frames;

    fn source(pieces: &[&'static str]) -> Source {
        let pieces: Vec<_> =
            pieces.iter().map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes())))).collect();
        Source::new(StreamBody::new(stream::iter(pieces)).boxed_unsync())
    }

    async fn read(source: &Source, length: u64) -> Result<String, String> {
        let read = source.stretch(length).collect().await.map_err(|error| error.to_string())?;
        Ok(String::from_utf8(read.to_bytes().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_source_goes_back_as_far_as_it_was_kept() {
        let source = source(&["abc", "def", "ghi"]);
        assert!(source.rewind(), "nothing went through yet");
        assert_eq!(read(&source, 4).await.unwrap(), "abcd");
        assert!(!source.rewind() && !source.rewind_to(4 - 1));
        source.keep();
        for _ in 0..3 {
            assert!(source.rewind_to(4));
            assert_eq!((read(&source, 3).await.unwrap().as_str(), source.taken()), ("efg", 7));
        }
        source.keep();
        assert!(!source.rewind_to(4), "what the store took is let go");
        assert_eq!(read(&source, 2).await.unwrap(), "hi");
        assert!(source.rewind_to(7));
        source.release();
        assert_eq!(read(&source, 2).await.unwrap(), "hi");
        assert!(!source.rewind_to(7));
    }

    /// An answer that came early must not leave a reader that takes from the next attempt.
    #[tokio::test]
    async fn a_part_from_before_a_rewind_reads_nothing() {
        let source = source(&["abc", "def"]);
        source.keep();
        let mut old = source.cut(6);
        assert_eq!(old.frame().await.unwrap().unwrap().into_data().unwrap(), "abc");
        assert!(source.rewind());
        assert!(old.frame().await.unwrap().is_err());
        assert_eq!(read(&source, 6).await.unwrap(), "abcdef");
    }

    /// As the SDK does it: a body is made in stock before the first one is read.
    #[tokio::test]
    async fn a_body_for_the_sdk_can_be_made_again_when_it_is_kept() {
        let read = async |body: aws_smithy_types::body::SdkBody| {
            body.collect().await.map(http_body_util::Collected::to_bytes)
        };
        let source = source(&["abc", "def"]);
        assert!(source.part(6).try_clone().is_none(), "nothing is kept");
        source.keep();
        let first = source.part(6);
        let (stock, later) = (first.try_clone().unwrap(), first.try_clone().unwrap());
        assert_eq!(read(first).await.unwrap(), "abcdef");
        assert_eq!(read(stock).await.unwrap(), "abcdef");
        source.release();
        assert!(read(later).await.is_err());
    }

    #[tokio::test]
    async fn what_was_gathered_can_always_be_sent_again() {
        let source = Source::gathered(Frames::from(Bytes::from_static(b"abc")));
        for _ in 0..3 {
            assert!(source.rewind());
            assert_eq!(read(&source, 3).await.unwrap(), "abc");
        }
    }
}
