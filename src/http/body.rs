//! Bodies at our edge: idle limits in both directions, size limits, and the query's place held to the end.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;

use crate::app;
use crate::app::Permit;
use crate::aws::wait::Wait;
use crate::http::lent::Lent;
use crate::model::object::BodyError;

/// A request's body for the use cases: it ends with an error when it stalls, ends early or grows too large.
pub fn bounded(body: Body, idle: Duration, most: Option<u64>) -> app::Body {
    Upload { body, wait: Wait::new(idle), taken: 0, most: most.unwrap_or(u64::MAX) }.boxed_unsync()
}

struct Upload {
    body: Body,
    wait: Wait,
    taken: u64,
    most: u64,
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                this.wait.over();
                this.taken += frame.data_ref().map_or(0, |data| data.len() as u64);
                if this.taken > this.most {
                    return Poll::Ready(Some(Err(BodyError::TooLarge(this.most))));
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(BodyError::EndedEarly(error.to_string())))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                this.wait.poll(context).map(|()| Some(Err(BodyError::Stalled(this.wait.idle_ms()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A response's body: the store may not stall for longer than `idle`, what waits for a slow reader is bounded, and the
/// query's place is given back with the last byte.
pub struct Held<B> {
    body: B,
    wait: Wait,
    lent: Lent,
    _permit: Permit,
}

impl<B> Held<B> {
    /// Holds the place until the body is dropped.
    pub fn new(body: B, idle: Duration, permit: Permit) -> Held<B> {
        Held { body, wait: Wait::new(idle), lent: Lent::default(), _permit: permit }
    }
}

impl<B> HttpBody for Held<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        ready!(this.lent.poll_room(context));
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(next) => {
                this.wait.over();
                let lent = &this.lent;
                Poll::Ready(next.map(|frame| match frame {
                    Ok(frame) => Ok(frame.map_data(|bytes| lent.lend(bytes))),
                    Err(error) => Err(error.into()),
                }))
            }
            Poll::Pending => this
                .wait
                .poll(context)
                .map(|()| Some(Err("the store stalled in the middle of the body".into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
