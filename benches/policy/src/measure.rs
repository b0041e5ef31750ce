//! Nanoseconds an operation takes: the median of rounds, in CPU time where the system tells it, so that a busy machine
//! counts little.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::allocations;

const ROUNDS: usize = 15;
/// Long enough for the system's clock of CPU time, which moves in steps of milliseconds.
const ROUND: Duration = Duration::from_millis(60);

/// Runs what the filter lets through.
pub struct Measure {
    filter: String,
}

impl Measure {
    pub fn new(filter: String) -> Self {
        Self { filter }
    }

    pub fn wants(&self, name: &str) -> bool {
        name.contains(&self.filter)
    }

    /// Prints the median, the least and the most nanoseconds of rounds.
    pub fn run<T>(&self, name: &str, mut operation: impl FnMut() -> T) {
        if !self.wants(name) {
            return;
        }
        let mut times = 1u32;
        let round = |times: u32, operation: &mut dyn FnMut() -> T| {
            let (wall, cpu) = (Instant::now(), cpu_time());
            for _ in 0..times {
                black_box(operation());
            }
            cpu_time().zip(cpu).map_or_else(|| wall.elapsed(), |(now, before)| now.saturating_sub(before))
        };
        while round(times, &mut operation) < ROUND && times < 1 << 28 {
            times *= 2;
        }
        let mut rounds: Vec<f64> = (0..ROUNDS)
            .map(|_| round(times, &mut operation).as_secs_f64() * 1e9 / f64::from(times))
            .collect();
        rounds.sort_by(f64::total_cmp);
        let (least, median, most) = (rounds[0], rounds[ROUNDS / 2], rounds[ROUNDS - 1]);
        let row = serde_json::json!({"what": name, "ns": median, "least": least, "most": most, "per_s": 1e9 / median});
        println!("{row}");
    }

    /// Prints how many allocations one operation makes.
    pub fn count<T>(&self, name: &str, mut operation: impl FnMut() -> T) {
        if !self.wants(name) {
            return;
        }
        black_box(operation());
        let before = allocations::count();
        black_box(operation());
        let made = allocations::count() - before;
        println!("{}", serde_json::json!({"what": name, "allocations": made}));
    }
}

/// What this thread has used of a processor. None where the system does not say.
fn cpu_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}
