//! Counts requests. The metrics library finds a counter by its labels, which costs more than counting: the ones that
//! were found are kept, for the process, as the library's recorder is.

use std::sync::LazyLock;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::http::StatusCode;
use metrics::{Counter, Histogram};
use rustc_hash::FxHashMap;

/// A route, a method and a status. Routes are those of the router, so there are few.
type Labels = (String, &'static str, u16);

/// Replaced as a whole when one is added, so that finding one takes no lock.
static KNOWN: LazyLock<ArcSwap<FxHashMap<String, Vec<Meter>>>> = LazyLock::new(ArcSwap::default);

#[derive(Clone)]
struct Meter {
    method: &'static str,
    status: u16,
    requests: Counter,
    seconds: Histogram,
}

/// Counts an answered request.
pub fn count(route: &str, method: &'static str, status: StatusCode, took: Duration) {
    let found = |known: &FxHashMap<String, Vec<Meter>>| {
        let meters = known.get(route)?;
        let meter = meters.iter().find(|meter| meter.method == method && meter.status == status.as_u16())?;
        meter.count(took);
        Some(())
    };
    if found(&KNOWN.load()).is_none() {
        register((route.to_owned(), method, status.as_u16())).count(took);
    }
}

impl Meter {
    fn count(&self, took: Duration) {
        self.requests.increment(1);
        self.seconds.record(took);
    }
}

fn register((route, method, status): Labels) -> Meter {
    let requests = metrics::counter!("s3_connector_http_requests_total", "route" => route.clone(), "method" => method, "status" => status.to_string());
    let seconds = metrics::histogram!("s3_connector_http_request_seconds", "route" => route.clone());
    let meter = Meter { method, status, requests, seconds };
    KNOWN.rcu(|known| {
        let mut all = FxHashMap::clone(known);
        all.entry(route.clone()).or_default().push(meter.clone());
        all
    });
    meter
}
