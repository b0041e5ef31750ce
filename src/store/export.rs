//! A vault to take away: secrets and aliases of a local source, sealed with a key that is derived from a passphrase.
//!
//! Pure over bytes, and slow on purpose: deriving a key takes a moment and 64 MiB, so callers run it off the threads that
//! answer requests. The source's name is not a part of what is sealed, so that a document opens anywhere.

use std::collections::BTreeMap;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::model::name::Identifier;
use crate::model::secret::Alias;
use crate::store::seal::KeyBytes;

/// What a document calls itself; sealed with it as associated data.
const FORMAT: &str = "s3-connector/vault-export/1";
const ALGORITHM: &str = "argon2id";
const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 24;
/// 64 MiB, three passes, one lane: beyond what RFC 9106 recommends for little memory.
const MEMORY_KIB: u32 = 64 * 1024;
const ITERATIONS: u32 = 3;
const LANES: u32 = 1;
/// A document of somebody else must not take all memory or time.
const MOST_MEMORY_KIB: u32 = 256 * 1024;
const MOST_ITERATIONS: u32 = 10;
const MOST_LANES: u32 = 4;

/// What is exported.
#[derive(Debug, Default)]
pub struct Contents {
    /// Current values by name.
    pub secrets: BTreeMap<String, SecretString>,
    /// The source's aliases.
    pub aliases: BTreeMap<Identifier, Alias>,
}

/// A sealed vault. Without the passphrase it tells how many secrets it holds, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SealedVault {
    /// What this is.
    #[schema(example = "s3-connector/vault-export/1")]
    pub format: String,
    /// How the key is derived from the passphrase.
    pub kdf: Kdf,
    /// Base64 of 16 bytes.
    #[schema(example = "c2FsdHNhbHRzYWx0c2FsdA==")]
    pub salt: String,
    /// Base64 of 24 bytes.
    #[schema(example = "bm9uY2Vub25jZW5vbmNlbm9uY2Vub25j")]
    pub nonce: String,
    /// Base64; XChaCha20-Poly1305 with `format` as associated data.
    #[schema(example = "AAAA")]
    pub ciphertext: String,
    /// How many secrets there are.
    #[schema(example = 1)]
    pub count: usize,
}

/// A key derivation (RFC 9106).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Kdf {
    /// `argon2id`.
    #[schema(example = "argon2id")]
    pub algorithm: String,
    /// KiB.
    #[schema(example = 65_536)]
    pub memory_kib: u32,
    /// Passes.
    #[schema(example = 3)]
    pub iterations: u32,
    /// Lanes.
    #[schema(example = 1)]
    pub parallelism: u32,
}

/// Why a document cannot be made or opened. Never holds what is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// It does not open.
    #[error("the document does not open: the passphrase is another one, or the document was changed")]
    Refused,
    /// It is not such a document.
    #[error("this is not an export that can be read: {0}")]
    Unknown(&'static str),
    /// It cannot be made.
    #[error("the export cannot be sealed")]
    Failed,
}

/// Seals with a key of its own. Takes time and memory.
pub fn seal(passphrase: &SecretString, contents: &Contents) -> Result<SealedVault, ExportError> {
    let kdf = Kdf {
        algorithm: ALGORITHM.to_owned(),
        memory_kib: MEMORY_KIB,
        iterations: ITERATIONS,
        parallelism: LANES,
    };
    seal_with(passphrase, contents, kdf)
}

fn seal_with(passphrase: &SecretString, contents: &Contents, kdf: Kdf) -> Result<SealedVault, ExportError> {
    let salt: [u8; SALT_BYTES] = rand::random();
    let nonce: [u8; NONCE_BYTES] = rand::random();
    let plain = plain_of(contents)?;
    let cipher = cipher(passphrase, &kdf, &salt)?;
    let payload = Payload { msg: &plain, aad: FORMAT.as_bytes() };
    let ciphertext = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| ExportError::Failed)?;
    Ok(SealedVault {
        format: FORMAT.to_owned(),
        kdf,
        salt: BASE64.encode(salt),
        nonce: BASE64.encode(nonce),
        ciphertext: BASE64.encode(ciphertext),
        count: contents.secrets.len(),
    })
}

