//! What a provider's profile changes about requests that the SDK makes: checksums and the parameter `x-id`.

use aws_sdk_s3::config::{ConfigBag, Intercept, RequestChecksumCalculation, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::types::ChecksumAlgorithm;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, Metadata};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use s3s::crypto::{Checksum, Md5};

use crate::model::provider::{Checksums, Profile, Quirk};

/// A checksum that is set already keeps the SDK from adding one of its own; this one is removed before it is signed.
const IN_PLACE_OF_ANOTHER: &str = "x-amz-checksum-none";

/// Changes requests as a profile says.
#[derive(Debug)]
pub(super) struct Peculiar {
    profile: &'static Profile,
}

impl Peculiar {
    /// None when there is nothing to change.
    pub(super) fn of(profile: &'static Profile) -> Option<Peculiar> {
        let changes = [Quirk::BodyMd5, Quirk::NoOperationId].iter().any(|&quirk| profile.does(quirk));
        changes.then_some(Peculiar { profile })
    }
}

/// When the SDK adds checksums.
pub(super) fn checksums(profile: &Profile) -> RequestChecksumCalculation {
    match profile.checksums {
        Checksums::WhenSupported => RequestChecksumCalculation::WhenSupported,
        Checksums::WhenRequired | Checksums::Never => RequestChecksumCalculation::WhenRequired,
    }
}

/// What an upload in parts has to announce before the SDK adds checksums to its parts.
pub(in crate::aws) fn part_checksum(profile: &Profile) -> Option<ChecksumAlgorithm> {
    // the SDK's own default
    (profile.checksums == Checksums::WhenSupported).then_some(ChecksumAlgorithm::Crc32)
}

#[dyn_dispatch_hint]
impl Intercept for Peculiar {
    fn name(&self) -> &'static str {
        "Peculiar"
    }

    fn modify_before_retry_loop(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = config.load::<Metadata>().map_or("", Metadata::name);
        if !self.profile.does(Quirk::BodyMd5) || !wants_checksum(operation) {
            return Ok(());
        }
        let request = context.request_mut();
        if let Some(body) = request.body().bytes() {
            let digest = STANDARD.encode(Md5::checksum(body));
            request.headers_mut().insert("content-md5", digest);
            request.headers_mut().insert(IN_PLACE_OF_ANOTHER, "");
        }
        Ok(())
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        request.headers_mut().remove(IN_PLACE_OF_ANOTHER);
        if self.profile.does(Quirk::NoOperationId) {
            remove_operation_id(request)?;
        }
        Ok(())
    }
}

/// The operations whose bodies S3 takes only with a checksum: `DeleteObjects` and all that put a configuration.
fn wants_checksum(operation: &str) -> bool {
    operation == "DeleteObjects" || (operation.starts_with("Put") && operation != "PutObject")
}

fn remove_operation_id(request: &mut HttpRequest) -> Result<(), BoxError> {
    let Some((path, query)) = request.uri().split_once('?') else { return Ok(()) };
    let kept: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("x-id=")).collect();
    let uri = if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) };
    Ok(request.set_uri(uri)?)
}
