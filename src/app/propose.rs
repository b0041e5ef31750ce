//! Proposals: what a resource's owner could change so that a failed query works.
//!
//! Neither the region nor the addressing of a definition is ever switched silently: a key that is signed for another
//! place is a key that is used at another place. What the answer of the store, or one look at it, shows to be wrong is
//! said with a body for PATCH, which somebody may send or not.

use serde_json::{Value, json};

use crate::app::App;
use crate::app::connection::Plan;
use crate::aws::s3::S3;
use crate::aws::{AwsError, ErrorKind, probe};
use crate::model::check::Proposal;
use crate::model::name::Name;
use crate::model::resource::{Definition, is_region};

/// How Alibaba, Tencent and Huawei refuse buckets in the path, by their pages of error codes.
const VIRTUAL_WANTED: &[&str] =
    &["SecondLevelDomainForbidden", "PathStyleDomainForbidden", "VirtualHostDomainRequired"];

/// A definition as it is stored, and the environment in which it was used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written<'a> {
    pub(super) definition: &'a Definition,
    pub(super) environment: &'a Name,
}

impl App {
    /// The error with what could be changed about it.
    pub(super) async fn propose(
        &self,
        written: Written<'_>,
        plan: &Plan,
        s3: Option<&S3>,
        mut error: AwsError,
    ) -> AwsError {
        if error.proposal.is_some() {
            return error;
        }
        error.proposal = match error.kind {
            ErrorKind::WrongRegion => other_region(written, plan, s3, &error).await.map(Box::new),
            _ if error.code == "NotHttp" => over_tls(written).map(Box::new),
            _ => self.other_addressing(plan, &error).await.map(Box::new),
        };
        error
    }

    async fn other_addressing(&self, plan: &Plan, error: &AwsError) -> Option<Proposal> {
        if plan.path_style {
            let reason = "the provider takes buckets only as a part of the host name";
            let wanted = VIRTUAL_WANTED.contains(&error.code.as_str());
            return wanted.then(|| proposal(json!({"addressing": "virtual"}), reason.to_owned()));
        }
        let (host, port, tls) = plan.bare_host();
        // the list of all buckets, which a store gives when it does not look at the host name
        let reason = if error.message.contains("ListAllMyBucketsResult") {
            "the store does not look for the bucket in the host name".to_owned()
        } else if ["NameNotFound", "TlsNameMismatch"].contains(&error.code.as_str()) {
            let (ca_pem, route) = (plan.ca_pem.as_deref(), plan.route.as_deref());
            let target = probe::Target { host: &host, port, tls, ca_pem, route };
            probe::reach(self.egress(), &target).await.ok()?;
            format!("`{host}` can be reached, and a host name with the bucket before it cannot")
        } else {
            return None;
        };
        Some(proposal(json!({"addressing": "path"}), reason))
    }
}

/// The same endpoint over TLS, where the definition names it.
fn over_tls(written: Written<'_>) -> Option<Proposal> {
    let endpoint = written.definition.endpoint.as_ref()?.strip_prefix("http://")?;
    let patch = json!({"endpoint": format!("https://{endpoint}")});
    Some(proposal(patch, "the port speaks TLS".to_owned()))
}

/// The region that the store names; where its refusal names none, the bucket is asked.
async fn other_region(
    written: Written<'_>,
    plan: &Plan,
    s3: Option<&S3>,
    error: &AwsError,
) -> Option<Proposal> {
    let region = match (&error.region, s3) {
        (Some(region), _) => region.clone(),
        (None, Some(s3)) => s3.find_region().await?,
        (None, None) => return None,
    };
    let reason = format!("the bucket is in `{region}`, and the request was signed for `{}`", plan.region);
    (region != plan.region && is_region(&region)).then(|| proposal(region_patch(written, &region), reason))
}

/// Where the environment has a region of its own, that one is changed.
fn region_patch(written: Written<'_>, region: &str) -> Value {
    let environment = written.environment.as_str();
    let own = written.definition.environments.get(written.environment);
    if own.is_some_and(|overrides| overrides.region.is_some()) {
        return json!({"environments": {environment: {"region": region}}});
    }
    json!({"region": region})
}

fn proposal(patch: Value, reason: String) -> Proposal {
    Proposal { patch, reason }
}
