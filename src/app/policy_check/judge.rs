//! The answer: predictions, findings, what is public, unused and missing, and whether a test agrees.

use crate::app::policy_check::accounts::Accounts;
use crate::app::policy_check::calls;
use crate::app::policy_check::change::missing;
use crate::app::policy_check::facts::{Facts, Principal, Read};
use crate::app::policy_check::gather::Gathered;
use crate::app::policy_check::predict::{BUCKET_POLICY, sum};
use crate::model::check::{Answer, KnownBy, Report};
use crate::model::name::Name;
use crate::model::operation::Operation;
use crate::model::policy_check::{
    Agreement, CheckedIdentity, DocumentFinding, PolicyCheck, PredictedCall, Prediction, Verdict,
};
use crate::policy::document::Kind;
use crate::policy::finding::{Finding, Severity};
use crate::policy::public_access::{self, PublicAccess};
use crate::policy::request::{Bucket, ObjectOwnership};
use crate::policy::validate::{self, BucketFacts, Facts as Validated};

/// What is judged.
pub(super) struct Judged {
    pub(super) gathered: Gathered,
    pub(super) operations: Vec<Operation>,
    pub(super) report: Option<Report>,
}

impl Judged {
    /// Only computes.
    pub(super) fn into_check(self, resource: Name, environment: Name) -> PolicyCheck {
        let facts = &self.gathered.facts;
        let accounts = &self.gathered.accounts;
        let predictions: Vec<Prediction> =
            self.operations.iter().map(|operation| self.predicted(*operation)).collect();
        let findings = self.findings();
        let errors = findings.iter().any(|found| found.finding.severity == Severity::Error);
        let verdict = if errors { Verdict::Fails } else { Verdict::of(&predictions) };
        let missing = missing(&predictions);
        PolicyCheck {
            resource,
            environment,
            verdict,
            identity: self.identity(),
            unseen: facts.unseen(),
            findings,
            public_access: facts.public_access(),
            unused: facts.unused(&self.operations, accounts),
            change: facts.change(&missing, &predictions, &self.gathered.bucket, accounts),
            missing,
            agreement: self.report.as_ref().map(|report| self.agreement(report)),
            predictions,
            bucket: self.gathered.bucket,
            parts: self.gathered.parts,
        }
    }

    fn identity(&self) -> CheckedIdentity {
        let shown = |arn: &String| self.gathered.accounts.give_back(arn);
        let (principal, role) = match &self.gathered.facts.principal {
            Principal::Anonymous => (Some("anonymous".to_owned()), None),
            Principal::Known { arn, role } => (Some(shown(arn)), role.as_ref().map(shown)),
            Principal::Unknown => (None, None),
        };
        CheckedIdentity {
            principal,
            role,
            known_by: self.gathered.asking.known_by.clone(),
            same_account: self.gathered.facts.same_account,
        }
    }

    fn predicted(&self, operation: Operation) -> Prediction {
        let Gathered { facts, accounts, .. } = &self.gathered;
        let tried = self.report.as_ref().and_then(|report| tried(report, operation));
        let prediction = facts.predict_operation(operation, accounts);
        Prediction { tried, ..prediction }
    }

    fn agreement(&self, report: &Report) -> Agreement {
        let Gathered { facts, accounts, .. } = &self.gathered;
        let mut agreement = Agreement {
            tested_at: report.tested_at.clone(),
            agree: Vec::new(),
            differ: Vec::new(),
            not_predicted: Vec::new(),
        };
        for compared in facts.compare(&report.checks, None, accounts) {
            match compared.difference {
                Some(difference) => agreement.differ.push(difference),
                None if compared.predicted == Answer::Unknown => agreement.not_predicted.push(compared.check),
                None => agreement.agree.push(compared.check),
            }
        }
        agreement
    }

    fn findings(&self) -> Vec<DocumentFinding> {
        let Gathered { facts, parts, texts, bucket, accounts, .. } = &self.gathered;
        let owner = facts.requests.owner.as_deref().or(facts.account()).map(str::to_owned);
        let of_bucket = Validated {
            bucket: Some(BucketFacts {
                name: Some(bucket.clone()),
                account: owner.filter(|_| facts.is_aws),
                object_ownership: facts.ownership.known().copied(),
                block_public_access: facts.block.known().copied(),
            }),
            needed_actions: None,
        };
        let needed = self.operations.iter().flat_map(|operation| operation.all_actions());
        let of_identity =
            Validated { bucket: None, needed_actions: Some(needed.map(str::to_owned).collect()) };
        let shown = parts.iter().flat_map(|part| &part.documents).filter(|text| text.name == BUCKET_POLICY);
        let all = shown.map(|text| (text, Kind::Bucket, &of_bucket));
        let all = all.chain(texts.iter().map(|text| (text, Kind::Identity, &of_identity)));
        let found = all.flat_map(|(text, kind, known)| {
            let findings = validate::validate(&text.text, kind, known).into_iter();
            findings.map(|finding| DocumentFinding { document: text.name.clone(), finding })
        });
        // other stores write principals in their own way
        found
            .filter(|found| facts.is_aws || !is_about_principals(&found.finding))
            .map(|mut found| {
                found.finding.message = accounts.give_back(&found.finding.message);
                found
            })
            .collect()
    }
}

