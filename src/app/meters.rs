//! Counts queries. Each counter is found once: finding it by its labels costs more than counting. What was found is kept
//! for the process, as the recorder of the metrics library is.

use std::sync::LazyLock;
use std::time::Duration;

use arc_swap::ArcSwap;
use metrics::{Counter, Histogram};
use rustc_hash::FxHashMap;

use crate::model::operation::Operation;

static KNOWN: LazyLock<ArcSwap<FxHashMap<(&'static str, &'static str), Meter>>> =
    LazyLock::new(ArcSwap::default);

#[derive(Clone)]
struct Meter {
    queries: Counter,
    seconds: Histogram,
}

/// Counts a query; `outcome` is `ok` or `error`.
pub(super) fn count(operation: Operation, outcome: &'static str, took: Duration) {
    let labels = (operation.as_str(), outcome);
    let known = KNOWN.load();
    let count = |meter: &Meter| {
        meter.queries.increment(1);
        meter.seconds.record(took);
    };
    match known.get(&labels) {
        Some(meter) => count(meter),
        None => count(&register(labels)),
    }
}

fn register(labels: (&'static str, &'static str)) -> Meter {
    let (operation, outcome) = labels;
    let meter = Meter {
        queries: metrics::counter!("s3_connector_queries_total", "operation" => operation, "outcome" => outcome),
        seconds: metrics::histogram!("s3_connector_query_seconds", "operation" => operation),
    };
    KNOWN.rcu(|known| {
        let mut all = FxHashMap::clone(known);
        all.insert(labels, meter.clone());
        all
    });
    meter
}
