//! Sealed files: a body followed by its description, so that one rename publishes both.
//!
//! Layout: the bytes of the body, the description as JSON, the length of that JSON as eight
//! big-endian bytes. A file is written under a scratch name, flushed to disk and then renamed, so a
//! reader sees the whole file or none of it, whatever moment the process is killed.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

/// Bytes that hold the length of the description.
const LENGTH_FIELD: u64 = 8;
/// Upper bound for a description: a 1 KiB key, 2 KiB of user metadata and 10,000 part sizes fit many times.
const MAX_DESCRIPTION: u64 = 4 * 1024 * 1024;

/// A file that is removed again unless it gets published.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
    published: bool,
}

impl Scratch {
    /// Names a new scratch file in `folder`; nothing is created yet.
    pub(super) fn new(folder: &Path) -> Self {
        Self { path: folder.join(Uuid::new_v4().to_string()), published: false }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Moves the file to `target`, replacing what is there in one step.
    pub(super) fn publish(mut self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)?;
        self.published = true;
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.published {
            // A file that was never created is as good as removed; leftovers go at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Appends `description` to the body in `file` and flushes both to disk.
pub(super) fn seal<T: Serialize>(file: &mut File, description: &T) -> io::Result<()> {
    let mut tail = serde_json::to_vec(description)?;
    let length = u64::try_from(tail.len()).map_err(io::Error::other)?;
    tail.extend_from_slice(&length.to_be_bytes());
    file.seek(SeekFrom::End(0))?;
    file.write_all(&tail)?;
    file.sync_all()
}

/// Reads the description of a sealed file and the length of its body in bytes.
pub(super) fn read_description<T: DeserializeOwned>(path: &Path) -> io::Result<(T, u64)> {
    let mut file = File::open(path)?;
    let total = file.metadata()?.len();
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the file has no description at its end");
    let before_length = total.checked_sub(LENGTH_FIELD).ok_or_else(damaged)?;
    file.seek(SeekFrom::Start(before_length))?;
    let mut field = [0_u8; 8];
    file.read_exact(&mut field)?;
    let length = u64::from_be_bytes(field);
    if length > MAX_DESCRIPTION {
        return Err(damaged());
    }
    let body = before_length.checked_sub(length).ok_or_else(damaged)?;
    file.seek(SeekFrom::Start(body))?;
    let mut json = Vec::new();
    file.take(length).read_to_end(&mut json)?;
    Ok((serde_json::from_slice(&json)?, body))
}

/// Replaces the JSON file `target` in one step, by way of a scratch file in `scratch_folder`.
pub(super) fn write_json<T: Serialize>(scratch_folder: &Path, target: &Path, value: &T) -> io::Result<()> {
    let scratch = Scratch::new(scratch_folder);
    let mut file = File::create_new(scratch.path())?;
    file.write_all(&serde_json::to_vec(value)?)?;
    file.sync_all()?;
    scratch.publish(target)?;
    sync_folder_of(target)
}

pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// Flushes a folder, so that a rename or a removal in it survives a power loss.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    // Only Unix can open a folder for this; elsewhere the file system orders it itself.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), sync_folder)
}
