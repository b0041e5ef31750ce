//! What the engine is asked about a call: the request as the service would send it, and the policies, with what is not
//! known taken for one side.

use std::collections::BTreeSet;

use crate::app::policy_check::calls::{Call, Form, Target};
use crate::app::policy_check::facts::{Facts, Principal, Read};
use crate::app::policy_check::keys;
use crate::policy::compile::Slot;
use crate::policy::document::{
    Effect, Listed, Located, Policy, Position, Principals, Statement, Version, Who,
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
}

impl Facts {
    /// Everything that the engine wants to know, with what is not known taken for one side.
    pub(super) fn ready(&self, call: &Call, arn: &str, side: Side) -> Result<Ready, String> {
        let bucket = self.bucket(side);
        let request = self.request(call, arn, side);
        let read = request::Call::new(&request, &bucket).map_err(|error| error.to_string())?;
        let policies = self.policies(&read, &self.known(call), side);
        let policies = policies.map_err(|refused| format!("AWS would refuse a policy: {refused}"))?;
        Ok(Ready { call: read, policies, bucket })
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
            canonical_id: None,
        }
    }

    fn known(&self, call: &Call) -> Known {
        let mut absent = keys::absent(call.form);
        if self.requests.lasting_key {
            absent.extend(keys::OF_SESSIONS.iter().map(|key| (*key).to_owned()));
        }
        if !self.requests.signed {
            absent.extend(["s3:authtype", "s3:signatureversion", "s3:signatureage"].map(str::to_owned));
        }
        if self.requests.prefix.is_empty() && matches!(call.form, Form::List | Form::ListOne) {
            absent.insert("s3:prefix".to_owned());
        }
        let knows_account = self.same_account == Some(true) && self.principal != Principal::Unknown
            || self.requests.owner.is_some();
        let stand_ins = if knows_account && self.is_aws {
            BTreeSet::new()
        } else {
            ["aws:resourceaccount", "s3:resourceaccount"].map(str::to_owned).into()
        };
        Known {
            absent,
            stand_ins,
            principal: self.principal != Principal::Unknown,
            canonical_id: self.principal == Principal::Anonymous,
        }
    }

    fn policies(
        &self,
        call: &request::Call,
        known: &Known,
        side: Side,
    ) -> Result<Policies, evaluate::Refused> {
        let mut policies = Policies::default();
        match &self.bucket_policy {
            Read::Is(Some(policy)) => {
                policies.attach(Slot::Resource, &unknown::assume(policy, call, known, side))?;
            }
            Read::Is(None) => {}
            Read::Unknown => {
                let effect = if side == Side::Best { Effect::Allow } else { Effect::Deny };
                policies.attach(Slot::Resource, &everything(effect, true))?;
            }
        }
        for named in &self.identity {
            policies.attach(Slot::Identity, &unknown::assume(&named.policy, call, known, side))?;
        }
        let may_own = match self.owns_bucket {
            Read::Is(owns) => owns,
            Read::Unknown => side == Side::Best,
        };
        if may_own || (!self.identity_is_whole && side == Side::Best) {
            policies.attach(Slot::Identity, &everything(Effect::Allow, false))?;
        }
        if let Some(boundary) = &self.boundary {
            policies.attach(Slot::PermissionBoundary, &unknown::assume(boundary, call, known, side))?;
        }
        match &self.session {
            Read::Is(Some(session)) => {
                policies.attach(Slot::Session, &unknown::assume(session, call, known, side))?;
            }
            Read::Is(None) => {}
            Read::Unknown => {
                let effect = if side == Side::Best { Effect::Allow } else { Effect::Deny };
                policies.attach(Slot::Session, &everything(effect, false))?;
            }
        }
        Ok(policies)
    }

    fn bucket(&self, side: Side) -> Bucket {
        let best = side == Side::Best;
        let ownership = self.ownership.known().copied();
        let either = if best { ObjectOwnership::ObjectWriter } else { ObjectOwnership::BucketOwnerEnforced };
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
        Bucket {
            object_ownership: ownership.unwrap_or(either),
            block_public_access: block,
            acl,
            object_acl: Vec::new(),
            owner_canonical_id: owner,
            object_owner_canonical_id: None,
        }
    }

    /// Keys to ask for: one that nobody has, and one for every pattern under the prefix that a policy names.
    pub(super) fn keys_for(&self, call: &Call) -> Vec<String> {
        match &call.on {
            Target::Bucket => vec![String::new()],
            Target::Object(key) => vec![key.clone()],
            Target::Objects => {
                let nobodys = format!("{}{}", self.requests.prefix, keys::NOBODYS_KEY);
                let mut found = vec![nobodys];
                let policies = self.bucket_policy.known().into_iter().flatten();
                let policies = policies.chain(self.identity.iter().map(|named| &named.policy));
                let policies =
                    policies.chain(self.session.known().into_iter().flatten()).chain(&self.boundary);
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
    }
}

impl Ready {
    /// Without its reasons.
    pub(super) fn decision(&self) -> Decision {
        evaluate::decide(&self.call, &self.policies, &self.bucket).decision
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
