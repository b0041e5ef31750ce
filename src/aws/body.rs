//! Bodies on their way through: streams stay streams.

use std::pin::Pin;
use std::task::{Context, Poll};

use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;

use crate::aws::signed_chunks::SignedChunks;
use crate::aws::source::Part;
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
    /// The same with a signature before each chunk.
    Signed(Box<SignedChunks>),
}

impl RequestBody {
    /// Bytes that are still to be sent.
    pub(super) fn length(&self) -> u64 {
        match self {
            RequestBody::Empty => 0,
            RequestBody::Bytes(bytes) => bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
            RequestBody::Part(part) => part.left(),
            RequestBody::Trailed(trailed) => trailed.size_hint().exact().unwrap_or(0),
            RequestBody::Signed(chunks) => chunks.size_hint().exact().unwrap_or(0),
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
            RequestBody::Signed(chunks) => Pin::new(chunks.as_mut()).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            RequestBody::Empty => true,
            RequestBody::Bytes(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            RequestBody::Part(part) => part.is_end_stream(),
            RequestBody::Trailed(trailed) => trailed.is_end_stream(),
            RequestBody::Signed(chunks) => chunks.is_end_stream(),
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
            RequestBody::Signed(chunks) => chunks.size_hint(),
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
                // who reads does not ask again after trailers
                if !frame.is_trailers() && !self.body.is_end_stream() {
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
