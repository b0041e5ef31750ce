//! Copies between resources that do not share a store and its credentials: read from one, written to the other.
//!
//! What the target has not taken is not read from the source. The length is checked at both ends.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;

use crate::app::objects::copy::{Copied, Piece, check_gets, gets_of, headers_of, read_of};
use crate::app::objects::route::Route;
use crate::app::objects::{full_key, require};
use crate::app::{App, Error};
use crate::aws::body::DownloadBody;
use crate::aws::s3::{Download, Uploaded};
use crate::aws::source::Source;
use crate::aws::upload::{Leftovers, broken};
use crate::aws::wait::Wait;
use crate::aws::{AwsError, ErrorKind};
use crate::model::bulk::{CopyOptions, CopyWay};
use crate::model::object::{BodyError, PutOptions};
use crate::model::provider::Feature;

/// An object up to this size is gathered, so that it can be sent again when the target's key was rotated.
const GATHERED: u64 = 1 << 20;

impl App {
    /// Copies one object. What the store asks to repeat later is repeated, the tags by themselves: what was written is not
    /// written again for them.
    pub(super) async fn relay(
        self: &Arc<Self>,
        route: &Route,
        piece: &Piece<'_>,
        options: &CopyOptions,
    ) -> Result<Copied, Error> {
        let gets = gets_of(options);
        let tags = match gets.tags {
            Some(tags) => Some(tags).filter(|tags| !tags.is_empty()),
            None => self.tags_of(route, piece).await?,
        };
        if tags.is_some() {
            require(&route.to, Feature::ObjectTags)?;
        }
        let headers = gets.headers.as_ref();
        let uploaded = self.patiently(|| self.relay_bytes(route, piece, options, headers)).await?;
        if let Some(tags) = tags {
            self.give_tags(route, piece, &tags).await?;
        }
        Ok(Copied { uploaded, way: CopyWay::Streamed })
    }

    /// `headers` are the new ones; none keeps those of the source.
    async fn relay_bytes(
        self: &Arc<Self>,
        route: &Route,
        piece: &Piece<'_>,
        options: &CopyOptions,
        headers: Option<&PutOptions>,
    ) -> Result<Uploaded, Error> {
        let download = self.read_source(route, piece).await?;
        let mut headers = match headers {
            Some(headers) => headers.clone(),
            None => headers_of(&download.metadata)?,
        };
        headers.if_none_match.clone_from(&options.if_none_match);
        headers.extras.acl = options.acl;
        headers.extras.storage_class.clone_from(&options.storage_class);
        let broken = Arc::new(AtomicBool::new(false));
        let wait = Wait::new(self.body_idle());
        let body = Relayed { body: download.body, wait, broken: Arc::clone(&broken) };
        let source = Source::new(body.boxed_unsync());
        let sent = self.send(route, piece, options, &headers, &source).await;
        sent.map_err(|error| {
            if broken.load(Ordering::Relaxed) {
                route.of_source(reset(error))
            } else {
                route.of_target(error)
            }
        })
    }

    /// The time for which a body may stand still.
    pub(super) fn body_idle(&self) -> Duration {
        Duration::from_millis(self.config.server.body_idle_timeout_ms)
    }

    pub(super) async fn read_source(
        self: &Arc<Self>,
        route: &Route,
        piece: &Piece<'_>,
    ) -> Result<Download, Error> {
        let most = route.source.record.definition.limits.max_read_bytes;
        if let Some(most) = most.filter(|most| piece.size > *most) {
            return Err(Error::TooLarge(format!(
                "the object has {} bytes and the resource `{}` allows reads of {most}",
                piece.size,
                route.source.name()
            )));
        }
        let read = read_of(piece);
        let opened = self.with_connection(&route.source, &route.environment, |connection| {
            let read = &read;
            async move { connection.s3.get(&full_key(&connection.prefix, piece.from)?, read).await }
        });
        let download = opened.await.map_err(|error| route.of_source(error))?.0;
        match download.content_length {
            Some(length) if length == piece.size => Ok(download),
            Some(length) => Err(changed(&format!("the source has {length} bytes and had {}", piece.size))),
            // a body that is decompressed on the way has no length, and another one than was listed
            None => {
                Err(AwsError::new(ErrorKind::Unsupported, "s3", "NotSupportedByProvider", UNKNOWN_SIZE)
                    .into())
            }
        }
    }

    async fn send(
        self: &Arc<Self>,
        route: &Route,
        piece: &Piece<'_>,
        options: &CopyOptions,
        headers: &PutOptions,
        source: &Source,
    ) -> Result<Uploaded, Error> {
        let small = if piece.size <= GATHERED { Some(gather(source, piece.size).await?) } else { None };
        let leftovers = Leftovers::default();
        let outcome = self
            .with_connection(&route.target, &route.environment, |connection| {
                let (small, leftovers) = (small.clone(), &leftovers);
                async move {
                    check_gets(&connection, options)?;
                    let to = full_key(&connection.prefix, piece.to)?;
                    if let Some(bytes) = small {
                        return connection.s3.put_bytes(&to, headers, bytes).await;
                    }
                    if !source.rewind() {
                        let text = "the target's credentials were replaced during the copy: send it again";
                        return Err(AwsError::new(ErrorKind::Throttled, "s3", "OperationAborted", text));
                    }
                    connection.s3.put_stream(&to, headers, source, Some(piece.size), leftovers).await
                }
            })
            .await;
        self.abort_leftovers(&route.target, &route.environment, &leftovers).await;
        Ok(outcome?.0)
    }
}

async fn gather(source: &Source, size: u64) -> Result<Bytes, Error> {
    let most = usize::try_from(size).unwrap_or(usize::MAX);
    let bytes = source.collect(most).await.map_err(|error| broken(&error))?;
    if bytes.len() == most {
        return Ok(bytes);
    }
    Err(changed(&format!("the source ended after {} of {size} bytes", bytes.len())))
}

/// Nothing that was copied without a size could be compared with its source.
pub(super) const UNKNOWN_SIZE: &str = "the store does not say how many bytes the source has, so that a copy could not be checked: read and write it by yourself";

fn changed(what: &str) -> Error {
    let text = format!("{what}: copy it again");
    AwsError::new(ErrorKind::Conflict, "s3", "OperationAborted", text).into()
}

/// The sender of these bytes is a store: that it stalled or broke off is not the caller's fault.
fn reset(error: Error) -> Error {
    match error {
        Error::Upstream(mut upstream) if upstream.kind == ErrorKind::BrokenBody => {
            upstream.kind = ErrorKind::Unreachable;
            "ConnectionReset".clone_into(&mut upstream.code);
            Error::Upstream(upstream)
        }
        error => error,
    }
}

/// What a store sends, as what a caller sends.
struct Relayed {
    body: DownloadBody,
    wait: Wait,
    /// Set when it did not come to its end.
    broken: Arc<AtomicBool>,
}

impl Relayed {
    fn end(&self, why: String) -> BodyError {
        self.broken.store(true, Ordering::Relaxed);
        BodyError::EndedEarly(why)
    }
}

impl Body for Relayed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(next) => {
                this.wait.over();
                Poll::Ready(
                    next.map(|frame| {
                        frame.map_err(|error| this.end(format!("the source broke off: {error}")))
                    }),
                )
            }
            Poll::Pending => this.wait.poll(context).map(|()| {
                let text = format!("the source stalled: nothing came for {} ms", this.wait.idle_ms());
                Some(Err(this.end(text)))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
