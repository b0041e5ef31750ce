//! The layers hold: a module uses only what lies below it, and each technology stays in its module.
//!
//! The sources are read as text, without their comments and without their own tests.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "test code outside of test functions"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Rank and module; a module uses modules of a lower rank, and itself.
const RANKS: &[(u8, &str)] = &[
    (0, "finding"),
    (0, "clock"),
    (0, "config"),
    (0, "telemetry"),
    (1, "template"),
    (1, "policy"),
    (1, "cors"),
    (2, "model"),
    (3, "store"),
    (3, "aws"),
    (3, "cache"),
    (4, "app"),
    (5, "http"),
    (6, "cli"),
    (6, "dev"),
];

/// Who, what, and why it is right all the same.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("telemetry", "config", "every module is handed its own section of the configuration"),
    ("telemetry", "clock", "the moment of a log line is a date of the same calendar"),
    ("cli", "dev", "`dev` is a command like the others; nothing but its start is used"),
];

/// Nothing of this appears in the pure modules: ranks 0 to 2 without `clock`, `config` and `telemetry`.
const IMPURE: &[&str] = &[
    "tokio::",
    "sqlx",
    "axum",
    "hyper",
    "reqwest",
    "aws_config",
    "aws_credential",
    "aws_sdk_",
    "aws_smithy",
    "std::fs",
    "std::env",
    "std::net::Tcp",
    "std::net::Udp",
    "SystemTime::now",
    "Instant::now",
    "Timestamp::now",
];

/// A word, and the only module whose sources may hold it.
const HOMES: &[(&str, &str)] =
    &[("aws_sdk_", "aws"), ("aws_smithy", "aws"), ("sqlx", "store"), ("axum", "http")];

/// The only files that open a secret, and what for.
const OPENS_SECRETS: &[(&str, &str)] = &[
    ("app/access.rs", "hashes tokens and makes new ones"),
    ("app/connect.rs", "compares what was rendered, and hands it to the client"),
    ("app/events.rs", "checks the signatures and keys of events"),
    ("app/rechecks/webhooks.rs", "signs messages to webhooks"),
    ("app/resource_history.rs", "compares a literal with the one before it"),
    ("app/vault.rs", "hands a new value to the vault, which seals it"),
    ("app/vault_export.rs", "hands what was exported to the vault, and measures a passphrase"),
    ("aws/credentials.rs", "signs"),
    ("aws/outbound.rs", "hands the password of a proxy to the tunnel"),
    ("aws/s3/customer_key.rs", "checks the key of SSE-C and puts it into headers"),
    ("cli/client.rs", "sends the token"),
    ("cli/doctor.rs", "looks whether the sealing key can be read"),
    ("cli/token.rs", "shows a new token text, once"),
    ("dev/env_file.rs", "writes the embedded store's own keys to the file that was asked for"),
    ("dev/server.rs", "checks signatures of the embedded store"),
    ("dev/walk.rs", "sends the sample's own token and keys"),
    ("http/api/access.rs", "shows a new token, once"),
    ("http/mod.rs", "shows the first token, once"),
    ("model/literal.rs", "makes the mark that stands for a literal"),
    ("store/export.rs", "derives a key from a passphrase, and seals what is exported"),
    ("store/keys.rs", "reads the master key"),
    ("store/seal.rs", "seals"),
    ("store/snapshot.rs", "seals the last good values"),
    ("template/render.rs", "puts values into a text that is a secret again"),
    ("template/value.rs", "reads keys out of a value"),
];

/// One file of the sources.
pub(crate) struct Source {
    /// Relative to `src`, with `/`.
    pub(crate) file: String,
    pub(crate) module: String,
    /// Without comments and tests.
    pub(crate) code: String,
}

#[test]
fn every_module_has_a_rank() {
    let known: BTreeSet<&str> = RANKS.iter().map(|(_, module)| *module).collect();
    for source in sources() {
        assert!(known.contains(source.module.as_str()), "`{}` is of a module without a rank", source.file);
    }
}

