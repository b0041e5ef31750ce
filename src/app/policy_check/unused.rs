//! Rights that are certainly there, and that no operation of the resource needs.

use std::collections::{BTreeMap, BTreeSet};

use crate::app::policy_check::accounts::Accounts;
use crate::app::policy_check::calls::{self, Call, Form, Target};
use crate::app::policy_check::facts::{Facts, Read};
use crate::app::policy_check::keys::NOBODYS_KEY;
use crate::model::check::Answer;
use crate::model::operation::Operation;
use crate::model::policy_check::{DecidingStatement, UnusedRights};
use crate::policy::catalogue;

/// Rights by the reason, what they are on, and the statement that gives them.
type Found = BTreeMap<(&'static str, String, Option<DecidingStatement>), BTreeSet<String>>;

const NOT_NEEDED: &str = "no operation that the resource allows needs it";
const OUTSIDE: &str = "it reaches outside of the prefix of the resource";

impl Facts {
    /// What no operation needs: other actions in the bucket, and needed ones outside of the prefix.
    pub(super) fn unused(&self, operations: &[Operation], accounts: &Accounts) -> Vec<UnusedRights> {
        if matches!(self.owns_bucket, Read::Is(true)) {
            // an owner may do everything, whatever is written
            return Vec::new();
        }
        let needed = needed(self, operations);
        let mut found = Found::new();
        for (action, on_bucket) in actions() {
            let on = if on_bucket { Target::Bucket } else { self.inside() };
            if needed.contains(action) {
                if !on_bucket && !self.requests.prefix.is_empty() {
                    let outside = Target::Object(format!("s3-connector-outside/{NOBODYS_KEY}"));
                    let shown = format!("{}/*", self.requests.bucket);
                    self.note(&mut found, (OUTSIDE, shown), (action, outside), accounts);
                }
                continue;
            }
            let shown = self.shown(if on_bucket { &on } else { &Target::Objects });
            self.note(&mut found, (NOT_NEEDED, shown), (action, on), accounts);
        }
        let rights = found.into_iter().map(|((reason, resource, statement), actions)| UnusedRights {
            actions: actions.into_iter().collect(),
            resource,
            statement,
            reason: reason.to_owned(),
        });
        rights.collect()
    }

    fn inside(&self) -> Target {
        Target::Object(format!("{}{NOBODYS_KEY}", self.requests.prefix))
    }

    fn note(
        &self,
        found: &mut Found,
        (reason, shown): (&'static str, String),
        (action, on): (&'static str, Target),
        accounts: &Accounts,
    ) {
        let predicted = self.predict(&Call { action, on, form: Form::Plain }, accounts);
        if predicted.answer == Answer::Yes {
            found.entry((reason, shown, predicted.statement)).or_default().insert(action.to_owned());
        }
    }
}

/// The actions that an operation may ask for, in whichever form.
fn needed(facts: &Facts, operations: &[Operation]) -> BTreeSet<&'static str> {
    let of_forms = operations.iter().flat_map(|operation| operation.all_actions());
    let of_calls = operations.iter().flat_map(|operation| calls::of_operation(*operation, &facts.requests));
    of_forms.chain(of_calls.map(|call| call.action)).collect()
}

/// Every action of S3 on a bucket or an object, and whether it is on the bucket.
fn actions() -> Vec<(&'static str, bool)> {
    static NAMES: std::sync::OnceLock<Vec<(String, bool)>> = std::sync::OnceLock::new();
    let names = NAMES.get_or_init(|| {
        let service = catalogue::get().service("s3");
        let actions = service.into_iter().flat_map(catalogue::Service::actions);
        let mut names: Vec<(String, bool)> = actions
            .filter_map(|action| {
                let on = |kind: &str| action.resources.iter().any(|resource| resource == kind);
                (on("bucket") || on("object")).then(|| (format!("s3:{}", action.name), on("bucket")))
            })
            .collect();
        names.sort();
        names
    });
    names.iter().map(|(name, on_bucket)| (name.as_str(), *on_bucket)).collect()
}
