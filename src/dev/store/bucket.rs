//! One bucket: a folder of sealed files and the index over them, kept in step under one lock.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, DirEntry, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use s3s::dto::{CORSConfiguration, Timestamp};
use s3s::{S3Error, S3Result, s3_error};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::conditional::WriteCondition;
use super::file::{self, Scratch};
use super::index::Key;
use super::meta::{self, ObjectMeta};
use super::tags::Tags;
use super::upload::{self, Upload};
use super::write::Written;

/// A folder is a bucket if it has this file.
pub(super) const DESCRIPTION: &str = "bucket.json";
const OBJECTS: &str = "objects";
const UPLOADS: &str = "uploads";

/// What `bucket.json` holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Description {
    created: Timestamp,
    #[serde(default)]
    cors: Option<CORSConfiguration>,
}

/// A bucket. Every change of its files happens under the lock of its state, so index and disk agree.
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) name: String,
    pub(super) created: Timestamp,
    folder: PathBuf,
    scratch: PathBuf,
    state: Mutex<State>,
}

/// The part of a bucket that changes.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Set by the deletion of the bucket: a write that began before must not revive the folder.
    gone: bool,
    pub(super) cors: Option<CORSConfiguration>,
    pub(super) objects: BTreeMap<Key, Arc<ObjectMeta>>,
    /// By upload id.
    pub(super) uploads: BTreeMap<String, Upload>,
}

impl Bucket {
    /// Creates the folder of a bucket in one step.
    pub(super) fn create(folder: PathBuf, scratch: PathBuf) -> io::Result<Self> {
        let draft = scratch.join(Uuid::new_v4().to_string());
        let description = Description { created: meta::now(), cors: None };
        fs::create_dir_all(draft.join(OBJECTS))?;
        fs::create_dir_all(draft.join(UPLOADS))?;
        file::write_json(&scratch, &draft.join(DESCRIPTION), &description)?;
        fs::rename(&draft, &folder)?;
        folder.parent().map_or(Ok(()), file::sync_folder)?;
        Ok(Self::with_state(folder, scratch, description.created, State::default()))
    }

    /// Loads a bucket and its index from disk.
    pub(super) fn open(folder: PathBuf, scratch: PathBuf) -> io::Result<Self> {
        let description: Description = file::read_json(&folder.join(DESCRIPTION))?;
        let mut state = State { cors: description.cors, ..State::default() };
        for entry in fs::read_dir(folder.join(OBJECTS))? {
            match load_object(&entry?) {
                Ok(object) => _ = state.objects.insert(Key::new(&object.key), Arc::new(object)),
                Err(error) => tracing::warn!(%error, "a file of the embedded store is damaged and left out"),
            }
        }
        for entry in fs::read_dir(folder.join(UPLOADS))? {
            load_upload(&entry?.path(), &mut state)?;
        }
        Ok(Self::with_state(folder, scratch, description.created, state))
    }

    fn with_state(folder: PathBuf, scratch: PathBuf, created: Timestamp, state: State) -> Self {
        let name = folder.file_name().and_then(OsStr::to_str).unwrap_or_default().to_owned();
        Self { name, created, folder, scratch, state: Mutex::new(state) }
    }

    /// Where bodies are written before they are published.
    pub(super) fn scratch(&self) -> &Path {
        &self.scratch
    }

    pub(super) fn upload_folder(&self, id: &str) -> PathBuf {
        self.folder.join(UPLOADS).join(id)
    }

