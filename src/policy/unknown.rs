//! A policy when something about the request is not known: the value of a condition key, or who asks.
//!
//! A statement that depends on what is not known may match or not. [`Side::Best`] takes every such statement in favour of
//! the request, [`Side::Worst`] against it. What both decide is certain, since an Allow more never denies and a Deny less
//! never does: whatever the values are, the decision lies between the two.

use std::collections::BTreeSet;

use super::document::{
    Condition, Effect, Listed, Located, Policy, PrincipalKind, Principals, Statement, Who,
};
use super::glob::Glob;
use super::request::Call;

/// What is known of a request besides its context.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Condition keys in lower case that are known, although the context has no value: the request does not have them.
    /// One that ends in `/` stands for all that begin with it.
    pub absent: BTreeSet<String>,
    /// Keys in lower case whose value in the context only stands in for one that is not known.
    pub stand_ins: BTreeSet<String>,
    /// Whether the principal of the request is the one that asks; else it only stands in for one of the same account.
    pub principal: bool,
    /// Whether the canonical id of the principal's account is known.
    pub canonical_id: bool,
}

/// For whom what is not known is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// In favour of the request.
    Best,
    /// Against it.
    Worst,
}

/// What a statement depends on that is not known, in words: condition keys, or `the principal`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// The place of the statement, from 0.
    pub index: usize,
    /// Keys as they are written.
    pub keys: Vec<String>,
    /// Whether it names principals, and it is not known who asks.
    pub principal: bool,
}

/// The statements that depend on what is not known.
pub fn doubts(policy: &Policy, call: &Call, known: &Known) -> Vec<Doubt> {
    let numbered = policy.statements.iter().enumerate();
    numbered.filter_map(|(index, statement)| doubt(index, statement, policy, call, known)).collect()
}

/// The policy with every doubt taken for one side. Statements keep their place, line and name.
#[must_use]
pub fn assume(policy: &Policy, call: &Call, known: &Known, side: Side) -> Policy {
    let mut assumed = policy.clone();
    for doubt in doubts(policy, call, known) {
        let Some(statement) = assumed.statements.get_mut(doubt.index) else { continue };
        let in_favour = (statement.effect.value == Effect::Allow) == (side == Side::Best);
        if in_favour {
            match_all(statement, &doubt, call, known);
        } else {
            match_nothing(statement);
        }
    }
    assumed
}

/// The policy where the request may be about any resource whose ARN begins with `start`. A statement that means some of
/// them and not others is taken for one side; the others mean all or none, so that one resource stands for all.
#[must_use]
pub fn assume_any(policy: &Policy, call: &Call, known: &Known, start: &str, side: Side) -> Policy {
    let mut assumed = policy.clone();
    let fill = policy.has_variables().then_some((call, known));
    for statement in &mut assumed.statements {
        let Some(resource) = &mut statement.resource else { continue };
        if !means_some(resource, fill, start) {
            continue;
        }
        if (statement.effect.value == Effect::Allow) == (side == Side::Best) {
            resource.not = false;
            resource.values = vec![Located { value: "*".to_owned(), at: resource.at }];
        } else {
            match_nothing(statement);
        }
    }
    assumed
}

/// Whether an element means some of what begins so, and not all of it.
fn means_some(resource: &Listed, fill: Option<(&Call, &Known)>, start: &str) -> bool {
    let mut some = false;
    for value in &resource.values {
        let (pattern, is_exact) = fill
            .map_or_else(|| (value.value.clone(), true), |(call, known)| filled(&value.value, call, known));
        if is_exact && means_all(&pattern, start) {
            return false;
        }
        some |= may_begin(&pattern, start);
    }
    some
}

/// A text with the values of its variables; false when `*` stands for one that has no single value.
fn filled(text: &str, call: &Call, known: &Known) -> (String, bool) {
    let mut filled = String::with_capacity(text.len());
    let (mut rest, mut is_exact) = (text, true);
    while let Some((before, after)) = rest.split_once("${") {
        filled.push_str(before);
        let Some((key, behind)) = after.split_once('}') else {
            return (format!("{filled}*"), false);
        };
        let value = match call.context.values(&key.to_lowercase()) {
            [value] if !is_unknown(key, call, known) && !value.contains(['*', '?']) => Some(value),
            _ => None,
        };
        is_exact &= value.is_some();
        filled.push_str(value.map_or("*", String::as_str));
        rest = behind;
    }
    filled.push_str(rest);
    (filled, is_exact)
}

