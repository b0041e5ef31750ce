//! Copying and moving one object: inside the store where it can, else through this service.
//!
//! A move deletes the source only after the store said what the copy is, and a look at the copy said the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::app::connection::Connection;
use crate::app::objects::relay::UNKNOWN_SIZE;
use crate::app::objects::route::{Route, Wanted, whence, whereto};
use crate::app::objects::row::Row;
use crate::app::objects::write::{check_defaults, guessed_type};
use crate::app::objects::{Outcome, full_key, require, require_version};
use crate::app::{App, Error};
use crate::aws::s3::{CopyGets, CopySource, Uploaded};
use crate::aws::upload::Leftovers;
use crate::aws::{AwsError, ErrorKind};
use crate::model::bulk::{CopyOptions, CopyResult, CopyWay, Directive, KeyOutcome};
use crate::model::name::Name;
use crate::model::object::{Conditions, GetOptions, ObjectMetadata, PutOptions};
use crate::model::operation::Operation;
use crate::model::principal::Caller;
use crate::model::provider::{Feature, Quirk};
use crate::model::upload::UploadExtras;

/// One object that is copied, with what is known of it.
pub(super) struct Piece<'a> {
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) version: Option<&'a str>,
    pub(super) size: u64,
    pub(super) etag: Option<&'a str>,
}

/// A copy that the store has said to be there.
pub(super) struct Copied {
    pub(super) uploaded: Uploaded,
    pub(super) way: CopyWay,
}

impl App {
    /// Copies an object, or moves it. It runs in a task of its own: a caller who goes away loses neither the object
    /// nor the audit.
    pub async fn copy_object(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        environment: &Name,
        options: CopyOptions,
        moves: bool,
    ) -> Result<Outcome<CopyResult>, Error> {
        options.check().map_err(Error::BadRequest)?;
        if let Some(headers) = gets_of(&options).headers {
            headers.check_headers()?;
        }
        let (app, caller, name, environment) =
            (Arc::clone(self), caller.clone(), name.to_owned(), environment.clone());
        let task = self.tracker.spawn(async move {
            let target = needs_of(&options);
            let wanted = Wanted {
                to_resource: options.to_resource.as_deref(),
                from: &options.from,
                to: &options.to,
                source: if moves { &[Operation::Delete] } else { &[] },
                target: &target,
            };
            let route = app.route(&caller, &name, &environment, &wanted).await?;
            let outcome = app.copy_on(&route, &options, moves).await;
            app.note_copy(&route, &options, moves, &outcome).await;
            Ok(Outcome { value: outcome?.0, freshness: route.freshness() })
        });
        task.await.unwrap_or_else(|_| {
            let text = "the copy ended unexpectedly: look whether it was made";
            Err(AwsError::new(ErrorKind::Internal, "s3", "InternalError", text).into())
        })
    }

    async fn copy_on(
        self: &Arc<Self>,
        route: &Route,
        options: &CopyOptions,
        moves: bool,
    ) -> Result<(CopyResult, Option<String>), Error> {
        route.refuse_itself(options, moves)?;
        check_gets(&route.to, options)?;
        let version = options.version.as_deref();
        require_version(&route.from, version)?;
        let found = self.patiently(|| self.look(route, &options.from, version)).await?.metadata;
        if options.if_none_match.is_some() {
            self.refuse_existing(route, &options.to).await?;
        }
        let size = found.size.ok_or_else(|| {
            AwsError::new(ErrorKind::Unsupported, "s3", "NotSupportedByProvider", UNKNOWN_SIZE)
        })?;
        if moves && found.facts.missing_metadata.is_some_and(|missing| missing > 0) {
            let text = "the source has metadata that HTTP cannot carry, which a move would lose: copy it, look at the copy, and delete the source";
            return Err(AwsError::new(ErrorKind::Conflict, "s3", "OperationAborted", text).into());
        }
        let piece =
            Piece { from: &options.from, to: &options.to, version, size, etag: found.etag.as_deref() };
        if moves && self.is_the_same(route, &piece, found.last_modified.as_deref()).await? {
            return Err(onto_itself(&options.from, true));
        }
        if options.dry_run {
            return Ok((planned(route, &piece, options, self.way(route, &piece))?, None));
        }
        let copied = self.copy_piece(route, &piece, options).await?;
        if moves {
            self.confirm(route, &piece, &copied.uploaded).await?;
            self.refuse_changed(route, &piece).await.map_err(copied_only)?;
            self.delete_moved(route, &piece).await.map_err(copied_only)?;
        }
        let request_id = copied.uploaded.request_id;
        let result = CopyResult {
            from: options.from.clone(),
            to: options.to.clone(),
            to_resource: route.other().map(str::to_owned),
            outcome: if moves { KeyOutcome::Moved } else { KeyOutcome::Copied },
            size: piece.size,
            etag: copied.uploaded.etag,
            version_id: copied.uploaded.version_id,
            way: copied.way,
        };
        Ok((result, request_id))
    }