    /// The state of the bucket, unless it was deleted meanwhile.
    pub(super) fn state(&self) -> S3Result<MutexGuard<'_, State>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.gone { Err(no_such_bucket(&self.name)) } else { Ok(state) }
    }

    pub(super) fn object(&self, key: &str) -> S3Result<Arc<ObjectMeta>> {
        find_object(&*self.state()?, key)
    }

    /// Opens the body of an object. Under the lock, so that the file and the description belong together.
    pub(super) fn open_object(&self, key: &str) -> S3Result<(Arc<ObjectMeta>, File)> {
        let state = self.state()?;
        let object = find_object(&state, key)?;
        let file = File::open(self.object_path(key)).map_err(meta::internal)?;
        Ok((object, file))
    }

    /// Makes a written body the object `object.key`, if `condition` holds at that moment.
    pub(super) fn publish(
        &self,
        mut written: Written,
        object: ObjectMeta,
        condition: &WriteCondition,
    ) -> S3Result<Arc<ObjectMeta>> {
        file::seal(&mut written.file, &object).map_err(meta::internal)?;
        let object = Arc::new(object);
        {
            let mut state = self.state()?;
            if let Some(id) = &object.upload_id
                && !state.uploads.contains_key(id)
            {
                return Err(no_such_upload(id));
            }
            let key = Key::new(&object.key);
            condition.check(state.objects.get(&key).map(Arc::as_ref))?;
            written.scratch.publish(&self.object_path(&object.key)).map_err(meta::internal)?;
            state.objects.insert(key, Arc::clone(&object));
            if let Some(id) = &object.upload_id {
                state.uploads.remove(id);
            }
        }
        file::sync_folder(&self.folder.join(OBJECTS)).map_err(meta::internal)?;
        if let Some(id) = &object.upload_id
            && let Err(error) = fs::remove_dir_all(self.upload_folder(id))
        {
            // The object is published all the same, and the next start tidies up.
            tracing::warn!(%error, "the parts of a completed upload could not be removed");
        }
        Ok(object)
    }

    /// Gives an object these tags and no others. Its file is written anew, so that bytes and description stay one file.
    pub(super) fn set_tags(&self, key: &str, tags: &Tags) -> S3Result<()> {
        loop {
            let (object, body) = self.open_object(key)?;
            let scratch = Scratch::new(&self.scratch);
            let mut file = File::create_new(scratch.path()).map_err(meta::internal)?;
            io::copy(&mut body.take(object.size), &mut file).map_err(meta::internal)?;
            let mut changed = ObjectMeta::clone(&object);
            changed.attributes.tags.clone_from(tags);
            file::seal(&mut file, &changed).map_err(meta::internal)?;
            {
                let mut state = self.state()?;
                let there = state.objects.get_mut(key.as_bytes());
                // what was written or deleted meanwhile is looked at anew
                let Some(there) = there.filter(|there| Arc::ptr_eq(there, &object)) else { continue };
                scratch.publish(&self.object_path(key)).map_err(meta::internal)?;
                *there = Arc::new(changed);
            }
            return file::sync_folder(&self.folder.join(OBJECTS)).map_err(meta::internal);
        }
    }

    /// Deletes the object under `key`, if there is one and `condition` holds.
    pub(super) fn delete(&self, key: &str, condition: &WriteCondition) -> S3Result<()> {
        {
            let mut state = self.state()?;
            let key = Key::new(key);
            let Some(object) = state.objects.get(&key) else { return Ok(()) };
            condition.check(Some(object))?;
            fs::remove_file(self.object_path(key.as_str())).map_err(meta::internal)?;
            state.objects.remove(&key);
        }
        file::sync_folder(&self.folder.join(OBJECTS)).map_err(meta::internal)
    }

    /// Replaces the CORS configuration; `None` removes it.
    pub(super) fn set_cors(&self, cors: Option<CORSConfiguration>) -> S3Result<()> {
        let mut state = self.state()?;
        let description = Description { created: self.created.clone(), cors: cors.clone() };
        file::write_json(&self.scratch, &self.folder.join(DESCRIPTION), &description)
            .map_err(meta::internal)?;
        state.cors = cors;
        Ok(())
    }

    /// Takes the folder away if no object is left, and returns where it now lies so that it can be removed.
    pub(super) fn retire(&self) -> S3Result<PathBuf> {
        let mut state = self.state()?;
        if !state.objects.is_empty() {
            return Err(s3_error!(BucketNotEmpty, "the bucket `{}` still has objects", self.name));
        }
        let grave = self.scratch.join(Uuid::new_v4().to_string());
        fs::rename(&self.folder, &grave).map_err(meta::internal)?;
        state.gone = true;
        Ok(grave)
    }

    /// The name is a hash: whatever the key says, its file lies in this folder and nowhere else.
    fn object_path(&self, key: &str) -> PathBuf {
        self.folder.join(OBJECTS).join(file_name(key))
    }
}

pub(super) fn no_such_bucket(name: &str) -> S3Error {
    s3_error!(NoSuchBucket, "the bucket `{name}` does not exist")
}

pub(super) fn no_such_upload(id: &str) -> S3Error {
    s3_error!(NoSuchUpload, "the upload `{id}` does not exist or has ended")
}

fn file_name(key: &str) -> String {
    hex::encode(Sha256::digest(key.as_bytes()))
}

fn find_object(state: &State, key: &str) -> S3Result<Arc<ObjectMeta>> {
    let found = state.objects.get(key.as_bytes());
    found.cloned().ok_or_else(|| s3_error!(NoSuchKey, "no object has this key"))
}

fn load_object(entry: &DirEntry) -> io::Result<ObjectMeta> {
    let path = entry.path();
    let damaged =
        || io::Error::new(io::ErrorKind::InvalidData, format!("`{}` is not an object", path.display()));
    let (object, size) = file::read_description::<ObjectMeta>(&path).map_err(|_| damaged())?;
    let named_right = entry.file_name().to_str() == Some(file_name(&object.key).as_str());
    if named_right && object.size == size { Ok(object) } else { Err(damaged()) }
}

/// Loads an upload, or removes what is left of one that was being created, completed or aborted.
fn load_upload(folder: &Path, state: &mut State) -> io::Result<()> {
    if !folder.is_dir() {
        tracing::warn!(path = %folder.display(), "a foreign file in the embedded store is left out");
        return Ok(());
    }
    if !folder.join(upload::DESCRIPTION).is_file() {
        return fs::remove_dir_all(folder);
    }
    let upload = Upload::open(folder)?;
    let object = state.objects.get(upload.meta.key.as_bytes());
    if object.is_some_and(|object| object.upload_id.as_ref() == Some(&upload.meta.id)) {
        return fs::remove_dir_all(folder);
    }
    state.uploads.insert(upload.meta.id.clone(), upload);
    Ok(())
}
