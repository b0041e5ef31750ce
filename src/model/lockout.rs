//! Whether a bucket policy would lock a resource out of its own bucket.
//!
//! A small, careful look at statements, before a policy is put: which of them deny the resource's own identity what
//! it needs, and which grants to it go. What cannot be decided here (conditions, principals of unknown identities) counts
//! as a lockout that may be. It is no evaluation of policies. Source: IAM user guide, policy elements reference.

use serde_json::Value;

use crate::finding::{Finding, Severity};
use crate::model::operation::Operation;

/// What an identity needs to mend a policy that it has put.
const MENDING: [&str; 3] = ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"];
/// Partitions of AWS; the statements of a bucket name its own.
const PARTITIONS: [&str; 3] = ["aws", "aws-cn", "aws-us-gov"];
const HELP: &str =
    "take the resource's identity out of the statement, or repeat the change with `force` if this is meant";

/// Who uses the bucket, and for what.
#[derive(Debug, Clone)]
pub struct Tenant<'a> {
    /// The ARNs of the resource's identity: its user or session, and its role. Empty when they are not known.
    pub arns: &'a [String],
    /// Requests are not signed.
    pub anonymous: bool,
    /// The bucket.
    pub bucket: &'a str,
    /// The resource's prefix.
    pub prefix: &'a str,
    /// What the resource allows.
    pub operations: &'a [Operation],
    /// Requests go over TLS.
    pub https: bool,
}

/// Whether something applies.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Applies {
    No,
    Maybe(&'static str),
    Yes,
}

/// What an action is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    Bucket,
    Objects,
}

