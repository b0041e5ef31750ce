//! The REST client: where the server is, who calls it, and how its answers and refusals are read.

use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use futures_util::TryStreamExt;
use reqwest::header::{ACCEPT, AUTHORIZATION, ETAG, HeaderValue, IF_MATCH};
use reqwest::{Method, RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::io::{AsyncBufRead, AsyncBufReadExt};
use tokio::time::timeout;
use tokio_util::io::StreamReader;
use url::Url;

use crate::app::{DEFAULT_ENVIRONMENT, DEFAULT_PROJECT};
use crate::cli::exit::usage;
use crate::cli::problem::Problem;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A resource may wait up to ten minutes for its store; the server gets a minute more than that.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_mins(11);
/// A body that brings nothing for this long is given up.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_mins(2);
/// Rows of a page that every list gives; more rows come with more pages.
const MOST_ROWS: usize = 100;
/// Bytes of a problem document; more is not read.
const MOST_PROBLEM: usize = 1 << 20;

/// Which server, as whom, and about what.
#[derive(Debug, Args)]
pub(crate) struct Connection {
    /// URL of the server
    #[arg(
        long,
        global = true,
        env = "S3_CONNECTOR_SERVER",
        value_name = "URL",
        default_value = "http://127.0.0.1:8080",
        help_heading = "Connection"
    )]
    server: String,
    /// API token; better in the environment or in a file, since arguments show up in process lists
    #[arg(
        long,
        global = true,
        env = "S3_CONNECTOR_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true,
        help_heading = "Connection"
    )]
    token: Option<SecretString>,
    /// File that holds the API token; goes before --token
    #[arg(
        long,
        global = true,
        env = "S3_CONNECTOR_TOKEN_FILE",
        value_name = "FILE",
        help_heading = "Connection"
    )]
    token_file: Option<PathBuf>,
    /// Project, for tokens that see several
    #[arg(
        long,
        global = true,
        env = "S3_CONNECTOR_PROJECT",
        value_name = "NAME",
        help_heading = "Connection"
    )]
    project: Option<String>,
    /// Environment whose settings and secrets are used [default: production]
    #[arg(
        long,
        global = true,
        env = "S3_CONNECTOR_ENVIRONMENT",
        value_name = "NAME",
        help_heading = "Connection"
    )]
    environment: Option<String>,
}

/// A client of one server.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    server: Url,
    token: Option<SecretString>,
    project: Option<String>,
    environment: Option<String>,
}

/// One call that answers in JSON.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    method: Method,
    path: &'a [&'a str],
    query: Vec<(&'a str, String)>,
    body: Option<Value>,
    if_match: Option<String>,
}

/// What the server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// `null` when there was no body.
    pub(crate) body: Value,
    pub(crate) etag: Option<String>,
}

/// The lines of a streamed answer.
pub(crate) struct Lines(tokio::io::Lines<Pin<Box<dyn AsyncBufRead + Send>>>);

impl<'a> Call<'a> {
    pub(crate) fn new(method: Method, path: &'a [&'a str]) -> Self {
        Self { method, path, query: Vec::new(), body: None, if_match: None }
    }

    pub(crate) fn get(path: &'a [&'a str]) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn post(path: &'a [&'a str], body: Value) -> Self {
        Self::new(Method::POST, path).body(body)
    }

    pub(crate) fn put(path: &'a [&'a str], body: Value) -> Self {
        Self::new(Method::PUT, path).body(body)
    }

    pub(crate) fn delete(path: &'a [&'a str]) -> Self {
        Self::new(Method::DELETE, path)
    }

    pub(crate) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// Adds a parameter, when there is a value.
    pub(crate) fn query(mut self, name: &'a str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }

    pub(crate) fn dry_run(self, dry_run: bool) -> Self {
        self.query("dry_run", dry_run.then_some(true))
    }

    pub(crate) fn if_match(mut self, etag: impl Into<String>) -> Self {
        self.if_match = Some(etag.into());
        self
    }
}

