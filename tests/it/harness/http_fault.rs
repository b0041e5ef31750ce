//! An HTTP front that answers in place of a server for a while and remembers what it was asked.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time;
use url::{Url, form_urlencoded};

/// Bodies are remembered up to this many bytes.
const REMEMBERED_BODY: usize = 64 * 1024;

/// Described by one connection to the next and not to be passed on.
const HOP_HEADERS: [HeaderName; 3] = [header::CONNECTION, header::TRANSFER_ENCODING, header::EXPECT];

/// An answer given in place of the server.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
    /// How long the client waits for it.
    pub(crate) delay: Duration,
}

impl Answer {
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<String>) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap(),
            headers: vec![("content-type", content_type.to_owned())],
            body: body.into(),
            delay: Duration::ZERO,
        }
    }

    /// The error of a service that speaks JSON (Secrets Manager), such as `ThrottlingException`.
    pub(crate) fn json_error(status: u16, kind: &str) -> Self {
        let body = serde_json::json!({ "__type": kind, "message": format!("{kind} made by the test") });
        let mut answer = Self::new(status, "application/x-amz-json-1.1", body.to_string());
        answer.headers.push(("x-amzn-errortype", kind.to_owned()));
        answer
    }

    /// The error of S3, such as `SlowDown`.
    pub(crate) fn s3_error(status: u16, code: &str) -> Self {
        let fields =
            format!("<Code>{code}</Code><Message>{code} made by the test</Message><RequestId>1</RequestId>");
        Self::new(status, "application/xml", format!("<?xml version=\"1.0\"?><Error>{fields}</Error>"))
    }

    /// The error of a service that speaks the query protocol (STS, IAM).
    pub(crate) fn query_error(status: u16, code: &str) -> Self {
        let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>{code}</Message></Error>");
        Self::new(
            status,
            "text/xml",
            format!("<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>"),
        )
    }

    /// Secrets Manager throttles with HTTP 400.
    pub(crate) fn throttling() -> Self {
        Self::json_error(400, "ThrottlingException")
    }

    pub(crate) fn slow_down() -> Self {
        Self::s3_error(503, "SlowDown")
    }

    pub(crate) fn internal_error() -> Self {
        Self::new(500, "text/plain", "internal error made by the test")
    }

    pub(crate) fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) method: Method,
    /// With the query.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    /// Its first 64 KiB.
    pub(crate) body: Bytes,
    /// `GetSecretValue`, `AssumeRole`, …: from `X-Amz-Target` or the parameter `Action`. None for S3.
    pub(crate) action: Option<String>,
}

/// Listens on a free loopback port until dropped. Passes on what it has no answer for.
pub(crate) struct HttpFault {
    address: SocketAddr,
    state: Arc<State>,
    listener: JoinHandle<()>,
}

impl HttpFault {
    /// Starts before a server, given as `http://host:port`.
    ///
    /// Requests keep their Host header, so signatures stay valid. Bodies are held in memory. The path is parsed as a
    /// URL on its way, which resolves `..` in it.
    pub(crate) async fn start(upstream: &str) -> Self {
        Self::listen(Some(Url::parse(upstream).unwrap())).await
    }

    /// Starts with no server behind it: a request without an answer gets 404.
    pub(crate) async fn alone() -> Self {
        Self::listen(None).await
    }