impl Tenant<'_> {
    /// Errors for statements that deny, or may deny, this identity what it needs.
    pub fn denials(&self, policy: &Value) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (index, statement) in statements(policy).iter().enumerate() {
            let applies = match self.named_by(statement) {
                Applies::No => continue,
                named => both(named, self.condition(statement)),
            };
            let denied = self.needs_in(statement);
            if text(statement, "Effect") != Some("Deny") || applies == Applies::No || denied.is_empty() {
                continue;
            }
            let (code, verb, why) = match applies {
                Applies::Maybe(why) => ("POLICY_MAY_LOCK_OUT", "may deny", format!(" ({why})")),
                _ => ("POLICY_LOCKS_OUT", "denies", String::new()),
            };
            let message = format!("the statement {verb} this resource what it needs: {}{why}", list(&denied));
            findings.push(Finding::error(code, place(statement, index), message).with_help(HELP));
        }
        findings
    }

    /// What the policy before granted to this identity and the one after does not: an error where the identity is
    /// named, a warning where everybody is. Grants by other ways than the bucket's policy are not seen here.
    pub fn lost_grants(&self, before: &Value, after: &Value) -> Vec<Finding> {
        let granted = |policy: &Value, by_name: bool| {
            let mut all: Vec<&'static str> = Vec::new();
            for statement in statements(policy) {
                let named = !matches!(self.named_by(statement), Applies::No);
                let fits = named && (!by_name || !of_everybody(statement));
                if text(statement, "Effect") == Some("Allow") && fits {
                    all.extend(self.needs_in(statement));
                }
            }
            all
        };
        let kept = granted(after, false);
        let lost = |by_name: bool| {
            let mut lost = granted(before, by_name);
            lost.retain(|action| !kept.contains(action));
            lost.sort_unstable();
            lost.dedup();
            lost
        };
        let own = lost(true);
        if !own.is_empty() {
            let message = format!("the policy that is there grants this to the resource: {}", list(&own));
            let help = "keep the statement, or repeat the change with `force` if the identity has these rights by another way";
            return vec![Finding::error("POLICY_REMOVES_GRANT", "policy", message).with_help(help)];
        }
        let general = lost(false);
        if general.is_empty() {
            return Vec::new();
        }
        let message = format!("the policy that is there grants this to everybody: {}", list(&general));
        vec![Finding::new(Severity::Warning, "POLICY_REMOVES_GRANT", "policy", message)]
    }

    /// What of the resource's needs a statement is about.
    fn needs_in(&self, statement: &Value) -> Vec<&'static str> {
        let of_bucket =
            self.operations.iter().flat_map(|operation| operation.bucket_actions().iter().copied());
        let of_objects = self.operations.iter().flat_map(|operation| operation.actions().iter().copied());
        let needs = MENDING
            .into_iter()
            .chain(of_bucket)
            .map(|action| (action, On::Bucket))
            .chain(of_objects.map(|action| (action, On::Objects)));
        let mut found: Vec<&'static str> = needs
            .filter(|(action, on)| has_action(statement, action) && self.has_resource(statement, *on))
            .map(|(action, _)| action)
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    fn has_resource(&self, statement: &Value, on: On) -> bool {
        let targets = PARTITIONS.map(|partition| match on {
            On::Bucket => format!("arn:{partition}:s3:::{}", self.bucket),
            On::Objects => format!("arn:{partition}:s3:::{}/{}", self.bucket, self.prefix),
        });
        let any = |pattern: &str, open: bool, end: &str| {
            targets.iter().any(|target| matches(pattern, &format!("{target}{end}"), open))
        };
        if let Some(others) = statement.get("NotResource") {
            // only a pattern that holds all of it takes it out
            let end = if on == On::Objects { "*" } else { "" };
            return !texts(others).iter().any(|pattern| any(&without_variables(pattern), false, end));
        }
        let Some(named) = statement.get("Resource") else { return true };
        texts(named).iter().any(|pattern| any(&without_variables(pattern), on == On::Objects, ""))
    }

    fn named_by(&self, statement: &Value) -> Applies {
        if let Some(others) = statement.get("NotPrincipal") {
            return match self.among(others) {
                Applies::Yes => Applies::No,
                Applies::No => Applies::Yes,
                unsure @ Applies::Maybe(_) => unsure,
            };
        }
        statement.get("Principal").map_or(Applies::No, |named| self.among(named))
    }

    /// Whether the identity is one of these principals.
    fn among(&self, principal: &Value) -> Applies {
        let Some(kinds) = principal.as_object() else {
            return if texts(principal).contains(&"*") { Applies::Yes } else { Applies::No };
        };
        let mut found = Applies::No;
        for (kind, value) in kinds {
            for entry in texts(value) {
                match self.is(kind, entry) {
                    Applies::Yes => return Applies::Yes,
                    Applies::No => {}
                    unsure @ Applies::Maybe(_) => found = unsure,
                }
            }
        }
        found
    }

    fn is(&self, kind: &str, entry: &str) -> Applies {
        match kind {
            "AWS" if entry == "*" => Applies::Yes,
            // everybody is named by `*` alone
            _ if self.anonymous => Applies::No,
            "AWS" if self.arns.is_empty() => {
                Applies::Maybe("it names a principal, and the resource's own identity is not known")
            }
            "AWS" if self.arns.iter().any(|own| is_principal(own, entry)) => Applies::Yes,
            "AWS" | "Service" => Applies::No,
            _ => Applies::Maybe("whether such a principal is the resource's identity cannot be told"),
        }
    }

    fn condition(&self, statement: &Value) -> Applies {
        let Some(condition) = statement.get("Condition").and_then(Value::as_object) else {
            return Applies::Yes;
        };
        if condition.is_empty() {
            return Applies::Yes;
        }
        let only_plain_http = condition.len() == 1
            && condition.get("Bool").and_then(Value::as_object).is_some_and(|keys| {
                keys.len() == 1
                    && keys.iter().all(|(key, value)| {
                        key.eq_ignore_ascii_case("aws:SecureTransport")
                            && (texts(value) == ["false"] || value == &Value::Bool(false))
                    })
            });
        match (only_plain_http, self.https) {
            (true, true) => Applies::No,
            (true, false) => Applies::Yes,
            (false, _) => Applies::Maybe("whether its condition holds cannot be told here"),
        }
    }
}

