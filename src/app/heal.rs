//! Healing a rotation: a query whose credentials were refused gets one more try with fresh ones.

use std::future::Future;
use std::sync::Arc;

use crate::app::connect::Connection;
use crate::app::{App, Error, Resource, source};
use crate::aws::{AwsError, ErrorKind};
use crate::model::name::Name;

/// A secret is fetched again at most this often, so that a broken key cannot storm its source.
const REFETCH_INTERVAL_MS: u64 = 1_000;

impl App {
    /// Runs `call` on the resource's connection. When the store refuses the credentials, the secrets are fetched
    /// again, and if one changed the call is made once more. A refusal by policy (`AccessDenied`) is an answer,
    /// not a broken credential, and heals nothing.
    pub(super) async fn with_connection<T, C, F>(
        self: &Arc<Self>,
        resource: &Arc<Resource>,
        environment: &Name,
        call: C,
    ) -> Result<(T, Arc<Connection>), Error>
    where
        C: Fn(Arc<Connection>) -> F,
        F: Future<Output = Result<T, AwsError>>,
    {
        let connection = self.connect(resource, environment).await?;
        let began_ms = self.clock.now_ms();
        let refused = match call(Arc::clone(&connection)).await {
            Ok(done) => return Ok((done, connection)),
            Err(error) if error.kind == ErrorKind::BadCredentials => error,
            Err(error) => return Err(error.into()),
        };
        let healed = self.heal(&connection, began_ms).await;
        let label = if healed { "changed" } else { "unchanged" };
        metrics::counter!("s3_connector_credentials_refused_total", "secrets" => label).increment(1);
        if !healed {
            return Err(with_versions(refused, &connection, None).into());
        }
        tracing::info!(
            resource.name = resource.name().as_str(),
            code = refused.code,
            "the store refused the credentials, and the secrets have changed since: trying again"
        );
        let fresh = self.connect(resource, environment).await?;
        match call(Arc::clone(&fresh)).await {
            Ok(done) => Ok((done, fresh)),
            Err(error) if error.kind == ErrorKind::BadCredentials => {
                Err(with_versions(error, &connection, Some(&fresh)).into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether something changed that makes another try worthwhile.
    async fn heal(self: &Arc<Self>, connection: &Connection, began_ms: i64) -> bool {
        let mut changed = false;
        for used in &connection.used {
            let found = self.registry.state().source_by_id(&used.key.source);
            let Some(source) = found else { continue };
            let loader = source::loader(self, &source, &used.key);
            let refetched =
                self.cache.refetch(&used.key, source.policy(), &loader, REFETCH_INTERVAL_MS).await;
            match refetched {
                Ok(refetched) => changed |= refetched.hit.entry.secret.version_id != used.version_id,
                Err(error) => tracing::warn!(
                    secret.name = &*used.key.secret,
                    code = error.code,
                    "the store refused the credentials, and the secret could not be fetched again"
                ),
            }
        }
        // a session that was ended early is as refused as a key that was rotated
        let session =
            connection.slot.as_ref().is_some_and(|slot| slot.refused(began_ms, REFETCH_INTERVAL_MS));
        changed || session
    }
}

/// Says which versions were tried.
fn with_versions(mut error: AwsError, first: &Connection, second: Option<&Connection>) -> AwsError {
    let names = |connection: &Connection| {
        let parts =
            connection.used.iter().map(|used| format!("`{}` version {}", used.key.secret, used.version_id));
        parts.collect::<Vec<_>>().join(", ")
    };
    if first.used.is_empty() {
        return error;
    }
    let tried = match second {
        Some(second) => format!("tried {}, then {}", names(first), names(second)),
        None => format!("tried {}, which is what the source still gives", names(first)),
    };
    error.message = format!("{} ({tried})", error.message);
    error
}
