//! Entries and statements that others cover.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashMap, FxHasher};

use super::pattern::Cover;
use super::reach::Reached;
use super::subject::{MAX_PAIRS, Statement, Subject};
use crate::policy::catalogue;
use crate::policy::document::{Listed, Located, PrincipalKind, Who};
use crate::policy::finding::Rule;
use crate::policy::finding::code::suggestions;
use crate::policy::finding::report::{Edit, Report, shown};
use crate::policy::parse::DraftStatement;

/// A list with its values as they are compared.
struct Folded<'a> {
    listed: &'a Listed,
    values: Vec<Cover<'a>>,
}

/// The lists of a statement.
struct Entries<'a> {
    statement: &'a DraftStatement,
    action: Option<Folded<'a>>,
    resource: Option<Folded<'a>>,
    /// Made when another statement may cover it.
    terms: OnceCell<String>,
}

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    let entries: Vec<Entries<'_>> = subject.statements.iter().map(Entries::of).collect();
    for entries in &entries {
        if let Some(action) = &entries.action {
            check_list(action, &suggestions::REDUNDANT_ACTION, report);
        }
        if let Some(resource) = &entries.resource {
            check_list(resource, &suggestions::REDUNDANT_RESOURCE, report);
        }
    }
    check_statements(&entries, report);
}

impl<'a> Entries<'a> {
    fn of(statement: &Statement<'a>) -> Self {
        let draft = statement.draft;
        let action = draft.action.as_ref().map(|listed| {
            let fold = |(value, named): (&'a Located<String>, &Option<Reached>)| match named {
                Some(named) => Cow::Borrowed(named.lower),
                None => Cow::Owned(value.value.to_ascii_lowercase()),
            };
            let texts = listed.values.iter().zip(&statement.named).map(fold);
            Folded { listed, values: texts.map(Cover::of).collect() }
        });
        let resource = draft.resource.as_ref().map(|listed| {
            let texts = listed.values.iter().map(|value| Cow::Borrowed(value.value.as_str()));
            Folded { listed, values: texts.map(Cover::of).collect() }
        });
        Self { statement: draft, action, resource, terms: OnceCell::new() }
    }

    fn terms(&self) -> &str {
        self.terms.get_or_init(|| terms(self.statement))
    }

    fn count(&self) -> usize {
        1 + self.statement.all_actions().len() + self.statement.all_resources().len()
    }
}

/// Entries that another one covers. Of equal ones the first stays.
fn check_list(list: &Folded<'_>, rule: &'static Rule, report: &mut Report) {
    let (values, written) = (&list.values, &list.listed.values);
    if values.len().saturating_mul(values.len()) > MAX_PAIRS {
        return;
    }
    for (index, (value, entry)) in values.iter().zip(written).enumerate() {
        let covering = values.iter().zip(written).enumerate().find(|(other, (pattern, _))| {
            *other != index && pattern.covers(&value.text) && (*other < index || !value.covers(&pattern.text))
        });
        if let Some((_, (_, pattern))) = covering {
            let message = format!("{} is covered by {}", shown(&entry.value), shown(&pattern.value));
            report.add(rule, entry.at, message).help("take it away").repair([Edit::Remove(entry.at)]);
        }
    }
}