    async fn listen(upstream: Option<Url>) -> Self {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let state = Arc::new(State {
            upstream,
            client: client.build().unwrap(),
            rules: Mutex::default(),
            altered: Mutex::default(),
            changed_byte: AtomicUsize::new(usize::MAX),
            requests: Mutex::default(),
            open: AtomicUsize::new(0),
            most_open: AtomicUsize::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let listener = tokio::spawn(accept(listener, Arc::clone(&state)));
        Self { address, state, listener }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Gives this answer to the next `times` requests. Rules are asked in the order they were added.
    pub(crate) fn answer(&self, times: usize, answer: Answer) {
        self.add(What::All, times, answer);
    }

    /// Gives this answer to the next `times` requests with this action (`GetSecretValue`), or method and start of the
    /// path (`PUT /bucket/`).
    pub(crate) fn answer_to(&self, what: &str, times: usize, answer: Answer) {
        self.add(What::Of(what.to_owned()), times, answer);
    }

    fn add(&self, what: What, times: usize, answer: Answer) {
        self.state.rules.lock().unwrap().push(Rule { what, left: times, answer });
    }

    /// Gives this answer to every request for which this holds.
    pub(crate) fn answer_when(&self, fits: impl Fn(&Recorded) -> bool + Send + 'static, answer: Answer) {
        self.state.rules.lock().unwrap().push(Rule {
            what: What::When(Box::new(fits)),
            left: usize::MAX,
            answer,
        });
    }

    /// Passes on this header with another value, as proxies do that think they know better.
    pub(crate) fn alter(&self, name: &'static str, value: &'static str) {
        self.state.altered.lock().unwrap().insert(name, value.parse().unwrap());
    }

    /// Passes on bodies that are long enough with another byte there.
    pub(crate) fn change_byte(&self, at: usize) {
        self.state.changed_byte.store(at, Ordering::SeqCst);
    }

    /// Forgets all answers, so that everything is passed on.
    pub(crate) fn pass(&self) {
        self.state.rules.lock().unwrap().clear();
    }

    /// Everything that came in so far, oldest first.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.state.requests.lock().unwrap().clone()
    }

    /// How many requests were under way at once at the most.
    pub(crate) fn most_at_once(&self) -> usize {
        self.state.most_open.load(Ordering::SeqCst)
    }

    /// How many requests with this action, or method and start of the path, came in so far.
    pub(crate) fn count(&self, what: &str) -> usize {
        self.state.requests.lock().unwrap().iter().filter(|request| request.is(what)).count()
    }
}

impl Drop for HttpFault {
    fn drop(&mut self) {
        self.listener.abort(); // the connections go with it
    }
}

impl Recorded {
    fn is(&self, what: &str) -> bool {
        self.action.as_deref() == Some(what) || format!("{} {}", self.method, self.path).starts_with(what)
    }
}

struct State {
    upstream: Option<Url>,
    client: reqwest::Client,
    rules: Mutex<Vec<Rule>>,
    altered: Mutex<HeaderMap>,
    changed_byte: AtomicUsize,
    requests: Mutex<Vec<Recorded>>,
    open: AtomicUsize,
    most_open: AtomicUsize,
}

/// Which requests a rule is for.
enum What {
    All,
    Of(String),
    When(Box<dyn Fn(&Recorded) -> bool + Send>),
}

struct Rule {
    what: What,
    left: usize,
    answer: Answer,
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut open = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let _ = stream.set_nodelay(true);
        let state = Arc::clone(&state);
        open.spawn(async move {
            let service = service::service_fn(|request| counted(&state, request));
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
        while open.try_join_next().is_some() {}
    }
}

async fn counted(
    state: &State,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
    let open = state.open.fetch_add(1, Ordering::SeqCst) + 1;
    state.most_open.fetch_max(open, Ordering::SeqCst);
    let answered = handle(state, request).await;
    state.open.fetch_sub(1, Ordering::SeqCst);
    answered
}

/// An error closes the connection without an answer, as it is when the server behind does not answer.
async fn handle(
    state: &State,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let recorded = Recorded {
        action: action(&head.headers, &path, &body),
        method: head.method,
        path,
        headers: head.headers,
        body: body.slice(..body.len().min(REMEMBERED_BODY)),
    };
    let answer = state.next_answer(&recorded);
    state.requests.lock().unwrap().push(recorded.clone());
    if let Some(answer) = answer {
        time::sleep(answer.delay).await;
        let mut response = Response::builder().status(answer.status);
        for (name, value) in answer.headers {
            response = response.header(name, value);
        }
        return Ok(response.body(Full::from(answer.body))?);
    }
    state.pass_on(recorded, body).await
}

impl State {
    fn next_answer(&self, request: &Recorded) -> Option<Answer> {
        let mut rules = self.rules.lock().unwrap();
        let fits = |rule: &&mut Rule| {
            rule.left > 0
                && match &rule.what {
                    What::All => true,
                    What::Of(what) => request.is(what),
                    What::When(fits) => fits(request),
                }
        };
        let rule = rules.iter_mut().find(fits)?;
        rule.left -= 1;
        Some(rule.answer.clone())
    }

    async fn pass_on(
        &self,
        request: Recorded,
        mut body: Bytes,
    ) -> Result<Response<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
        let Some(upstream) = &self.upstream else {
            return Ok(Response::builder().status(StatusCode::NOT_FOUND).body(Full::default())?);
        };
        let mut headers = request.headers;
        remove_hop_headers(&mut headers);
        for (name, value) in self.altered.lock().unwrap().iter() {
            if headers.contains_key(name) {
                headers.insert(name, value.clone());
            }
        }
        let changed = self.changed_byte.load(Ordering::SeqCst);
        if changed < body.len() {
            let mut bytes = body.to_vec();
            bytes[changed] ^= 1;
            body = bytes.into();
        }
        let url = format!("{}{}", upstream.as_str().trim_end_matches('/'), request.path);
        let mut answer =
            self.client.request(request.method.clone(), url).headers(headers).body(body).send().await?;
        let mut response = Response::builder().status(answer.status());
        let mut headers = std::mem::take(answer.headers_mut());
        remove_hop_headers(&mut headers);
        response.headers_mut().ok_or("no headers")?.extend(headers);
        Ok(response.body(Full::from(answer.bytes().await?))?)
    }
}

fn remove_hop_headers(headers: &mut HeaderMap) {
    for name in &HOP_HEADERS {
        headers.remove(name);
    }
}

fn action(headers: &HeaderMap, path: &str, body: &[u8]) -> Option<String> {
    if let Some(target) = headers.get("x-amz-target") {
        return target.to_str().ok()?.rsplit('.').next().map(ToOwned::to_owned);
    }
    let query = path.split_once('?').map_or("", |(_, query)| query).as_bytes();
    let is_form = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    let form = if is_form { body } else { b"" };
    form_urlencoded::parse(query)
        .chain(form_urlencoded::parse(form))
        .find(|(name, _)| name == "Action")
        .map(|(_, value)| value.into_owned())
}
