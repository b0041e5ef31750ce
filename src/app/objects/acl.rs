//! The ACL of an object: read, or replaced by a canned one.

use std::sync::Arc;

use crate::app::objects::change::OwnedTarget;
use crate::app::objects::{Answered, Outcome, Target, full_key, require, require_version};
use crate::app::{App, Error};
use crate::model::acl::{self, ObjectAcl};
use crate::model::operation::Operation;
use crate::model::provider::Feature;
use crate::model::resource::CannedAcl;

impl App {
    /// The ACL of an object.
    pub async fn get_acl(
        self: &Arc<Self>,
        target: Target<'_>,
        key: &str,
        version: Option<&str>,
    ) -> Result<Outcome<ObjectAcl>, Error> {
        self.run(target, Operation::GetAcl, Some(key), |connection| async move {
            let full = full_key(&connection.prefix, key)?;
            require(&connection, Feature::ObjectAcl)?;
            require_version(&connection, version)?;
            let found = connection.s3.get_acl(&full, version).await?;
            let value = ObjectAcl {
                key: key.to_owned(),
                version_id: version.map(str::to_owned),
                canned: acl::canned(found.owner.as_deref(), &found.grants),
                owner: found.owner,
                grants: found.grants,
            };
            Ok(Answered { value, bytes: None, request_id: found.request_id })
        })
        .await
    }

    /// Gives an object a canned ACL.
    pub async fn put_acl(
        self: &Arc<Self>,
        target: Target<'_>,
        key: &str,
        version: Option<&str>,
        acl: CannedAcl,
    ) -> Result<Outcome<()>, Error> {
        let (app, target) = (Arc::clone(self), OwnedTarget::of(target));
        let (key, version) = (key.to_owned(), version.map(str::to_owned));
        self.change(async move {
            let (key, version) = (key.as_str(), version.as_deref());
            app.run(target.as_target(), Operation::PutAcl, Some(key), |connection| async move {
                let full = full_key(&connection.prefix, key)?;
                require(&connection, Feature::ObjectAcl)?;
                require_version(&connection, version)?;
                let request_id = connection.s3.put_acl(&full, version, acl).await?;
                Ok(Answered { value: (), bytes: None, request_id })
            })
            .await
        })
        .await
    }
}
