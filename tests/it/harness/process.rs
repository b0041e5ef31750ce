//! Child processes: the product's own binary, started, watched and killed.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use std::{env, process};

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{self, Instant};

const POLL: Duration = Duration::from_millis(10);

/// A running program. Killed when dropped; what it wrote is shown if the test is failing by then.
///
/// Its output is also kept in `$S3_CONNECTOR_TEST_LOGS/<name>-<pid>.log` where that folder is set.
pub(crate) struct Process {
    name: String,
    child: Child,
    lines: watch::Receiver<Vec<String>>,
}

impl Process {
    /// Starts the command (program, arguments, environment) with no input and both outputs captured.
    pub(crate) fn start(name: &str, mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start `{command:?}`: {error}"));
        let log = Arc::new(Mutex::new(log_file(name, child.id())));
        let (lines, receiver) = watch::channel(Vec::new());
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        capture(stdout, lines.clone(), Arc::clone(&log));
        capture(stderr, lines, log);
        Self { name: name.to_owned(), child, lines: receiver }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended.
    pub(crate) fn running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Everything written so far on both outputs.
    pub(crate) fn output(&self) -> String {
        self.lines.borrow().join("\n")
    }

    /// Waits for the first line, past ones included, that contains the text.
    pub(crate) async fn wait_for_line(&self, text: &str, within: Duration) -> String {
        let mut lines = self.lines.clone();
        let found = |lines: &Vec<String>| lines.iter().any(|line| line.contains(text));
        let waited = time::timeout(within, lines.wait_for(found)).await;
        let Ok(waited) = waited else {
            panic!("`{}` did not write `{text}` within {within:?}:\n{}", self.name, self.output());
        };
        let Ok(lines) = waited else {
            panic!("`{}` ended without writing `{text}`:\n{}", self.name, self.output());
        };
        lines.iter().find(|line| line.contains(text)).unwrap().clone()
    }

    /// Waits until a connection to the address is accepted.
    pub(crate) async fn wait_for_port(&mut self, address: SocketAddr, within: Duration) {
        let deadline = Instant::now() + within;
        while TcpStream::connect(address).await.is_err() {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("`{}` ended ({status}) without listening on {address}:\n{}", self.name, self.output());
            }
            assert!(
                Instant::now() < deadline,
                "`{}` does not listen on {address}:\n{}",
                self.name,
                self.output()
            );
            time::sleep(POLL).await;
        }
    }

    /// Waits for the program's own end and the end of its output.
    pub(crate) async fn wait(&mut self, within: Duration) -> ExitStatus {
        let deadline = Instant::now() + within;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                Instant::now() < deadline,
                "`{}` still runs after {within:?}:\n{}",
                self.name,
                self.output()
            );
            time::sleep(POLL).await;
        };
        // The senders are gone once both outputs are closed; a grandchild may keep them open.
        let mut lines = self.lines.clone();
        let _ = time::timeout(Duration::from_secs(2), async { while lines.changed().await.is_ok() {} }).await;
        status
    }

    /// Asks the program to end (SIGTERM) and waits until it has.
    pub(crate) async fn terminate(&mut self, within: Duration) -> ExitStatus {
        self.signal("TERM");
        self.wait(within).await
    }

    /// Sends a signal, named without SIG: `STOP`, `CONT`, `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(status.success(), "`{kill}` failed, is `{}` still there?\n{}", self.name, self.output());
    }

    /// Ends the program with no chance to tidy up (SIGKILL).
    pub(crate) fn kill(&mut self) -> ExitStatus {
        self.child.kill().unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    #[expect(clippy::print_stderr, reason = "the test runner shows it together with the failure")]
    fn drop(&mut self) {
        let _ = (self.child.kill(), self.child.wait());
        if thread::panicking() {
            eprintln!("--- output of `{}` ---\n{}\n---", self.name, self.output());
        }
    }
}

fn log_file(name: &str, id: u32) -> Option<File> {
    let folder = PathBuf::from(env::var_os("S3_CONNECTOR_TEST_LOGS")?);
    fs::create_dir_all(&folder).unwrap();
    let mut file = File::create(folder.join(format!("{name}-{id}.log"))).unwrap();
    let test = thread::current().name().unwrap_or("a test").to_owned();
    writeln!(file, "# `{name}` of {test} in process {}", process::id()).unwrap();
    Some(file)
}

/// Reads one output to its end in a thread of its own, so that the child never blocks on a full pipe.
fn capture(
    output: impl Read + Send + 'static,
    lines: watch::Sender<Vec<String>>,
    log: Arc<Mutex<Option<File>>>,
) {
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n') {
            let Ok(line) = line else { return };
            let line = String::from_utf8_lossy(&line).into_owned();
            if let Some(file) = log.lock().unwrap().as_mut() {
                let _ = writeln!(file, "{line}");
            }
            lines.send_modify(|lines| lines.push(line));
        }
    });
}
