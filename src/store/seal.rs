//! Sealing: secrets at rest.
//!
//! A random data key seals every value with XChaCha20-Poly1305, a random nonce and the value's place
//! (`table/column/row`) as associated data, so that a sealed value cannot be moved to another row. The data key
//! itself is sealed by the master key, which never is in the database.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::config;
use crate::model::literal::Literals;

const FORMAT: u8 = 1;
const KEY_ID_BYTES: usize = 8;
const NONCE_BYTES: usize = 24;
const DATA_KEY_PLACE: &str = "meta/value/data_key";

/// What can go wrong when sealed data is read.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The value was not sealed with this key, or not for this place, or was changed.
    #[error(
        "a sealed value cannot be opened: the sealing key is not the one it was sealed with, or the data was changed"
    )]
    Refused,
    /// Sealing failed inside the cipher.
    #[error("a value cannot be sealed")]
    Failed,
}

/// Seals and opens values.
pub struct Sealer {
    cipher: XChaCha20Poly1305,
    key_id: [u8; KEY_ID_BYTES],
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Sealer(..)")
    }
}

type KeyBytes = Zeroizing<[u8; 32]>;

impl Sealer {
    /// Opens the stored data key with the master key; on the first start makes both. The second value is the
    /// wrapped data key to store when it is new.
    pub fn open(
        store: &config::Store,
        seal: &config::Seal,
        wrapped: Option<&str>,
    ) -> anyhow::Result<(Sealer, Option<String>)> {
        let file = key_file(store, seal);
        let Some(wrapped) = wrapped else {
            let master = match existing_key(seal, &file)? {
                Some(master) => master,
                None => make_key_file(&file)?,
            };
            let data_key: KeyBytes = Zeroizing::new(rand::random());
            let wrapped = Sealer::from_key(&master).seal(DATA_KEY_PLACE, data_key.as_slice())?;
            return Ok((Sealer::from_key(&data_key), Some(BASE64.encode(wrapped))));
        };
        let Some(master) = existing_key(seal, &file)? else {
            anyhow::bail!(
                "the database holds sealed data, but there is no sealing key: put the key file back at `{}`, or give the key in S3_CONNECTOR_SEALING_KEY",
                file.display()
            );
        };
        let sealed = BASE64.decode(wrapped)?;
        let data_key = Sealer::from_key(&master).open_value(DATA_KEY_PLACE, &sealed).map_err(|_| {
            anyhow::anyhow!(
                "the sealing key does not belong to this database: give the key that was made with it"
            )
        })?;
        Ok((Sealer::from_key(&key_from_bytes(&data_key)?), None))
    }

    fn from_key(key: &KeyBytes) -> Sealer {
        let digest =
            Sha256::new().chain_update(b"s3-connector key id").chain_update(key.as_slice()).finalize();
        let mut key_id = [0; KEY_ID_BYTES];
        key_id.iter_mut().zip(digest.iter()).for_each(|(to, from)| *to = *from);
        Sealer { cipher: XChaCha20Poly1305::new((&**key).into()), key_id }
    }

    /// Seals bytes for one place.
    pub fn seal(&self, place: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let payload = Payload { msg: plain, aad: place.as_bytes() };
        let ciphertext = self.cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::Failed)?;
        let mut sealed = Vec::with_capacity(1 + KEY_ID_BYTES + NONCE_BYTES + ciphertext.len());
        sealed.push(FORMAT);
        sealed.extend_from_slice(&self.key_id);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        Ok(sealed)
    }

    /// Opens what was sealed for the same place.
    pub fn open_value(&self, place: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (format, rest) = sealed.split_first().ok_or(SealError::Refused)?;
        let (key_id, rest) = rest.split_at_checked(KEY_ID_BYTES).ok_or(SealError::Refused)?;
        let (nonce, ciphertext) = rest.split_at_checked(NONCE_BYTES).ok_or(SealError::Refused)?;
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| SealError::Refused)?;
        if *format != FORMAT || key_id != self.key_id {
            return Err(SealError::Refused);
        }
        let payload = Payload { msg: ciphertext, aad: place.as_bytes() };
        let plain = self.cipher.decrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::Refused)?;
        Ok(Zeroizing::new(plain))
    }

    /// Seals literals; none are nothing.
    pub fn seal_literals(&self, place: &str, literals: &Literals) -> Result<Vec<u8>, SealError> {
        if literals.is_empty() {
            return Ok(Vec::new());
        }
        let plain: std::collections::BTreeMap<&str, &str> =
            literals.iter().map(|(path, value)| (path.as_str(), value.expose_secret())).collect();
        let text = Zeroizing::new(serde_json::to_vec(&plain).map_err(|_| SealError::Failed)?);
        self.seal(place, &text)
    }

    /// Opens literals.
    pub fn open_literals(&self, place: &str, sealed: &[u8]) -> Result<Literals, SealError> {
        if sealed.is_empty() {
            return Ok(Literals::new());
        }
        let text = self.open_value(place, sealed)?;
        let plain: std::collections::BTreeMap<String, String> =
            serde_json::from_slice(&text).map_err(|_| SealError::Refused)?;
        Ok(plain.into_iter().map(|(path, value)| (path, SecretString::from(value))).collect())
    }
}