/// Whether a pattern matches everything that begins so. Of those with wildcards before the last field of the ARN, only
/// where each field matches for itself.
fn means_all(pattern: &str, start: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let fields = |text: &str| -> Vec<String> { text.splitn(6, ':').map(str::to_owned).collect() };
    let (fields, known) = (fields(pattern), fields(start));
    fields.len() == 6
        && known.len() == 6
        && pattern.ends_with('*')
        && fields.iter().zip(&known).all(|(field, known)| Glob::wild(field).matches(known))
}

/// Whether a pattern matches anything that begins so. Takes wildcards to cross the fields of an ARN, so it may say yes
/// where there is nothing.
fn may_begin(pattern: &str, start: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    // the places that can be reached in the pattern, of which the first is reached with nothing
    let mut reached: Vec<bool> = Vec::with_capacity(pattern.len() + 1);
    let mut here = true;
    for place in 0..=pattern.len() {
        reached.push(here);
        here &= pattern.get(place) == Some(&'*');
    }
    for letter in start.chars() {
        let mut moved = false;
        for (place, was) in reached.iter_mut().enumerate() {
            let wild = pattern.get(place);
            let here = moved || (*was && wild == Some(&'*'));
            moved = match wild {
                Some('*') => here,
                Some('?') => *was,
                Some(other) => *was && *other == letter,
                None => false,
            };
            *was = here;
        }
    }
    reached.contains(&true)
}

fn doubt(index: usize, statement: &Statement, policy: &Policy, call: &Call, known: &Known) -> Option<Doubt> {
    let mut keys: Vec<String> = Vec::new();
    let mut add = |key: &str| {
        if is_unknown(key, call, known) && !keys.iter().any(|other| other.eq_ignore_ascii_case(key)) {
            keys.push(key.to_owned());
        }
    };
    for condition in &statement.conditions {
        add(&condition.key.value);
        if policy.has_variables() {
            condition.values.iter().flat_map(|value| variables(&value.value.text)).for_each(&mut add);
        }
    }
    if policy.has_variables() {
        let resources = statement.resource.iter().flat_map(|listed| &listed.values);
        resources.flat_map(|value| variables(&value.value)).for_each(&mut add);
    }
    let principal = statement.principal.as_ref().is_some_and(|principals| is_open(principals, known));
    (principal || !keys.is_empty()).then_some(Doubt { index, keys, principal })
}

/// Whether the request may have the key with any value, or not at all.
fn is_unknown(key: &str, call: &Call, known: &Known) -> bool {
    let folded = key.to_lowercase();
    if call.why_never(&folded).is_some() || is_absent(&folded, known) {
        return false;
    }
    let of_principal = folded.starts_with("aws:principal") && folded != "aws:principalisawsservice"
        || matches!(folded.as_str(), "aws:username" | "aws:userid");
    (of_principal && !known.principal)
        || known.stand_ins.contains(&folded)
        || call.context.values(&folded).is_empty()
}

fn is_absent(folded: &str, known: &Known) -> bool {
    let family = folded.split_once('/').map(|(family, _)| format!("{family}/"));
    known.absent.contains(folded) || family.is_some_and(|family| known.absent.contains(&family))
}

fn is_open(principals: &Principals, known: &Known) -> bool {
    let Who::Named(kinds) = &principals.who else { return false };
    kinds.iter().any(|(kind, names)| {
        let named = names.iter().any(|name| name.value != "*");
        match kind {
            PrincipalKind::Aws => named && !known.principal,
            PrincipalKind::CanonicalUser => named && !known.canonical_id,
            PrincipalKind::Service | PrincipalKind::Federated => false,
        }
    })
}

/// The keys of the variables in a text: `${key}` and `${key, 'default'}`.
fn variables(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split("${").skip(1);
    parts.filter_map(|part| {
        let (inner, _) = part.split_once('}')?;
        let key = inner.split_once(',').map_or(inner, |(key, _)| key).trim();
        (!matches!(key, "*" | "?" | "$")).then_some(key)
    })
}

