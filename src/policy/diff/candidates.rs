//! The requests that are worth trying on two policies.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::policy::catalogue;
use crate::policy::compile::{Slot, Statement};
use crate::policy::condition::{Base, Operator};
use crate::policy::document::{self, Policy, PrincipalKind, Who};
use crate::policy::evaluate::Policies;
use crate::policy::glob::Glob;
use crate::policy::request::{Bucket, Call, Request};

/// Every part that a request is put together from.
pub(super) struct Candidates {
    principals: Vec<String>,
    actions: Vec<String>,
    resources: Vec<String>,
    contexts: Vec<BTreeMap<String, Vec<String>>>,
    resource_account: Option<String>,
}

type Context = BTreeMap<String, Vec<String>>;

/// Who asks, when the policies do not say.
const USER: &str = "arn:aws:iam::111122223333:user/u";
/// An owner that no policy names, so that the resource's side counts for itself.
const OWNER: &str = "000000000000";
/// What stands for any text.
const SAMPLE: &str = "x";
/// Actions and resources that hardly a policy names: what `Not…` elements mean.
const OTHER_ACTIONS: [&str; 3] = ["s3:GetObject", "iam:PassRole", "ec2:DescribeInstances"];
const OTHER_RESOURCES: [&str; 2] = ["arn:aws:s3:::other-bucket", "arn:aws:s3:::other-bucket/x"];
const MAX_CONTEXTS: usize = 400;

impl Candidates {
    /// What occurs in two policies.
    pub(super) fn new(policies: [&Policy; 2], compiled: [&Policies; 2], slot: Slot) -> Self {
        let statements: Vec<&document::Statement> =
            policies.iter().flat_map(|policy| &policy.statements).collect();
        let tests: Vec<&Statement> = compiled.iter().flat_map(|policies| policies.statements(slot)).collect();
        let of_resource = matches!(slot, Slot::Resource | Slot::VpcEndpoint);
        let contexts = contexts(&statements);
        let everything = contexts.first().cloned().unwrap_or_default();
        let resources = resources(&statements);
        Self {
            principals: if of_resource { principals(&statements) } else { vec![USER.to_owned()] },
            actions: distinct(actions(&statements), |action| {
                let call = call(action, OTHER_RESOURCES[1], &everything)?;
                let matches: Vec<bool> = tests.iter().map(|test| test.actions.matches(&call)).collect();
                Some((matches, call.ignored_keys.len(), call.ignored_keys.first().cloned()).into())
            }),
            resources: distinct(resources, |resource| {
                let call = call(OTHER_ACTIONS[0], resource, &everything)?;
                Some((tests.iter().map(|test| test.resource_matches(&call)).collect(), 0, None).into())
            }),
            contexts,
            resource_account: (slot == Slot::Resource).then(|| OWNER.to_owned()),
        }
    }

    /// All of them put together. The contexts change last: the first ones tell the most.
    pub(super) fn requests(&self) -> impl Iterator<Item = Request> {
        self.contexts.iter().flat_map(move |context| {
            self.actions.iter().flat_map(move |action| {
                self.resources.iter().flat_map(move |resource| {
                    self.principals.iter().map(move |principal| Request {
                        principal: principal.clone(),
                        action: action.clone(),
                        resource: resource.clone(),
                        resource_account: self.resource_account.clone(),
                        context: context.clone(),
                        canonical_id: None,
                    })
                })
            })
        })
    }
}

/// What tells two candidates apart: which statements they match, and which keys they cannot have.
#[derive(PartialEq, Eq, Hash)]
struct Signature {
    matches: Vec<bool>,
    ignored: usize,
    first_ignored: Option<String>,
}

impl From<(Vec<bool>, usize, Option<crate::policy::request::IgnoredKey>)> for Signature {
    fn from(
        (matches, ignored, first): (Vec<bool>, usize, Option<crate::policy::request::IgnoredKey>),
    ) -> Self {
        Self { matches, ignored, first_ignored: first.map(|key| key.key.into()) }
    }
}

