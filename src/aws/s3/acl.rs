//! Access control lists of objects, and of the bucket.

use aws_sdk_s3::operation::RequestId;
use aws_sdk_s3::types::{Grant, ObjectCannedAcl};

use crate::aws::AwsError;
use crate::aws::s3::S3;
use crate::model::acl::{AclGrant, GranteeKind};
use crate::model::object::ObjectKey;
use crate::model::resource::CannedAcl;

/// An ACL as the store gave it.
#[derive(Debug)]
pub struct AclFound {
    /// The canonical id of the owner.
    pub owner: Option<String>,
    /// Who may do what.
    pub grants: Vec<AclGrant>,
    /// The store's id of the request.
    pub request_id: Option<String>,
}

impl S3 {
    /// The ACL of an object.
    pub async fn get_acl(&self, key: &ObjectKey, version: Option<&str>) -> Result<AclFound, AwsError> {
        let call = self
            .client
            .get_object_acl()
            .bucket(&self.bucket)
            .key(key.as_str())
            .set_version_id(version.map(str::to_owned))
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_request_payer(self.payer.clone());
        let found = self.timed(call.send()).await?;
        let request_id = found.request_id().map(str::to_owned);
        let grants = found.grants.unwrap_or_default().into_iter().filter_map(grant).collect();
        Ok(AclFound { owner: found.owner.and_then(|owner| owner.id), grants, request_id })
    }

    /// The ACL of the bucket.
    pub async fn bucket_acl(&self) -> Result<AclFound, AwsError> {
        let call = self
            .client
            .get_bucket_acl()
            .bucket(&self.bucket)
            .set_expected_bucket_owner(self.expected_owner.clone());
        let found = self.timed(call.send()).await?;
        let request_id = found.request_id().map(str::to_owned);
        let grants = found.grants.unwrap_or_default().into_iter().filter_map(grant).collect();
        Ok(AclFound { owner: found.owner.and_then(|owner| owner.id), grants, request_id })
    }

    /// Gives an object a canned ACL; the store's id of the request comes back.
    pub async fn put_acl(
        &self,
        key: &ObjectKey,
        version: Option<&str>,
        acl: CannedAcl,
    ) -> Result<Option<String>, AwsError> {
        let call = self
            .client
            .put_object_acl()
            .bucket(&self.bucket)
            .key(key.as_str())
            .set_version_id(version.map(str::to_owned))
            .acl(ObjectCannedAcl::from(acl.as_str()))
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_request_payer(self.payer.clone());
        let done = self.timed(call.send()).await?;
        Ok(done.request_id().map(str::to_owned))
    }
}

/// A grant to nobody is none.
fn grant(grant: Grant) -> Option<AclGrant> {
    let grantee = grant.grantee?;
    let permission = grant.permission?.as_str().to_owned();
    let (kind, grantee) = match (grantee.id, grantee.uri, grantee.email_address) {
        (Some(id), ..) => (GranteeKind::User, id),
        (None, Some(uri), _) => (GranteeKind::Group, uri),
        (None, None, Some(address)) => (GranteeKind::Email, address),
        (None, None, None) => return None,
    };
    Some(AclGrant { kind, grantee, permission })
}
