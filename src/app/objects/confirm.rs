//! Looks at both ends of a copy: what is there before it, and whether the copy is what its source was.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;

use crate::app::objects::copy::Piece;
use crate::app::objects::full_key;
use crate::app::objects::route::Route;
use crate::app::{App, Error};
use crate::aws::body::DownloadBody;
use crate::aws::s3::{Download, Uploaded};
use crate::aws::{AwsError, ErrorKind};
use crate::model::object::{Conditions, DeleteOptions, GetOptions, ObjectMetadata};
use crate::model::provider::{Feature, Quirk};

/// Reads both to the first difference; neither may stand still for longer than `idle`.
async fn have_same_bytes(
    mut one: DownloadBody,
    mut other: DownloadBody,
    idle: Duration,
) -> Result<bool, Error> {
    let (mut left, mut right) = (Bytes::new(), Bytes::new());
    loop {
        if left.is_empty() {
            left = next(&mut one, idle).await?;
        }
        if right.is_empty() {
            right = next(&mut other, idle).await?;
        }
        let length = left.len().min(right.len());
        if length == 0 || left.split_to(length) != right.split_to(length) {
            return Ok(left.is_empty() && right.is_empty() && length == 0);
        }
    }
}

/// The next bytes; none at the end.
async fn next(body: &mut DownloadBody, idle: Duration) -> Result<Bytes, Error> {
    loop {
        let frame = tokio::time::timeout(idle, body.frame()).await.map_err(|_| {
            let text = "an object that was compared stalled in the middle";
            AwsError::new(ErrorKind::Timeout, "s3", "ReadTimeout", text)
        })?;
        match frame {
            None => return Ok(Bytes::new()),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => return Ok(bytes),
                Err(_) => {}
            },
            Some(Err(error)) => {
                let text = format!("an object that was compared broke off: {error}");
                return Err(AwsError::new(ErrorKind::Unreachable, "s3", "ConnectionReset", text).into());
            }
        }
    }
}

impl App {
    /// What the source is.
    pub(super) async fn look(
        self: &Arc<Self>,
        route: &Route,
        key: &str,
        version: Option<&str>,
    ) -> Result<Download, Error> {
        let options = GetOptions { version_id: version.map(str::to_owned), ..GetOptions::default() };
        let found = self.with_connection(&route.source, &route.environment, |connection| {
            let options = &options;
            async move { connection.s3.head_told(&full_key(&connection.prefix, key)?, options).await }
        });
        Ok(found.await.map_err(|error| route.of_source(error))?.0)
    }

    /// What stands under the new key, if anything does.
    pub(super) async fn look_at_target(
        self: &Arc<Self>,
        route: &Route,
        key: &str,
    ) -> Result<Option<ObjectMetadata>, Error> {
        let options = GetOptions::default();
        let look = || {
            self.with_connection(&route.target, &route.environment, |connection| {
                let options = &options;
                async move { connection.s3.head(&full_key(&connection.prefix, key)?, options).await }
            })
        };
        match self.patiently(look).await {
            Ok((found, _)) => Ok(Some(found.metadata)),
            Err(Error::Upstream(error)) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(route.of_target(error)),
        }
    }

    pub(super) async fn refuse_existing(self: &Arc<Self>, route: &Route, key: &str) -> Result<(), Error> {
        if self.look_at_target(route, key).await?.is_none() {
            return Ok(());
        }
        let text = format!("there is an object `{key}` already");
        Err(AwsError::new(ErrorKind::PreconditionFailed, "s3", "PreconditionFailed", text).into())
    }

    /// Two addresses may lead to one bucket. Then what is there under the new key is the source itself, to the second.
    pub(super) async fn is_the_same(
        self: &Arc<Self>,
        route: &Route,
        piece: &Piece<'_>,
        last_modified: Option<&str>,
    ) -> Result<bool, Error> {
        let (from, to) = route.full_keys(piece.from, piece.to)?;
        // an access point, or its alias, leads to a bucket of another name
        let leads_elsewhere = |bucket: &str| bucket.starts_with("arn:") || bucket.ends_with("-s3alias");
        let may_be_one = route.same_name()
            || leads_elsewhere(&route.from.plan.bucket)
            || leads_elsewhere(&route.to.plan.bucket);
        if route.one_bucket() || !may_be_one || from != to {
            return Ok(false);
        }
        let there = self.look_at_target(route, piece.to).await?;
        let seconds = |at: &str| at.get(..19).map(str::to_owned);
        Ok(there.is_some_and(|there| {
            there.etag.as_deref() == piece.etag
                && there.last_modified.as_deref().and_then(seconds) == last_modified.and_then(seconds)
        }))
    }