fn is_about_principals(finding: &Finding) -> bool {
    finding.path.contains("Principal") && finding.severity == Severity::Error
}

/// What a test came to, where it was tried.
fn tried(report: &Report, operation: Operation) -> Option<Answer> {
    let row = report.permissions.iter().find(|row| row.operation == operation)?;
    matches!(row.known_by, KnownBy::Tried | KnownBy::Both).then_some(row.answer)
}

impl Facts {
    /// What an operation comes to. To sign needs no right: a URL does what its signer may.
    pub(super) fn predict_operation(&self, operation: Operation, accounts: &Accounts) -> Prediction {
        if operation == Operation::Sign {
            let signed = |operation, authentication| {
                let requests = self.requests.by_url(authentication);
                Facts { requests, ..self.clone() }.predict_operation(operation, accounts)
            };
            let [get, url] = [Operation::Get, Operation::Put]
                .map(|operation| signed(operation, Some("REST-QUERY-STRING")));
            // what a URL may not, a form or the URL of a part may
            let put = if url.answer == Answer::No { signed(Operation::Put, None) } else { url };
            let answer = match (get.answer, put.answer) {
                (Answer::Yes, _) | (_, Answer::Yes) => Answer::Yes,
                (Answer::No, Answer::No) => Answer::No,
                _ => Answer::Unknown,
            };
            let deciding = if put.answer == answer && get.answer != answer { put } else { get };
            let explanation = format!("a URL does what its signer may: {}", deciding.explanation);
            return Prediction { operation, answer, explanation, calls: Vec::new(), ..deciding };
        }
        let calls: Vec<PredictedCall> = calls::of_operation(operation, &self.requests)
            .iter()
            .map(|call| self.predict(call, accounts))
            .collect();
        let answer = sum(&calls);
        let deciding = calls.iter().find(|call| call.answer == answer);
        Prediction {
            operation,
            answer,
            tried: None,
            explanation: deciding.map(|call| call.explanation.clone()).unwrap_or_default(),
            statement: deciding.and_then(|call| call.statement.clone()),
            calls,
        }
    }

    /// Settings that could not be read count as off, and say so in their part.
    fn public_access(&self) -> Option<PublicAccess> {
        let Read::Is(policy) = &self.bucket_policy else { return None };
        let ownership = self.ownership.known().copied().unwrap_or_default();
        let acl = match &self.acl {
            Read::Is(acl) => acl.grants.clone(),
            Read::Unknown if ownership == ObjectOwnership::BucketOwnerEnforced => Vec::new(),
            Read::Unknown => return None,
        };
        let bucket = Bucket {
            object_ownership: ownership,
            block_public_access: self.block.known().copied().unwrap_or_default(),
            acl,
            ..Bucket::default()
        };
        Some(public_access::judge(policy.as_ref(), &bucket))
    }

    /// What could decide otherwise, and is read by nobody here.
    pub(super) fn unseen(&self) -> Vec<String> {
        let mut unseen = Vec::new();
        let mut add = |text: &str| unseen.push(text.to_owned());
        let signed = self.principal != Principal::Anonymous;
        if signed && !self.identity_is_whole {
            add("a Deny in policies of the identity, not all of which were read");
        }
        if signed && matches!(self.session, Read::Unknown) {
            add("the policy of the session, if it was made with one: give it as `session_policy`");
        }
        if self.is_aws {
            if signed && !self.boundary_is_known {
                add("a permissions boundary that was not read");
            }
            add("service control and resource control policies of the organization");
            add("the policy of a VPC endpoint that requests go through");
            add("the setting of the account that blocks public access");
            add(if self.requests.uses_kms {
                "the policy of the KMS key that encrypts the uploads, and of those of the objects"
            } else {
                "the policy of a KMS key, where one encrypts the objects"
            });
        } else {
            add("what the store decides otherwise than AWS");
        }
        if self.ownership.known() != Some(&ObjectOwnership::BucketOwnerEnforced) {
            add("ACLs and owners of single objects");
        }
        unseen
    }
}
