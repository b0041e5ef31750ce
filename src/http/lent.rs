//! Bytes on their way to a reader. How many wait for him is bounded here: the buffers of the server are as large as uploads
//! want them, which would be much for many slow readers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::task::AtomicWaker;

/// Bytes that may wait before more are taken.
const MOST: usize = 256 * 1024;
/// Smaller pieces are not counted: the server takes only few of them at once.
const SMALL: usize = 16 * 1024;

/// What one answer has lent to the server.
#[derive(Debug, Default)]
pub(super) struct Lent(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    bytes: AtomicUsize,
    waker: AtomicWaker,
}

/// A piece that tells when it was sent.
struct Piece {
    bytes: Bytes,
    shared: Arc<Shared>,
}

impl Lent {
    /// Ready when more may be lent.
    pub(super) fn poll_room(&self, context: &Context<'_>) -> Poll<()> {
        let is_full = || self.0.bytes.load(Ordering::Acquire) >= MOST;
        if is_full() {
            self.0.waker.register(context.waker());
            // a piece may have come back in between
            if is_full() {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }

    /// The same bytes, counted until they are dropped.
    pub(super) fn lend(&self, bytes: Bytes) -> Bytes {
        if bytes.len() < SMALL {
            return bytes;
        }
        self.0.bytes.fetch_add(bytes.len(), Ordering::AcqRel);
        Bytes::from_owner(Piece { bytes, shared: Arc::clone(&self.0) })
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.shared.bytes.fetch_sub(self.bytes.len(), Ordering::AcqRel);
        self.shared.waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use bytes::Bytes;

    use super::{Lent, MOST, SMALL};

    #[tokio::test]
    async fn room_comes_back_with_what_was_sent() {
        let lent = Lent::default();
        let small = lent.lend(vec![1; SMALL - 1].into());
        let one = lent.lend(vec![2; MOST].into());
        assert_eq!((small.len(), one.len(), one.last()), (SMALL - 1, MOST, Some(&2)));
        let mut waits = std::pin::pin!(std::future::poll_fn(|context| lent.poll_room(context)));
        assert!(futures_util::poll!(waits.as_mut()).is_pending());
        let part = one.slice(1..);
        drop(one);
        assert!(futures_util::poll!(waits.as_mut()).is_pending(), "a part of it is still there");
        let (sent, ()) = tokio::join!(async { drop(part) }, waits);
        assert_eq!(sent, ());
        let nothing = futures_util::poll!(std::future::poll_fn(|context| lent.poll_room(context)));
        assert_eq!((nothing, lent.lend(Bytes::new())), (Poll::Ready(()), Bytes::new()));
    }
}