fn key_file(store: &config::Store, seal: &config::Seal) -> PathBuf {
    if seal.key_file.is_empty() { store.data.join("sealing.key") } else { PathBuf::from(&seal.key_file) }
}

fn existing_key(seal: &config::Seal, file: &Path) -> anyhow::Result<Option<KeyBytes>> {
    if let Some(key) = &seal.key {
        return Ok(Some(parse_key(key.expose_secret())?));
    }
    if !file.exists() {
        return Ok(None);
    }
    let mode = fs::metadata(file)?.permissions().mode();
    anyhow::ensure!(
        mode.trailing_zeros() >= 6,
        "the sealing key `{}` can be read by others: run `chmod 600` on it",
        file.display()
    );
    let text = Zeroizing::new(fs::read_to_string(file)?);
    Ok(Some(parse_key(&text)?))
}

fn parse_key(text: &str) -> anyhow::Result<KeyBytes> {
    let bytes = Zeroizing::new(BASE64.decode(text.trim()).map_err(|_| wrong_key())?);
    key_from_bytes(&bytes)
}

fn key_from_bytes(bytes: &[u8]) -> anyhow::Result<KeyBytes> {
    let key: [u8; 32] = bytes.try_into().map_err(|_| wrong_key())?;
    Ok(Zeroizing::new(key))
}

fn wrong_key() -> anyhow::Error {
    anyhow::anyhow!("the sealing key must be base64 of 32 bytes; make one with `openssl rand -base64 32`")
}

/// Makes the master key. The file is complete and on the disk before anything is sealed with it.
fn make_key_file(file: &Path) -> anyhow::Result<KeyBytes> {
    let key: KeyBytes = Zeroizing::new(rand::random());
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut handle = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    handle.write_all(Zeroizing::new(BASE64.encode(key.as_slice())).as_bytes())?;
    handle.write_all(b"\n")?;
    handle.sync_all()?;
    tracing::warn!(file = %file.display(), "made a new sealing key: back it up, without it stored keys and vault secrets cannot be read");
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::{KeyBytes, SealError, Sealer};

    fn sealer(byte: u8) -> Sealer {
        Sealer::from_key(&KeyBytes::new([byte; 32]))
    }

    #[test]
    fn a_sealed_value_opens_only_in_its_place_with_its_key() {
        let sealed = sealer(1).seal("a/b/c", b"hello").unwrap();
        assert_eq!(sealer(1).open_value("a/b/c", &sealed).unwrap().as_slice(), b"hello");
        assert!(matches!(sealer(1).open_value("a/b/d", &sealed), Err(SealError::Refused)));
        assert!(matches!(sealer(2).open_value("a/b/c", &sealed), Err(SealError::Refused)));
        let mut changed = sealed.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert!(matches!(sealer(1).open_value("a/b/c", &changed), Err(SealError::Refused)));
        assert!(sealer(1).open_value("a/b/c", &sealed[..10]).is_err());
    }

    #[test]
    fn the_same_value_is_never_sealed_alike() {
        assert_ne!(sealer(1).seal("p", b"x").unwrap(), sealer(1).seal("p", b"x").unwrap());
    }
}
