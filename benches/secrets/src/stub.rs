//! A stub of Secrets Manager: any name is a secret, calls are counted, and faults are set by hand.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

const ARN: &str = "arn:aws:secretsmanager:us-east-1:111122223333:secret:";

/// What every call gets instead of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    Throttled,
    Broken,
    Silent,
    Deleted,
    Denied,
}

pub struct Stub {
    pub url: String,
    state: Arc<State>,
}

struct State {
    fault: Mutex<Fault>,
    keys: Mutex<Option<(String, String)>>,
    version: AtomicU64,
    delay_ms: AtomicU64,
    gets: AtomicU64,
    batches: AtomicU64,
    describes: AtomicU64,
}

/// Calls so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calls {
    pub gets: u64,
    pub batches: u64,
    pub describes: u64,
}

impl Calls {
    pub fn all(self) -> u64 {
        self.gets + self.batches + self.describes
    }
}

impl Stub {
    pub async fn start() -> anyhow::Result<Stub> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let state = Arc::new(State {
            fault: Mutex::new(Fault::None),
            keys: Mutex::new(None),
            version: AtomicU64::new(1),
            delay_ms: AtomicU64::new(0),
            gets: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            describes: AtomicU64::new(0),
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).ok();
                let state = Arc::clone(&shared);
                let service = service_fn(move |request| answer(Arc::clone(&state), request));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Ok(Stub { url, state })
    }

    pub fn fault(&self, fault: Fault) {
        *self.state.fault.lock().unwrap() = fault;
    }

    pub fn delay(&self, delay: Duration) {
        self.state.delay_ms.store(delay.as_millis() as u64, Ordering::SeqCst);
    }

    /// Every secret has a new version from now on.
    pub fn rotate(&self) {
        self.state.version.fetch_add(1, Ordering::SeqCst);
    }

    /// The same, with this key pair in it.
    pub fn set_keys(&self, id: &str, secret: &str) {
        let mut keys = self.state.keys.lock().unwrap();
        *keys = Some((id.to_owned(), secret.to_owned()));
        self.rotate();
    }

    pub fn version_id(&self) -> String {
        self.state.version_id()
    }

    pub fn calls(&self) -> Calls {
        let read = |count: &AtomicU64| count.load(Ordering::SeqCst);
        let state = &self.state;
        Calls { gets: read(&state.gets), batches: read(&state.batches), describes: read(&state.describes) }
    }
}

impl State {
    fn version_id(&self) -> String {
        format!("00000000-0000-4000-8000-{:012}", self.version.load(Ordering::SeqCst))
    }

    fn secret(&self, name: &str) -> Value {
        // the keys are locked while the version is read, so that they belong together
        let keys = self.keys.lock().unwrap();
        let version = self.version_id();
        let (id, secret) = keys.clone().unwrap_or_else(|| {
            ("AKIABENCH00000000001".to_owned(), format!("secret-of-{name}-{version}"))
        });
        let filling = "x".repeat(1024_usize.saturating_sub(id.len() + secret.len() + 60));
        let text = json!({"id": id, "secret": secret, "token": "session", "filling": filling}).to_string();
        json!({
            "ARN": format!("{ARN}{name}-AbCdEf"), "Name": name, "VersionId": version, "SecretString": text,
            "VersionStages": ["AWSCURRENT"], "CreatedDate": 1_700_000_000.0,
        })
    }
}

fn name_of(id: &Value) -> String {
    let id = id.as_str().unwrap_or_default();
    match id.strip_prefix(ARN) {
        Some(name) => name.strip_suffix("-AbCdEf").unwrap_or(name).to_owned(),
        None => id.to_owned(),
    }
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok());
    let action = target.and_then(|target| target.split('.').nth(1)).unwrap_or_default().to_owned();
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    match action.as_str() {
        "GetSecretValue" => state.gets.fetch_add(1, Ordering::SeqCst),
        "BatchGetSecretValue" => state.batches.fetch_add(1, Ordering::SeqCst),
        "DescribeSecret" => state.describes.fetch_add(1, Ordering::SeqCst),
        _ => 0,
    };
    let delay = state.delay_ms.load(Ordering::SeqCst);
    if delay > 0 {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    let fault = *state.fault.lock().unwrap();
    Ok(match fault {
        Fault::None => respond(&state, &action, &asked),
        Fault::Throttled => refuse(400, "ThrottlingException", "Rate exceeded"),
        Fault::Broken => refuse(500, "InternalServiceError", "An error occurred on the server side"),
        Fault::Silent => {
            tokio::time::sleep(Duration::from_secs(120)).await;
            refuse(500, "InternalServiceError", "too late")
        }
        Fault::Deleted => refuse(
            400,
            "InvalidRequestException",
            "You can't perform this operation on the secret because it was marked for deletion.",
        ),
        Fault::Denied => refuse(400, "AccessDeniedException", "User is not authorized to perform this"),
    })
}

fn respond(state: &State, action: &str, asked: &Value) -> Response<Full<Bytes>> {
    let name = name_of(&asked["SecretId"]);
    let body = match action {
        "GetSecretValue" => state.secret(&name),
        "BatchGetSecretValue" => {
            let names = asked["SecretIdList"].as_array().cloned().unwrap_or_default();
            let values: Vec<Value> = names.iter().map(|id| state.secret(&name_of(id))).collect();
            json!({"SecretValues": values, "Errors": []})
        }
        "DescribeSecret" => json!({
            "ARN": format!("{ARN}{name}-AbCdEf"), "Name": name,
            "VersionIdsToStages": {state.version_id(): ["AWSCURRENT"]},
        }),
        "ListSecrets" => json!({"SecretList": []}),
        _ => return refuse(400, "InvalidParameterException", "the stub does not know this action"),
    };
    with_status(200, body)
}

fn refuse(status: u16, code: &str, message: &str) -> Response<Full<Bytes>> {
    with_status(status, json!({"__type": code, "message": message}))
}

fn with_status(status: u16, body: Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response.headers_mut().insert("content-type", "application/x-amz-json-1.1".parse().unwrap());
    response
}