impl Connection {
    /// The client; nothing is sent yet.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        let wrong = || {
            usage(format!(
                "`{}` is not the URL of a server: write it like `http://127.0.0.1:8080`",
                self.server
            ))
        };
        let server = Url::parse(&self.server).map_err(|_| wrong())?;
        if !matches!(server.scheme(), "http" | "https") || server.host().is_none() {
            return Err(wrong());
        }
        // a redirect would carry the token, and a proxy of the environment would see it
        let http = reqwest::Client::builder()
            .user_agent(concat!("s3-connector/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .context("cannot set up the HTTP client")?;
        Ok(Client {
            http,
            server,
            token: self.token()?,
            project: self.project.clone(),
            environment: self.environment.clone(),
        })
    }

    fn token(&self) -> anyhow::Result<Option<SecretString>> {
        let Some(file) = &self.token_file else { return Ok(self.token.clone()) };
        let text = std::fs::read_to_string(file)
            .map_err(|error| usage(format!("cannot read the token file `{}`: {error}", file.display())))?;
        Ok(Some(SecretString::from(text.trim())))
    }
}

impl Client {
    /// The environment that is meant.
    pub(crate) fn environment(&self) -> &str {
        self.environment.as_deref().unwrap_or(DEFAULT_ENVIRONMENT)
    }

    /// The project that is meant.
    pub(crate) fn project(&self) -> &str {
        self.project.as_deref().unwrap_or(DEFAULT_PROJECT)
    }

    /// Sends a call and reads the JSON of its answer.
    pub(crate) async fn send(&self, call: Call<'_>) -> anyhow::Result<Answer> {
        let mut request = self.request(call.method, call.path, &call.query)?;
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        if let Some(etag) = &call.if_match {
            request = request.header(IF_MATCH, etag);
        }
        let response = self.answer(request.timeout(ANSWER_TIMEOUT)).await?;
        let etag = header(&response, ETAG.as_str());
        let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).with_context(|| {
                format!("the answer of `{}` is not JSON: does --server name an s3-connector?", self.server)
            })?
        };
        Ok(Answer { body, etag })
    }

    /// Reads pages until there are no more, or until there are `limit` rows; `name` is the member with the rows.
    pub(crate) async fn pages(
        &self,
        path: &[&str],
        query: &[(&str, Option<String>)],
        name: &str,
        limit: Option<usize>,
    ) -> anyhow::Result<Value> {
        let mut rows: Vec<Value> = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let left = limit.map(|limit| (limit - rows.len()).min(MOST_ROWS));
            let mut call = Call::get(path).query("cursor", cursor.take()).query("limit", left);
            for (parameter, value) in query {
                call = call.query(parameter, value.as_deref());
            }
            let mut page = self.send(call).await?.body;
            let found = page.get_mut(name).map(Value::take);
            if let Some(Value::Array(found)) = found {
                rows.extend(found);
            }
            cursor = page.get("cursor").and_then(Value::as_str).map(str::to_owned);
            let full = limit.is_some_and(|limit| rows.len() >= limit);
            if full || cursor.is_none() {
                rows.truncate(limit.unwrap_or(usize::MAX));
                return Ok(json!({name: rows, "cursor": cursor}));
            }
        }
    }

    /// Sends a call and hands out its answer line by line (NDJSON).
    pub(crate) async fn lines(&self, call: Call<'_>) -> anyhow::Result<Lines> {
        let mut request =
            self.request(call.method, call.path, &call.query)?.header(ACCEPT, "application/x-ndjson");
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        let stream = self.first_byte(request).await?.bytes_stream().map_err(std::io::Error::other);
        let reader: Pin<Box<dyn AsyncBufRead + Send>> = Box::pin(StreamReader::new(stream));
        Ok(Lines(reader.lines()))
    }

    /// Sends a request whose answer streams: only its head is waited for here.
    pub(crate) async fn first_byte(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        timeout(ANSWER_TIMEOUT, self.answer(request)).await.map_err(|_| self.silent())?
    }

    /// Sends a request; an answer that is no success becomes a [`Problem`].
    pub(crate) async fn answer(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(read_problem(response).await.into())
    }

    /// A request with the token, the project and the environment.
    pub(crate) fn request(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
    ) -> anyhow::Result<RequestBuilder> {
        let scope = [("project", &self.project), ("environment", &self.environment)];
        let scope = scope.into_iter().filter_map(|(name, value)| value.clone().map(|value| (name, value)));
        let query: Vec<(&str, String)> = query.iter().cloned().chain(scope).collect();
        let request = self.http.request(method, self.url(path)?).header(AUTHORIZATION, self.authorization()?);
        Ok(if query.is_empty() { request } else { request.query(&query) })
    }

    /// `path` below `/v1`, each part encoded.
    fn url(&self, path: &[&str]) -> anyhow::Result<Url> {
        if let Some(part) = path.iter().find(|part| matches!(**part, "" | "." | "..")) {
            return Err(usage(format!("`{part}` is not a name")));
        }
        let mut url = self.server.clone();
        url.set_query(None);
        url.path_segments_mut()
            .map_err(|()| anyhow!("the server's URL cannot have a path"))?
            .pop_if_empty()
            .push("v1")
            .extend(path);
        Ok(url)
    }

    fn authorization(&self) -> anyhow::Result<HeaderValue> {
        let token = self.token.as_ref().map(ExposeSecret::expose_secret).filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| {
            usage("no API token: set S3_CONNECTOR_TOKEN or give --token-file; an admin makes one with `s3-connector token create`")
        })?;
        let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| usage("the API token holds characters that no token has"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// Words for a request without an answer.
    pub(crate) fn unreachable(&self, error: &reqwest::Error) -> anyhow::Error {
        let cause = root_cause(error);
        if error.is_connect() {
            return anyhow!(
                "cannot reach the server at `{}`: {cause}; {}",
                self.server,
                self.way_out(&cause)
            );
        }
        if error.is_timeout() {
            return self.silent();
        }
        anyhow!("the server at `{}` did not answer properly: {cause}", self.server)
    }

    /// What to do about a server that cannot be reached.
    fn way_out(&self, cause: &str) -> &'static str {
        // what rustls makes of an answer that is no TLS, and no other error of it
        if self.server.scheme() == "https" && cause.contains("InvalidContentType") {
            return "is the server plain http? then write `http://` in --server";
        }
        "start one with `s3-connector serve`, or name another with --server"
    }

    /// Words for a server that says nothing.
    pub(crate) fn silent(&self) -> anyhow::Error {
        anyhow!("the server at `{}` said nothing for too long: look at its logs, then try again", self.server)
    }
}

