//! The statement that would nearly have allowed a request.

use crate::policy::compile::{Resources, Slot};
use crate::policy::evaluate::decide;
use crate::policy::evaluate::trace::{ConditionTrace, StatementTrace};
use crate::policy::principal::Principals;
use crate::policy::request::{Call, bucket_and_key};

/// What is wrong with it, and how to mend it.
pub(super) struct Miss {
    pub(super) explanation: String,
    pub(super) repair: String,
}

/// The best miss among the Allows of these policies: one that is about the action.
pub(super) fn nearest(call: &Call, statements: &[StatementTrace<'_>], slots: &[Slot]) -> Option<Miss> {
    let counts = |slot| slots.contains(&slot) && decide::applies(slot, call);
    let candidates = statements
        .iter()
        .filter(|trace| trace.is_allow() && !trace.matches && trace.why.action && counts(trace.slot));
    candidates
        .max_by_key(|trace| (closeness(trace), std::cmp::Reverse(trace.index)))
        .map(|trace| miss(call, trace))
}

fn closeness(trace: &StatementTrace<'_>) -> (bool, bool, usize) {
    let held = trace.why.conditions.iter().filter(|condition| condition.matches).count();
    (trace.why.resource, trace.why.principal, held)
}

fn miss(call: &Call, trace: &StatementTrace<'_>) -> Miss {
    if !trace.why.resource {
        return resource(call, trace);
    }
    if !trace.why.principal {
        return principal(call, trace);
    }
    match trace.why.conditions.iter().find(|condition| !condition.matches) {
        Some(found) => condition(call, trace, found),
        None => principal(call, trace),
    }
}

/// The commonest mistake: a bucket's ARN where its objects are meant, or the other way round.
fn resource(call: &Call, trace: &StatementTrace<'_>) -> Miss {
    let name = trace.name();
    let resources = trace.statement.0.resources.as_ref();
    let names = |wanted: &dyn Fn(&str, Option<&str>) -> bool| {
        resources.filter(|resources| !resources.is_not()).is_some_and(|resources| {
            let mut parts = resources.texts().iter().filter_map(|text| bucket_and_key(text));
            parts.any(|(bucket, key)| wanted(bucket, key))
        })
    };
    match call.bucket_and_key() {
        Some((bucket, Some(_))) if names(&|named, key| named == bucket && key.is_none()) => Miss {
            explanation: format!(
                "{name} allows the action, but its Resource is the bucket and not the objects in it"
            ),
            repair: format!("add `{}/*` to the Resource of {name}", bucket_arn(call, bucket)),
        },
        Some((bucket, None)) if names(&|named, key| named == bucket && key.is_some()) => Miss {
            explanation: format!(
                "{name} allows the action, but its Resource is the objects and not the bucket"
            ),
            repair: format!("add `{}` to the Resource of {name}", bucket_arn(call, bucket)),
        },
        _ => unmatched_resource(call, trace),
    }
}

fn unmatched_resource(call: &Call, trace: &StatementTrace<'_>) -> Miss {
    let name = trace.name();
    let keys = trace.statement.0.resources.iter().flat_map(Resources::variable_keys);
    let unknown = keys.map(str::to_owned).find(|key| call.context.value(key).is_none());
    let because = match unknown {
        Some(key) => format!(": the variable `${{{key}}}` has no value, as {}", absence(call, &key)),
        None => String::new(),
    };
    Miss {
        explanation: format!("{name} allows the action, but its Resource does not match{because}"),
        repair: format!("add `{}` to the Resource of {name}", call.resource),
    }
}

fn bucket_arn(call: &Call, bucket: &str) -> String {
    let partition = call.resource.split(':').nth(1).unwrap_or("aws");
    format!("arn:{partition}:s3:::{bucket}")
}

fn principal(call: &Call, trace: &StatementTrace<'_>) -> Miss {
    let name = trace.name();
    let names_deleted = trace.statement.0.principals.as_ref().is_some_and(Principals::names_deleted);
    let deleted = if names_deleted {
        "; an id such as `AROA…` in it stands for an identity that was deleted, and one made again under the same name is another"
    } else {
        ""
    };
    Miss {
        explanation: format!("{name} allows it, but not to `{}`{deleted}", call.caller.text),
        repair: format!("add `{}` to the Principal of {name}", call.caller.text),
    }
}

fn condition(call: &Call, trace: &StatementTrace<'_>, condition: &ConditionTrace<'_>) -> Miss {
    let name = trace.name();
    let ConditionTrace { operator, key, expected, actual, .. } = condition;
    let found = match actual {
        [] => absence(call, key),
        [one] => format!("the request has `{one}`"),
        many => format!("the request has {}", list(many)),
    };
    Miss {
        explanation: format!(
            "{name} allows it only when `{operator}` on `{key}` holds for {}, and {found}",
            list(expected)
        ),
        repair: match (actual.is_empty(), expected.first()) {
            (true, _) if call.why_never(key).is_some() => {
                format!(
                    "remove the condition `{operator}` on `{key}` from {name}, or put this action into a statement of its own"
                )
            }
            (true, Some(value)) => {
                format!(
                    "send the request with `{key}`, for example `{value}`, or remove the condition from {name}"
                )
            }
            _ => format!("change the request, or the condition `{operator}` on `{key}` of {name}"),
        },
    }
}

/// Why the request does not have a key.
pub(super) fn absence(call: &Call, key: &str) -> String {
    match call.why_never(key) {
        Some(why) => format!("the request cannot have `{key}`: {why}"),
        None => format!("the request does not have `{key}`"),
    }
}

fn list<T: std::fmt::Display>(values: &[T]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
    if quoted.is_empty() { "no value".to_owned() } else { quoted.join(", ") }
}