/// Opens what [`seal`] made. Takes time and memory.
pub fn open(passphrase: &SecretString, sealed: &SealedVault) -> Result<Contents, ExportError> {
    if sealed.format != FORMAT {
        return Err(ExportError::Unknown("`format` names another kind of document"));
    }
    check(&sealed.kdf)?;
    let salt = bytes::<SALT_BYTES>(&sealed.salt, "`salt` must be base64 of 16 bytes")?;
    let nonce = bytes::<NONCE_BYTES>(&sealed.nonce, "`nonce` must be base64 of 24 bytes")?;
    let ciphertext =
        BASE64.decode(&sealed.ciphertext).map_err(|_| ExportError::Unknown("`ciphertext` must be base64"))?;
    let cipher = cipher(passphrase, &sealed.kdf, &salt)?;
    let payload = Payload { msg: &ciphertext, aad: FORMAT.as_bytes() };
    let plain = cipher.decrypt(&XNonce::from(nonce), payload).map_err(|_| ExportError::Refused)?;
    let plain = Zeroizing::new(plain);
    // the text of the error may hold a value
    let read: Read = serde_json::from_slice(&plain)
        .map_err(|_| ExportError::Unknown("it opens, and what is in it has another form"))?;
    if read.secrets.len() != sealed.count {
        return Err(ExportError::Unknown("`count` is not the number of secrets in it"));
    }
    let secrets = read.secrets.into_iter().map(|(name, value)| (name, value.0)).collect();
    Ok(Contents { secrets, aliases: read.aliases })
}

fn check(kdf: &Kdf) -> Result<(), ExportError> {
    let known = kdf.algorithm == ALGORITHM
        && kdf.memory_kib <= MOST_MEMORY_KIB
        && kdf.iterations <= MOST_ITERATIONS
        && kdf.parallelism <= MOST_LANES;
    if known { Ok(()) } else { Err(ExportError::Unknown("`kdf` is unknown, or asks for too much")) }
}

fn bytes<const N: usize>(text: &str, wrong: &'static str) -> Result<[u8; N], ExportError> {
    let decoded = BASE64.decode(text).map_err(|_| ExportError::Unknown(wrong))?;
    decoded.try_into().map_err(|_| ExportError::Unknown(wrong))
}

fn cipher(passphrase: &SecretString, kdf: &Kdf, salt: &[u8]) -> Result<XChaCha20Poly1305, ExportError> {
    let params = Params::new(kdf.memory_kib, kdf.iterations, kdf.parallelism, Some(32))
        .map_err(|_| ExportError::Unknown("`kdf` has numbers that do not fit together"))?;
    let mut key: KeyBytes = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.expose_secret().as_bytes(), salt, key.as_mut_slice())
        .map_err(|_| ExportError::Failed)?;
    Ok(XChaCha20Poly1305::new((&*key).into()))
}

/// What is sealed, as JSON, in a buffer that is large enough not to leave pieces behind.
fn plain_of(contents: &Contents) -> Result<Zeroizing<Vec<u8>>, ExportError> {
    #[derive(Serialize)]
    struct Written<'a> {
        secrets: BTreeMap<&'a str, &'a str>,
        aliases: &'a BTreeMap<Identifier, Alias>,
    }
    let secrets: BTreeMap<&str, &str> =
        contents.secrets.iter().map(|(name, value)| (name.as_str(), value.expose_secret())).collect();
    // a character of a JSON text takes at most six bytes
    let texts: usize = secrets.iter().map(|(name, value)| name.len() + 6 * value.len() + 16).sum();
    let mut plain = Zeroizing::new(Vec::with_capacity(texts + 1024 * contents.aliases.len() + 64));
    let written = Written { secrets, aliases: &contents.aliases };
    serde_json::to_writer(&mut *plain, &written).map_err(|_| ExportError::Failed)?;
    Ok(plain)
}

