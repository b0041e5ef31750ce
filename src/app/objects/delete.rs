//! Deleting.

use std::sync::Arc;

use crate::app::objects::{Answered, Outcome, Target, full_key, require, require_version};
use crate::app::{App, Error};
use crate::aws::{AwsError, ErrorKind};
use crate::model::name::Name;
use crate::model::object::DeleteOptions;
use crate::model::operation::Operation;
use crate::model::principal::Caller;
use crate::model::provider::Feature;

impl App {
    /// Deletes an object.
    pub async fn delete(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        environment: &Name,
        key: &str,
        options: &DeleteOptions,
    ) -> Result<Outcome<Option<String>>, Error> {
        let (app, caller, name, environment) =
            (Arc::clone(self), caller.clone(), name.to_owned(), environment.clone());
        let (key, options) = (key.to_owned(), options.clone());
        // in a task of its own: what was deleted is audited although the caller went away
        let task =
            self.tracker.spawn(async move { app.remove(&caller, &name, &environment, &key, &options).await });
        task.await.unwrap_or_else(|_| {
            let text = "the deletion ended unexpectedly: look whether the object is still there";
            Err(AwsError::new(ErrorKind::Internal, "s3", "InternalError", text).into())
        })
    }

    async fn remove(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        environment: &Name,
        key: &str,
        options: &DeleteOptions,
    ) -> Result<Outcome<Option<String>>, Error> {
        let target = Target { caller, resource: name, environment };
        self.run(target, Operation::Delete, Some(key), |connection| async move {
            let full = full_key(&connection.prefix, key)?;
            if options.if_match.is_some() {
                require(&connection, Feature::ConditionalDelete)?;
            }
            require_version(&connection, options.version_id.as_deref())?;
            let deleted = connection.s3.delete(&full, options).await?;
            Ok(Answered { value: deleted.version_id, bytes: None, request_id: deleted.request_id })
        })
        .await
    }
}