/// Makes the doubtful parts match whatever comes.
fn match_all(statement: &mut Statement, doubt: &Doubt, call: &Call, known: &Known) {
    let is_doubtful = |key: &str| doubt.keys.iter().any(|other| other.eq_ignore_ascii_case(key));
    let depends = |condition: &Condition| {
        is_doubtful(&condition.key.value)
            || condition.values.iter().flat_map(|value| variables(&value.value.text)).any(is_doubtful)
    };
    statement.conditions.retain(|condition| !depends(condition));
    if let Some(resource) = &mut statement.resource {
        open_resources(resource, &|key: &str| is_unknown(key, call, known));
    }
    if doubt.principal
        && let Some(principals) = &mut statement.principal
    {
        principals.not = false;
        principals.who = Who::Everyone;
    }
}

/// Puts `*` in place of every variable that is not known.
fn open_resources(resource: &mut Listed, is_doubtful: &dyn Fn(&str) -> bool) {
    let depends = |text: &str| variables(text).any(is_doubtful);
    if resource.not {
        // what is excepted may be anything, and so nothing of it
        resource.values.retain(|value| !depends(&value.value));
        if resource.values.is_empty() {
            resource.not = false;
            resource.values.push(Located { value: "*".to_owned(), at: resource.at });
        }
        return;
    }
    for value in resource.values.iter_mut().filter(|value| depends(&value.value)) {
        value.value = opened(&value.value, is_doubtful);
    }
}

fn opened(text: &str, is_doubtful: &dyn Fn(&str) -> bool) -> String {
    let mut opened = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        opened.push_str(before);
        let Some((inner, behind)) = after.split_once('}') else {
            opened.push_str("${");
            rest = after;
            continue;
        };
        if variables(&format!("${{{inner}}}")).any(is_doubtful) {
            opened.push('*');
        } else {
            opened.push_str("${");
            opened.push_str(inner);
            opened.push('}');
        }
        rest = behind;
    }
    opened.push_str(rest);
    opened
}

