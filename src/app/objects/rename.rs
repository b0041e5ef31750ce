//! Renaming a prefix: every object is copied, the copy is looked at, and only then the source is deleted.
//!
//! At every moment an object is under its old key or under its new one, or under both. Whatever interrupts the work
//! loses nothing, and the same call goes on: what has moved is not found below the old prefix any more.

use std::sync::Arc;

use futures_util::{StreamExt, stream};

use crate::app::objects::Outcome;
use crate::app::objects::bulk::{BulkKey, Chunk, Progress, Walk, Work, stops};
use crate::app::objects::bulk_delete::{ChunkRow, Item, batch, parse_cursor};
use crate::app::objects::copy::{Piece, check_gets, gets_of, needs_of};
use crate::app::objects::route::{Route, Wanted};
use crate::app::objects::row::Row;
use crate::app::{App, Error};
use crate::aws::{AwsError, ErrorKind};
use crate::model::bulk::{BulkPlan, Directive, KeyOutcome, RenamePrefix};
use crate::model::name::Name;
use crate::model::object::ObjectSummary;
use crate::model::operation::Operation;
use crate::model::principal::Caller;
use crate::model::provider::Feature;

/// Objects that are copied before their sources are deleted together: few, so that little is there twice.
const CHUNK: u64 = 100;
/// Copies under way at once.
const AT_ONCE: usize = 8;

/// What moves where.
pub(super) struct Moves {
    pub(super) route: Route,
    wanted: RenamePrefix,
}

impl App {
    /// Counts what a rename would move.
    pub async fn plan_rename(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        environment: &Name,
        wanted: &RenamePrefix,
    ) -> Result<Outcome<BulkPlan>, Error> {
        let route = self.rename_route(caller, name, environment, wanted).await?;
        let cursor = parse_cursor(wanted.cursor.as_deref(), &[&wanted.from, &wanted.to])?;
        let after = cursor.as_ref().map(|cursor| cursor.after.as_str());
        let found = self.count(&route.source, environment, &wanted.from, after).await;
        let row = Row { key: Some(&wanted.from), error: found.as_ref().err(), ..Row::default() };
        self.note(caller, &route.source, Operation::List, row).await;
        let mut plan = found?.plan();
        if !wanted.overwrite && plan.count > 0 {
            // boxed: its state is large, and few take it
            let taken = Box::pin(self.taken(&route, wanted, after)).await?;
            (plan.taken, plan.taken_keys) =
                taken.map_or((None, Vec::new()), |(number, keys)| (Some(number), keys));
        }
        Ok(Outcome { value: plan, freshness: route.freshness() })
    }

    /// Moves what lies below a prefix, as many objects as were confirmed; `most` bounds the keys of this answer.
    pub async fn rename_prefix(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        environment: &Name,
        wanted: RenamePrefix,
        most: Option<u64>,
    ) -> Result<Progress, Error> {
        let route = self.rename_route(caller, name, environment, &wanted).await?;
        let cursor = parse_cursor(wanted.cursor.as_deref(), &[&wanted.from, &wanted.to])?;
        let after = cursor.as_ref().map(|cursor| cursor.after.clone());
        let found = self.count(&route.source, environment, &wanted.from, after.as_deref()).await;
        let row = Row { key: Some(&wanted.from), error: found.as_ref().err(), ..Row::default() };
        self.note(caller, &route.source, Operation::List, row).await;
        let left = found?.confirmed(&wanted.from, wanted.confirm_count, cursor.as_ref())?;
        let walk = Walk {
            prefixes: vec![wanted.from.clone(), wanted.to.clone()],
            prefix: wanted.from.clone(),
            after,
            left,
            chunk: CHUNK.min(batch(&route.from) as u64),
            most: most.unwrap_or(u64::MAX),
        };
        let freshness = route.freshness();
        Ok(self.start_walk(Work::Move(Box::new(Moves { route, wanted })), walk, freshness))
    }

    async fn rename_route(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        environment: &Name,
        wanted: &RenamePrefix,
    ) -> Result<Route, Error> {
        wanted.check().map_err(Error::BadRequest)?;
        let options = wanted.copy_options(String::new(), String::new());
        if let Some(headers) = gets_of(&options).headers {
            headers.check_headers()?;
        }
        let needs = Wanted {
            to_resource: wanted.to_resource.as_deref(),
            from: &wanted.from,
            to: &wanted.to,
            source: &[Operation::List, Operation::Delete],
            target: &needs_of(&options),
        };
        let route = self.route(caller, name, environment, &needs).await?;
        check_gets(&route.to, &options)?;
        let from = format!("{}{}", route.from.prefix, wanted.from);
        let to = format!("{}{}", route.to.prefix, wanted.to);
        if route.one_bucket() && (from.starts_with(&to) || to.starts_with(&from)) {
            return Err(Error::BadRequest(format!(
                "`{}` and `{}` lie in one another, so that objects would be moved twice or onto others: end both with `/`, or rename to a third prefix first",
                wanted.from, wanted.to
            )));
        }
        Ok(route)
    }

