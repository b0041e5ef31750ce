//! What the engine is asked about a call: the request as the service would send it, and the policies, with what is not
//! known taken for one side.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::app::policy_check::calls::{Call, Form, Target};
use crate::app::policy_check::facts::{BucketAcl, Facts, Principal, Read};
use crate::app::policy_check::keys;
use crate::policy::compile::Slot;
use crate::policy::document::{
    Effect, Listed, Located, Policy, Position, PrincipalKind, Principals, Statement, Version, Who,
};
use crate::policy::evaluate::{self, Decision, Policies};
use crate::policy::public_access;
use crate::policy::request::{
    self, AclGrant, AclPermission, BlockPublicAccess, Bucket, ObjectOwnership, Request,
};
use crate::policy::unknown::{self, Known, Side};

/// Stands in for an identity that is not known, in an account of its own.
pub(super) const SOMEBODY: &str = "arn:aws:iam::999999999999:user/somebody";
/// Stands in for the account of a bucket that is of another one.
const ANOTHER_ACCOUNT: &str = "000000000000";
/// Stands in for the canonical id of whoever asks, where it is not known.
const SOMEBODYS_ID: &str = "somebody";
/// Stands in for a key of KMS that is not known.
const SOME_KEY: &str = "00000000-0000-0000-0000-000000000000";
/// No text has it: the mark of what stands in for a policy that could not be read.
pub(super) const STANDS_IN: u32 = u32::MAX;

const ALL_BLOCKED: BlockPublicAccess = BlockPublicAccess {
    block_public_acls: true,
    ignore_public_acls: true,
    block_public_policy: true,
    restrict_public_buckets: true,
};

/// What one side is asked with.
pub(super) struct Ready {
    pub(super) call: request::Call,
    pub(super) policies: Policies,
    pub(super) bucket: Bucket,
    /// Whether `RestrictPublicBuckets` may keep out the one who asks.
    cut_off: bool,
}

/// What one side takes for granted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taking {
    pub(super) side: Side,
    /// Whether ACLs that were not read may allow it, on the best side.
    pub(super) acls: bool,
}

impl Facts {
    /// Everything that the engine wants to know, with what is not known taken for one side.
    pub(super) fn ready(&self, call: &Call, arn: &str, taking: Taking) -> Result<Ready, String> {
        let side = taking.side;
        let bucket = self.bucket(call, taking);
        let mut request = self.request(call, arn, side);
        if call.on == Target::Key {
            self.ask_kms(&mut request);
        }
        let read = request::Call::new(&request, &bucket).map_err(|error| error.to_string())?;
        let policies = self.policies(call, &read, taking);
        let policies = policies.map_err(|refused| format!("AWS would refuse a policy: {refused}"))?;
        let cut_off = side == Side::Worst
            && bucket.block_public_access.restrict_public_buckets
            && call.on != Target::Key
            && !read.is_same_account();
        Ok(Ready { call: read, policies, bucket, cut_off })
    }

    /// S3 asks KMS for the one who asks it, with a request of its own: hardly a key of it is known.
    fn ask_kms(&self, request: &mut Request) {
        request.context.retain(|key, _| {
            matches!(key.as_str(), "aws:CurrentTime" | "aws:EpochTime" | "aws:PrincipalArn")
        });
        request.resource_account = None;
        if let Some(key) = &self.requests.kms_key {
            request.resource.clone_from(key);
            return;
        }
        let account = request.principal.split(':').nth(4).unwrap_or(ANOTHER_ACCOUNT);
        request.resource = format!("{}{account}:key/{SOME_KEY}", self.keys_begin());
    }

    /// What the ARNs of the region's keys begin with.
    fn keys_begin(&self) -> String {
        let partition = self.requests.bucket.split(':').nth(1).unwrap_or("aws");
        format!("arn:{partition}:kms:{}:", self.requests.region)
    }

    /// What the ARNs of everything begin with that the call may be about, where it is not about one thing.
    fn begins(&self, call: &Call) -> Option<String> {
        match call.on {
            Target::Objects => Some(self.object_arn(&self.requests.prefix)),
            Target::Key if self.requests.kms_key.is_none() => Some(self.keys_begin()),
            Target::Bucket | Target::Object(_) | Target::Key => None,
        }
    }

