//! The REST edge: routes, roles, bodies and problems. Axum and status codes stop here.
//!
//! A handler takes what it needs, calls one use case and shapes the answer. Invariants: every error is a
//! `Problem`; every route declares its role in its handler's signature; an object's bytes are never served so
//! that a browser would run them in our origin.

mod api;
mod body;
mod extract;
pub(crate) mod json_body;
mod lent;
mod meters;
mod nearness;
mod observe;
mod openapi;
mod openapi_query;
mod pages;
mod parameters;
mod problem;
mod router;
mod server;
mod tagged_body;

use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::clock::Clock;
use crate::config::Config;
use crate::telemetry;

pub use openapi::json as openapi_json;

/// How often samples are put into their buckets.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// What handlers share.
#[derive(Clone)]
pub struct Api {
    /// The use cases.
    pub(crate) app: Arc<App>,
    metrics: Option<PrometheusHandle>,
}

/// A service that listens.
#[derive(Debug)]
pub struct Serving {
    /// Where it listens.
    pub address: std::net::SocketAddr,
    /// The first admin token, when it was made just now.
    pub bootstrap_token: Option<secrecy::SecretString>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Serving {
    /// Stops: streams under way may end, then background work does, then the store is closed.
    pub async fn stop(self) {
        self.stop.cancel();
        // a panic of the accept loop has been logged by the runtime
        self.task.await.ok();
    }
}

/// Starts the service; it is ready when this returns.
pub async fn start(config: Config) -> anyhow::Result<Serving> {
    let metrics = telemetry::start_metrics();
    let listener = TcpListener::bind(config.server.listen)
        .await
        .map_err(|error| anyhow::anyhow!("`{}` cannot be listened on: {error}", config.server.listen))?;
    let address = listener.local_addr()?;
    let settings = config.server.clone();
    let started = App::start(config, Clock::system()).await?;
    let app = started.app;
    let stop = CancellationToken::new();
    if let Some(metrics) = metrics.clone() {
        let stopped = stop.clone();
        app.tracker().spawn(async move { stopped.run_until_cancelled_owned(upkeep(metrics)).await });
    }
    let router = router::router(Api { app: Arc::clone(&app), metrics });
    let stopped = stop.clone();
    let task = tokio::spawn(async move {
        server::serve(listener, router, &settings, stopped).await;
        app.stop(Duration::from_millis(settings.shutdown_grace_ms)).await;
    });
    tracing::info!(address = %address, "listening");
    Ok(Serving { address, bootstrap_token: started.bootstrap_token, stop, task })
}

/// Samples of histograms pile up until they are put into their buckets, which a scrape does, or this.
async fn upkeep(metrics: PrometheusHandle) {
    let mut turn = tokio::time::interval(METRICS_UPKEEP);
    loop {
        turn.tick().await;
        metrics.run_upkeep();
    }
}

/// Values of secrets are in the process's memory: a crash must not write them to a disk.
pub fn forbid_core_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::warn!(cause = %error, "core dumps cannot be switched off");
    }
}

/// Serves until the process is asked to end.
pub async fn serve(config: Config, announce: impl FnOnce(&Serving, Option<&str>)) -> anyhow::Result<()> {
    let _lines = telemetry::start_logs(&config.log)?;
    forbid_core_dumps();
    let serving = start(config).await?;
    let token = serving.bootstrap_token.clone();
    announce(&serving, token.as_ref().map(ExposeSecret::expose_secret));
    signal().await?;
    tracing::info!("stopping");
    serving.stop().await;
    tracing::info!("stopped");
    Ok(())
}

/// Returns when the process is asked to end.
pub async fn signal() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
