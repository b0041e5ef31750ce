//! From where to where objects go: two resources, and whether their store can copy between them.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::app::connection::{Connection, Freshness, Plan};
use crate::app::objects::row::Row;
use crate::app::objects::{Target, full_key};
use crate::app::{App, Error, Resource};
use crate::aws::{AwsError, ErrorKind};
use crate::model::name::Name;
use crate::model::object::ObjectKey;
use crate::model::operation::Operation;
use crate::model::principal::Caller;

/// Tries of a call that the store asks to repeat later, besides those of the client itself.
const TRIES: u32 = 6;
/// The wait before the second try; it doubles.
const WAIT: Duration = Duration::from_millis(200);

/// Where objects go.
pub(super) struct Route {
    pub(super) caller: Caller,
    pub(super) environment: Name,
    pub(super) source: Arc<Resource>,
    pub(super) target: Arc<Resource>,
    /// The store copies by itself; otherwise the bytes go through this service.
    pub(super) server_side: bool,
    pub(super) from: Arc<Connection>,
    pub(super) to: Arc<Connection>,
}

/// What a route is for, by what must be allowed.
pub(super) struct Wanted<'a> {
    pub(super) to_resource: Option<&'a str>,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    /// Needed of the source besides `copy`.
    pub(super) source: &'a [Operation],
    /// Needed of the target.
    pub(super) target: &'a [Operation],
}

impl Route {
    /// From a resource to itself.
    pub(super) fn within(
        target: Target<'_>,
        resource: &Arc<Resource>,
        connection: &Arc<Connection>,
    ) -> Route {
        Route {
            caller: target.caller.clone(),
            environment: target.environment.clone(),
            source: Arc::clone(resource),
            target: Arc::clone(resource),
            server_side: true,
            from: Arc::clone(connection),
            to: Arc::clone(connection),
        }
    }
}

impl App {
    /// Both resources exist for the caller and allow what is wanted of them.
    pub(super) async fn route(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        environment: &Name,
        wanted: &Wanted<'_>,
    ) -> Result<Route, Error> {
        let source = self.begin(caller, name, Operation::Copy, Some(wanted.from)).await?.resource;
        for operation in wanted.source {
            self.begin(caller, name, *operation, Some(wanted.from)).await?;
        }
        let other = wanted.to_resource.filter(|other| *other != name);
        let target = if let Some(other) = other {
            self.begin(caller, name, Operation::Get, Some(wanted.from)).await?;
            self.begin(caller, other, Operation::Put, Some(wanted.to)).await?.resource
        } else {
            Arc::clone(&source)
        };
        for operation in wanted.target {
            self.begin(caller, other.unwrap_or(name), *operation, Some(wanted.to)).await?;
        }
        let ends = async {
            let of_end = |end: &Resource, error| if other.is_some() { error_of(end, error) } else { error };
            let from = self.connect(&source, environment).await.map_err(|error| of_end(&source, error))?;
            let to = self.connect(&target, environment).await.map_err(|error| of_end(&target, error))?;
            Ok::<_, Error>((from, to))
        };
        let (from, to) = match ends.await {
            Ok(ends) => ends,
            Err(error) => {
                self.note_unreached(caller, (&source, &target), wanted, &error).await;
                return Err(error);
            }
        };
        Ok(Route {
            caller: caller.clone(),
            environment: environment.clone(),
            server_side: other.is_none() || share_a_store(&from.plan, &to.plan),
            source,
            target,
            from,
            to,
        })
    }

    /// Audits what ended before there was a route.
    async fn note_unreached(
        &self,
        caller: &Caller,
        (source, target): (&Arc<Resource>, &Arc<Resource>),
        wanted: &Wanted<'_>,
        error: &Error,
    ) {
        let other = (!Arc::ptr_eq(source, target)).then(|| target.name().as_str());
        let row =
            |key, detail| Row { key: Some(key), detail: Some(detail), error: Some(error), ..Row::default() };
        let copied = row(wanted.from, whereto(wanted.to, other));
        self.note(caller, source, Operation::Copy, copied).await;
        if other.is_some() {
            let put = row(wanted.to, whence(wanted.from, source));
            self.note(caller, target, Operation::Put, put).await;
        }
    }