/// No action at all: a statement that never matches.
fn match_nothing(statement: &mut Statement) {
    statement.action.not = false;
    statement.action.values.clear();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::{Known, Side, assume, assume_any, doubts};
    use crate::policy::compile::Slot;
    use crate::policy::evaluate::{Decision, Policies, decide};
    use crate::policy::parse;
    use crate::policy::request::{Bucket, Call, Request};

    const USER: &str = "arn:aws:iam::111122223333:user/app";

    fn call(action: &str, context: &[(&str, &str)]) -> Call {
        let given = context.iter().map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()]));
        let request = Request {
            principal: USER.to_owned(),
            action: action.to_owned(),
            resource: "arn:aws:s3:::b/k".to_owned(),
            resource_account: None,
            context: given.collect(),
            canonical_id: None,
        };
        Call::new(&request, &Bucket::default()).unwrap()
    }

    fn decided(statements: &serde_json::Value, call: &Call, known: &Known) -> [Decision; 2] {
        let text = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        let policy = parse::parse(&text).unwrap();
        [Side::Best, Side::Worst].map(|side| {
            let mut policies = Policies::default();
            policies.attach(Slot::Resource, &assume(&policy, call, known, side)).unwrap();
            decide(call, &policies, &Bucket::default()).decision
        })
    }

    fn known() -> Known {
        Known { principal: true, canonical_id: true, ..Known::default() }
    }

    #[test]
    fn a_key_that_is_not_known_leaves_the_decision_open_and_one_that_is_known_does_not() {
        use Decision::{Allowed, ExplicitDeny, ImplicitDeny};
        let allow =
            json!({"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::b/*"});
        let from = |effect: &str| {
            let mut statement = allow.clone();
            statement["Effect"] = json!(effect);
            statement["Condition"] = json!({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}});
            statement
        };
        let get = call("s3:GetObject", &[]);
        assert_eq!(decided(&json!([from("Allow")]), &get, &known()), [Allowed, ImplicitDeny]);
        assert_eq!(decided(&json!([allow, from("Deny")]), &get, &known()), [Allowed, ExplicitDeny]);
        let here = call("s3:GetObject", &[("aws:SourceIp", "203.0.113.9")]);
        assert_eq!(decided(&json!([allow, from("Deny")]), &here, &known()), [ExplicitDeny; 2]);
        let absent = Known { absent: ["aws:sourceip".to_owned()].into(), ..known() };
        assert_eq!(decided(&json!([allow, from("Deny")]), &get, &absent), [Allowed; 2]);
        // a key that the action never carries is known to be absent
        let mut prefix = allow.clone();
        prefix["Condition"] = json!({"StringLike": {"s3:prefix": "a/*"}});
        assert_eq!(decided(&json!([prefix]), &get, &known()), [ImplicitDeny; 2]);
    }

    #[test]
    fn who_asks_matters_only_to_statements_that_name_somebody() {
        use Decision::{Allowed, ExplicitDeny, ImplicitDeny};
        let statement = |effect: &str, principal: serde_json::Value| json!({"Effect": effect, "Principal": principal, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"});
        let other = json!({"AWS": "arn:aws:iam::111122223333:user/other"});
        let get = call("s3:GetObject", &[]);
        let nobody = Known { principal: false, ..known() };
        assert_eq!(decided(&json!([statement("Allow", json!("*"))]), &get, &nobody), [Allowed; 2]);
        assert_eq!(
            decided(&json!([statement("Allow", other.clone())]), &get, &nobody),
            [Allowed, ImplicitDeny]
        );
        assert_eq!(decided(&json!([statement("Allow", other.clone())]), &get, &known()), [ImplicitDeny; 2]);
        let both = json!([statement("Allow", json!({"AWS": "*"})), statement("Deny", other)]);
        assert_eq!(decided(&both, &get, &nobody), [Allowed, ExplicitDeny]);
        let canonical = json!([statement("Allow", json!({"CanonicalUser": "7".repeat(64)}))]);
        let text = json!({"Statement": canonical}).to_string();
        let unknown_id = Known { canonical_id: false, ..known() };
        assert_eq!(doubts(&parse::parse(&text).unwrap(), &get, &unknown_id).len(), 1);
    }

    #[test]
    fn variables_of_keys_that_are_not_known_are_open() {
        use Decision::{Allowed, ExplicitDeny, ImplicitDeny};
        let get = call("s3:GetObject", &[]);
        let home = |effect: &str, field: &str, resource: &str| json!({"Effect": effect, "Principal": "*", "Action": "s3:GetObject", field: resource});
        let tag = "arn:aws:s3:::b/${aws:PrincipalTag/team}";
        assert_eq!(
            decided(&json!([home("Allow", "Resource", tag)]), &get, &known()),
            [Allowed, ImplicitDeny]
        );
        let elsewhere = "arn:aws:s3:::b/x/${aws:PrincipalTag/team}";
        assert_eq!(
            decided(&json!([home("Allow", "Resource", elsewhere)]), &get, &known()),
            [ImplicitDeny; 2]
        );
        let all = home("Allow", "Resource", "arn:aws:s3:::b/*");
        let except = home("Deny", "NotResource", tag);
        assert_eq!(decided(&json!([all, except]), &get, &known()), [Allowed, ExplicitDeny]);
        assert_eq!(
            decided(&json!([home("Allow", "Resource", "arn:aws:s3:::b/${*}")]), &get, &known()),
            [ImplicitDeny; 2]
        );
    }

    #[test]
    fn a_statement_that_means_some_keys_is_open_and_one_that_means_all_or_none_is_not() {
        let get = call("s3:GetObject", &[]);
        let is_open = |field: &str, values: serde_json::Value| {
            let text = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", field: values}]});
            let policy = parse::parse(&text.to_string()).unwrap();
            let [best, worst] = [Side::Best, Side::Worst]
                .map(|side| assume_any(&policy, &get, &known(), "arn:aws:s3:::b/p/", side));
            assert_eq!(best == worst, best == policy, "both sides, or none");
            best != policy
        };
        let of_b = |key: &str| json!(format!("arn:aws:s3:::b/{key}"));
        for (values, open) in [
            (json!("*"), false),
            (json!("arn:aws:s3:::*"), false),
            (json!("arn:*:s3:::b*/*"), false),
            (of_b("*"), false),
            (of_b("p*"), false),
            (of_b("p/*"), false),
            (of_b("?/*"), false),
            (of_b("q/*"), false),
            (json!("arn:aws:s3:::b"), false),
            (json!("arn:aws:s3:::other/*"), false),
            (of_b("p/a*"), true),
            (of_b("p/a"), true),
            (of_b("*a"), true),
            (of_b("*/a/*"), true),
            (of_b("p?a*"), true),
            (json!("arn:aws:s3:::*/p/a"), true),
            (json!("arn:aws:s3:::?/??a*"), true),
            (of_b("${aws:PrincipalTag/team}/*"), true),
            (of_b("${aws:username}/*"), false),
            (of_b("p/${aws:username}/*"), true),
            (json!(["arn:aws:s3:::b/p/a", "arn:aws:s3:::b/*"]), false),
        ] {
            assert_eq!(is_open("Resource", values.clone()), open, "{values}");
            assert_eq!(is_open("NotResource", values.clone()), open, "not {values}");
        }
    }

    #[test]
    fn a_statement_that_is_taken_for_one_side_keeps_its_place() {
        let text = "{\"Statement\": [\n{\"Effect\": \"Deny\", \"Principal\": \"*\", \"Action\": \"s3:*\", \"Resource\": \"*\", \"Condition\": {\"StringEquals\": {\"aws:SourceVpce\": \"vpce-1\"}}},\n{\"Effect\": \"Allow\", \"Principal\": \"*\", \"Action\": \"s3:*\", \"Resource\": \"*\"}]}";
        let policy = parse::parse(text).unwrap();
        let get = call("s3:GetObject", &[]);
        assert_eq!(doubts(&policy, &get, &known())[0].keys, ["aws:SourceVpce"]);
        for side in [Side::Best, Side::Worst] {
            let assumed = assume(&policy, &get, &known(), side);
            let lines: Vec<u32> = assumed.statements.iter().map(|statement| statement.at.line).collect();
            assert_eq!(lines, [2, 3]);
        }
    }

    /// A statement with a condition on a key that nobody knows, for everybody or for somebody.
    fn statement() -> impl Strategy<Value = serde_json::Value> {
        let operator = prop::sample::select(vec![
            "StringEquals",
            "StringNotEquals",
            "StringLike",
            "StringEqualsIfExists",
            "StringNotEqualsIfExists",
            "ForAnyValue:StringEquals",
            "ForAllValues:StringNotEquals",
            "Null",
        ]);
        let key = prop::sample::select(vec!["aws:SourceVpce", "aws:PrincipalTag/team", "aws:username"]);
        let value = prop::sample::select(vec!["a", "b", "app", "*", "${aws:PrincipalTag/team}"]);
        let resource = prop::sample::select(vec!["k", "*", "${aws:PrincipalTag/team}", "other"]);
        (any::<bool>(), 0..3_usize, any::<bool>(), operator, key, value, resource, any::<bool>()).prop_map(
            |(allow, who, not, operator, key, value, resource, bound)| {
                let value = if operator == "Null" { "true" } else { value };
                let effect = if allow { "Allow" } else { "Deny" };
                let principal = [json!("*"), json!({"AWS": USER}), json!({"AWS": OTHER})][who].clone();
                let mut statement =
                    json!({"Effect": effect, "Principal": principal, "Action": "s3:GetObject"});
                let field = if not { "NotResource" } else { "Resource" };
                statement[field] = json!([format!("arn:aws:s3:::b/{resource}")]);
                if bound {
                    statement["Condition"] = json!({operator: {key: value}});
                }
                statement
            },
        )
    }

    const OTHER: &str = "arn:aws:iam::111122223333:user/other";

    proptest! {
        #[test]
        fn what_both_sides_agree_on_holds_whatever_is_not_known(
            statements in prop::collection::vec(statement(), 1..5),
            endpoint in prop::option::of(prop::sample::select(vec!["a", "b"])),
            team in prop::option::of(prop::sample::select(vec!["a", "k", "*"])),
            is_other in any::<bool>(),
        ) {
            let nobody = Known { principal: false, canonical_id: true, ..Known::default() };
            let bounds = decided(&json!(statements), &call("s3:GetObject", &[]), &nobody);
            let given = [("aws:SourceVpce", endpoint), ("aws:PrincipalTag/team", team)];
            let context = given.iter().filter_map(|(key, value)| Some(((*key).to_owned(), vec![(*value)?.to_owned()])));
            let request = Request {
                principal: (if is_other { OTHER } else { USER }).to_owned(),
                action: "s3:GetObject".to_owned(),
                resource: "arn:aws:s3:::b/k".to_owned(),
                resource_account: None,
                context: context.collect(),
                canonical_id: None,
            };
            let text = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
            let mut policies = Policies::default();
            policies.attach(Slot::Resource, &parse::parse(&text).unwrap()).unwrap();
            let real = decide(&Call::new(&request, &Bucket::default()).unwrap(), &policies, &Bucket::default());
            let [best, worst] = bounds.map(|decision| decision == Decision::Allowed);
            let real = real.decision == Decision::Allowed;
            prop_assert!(!worst || real, "certainly allowed, and denied: {statements:#?} {given:?}");
            prop_assert!(best || !real, "certainly denied, and allowed: {statements:#?} {given:?}");
        }
    }
}