#[test]
fn modules_use_only_what_lies_below_them() {
    let mut breaks = Vec::new();
    let mut excused = BTreeSet::new();
    for source in sources() {
        for used in crate_paths(&source.code) {
            if used == source.module || allowed(&source.module, &used) {
                continue;
            }
            match EXCEPTIONS.iter().position(|(from, to, _)| *from == source.module && *to == used) {
                Some(exception) => drop(excused.insert(exception)),
                None => breaks.push(format!("{} uses crate::{used}", source.file)),
            }
        }
    }
    assert!(breaks.is_empty(), "imports go down only:\n{}", breaks.join("\n"));
    assert_eq!(excused.len(), EXCEPTIONS.len(), "an exception is not needed any more");
}

#[test]
fn the_pure_modules_do_no_io() {
    let mut breaks = Vec::new();
    for source in sources() {
        let pure =
            rank(&source.module) <= 2 && !["clock", "config", "telemetry"].contains(&source.module.as_str());
        let found = IMPURE.iter().filter(|word| pure && source.code.contains(**word));
        breaks.extend(found.map(|word| format!("{} has `{word}`", source.file)));
    }
    assert!(breaks.is_empty(), "time and context are arguments:\n{}", breaks.join("\n"));
}

#[test]
fn each_technology_stays_in_its_module() {
    let mut breaks = Vec::new();
    for source in sources() {
        for (word, home) in HOMES {
            if source.module != *home && source.code.contains(word) {
                breaks.push(format!("{} has `{word}`, whose home is `{home}`", source.file));
            }
        }
    }
    assert!(breaks.is_empty(), "{}", breaks.join("\n"));
}

#[test]
fn secrets_are_opened_only_where_it_is_needed() {
    let opens: BTreeSet<String> = sources()
        .into_iter()
        .filter(|source| source.code.contains("expose_secret"))
        .map(|source| source.file)
        .collect();
    let listed: BTreeSet<String> = OPENS_SECRETS.iter().map(|(file, _)| (*file).to_owned()).collect();
    let new: Vec<_> = opens.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&opens).collect();
    assert!(new.is_empty(), "these open secrets and are not listed with a reason: {new:?}");
    assert!(gone.is_empty(), "these do not open secrets any more: {gone:?}");
}

#[test]
fn what_stands_in_comments_strings_of_urls_and_tests_is_not_taken_for_an_import() {
    let text = "//! crate::cli\nuse crate::model::name; // crate::dev\nlet url = \"https://a/crate::x\";\n#[cfg(test)]\nmod tests {\n    use crate::http;\n}\n";
    let code = code(text);
    assert_eq!(crate_paths(&code), BTreeSet::from(["model".to_owned(), "x".to_owned()]));
}

/// Every file of the sources but the map and the entry.
pub(crate) fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    let sources: Vec<Source> = files.iter().filter_map(|path| source(&root, path)).collect();
    assert!(sources.len() > 50, "the sources were not found");
    sources
}

fn source(root: &Path, path: &Path) -> Option<Source> {
    let file = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
    let is_test = file.ends_with("/tests.rs") || file.contains("/tests/");
    // the map and the entry belong to no layer
    if is_test || file == "lib.rs" || file == "main.rs" {
        return None;
    }
    let module = file.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
    Some(Source { module, code: code(&fs::read_to_string(path).unwrap()), file })
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Without comments and without the module's own tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let lines = text.lines().map(|line| {
        let comment = line.find("//").filter(|at| !line[..*at].ends_with(':'));
        &line[..comment.unwrap_or(line.len())]
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The first segments of every path that starts at the crate.
fn crate_paths(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let is_pub = code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_');
        let rest = &code[at + "crate::".len()..];
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        assert!(
            !name.is_empty(),
            "write one `use crate::…` for each module: {}",
            &rest[..rest.len().min(40)]
        );
        if !is_pub {
            found.insert(name);
        }
    }
    found
}

fn rank(module: &str) -> u8 {
    RANKS.iter().find(|(_, name)| *name == module).map_or(u8::MAX, |(rank, _)| *rank)
}

fn allowed(from: &str, to: &str) -> bool {
    rank(to) < rank(from)
}