    fn request(&self, call: &Call, arn: &str, side: Side) -> Request {
        let mut context = self.requests.context.clone();
        match call.form {
            Form::List | Form::ListOne if !self.requests.prefix.is_empty() => {
                context.insert("s3:prefix".to_owned(), vec![self.requests.prefix.clone()]);
            }
            Form::Upload | Form::Copy | Form::UploadWithoutAcl => {
                context.extend(self.requests.upload.clone());
            }
            _ => {}
        }
        if call.form == Form::ListOne {
            context.insert("s3:max-keys".to_owned(), vec!["1".to_owned()]);
        }
        if let (Some(acl), Form::Upload | Form::Copy) = (self.requests.acl, call.form) {
            context.insert("s3:x-amz-acl".to_owned(), vec![acl.to_owned()]);
        }
        let principal = match &self.principal {
            Principal::Anonymous => "anonymous".to_owned(),
            Principal::Known { arn, role } => {
                if let Some(role) = role {
                    context.insert("aws:PrincipalArn".to_owned(), vec![role.clone()]);
                }
                arn.clone()
            }
            Principal::Unknown => SOMEBODY.to_owned(),
        };
        if let Some(account) = self.account() {
            // whoever stands in for the one who asks, the bucket is of this account
            for key in ["aws:ResourceAccount", "s3:ResourceAccount"] {
                context.insert(key.to_owned(), vec![account.to_owned()]);
            }
        }
        let same = self.same_account.unwrap_or(side == Side::Best);
        let own = principal.split(':').nth(4).filter(|account| !account.is_empty()).map(str::to_owned);
        let owner = self.requests.owner.clone().filter(|_| self.is_aws);
        let resource_account = match (own, owner) {
            (Some(own), _) if same => Some(own),
            (_, Some(owner)) => Some(owner),
            _ => Some(ANOTHER_ACCOUNT.to_owned()),
        };
        Request {
            principal,
            action: call.action.to_owned(),
            resource: arn.to_owned(),
            resource_account,
            context,
            canonical_id: (side == Side::Best && self.principal != Principal::Anonymous)
                .then(|| SOMEBODYS_ID.to_owned()),
        }
    }

    fn known(&self, call: &Call) -> Known {
        let mut absent =
            if call.on == Target::Key { BTreeSet::new() } else { keys::absent(call.form, &self.requests) };
        if self.requests.lasting_key {
            absent.extend(keys::OF_SESSIONS.iter().map(|key| (*key).to_owned()));
        }
        if !self.requests.signed {
            absent.extend(["s3:authtype", "s3:signatureversion", "s3:signatureage"].map(str::to_owned));
        }
        if self.requests.prefix.is_empty() && matches!(call.form, Form::List | Form::ListOne) {
            absent.insert("s3:prefix".to_owned());
        }
        let mut stand_ins = BTreeSet::new();
        if self.account().is_none() || call.on == Target::Key {
            stand_ins.extend(["aws:resourceaccount", "s3:resourceaccount"].map(str::to_owned));
        }
        if self.role_has_unknown_path() {
            stand_ins.insert("aws:principalarn".to_owned());
        }
        Known {
            absent,
            stand_ins,
            principal: self.principal != Principal::Unknown,
            canonical_id: self.principal == Principal::Anonymous,
        }
    }

