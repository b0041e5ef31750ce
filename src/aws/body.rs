//! Bodies on their way through: streams stay streams.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use aws_smithy_types::body::SdkBody;
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;

use crate::aws::trailer::Trailed;
use crate::aws::verify::Check;
use crate::model::object::BodyError;

/// Bytes that a caller sends.
pub type UploadBody = UnsyncBoxBody<Bytes, BodyError>;

/// Bytes that we send to a store over the direct path.
#[derive(Debug)]
pub enum RequestBody {
    /// None.
    Empty,
    /// In memory; none when they are sent.
    Bytes(Option<Bytes>),
    /// As they come from their sender.
    Part(Part),
    /// The same with a checksum behind them.
    Trailed(Box<Trailed>),
}

impl RequestBody {
    /// Bytes that are still to be sent.
    pub(super) fn length(&self) -> u64 {
        match self {
            RequestBody::Empty => 0,
            RequestBody::Bytes(bytes) => bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
            RequestBody::Part(part) => part.left,
            RequestBody::Trailed(trailed) => trailed.size_hint().exact().unwrap_or(0),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            RequestBody::Empty => Poll::Ready(None),
            RequestBody::Bytes(bytes) => Poll::Ready(
                bytes.take().filter(|bytes| !bytes.is_empty()).map(|bytes| Ok(Frame::data(bytes))),
            ),
            RequestBody::Part(part) => Pin::new(part).poll_frame(context),
            RequestBody::Trailed(trailed) => Pin::new(trailed.as_mut()).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            RequestBody::Empty => true,
            RequestBody::Bytes(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            RequestBody::Part(part) => part.is_end_stream(),
            RequestBody::Trailed(trailed) => trailed.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            RequestBody::Empty => SizeHint::with_exact(0),
            RequestBody::Bytes(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            RequestBody::Part(part) => part.size_hint(),
            RequestBody::Trailed(trailed) => trailed.size_hint(),
        }
    }
}

/// Bytes that a store sends.
#[derive(Debug)]
pub enum DownloadBody {
    /// Over the SDK.
    Sdk(SdkBody),
    /// Over the direct path.
    Direct(Incoming),
    /// Over the direct path, with a checksum of the store.
    Checked(Checked),
}

/// A body that is checked on its way through; the check is gone when it is done.
#[derive(Debug)]
pub struct Checked {
    body: Incoming,
    check: Option<Box<Check>>,
}

impl Checked {
    pub(super) fn new(body: Incoming, check: Check) -> Checked {
        Checked { body, check: Some(Box::new(check)) }
    }

    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, aws_smithy_types::body::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let Poll::Ready(next) = polled else { return Poll::Pending };
        match &next {
            Some(Ok(frame)) => {
                if let Some(check) = &mut self.check {
                    frame.data_ref().into_iter().for_each(|data| check.update(data));
                    frame.trailers_ref().into_iter().for_each(|trailers| check.take_trailers(trailers));
                }
                if !self.body.is_end_stream() {
                    return Poll::Ready(next.map(|frame| frame.map_err(Into::into)));
                }
            }
            Some(Err(_)) => return Poll::Ready(next.map(|frame| frame.map_err(Into::into))),
            None => {}
        }
        // the end, or the frame before it: a reader may never ask for the end itself
        match self.check.take().map_or(Ok(()), |check| check.finish()) {
            Ok(()) => Poll::Ready(next.map(|frame| frame.map_err(Into::into))),
            Err(mismatch) => Poll::Ready(Some(Err(mismatch.into()))),
        }
    }
}

impl Body for DownloadBody {
    type Data = Bytes;
    type Error = aws_smithy_types::body::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            DownloadBody::Sdk(body) => Pin::new(body).poll_frame(context),
            DownloadBody::Direct(body) => {
                Pin::new(body).poll_frame(context).map(|next| next.map(|frame| frame.map_err(Into::into)))
            }
            DownloadBody::Checked(body) => body.poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            DownloadBody::Sdk(body) => Body::is_end_stream(body),
            DownloadBody::Direct(body) => body.is_end_stream(),
            DownloadBody::Checked(body) => body.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            DownloadBody::Sdk(body) => Body::size_hint(body),
            DownloadBody::Direct(body) => body.size_hint(),
            DownloadBody::Checked(body) => body.body.size_hint(),
        }
    }
}

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
    /// What went through, when the source may be rewound.
    kept: Option<Vec<Bytes>>,
    /// A body must not be polled after its end.
    ended: bool,
    /// Grows with every rewind: a part that was cut before it must not take bytes from the ones after.
    turn: u64,
}

impl Source {
    /// Nothing is read yet.
    pub fn new(body: UploadBody) -> Source {
        Source(Arc::new(Shared {
            inner: Mutex::new(Inner {
                body,
                rest: Bytes::new(),
                again: VecDeque::new(),
                kept: None,
                ended: false,
                turn: 0,
            }),
            taken: AtomicU64::new(0),
        }))
    }