    /// Repeats what the store asks to repeat later. A service that stops does not wait.
    pub(super) async fn patiently<T, F>(&self, call: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut wait = WAIT;
        for _ in 1..TRIES {
            match call().await {
                Err(Error::Upstream(error)) if error.kind == ErrorKind::Throttled => {}
                outcome => return outcome,
            }
            if !self.pause(wait).await {
                break;
            }
            wait *= 2;
        }
        call().await
    }

    /// Waits for about that long; false when the service stops.
    pub(super) async fn pause(&self, wait: Duration) -> bool {
        let wait = wait.mul_f64(0.5 + rand::random::<f64>() / 2.0);
        tokio::select! {
            () = tokio::time::sleep(wait) => true,
            () = self.stopping.cancelled() => false,
        }
    }
}

impl Route {
    /// The resource that the objects go to, when it is another.
    pub(super) fn other(&self) -> Option<&str> {
        (!Arc::ptr_eq(&self.source, &self.target)).then(|| self.target.name().as_str())
    }

    /// An error of the source, which is named where there are two.
    pub(super) fn of_source(&self, error: Error) -> Error {
        if self.other().is_some() { error_of(&self.source, error) } else { error }
    }

    /// The same of the target.
    pub(super) fn of_target(&self, error: Error) -> Error {
        if self.other().is_some() { error_of(&self.target, error) } else { error }
    }

    /// How fresh the secrets of both were: the older one counts.
    pub(super) fn freshness(&self) -> Freshness {
        let (from, to) = (self.from.freshness(), self.to.freshness());
        Freshness {
            stale_ms: from.stale_ms.max(to.stale_ms),
            stage: from.stage.or(to.stage),
            region: from.region.filter(|_| self.other().is_none()),
        }
    }

    /// The full keys at both ends.
    pub(super) fn full_keys(&self, from: &str, to: &str) -> Result<(ObjectKey, ObjectKey), AwsError> {
        Ok((full_key(&self.from.prefix, from)?, full_key(&self.to.prefix, to)?))
    }

    /// Whether one of the ends is encrypted with a key of SSE-C.
    pub(super) fn has_customer_key(&self) -> bool {
        [&self.from, &self.to].iter().any(|end| end.plan.defaults.customer_key.is_some())
    }

    /// Whether both ends are in one bucket, as far as their addresses tell.
    pub(super) fn one_bucket(&self) -> bool {
        self.same_name() && url(&self.from.plan) == url(&self.to.plan)
    }

    /// Whether both buckets have one name. At two addresses they may all the same be one bucket.
    pub(super) fn same_name(&self) -> bool {
        self.from.plan.bucket == self.to.plan.bucket
    }
}

/// Says whose error it is.
fn error_of(resource: &Resource, error: Error) -> Error {
    let told = |text: &str| format!("the resource `{}`: {text}", resource.name());
    match error {
        Error::Upstream(mut upstream) => {
            upstream.message = told(&upstream.message);
            Error::Upstream(upstream)
        }
        Error::Unresolved(mut unresolved) => {
            unresolved.reason = told(&unresolved.reason);
            Error::Unresolved(unresolved)
        }
        error => error,
    }
}

/// Where an object went, for the audit row of its source.
pub(super) fn whereto(to: &str, other: Option<&str>) -> String {
    match other {
        Some(other) => format!("to `{to}` of the resource `{other}`"),
        None => format!("to `{to}`"),
    }
}

/// Where an object came from, for the audit row of its target.
pub(super) fn whence(from: &str, source: &Resource) -> String {
    format!("from `{from}` of the resource `{}`", source.name())
}

fn url(plan: &Plan) -> Option<&str> {
    plan.endpoint.as_ref().map(|endpoint| endpoint.url.as_str())
}

/// Only the same identity at the same address: another one may not read what this one may write.
fn share_a_store(from: &Plan, to: &Plan) -> bool {
    let identity = match (&from.base, &to.base) {
        (Some(from), Some(to)) => from.is(to),
        _ => false,
    };
    let role = match (&from.role, &to.role) {
        (None, None) => true,
        (Some(from), Some(to)) => from.is(to),
        _ => false,
    };
    identity && role && url(from) == url(to) && from.region == to.region
}
