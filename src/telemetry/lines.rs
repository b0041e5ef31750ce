//! Log lines on their way out: gathered for a moment and written together, because a write of its own for each costs
//! more than the line.
//!
//! A warning or an error takes what waits before it along and is out when the call returns. Nothing is lost at a
//! shutdown: the last holder of the guard writes what waits. A crash loses at most the lines of the last
//! [`GATHER`]; when nobody reads the lines, those who write them wait instead of gathering without bound.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// The time for which lines wait for others.
const GATHER: Duration = Duration::from_millis(10);
/// Bytes that may wait.
const MOST_WAITING: usize = 1 << 20;

/// Takes lines.
#[derive(Clone)]
pub(super) struct Lines {
    shared: Arc<Shared>,
    /// Writes what waits; it sleeps while nothing does.
    writer: Thread,
}

/// Writes what waits when it goes.
#[must_use]
pub struct Flush(Option<Lines>);

struct Shared {
    waiting: Mutex<Vec<u8>>,
    /// Held while lines are written, so that they stay in order.
    out: Mutex<Out>,
}

struct Out {
    sink: Box<dyn Write + Send>,
    lines: Vec<u8>,
}

impl Lines {
    /// Starts the thread that writes to `sink`; it lives as long as the process.
    pub(super) fn start(sink: impl Write + Send + 'static) -> io::Result<Lines> {
        let out = Out { sink: Box::new(sink), lines: Vec::new() };
        let shared = Arc::new(Shared { waiting: Mutex::default(), out: Mutex::new(out) });
        let theirs = Arc::clone(&shared);
        let handle = thread::Builder::new().name("log-lines".to_owned()).spawn(move || {
            loop {
                // woken with the first line; the ones after it come along
                thread::park();
                thread::sleep(GATHER);
                theirs.write_out();
            }
        })?;
        Ok(Lines { shared, writer: handle.thread().clone() })
    }

    /// Writes what waits now and again when the guard goes.
    pub(super) fn guard(&self) -> Flush {
        Flush(Some(self.clone()))
    }
}

impl Flush {
    /// For a process whose lines go elsewhere.
    pub(super) fn nothing() -> Flush {
        Flush(None)
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        if let Some(lines) = &self.0 {
            lines.shared.write_out();
        }
    }
}

impl Shared {
    fn write_out(&self) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let Out { sink, lines } = &mut *out;
        std::mem::swap(lines, &mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        // where lines cannot be written there is nowhere to say so
        sink.write_all(lines).and_then(|()| sink.flush()).ok();
        lines.clear();
    }
}

/// Writes one line.
pub(super) struct Line<'a> {
    lines: &'a Lines,
    urgent: bool,
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let waiting = {
            let mut waiting = self.lines.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let before = waiting.len();
            waiting.extend_from_slice(line);
            before
        };
        if self.urgent || waiting + line.len() > MOST_WAITING {
            self.lines.shared.write_out();
        } else if waiting == 0 {
            self.lines.writer.unpark();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { lines: self, urgent: true }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line<'a> {
        Line { lines: self, urgent: *metadata.level() <= Level::WARN }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex, mpsc};

    use super::{Line, Lines, MOST_WAITING};

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn write(lines: &Lines, urgent: bool, text: &str) {
        Line { lines, urgent }.write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn an_urgent_line_is_out_at_once_behind_those_before_it() {
        let sink = Sink::default();
        let lines = Lines::start(sink.clone()).unwrap();
        write(&lines, false, "first\n");
        write(&lines, true, "second\n");
        assert_eq!(*sink.0.lock().unwrap(), b"first\nsecond\n");
    }

    #[test]
    fn the_guard_leaves_no_line_behind() {
        let sink = Sink::default();
        let lines = Lines::start(sink.clone()).unwrap();
        let guard = lines.guard();
        for _ in 0..1000 {
            write(&lines, false, "line\n");
        }
        drop(guard);
        assert_eq!(sink.0.lock().unwrap().len(), 5000);
    }

    #[test]
    fn a_line_that_nobody_follows_comes_out_by_itself() {
        struct Told(mpsc::Sender<Vec<u8>>);
        impl Write for Told {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.send(bytes.to_vec()).unwrap();
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (told, came) = mpsc::channel();
        let lines = Lines::start(Told(told)).unwrap();
        for text in ["one\n", "two\n"] {
            write(&lines, false, text);
            assert_eq!(came.recv_timeout(std::time::Duration::from_secs(30)).unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn what_waits_has_a_bound_and_keeps_its_order() {
        let sink = Sink::default();
        let lines = Lines::start(sink.clone()).unwrap();
        let long = "x".repeat(1000);
        let mut expected = String::new();
        for number in 0..3000 {
            let line = format!("{number} {long}\n");
            write(&lines, false, &line);
            expected.push_str(&line);
            assert!(lines.shared.waiting.lock().unwrap().len() <= MOST_WAITING);
        }
        drop(lines.guard());
        assert!(*sink.0.lock().unwrap() == expected.as_bytes());
    }
}
