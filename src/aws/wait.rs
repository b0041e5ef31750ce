//! How long a body may stand still.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// The time that a body may let its reader wait. It starts anew with every wait: how long the reader takes between
/// two reads, because the other side is slow, is not the body's fault.
#[derive(Debug)]
pub struct Wait {
    idle: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl Wait {
    /// Does not wait yet.
    pub fn new(idle: Duration) -> Wait {
        Wait { idle, timer: None, waiting: false }
    }

    /// Ready when the time is over.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let idle = self.idle;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
        if !self.waiting {
            timer.as_mut().reset(Instant::now() + idle);
            self.waiting = true;
        }
        timer.as_mut().poll(context)
    }

    /// Something came.
    pub fn over(&mut self) {
        self.waiting = false;
    }

    /// The time in milliseconds.
    pub fn idle_ms(&self) -> u64 {
        u64::try_from(self.idle.as_millis()).unwrap_or(u64::MAX)
    }
}