/// Statements that do no more than another one of the same effect, principal and conditions.
fn check_statements(statements: &[Entries<'_>], report: &mut Report) {
    let mut alike: FxHashMap<u64, Vec<&Entries<'_>>> = FxHashMap::default();
    let mut pairs = 0_usize;
    for statement in statements.iter().filter(|entries| entries.statement.effect.is_some()) {
        let others = alike.entry(mark(statement.statement)).or_default();
        for other in others.iter() {
            pairs += statement.count().saturating_mul(other.count());
            if pairs > MAX_PAIRS {
                return;
            }
            let (covered, by) = if covers_statement(other, statement) {
                (statement, *other)
            } else if covers_statement(statement, other) {
                (*other, statement)
            } else {
                continue;
            };
            if covered.terms() != by.terms() {
                continue;
            }
            let message = format!("the statement in line {} covers this one", by.statement.at.line);
            report
                .add(&suggestions::REDUNDANT_STATEMENT, covered.statement.at, message)
                .help("take it away")
                .repair([Edit::Remove(covered.statement.at)]);
            break;
        }
        others.push(statement);
    }
}

/// A number that statements with the same terms have in common; others have it only by chance.
fn mark(statement: &DraftStatement) -> u64 {
    // sums, because the order does not count
    let sum = |values: &mut dyn Iterator<Item = u64>| values.fold(0, u64::wrapping_add);
    let principal = statement.principal.as_ref().map(|principal| match &principal.who {
        Who::Everyone => (principal.not, 0),
        Who::Named(kinds) => {
            let of_kind = |(kind, names): &(PrincipalKind, Vec<Located<String>>)| {
                sum(&mut names.iter().map(|name| hash((kind.as_str(), &name.value))))
            };
            (principal.not, sum(&mut kinds.iter().map(of_kind)).wrapping_add(1))
        }
    });
    let conditions = sum(&mut statement.conditions.iter().map(|condition| {
        let values = sum(&mut condition.values.iter().map(|value| hash(&value.value.text)));
        let key = catalogue::in_lower_case(&condition.key.value, |key| hash(key));
        hash((&condition.operator.value, key, values))
    }));
    hash((statement.allows(), principal, conditions))
}

fn hash(thing: impl Hash) -> u64 {
    let mut hasher = FxHasher::default();
    thing.hash(&mut hasher);
    hasher.finish()
}

/// What two statements must have in common for one to cover the other, in one text.
fn terms(statement: &DraftStatement) -> String {
    let sorted = |values: &[Located<String>]| {
        let mut texts: Vec<&str> = values.iter().map(|value| value.value.as_str()).collect();
        texts.sort_unstable();
        format!("{texts:?}")
    };
    let principal = statement.principal.as_ref().map(|principal| {
        let who = match &principal.who {
            Who::Everyone => "*".to_owned(),
            Who::Named(kinds) => {
                let mut kinds: Vec<String> =
                    kinds.iter().map(|(kind, names)| format!("{}{}", kind.as_str(), sorted(names))).collect();
                kinds.sort_unstable();
                kinds.concat()
            }
        };
        (principal.not, who)
    });
    let mut conditions: Vec<String> = statement
        .conditions
        .iter()
        .map(|condition| {
            let mut values: Vec<&str> =
                condition.values.iter().map(|value| value.value.text.as_str()).collect();
            values.sort_unstable();
            format!(
                "{:?} {:?} {values:?}",
                condition.operator.value,
                condition.key.value.to_ascii_lowercase()
            )
        })
        .collect();
    conditions.sort_unstable();
    format!("{} {principal:?} {conditions:?}", statement.allows())
}

fn covers_statement(wide: &Entries<'_>, narrow: &Entries<'_>) -> bool {
    // resources differ more often than actions
    covers_list(wide.resource.as_ref(), narrow.resource.as_ref())
        && covers_list(wide.action.as_ref(), narrow.action.as_ref())
}

fn covers_list(wide: Option<&Folded<'_>>, narrow: Option<&Folded<'_>>) -> bool {
    let all_covered = |narrow: &[Cover<'_>], wide: &[Cover<'_>]| {
        narrow.iter().all(|value| wide.iter().any(|pattern| pattern.covers(&value.text)))
    };
    match (wide, narrow) {
        (None, None) => true,
        (Some(wide), Some(narrow)) => match (wide.listed.not, narrow.listed.not) {
            (false, false) => !narrow.values.is_empty() && all_covered(&narrow.values, &wide.values),
            // All but a few is more than all but those and others.
            (true, true) => all_covered(&wide.values, &narrow.values),
            (false, true) => wide.values.iter().any(|value| value.text == "*"),
            (true, false) => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::mark;
    use crate::policy::finding::report::Report;
    use crate::policy::parse;

    /// Statements that cannot cover each other are not compared: a hostile policy has thousands of them.
    #[test]
    fn statements_with_other_terms_have_other_marks() {
        let statement = |principal: &str, condition: &str| {
            format!(
                "{{\"Effect\": \"Deny\", \"Action\": \"s3:*\", {principal}, \"Condition\": {{{condition}}}}}"
            )
        };
        let (everyone, null) = ("\"Principal\": \"*\"", "\"Null\": {\"aws:a\": \"true\"}");
        let texts = [
            statement(everyone, null),
            statement("\"NotPrincipal\": \"*\"", null),
            statement("\"Principal\": {\"AWS\": \"x\"}", null),
            statement("\"Principal\": {\"Service\": \"x\"}", null),
            statement(everyone, "\"Null\": {\"aws:b\": \"true\"}"),
            statement(everyone, "\"Bool\": {\"aws:a\": \"true\"}"),
            statement(everyone, "\"Null\": {\"aws:a\": \"false\"}"),
            // the same again: neither order nor the case of a key counts
            statement(everyone, "\"Null\": {\"AWS:A\": \"true\"}"),
        ];
        let policy = format!("{{\"Statement\": [{}]}}", texts.join(","));
        let (_, draft) = parse::read(&policy, &mut Report::default()).unwrap();
        let marks: Vec<u64> = draft.statements.iter().map(mark).collect();
        assert_eq!(marks.last(), marks.first());
        assert_eq!(marks.iter().collect::<HashSet<_>>().len(), texts.len() - 1);
    }
}
