//! # s3-connector
//!
//! A registry of S3 and S3-compatible resources whose credentials are secret templates, resolved at query time
//! through a cache over AWS Secrets Manager or a local encrypted vault. Apps and people query objects; nobody is
//! handed a key. Checks say whether a resource works, and if not, why and what to change.
//!
//! ## Layers
//!
//! Imports go down only; a test reads the sources and fails on a break.
//!
//! | rank | modules | what they are |
//! |---|---|---|
//! | 6 | [`cli`], [`dev`] | the terminal edge; everything on one machine |
//! | 5 | [`http`] | the REST edge; axum and status codes stop here |
//! | 4 | [`app`] | the use cases; no HTTP, no SQL, no SDK types |
//! | 3 | [`store`], [`aws`], [`cache`] | one technology each; they never import one another |
//! | 2 | [`model`] | the nouns; pure |
//! | 1 | [`template`], [`policy`], [`cors`] | the engines; pure; they never import one another |
//! | 0 | [`finding`], [`clock`], [`config`], [`telemetry`] | what everything may use |
//!
//! ## Three journeys
//!
//! **Create and test.** A definition comes in at `http/api/resources`; [`app`] parses every template into
//! findings, [`store`] seals the literals (`store/seal.rs`) and keeps a version. A test walks the way of a query,
//! with the same code ([`app::connect`]), and records every step as a [`model::check::Check`].
//!
//! **Query.** The caller's token gives a role, the handler's signature says which one it needs. [`app::connect`]
//! resolves all references as one snapshot through [`cache`], renders them ([`template::render`]), and keeps a
//! client per definition and set of secret versions; roles are assumed once and renewed in the background
//! ([`aws::credentials`]). [`aws::s3`] makes one call, and the body streams through. A refused credential is
//! fetched again once, so that a rotation costs no query.
//!
//! **Resolve.** [`cache`] makes one call out of many, serves the last value while a source is down, and lets go
//! of it when the source refuses it. [`aws::egress`] decides which addresses can be reached at all.
//!
//! ## Invariants
//!
//! - [`template`] and [`model`] never do IO, and know no clock and no environment.
//! - `aws_sdk_*` types stop at [`aws`], `sqlx` at [`store`], `axum` at [`http`].
//! - A warm query makes one upstream call and no database statement.
//! - A secret value is in memory only: sealed in the store, never in an answer, a log, a metric or the audit.
//! - An acknowledged write is committed; a body that breaks off leaves neither an object nor parts.

pub mod app;
pub mod aws;
pub mod cache;
pub mod cli;
pub mod clock;
pub mod config;
pub mod cors;
pub mod dev;
pub mod finding;
pub mod http;
pub mod model;
pub mod policy;
pub mod store;
pub mod telemetry;
pub mod template;
