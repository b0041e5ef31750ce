//! Uploads in progress: a folder per upload with a sealed file per part.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use s3s::S3Result;
use uuid::Uuid;

use super::blocking;
use super::bucket::{self, Bucket, State};
use super::file;
use super::meta::{self, PartMeta, UploadMeta};
use super::write::Written;

/// A folder is an upload if it has this file.
pub(super) const DESCRIPTION: &str = "upload.json";

/// An upload in progress.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) meta: Arc<UploadMeta>,
    pub(super) parts: BTreeMap<i32, Arc<Part>>,
}

/// A part and the name of its file. The name is new for every transfer, so that a part that is sent again
/// never changes under a reader.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) meta: PartMeta,
    pub(super) file: String,
}

impl Upload {
    /// Loads an upload from disk. Of a part that was sent twice the later file counts.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let meta: UploadMeta = file::read_json(&folder.join(DESCRIPTION))?;
        let mut names: Vec<String> = Vec::new();
        for entry in fs::read_dir(folder)? {
            names.extend(entry?.file_name().into_string().ok().filter(|name| name != DESCRIPTION));
        }
        names.sort_unstable();
        let mut upload = Self { meta: Arc::new(meta), parts: BTreeMap::new() };
        for file in names {
            let meta = match file::read_description::<PartMeta>(&folder.join(&file)) {
                Ok((meta, size)) if meta.size == size => meta,
                _ => {
                    tracing::warn!(%file, "a part in the embedded store is damaged and left out");
                    continue;
                }
            };
            if let Some(older) = upload.parts.insert(meta.number, Arc::new(Part { meta, file })) {
                fs::remove_file(folder.join(&older.file))?;
            }
        }
        Ok(upload)
    }
}

/// Makes the folder of an upload in one step.
pub(super) fn begin(bucket: &Bucket, upload: UploadMeta) -> S3Result<()> {
    let folder = bucket.upload_folder(&upload.id);
    let draft = bucket.scratch().join(Uuid::new_v4().to_string());
    let publish = || {
        fs::create_dir(&draft)?;
        file::write_json(bucket.scratch(), &draft.join(DESCRIPTION), &upload)?;
        fs::rename(&draft, &folder)?;
        folder.parent().map_or(Ok(()), file::sync_folder)
    };
    let mut state = bucket.state()?;
    publish().map_err(meta::internal)?;
    state.uploads.insert(upload.id.clone(), Upload { meta: Arc::new(upload), parts: BTreeMap::new() });
    Ok(())
}

/// The upload `id`, if it belongs to `key`.
pub(super) fn find(state: &State, key: &str, id: &str) -> S3Result<Arc<UploadMeta>> {
    let found = state.uploads.get(id).filter(|upload| upload.meta.key == key);
    found.map(|upload| Arc::clone(&upload.meta)).ok_or_else(|| bucket::no_such_upload(id))
}

/// Makes a written body the part `number`, replacing an earlier one.
pub(super) async fn add_part(
    bucket: &Arc<Bucket>,
    upload: &UploadMeta,
    number: i32,
    written: Written,
) -> S3Result<PartMeta> {
    let meta = PartMeta {
        number,
        size: written.size,
        etag: written.md5.clone(),
        modified: meta::now(),
        checksums: written.checksums.clone(),
    };
    let part = Part { file: format!("{number:05}-{}", Uuid::now_v7()), meta: meta.clone() };
    let (bucket, upload_id) = (Arc::clone(bucket), upload.id.clone());
    blocking(move || publish_part(&bucket, &upload_id, part, written)).await?;
    Ok(meta)
}

fn publish_part(bucket: &Bucket, upload_id: &str, part: Part, mut written: Written) -> S3Result<()> {
    file::seal(&mut written.file, &part.meta).map_err(meta::internal)?;
    let folder = bucket.upload_folder(upload_id);
    {
        let mut state = bucket.state()?;
        let upload = state.uploads.get_mut(upload_id).ok_or_else(|| bucket::no_such_upload(upload_id))?;
        written.scratch.publish(&folder.join(&part.file)).map_err(meta::internal)?;
        if let Some(older) = upload.parts.insert(part.meta.number, Arc::new(part)) {
            fs::remove_file(folder.join(&older.file)).map_err(meta::internal)?;
        }
    }
    match file::sync_folder(&folder) {
        // An abort that came between removed the folder: the part is gone, as the client asked.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(bucket::no_such_upload(upload_id)),
        outcome => outcome.map_err(meta::internal),
    }
}
