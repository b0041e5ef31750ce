//! Tags of an object: read, replaced, taken off.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::app::objects::change::OwnedTarget;
use crate::app::objects::{Answered, Outcome, Target, full_key, require, require_version};
use crate::app::registry::Resource;
use crate::app::{App, Error};
use crate::aws::s3::TagsFound;
use crate::model::name::Name;
use crate::model::operation::Operation;
use crate::model::provider::Feature;
use crate::model::tags::{self, ObjectTags};

impl App {
    /// The tags of an object.
    pub async fn get_tags(
        self: &Arc<Self>,
        target: Target<'_>,
        key: &str,
        version: Option<&str>,
    ) -> Result<Outcome<ObjectTags>, Error> {
        self.run(target, Operation::GetTags, Some(key), |connection| async move {
            let full = full_key(&connection.prefix, key)?;
            require(&connection, Feature::ObjectTags)?;
            require_version(&connection, version)?;
            Ok(answered(key, version, connection.s3.get_tags(&full, version).await?))
        })
        .await
    }

    /// Gives an object these tags in place of those that it has.
    pub async fn put_tags(
        self: &Arc<Self>,
        target: Target<'_>,
        key: &str,
        version: Option<&str>,
        tags: BTreeMap<String, String>,
    ) -> Result<Outcome<ObjectTags>, Error> {
        tags::check(&tags).map_err(|error| Error::BadRequest(error.to_string()))?;
        self.write_tags(target, key, version, Some(tags)).await
    }

    /// Takes all tags off an object.
    pub async fn delete_tags(
        self: &Arc<Self>,
        target: Target<'_>,
        key: &str,
        version: Option<&str>,
    ) -> Result<Outcome<ObjectTags>, Error> {
        self.write_tags(target, key, version, None).await
    }

    async fn write_tags(
        self: &Arc<Self>,
        target: Target<'_>,
        key: &str,
        version: Option<&str>,
        tags: Option<BTreeMap<String, String>>,
    ) -> Result<Outcome<ObjectTags>, Error> {
        let (app, target) = (Arc::clone(self), OwnedTarget::of(target));
        let (key, version) = (key.to_owned(), version.map(str::to_owned));
        self.change(async move {
            let (key, version, tags) = (key.as_str(), version.as_deref(), tags.as_ref());
            app.run(target.as_target(), Operation::PutTags, Some(key), |connection| async move {
                let full = full_key(&connection.prefix, key)?;
                require(&connection, Feature::ObjectTags)?;
                require_version(&connection, version)?;
                let done = match tags {
                    Some(tags) => connection.s3.put_tags(&full, version, tags).await?,
                    None => connection.s3.delete_tags(&full, version).await?,
                };
                Ok(answered(key, version, done))
            })
            .await
        })
        .await
    }

    /// Gives an object that was just written these tags, and no others. What was written stays when that fails, and
    /// is not written again for it.
    pub(super) async fn tag_written(
        self: &Arc<Self>,
        resource: &Arc<Resource>,
        environment: &Name,
        key: &str,
        tags: &BTreeMap<String, String>,
    ) -> Result<(), Error> {
        let give = || {
            self.with_connection(resource, environment, |connection| async move {
                let full = full_key(&connection.prefix, key)?;
                if tags.is_empty() {
                    return connection.s3.delete_tags(&full, None).await;
                }
                connection.s3.put_tags(&full, None, tags).await
            })
        };
        match self.patiently(give).await {
            Ok(_) => Ok(()),
            Err(Error::Upstream(mut error)) => {
                error.message =
                    format!("the object is written, and its tags could not be given: {}", error.message);
                Err(Error::Upstream(error))
            }
            Err(error) => Err(error),
        }
    }
}

fn answered(key: &str, version: Option<&str>, found: TagsFound) -> Answered<ObjectTags> {
    // not every store says which version it was
    let version_id = found.version_id.or(version.map(str::to_owned));
    let value = ObjectTags { key: key.to_owned(), version_id, tags: found.tags };
    Answered { value, bytes: None, request_id: found.request_id }
}