    /// Bytes that went through; tells a slow upload from a dead one, and one that can start over from one that cannot.
    pub fn taken(&self) -> u64 {
        self.0.taken.load(Ordering::Relaxed)
    }

    /// Keeps what goes through, so that the source can start over. The bytes are shared with what is sent, not copied.
    pub fn keep(&self) {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner).kept = Some(Vec::new());
    }

    /// Starts over; false when bytes went through that were not kept.
    pub fn rewind(&self) -> bool {
        let mut inner = self.0.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.turn += 1;
        if self.taken() == 0 {
            return true;
        }
        let Some(kept) = inner.kept.take() else { return false };
        let rest = std::mem::take(&mut inner.rest);
        let later = std::mem::take(&mut inner.again);
        inner.again = kept.into_iter().chain([rest]).chain(later).collect();
        inner.kept = Some(Vec::new());
        self.0.taken.store(0, Ordering::Relaxed);
        true
    }

    /// Reads up to `most` bytes and throws them away. A connection that is closed with bytes unread may take the
    /// answer with it.
    pub async fn drain(&self, most: u64) {
        let turn = {
            let mut inner = self.0.inner.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// The next `length` bytes as a body of their own. Only one part may be read at a time.
    pub(super) fn part(&self, length: u64) -> SdkBody {
        SdkBody::from_body_1_x(self.cut(length))
    }

    /// The same for the direct path.
    pub(super) fn stretch(&self, length: u64) -> RequestBody {
        RequestBody::Part(self.cut(length))
    }

    /// The same with a checksum behind it.
    pub(super) fn trailed(&self, length: u64) -> RequestBody {
        RequestBody::Trailed(Box::new(Trailed::new(self.cut(length))))
    }

    pub(super) fn cut(&self, length: u64) -> Part {
        Part { source: self.clone(), turn: self.turn(), left: length }
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
        while collected.length < most {
            let room = most - collected.length;
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
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner).turn
    }

    /// Takes back what was collected and not used: the next reader gets it first.
    pub(super) fn put_back(&self, bytes: &Bytes) {
        let mut inner = self.0.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.rest = [bytes.as_ref(), inner.rest.as_ref()].concat().into();
        self.0.taken.fetch_sub(bytes.len() as u64, Ordering::Relaxed);
    }

    fn poll_bytes(
        &self,
        context: &mut Context<'_>,
        turn: u64,
        most: u64,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        let mut inner = self.0.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.turn != turn {
            return Poll::Ready(Some(Err(BodyError::EndedEarly("the upload started over".to_owned()))));
        }
        loop {
            if !inner.rest.is_empty() {
                let most = usize::try_from(most).unwrap_or(usize::MAX).min(inner.rest.len());
                let bytes = inner.rest.split_to(most);
                self.0.taken.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                if let Some(kept) = &mut inner.kept {
                    kept.push(bytes.clone());
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

/// Bytes in memory, in the pieces that they came in.
#[derive(Debug, Clone, Default)]
pub(super) struct Frames {
    frames: Vec<Bytes>,
    length: u64,
}

/// A piece of fewer bytes is copied: it would keep the memory that it was read into, which is larger.
const SMALL: usize = 8 * 1024;

impl Frames {
    fn push(&mut self, bytes: Bytes) {
        self.length += bytes.len() as u64;
        self.frames.push(if bytes.len() < SMALL { Bytes::copy_from_slice(&bytes) } else { bytes });
    }

    /// All their bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// One after the other.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.frames.iter().map(AsRef::as_ref)
    }
}

impl From<Bytes> for Frames {
    fn from(bytes: Bytes) -> Frames {
        Frames { length: bytes.len() as u64, frames: vec![bytes] }
    }
}

/// Bytes that are sent at once of those in memory: what tells how far they got.
const SENT_AT_ONCE: usize = 256 * 1024;

/// Bytes in memory as a body that can be sent again, and that adds up in `sent` what was taken of it.
pub(super) fn counted(frames: Frames, sent: &Arc<AtomicU64>) -> SdkBody {
    let sent = Arc::clone(sent);
    SdkBody::retryable(move || {
        let Frames { frames, length } = frames.clone();
        SdkBody::from_body_1_x(Counted { frames: frames.into(), left: length, sent: Arc::clone(&sent) })
    })
}

struct Counted {
    frames: VecDeque<Bytes>,
    left: u64,
    sent: Arc<AtomicU64>,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(mut bytes) = self.frames.pop_front() else { return Poll::Ready(None) };
        if bytes.len() > SENT_AT_ONCE {
            let rest = bytes.split_off(SENT_AT_ONCE);
            self.frames.push_front(rest);
        }
        let length = bytes.len() as u64;
        self.left = self.left.saturating_sub(length);
        self.sent.fetch_add(length, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// A stretch of the source.
pub struct Part {
    source: Source,
    turn: u64,
    left: u64,
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
        let polled = self.source.poll_bytes(context, self.turn, self.left);
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
