//! AWS and everything that speaks its protocols: S3, Secrets Manager, STS, and what may be reached at all.
//!
//! SDK types stop here. Every client goes through [`egress`] and has bounded timeouts; none reads the
//! environment unless a definition asks for the default chain. Retries of credentials are not decided here:
//! an error says what kind it is, and the use cases decide.

pub mod body;
pub mod browser;
pub mod capture;
pub mod credentials;
mod direct;
pub mod egress;
pub mod error;
mod frames;
pub mod http;
pub mod iam;
pub mod kms;
pub mod outbound;
mod parts;
pub mod probe;
pub mod s3;
mod secrets_batch;
pub mod secrets_limits;
pub mod secrets_manager;
pub mod sign;
mod signed_chunks;
mod sigv4;
pub mod source;
pub mod sqs;
mod trailer;
mod tunnelled;
pub mod upload;
mod verify;
pub mod wait;
pub mod webhook;

pub use error::{AwsError, ErrorKind};