/// What was sealed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    secrets: BTreeMap<String, Value>,
    aliases: BTreeMap<Identifier, Alias>,
}

/// A value, secret from the moment it is read.
struct Value(SecretString);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Value, D::Error> {
        String::deserialize(from).map(|text| Value(SecretString::from(text)))
    }
}

#[cfg(test)]
mod tests {
    use secrecy::{ExposeSecret, SecretString};

    use super::{Contents, ExportError, Kdf, SealedVault, open, seal_with};
    use crate::model::name::Identifier;
    use crate::model::secret::Alias;
    use crate::template::Mode;

    const PLANTED: &str = "PLANTED \"quoted\" \n and more";

    fn passphrase(text: &str) -> SecretString {
        SecretString::from(text)
    }

    /// With little memory: what is tested is the document, not how long it takes.
    fn sealed() -> SealedVault {
        let mut contents = Contents::default();
        contents.secrets.insert("payments/s3".to_owned(), SecretString::from(PLANTED));
        let alias = Alias { secret: "payments/s3".to_owned(), mode: Mode::Json };
        contents.aliases.insert(Identifier::parse("s3").unwrap(), alias);
        let kdf = Kdf { algorithm: "argon2id".to_owned(), memory_kib: 64, iterations: 1, parallelism: 1 };
        seal_with(&passphrase("correct horse"), &contents, kdf).unwrap()
    }

    #[test]
    fn what_was_sealed_opens_with_its_passphrase_and_no_other() {
        let sealed = sealed();
        let contents = open(&passphrase("correct horse"), &sealed).unwrap();
        assert_eq!(contents.secrets["payments/s3"].expose_secret(), PLANTED);
        assert_eq!(contents.aliases.values().next().unwrap().mode, Mode::Json);
        assert_eq!(open(&passphrase("correct hors"), &sealed).unwrap_err(), ExportError::Refused);
    }

    #[test]
    fn a_document_shows_neither_names_nor_values_and_is_never_alike() {
        let (one, other) = (sealed(), sealed());
        let text = serde_json::to_string(&one).unwrap();
        assert!(!text.contains("PLANTED") && !text.contains("payments"), "{text}");
        assert_ne!(one.ciphertext, other.ciphertext);
        assert_ne!(one.salt, other.salt);
        assert_eq!(serde_json::from_str::<SealedVault>(&text).unwrap(), one);
    }

    #[test]
    fn a_changed_document_is_refused() {
        let good = passphrase("correct horse");
        let is_unknown = |sealed: &SealedVault| matches!(open(&good, sealed), Err(ExportError::Unknown(_)));
        assert!(is_unknown(&SealedVault { count: 2, ..sealed() }));
        assert!(is_unknown(&SealedVault { format: "s3-connector/vault-export/2".to_owned(), ..sealed() }));
        assert!(is_unknown(&SealedVault { salt: "c2FsdA==".to_owned(), ..sealed() }));
        assert!(is_unknown(&SealedVault { ciphertext: "%".to_owned(), ..sealed() }));
        let other = SealedVault { nonce: sealed().nonce, ..sealed() };
        assert_eq!(open(&good, &other).unwrap_err(), ExportError::Refused);
        let mut kdf = sealed();
        kdf.kdf.iterations = 2;
        assert_eq!(open(&good, &kdf).unwrap_err(), ExportError::Refused);
    }

    #[test]
    fn a_document_cannot_ask_for_any_amount_of_memory_or_time() {
        for (memory_kib, iterations, parallelism) in [(u32::MAX, 1, 1), (64, 11, 1), (64, 1, 5), (0, 0, 0)] {
            let kdf = Kdf { algorithm: "argon2id".to_owned(), memory_kib, iterations, parallelism };
            let error = open(&passphrase("correct horse"), &SealedVault { kdf, ..sealed() }).unwrap_err();
            assert!(matches!(error, ExportError::Unknown(_)), "{error}");
        }
    }
}
