//! Figures of the policy engine, one JSON line each, and of other evaluators where they are installed.
//!
//! `bench-policy [FILTER]`. Nothing here touches the network. Other evaluators run as processes of their own:
//! `BENCH_PEERS` is a folder with `@cloud-copilot/iam-simulate` installed for Node, `BENCH_PARLIAMENT` a Python that has
//! `parliament`. What is not there is left out.

mod allocations;
mod cases;
mod measure;
mod peers;

use std::hint::black_box;

use bench_policy::policy::evaluate::{decide, explain};
use bench_policy::policy::document::Kind;
use bench_policy::policy::parse;
use bench_policy::policy::request::{Bucket, Call};
use bench_policy::policy::validate::{self, Facts};
use measure::Measure;

fn main() -> anyhow::Result<()> {
    let measure = Measure::new(std::env::args().nth(1).unwrap_or_default());
    let bucket = Bucket::default();
    let text = cases::TEN_STATEMENTS;
    let (policies, request) = (cases::attached(text)?, cases::request());
    let call = Call::new(&request, &bucket)?;
    measure.run("decide 10 statements", || decide(black_box(&call), black_box(&policies), &bucket));
    measure.count("allocations of decide", || decide(&call, &policies, &bucket));
    measure.run("explain 10 statements", || explain(black_box(&call), black_box(&policies), &bucket));
    measure.run("read a request", || Call::new(black_box(&request), &bucket));
    measure.run("parse and compile 10 statements", || cases::attached(black_box(text)));

    for (name, resource, pattern) in cases::globs() {
        let policies = cases::attached(&cases::one_statement(&pattern))?;
        let mut request = request.clone();
        request.resource = resource;
        let call = Call::new(&request, &bucket)?;
        measure.run(name, || decide(black_box(&call), black_box(&policies), &bucket));
    }

    let long = cases::six_kilobytes();
    measure.run("parse 6 KB", || parse::parse(black_box(&long)));
    measure.run("validate 6 KB", || validate::validate(black_box(&long), Kind::Identity, &Facts::default()));
    peers::run(&measure, text, &long)
}
