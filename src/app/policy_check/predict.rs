//! What becomes of one call, as far as what is known decides it: `yes` and `no` hold whatever is not known, apart from
//! what nobody reads (`unseen` of the answer).

use std::collections::BTreeSet;

use crate::app::policy_check::accounts::Accounts;
use crate::app::policy_check::calls::{Call, Form, Target};
use crate::app::policy_check::facts::{Facts, Principal, Read};
use crate::app::policy_check::keys;
use crate::model::check::Answer;
use crate::model::policy_check::{DecidingStatement, PredictedCall};
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
const SOMEBODY: &str = "arn:aws:iam::999999999999:user/somebody";
/// Stands in for the account of a bucket that is of another one.
const ANOTHER_ACCOUNT: &str = "000000000000";
/// What the bucket policy is called in answers.
pub(super) const BUCKET_POLICY: &str = "the bucket policy";
/// What the session policy is called in answers.
pub(super) const SESSION_POLICY: &str = "the session policy";
/// What the permissions boundary is called in answers.
pub(super) const BOUNDARY: &str = "the permissions boundary";

/// What one side is asked with.
struct Ready {
    call: request::Call,
    policies: Policies,
    bucket: Bucket,
}

/// What one side decides.
struct Decided {
    decision: Decision,
    explanation: String,
    repair: Option<String>,
    statement: Option<DecidingStatement>,
    /// What decided stands in for a policy that could not be read.
    stands_in: bool,
}

impl Facts {
    /// Predicts a call.
    pub(in crate::app) fn predict(&self, call: &Call, accounts: &Accounts) -> PredictedCall {
        let keys = self.keys_for(call);
        let mut first: Option<PredictedCall> = None;
        for key in &keys {
            let next = self.predict_on(call, key, accounts);
            match &first {
                None => first = Some(next),
                Some(before) if before.answer == next.answer => {}
                Some(before) => return self.depends_on_key(call, before, &next, key),
            }
        }
        let mut predicted = first.unwrap_or_else(|| self.predict_on(call, "", accounts));
        predicted.resource = self.shown(&call.on);
        predicted
    }

    /// Some keys under the prefix are allowed, and others are not.
    fn depends_on_key(
        &self,
        call: &Call,
        one: &PredictedCall,
        other: &PredictedCall,
        key: &str,
    ) -> PredictedCall {
        let deciding = if other.statement.is_some() { other } else { one };
        PredictedCall {
            action: call.action.to_owned(),
            resource: self.shown(&call.on),
            answer: Answer::Unknown,
            explanation: format!(
                "that depends on the key: for one like `{key}`, {}; for others, {}",
                other.explanation, one.explanation
            ),
            repair: None,
            statement: deciding.statement.clone(),
            explicit: false,
        }
    }

    fn predict_on(&self, call: &Call, key: &str, accounts: &Accounts) -> PredictedCall {
        let arn = match &call.on {
            Target::Bucket => self.requests.bucket.clone(),
            Target::Objects | Target::Object(_) => self.object_arn(key),
        };
        let [best, worst] = [Side::Best, Side::Worst].map(|side| self.ready(call, &arn, side));
        let (answer, decided) = match (&best, &worst) {
            (Err(why), _) | (_, Err(why)) => (Answer::Unknown, Decided::invalid(why.clone())),
            (Ok(best), Ok(worst)) => match (best.decision(), worst.decision()) {
                (_, Decision::Allowed) => (Answer::Yes, self.explained(worst)),
                (Decision::ExplicitDeny | Decision::ImplicitDeny, _) => (Answer::No, self.explained(best)),
                _ => (Answer::Unknown, self.undecided(self.explained(best), self.explained(worst))),
            },
        };
        let explicit = answer == Answer::No && decided.decision == Decision::ExplicitDeny;
        PredictedCall {
            action: call.action.to_owned(),
            resource: arn,
            answer,
            explanation: accounts.give_back(&self.renamed(&decided.explanation)),
            repair: decided
                .repair
                .filter(|_| answer == Answer::No)
                .map(|text| accounts.give_back(&self.renamed(&text))),
            statement: decided.statement,
            explicit,
        }
    }

    /// Why it cannot be told: what denies it perhaps, or else what allows it perhaps.
    fn undecided(&self, best: Decided, worst: Decided) -> Decided {
        let perhaps = |decided: &Decided, does: &str| {
            let statement = decided.statement.as_ref()?;
            let why = self.doubt_of(statement)?;
            Some(format!("{} {does} it, if {why}, which is not known here", named(statement)))
        };
        let explanation = match (&worst.decision, &best.decision) {
            (_, Decision::Invalid) => best.explanation.clone(),
            (Decision::ExplicitDeny, _) if worst.stands_in => {
                "the bucket policy could not be read, and it may deny it".to_owned()
            }
            (Decision::ExplicitDeny, _) => perhaps(&worst, "denies")
                .unwrap_or_else(|| "what was read does not say whether it is denied".to_owned()),
            _ => perhaps(&best, "allows").unwrap_or_else(|| self.nothing_read_allows()),
        };
        let statement = if worst.decision == Decision::ExplicitDeny { worst.statement } else { best.statement };
        Decided { decision: Decision::ImplicitDeny, explanation, repair: None, statement, stands_in: false }
    }

    fn nothing_read_allows(&self) -> String {
        if self.principal == Principal::Unknown && !self.is_aws {
            return "nothing that was read allows it, and whose the key is could not be found out".to_owned();
        }
        if self.same_account.is_none() && self.identity_is_whole {
            return "it is not known whether the identity is of the bucket's account".to_owned();
        }
        if !self.identity_is_whole && self.principal != Principal::Anonymous {
            return "nothing that was read allows it, and policies of the identity, which were not read, may"
                .to_owned();
        }
        if matches!(self.bucket_policy, Read::Unknown) {
            return "the bucket policy could not be read".to_owned();
        }
        "nothing that was read allows it; an ACL, or settings that could not be read, may".to_owned()
    }

