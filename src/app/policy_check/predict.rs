//! What becomes of one call, as far as what is known decides it: `yes` and `no` hold whatever is not known, apart from
//! what nobody reads (`unseen` of the answer).

use crate::app::policy_check::accounts::Accounts;
use crate::app::policy_check::calls::{Call, Form, Target};
use crate::app::policy_check::facts::{Facts, Principal, Read};
use crate::app::policy_check::keys::NOBODYS_KEY;
use crate::app::policy_check::question::{Ready, SOMEBODY, STANDS_IN, Taking};
use crate::model::check::Answer;
use crate::model::policy_check::{DecidingStatement, PredictedCall};
use crate::policy::document::{Policy, Who};
use crate::policy::evaluate::{self, DecidedBy, Decision};
use crate::policy::request::ObjectOwnership;
use crate::policy::unknown::Side;

/// What the bucket policy is called in answers.
pub(super) const BUCKET_POLICY: &str = "the bucket policy";
/// What the session policy is called in answers.
pub(super) const SESSION_POLICY: &str = "the session policy";
/// What the permissions boundary is called in answers.
pub(super) const BOUNDARY: &str = "the permissions boundary";

/// What one side decides.
struct Decided {
    decision: Decision,
    explanation: String,
    repair: Option<String>,
    statement: Option<DecidingStatement>,
    /// What decided stands in for a policy that could not be read.
    stands_in: bool,
    /// The boundary or the policy of the session has no Allow.
    limited: bool,
}

impl Facts {
    /// Predicts a call.
    pub(in crate::app) fn predict(&self, call: &Call, accounts: &Accounts) -> PredictedCall {
        let mut predicted = match &call.on {
            Target::Objects => self.predict_any(call, accounts),
            Target::Object(key) => self.predict_on(call, key, accounts),
            Target::Bucket | Target::Key => self.predict_on(call, "", accounts),
        };
        predicted.resource = self.shown(&call.on);
        if predicted.answer != Answer::No
            && let Some((what, repair)) = self.refused_acl(call)
        {
            let allowed = if predicted.answer == Answer::Yes { "the policies allow it, but " } else { "" };
            predicted.answer = Answer::No;
            predicted.explicit = true;
            (predicted.limited, predicted.only_acl) = (false, false);
            predicted.statement = None;
            predicted.explanation = format!(
                "{allowed}ACLs are off for the bucket and {what}: S3 answers 400 AccessControlListNotSupported"
            );
            predicted.repair = Some(repair.to_owned());
        }
        predicted
    }

    /// What S3 refuses for itself, where ACLs are off, and what to do (S3 user guide, object ownership): each change of an
    /// ACL, and uploads with other ACLs than one.
    fn refused_acl(&self, call: &Call) -> Option<(String, &'static str)> {
        if !self.is_aws || self.ownership.known() != Some(&ObjectOwnership::BucketOwnerEnforced) {
            return None;
        }
        match (call.form, self.requests.acl) {
            (Form::Acl, _) => Some((
                "no ACL can be changed".to_owned(),
                "take `put_acl` from the operations of the resource, or let ACLs count for the bucket",
            )),
            (Form::Upload | Form::Copy, Some(acl)) if acl != "bucket-owner-full-control" => Some((
                format!("the resource sends `{acl}`"),
                "take `default_acl` from the resource, or set it to `bucket-owner-full-control`",
            )),
            _ => None,
        }
    }