    /// Nothing is deleted unless the copy is what the source was.
    pub(super) async fn confirm(
        self: &Arc<Self>,
        route: &Route,
        piece: &Piece<'_>,
        uploaded: &Uploaded,
    ) -> Result<(), Error> {
        let there = self.look_at_target(route, piece.to).await?;
        // some stores tell another ETag of parts when they are put together than afterwards
        let trusted = !route.to.plan.profile.does(Quirk::OwnPartEtags);
        let same = there.as_ref().is_some_and(|there| {
            let tags = (there.etag.as_deref(), uploaded.etag.as_deref());
            let differ = matches!(tags, (Some(there), Some(told)) if there != told);
            there.size == Some(piece.size) && !(trusted && differ)
        });
        if same {
            return Ok(());
        }
        let text = "the copy is not what the source was: the source stays where it is, look at both";
        Err(AwsError::new(ErrorKind::Conflict, "s3", "OperationAborted", text).into())
    }

    /// Whether what stands under the new key has the content of the source. The ETag says so where both were written in
    /// the same way; of a copy that went in parts or was encrypted it says nothing, and both are read.
    pub(super) async fn is_copy(
        self: &Arc<Self>,
        route: &Route,
        piece: &Piece<'_>,
        there: &ObjectMetadata,
    ) -> Result<bool, Error> {
        if there.size != Some(piece.size) {
            return Ok(false);
        }
        if there.etag.is_some() && there.etag.as_deref() == piece.etag {
            return Ok(true);
        }
        // what was looked at, and not what was written since
        let conditions = Conditions { if_match: there.etag.clone(), ..Conditions::default() };
        let options = GetOptions { conditions, ..GetOptions::default() };
        let copy = self.with_connection(&route.target, &route.environment, |connection| {
            let options = &options;
            async move { connection.s3.get(&full_key(&connection.prefix, piece.to)?, options).await }
        });
        let copy = match copy.await {
            Ok((copy, _)) => copy,
            // who may write there may not be allowed to read
            Err(Error::Upstream(error)) if error.kind == ErrorKind::AccessDenied => return Ok(false),
            Err(error) => return Err(route.of_target(error)),
        };
        let source = self.read_source(route, piece).await?;
        have_same_bytes(source.body, copy.body, self.body_idle()).await
    }

    /// Where a delete takes no condition, the source is looked at once more right before it: what was written since it
    /// was copied stays.
    pub(super) async fn refuse_changed(
        self: &Arc<Self>,
        route: &Route,
        piece: &Piece<'_>,
    ) -> Result<(), Error> {
        let conditional = route.from.plan.profile.has(Feature::ConditionalDelete) && piece.etag.is_some();
        if conditional || piece.version.is_some() {
            return Ok(());
        }
        let now = self.patiently(|| self.look(route, piece.from, None)).await?.metadata;
        if now.etag.as_deref() == piece.etag && now.size == Some(piece.size) {
            return Ok(());
        }
        let text = "the source was written again while it was copied, and stays where it is";
        Err(AwsError::new(ErrorKind::Conflict, "s3", "OperationAborted", text).into())
    }

    pub(super) async fn delete_moved(
        self: &Arc<Self>,
        route: &Route,
        piece: &Piece<'_>,
    ) -> Result<(), Error> {
        let delete = || {
            self.with_connection(&route.source, &route.environment, |connection| async move {
                let conditional =
                    piece.version.is_none() && connection.plan.profile.has(Feature::ConditionalDelete);
                let options = DeleteOptions {
                    version_id: piece.version.map(str::to_owned),
                    // what was written meanwhile was not copied
                    if_match: piece.etag.filter(|_| conditional).map(str::to_owned),
                };
                connection.s3.delete(&full_key(&connection.prefix, piece.from)?, &options).await
            })
        };
        self.patiently(delete).await.map(drop).map_err(|error| route.of_source(error))
    }
}
