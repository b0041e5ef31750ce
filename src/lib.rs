//! s3-connector
#![allow(missing_docs)]
pub mod app;
pub mod aws;
pub mod cache;
pub mod clock;
pub mod config;
pub mod dev;
pub mod finding;
pub mod http;
pub mod model;
pub mod store;
pub mod telemetry;
pub mod template;