fn call(action: &str, resource: &str, context: &Context) -> Option<Call> {
    let request = Request {
        principal: USER.to_owned(),
        action: action.to_owned(),
        resource: resource.to_owned(),
        resource_account: None,
        context: context.clone(),
        canonical_id: None,
    };
    Call::new(&request, &Bucket::default()).ok()
}

/// One of each kind, in the order of the text.
fn distinct(all: Vec<String>, signature: impl Fn(&str) -> Option<Signature>) -> Vec<String> {
    let mut seen = HashSet::new();
    all.into_iter().filter(|one| signature(one).is_some_and(|signature| seen.insert(signature))).collect()
}

fn actions(statements: &[&document::Statement]) -> Vec<String> {
    let values = statements.iter().flat_map(|statement| &statement.action.values);
    let actions: BTreeSet<String> = values.flat_map(|value| matching_actions(&value.value)).collect();
    actions.into_iter().chain(OTHER_ACTIONS.map(str::to_owned)).collect()
}

/// The actions that a pattern means; of a service that is not known in detail a made-up one.
fn matching_actions(pattern: &str) -> Vec<String> {
    let (service, name) = pattern.split_once(':').unwrap_or(("s3", "*"));
    if !name.contains(['*', '?']) {
        return vec![pattern.to_owned()];
    }
    let Some(known) = catalogue::get().service(service) else {
        return vec![format!("{service}:{}", sample(name, SAMPLE))];
    };
    let glob = Glob::wild(&name.to_ascii_lowercase());
    let mut matching: Vec<String> = known
        .actions()
        .filter(|action| glob.matches(&action.name.to_ascii_lowercase()))
        .map(|action| format!("{service}:{}", action.name))
        .collect();
    matching.sort_unstable();
    matching
}

fn resources(statements: &[&document::Statement]) -> Vec<String> {
    let elements = statements.iter().filter_map(|statement| statement.resource.as_ref());
    let mut resources = BTreeSet::new();
    for value in elements.flat_map(|element| &element.values) {
        for star in [SAMPLE, "", "x/y"] {
            resources.insert(as_arn(&sample(&value.value, star)));
        }
    }
    resources.into_iter().chain(OTHER_RESOURCES.map(str::to_owned)).collect()
}

/// `*` came down to nothing that is an ARN.
fn as_arn(text: &str) -> String {
    if text.starts_with("arn:") && text.matches(':').count() >= 5 {
        return text.to_owned();
    }
    format!("arn:aws:s3:::{}", text.rsplit(':').next().unwrap_or(SAMPLE))
}

fn principals(statements: &[&document::Statement]) -> Vec<String> {
    let mut principals = BTreeSet::from(["anonymous".to_owned(), USER.to_owned()]);
    for element in statements.iter().filter_map(|statement| statement.principal.as_ref()) {
        let Who::Named(kinds) = &element.who else { continue };
        for (kind, names) in kinds {
            for name in names.iter().map(|name| name.value.as_str()).filter(|name| *name != "*") {
                match kind {
                    PrincipalKind::Aws if name.starts_with("arn:") && !name.ends_with(":root") => {
                        principals.insert(name.to_owned());
                    }
                    PrincipalKind::Aws => {
                        let account = name.split(':').nth(4).unwrap_or(name);
                        principals.insert(format!("arn:aws:iam::{account}:user/u"));
                    }
                    PrincipalKind::Service => {
                        principals.insert(name.to_owned());
                    }
                    PrincipalKind::Federated | PrincipalKind::CanonicalUser => {}
                }
            }
        }
    }
    principals.into_iter().collect()
}

/// First a context with every key, then for every statement the one that meets it, then these with one key changed.
fn contexts(statements: &[&document::Statement]) -> Vec<Context> {
    let conditions: Vec<&document::Condition> =
        statements.iter().flat_map(|statement| &statement.conditions).collect();
    let mut values: BTreeMap<String, BTreeSet<Vec<String>>> = BTreeMap::new();
    for condition in &conditions {
        let known = values.entry(condition.key.value.to_lowercase()).or_default();
        known.extend(condition_values(condition));
    }
    let everything: Context =
        values.iter().filter_map(|(key, all)| Some((key.clone(), all.first()?.clone()))).collect();
    let mut bases = vec![everything, Context::new()];
    bases.extend(statements.iter().map(|statement| meeting(statement)));
    let changed = bases.iter().flat_map(|base| {
        values.iter().flat_map(move |(key, all)| {
            let with = all.iter().map(move |value| {
                let mut changed = base.clone();
                changed.insert(key.clone(), value.clone());
                changed
            });
            let mut without = base.clone();
            without.remove(key);
            with.chain(std::iter::once(without))
        })
    });
    let mut seen = HashSet::new();
    let all = bases.iter().cloned().chain(changed);
    all.filter(|context| seen.insert(context.clone())).take(MAX_CONTEXTS).collect()
}

