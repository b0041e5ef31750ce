//! Deletes of many keys in one request.

use std::collections::HashMap;

use aws_sdk_s3::operation::RequestId;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};

use crate::aws::s3::{S3, SERVICE};
use crate::aws::{AwsError, ErrorKind};
use crate::model::object::ObjectKey;

/// One of many to delete.
#[derive(Debug, Clone)]
pub struct Doomed {
    /// The full key.
    pub key: ObjectKey,
    /// A version.
    pub version_id: Option<String>,
    /// Only if the object has this `ETag`, where the store can do that.
    pub if_match: Option<String>,
}

/// What one request that deletes many keys came to.
#[derive(Debug, Default)]
pub struct ManyDeleted {
    /// Those that failed, by their place in the request.
    pub failed: Vec<(usize, AwsError)>,
    /// The store's id of the request.
    pub request_id: Option<String>,
}

impl S3 {
    /// Deletes up to as many keys as the provider takes at once. A key that fails does not stop the others.
    pub async fn delete_many(&self, doomed: &[Doomed]) -> Result<ManyDeleted, AwsError> {
        let objects = doomed.iter().map(|one| {
            ObjectIdentifier::builder()
                .key(one.key.as_str())
                .set_version_id(one.version_id.clone())
                .set_e_tag(one.if_match.clone())
                .build()
        });
        let objects = objects.collect::<Result<Vec<_>, _>>().map_err(|error| unusable(&error))?;
        // only failures come back: what is not among them is deleted
        let delete = Delete::builder().set_objects(Some(objects)).quiet(true).build();
        let call = self
            .client
            .delete_objects()
            .bucket(&self.bucket)
            .delete(delete.map_err(|error| unusable(&error))?)
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_request_payer(self.payer.clone());
        let done = self.timed(call.send()).await?;
        // one that was named twice stands in two places
        let mut places: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
        for (place, one) in doomed.iter().enumerate() {
            let name = (one.key.as_str(), one.version_id.as_deref().unwrap_or_default());
            places.entry(name).or_default().push(place);
        }
        let mut failed = Vec::new();
        for error in done.errors() {
            let key = error.key().unwrap_or_default();
            let code = error.code().unwrap_or("InternalError");
            let told = AwsError::of_code(SERVICE, code, error.message().unwrap_or(code).to_owned());
            // some stores name the version only where one was deleted
            let version = error.version_id().filter(|version| *version != "null").unwrap_or_default();
            let place = places.get(&(key, version)).or_else(|| places.get(&(key, "")));
            match place {
                Some(places) => failed.extend(places.iter().map(|place| (*place, told.clone()))),
                // a failure of a key that was not asked for says nothing of those that were
                None => return Err(told),
            }
        }
        Ok(ManyDeleted { failed, request_id: done.request_id().map(str::to_owned) })
    }
}

fn unusable(error: &dyn std::error::Error) -> AwsError {
    AwsError::new(ErrorKind::InvalidRequest, SERVICE, "InvalidRequest", error.to_string())
}
