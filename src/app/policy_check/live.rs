//! Reads what decides, with the resource's own credentials: the bucket's side, and its identity's where IAM lets it.

use futures_util::join;
use serde_json::Value;

use crate::app::App;
use crate::app::connection::{Connection, Plan};
use crate::app::policy_check::facts::Principal;
use crate::app::policy_check::parts::Asked;
use crate::aws::http::Way;
use crate::aws::iam::{Iam, IamIdentity, IamPolicies, IamTarget};
use crate::aws::s3::AclFound;
use crate::aws::{AwsError, ErrorKind};
use crate::model::bucket::Aspect;
use crate::model::provider::{Feature, Sts};

/// What the bucket said.
#[derive(Debug)]
pub(super) struct BucketSaid {
    pub(super) policy: Asked<String>,
    pub(super) ownership: Asked<Value>,
    pub(super) block: Asked<Value>,
    pub(super) acl: Result<AclFound, AwsError>,
}

/// Asks for all of it at once. What fails for a reason that has nothing to do with rights fails the whole.
pub(super) async fn read(connection: &Connection) -> Result<BucketSaid, AwsError> {
    let has = |feature: Feature| connection.plan.profile.has(feature);
    let s3 = &connection.s3;
    let policy = async {
        if has(Feature::BucketPolicy) {
            s3.policy_text().await
        } else {
            Err(not_promised(Feature::BucketPolicy))
        }
    };
    let setting = async |aspect: Aspect, feature: Feature| {
        if has(feature) { s3.setting(aspect).await } else { Err(not_promised(feature)) }
    };
    let acl = async {
        if has(Feature::ObjectAcl) { s3.bucket_acl().await } else { Err(not_promised(Feature::ObjectAcl)) }
    };
    let (policy, ownership, block, acl) = join!(
        policy,
        setting(Aspect::Ownership, Feature::BucketOwnership),
        setting(Aspect::PublicAccessBlock, Feature::PublicAccessBlock),
        acl,
    );
    match policy {
        Err(error) if !is_about_rights(&error) => Err(error),
        policy => Ok(BucketSaid { policy, ownership, block, acl }),
    }
}

fn not_promised(feature: Feature) -> AwsError {
    let text = format!("the provider does not promise {}", feature.as_str());
    AwsError::new(ErrorKind::Unsupported, "s3", "NotSupportedByProvider", text)
}

fn is_about_rights(error: &AwsError) -> bool {
    matches!(
        error.kind,
        ErrorKind::AccessDenied | ErrorKind::Unsupported | ErrorKind::NotFound | ErrorKind::InvalidRequest
    )
}

impl App {
    /// The identity's own policies; none where there is no IAM to ask, or nobody to ask about.
    pub(super) async fn identity_policies(
        &self,
        connection: &Connection,
        principal: &Principal,
    ) -> Option<IamPolicies> {
        let Principal::Known { arn, role } = principal else { return None };
        let identity = IamIdentity::of(role.as_deref().unwrap_or(arn))?;
        let plan = &connection.plan;
        let (target, way) = iam_target(plan)?;
        let credentials = match (&connection.slot, &plan.base) {
            (Some(slot), _) => slot.provider(),
            (None, Some(base)) => self.identities.base(base, &plan.region),
            (None, None) => return None,
        };
        let client = self.http.direct(way).ok()?;
        Some(Iam::new(client, target, credentials).policies(&identity).await)
    }
}

/// IAM is where STS is.
fn iam_target(plan: &Plan) -> Option<(IamTarget, Way<'_>)> {
    match plan.profile.sts {
        Sts::Aws => {
            let way = Way { port: 443, ca_pem: None, route: plan.route.as_ref() };
            Some((IamTarget::of_aws(&plan.region), way))
        }
        Sts::SameEndpoint => {
            let endpoint = plan.endpoint.as_ref()?;
            let target = IamTarget { url: endpoint.url.clone(), region: plan.region.clone() };
            Some((target, plan.way()))
        }
        Sts::At(_) | Sts::Untold | Sts::None => None,
    }
}