    fn policies(
        &self,
        asked: &Call,
        call: &request::Call,
        taking: Taking,
    ) -> Result<Policies, evaluate::Refused> {
        let mut policies = Policies::default();
        let side = taking.side;
        let (known, begins) = (self.known(asked), self.begins(asked));
        let assume = |policy: &Policy| {
            let policy = match &begins {
                Some(start) => Cow::Owned(unknown::assume_any(policy, call, &known, start, side)),
                None => Cow::Borrowed(policy),
            };
            unknown::assume(&policy, call, &known, side)
        };
        match &self.bucket_policy {
            // the policy of the key, which nobody reads; mostly it leaves it to the account
            _ if asked.on == Target::Key => {
                let mut policy = everything(Effect::Allow, true);
                if side == Side::Worst {
                    delegate(&mut policy, call);
                }
                policies.attach(Slot::Resource, &policy)?;
            }
            Read::Is(policy) => {
                // one policy alone is attached to a bucket
                let mut all = policy.as_ref().map(&assume);
                if taking.acls && side == Side::Best && self.may_be_allowed_by_an_acl_elsewhere(asked) {
                    let open = everything(Effect::Allow, true);
                    match &mut all {
                        Some(all) => all.statements.extend(open.statements),
                        None => all = Some(open),
                    }
                }
                if let Some(all) = &all {
                    policies.attach(Slot::Resource, all)?;
                }
            }
            Read::Unknown => {
                let effect = if side == Side::Best { Effect::Allow } else { Effect::Deny };
                policies.attach(Slot::Resource, &everything(effect, true))?;
            }
        }
        for named in &self.identity {
            policies.attach(Slot::Identity, &assume(&named.policy))?;
        }
        let may_own = match self.owns_bucket {
            Read::Is(owns) => owns,
            Read::Unknown => side == Side::Best,
        };
        let may_own = may_own && asked.on != Target::Key;
        if may_own || (!self.identity_is_whole && side == Side::Best) {
            policies.attach(Slot::Identity, &everything(Effect::Allow, false))?;
        }
        if let Some(boundary) = &self.boundary {
            policies.attach(Slot::PermissionBoundary, &assume(boundary))?;
        }
        match &self.session {
            Read::Is(Some(session)) => {
                policies.attach(Slot::Session, &assume(session))?;
            }
            Read::Is(None) => {}
            Read::Unknown => {
                let mut session = everything(Effect::Allow, false);
                if side == Side::Worst {
                    // it allows nothing, as far as anybody knows
                    session.statements.iter_mut().for_each(|statement| statement.action.values.clear());
                }
                policies.attach(Slot::Session, &session)?;
            }
        }
        Ok(policies)
    }

    /// Other stores than AWS let an ACL of an object, or its owner, decide more than AWS does.
    fn may_be_allowed_by_an_acl_elsewhere(&self, call: &Call) -> bool {
        let of_bucket = matches!(
            call.action,
            "s3:PutObject"
                | "s3:DeleteObject"
                | "s3:DeleteObjectVersion"
                | "s3:AbortMultipartUpload"
                | "s3:ListMultipartUploadParts"
        );
        !self.is_aws
            && self.acls_count()
            && matches!(call.on, Target::Objects | Target::Object(_))
            && (!of_bucket || self.acl_has_others())
    }

    /// Whether the ACL of the bucket grants anything to others than its owner, as far as it is known.
    fn acl_has_others(&self) -> bool {
        let is_other = |acl: &BucketAcl, grant: &AclGrant| Some(&grant.grantee) != acl.owner.as_ref();
        self.acl.known().is_none_or(|acl| acl.grants.iter().any(|grant| is_other(acl, grant)))
    }

    fn acls_count(&self) -> bool {
        self.ownership.known() != Some(&ObjectOwnership::BucketOwnerEnforced)
    }

    /// What ACLs may grant that is not known: those of objects, which nobody reads, and grants to ids that may be that of
    /// the one who asks.
    fn open_acls(&self, call: &Call, bucket: &mut Bucket) {
        let to =
            |grantee: &str| AclGrant { grantee: grantee.to_owned(), permission: AclPermission::FullControl };
        bucket.object_acl = vec![to("AllUsers"), to(SOMEBODYS_ID)];
        bucket.object_acl.extend(bucket.owner_canonical_id.as_deref().map(to));
        let is_owners = |grant: &AclGrant| Some(&grant.grantee) == bucket.owner_canonical_id.as_ref();
        let others = bucket.acl.iter().filter(|grant| !grant.is_public() && !is_owners(grant));
        // a user of another store is a grantee itself, an account of AWS hands on what it was granted
        let grantee = if self.is_aws { SOMEBODYS_ID } else { "AllUsers" };
        let opened: Vec<AclGrant> = others
            .map(|grant| AclGrant { grantee: grantee.to_owned(), permission: grant.permission })
            .collect();
        bucket.acl.extend(opened);
        if !self.is_aws {
            bucket.block_public_access.ignore_public_acls = false;
        }
        if bucket.owner_canonical_id.is_none() {
            bucket.owner_canonical_id = Some(SOMEBODYS_ID.to_owned());
        }
        if call.action.starts_with("s3:DeleteObject") && self.same_account == Some(false) {
            bucket.object_owner_canonical_id = Some(SOMEBODYS_ID.to_owned());
        }
    }

