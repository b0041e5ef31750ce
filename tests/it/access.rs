//! Who may do what, and what everybody else is told.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "test code outside of test functions"
)]

mod audit;
mod matrix;
mod problems;
mod projects;
mod tokens;

use serde_json::{Value, json};

use crate::support::{Client, Service, expect};

/// A token of that role in the default project: its text and its id.
async fn token(service: &Service, role: &str) -> (Client, String) {
    let body = expect(service.admin.post("/v1/tokens", &json!({"name": role, "role": role})).await, 201);
    let id = body["id"].as_str().unwrap().to_owned();
    (Client::new(&service.url, body["token"].as_str().unwrap()), id)
}

/// A definition that needs no keys.
fn open(name: &str, bucket: &str) -> Value {
    json!({"name": name, "bucket": bucket, "region": "eu-central-1", "auth": {"kind": "anonymous"}})
}