    /// Of any object under the prefix: certain is only what holds for each of them.
    fn predict_any(&self, call: &Call, accounts: &Accounts) -> PredictedCall {
        let nobodys = self.nobodys_key();
        let any = self.predict_on(call, &nobodys, accounts);
        if any.answer != Answer::Unknown {
            return any;
        }
        let one = |key: &str| {
            self.predict_on(&Call { on: Target::Object(key.to_owned()), ..call.clone() }, key, accounts)
        };
        let first = one(&nobodys);
        for key in self.witnesses() {
            let next = one(&key);
            if next.answer != first.answer {
                return self.depends_on_key(call, &first, &next, &key);
            }
        }
        if first.answer == Answer::Unknown {
            return first;
        }
        PredictedCall {
            explanation: format!(
                "that depends on the key: a policy means some keys under the prefix and not others; for one that none means, {}",
                first.explanation
            ),
            ..any
        }
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
            limited: false,
            only_acl: false,
        }
    }

    fn predict_on(&self, call: &Call, key: &str, accounts: &Accounts) -> PredictedCall {
        let arn = match &call.on {
            Target::Bucket => self.requests.bucket.clone(),
            Target::Objects | Target::Object(_) => self.object_arn(key),
            Target::Key => self.shown(&call.on),
        };
        let ready = |side, acls| self.ready(call, &arn, Taking { side, acls });
        let [best, worst] = [Side::Best, Side::Worst].map(|side| ready(side, true));
        let (answer, decided) = match (&best, &worst) {
            (Err(why), _) | (_, Err(why)) => (Answer::Unknown, Decided::invalid(why.clone())),
            (Ok(best), Ok(worst)) => match (best.decision(), worst.decision()) {
                (_, Decision::Allowed) => (Answer::Yes, self.explained(worst)),
                (Decision::ExplicitDeny | Decision::ImplicitDeny, _) => (Answer::No, self.explained(best)),
                _ => (Answer::Unknown, self.undecided(self.explained(best), self.explained(worst))),
            },
        };
        let explicit = answer == Answer::No && decided.decision == Decision::ExplicitDeny;
        let only_acl = answer == Answer::Unknown
            && best.is_ok()
            && ready(Side::Best, false).is_ok_and(|best| best.decision() == Decision::ImplicitDeny);
        // a key that stands for all others is not shown
        let nobodys = key.ends_with(NOBODYS_KEY);
        let told = |text: &str| {
            let text =
                if nobodys { text.replace(&arn, &self.shown(&Target::Objects)) } else { text.to_owned() };
            accounts.give_back(&self.renamed(&text))
        };
        let explanation = if only_acl && self.bucket_policy.known().is_some() {
            "no policy allows it; the ACL of an object, or a grant that may be for the identity, may"
                .to_owned()
        } else {
            told(&decided.explanation)
        };
        PredictedCall {
            action: call.action.to_owned(),
            answer,
            explanation,
            repair: decided.repair.filter(|_| answer == Answer::No).map(|text| told(&text)),
            resource: arn,
            statement: decided.statement,
            explicit,
            limited: answer == Answer::No && decided.limited,
            only_acl,
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
            _ if matches!(self.session, Read::Unknown)
                && self.identity_is_whole
                && !worst.stands_in
                && worst.limited =>
            {
                "the policy of its session is not known, and need not allow it".to_owned()
            }
            (Decision::ExplicitDeny, _) if worst.stands_in => {
                "the bucket policy could not be read, and it may deny it".to_owned()
            }
            (Decision::ExplicitDeny, _) => perhaps(&worst, "denies")
                .unwrap_or_else(|| "what was read does not say whether it is denied".to_owned()),
            _ => perhaps(&best, "allows").unwrap_or_else(|| self.nothing_read_allows()),
        };
        let statement =
            if worst.decision == Decision::ExplicitDeny { worst.statement } else { best.statement };
        Decided { decision: Decision::ImplicitDeny, statement, ..Decided::invalid(explanation) }
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
        let limited = answer.decision == Decision::ImplicitDeny
            && matches!(answer.decided_by, DecidedBy::PermissionBoundary | DecidedBy::Session);
        Decided {
            decision: answer.decision,
            explanation,
            repair: answer.repair,
            statement,
            stands_in,
            limited,
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
            Target::Key => self.requests.kms_key.clone().unwrap_or_else(|| "the KMS key".to_owned()),
        }
    }

    /// The engine's names of documents, as people know them.
    fn renamed(&self, text: &str) -> String {
        let mut text = text
            .replace("`resource`", BUCKET_POLICY)
            .replace("`session`", SESSION_POLICY)
            .replace("`permission_boundary[0]`", BOUNDARY)
            .replace("`permission_boundary`", BOUNDARY);
        for (at, named) in self.identity.iter().enumerate() {
            text = text.replace(&format!("`identity[{at}]`"), &named.name);
        }
        text.replace("`identity`", "a policy of the identity").replace(SOMEBODY, "the identity")
    }
}

impl Decided {
    fn invalid(explanation: String) -> Decided {
        Decided {
            decision: Decision::Invalid,
            explanation,
            repair: None,
            statement: None,
            stands_in: false,
            limited: false,
        }
    }
}

/// `statement `Sid` (line 7) of the bucket policy`.
fn named(statement: &DecidingStatement) -> String {
    match &statement.sid {
        Some(sid) => format!("statement `{sid}` (line {}) of {}", statement.line, statement.document),
        None => format!("statement {} (line {}) of {}", statement.index, statement.line, statement.document),
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