    fn bucket(&self, call: &Call, Taking { side, acls }: Taking) -> Bucket {
        let best = side == Side::Best;
        let ownership = self.ownership.known().copied();
        let either = if best { ObjectOwnership::ObjectWriter } else { ObjectOwnership::BucketOwnerEnforced };
        let ownership = if acls { ownership } else { Some(ObjectOwnership::BucketOwnerEnforced) };
        let unread = if best { BlockPublicAccess::default() } else { ALL_BLOCKED };
        let mut block = self.block.known().copied().unwrap_or(unread);
        // a statement that is taken for one side must not make the policy public, nor keep it from being so
        block.restrict_public_buckets &= match &self.bucket_policy {
            Read::Is(policy) => {
                policy.as_ref().is_some_and(|policy| public_access::public_statement(policy).is_some())
            }
            Read::Unknown => !best,
        };
        let (acl, owner) = match &self.acl {
            Read::Is(acl) => (acl.grants.clone(), acl.owner.clone()),
            Read::Unknown if best => (
                vec![AclGrant { grantee: "AllUsers".to_owned(), permission: AclPermission::FullControl }],
                None,
            ),
            Read::Unknown => (Vec::new(), None),
        };
        let mut bucket = Bucket {
            object_ownership: ownership.unwrap_or(either),
            block_public_access: block,
            acl,
            object_acl: Vec::new(),
            owner_canonical_id: owner,
            object_owner_canonical_id: None,
        };
        if best && acls && self.acls_count() && call.on != Target::Key {
            self.open_acls(call, &mut bucket);
        }
        bucket
    }

    /// A key that nobody has, in place of any.
    pub(super) fn nobodys_key(&self) -> String {
        format!("{}{}", self.requests.prefix, keys::NOBODYS_KEY)
    }

    /// Keys to show what an answer depends on: for patterns under the prefix that a policy names.
    pub(super) fn witnesses(&self) -> Vec<String> {
        let mut found = Vec::new();
        let policies = self.bucket_policy.known().into_iter().flatten();
        let policies = policies.chain(self.identity.iter().map(|named| &named.policy));
        let policies = policies.chain(self.session.known().into_iter().flatten()).chain(&self.boundary);
        let statements = policies.flat_map(|policy| &policy.statements);
        let patterns = statements.filter_map(|statement| statement.resource.as_ref());
        for pattern in patterns.flat_map(|listed| &listed.values) {
            if let Some(key) = keys::witness(&pattern.value, &self.requests)
                && found.len() < keys::MOST_WITNESSES
                && !found.contains(&key)
            {
                found.push(key);
            }
        }
        found
    }
}

impl Ready {
    /// Without its reasons.
    pub(super) fn decision(&self) -> Decision {
        match evaluate::decide(&self.call, &self.policies, &self.bucket).decision {
            // a statement that is taken against the request must not keep the policy from being public
            Decision::Allowed if self.cut_off => Decision::ImplicitDeny,
            decision => decision,
        }
    }
}

/// To the account of the one who asks, whose own policies decide then.
fn delegate(policy: &mut Policy, call: &request::Call) {
    let Some(account) = call.account() else { return };
    for statement in &mut policy.statements {
        let named = vec![Located { value: account.to_owned(), at: statement.at }];
        let who = Who::Named(vec![(PrincipalKind::Aws, named)]);
        statement.principal = Some(Principals { not: false, at: statement.at, who });
    }
}

/// A policy that decides everything.
fn everything(effect: Effect, of_resource: bool) -> Policy {
    let at = Position { line: STANDS_IN, column: 1 };
    let star = || Listed { not: false, at, values: vec![Located { value: "*".to_owned(), at }] };
    Policy {
        version: Some(Located { value: Version::V2012, at }),
        id: None,
        statements: vec![Statement {
            at,
            sid: None,
            effect: Located { value: effect, at },
            principal: of_resource.then_some(Principals { not: false, at, who: Who::Everyone }),
            action: star(),
            resource: Some(star()),
            conditions: Vec::new(),
        }],
    }
}
