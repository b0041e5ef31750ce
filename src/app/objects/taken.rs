//! Which keys a rename would find taken: both lists are read side by side, a page of each at a time.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::app::objects::bulk::{PAGE, SHOWN, stuck};
use crate::app::objects::route::Route;
use crate::app::objects::row::Row;
use crate::app::{App, Error, Resource};
use crate::aws::ErrorKind;
use crate::model::bulk::RenamePrefix;
use crate::model::name::Name;
use crate::model::object::ObjectSummary;
use crate::model::operation::Operation;

/// Bytes of a place to begin at: with the prefixes before it, it has to be one that a store takes.
const MOST_BYTES: usize = 512;

/// What lies below a prefix, key by key.
struct Side<'a> {
    resource: &'a Arc<Resource>,
    prefix: &'a str,
    /// Behind which key the next page begins.
    after: Option<String>,
    /// Of the page that was read, with keys without the prefix; the next one is last.
    page: Vec<ObjectSummary>,
    more: bool,
}

impl<'a> Side<'a> {
    fn new(resource: &'a Arc<Resource>, prefix: &'a str, after: Option<String>) -> Side<'a> {
        Side { resource, prefix, after, page: Vec::new(), more: true }
    }

    /// Where all of the page lies before a key, the next one begins there: what lies between is not read.
    fn skip_to(&mut self, behind: &str) {
        if self.page.first().is_some_and(|last| last.key.as_str() < behind) {
            self.page.clear();
            let before = just_before(behind).map(|before| format!("{}{before}", self.prefix));
            self.after = self.after.take().max(before);
        }
    }

    /// Reads on until there is a key, or the end.
    async fn fill(&mut self, app: &Arc<App>, environment: &Name) -> Result<(), Error> {
        while self.page.is_empty() && self.more {
            let page = app.page(self.resource, environment, self.prefix, self.after.as_deref(), PAGE).await?;
            let last = page.objects.last().map(|object| object.key.clone());
            if page.more && last <= self.after {
                return Err(stuck());
            }
            self.more = page.more;
            self.after = last;
            let behind = page.objects.into_iter().filter_map(|mut object| {
                object.key = object.key.strip_prefix(self.prefix)?.to_owned();
                Some(object)
            });
            self.page = behind.rev().collect();
        }
        Ok(())
    }
}

/// A text before this one, with as little as can be between them.
fn just_before(key: &str) -> Option<String> {
    let mut letters = key.chars();
    let last = letters.next_back()?;
    let before = ('\0'..last).next_back().filter(|before| !before.is_control())?;
    Some(format!("{}{before}\u{10FFFF}", letters.as_str())).filter(|before| before.len() < MOST_BYTES)
}

impl App {
    /// How many of the new keys are taken, and the first of them; none where the target may not be listed.
    pub(super) async fn taken(
        self: &Arc<Self>,
        route: &Route,
        wanted: &RenamePrefix,
        after: Option<&str>,
    ) -> Result<Option<(u64, Vec<String>)>, Error> {
        let allowed = route.target.record.definition.operations.as_ref();
        if allowed.is_some_and(|allowed| !allowed.contains(&Operation::List)) {
            return Ok(None);
        }
        let behind = after.and_then(|after| after.strip_prefix(wanted.from.as_str()));
        let begin = behind.map(|behind| format!("{}{behind}", wanted.to));
        let mut there = Side::new(&route.target, &wanted.to, begin);
        let listed = there.fill(self, &route.environment).await;
        let row = Row { key: Some(&wanted.to), error: listed.as_ref().err(), ..Row::default() };
        self.note(&route.caller, &route.target, Operation::List, row).await;
        match listed {
            Err(Error::Upstream(error)) if error.kind == ErrorKind::AccessDenied => return Ok(None),
            outcome => outcome?,
        }
        let mut here = Side::new(&route.source, &wanted.from, after.map(str::to_owned));
        let (mut number, mut first) = (0, Vec::new());
        loop {
            there.fill(self, &route.environment).await?;
            let Some(other) = there.page.last() else { break };
            here.fill(self, &route.environment).await?;
            let Some(own) = here.page.last() else { break };
            match own.key.as_bytes().cmp(other.key.as_bytes()) {
                Ordering::Less => drop(here.page.pop()),
                Ordering::Greater => {
                    there.page.pop();
                    there.skip_to(&own.key);
                }
                Ordering::Equal => {
                    // an earlier rename that was interrupted may have copied it already
                    let is_copy = own.size == other.size && own.etag.is_some() && own.etag == other.etag;
                    if !is_copy {
                        number += 1;
                        let room = SHOWN.saturating_sub(first.len());
                        first.extend([format!("{}{}", wanted.to, other.key)].into_iter().take(room));
                    }
                    here.page.pop();
                    there.page.pop();
                }
            }
        }
        Ok(Some((number, first)))
    }
}

#[cfg(test)]
mod tests {
    use super::just_before;

    #[test]
    fn what_is_just_before_a_key_is_before_it_and_behind_what_is_less() {
        assert_eq!(just_before("a "), None, "a control character is no place to begin at");
        for (less, key) in
            [("ab", "abc"), ("abb", "abc"), ("abbz", "abc"), ("\u{D7FF}z", "\u{E000}"), ("a", "b"), ("", "ü")]
        {
            let before = just_before(key).unwrap();
            assert!(less < before.as_str() && before.as_str() < key, "{less} {before} {key}");
        }
        assert_eq!(just_before(""), None);
        assert_eq!(just_before("\0"), None);
    }
}
