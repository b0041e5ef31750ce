//! Uploads in parts.
//!
//! A part goes from the sender to the store as it comes, and is kept until the store took it, so that it can be sent
//! again. Where the store is waited for, because it is far away or slow, the parts after that are gathered in memory and
//! two are on their way at once; no more is read from the sender than there is room for. The room is bounded for the
//! whole service. An upload that finds none streams its parts and keeps nothing, so that a part that fails ends it; one
//! of unknown length gathers them one by one, because S3 wants each part's length first.
//!
//! Whatever fails after the start of an upload aborts it, so that no parts are left to pay for. What is under way then is
//! let end first: a part that arrives after the abort would stay.

use std::time::{Duration, Instant};

use aws_sdk_s3::types::CompletedPart;
use bytes::Bytes;
use futures_util::stream::{self, FuturesUnordered};
use futures_util::{Stream, StreamExt};
use tokio::sync::SemaphorePermit;

use crate::aws::direct::Direct;
use crate::aws::frames::Frames;
use crate::aws::s3::checksum::{Sums, completed_part};
use crate::aws::s3::{S3, Uploaded, part_checksum};
use crate::aws::source::Source;
use crate::aws::upload::{Leftovers, broken, gather_frames};
use crate::aws::{AwsError, ErrorKind};
use crate::model::object::{ObjectKey, PutOptions};
use crate::model::provider::Profile;
use crate::model::upload::Checksum;

const SERVICE: &str = "s3";
/// The size of a part; grows when 10,000 of them would not do (S3 user guide, multipart limits), where a provider wants
/// large parts, and where it takes only few of them.
const PART: u64 = 5 << 20;
/// The same where the length is not known: larger, so that larger bodies fit into as many.
const PART_OF_UNKNOWN: u64 = 8 << 20;
const MOST_PARTS: u64 = 10_000;
/// Bytes of the largest object: that many parts of 5 GiB (S3 user guide, multipart limits).
const MOST_BYTES: u64 = MOST_PARTS * (5 << 30);
/// Bytes of the largest part that is gathered in memory, for a checksum of the whole.
const MOST_GATHERED: u64 = 128 << 20;
/// Parts of one upload that are in memory at once, on their way or still gathered. More would be faster where the store
/// is far away, and cost every upload the memory of each.
const AT_ONCE: usize = 2;
/// The store is waited for when its answer takes longer than this and more than a quarter of the time of the part.
const WAIT: Duration = Duration::from_millis(20);
/// How long parts under way are waited for when another one has failed.
const SETTLE: Duration = Duration::from_secs(5);

/// What an upload in parts is made of.
struct Upload<'a> {
    key: &'a ObjectKey,
    id: &'a str,
    source: &'a Source,
    /// Of the whole, when it is known.
    length: Option<u64>,
    /// Of each part but the last.
    size: u64,
}

/// What is still to be sent.
struct Rest {
    /// Bytes, where they are known.
    left: Option<u64>,
    /// Of the next part.
    number: u32,
}

impl Rest {
    /// The size of the next part, where that is known and there is one.
    fn next(&self, most: u64) -> Option<u64> {
        self.left.map(|left| left.min(most)).filter(|size| *size > 0)
    }

    fn take(&mut self, size: u64) {
        self.left = self.left.map(|left| left.saturating_sub(size));
        self.number += 1;
    }
}

/// A part in memory.
struct Gathered {
    number: u32,
    frames: Frames,
    /// The one that was asked for; the provider's own goes behind it.
    checksum: Option<Checksum>,
}

impl S3 {
    /// Writes a body in parts.
    pub(in crate::aws) async fn put_parts(
        &self,
        key: &ObjectKey,
        options: &PutOptions,
        source: &Source,
        length: Option<u64>,
        leftovers: &Leftovers,
    ) -> Result<Uploaded, AwsError> {
        bounded(length)?;
        let size = part_size(self.profile, length);
        if size > MOST_GATHERED && Sums::new(&options.extras).is_wanted() {
            let text = format!(
                "a checksum of the whole is computed from parts in memory, and parts of {size} bytes are too large for that: leave the checksum out"
            );
            return Err(AwsError::new(ErrorKind::InvalidRequest, SERVICE, "EntityTooLarge", text));
        }
        let mut first = None;
        if length.is_none() {
            let most = usize::try_from(size).unwrap_or(usize::MAX);
            let gathered = source.collect(most).await.map_err(|error| broken(&error))?;
            if gathered.len() < most {
                let outcome = self.put_bytes(key, options, gathered.clone()).await;
                return outcome.inspect_err(|_| source.put_back(&gathered));
            }
            first = Some(gathered);
        }
        self.refuse_signed_stream()
            .inspect_err(|_| first.iter().for_each(|gathered| source.put_back(gathered)))?;
        let id = self
            .create_multipart_with(key, options, self.announced())
            .await
            .inspect_err(|_| first.iter().for_each(|gathered| source.put_back(gathered)))?;
        let upload = Upload { key, id: &id, source, length, size };
        let outcome = async {
            let mut sums = Sums::new(&options.extras);
            let parts = self.send_parts(&upload, first, &mut sums).await?;
            // what arrived here is not what was sent: nothing is completed
            let checksum = sums.checked(&options.extras)?;
            let done = self.complete(key, options, &id, parts).await?;
            Ok(Uploaded { checksum, ..done })
        }
        .await;
        // its room is given back, too
        source.release();
        if outcome.is_err()
            && let Err(error) = self.abort_multipart(key, &id).await
        {
            tracing::info!(
                upload_id = id,
                code = error.code,
                "an upload failed and could not be aborted yet"
            );
            leftovers.keep(key, id);
        }
        outcome.map(|done| Uploaded { untagged: self.loses_tags(options), ..done })
    }