fn both(one: Applies, other: Applies) -> Applies {
    match (one, other) {
        (Applies::No, _) | (_, Applies::No) => Applies::No,
        (unsure @ Applies::Maybe(_), _) | (_, unsure @ Applies::Maybe(_)) => unsure,
        (Applies::Yes, Applies::Yes) => Applies::Yes,
    }
}

/// One statement may stand alone or in a list.
pub fn statements(policy: &Value) -> &[Value] {
    match policy.get("Statement") {
        Some(Value::Array(all)) => all,
        Some(one @ Value::Object(_)) => std::slice::from_ref(one),
        _ => &[],
    }
}

fn of_everybody(statement: &Value) -> bool {
    let Some(principal) = statement.get("Principal") else { return false };
    let listed = principal.get("AWS").unwrap_or(principal);
    texts(listed).contains(&"*")
}

fn has_action(statement: &Value, action: &str) -> bool {
    let action = action.to_ascii_lowercase();
    let fits = |patterns: &Value| {
        texts(patterns).iter().any(|pattern| matches(&pattern.to_ascii_lowercase(), &action, false))
    };
    match (statement.get("NotAction"), statement.get("Action")) {
        (Some(others), _) => !fits(others),
        (None, Some(named)) => fits(named),
        (None, None) => false,
    }
}

/// Whether an entry of `Principal` names the owner of an ARN: itself, its role, or its whole account.
fn is_principal(own: &str, entry: &str) -> bool {
    let account = own.split(':').nth(4).filter(|account| !account.is_empty());
    let of_account =
        account.is_some_and(|account| entry == account || entry.ends_with(&format!(":iam::{account}:root")));
    of_account || matches(entry, own, false) || is_role_of_session(own, entry)
}

/// `arn:aws:sts::1:assumed-role/name/session` is a session of `arn:aws:iam::1:role/path/name`.
fn is_role_of_session(own: &str, entry: &str) -> bool {
    let session = own
        .split_once(":assumed-role/")
        .and_then(|(head, rest)| Some((head.split(':').nth(4)?, rest.split('/').next()?)));
    let role = entry
        .split_once(":role/")
        .and_then(|(head, rest)| Some((head.split(':').nth(4)?, rest.rsplit('/').next()?)));
    session.is_some() && session == role
}

/// Whether a pattern with `*` and `?` fits the text; with `open`, whether it fits any text that starts so.
fn matches(pattern: &str, text: &str, open: bool) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    // which places of the pattern may be next
    let mut alive = vec![false; pattern.len() + 1];
    reach(&pattern, &mut alive, 0);
    for character in text.chars() {
        let mut next = vec![false; pattern.len() + 1];
        for (at, wanted) in pattern.iter().enumerate() {
            if !alive.get(at).copied().unwrap_or(false) {
                continue;
            }
            match wanted {
                '*' => reach(&pattern, &mut next, at),
                '?' => reach(&pattern, &mut next, at + 1),
                same if *same == character => reach(&pattern, &mut next, at + 1),
                _ => {}
            }
        }
        alive = next;
    }
    if open { alive.contains(&true) } else { alive.last() == Some(&true) }
}

/// A `*` may stand for nothing.
fn reach(pattern: &[char], alive: &mut [bool], from: usize) {
    let stars = pattern.iter().skip(from).take_while(|wanted| **wanted == '*').count();
    for place in alive.iter_mut().skip(from).take(stars + 1) {
        *place = true;
    }
}

/// A policy variable may stand for any text.
fn without_variables(pattern: &str) -> String {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some((before, behind)) = rest.split_once("${") {
        out.push_str(before);
        out.push('*');
        rest = behind.split_once('}').map_or("", |(_, after)| after);
    }
    out + rest
}

/// One text or several.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn text<'a>(statement: &'a Value, name: &str) -> Option<&'a str> {
    statement.get(name).and_then(Value::as_str)
}

fn place(statement: &Value, index: usize) -> String {
    match text(statement, "Sid").filter(|sid| !sid.is_empty()) {
        Some(sid) => format!("policy.Statement[{index}] (`{sid}`)"),
        None => format!("policy.Statement[{index}]"),
    }
}

