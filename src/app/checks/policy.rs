//! Do the policies that a test has read agree with what it has tried. Nothing is read or sent for it.

use crate::app::policy_check::{PolicyRead, Predicted, Tested};
use crate::model::check::{Answer, Check, Status};
use crate::model::error_catalogue;

const NAME: &str = "policy-agrees";
const CAUSE: &str = "PolicyDisagrees";

/// Predicts what was tried, off the threads that answer others.
pub(super) async fn predicted(tested: Tested) -> Option<Predicted> {
    tokio::task::spawn_blocking(move || tested.predict()).await.ok()
}

/// What the check came to without any prediction.
pub(super) fn not_tried(read: Option<&PolicyRead>) -> Check {
    let why = match read {
        None => "the bucket policy was not read: `policy-readable` says why",
        Some(_) => "the predictions could not be computed",
    };
    Check::new(NAME, Status::Skipped, why)
}

/// What it came to.
pub(super) fn agrees(predicted: &Predicted) -> Check {
    if let Some(why) = &predicted.refused {
        return Check::new(
            NAME,
            Status::Skipped,
            format!("the bucket policy decides, and it is not known: {why}"),
        );
    }
    let known = predicted.compared.iter().filter(|compared| compared.predicted != Answer::Unknown).count();
    let all = predicted.compared.len();
    let differences: Vec<_> =
        predicted.compared.iter().filter_map(|compared| compared.difference.as_ref()).collect();
    let Some(first) = differences.first() else {
        return if known == 0 {
            Check::new(NAME, Status::Skipped, nothing_predicted(predicted))
        } else {
            let rest = if known < all {
                "; the rest depends on what a test does not read: `policy check` looks further"
            } else {
                ""
            };
            let denied = explained(predicted);
            let text =
                format!("{known} of {all} calls that were tried came out as the policies say{rest}{denied}");
            Check::new(NAME, Status::Passed, text)
        };
    };
    let told = differences.iter().map(|difference| {
        let outcome = if difference.tried == Answer::Yes { "allowed" } else { "denied" };
        let (action, why) = (&difference.action, &difference.explanation);
        format!("`{action}` was {outcome} ({}), but {why}", difference.check)
    });
    let told: Vec<String> = told.collect();
    let mut check = Check::new(NAME, Status::Warning, told.join("; "));
    check.cause = Some(CAUSE.to_owned());
    let general = error_catalogue::find(CAUSE).map_or("", |entry| entry.remedy);
    check.remedy = Some(format!("{general}; behind it may be {}", first.reasons.join(", or ")));
    check
}

/// Why calls were denied, where a statement says so: the fix of their own check would not help then.
fn explained(predicted: &Predicted) -> String {
    let denied = predicted.compared.iter().filter(|compared| compared.call.explicit);
    let told: Vec<String> =
        denied.map(|compared| format!("; {}: {}", compared.check, compared.call.explanation)).collect();
    told.concat()
}

fn nothing_predicted(predicted: &Predicted) -> String {
    if predicted.compared.is_empty() {
        return "nothing was tried that policies decide".to_owned();
    }
    let policy =
        if predicted.has_policy { "the bucket policy does not decide" } else { "the bucket has no policy" };
    let own = if predicted.nobody {
        "whose the key is could not be found out: `policy check --principal` takes its ARN"
    } else {
        "the identity's own policies, which decide, are not read by a test: `policy check` looks for them"
    };
    format!("{policy}, and {own}")
}