    async fn send_parts(
        &self,
        upload: &Upload<'_>,
        first: Option<Bytes>,
        sums: &mut Sums,
    ) -> Result<Vec<CompletedPart>, AwsError> {
        let mut sent = Vec::new();
        let mut rest = Rest { left: upload.length, number: 1 };
        let room = if rest.left.is_some() && !sums.is_wanted() {
            self.stream_parts(upload, &mut rest, &mut sent).await?
        } else {
            self.room_for_parts(AT_ONCE, upload.size)
        };
        upload.source.release();
        if rest.left == Some(0) {
            return Ok(sent);
        }
        let at_once = if room.is_some() { AT_ONCE } else { 1 };
        let gathered = gathered_parts(upload, rest, first, sums);
        sent.extend(self.send_gathered(upload, gathered, at_once).await?);
        Ok(sent)
    }

    /// Room for so many parts of one upload; none when others have taken it.
    fn room_for_parts(&self, parts: usize, size: u64) -> Option<SemaphorePermit<'_>> {
        let kib = u32::try_from(parts as u64 * size / 1024).ok()?;
        self.part_room.try_acquire_many(kib).ok()
    }

    /// The checksum that each part carries although nobody asked for one: where the provider wants it, and it can go
    /// behind what streams.
    fn announced(&self) -> Option<aws_sdk_s3::types::ChecksumAlgorithm> {
        part_checksum(self.profile).filter(|_| self.direct.as_ref().is_none_or(Direct::trails))
    }

    /// Parts go from the sender to the store as they come, until the store is waited for and there is room to gather:
    /// that room comes back, and `rest` is what is still to be sent.
    async fn stream_parts(
        &self,
        upload: &Upload<'_>,
        rest: &mut Rest,
        sent: &mut Vec<CompletedPart>,
    ) -> Result<Option<SemaphorePermit<'_>>, AwsError> {
        let source = upload.source;
        let mut room = None;
        while let Some(size) = rest.next(upload.size) {
            room = room.or_else(|| self.room_for_parts(1, upload.size));
            if room.is_some() {
                source.keep();
            } else {
                source.release();
            }
            let began = Instant::now();
            sent.push(self.send_part(upload, rest.number, None, (source, size)).await?);
            rest.take(size);
            let waited = source.since_part();
            if waited > WAIT
                && waited > began.elapsed() / 4
                && let Some(room) = &mut room
                && let Some(more) = self.room_for_parts(AT_ONCE - 1, upload.size)
            {
                room.merge(more);
                break;
            }
        }
        Ok(room)
    }

    /// Gathers and sends, so many parts at once. The first failure ends it.
    async fn send_gathered(
        &self,
        upload: &Upload<'_>,
        gathered: impl Stream<Item = Result<Gathered, AwsError>>,
        at_once: usize,
    ) -> Result<Vec<CompletedPart>, AwsError> {
        let mut gathered = std::pin::pin!(gathered);
        let mut under_way = FuturesUnordered::new();
        let mut sent: Vec<CompletedPart> = Vec::new();
        let mut more = true;
        let failure = loop {
            let room = more && under_way.len() < at_once;
            if !room && under_way.is_empty() {
                break None;
            }
            // a part that is half gathered when another one is through stays so: the stream keeps it
            let step = tokio::select! {
                Some(done) = under_way.next(), if !under_way.is_empty() => {
                    let done: Result<CompletedPart, AwsError> = done;
                    done.map(|part| sent.push(part))
                }
                next = gathered.next(), if room => match next {
                    Some(Ok(part)) => {
                        under_way.push(self.send_gathered_part(upload, part));
                        Ok(())
                    }
                    Some(Err(error)) => Err(error),
                    None => {
                        more = false;
                        Ok(())
                    }
                },
            };
            if let Err(error) = step {
                break Some(error);
            }
        };
        if let Some(error) = failure {
            let rest = async { while under_way.next().await.is_some() {} };
            tokio::time::timeout(SETTLE, rest).await.ok();
            return Err(error);
        }
        drop(under_way);
        sent.sort_by_key(|part| part.part_number);
        Ok(sent)
    }

    /// Sends a part, again when that may help and the source has kept it.
    async fn send_part(
        &self,
        upload: &Upload<'_>,
        number: u32,
        checksum: Option<Checksum>,
        bytes: (&Source, u64),
    ) -> Result<CompletedPart, AwsError> {
        let announced = self.announced().is_some();
        let call = self.put_part(upload.key, (upload.id, number), checksum.as_ref(), bytes, announced);
        let done = call.await?;
        Ok(completed_part(number, done.etag, checksum.or(done.checksum.filter(|_| announced))))
    }

    async fn send_gathered_part(
        &self,
        upload: &Upload<'_>,
        part: Gathered,
    ) -> Result<CompletedPart, AwsError> {
        let Gathered { number, frames, checksum } = part;
        let length = frames.length();
        self.send_part(upload, number, checksum, (&Source::gathered(frames), length)).await
    }
}