    /// Copies one object; the store says that it is there.
    pub(super) async fn copy_piece(
        self: &Arc<Self>,
        route: &Route,
        piece: &Piece<'_>,
        options: &CopyOptions,
    ) -> Result<Copied, Error> {
        route.refuse_too_large(piece)?;
        let copied = match self.way(route, piece) {
            CopyWay::Streamed => return self.relay(route, piece, options).await,
            CopyWay::Parts => self.copy_in_parts(route, piece, options).await,
            CopyWay::Server => self.copy_at_once(route, piece, options).await,
        };
        match copied {
            Err(Error::Upstream(error)) if route.may_stream_instead(&error) => {
                self.relay(route, piece, options).await
            }
            copied => copied,
        }
    }

    fn way(&self, route: &Route, piece: &Piece<'_>) -> CopyWay {
        let in_parts = piece.size > self.config.server.copy_parts_above;
        if !route.server_side || in_parts && !route.to.plan.profile.has(Feature::MultipartCopy) {
            return CopyWay::Streamed;
        }
        if in_parts { CopyWay::Parts } else { CopyWay::Server }
    }

    async fn copy_at_once(
        self: &Arc<Self>,
        route: &Route,
        piece: &Piece<'_>,
        options: &CopyOptions,
    ) -> Result<Copied, Error> {
        let gets = gets_of(options);
        // Ceph RGW 16 takes the directive for tags and does not follow it, and drops them with replaced metadata
        let tags = match (&gets.tags, &gets.headers) {
            (Some(tags), _) => Some(tags.clone()),
            (None, Some(_)) => self.tags_of(route, piece).await?,
            (None, None) => None,
        };
        let copy = || {
            self.with_connection(&route.target, &route.environment, |connection| {
                let gets = &gets;
                async move {
                    check_gets(&connection, options)?;
                    let source = source_of(route, piece)?;
                    let to = full_key(&connection.prefix, piece.to)?;
                    connection.s3.copy(&source, &to, gets).await
                }
            })
        };
        let (uploaded, _) = self.patiently(copy).await.map_err(|error| route.of_target(error))?;
        if let Some(tags) = tags {
            self.give_tags(route, piece, &tags).await?;
        }
        Ok(Copied { uploaded, way: CopyWay::Server })
    }

    /// Parts carry neither headers nor tags: both are read first.
    async fn copy_in_parts(
        self: &Arc<Self>,
        route: &Route,
        piece: &Piece<'_>,
        options: &CopyOptions,
    ) -> Result<Copied, Error> {
        let mut gets = gets_of(options);
        if gets.headers.is_none() {
            let found = self.patiently(|| self.look(route, piece.from, piece.version)).await?;
            gets.headers = Some(headers_of(&found.metadata)?);
        }
        if gets.tags.is_none() {
            gets.tags = self.tags_of(route, piece).await?;
        }
        let leftovers = Leftovers::default();
        let above = self.config.server.copy_parts_above;
        let copy = || {
            self.with_connection(&route.target, &route.environment, |connection| {
                let (gets, leftovers) = (&gets, &leftovers);
                async move {
                    check_gets(&connection, options)?;
                    let source = source_of(route, piece)?;
                    let to = full_key(&connection.prefix, piece.to)?;
                    connection.s3.copy_parts(&source, &to, gets, (piece.size, above), leftovers).await
                }
            })
        };
        let outcome = self.patiently(copy).await;
        self.abort_leftovers(&route.target, &route.environment, &leftovers).await;
        let (uploaded, _) = outcome.map_err(|error| route.of_target(error))?;
        if uploaded.untagged
            && let Some(tags) = &gets.tags
        {
            self.give_tags(route, piece, tags).await?;
        }
        Ok(Copied { uploaded, way: CopyWay::Parts })
    }

