//! Behaviour as tables in `fixtures/cors`, and laws that no table can hold.

mod browser;
mod browser_cases;
mod cases;
mod extend;
mod findings;
mod forms;
mod generate;
mod laws;
mod policies;
mod profiles;
mod received;
mod recommend;
mod reference;
mod store_cases;

use std::path::{Path, PathBuf};

use super::{CorsConfiguration, CorsRule, Document, parse};

/// A file or folder below the root of the repository.
fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The document in a file below the root of the repository.
fn read(path: &str) -> Document {
    let text = std::fs::read_to_string(root(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    parse(&text).unwrap_or_else(|finding| panic!("{path}: {finding:?}"))
}

/// A rule from lists joined with commas.
fn rule(origins: &str, methods: &str, headers: &str, exposed: &str) -> CorsRule {
    let list = |joined: &str| joined.split(',').filter(|text| !text.is_empty()).map(str::to_owned).collect();
    CorsRule {
        id: None,
        allowed_origins: list(origins),
        allowed_methods: list(methods),
        allowed_headers: list(headers),
        expose_headers: list(exposed),
        max_age_seconds: None,
    }
}

fn configuration(rules: &[CorsRule]) -> CorsConfiguration {
    CorsConfiguration { rules: rules.to_vec() }
}