/// Long lists are cut: the first few say what kind of statement it is.
fn list(actions: &[&str]) -> String {
    let shown = actions.iter().take(4).map(|action| format!("`{action}`")).collect::<Vec<_>>().join(", ");
    match actions.len().saturating_sub(4) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Tenant, matches};
    use crate::model::operation::Operation;

    const USER: &str = "arn:aws:iam::111122223333:user/app";
    const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/invoices/s3c";
    const ALL: &str = "arn:aws:s3:::b/*";

    fn tenant(arns: &[String]) -> Tenant<'_> {
        let operations = &[Operation::List, Operation::Get];
        Tenant { arns, anonymous: false, bucket: "b", prefix: "p/", operations, https: true }
    }

    fn codes(tenant: &Tenant<'_>, statement: &Value) -> Vec<&'static str> {
        let policy = json!({"Version": "2012-10-17", "Statement": statement});
        tenant.denials(&policy).into_iter().map(|finding| finding.code).collect()
    }

    fn deny(principal: &Value, action: &str, resource: &str) -> Value {
        json!({"Effect": "Deny", "Principal": principal, "Action": action, "Resource": resource})
    }

    #[test]
    fn statements_that_deny_the_own_identity_are_found() {
        let (user, session) = ([USER.to_owned()], [SESSION.to_owned()]);
        let everybody = json!("*");
        for principal in [
            everybody.clone(),
            json!({"AWS": "*"}),
            json!({"AWS": [USER]}),
            json!({"AWS": "111122223333"}),
            json!({"AWS": "arn:aws:iam::111122223333:root"}),
        ] {
            assert_eq!(codes(&tenant(&user), &deny(&principal, "s3:*", ALL)), ["POLICY_LOCKS_OUT"]);
        }
        let role = json!({"AWS": "arn:aws:iam::111122223333:role/path/invoices"});
        assert_eq!(codes(&tenant(&session), &deny(&role, "s3:GetObject", ALL)), ["POLICY_LOCKS_OUT"]);
        for other in [
            json!({"AWS": "arn:aws:iam::111122223333:user/other"}),
            json!({"AWS": "arn:aws:iam::111122223333:role/other"}),
            json!({"AWS": "444455556666"}),
            json!({"Service": "cloudtrail.amazonaws.com"}),
        ] {
            assert_eq!(codes(&tenant(&session), &deny(&other, "s3:*", ALL)), [""; 0], "{other}");
        }
        let except = |listed: &str| json!([{"Effect": "Deny", "NotPrincipal": {"AWS": [listed]}, "Action": "s3:*", "Resource": ALL}]);
        assert_eq!(codes(&tenant(&user), &except(USER)), [""; 0]);
        assert_eq!(codes(&tenant(&user), &except("444455556666")), ["POLICY_LOCKS_OUT"]);
    }

    #[test]
    fn only_what_the_resource_needs_counts() {
        let user = [USER.to_owned()];
        let everybody = json!("*");
        for (action, resource, found) in [
            ("s3:GetObject", "arn:aws:s3:::b/p/x", true),
            ("s3:GET*", "*", true),
            ("s3:GetObject", "arn:aws:s3:::b/p*", true),
            ("s3:GetObject", "arn:aws:s3:::b/${aws:username}/*", true),
            ("s3:GetObject", "arn:aws:s3:::b/other/*", false),
            ("s3:GetObject", "arn:aws:s3:::c/*", false),
            ("s3:GetObject", "arn:aws:s3:::b", false),
            ("s3:PutObject", "*", false),
            ("s3:PutBucketPolicy", "arn:aws:s3:::b", true),
            ("s3:DeleteBucketPolicy", "arn:aws:s3:::*", true),
            ("s3:ListBucket", "arn:aws:s3:::b", true),
            ("s3:ListBucket", "arn:aws:s3:::b/*", false),
        ] {
            let found = if found { vec!["POLICY_LOCKS_OUT"] } else { vec![] };
            assert_eq!(
                codes(&tenant(&user), &deny(&everybody, action, resource)),
                found,
                "{action} {resource}"
            );
        }
        let but = |action: &str, resource: &str| json!([{"Effect": "Deny", "Principal": "*", "NotAction": action, "NotResource": resource}]);
        assert_eq!(codes(&tenant(&user), &but("s3:*", "arn:aws:s3:::c")), [""; 0]);
        assert_eq!(codes(&tenant(&user), &but("s3:Put*", "arn:aws:s3:::b*")), [""; 0]);
        assert_eq!(codes(&tenant(&user), &but("s3:Put*", "arn:aws:s3:::b")), ["POLICY_LOCKS_OUT"]);
        let allow = json!({"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"});
        assert_eq!(codes(&tenant(&user), &allow), [""; 0]);
    }

    #[test]
    fn what_cannot_be_decided_may_lock_out() {
        let user = [USER.to_owned()];
        let mut statement = deny(&json!("*"), "s3:*", "*");
        statement["Condition"] = json!({"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}});
        assert_eq!(codes(&tenant(&user), &statement), ["POLICY_MAY_LOCK_OUT"]);
        statement["Condition"] = json!({"Bool": {"aws:SecureTransport": "false"}});
        assert_eq!(codes(&tenant(&user), &statement), [""; 0], "requests go over TLS");
        let plain = Tenant { https: false, ..tenant(&user) };
        assert_eq!(codes(&plain, &statement), ["POLICY_LOCKS_OUT"]);
        let named = deny(&json!({"AWS": "arn:aws:iam:::user/x"}), "s3:*", "*");
        assert_eq!(codes(&tenant(&[]), &named), ["POLICY_MAY_LOCK_OUT"]);
        assert_eq!(codes(&tenant(&[]), &deny(&json!("*"), "s3:*", "*")), ["POLICY_LOCKS_OUT"]);
        let anonymous = Tenant { anonymous: true, ..tenant(&[]) };
        assert_eq!(codes(&anonymous, &named), [""; 0]);
    }

    #[test]
    fn a_grant_that_goes_is_found() {
        let user = [USER.to_owned()];
        let policy = |principal: Value| json!({"Statement": [{"Effect": "Allow", "Principal": principal, "Action": ["s3:GetObject", "s3:PutBucketPolicy"], "Resource": ["arn:aws:s3:::b", ALL]}]});
        let own = policy(json!({"AWS": USER}));
        let lost = |before: &Value, after: &Value| {
            let findings = tenant(&user).lost_grants(before, after);
            findings.into_iter().map(|finding| (finding.severity, finding.message)).collect::<Vec<_>>()
        };
        assert_eq!(lost(&own, &own), []);
        assert_eq!(lost(&Value::Null, &own), []);
        assert_eq!(lost(&own, &policy(json!("*"))), [], "everybody is the identity, too");
        let gone = lost(&own, &Value::Null);
        assert_eq!(gone.len(), 1);
        assert!(
            gone[0].0 == crate::finding::Severity::Error && gone[0].1.contains("`s3:GetObject`"),
            "{gone:?}"
        );
        let gone = lost(&policy(json!("*")), &Value::Null);
        assert!(gone.len() == 1 && gone[0].0 == crate::finding::Severity::Warning, "{gone:?}");
        assert_eq!(lost(&policy(json!({"AWS": "444455556666"})), &Value::Null), []);
    }

    #[test]
    fn patterns_fit_as_policies_say() {
        for (pattern, text, closed, open) in [
            ("*", "", true, true),
            ("a*c", "abc", true, true),
            ("a*c", "ab", false, true),
            ("a?c", "ac", false, true),
            ("a?c", "abd", false, false),
            ("a**", "a", true, true),
            ("ab", "a", false, true),
            ("a", "ab", false, false),
            ("ü?", "ü🚀", true, true),
        ] {
            assert_eq!(
                (matches(pattern, text, false), matches(pattern, text, true)),
                (closed, open),
                "{pattern} {text}"
            );
        }
    }
}