    /// The tags that a copy takes with it when the store does not see to that; none where there can be none.
    pub(super) async fn tags_of(
        self: &Arc<Self>,
        route: &Route,
        piece: &Piece<'_>,
    ) -> Result<Option<BTreeMap<String, String>>, Error> {
        if !route.from.plan.profile.has(Feature::ObjectTags) {
            return Ok(None);
        }
        let read = || {
            self.with_connection(&route.source, &route.environment, |connection| async move {
                let from = full_key(&connection.prefix, piece.from)?;
                connection.s3.get_tags(&from, piece.version).await
            })
        };
        match self.patiently(read).await {
            Ok((found, _)) => Ok(Some(found.tags).filter(|tags| !tags.is_empty())),
            // a store without the call has no tags
            Err(Error::Upstream(error)) if error.kind == ErrorKind::Unsupported => Ok(None),
            Err(Error::Upstream(mut error)) => {
                error.message = format!(
                    "the tags of the source cannot be read, and the copy would lose them (`\"tags_directive\": \"replace\"` leaves them behind): {}",
                    error.message
                );
                Err(Error::Upstream(error))
            }
            Err(error) => Err(error),
        }
    }

    /// Gives these tags to the copy, and no others.
    pub(super) async fn give_tags(
        self: &Arc<Self>,
        route: &Route,
        piece: &Piece<'_>,
        tags: &BTreeMap<String, String>,
    ) -> Result<(), Error> {
        let given = self.tag_written(&route.target, &route.environment, piece.to, tags).await;
        given.map_err(|error| route.of_target(error))
    }

    async fn note_copy(
        &self,
        route: &Route,
        options: &CopyOptions,
        moves: bool,
        outcome: &Result<(CopyResult, Option<String>), Error>,
    ) {
        let error = outcome.as_ref().err();
        let bytes = outcome.as_ref().ok().map(|(copied, _)| copied.size);
        let request_id = outcome.as_ref().ok().and_then(|(_, request_id)| request_id.clone());
        let (from, to) = (options.from.as_str(), options.to.as_str());
        let detail = whereto(to, route.other());
        let row = |key, detail, connection| Row {
            key: Some(key),
            detail: Some(detail),
            bytes,
            error,
            connection: Some(connection),
            request_id: request_id.clone(),
        };
        let caller = &route.caller;
        if options.dry_run {
            let looked = row(from, format!("dry run of a copy {detail}"), &*route.from);
            return self.note(caller, &route.source, Operation::Head, looked).await;
        }
        let copied = row(from, detail.clone(), &*route.from);
        self.note(caller, &route.source, Operation::Copy, copied).await;
        if route.other().is_some() {
            let told = whence(from, &route.source);
            self.note(caller, &route.target, Operation::Put, row(to, told, &*route.to)).await;
        }
        if moves && error.is_none() {
            let gone = row(from, format!("moved {detail}"), &*route.from);
            self.note(caller, &route.source, Operation::Delete, gone).await;
        }
    }
}

impl Route {
    /// Whether the store could not copy what may be read and written nevertheless.
    fn may_stream_instead(&self, error: &AwsError) -> bool {
        if error.status.is_none() {
            return false;
        }
        match error.kind {
            ErrorKind::Internal => self.to.plan.profile.does(Quirk::UnreliableCopies),
            // Ceph RGW 16 copies nothing that is encrypted in one request, and in parts not from one key to another
            ErrorKind::InvalidRequest => self.has_customer_key(),
            ErrorKind::Unsupported => {
                self.has_customer_key() || self.to.plan.profile.does(Quirk::UnreliableCopies)
            }
            _ => false,
        }
    }

    fn refuse_itself(&self, options: &CopyOptions, moves: bool) -> Result<(), Error> {
        let (from, to) = self.full_keys(&options.from, &options.to)?;
        if self.one_bucket() && from == to && (moves || !options.changes_something()) {
            return Err(onto_itself(&options.from, moves));
        }
        Ok(())
    }

    fn refuse_too_large(&self, piece: &Piece<'_>) -> Result<(), Error> {
        let most = self.target.record.definition.limits.max_put_bytes;
        let Some(most) = most.filter(|most| piece.size > *most) else { return Ok(()) };
        let name = self.target.name();
        Err(Error::TooLarge(format!(
            "the object has {} bytes and the resource `{name}` allows uploads of {most}",
            piece.size
        )))
    }
}

/// What a copy would come to.
fn planned(
    route: &Route,
    piece: &Piece<'_>,
    options: &CopyOptions,
    way: CopyWay,
) -> Result<CopyResult, Error> {
    route.refuse_too_large(piece)?;
    Ok(CopyResult {
        from: options.from.clone(),
        to: options.to.clone(),
        to_resource: route.other().map(str::to_owned),
        outcome: KeyOutcome::Planned,
        size: piece.size,
        etag: piece.etag.map(str::to_owned),
        version_id: piece.version.map(str::to_owned),
        way,
    })
}

