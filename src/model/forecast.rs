//! How often a source is asked, and what that costs, for a time to live.
//!
//! The upper bound: a value is read again at the earliest when 80 % of its TTL are over (refresh-ahead), and by
//! chance the TTL is up to 10 % shorter, so never sooner than 72 % of the TTL after the read before. One secret in
//! one replica is therefore read at most once in `0.72 * TTL`, and only while there is traffic. Every read counts as
//! one call: batches would only make it less. Forced refreshes, rotations that were refused, and retries while a
//! source is out of reach come on top.

use serde::Serialize;
use utoipa::ToSchema;

/// US dollars for 10,000 calls of AWS Secrets Manager; storage is extra. From
/// <https://aws.amazon.com/secrets-manager/pricing/>, as it was known in 2025: give another price where it changed.
pub const USD_PER_10_000_CALLS: f64 = 0.05;

/// Calls of `GetSecretValue` a second that an account may make in a region ("AWS Secrets Manager quotas").
pub const CALLS_A_SECOND_QUOTA: u64 = 10_000;

/// A month, for a forecast, in milliseconds.
pub const MONTH_MS: u64 = 30 * 24 * 60 * 60 * 1000;

/// When a refresh starts at the earliest, in hundredths of the TTL: 80 % of 90 %.
const EARLIEST_REFRESH: u64 = 72;

/// The formula in words.
pub const FORMULA: &str = "calls a month <= secrets x replicas x 30 days / (0.72 x TTL): a refresh starts at 80 % of \
     a TTL that chance makes up to 10 % shorter; one call for each read, without batches, while there is traffic";

/// What a source has to carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Distinct secrets and versions that are in use.
    pub secrets: u64,
    /// Services that each keep their own cache.
    pub replicas: u64,
    /// Milliseconds.
    pub ttl_ms: u64,
}

/// What one TTL means. Upper bounds; absent for a TTL of 0, where calls go by the traffic.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Forecast {
    /// The TTL.
    #[schema(example = 300_000)]
    pub cache_ttl_ms: u64,
    /// In 30 days.
    pub calls_a_month: Option<u64>,
    /// On the average of a month.
    pub calls_a_second: Option<f64>,
    /// US dollars in 30 days, for the calls alone.
    pub cost_usd_a_month: Option<f64>,
    /// Whether that stays below the account's quota of `GetSecretValue`.
    pub within_quota: Option<bool>,
}

/// The calls and their cost.
pub fn forecast(load: &Load, usd_per_10_000_calls: f64) -> Forecast {
    let Load { secrets, replicas, ttl_ms } = *load;
    let interval = ttl_ms.saturating_mul(EARLIEST_REFRESH);
    let once = (interval > 0).then(|| (MONTH_MS * 100).div_ceil(interval));
    let calls_a_month = once.map(|calls| calls.saturating_mul(secrets).saturating_mul(replicas));
    Forecast {
        cache_ttl_ms: ttl_ms,
        calls_a_month,
        calls_a_second: calls_a_month.map(|calls| rounded(float(calls) * 1000.0 / float(MONTH_MS))),
        cost_usd_a_month: calls_a_month.map(|calls| rounded(float(calls) / 10_000.0 * usd_per_10_000_calls)),
        within_quota: (interval > 0).then(|| ttl_ms >= least_ttl_ms(secrets, replicas)),
    }
}

/// The shortest TTL in milliseconds with which the account's quota of `GetSecretValue` is not exceeded.
pub fn least_ttl_ms(secrets: u64, replicas: u64) -> u64 {
    let calls = secrets.saturating_mul(replicas).saturating_mul(1000 * 100);
    calls.div_ceil(CALLS_A_SECOND_QUOTA * EARLIEST_REFRESH)
}

/// To a hundredth of a cent, or a tenth of a call in a thousand seconds.
fn rounded(number: f64) -> f64 {
    (number * 10_000.0).round() / 10_000.0
}

#[expect(clippy::cast_precision_loss, reason = "a forecast needs no more than 15 digits")]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::{Load, USD_PER_10_000_CALLS, forecast, least_ttl_ms};

    /// Secrets, replicas, TTL; calls a month, dollars, whether the quota is kept.
    #[test]
    fn calls_and_cost_follow_from_the_ttl() {
        for (secrets, replicas, ttl_ms, calls, dollars, within) in [
            (0, 1, 300_000, 0, "0.0000", true),
            (1, 1, 300_000, 12_000, "0.0600", true),
            (200, 3, 300_000, 7_200_000, "36.0000", true),
            (1, 1, 86_400_000, 42, "0.0002", true),
            (1, 1, 1, 3_600_000_000, "18000.0000", true),
            (10_000, 1, 1_000, 36_000_000_000, "180000.0000", false),
            (10_000, 1, 1_389, 25_917_930_000, "129589.6500", true),
        ] {
            let told = forecast(&Load { secrets, replicas, ttl_ms }, USD_PER_10_000_CALLS);
            let cost = told.cost_usd_a_month.map(|cost| format!("{cost:.4}"));
            assert_eq!(told.calls_a_month, Some(calls), "{told:?}");
            assert_eq!((cost.as_deref(), told.within_quota), (Some(dollars), Some(within)), "{told:?}");
        }
    }

    #[test]
    fn without_a_ttl_the_traffic_decides() {
        let told = forecast(&Load { secrets: 5, replicas: 1, ttl_ms: 0 }, USD_PER_10_000_CALLS);
        assert_eq!((told.calls_a_month, told.cost_usd_a_month, told.within_quota), (None, None, None));
    }

    #[test]
    fn the_least_ttl_is_the_first_that_keeps_the_quota() {
        for (secrets, replicas, least) in [(0, 1, 0), (1, 1, 1), (10_000, 1, 1_389), (10_000, 10, 13_889)] {
            assert_eq!(least_ttl_ms(secrets, replicas), least);
            let within = |ttl_ms| forecast(&Load { secrets, replicas, ttl_ms }, 1.0).within_quota;
            if least > 1 {
                assert_eq!((within(least - 1), within(least)), (Some(false), Some(true)));
            }
        }
    }

    #[test]
    fn absurd_numbers_do_not_overflow() {
        let told = forecast(&Load { secrets: u64::MAX, replicas: u64::MAX, ttl_ms: u64::MAX }, 1.0);
        assert_eq!(told.calls_a_month, Some(u64::MAX));
    }
}
