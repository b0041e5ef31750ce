//! How often the sources at AWS are asked for the secrets in use, and what that costs.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::{App, Error};
use crate::model::forecast::{self, CALLS_A_SECOND_QUOTA, Forecast, Load, USD_PER_10_000_CALLS};
use crate::model::principal::Caller;

/// The longest TTL that a source takes, in milliseconds: one day.
const MOST_TTL_MS: u64 = 24 * 60 * 60 * 1000;
const MOST_REPLICAS: u64 = 10_000;
const MOST_USD: f64 = 1_000.0;

/// Which forecast.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForecastWanted {
    /// Only this source; absent for every source at AWS.
    #[serde(default)]
    #[schema(example = "aws-prod")]
    pub source: Option<String>,
    /// A TTL to compare with the present one, at most 86400000.
    #[serde(default)]
    #[schema(example = 60_000)]
    pub cache_ttl_ms: Option<u64>,
    /// Services that each keep their own cache; default 1.
    #[serde(default)]
    #[schema(example = 2)]
    pub replicas: Option<u64>,
    /// US dollars for 10,000 calls; absent takes the list price that is built in.
    #[serde(default)]
    #[schema(example = 0.05)]
    pub usd_per_10_000_calls: Option<f64>,
}

/// Forecasts, and how they were made.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Forecasts {
    /// One a source, by name.
    pub forecasts: Vec<SourceForecast>,
    /// How many services were counted with.
    pub replicas: u64,
    /// The price that was counted with.
    pub usd_per_10_000_calls: f64,
    /// Calls of `GetSecretValue` a second that the account may make in the region, all its sources together.
    pub quota_calls_a_second: u64,
    /// The upper bound in words.
    #[schema(value_type = String)]
    pub formula: &'static str,
}

/// What one source has to carry.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SourceForecast {
    /// The source.
    pub source: String,
    /// Distinct secrets and versions in use.
    pub secrets: u64,
    /// With the TTL that it has.
    pub current: Forecast,
    /// With the TTL that was given.
    pub proposed: Option<Forecast>,
    /// The shortest TTL in milliseconds that stays below the quota of the account.
    pub least_ttl_ms: u64,
}

impl App {
    /// Calls and cost of each source at AWS, for its own TTL and another one.
    pub fn forecast_secrets(&self, caller: &Caller, wanted: &ForecastWanted) -> Result<Forecasts, Error> {
        let replicas = wanted.replicas.unwrap_or(1);
        let price = wanted.usd_per_10_000_calls.unwrap_or(USD_PER_10_000_CALLS);
        check(wanted, replicas, price)?;
        let in_use = self.secrets_in_use(caller, wanted.source.as_deref())?;
        let forecasts = in_use.iter().map(|in_use| {
            let definition = &in_use.source.record.definition;
            let secrets = u64::try_from(in_use.keys.len()).unwrap_or(u64::MAX);
            let with = |ttl_ms| forecast::forecast(&Load { secrets, replicas, ttl_ms }, price);
            SourceForecast {
                source: definition.name.to_string(),
                secrets,
                current: with(definition.cache_ttl_ms),
                proposed: wanted.cache_ttl_ms.map(with),
                least_ttl_ms: forecast::least_ttl_ms(secrets, replicas),
            }
        });
        Ok(Forecasts {
            forecasts: forecasts.collect(),
            replicas,
            usd_per_10_000_calls: price,
            quota_calls_a_second: CALLS_A_SECOND_QUOTA,
            formula: forecast::FORMULA,
        })
    }
}

fn check(wanted: &ForecastWanted, replicas: u64, price: f64) -> Result<(), Error> {
    let refused = if wanted.cache_ttl_ms.is_some_and(|ttl| ttl > MOST_TTL_MS) {
        format!("`cache_ttl_ms` must be at most one day ({MOST_TTL_MS})")
    } else if !(1..=MOST_REPLICAS).contains(&replicas) {
        format!("`replicas` must be 1 to {MOST_REPLICAS}")
    } else if !(0.0..=MOST_USD).contains(&price) {
        format!("`usd_per_10_000_calls` must be 0 to {MOST_USD}")
    } else {
        return Ok(());
    };
    Err(Error::BadRequest(refused))
}
