//! The embedded store: S3 over a folder, for development and tests.
//!
//! On disk: `buckets/<bucket>/objects/<hash of the key>` (see [`mod@file`] for the layout of a file),
//! `buckets/<bucket>/uploads/<upload id>/`, and `scratch/` for what is not published yet; the scratch folder
//! is emptied at every start. A key never becomes a piece of a path.

mod bucket;
mod checksum;
mod conditional;
mod file;
mod index;
mod listing;
mod meta;
mod multipart;
mod objects;
mod service;
mod tags;
mod upload;
mod write;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use anyhow::Context;
use s3s::path::check_bucket_name;
use s3s::{S3Error, S3Result, s3_error};

use self::bucket::Bucket;

const BUCKETS: &str = "buckets";
const SCRATCH: &str = "scratch";
const LOCK: &str = "lock";

/// All buckets of one folder. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    region: String,
    /// Locked before the state of a bucket, never after.
    buckets: RwLock<BTreeMap<String, Arc<Bucket>>>,
    /// Held as long as the store lives: a second process would not see the changes of the first.
    _lock: File,
}

impl Store {
    /// Opens the store in `root`, creating the folder if needed. Blocks; reads every description.
    pub(crate) fn open(root: PathBuf, region: String) -> anyhow::Result<Self> {
        let in_root = || format!("cannot use `{}` as the folder of the embedded store", root.display());
        fs::create_dir_all(root.join(BUCKETS)).with_context(in_root)?;
        let lock = File::create(root.join(LOCK)).with_context(in_root)?;
        lock.try_lock()
            .with_context(|| format!("another process uses `{}`, stop it first", root.display()))?;
        empty_scratch(&root.join(SCRATCH)).with_context(in_root)?;
        let mut buckets = BTreeMap::new();
        for entry in fs::read_dir(root.join(BUCKETS)).with_context(in_root)? {
            let folder = entry.with_context(in_root)?.path();
            if !folder.join(bucket::DESCRIPTION).is_file() {
                tracing::warn!(path = %folder.display(), "a foreign file in the embedded store is left out");
                continue;
            }
            let bucket = Bucket::open(folder, root.join(SCRATCH)).with_context(in_root)?;
            buckets.insert(bucket.name.clone(), Arc::new(bucket));
        }
        Ok(Self { inner: Arc::new(Inner { root, region, buckets: RwLock::new(buckets), _lock: lock }) })
    }

    /// Creates a bucket.
    ///
    /// # Errors
    ///
    /// `InvalidBucketName`, or `BucketAlreadyOwnedByYou` if it exists.
    pub(crate) async fn create_bucket(&self, name: &str) -> S3Result<()> {
        if !check_bucket_name(name) {
            return Err(s3_error!(InvalidBucketName, "`{name}` is not a bucket name"));
        }
        let (store, name) = (self.clone(), name.to_owned());
        blocking(move || {
            let mut buckets = store.buckets_mut();
            if buckets.contains_key(&name) {
                return Err(s3_error!(BucketAlreadyOwnedByYou, "the bucket `{name}` exists already"));
            }
            let root = &store.inner.root;
            let bucket =
                Bucket::create(root.join(BUCKETS).join(&name), root.join(SCRATCH)).map_err(meta::internal)?;
            buckets.insert(name, Arc::new(bucket));
            Ok(())
        })
        .await
    }

    /// Deletes a bucket that has no objects; uploads in progress end with it.
    async fn delete_bucket(&self, name: String) -> S3Result<()> {
        let store = self.clone();
        blocking(move || {
            let grave = {
                let mut buckets = store.buckets_mut();
                let bucket = buckets.get(&name).ok_or_else(|| bucket::no_such_bucket(&name))?;
                let grave = bucket.retire()?;
                buckets.remove(&name);
                grave
            };
            file::sync_folder(&store.inner.root.join(BUCKETS)).map_err(meta::internal)?;
            fs::remove_dir_all(grave).map_err(meta::internal)
        })
        .await
    }

    fn bucket(&self, name: &str) -> S3Result<Arc<Bucket>> {
        self.buckets().get(name).cloned().ok_or_else(|| bucket::no_such_bucket(name))
    }

    fn buckets(&self) -> RwLockReadGuard<'_, BTreeMap<String, Arc<Bucket>>> {
        self.inner.buckets.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn buckets_mut(&self) -> RwLockWriteGuard<'_, BTreeMap<String, Arc<Bucket>>> {
        self.inner.buckets.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes what earlier runs left behind: bodies that broke off, buckets half deleted.
fn empty_scratch(folder: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::create_dir(folder)
}

/// Runs work on files where it may block. It runs to its end even if the client goes away.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> S3Result<T> + Send + 'static) -> S3Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(S3Error::internal_error)?
}