impl Lines {
    /// The next line that holds something; `None` at the end.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Value>> {
        loop {
            let line = timeout(IDLE_TIMEOUT, self.0.next_line())
                .await
                .context("the server stopped in the middle of its answer")?;
            match line.context("the answer broke off")? {
                None => return Ok(None),
                Some(line) if line.trim().is_empty() => {}
                Some(line) => {
                    return Ok(Some(
                        serde_json::from_str(&line).context("a line of the answer is not JSON")?,
                    ));
                }
            }
        }
    }
}

/// A header of an answer, as text.
pub(crate) fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

async fn read_problem(mut response: Response) -> Problem {
    let status = response.status().as_u16();
    let request_id = header(&response, "x-request-id");
    let mut body = Vec::new();
    // a refusal is told even when its explanation is cut off
    while let Ok(Ok(Some(chunk))) = timeout(IDLE_TIMEOUT, response.chunk()).await {
        body.extend_from_slice(&chunk);
        if body.len() > MOST_PROBLEM {
            break;
        }
    }
    Problem::read(status, &body, request_id.as_deref())
}

/// The innermost cause, which says what happened; the outer ones say which library noticed.
pub(crate) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::{Client, Connection};

    fn client(server: &str) -> anyhow::Result<Client> {
        let token = Some("s3c_test".into());
        Connection { server: server.to_owned(), token, token_file: None, project: None, environment: None }
            .client()
    }

    #[test]
    fn names_cannot_leave_their_place_in_the_url() {
        let client = client("https://example.com/tools/").unwrap();
        let url = client.url(&["sources", "vault", "secrets", "payments/s3 ü?#"]).unwrap();
        assert_eq!(
            url.as_str(),
            "https://example.com/tools/v1/sources/vault/secrets/payments%2Fs3%20%C3%BC%3F%23"
        );
        assert!(client.url(&["resources", ".."]).is_err());
        assert!(client.url(&["resources", ""]).is_err());
    }

    #[test]
    fn only_urls_of_servers_are_taken() {
        assert!(client("127.0.0.1:8080").is_err());
        assert!(client("ftp://example.com").is_err());
        assert!(client("http://[::1]:8080").is_ok());
    }

    #[test]
    fn a_client_never_shows_its_token() {
        assert!(!format!("{:?}", client("http://127.0.0.1:1").unwrap()).contains("s3c_test"));
    }
}