/// The parts of a body, each read when it is asked for.
fn gathered_parts<'a>(
    upload: &'a Upload<'_>,
    rest: Rest,
    first: Option<Bytes>,
    sums: &'a mut Sums,
) -> impl Stream<Item = Result<Gathered, AwsError>> + 'a {
    // `last` is whether there is none behind it
    let start = (first, rest, false, sums);
    stream::try_unfold(start, move |(first, mut rest, last, sums)| async move {
        if last || rest.left == Some(0) {
            return Ok(None);
        }
        let size = rest.next(upload.size).unwrap_or(upload.size);
        let frames = match (first, rest.left) {
            (Some(bytes), _) => Frames::from(bytes),
            (None, Some(_)) => gather_frames(upload.source, size).await?,
            (None, None) => upload.source.collect_frames(size).await.map_err(|error| broken(&error))?,
        };
        let length = frames.length();
        if length == 0 {
            return Ok(None);
        }
        let last = length < size;
        let checksum = sums.add(&frames);
        let number = rest.number;
        rest.take(length);
        Ok(Some((Gathered { number, frames, checksum }, (None, rest, last, sums))))
    })
}

/// What no store takes is refused before anything is sent or reserved for it.
fn bounded(length: Option<u64>) -> Result<(), AwsError> {
    if length.is_none_or(|length| length <= MOST_BYTES) {
        return Ok(());
    }
    let text = format!("an object has at most {MOST_BYTES} bytes: 10,000 parts of 5 GiB");
    Err(AwsError::new(ErrorKind::InvalidRequest, SERVICE, "EntityTooLarge", text))
}

/// All parts but the last have this size, as some providers ask. Of a body of unknown length the longest one that fits
/// is as long at every provider.
fn part_size(profile: &Profile, length: Option<u64>) -> u64 {
    let most = profile.most_parts.min(MOST_PARTS);
    let usual = if length.is_some() { PART } else { PART_OF_UNKNOWN };
    let fewest = length.unwrap_or(usual * MOST_PARTS).div_ceil(most);
    usual.max(profile.smallest_part).max(fewest).next_multiple_of(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::{MOST_BYTES, PART, bounded, part_size};
    use crate::aws::upload::MULTIPART_FROM;
    use crate::model::provider::PROFILES;

    #[test]
    fn what_no_store_takes_is_refused_at_once() {
        assert!(bounded(None).is_ok() && bounded(Some(MOST_BYTES)).is_ok());
        for length in [MOST_BYTES + 1, u64::MAX] {
            assert_eq!(bounded(Some(length)).unwrap_err().code, "EntityTooLarge", "{length}");
        }
    }

    #[test]
    fn parts_are_as_every_provider_wants_them() {
        for profile in PROFILES {
            let id = profile.id;
            for length in [MULTIPART_FROM, 5 << 30, 150 << 30, 600 << 30, 5 << 40] {
                let size = part_size(profile, Some(length));
                assert!(size >= PART && size >= profile.smallest_part, "{id}: {length}");
                assert!(length.div_ceil(size) <= profile.most_parts, "{id}: {length}");
            }
            let size = part_size(profile, None);
            assert!(size >= PART && size >= profile.smallest_part, "{id}");
            assert!((80_000u64 << 20).div_ceil(size) <= profile.most_parts, "{id}");
        }
    }
}
