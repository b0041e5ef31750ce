//! Logs and metrics: how they are set up. What is logged and counted stands where it happens.

mod lines;
mod moment;

use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config;

pub use lines::Flush;

/// Where our own log lines come from.
const OURS: &str = "s3_connector";

/// Seconds; fine where a cached secret or a local store answers, coarse where a large body streams.
const LATENCY_BUCKETS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// The recorder is the metrics library's own global; a process has one, however many services a test starts in it.
static METRICS: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Sends logs to stderr in the configured form. A second call changes nothing. Lines are gathered for a moment; the
/// guard writes the last ones when it goes.
///
/// Below `info` only our own modules speak, whatever the filter says: at `trace` the SDK writes whole answers of
/// Secrets Manager, and a filter must not be able to put a secret into a log.
pub fn start_logs(settings: &config::Log) -> anyhow::Result<Flush> {
    let filter = EnvFilter::try_new(&settings.filter)?;
    let ours = filter_fn(|metadata| *metadata.level() <= Level::INFO || metadata.target().starts_with(OURS));
    let gathered = lines::Lines::start(std::io::stderr())?;
    let flush = gathered.guard();
    let lines = tracing_subscriber::fmt::layer().with_writer(gathered).with_timer(moment::Now);
    let registry = tracing_subscriber::registry().with(filter).with(ours);
    let result = match settings.format.as_str() {
        "json" => registry.with(lines.json().flatten_event(true)).try_init(),
        "text" => registry.with(lines.with_ansi(false)).try_init(),
        other => anyhow::bail!("log.format is `{other}`: use `text` or `json`"),
    };
    // a logger that is there already stays: two services in one process share it
    Ok(if result.is_ok() { flush } else { Flush::nothing() })
}

/// Installs the recorder; the handle renders what `/metrics` answers. `None` when another recorder is there.
pub fn start_metrics() -> Option<PrometheusHandle> {
    METRICS
        .get_or_init(|| {
            PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), LATENCY_BUCKETS)
                .ok()?
                .install_recorder()
                .ok()
        })
        .clone()
}
