//! Headless Chromium, driven over `WebDriver` (W3C). It resolves every name below `.test` to one server.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::process::Process;

/// Chromium takes seconds to start on a machine that does other things, too.
const START: Duration = Duration::from_secs(30);

/// A browser with a profile of its own. It ends with this value, also when the test fails.
pub(crate) struct Browser {
    driver: Process,
    http: reqwest::Client,
    session: String,
    /// The browser's process: a driver that is killed leaves it behind.
    process: Option<u64>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts the driver and a browser for which every name and port below `.test` is that address.
    pub(crate) async fn start(server: SocketAddr) -> Browser {
        let profile = tempfile::tempdir().unwrap();
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").env("HOME", profile.path());
        let driver = Process::start("chromedriver", command);
        let line = driver.wait_for_line("started successfully on port ", START).await;
        let port = line.trim_end_matches('.').rsplit(' ').next().unwrap().to_owned();
        let http = reqwest::Client::builder().no_proxy().timeout(START).build().unwrap();
        let sessions = format!("http://127.0.0.1:{port}/session");
        let folder = profile.path().join("profile");
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--no-proxy-server",
            "--disable-features=HttpsUpgrades,HttpsFirstBalancedModeAutoEnable",
        ];
        let mut arguments: Vec<String> = arguments.map(str::to_owned).to_vec();
        arguments.push(format!("--user-data-dir={}", folder.display()));
        arguments.push(format!("--host-resolver-rules=MAP *.test {server}"));
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "timeouts": {"script": 40_000, "pageLoad": 30_000},
            "goog:chromeOptions": {"binary": "/usr/bin/chromium", "args": arguments},
        }}});
        let begun = value(http.post(&sessions).json(&wanted)).await;
        let session = format!("{sessions}/{}", begun["sessionId"].as_str().unwrap());
        let process = begun["capabilities"]["goog:processID"].as_u64();
        assert!(process.is_some(), "the driver does not name the browser's process: {begun:#}");
        Browser { driver, http, session, process, _profile: profile }
    }

    /// Opens a page and waits until it is there.
    pub(crate) async fn open(&self, url: &str) {
        value(self.http.post(format!("{}/url", self.session)).json(&json!({"url": url}))).await;
    }

    /// Runs a script in the page; the last of its arguments is what it calls with its answer.
    pub(crate) async fn run(&self, script: &str, arguments: &[Value]) -> Value {
        let body = json!({"script": script, "args": arguments});
        let url = format!("{}/execute/async", self.session);
        value(self.http.post(url).timeout(2 * START).json(&body)).await
    }

    /// Ends the browser and its driver.
    pub(crate) async fn end(mut self) {
        value(self.http.delete(&self.session)).await;
        self.process = None;
        self.driver.terminate(START).await;
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(process) = self.process {
            drop(Command::new("sh").args(["-c", &format!("kill -KILL {process}")]).status());
        }
    }
}

/// The `value` of an answer that is no error.
async fn value(request: reqwest::RequestBuilder) -> Value {
    let response = request.send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    assert!(status.is_success(), "{status}: {text}");
    serde_json::from_str::<Value>(&text).unwrap()["value"].clone()
}