    /// Moves a page of a list. The audit has rows for all of them, and one for each that failed.
    pub(super) async fn move_chunk(self: &Arc<Self>, moves: &Moves, objects: &[ObjectSummary]) -> Chunk {
        let under_way: Vec<_> = objects.iter().map(|object| self.copy_to(moves, object)).collect();
        let copied: Vec<Result<(), Error>> = stream::iter(under_way).buffered(AT_ONCE).collect().await;
        let route = &moves.route;
        let (mut keys, mut items, mut stop) = (Vec::new(), Vec::new(), None);
        for (object, outcome) in objects.iter().zip(copied) {
            match outcome {
                Ok(()) => items.push(Item {
                    key: object.key.clone(),
                    version: None,
                    // what was written meanwhile was not copied
                    etag: object.etag.clone(),
                }),
                Err(error) if stops(&error) => stop = Some(error),
                Err(error) => keys.push(moves.told(&object.key, Some(error))),
            }
        }
        let deleted = self.delete_items(&route.source, &route.environment, &items).await;
        for (item, outcome) in items.iter().zip(deleted.outcomes) {
            if let Some(outcome) = outcome {
                keys.push(moves.told(&item.key, outcome.err().map(still_there)));
            }
        }
        keys.sort_by(|one, other| one.key.as_bytes().cmp(other.key.as_bytes()));
        self.note_moves(moves, &keys).await;
        Chunk { keys, stop: stop.or(deleted.stop) }
    }

    async fn copy_to(self: &Arc<Self>, moves: &Moves, object: &ObjectSummary) -> Result<(), Error> {
        let route = &moves.route;
        let to = moves.new_key(&object.key);
        route.full_keys(&object.key, &to)?;
        let piece = Piece {
            from: &object.key,
            to: &to,
            version: None,
            size: object.size,
            etag: object.etag.as_deref(),
        };
        if self.is_the_same(route, &piece, object.last_modified.as_deref()).await? {
            return Err(Error::BadRequest(format!("`{}` would move onto itself", object.key)));
        }
        let there = if moves.wanted.overwrite { None } else { self.look_at_target(route, &to).await? };
        if let Some(there) = there {
            // an earlier call may have copied it, and then was interrupted, also before the copy had its tags
            if self.is_copy(route, &piece, &there).await? {
                let replaced = moves.wanted.tags_directive == Directive::Replace;
                let tags = if replaced {
                    Some(moves.wanted.tags.clone())
                } else {
                    self.tags_of(route, &piece).await?
                };
                return match tags {
                    Some(tags) => self.give_tags(route, &piece, &tags).await,
                    None => Ok(()),
                };
            }
            let text = format!(
                "there is another object `{to}` already, so this one stays where it is: ask for `overwrite` to replace it"
            );
            return Err(AwsError::new(ErrorKind::PreconditionFailed, "s3", "PreconditionFailed", text).into());
        }
        let mut options = moves.wanted.copy_options(object.key.clone(), to.clone());
        // nobody may have written it since it was looked at
        if !moves.wanted.overwrite && route.to.plan.profile.has(Feature::OnlyNew) {
            options.if_none_match = Some("*".to_owned());
        }
        let copied = self.copy_piece(route, &piece, &options).await?;
        self.confirm(route, &piece, &copied.uploaded).await
    }

    async fn note_moves(&self, moves: &Moves, keys: &[BulkKey]) {
        let (route, wanted) = (&moves.route, &moves.wanted);
        let caller = &route.caller;
        let whereto = match route.other() {
            Some(other) => format!(", moved to `{}` of the resource `{other}`", wanted.to),
            None => format!(", moved to `{}`", wanted.to),
        };
        let row = |operation, prefix, whereto, connection| ChunkRow {
            operation,
            prefix,
            whereto,
            connection: Some(connection),
        };
        let (from, to) = (wanted.from.as_str(), wanted.to.as_str());
        let copied = row(Operation::Copy, from, whereto.as_str(), &*route.from);
        self.note_chunk(caller, &route.source, &copied, keys).await;
        let gone = keys.iter().filter(|key| key.error.is_none());
        let gone: Vec<BulkKey> = gone.map(|key| moves.told(&key.key, None)).collect();
        let deleted = row(Operation::Delete, from, whereto.as_str(), &*route.from);
        self.note_chunk(caller, &route.source, &deleted, &gone).await;
        if route.other().is_some() {
            let whence = format!(", moved from the resource `{}`", route.source.name());
            let put = row(Operation::Put, to, whence.as_str(), &*route.to);
            self.note_chunk(caller, &route.target, &put, &gone).await;
        }
    }
}

impl Moves {
    fn new_key(&self, key: &str) -> String {
        let rest = key.strip_prefix(&self.wanted.from).unwrap_or(key);
        format!("{}{rest}", self.wanted.to)
    }

    fn told(&self, key: &str, error: Option<Error>) -> BulkKey {
        let outcome = if error.is_none() { KeyOutcome::Moved } else { KeyOutcome::Failed };
        BulkKey { key: key.to_owned(), version: None, to: Some(self.new_key(key)), outcome, error }
    }
}

fn still_there(error: Error) -> Error {
    match error {
        Error::Upstream(mut upstream) => {
            upstream.message =
                format!("the object was copied and could not be deleted: {}", upstream.message);
            Error::Upstream(upstream)
        }
        other => other,
    }
}
