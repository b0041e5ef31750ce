//! Changes that run to their end: what was changed is audited although the caller went away.

use std::future::Future;
use std::sync::Arc;

use crate::app::objects::Target;
use crate::app::{App, Error};
use crate::aws::{AwsError, ErrorKind};
use crate::model::name::Name;
use crate::model::principal::Caller;

/// A target that outlives the request it came with.
#[derive(Debug, Clone)]
pub(super) struct OwnedTarget {
    caller: Caller,
    resource: String,
    environment: Name,
}

impl OwnedTarget {
    pub(super) fn of(target: Target<'_>) -> OwnedTarget {
        OwnedTarget {
            caller: target.caller.clone(),
            resource: target.resource.to_owned(),
            environment: target.environment.clone(),
        }
    }

    pub(super) fn as_target(&self) -> Target<'_> {
        Target { caller: &self.caller, resource: &self.resource, environment: &self.environment }
    }
}

impl App {
    /// Runs a change in a task of its own.
    pub(super) async fn change<T, F>(self: &Arc<Self>, change: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        self.tracker.spawn(change).await.unwrap_or_else(|_| {
            let text = "the change ended unexpectedly: look whether it was made";
            Err(AwsError::new(ErrorKind::Internal, "s3", "InternalError", text).into())
        })
    }
}