/// A context that meets the conditions of a statement, as far as one value for each key can.
fn meeting(statement: &document::Statement) -> Context {
    let mut context = Context::new();
    for condition in &statement.conditions {
        let holds = |values: &Vec<String>| {
            let mut tried = context.clone();
            tried.insert(condition.key.value.to_lowercase(), values.clone());
            compiled(condition).is_some_and(|compiled| {
                call(OTHER_ACTIONS[2], "*", &tried).is_some_and(|call| compiled.holds(&call.context))
            })
        };
        if let Some(values) = condition_values(condition).into_iter().find(holds) {
            context.insert(condition.key.value.to_lowercase(), values);
        }
    }
    context
}

fn compiled(condition: &document::Condition) -> Option<crate::policy::condition::Condition> {
    let values: Vec<&str> = condition.values.iter().map(|value| value.value.text.as_str()).collect();
    crate::policy::condition::Condition::new(&condition.operator.value, &condition.key.value, &values, true)
        .ok()
}

/// Values around those of the policy, and one of another kind.
fn condition_values(condition: &document::Condition) -> Vec<Vec<String>> {
    let Ok(operator) = Operator::parse(&condition.operator.value) else { return Vec::new() };
    let mut values = Vec::new();
    for text in condition.values.iter().map(|value| value.value.text.as_str()) {
        values.extend(around(operator.base, text));
    }
    values.push("other".to_owned());
    let mut lists: Vec<Vec<String>> = values.iter().map(|value| vec![value.clone()]).collect();
    if operator.set.is_some() {
        lists.extend(values.iter().map(|value| vec![value.clone(), "other".to_owned()]));
    }
    lists
}

fn around(base: Base, text: &str) -> Vec<String> {
    match base {
        Base::Numeric(_) => match text.parse::<i64>() {
            Ok(number) => [number, number.saturating_sub(1), number.saturating_add(1)]
                .map(|number| number.to_string())
                .to_vec(),
            Err(_) => vec![text.to_owned()],
        },
        Base::Date(_) => {
            vec![text.to_owned(), "1970-01-01T00:00:00Z".to_owned(), "2999-01-01T00:00:00Z".to_owned()]
        }
        Base::Bool => vec!["true".to_owned(), "false".to_owned()],
        Base::IpAddress => {
            let address = text.split('/').next().unwrap_or(text);
            vec![address.to_owned(), "192.0.2.77".to_owned()]
        }
        Base::StringEquals | Base::StringEqualsIgnoreCase | Base::BinaryEquals | Base::Null => {
            vec![text.to_owned()]
        }
        Base::StringLike | Base::Arn => vec![sample(text, SAMPLE), sample(text, "")],
    }
}

/// A text that a pattern matches. `star` stands for every `*`; a variable has the value that the user has for it.
fn sample(pattern: &str, star: &str) -> String {
    let mut sample = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once("${") {
        sample.push_str(&plain(before, star));
        let Some((inner, after)) = after.split_once('}') else {
            rest = after;
            break;
        };
        sample.push_str(match inner {
            "*" | "?" | "$" => inner,
            name if name.eq_ignore_ascii_case("aws:username") => "u",
            name => name.split_once('\'').and_then(|(_, text)| text.strip_suffix('\'')).unwrap_or(SAMPLE),
        });
        rest = after;
    }
    sample.push_str(&plain(rest, star));
    sample
}

fn plain(text: &str, star: &str) -> String {
    text.replace('*', star).replace('?', SAMPLE)
}
