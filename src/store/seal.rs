//! Sealing: secrets at rest.
//!
//! A random data key seals every value with XChaCha20-Poly1305, a random nonce and the value's place
//! (`table/column/row`) as associated data, so that a sealed value cannot be moved to another row. A value names
//! the key that sealed it, so that keys can be changed while both are in use.

use std::sync::Arc;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::model::literal::Literals;

const FORMAT: u8 = 1;
const KEY_ID_BYTES: usize = 8;
const NONCE_BYTES: usize = 24;

/// What can go wrong when sealed data is read.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The value was not sealed for this place, or was changed.
    #[error("a sealed value cannot be opened: it was changed or moved")]
    Refused,
    /// No key at hand sealed the value.
    #[error("a sealed value cannot be opened: the key that it was sealed with is not there")]
    UnknownKey,
    /// Sealing failed inside the cipher.
    #[error("a value cannot be sealed")]
    Failed,
}

pub(super) type KeyBytes = Zeroizing<[u8; 32]>;

/// Seals and opens with one key.
pub(super) struct Sealer {
    cipher: XChaCha20Poly1305,
    key_id: [u8; KEY_ID_BYTES],
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Sealer(..)")
    }
}

impl Sealer {
    pub(super) fn from_key(key: &KeyBytes) -> Sealer {
        let digest =
            Sha256::new().chain_update(b"s3-connector key id").chain_update(key.as_slice()).finalize();
        let mut key_id = [0; KEY_ID_BYTES];
        key_id.iter_mut().zip(digest.iter()).for_each(|(to, from)| *to = *from);
        Sealer { cipher: XChaCha20Poly1305::new((&**key).into()), key_id }
    }

    /// Seals bytes for one place.
    pub(super) fn seal(&self, place: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
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
    pub(super) fn open(&self, place: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        if key_id(sealed)? != self.key_id {
            return Err(SealError::UnknownKey);
        }
        let rest = sealed.get(1 + KEY_ID_BYTES..).ok_or(SealError::Refused)?;
        let (nonce, ciphertext) = rest.split_at_checked(NONCE_BYTES).ok_or(SealError::Refused)?;
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| SealError::Refused)?;
        let payload = Payload { msg: ciphertext, aad: place.as_bytes() };
        let plain = self.cipher.decrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::Refused)?;
        Ok(Zeroizing::new(plain))
    }
}

fn key_id(sealed: &[u8]) -> Result<&[u8], SealError> {
    match sealed.split_first() {
        Some((&FORMAT, rest)) => rest.get(..KEY_ID_BYTES).ok_or(SealError::Refused),
        _ => Err(SealError::Refused),
    }
}

/// The data keys: the newest seals, all open.
#[derive(Debug, Clone)]
pub(super) struct Ring {
    /// The row of the newest key.
    pub(super) newest: String,
    current: Arc<Sealer>,
    older: Vec<Arc<Sealer>>,
}

impl Ring {
    pub(super) fn new(newest: String, current: Arc<Sealer>, older: Vec<Arc<Sealer>>) -> Ring {
        Ring { newest, current, older }
    }

    /// The keys of a ring that was read again, and those of this one: a value that was read before a rotation ended
    /// may still have to be opened.
    pub(super) fn followed_by(&self, mut next: Ring) -> Ring {
        for known in std::iter::once(&self.current).chain(&self.older) {
            if !next.keys().any(|key| key.key_id == known.key_id) {
                next.older.push(Arc::clone(known));
            }
        }
        next
    }

    fn keys(&self) -> impl Iterator<Item = &Arc<Sealer>> {
        std::iter::once(&self.current).chain(&self.older)
    }

    /// Whether the newest key sealed it.
    pub(super) fn is_current(&self, sealed: &[u8]) -> bool {
        key_id(sealed).is_ok_and(|id| id == self.current.key_id)
    }

    /// Seals bytes for one place.
    pub(super) fn seal(&self, place: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        self.current.seal(place, plain)
    }

    /// Opens what was sealed for the same place.
    pub(super) fn open(&self, place: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let id = key_id(sealed)?;
        let key = self.keys().find(|key| key.key_id == id).ok_or(SealError::UnknownKey)?;
        key.open(place, sealed)
    }

    /// Seals literals; none are nothing.
    pub(super) fn seal_literals(&self, place: &str, literals: &Literals) -> Result<Vec<u8>, SealError> {
        if literals.is_empty() {
            return Ok(Vec::new());
        }
        let plain: std::collections::BTreeMap<&str, &str> =
            literals.iter().map(|(path, value)| (path.as_str(), value.expose_secret())).collect();
        let text = Zeroizing::new(serde_json::to_vec(&plain).map_err(|_| SealError::Failed)?);
        self.seal(place, &text)
    }

    /// Opens literals.
    pub(super) fn open_literals(&self, place: &str, sealed: &[u8]) -> Result<Literals, SealError> {
        if sealed.is_empty() {
            return Ok(Literals::new());
        }
        let text = self.open(place, sealed)?;
        let plain: std::collections::BTreeMap<String, String> =
            serde_json::from_slice(&text).map_err(|_| SealError::Refused)?;
        Ok(plain.into_iter().map(|(path, value)| (path, SecretString::from(value))).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{KeyBytes, Ring, SealError, Sealer};

    fn sealer(byte: u8) -> Sealer {
        Sealer::from_key(&KeyBytes::new([byte; 32]))
    }

    #[test]
    fn a_sealed_value_opens_only_in_its_place_with_its_key() {
        let sealed = sealer(1).seal("a/b/c", b"hello").unwrap();
        assert_eq!(sealer(1).open("a/b/c", &sealed).unwrap().as_slice(), b"hello");
        assert!(matches!(sealer(1).open("a/b/d", &sealed), Err(SealError::Refused)));
        assert!(matches!(sealer(2).open("a/b/c", &sealed), Err(SealError::UnknownKey)));
        let mut changed = sealed.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert!(matches!(sealer(1).open("a/b/c", &changed), Err(SealError::Refused)));
        for length in 0..sealed.len() {
            assert!(sealer(1).open("a/b/c", &sealed[..length]).is_err());
        }
    }

    #[test]
    fn the_same_value_is_never_sealed_alike() {
        assert_ne!(sealer(1).seal("p", b"x").unwrap(), sealer(1).seal("p", b"x").unwrap());
    }

    #[test]
    fn a_ring_seals_with_its_newest_key_and_opens_with_all() {
        let old = Ring::new("0".to_owned(), Arc::new(sealer(1)), Vec::new());
        let sealed = old.seal("p", b"x").unwrap();
        let next = Ring::new("1".to_owned(), Arc::new(sealer(2)), Vec::new());
        assert!(matches!(next.open("p", &sealed), Err(SealError::UnknownKey)));
        let both = old.followed_by(next);
        assert_eq!(both.newest, "1");
        assert_eq!(both.open("p", &sealed).unwrap().as_slice(), b"x");
        assert!(!both.is_current(&sealed) && both.is_current(&both.seal("p", b"x").unwrap()));
    }
}