    /// What a statement of the bucket policy, or of the identity, depends on that is not known.
    fn doubt_of(&self, statement: &DecidingStatement) -> Option<String> {
        let found = self.document(&statement.document)?.statements.get(statement.index)?;
        let keys: Vec<String> =
            found.conditions.iter().map(|condition| format!("`{}`", condition.key.value)).collect();
        let who = found.principal.as_ref().is_some_and(|principals| matches!(principals.who, Who::Named(_)));
        let mut doubts = Vec::new();
        if !keys.is_empty() {
            doubts.push(format!("its condition on {} holds", keys.join(" and ")));
        }
        if who && self.principal == Principal::Unknown {
            doubts.push("it means this identity".to_owned());
        }
        (!doubts.is_empty()).then(|| doubts.join(" and if "))
    }

    /// Everything that the engine wants to know, with what is not known taken for one side.
    fn ready(&self, call: &Call, arn: &str, side: Side) -> Result<Ready, String> {
        let bucket = self.bucket(side);
        let request = self.request(call, arn, side);
        let read = request::Call::new(&request, &bucket).map_err(|error| error.to_string())?;
        let policies = self.policies(&read, &self.known(call), side);
        let policies = policies.map_err(|refused| format!("AWS would refuse a policy: {refused}"))?;
        Ok(Ready { call: read, policies, bucket })
    }

    fn explained(&self, ready: &Ready) -> Decided {
        let answer = evaluate::explain(&ready.call, &ready.policies, &ready.bucket);
        let decisive = answer.decisive.and_then(|at| answer.statements.get(at));
        // what stands in for a policy that could not be read decides nothing that could be shown
        let stands_in = decisive.is_some_and(|trace| trace.line == STANDS_IN);
        let statement = decisive.filter(|_| !stands_in).map(|trace| DecidingStatement {
            document: self.renamed(&format!("`{}`", trace.policy)),
            index: trace.index,
            sid: trace.sid.filter(|sid| !sid.is_empty()).map(str::to_owned),
            line: trace.line,
        });
        let explanation = if !stands_in {
            answer.explanation
        } else if matches!(self.owns_bucket, Read::Is(true)) {
            "the identity owns the bucket, and nothing denies it".to_owned()
        } else {
            String::new()
        };
        Decided { decision: answer.decision, explanation, repair: answer.repair, statement, stands_in }
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
    fn keys_for(&self, call: &Call) -> Vec<String> {
        match &call.on {
            Target::Bucket => vec![String::new()],
            Target::Object(key) => vec![key.clone()],
            Target::Objects => {
                let nobodys = format!("{}{}", self.requests.prefix, keys::NOBODYS_KEY);
                let mut found = vec![nobodys];
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
    }

    pub(super) fn object_arn(&self, key: &str) -> String {
        format!("{}/{key}", self.requests.bucket)
    }

    /// The document of this name.
    pub(super) fn document(&self, name: &str) -> Option<&Policy> {
        match name {
            BUCKET_POLICY => self.bucket_policy.known()?.as_ref(),
            SESSION_POLICY => self.session.known()?.as_ref(),
            BOUNDARY => self.boundary.as_ref(),
            name => self.identity.iter().find(|named| named.name == name).map(|named| &named.policy),
        }
    }

    /// What a call is done to, as a policy would write it.
    pub(super) fn shown(&self, on: &Target) -> String {
        match on {
            Target::Bucket => self.requests.bucket.clone(),
            Target::Objects => format!("{}/{}*", self.requests.bucket, self.requests.prefix),
            Target::Object(key) => self.object_arn(key),
        }
    }

    /// The engine's names of documents, as people know them.
    fn renamed(&self, text: &str) -> String {
        let mut text = text
            .replace("`resource`", BUCKET_POLICY)
            .replace("`session`", SESSION_POLICY)
            .replace("`permission_boundary[0]`", BOUNDARY);
        for (at, named) in self.identity.iter().enumerate() {
            text = text.replace(&format!("`identity[{at}]`"), &named.name);
        }
        text.replace("`identity`", "a policy of the identity").replace(SOMEBODY, "the identity")
    }
}

impl Ready {
    fn decision(&self) -> Decision {
        evaluate::decide(&self.call, &self.policies, &self.bucket).decision
    }
}

impl Decided {
    fn invalid(explanation: String) -> Decided {
        Decided { decision: Decision::Invalid, explanation, repair: None, statement: None, stands_in: false }
    }
}

/// `statement `Sid` (line 7) of the bucket policy`.
pub(super) fn named(statement: &DecidingStatement) -> String {
    match &statement.sid {
        Some(sid) => format!("statement `{sid}` (line {}) of {}", statement.line, statement.document),
        None => format!("statement {} (line {}) of {}", statement.index, statement.line, statement.document),
    }
}

/// No text has it: the mark of what stands in for a policy that could not be read.
const STANDS_IN: u32 = u32::MAX;

const ALL_BLOCKED: BlockPublicAccess = BlockPublicAccess {
    block_public_acls: true,
    ignore_public_acls: true,
    block_public_policy: true,
    restrict_public_buckets: true,
};

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

/// The sum of the calls of an operation: all must be allowed.
pub(super) fn sum(calls: &[PredictedCall]) -> Answer {
    let any = |answer| calls.iter().any(|call| call.answer == answer);
    if any(Answer::No) {
        Answer::No
    } else if any(Answer::Unknown) || calls.is_empty() {
        Answer::Unknown
    } else {
        Answer::Yes
    }
}

