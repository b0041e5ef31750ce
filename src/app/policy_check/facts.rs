//! What is known of everything that decides about a resource's requests, and of the requests themselves.

use std::collections::BTreeMap;

use crate::app::connection::Plan;
use crate::app::scope::bucket_arn;
use crate::clock::rfc3339;
use crate::model::provider::Profile;
use crate::model::resource::CannedAcl;
use crate::model::upload::StoreEncryption;
use crate::policy::document::Policy;
use crate::policy::request::{AclGrant, BlockPublicAccess, ObjectOwnership};

/// Something that was read, or that could not be.
#[derive(Debug, Clone)]
pub(in crate::app) enum Read<T> {
    /// It is so.
    Is(T),
    /// Nobody knows.
    Unknown,
}

impl<T> Read<T> {
    pub(super) fn known(&self) -> Option<&T> {
        match self {
            Read::Is(value) => Some(value),
            Read::Unknown => None,
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::app) enum Principal {
    /// Nobody: requests are not signed.
    Anonymous,
    /// This user, role or session; of a session also its role, with its path.
    Known { arn: String, role: Option<String> },
    /// Somebody.
    Unknown,
}

/// A policy and what it is called in answers.
#[derive(Debug, Clone)]
pub(in crate::app) struct Named {
    pub(super) name: String,
    pub(super) policy: Policy,
}

/// The ACL of a bucket.
#[derive(Debug, Clone, Default)]
pub(in crate::app) struct BucketAcl {
    pub(super) owner: Option<String>,
    pub(super) grants: Vec<AclGrant>,
}

/// Everything that decides, as far as it is known.
#[derive(Debug, Clone)]
pub(in crate::app) struct Facts {
    pub(super) principal: Principal,
    /// Whether accounts, organizations and IAM are those of AWS.
    pub(super) is_aws: bool,
    /// Whether the identity is of the bucket's account.
    pub(super) same_account: Option<bool>,
    /// Where accounts are single users: whether this one owns the bucket, and so may do everything that nothing denies.
    pub(super) owns_bucket: Read<bool>,
    pub(super) bucket_policy: Read<Option<Policy>>,
    pub(super) ownership: Read<ObjectOwnership>,
    pub(super) block: Read<BlockPublicAccess>,
    pub(super) acl: Read<BucketAcl>,
    pub(super) identity: Vec<Named>,
    /// Whether these are all policies of the identity.
    pub(super) identity_is_whole: bool,
    pub(super) boundary: Option<Policy>,
    /// Whether it is known that there is this one, or none.
    pub(super) boundary_is_known: bool,
    /// What the session was made with. A policy that nobody knows may let through everything, and need not.
    pub(super) session: Read<Option<Policy>>,
    pub(super) requests: Requests,
}

/// What all requests of a resource have in common.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(in crate::app) struct Requests {
    /// The ARN of the bucket.
    pub(super) bucket: String,
    pub(super) prefix: String,
    /// The account that owns the bucket, as the resource expects it.
    pub(super) owner: Option<String>,
    /// Keys with values that every request has.
    pub(super) context: BTreeMap<String, Vec<String>>,
    /// The same for uploads, with what the resource's defaults add.
    pub(super) upload: BTreeMap<String, Vec<String>>,
    /// The default ACL of uploads.
    pub(super) acl: Option<&'static str>,
    /// Whether a key of KMS encrypts what the resource uploads.
    pub(super) uses_kms: bool,
    /// The ARN of that key, where the resource gives it.
    pub(super) kms_key: Option<String>,
    pub(super) region: String,
    /// Whether others send them, by URLs that were signed for them.
    pub(super) in_url: bool,
    /// Whether such URLs use TLS.
    pub(super) url_tls: bool,
    pub(super) signed: bool,
    /// Whether it is signed with a key that does not end, so that nobody showed a second factor.
    pub(super) lasting_key: bool,
}

impl Facts {
    /// When only the requests and who makes them are known.
    pub(in crate::app) fn of_nothing(principal: Principal, requests: Requests, profile: &Profile) -> Facts {
        let mut facts = Facts {
            is_aws: profile.is_aws(),
            same_account: None,
            owns_bucket: Read::Unknown,
            bucket_policy: Read::Unknown,
            ownership: Read::Unknown,
            block: Read::Unknown,
            acl: Read::Unknown,
            identity: Vec::new(),
            identity_is_whole: principal == Principal::Anonymous,
            boundary: None,
            boundary_is_known: false,
            session: Read::Unknown,
            principal,
            requests,
        };
        facts.same_account(None);
        facts.owns_bucket = facts.whether_owner();
        facts
    }

    /// Notes whether the identity is of the bucket's account: as a read of the policy proves it, or else as the resource
    /// expects the owner. Other stores than AWS have no accounts that could be others.
    pub(super) fn same_account(&mut self, proved: Option<bool>) {
        let expected = match (&self.principal, &self.requests.owner) {
            (Principal::Known { arn, .. }, Some(owner)) => {
                Some(arn.split(':').nth(4) == Some(owner.as_str()))
            }
            _ => None,
        };
        self.same_account = match self.principal {
            Principal::Anonymous => Some(false),
            _ if !self.is_aws => Some(true),
            _ => proved.or(expected),
        };
    }