fn onto_itself(key: &str, moves: bool) -> Error {
    Error::BadRequest(if moves {
        format!("`{key}` would move onto itself: name another key or another resource")
    } else {
        format!(
            "`{key}` would be copied onto itself, which changes nothing: name another key, or give `metadata_directive`, `tags_directive`, `acl` or `storage_class`"
        )
    })
}

fn copied_only(error: Error) -> Error {
    match error {
        Error::Upstream(mut upstream) => {
            upstream.message = format!(
                "the object was copied, and the source is still there because it could not be deleted: {}",
                upstream.message
            );
            Error::Upstream(upstream)
        }
        other => other,
    }
}

fn source_of(route: &Route, piece: &Piece<'_>) -> Result<CopySource, AwsError> {
    let plan = &route.from.plan;
    Ok(CopySource {
        bucket: plan.bucket.clone(),
        key: full_key(&route.from.prefix, piece.from)?,
        version_id: piece.version.map(str::to_owned),
        if_match: piece.etag.map(str::to_owned),
        owner: plan.expected_owner.clone(),
        customer_key: plan.defaults.customer_key.clone(),
    })
}

/// What a copy needs of its target besides being written.
pub(super) fn needs_of(options: &CopyOptions) -> Vec<Operation> {
    let mut needs = Vec::new();
    if options.acl.is_some() {
        needs.push(Operation::PutAcl);
    }
    // tags open doors, too: policies and lifecycle rules go by them
    if options.tags_directive == Directive::Replace {
        needs.push(Operation::PutTags);
    }
    needs
}

/// What the query gives in place of the source's.
pub(super) fn gets_of(options: &CopyOptions) -> CopyGets {
    let replaced = options.metadata_directive == Directive::Replace;
    CopyGets {
        headers: replaced.then(|| PutOptions {
            content_type: Some(options.content_type.clone().unwrap_or_else(|| guessed_type(&options.to))),
            cache_control: options.cache_control.clone(),
            content_disposition: options.content_disposition.clone(),
            content_encoding: options.content_encoding.clone(),
            content_language: options.content_language.clone(),
            metadata: options.metadata.clone(),
            extras: UploadExtras { expires: options.expires.clone(), ..UploadExtras::default() },
            ..PutOptions::default()
        }),
        tags: (options.tags_directive == Directive::Replace).then(|| options.tags.clone()),
        acl: options.acl,
        storage_class: options.storage_class.clone(),
        only_new: options.if_none_match.is_some(),
    }
}

/// What the target's provider lacks is refused before anything is sent.
pub(super) fn check_gets(connection: &Connection, options: &CopyOptions) -> Result<(), AwsError> {
    let needs = [
        (options.acl.is_some(), Feature::ObjectAcl),
        (options.tags_directive == Directive::Replace, Feature::ObjectTags),
        (options.if_none_match.is_some(), Feature::OnlyNew),
    ];
    needs.iter().filter(|(needed, _)| *needed).try_for_each(|(_, feature)| require(connection, *feature))?;
    check_defaults(connection, options.acl.is_none())
}

/// What a source has, for a copy that a store cannot make by itself.
/// Metadata that the requests of this service cannot carry is told, and not left behind.
pub(super) fn headers_of(found: &ObjectMetadata) -> Result<PutOptions, AwsError> {
    let plain = |text: &str| text.bytes().all(|byte| byte == b'\t' || (0x20..0x7F).contains(&byte));
    let odd = found.metadata.iter().find(|(_, value)| !plain(value)).map(|(name, _)| format!("`{name}`"));
    let missing = found.facts.missing_metadata.filter(|missing| *missing > 0);
    if let Some(what) = odd.or(missing.map(|missing| format!("{missing} of them"))) {
        let text = format!(
            "the source has metadata that is not visible ASCII ({what}), which the copy would lose: read it and write it anew, or copy it with `\"metadata_directive\": \"replace\"`"
        );
        return Err(AwsError::new(ErrorKind::Conflict, "s3", "OperationAborted", text));
    }
    Ok(PutOptions {
        content_type: found.content_type.clone(),
        cache_control: found.cache_control.clone(),
        content_disposition: found.content_disposition.clone(),
        content_encoding: found.content_encoding.clone(),
        content_language: found.content_language.clone(),
        metadata: found.metadata.clone(),
        extras: UploadExtras { expires: found.facts.expires.clone(), ..UploadExtras::default() },
        ..PutOptions::default()
    })
}

/// Reads what was looked at, and no other.
pub(super) fn read_of(piece: &Piece<'_>) -> GetOptions {
    GetOptions {
        version_id: piece.version.map(str::to_owned),
        conditions: Conditions { if_match: piece.etag.map(str::to_owned), ..Conditions::default() },
        ..GetOptions::default()
    }
}