    /// The account of the bucket, where it is known: that of the identity, or that which the resource expects.
    pub(super) fn account(&self) -> Option<&str> {
        let own = match &self.principal {
            Principal::Known { arn, .. } if self.same_account == Some(true) => arn.split(':').nth(4),
            _ => None,
        };
        own.or(self.requests.owner.as_deref()).filter(|_| self.is_aws)
    }

    /// Whether it is a session of which nobody said what its role's path is: policies see the path.
    pub(super) fn role_has_unknown_path(&self) -> bool {
        matches!(&self.principal, Principal::Known { arn, role: None } if arn.contains(":assumed-role/"))
    }

    /// At AWS nobody owns a bucket but an account. Elsewhere its user may do everything that nothing denies.
    pub(super) fn whether_owner(&self) -> Read<bool> {
        if self.is_aws || self.principal == Principal::Anonymous {
            return Read::Is(false);
        }
        let Principal::Known { arn, .. } = &self.principal else { return Read::Unknown };
        let Some((_, name)) = arn.split_once(":user/") else { return Read::Is(false) };
        match self.acl.known().and_then(|acl| acl.owner.as_deref()) {
            // Ceph writes the tenant before the name
            Some(owner) => {
                Read::Is(owner == name || owner.rsplit_once('$').is_some_and(|(_, own)| own == name))
            }
            None => Read::Unknown,
        }
    }
}

impl Requests {
    /// Of a plan, at a time.
    pub(in crate::app) fn of(plan: &Plan, now_ms: i64) -> Requests {
        let (_, _, tls) = plan.bare_host();
        let signed = plan.base.is_some();
        let mut context = BTreeMap::new();
        let mut put = |key: &str, value: String| drop(context.insert(key.to_owned(), vec![value]));
        put("aws:SecureTransport", tls.to_string());
        put("aws:CurrentTime", rfc3339(now_ms));
        put("aws:EpochTime", now_ms.div_euclid(1000).to_string());
        put("aws:RequestedRegion", plan.region.clone());
        put("aws:ViaAWSService", "false".to_owned());
        if signed {
            put("s3:authType", "REST-HEADER".to_owned());
            put("s3:signatureversion", "AWS4-HMAC-SHA256".to_owned());
        }
        let mut upload = BTreeMap::new();
        let mut add = |key: &str, value: &str| drop(upload.insert(key.to_owned(), vec![value.to_owned()]));
        let defaults = &plan.defaults;
        if let Some(class) = &defaults.storage_class {
            add("s3:x-amz-storage-class", class);
        }
        match &defaults.encryption {
            StoreEncryption::SseS3 => add("s3:x-amz-server-side-encryption", "AES256"),
            StoreEncryption::SseKms { key_id } => {
                add("s3:x-amz-server-side-encryption", "aws:kms");
                if let Some(key) = key_id {
                    add("s3:x-amz-server-side-encryption-aws-kms-key-id", key);
                }
            }
            StoreEncryption::BucketDefault => {}
        }
        if defaults.customer_key.is_some() {
            add("s3:x-amz-server-side-encryption-customer-algorithm", "AES256");
        }
        Requests {
            bucket: bucket_arn(&plan.bucket, &plan.region),
            prefix: plan.prefix.clone(),
            owner: plan.expected_owner.clone(),
            context,
            upload,
            acl: defaults.acl.map(CannedAcl::as_str),
            uses_kms: plan.profile.is_aws() && matches!(defaults.encryption, StoreEncryption::SseKms { .. }),
            kms_key: match &defaults.encryption {
                StoreEncryption::SseKms { key_id: Some(key) } if key.contains(":key/") => Some(key.clone()),
                _ => None,
            },
            region: plan.region.clone(),
            in_url: false,
            url_tls: plan.public_endpoint.as_ref().map_or(tls, |endpoint| endpoint.tls),
            signed,
            lasting_key: plan.role.is_none() && plan.has_lasting_key(),
        }
    }

    /// The same by URLs that were signed before: nobody knows when they are used, and what else is sent with them.
    /// Without a form of authentication, they may also be forms of uploads, or parts of them.
    pub(super) fn by_url(&self, authentication: Option<&str>) -> Requests {
        let mut signed = Requests { in_url: true, ..self.clone() };
        if authentication.is_none() {
            (signed.acl, signed.upload) = (None, BTreeMap::new());
        }
        let context = &mut signed.context;
        for later in ["aws:CurrentTime", "aws:EpochTime", "s3:authType", "s3:signatureversion"] {
            context.remove(later);
        }
        context.insert("aws:SecureTransport".to_owned(), vec![self.url_tls.to_string()]);
        if let Some(authentication) = authentication {
            context.insert("s3:authType".to_owned(), vec![authentication.to_owned()]);
            context.insert("s3:signatureversion".to_owned(), vec!["AWS4-HMAC-SHA256".to_owned()]);
        }
        signed
    }

    /// Whether the bucket is reached through an access point, whose policy is another one.
    pub(in crate::app) fn through_access_point(&self) -> bool {
        self.bucket.contains(":accesspoint/")
    }
}
