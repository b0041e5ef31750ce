//! The OpenAPI document is the contract: complete, consistent, and changed only on purpose.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "test code outside of test functions"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// Routes that are pages, not operations.
const PAGES: &[&str] = &[
    "/",
    "/docs",
    "/docs/",
    "/docs/{file}",
    "/docs/errors",
    "/docs/errors/{code}",
    "/docs/checks",
    "/docs/checks/{name}",
];
/// What every operation of `/v1` can answer.
const SHARED_ERRORS: &[&str] = &[
    "400", "401", "403", "404", "409", "412", "413", "422", "424", "428", "429", "500", "501", "502", "503",
    "504",
];
/// Takes a signature in place of a token.
pub(crate) const SIGNED: &str = "/v1/events/secrets";
const METHODS: &[&str] = &["get", "put", "post", "delete", "patch", "head"];

/// One operation of the document.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) id: String,
    /// The weakest role that may; none where no token is needed.
    pub(crate) role: Option<String>,
    pub(crate) value: Value,
}

/// Every operation, in the document's order.
pub(crate) fn operations(document: &Value) -> Vec<Operation> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, value) in item.as_object().unwrap() {
            assert!(METHODS.contains(&method.as_str()), "{path} has `{method}`");
            let role = value["security"][0]["token"][0].as_str().map(str::to_owned);
            let id =
                value["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has no operationId"));
            found.push(Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                id: id.to_owned(),
                role,
                value: value.clone(),
            });
        }
    }
    found
}

pub(crate) fn document() -> Value {
    serde_json::from_str(&s3_connector::http::openapi_json()).unwrap()
}

#[test]
fn the_document_is_openapi_3_1_and_its_operations_are_named_once() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{}", document["openapi"]);
    let mut ids = BTreeSet::new();
    for operation in operations(&document) {
        assert!(ids.insert(operation.id.clone()), "`{}` names two operations", operation.id);
    }
    assert!(ids.len() > 40, "{ids:?}");
}

#[test]
fn the_surface_changes_only_on_purpose() {
    let lines: Vec<String> = operations(&document())
        .into_iter()
        .map(|operation| format!("{} {} {}", operation.method, operation.path, operation.id))
        .collect();
    insta::assert_snapshot!("surface", lines.join("\n"));
}

#[test]
fn every_operation_says_what_it_does_and_has_a_known_tag() {
    let document = document();
    let tags: Vec<&str> =
        document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    for Operation { id, value, .. } in operations(&document) {
        let said = value["summary"].as_str().or(value["description"].as_str()).unwrap_or_default();
        assert!(said.len() > 8, "`{id}` does not say what it does");
        let tag = value["tags"][0].as_str().unwrap_or_default();
        assert!(tags.contains(&tag), "`{id}` has the tag `{tag}`");
    }
}

#[test]
fn every_operation_but_the_service_ones_names_the_role_it_needs() {
    for Operation { id, path, role, .. } in operations(&document()) {
        let known = role.as_deref().is_some_and(|role| ["viewer", "user", "editor", "admin"].contains(&role));
        let needed = path.starts_with("/v1/") && path != SIGNED;
        assert_eq!(known, needed, "`{id}` at {path} has the role {role:?}");
    }
}

#[test]
fn every_body_has_a_schema_or_an_example() {
    for Operation { id, value, method, .. } in operations(&document()) {
        if let Some(body) = value.get("requestBody") {
            assert!(described(body), "`{id}` takes a body and does not describe it");
        }
        let mut answers =
            value["responses"].as_object().unwrap().iter().filter(|(code, _)| code.starts_with('2'));
        let ok = answers.any(|(code, answer)| *code == "204" || method == "HEAD" || described(answer));
        assert!(ok, "`{id}` does not describe what it answers");
    }
}

fn described(holder: &Value) -> bool {
    let Some(content) = holder["content"].as_object() else { return false };
    let has = |media: &Value| ["schema", "example", "examples"].iter().any(|part| media.get(*part).is_some());
    !content.is_empty() && content.values().all(has)
}

#[test]
fn every_operation_documents_the_shared_errors_as_problems() {
    for Operation { id, path, value, .. } in operations(&document()) {
        if !path.starts_with("/v1/") {
            continue;
        }
        for code in SHARED_ERRORS {
            let schema = &value["responses"][code]["content"]["application/problem+json"]["schema"];
            assert_eq!(
                schema["$ref"], "#/components/schemas/Problem",
                "`{id}` does not document {code}: {:#}",
                value["responses"][code]
            );
        }
    }
}

#[test]
fn every_write_takes_a_dry_run_and_every_conditional_change_its_header() {
    for Operation { id, value, .. } in operations(&document()) {
        let names: Vec<&str> = value["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        let writes =
            ["create_", "replace_", "patch_", "delete_", "put_", "copy_", "restore_", "activate_", "revoke_"];
        let of_object = id.contains("object");
        if writes.iter().any(|verb| id.starts_with(verb)) && !of_object {
            assert!(names.contains(&"dry_run"), "`{id}` takes {names:?}");
        }
        let definition = ["resource", "source"].iter().any(|noun| id.ends_with(noun));
        if definition && ["replace_", "patch_", "delete_"].iter().any(|verb| id.starts_with(verb)) {
            assert!(names.contains(&"If-Match"), "`{id}` takes {names:?}");
        }
    }
}

#[test]
fn every_parameter_of_a_path_is_described() {
    for Operation { id, path, value, .. } in operations(&document()) {
        let described: BTreeSet<&str> = value["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        let held: BTreeSet<&str> =
            path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        assert_eq!(described, held, "`{id}`");
    }
}

#[test]
fn every_reference_inside_the_document_leads_somewhere() {
    let document = document();
    let mut missing = Vec::new();
    walk(&document, &mut |value| {
        if let Some(target) = value.get("$ref").and_then(Value::as_str) {
            let found = target.strip_prefix('#').and_then(|pointer| document.pointer(pointer));
            if found.is_none() {
                missing.push(target.to_owned());
            }
        }
    });
    assert!(missing.is_empty(), "{missing:?}");
}

fn walk(value: &Value, visit: &mut impl FnMut(&Value)) {
    visit(value);
    match value {
        Value::Object(fields) => fields.values().for_each(|value| walk(value, visit)),
        Value::Array(items) => items.iter().for_each(|value| walk(value, visit)),
        _ => {}
    }
}

/// Two types of one name are one schema: the other one is lost without a word.
#[test]
fn no_two_types_share_the_name_of_a_schema() {
    let mut names = BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                for name in schema_types(&fs::read_to_string(&path).unwrap()) {
                    assert!(names.insert(name.clone()), "`{name}` names two schemas: {}", path.display());
                }
            }
        }
    }
    assert!(names.contains("QueryAnswer") && names.len() > 50, "{names:?}");
}

/// The names of the types behind a `derive` that ends with `ToSchema`.
fn schema_types(source: &str) -> Vec<String> {
    let behind = source.split("ToSchema)]").skip(1);
    behind
        .filter_map(|text| {
            let kinds = ["\npub struct ", "\npub enum "];
            let (before, declared) = text.split_at(kinds.iter().filter_map(|kind| text.find(kind)).min()?);
            let name = declared.split([' ', '(', '<', ';']).nth(2)?;
            // the attribute behind the derive gives the schema another name than the type has
            let other = before.split_once("#[schema(as = ").and_then(|(_, other)| other.split_once(')'));
            Some(other.map_or(name, |(other, _)| other).to_owned())
        })
        .collect()
}

#[test]
fn the_answer_of_a_query_is_one_of_its_objects() {
    let document = document();
    let answer = &operation(&document, "query")["responses"]["200"]["content"]["application/json"]["schema"];
    let name = answer["$ref"].as_str().unwrap();
    let schema = document.pointer(name.strip_prefix('#').unwrap()).unwrap();
    let variants = schema["oneOf"].as_array().or(schema["anyOf"].as_array()).unwrap();
    assert!(variants.len() >= 12, "{schema:#}");
    assert!(schema.get("enum").is_none(), "{schema:#}");
}

#[test]
fn the_content_of_an_object_is_binary() {
    let document = document();
    let is_binary = |holder: &Value| {
        let schema = &holder["content"]["application/octet-stream"]["schema"];
        assert_eq!((&schema["type"], &schema["format"]), (&"string".into(), &"binary".into()), "{holder:#}");
    };
    for id in ["get_object", "get_object_by_key"] {
        let responses = &operation(&document, id)["responses"];
        is_binary(&responses["200"]);
        is_binary(&responses["206"]);
    }
    for id in ["put_object", "put_object_by_key"] {
        is_binary(&operation(&document, id)["requestBody"]);
    }
}

#[test]
fn the_headers_that_objects_take_are_named() {
    let document = document();
    let read = ["Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"];
    let write = [
        "Content-Type",
        "Cache-Control",
        "Content-Disposition",
        "Content-Encoding",
        "Content-Language",
        "If-None-Match",
        "If-Match",
    ];
    for suffix in ["object", "object_by_key"] {
        for (verb, wanted) in [("get", &read[..]), ("head", &read[..]), ("put", &write[..])] {
            let id = format!("{verb}_{suffix}");
            let named = parameters(operation(&document, &id), "header");
            assert!(wanted.iter().all(|header| named.contains(*header)), "`{id}` names {named:?}");
        }
    }
}

/// The extractors read these on every route: a parameter that is read and not named would be refused.
#[test]
fn every_route_of_a_project_names_the_project_and_the_environment() {
    for Operation { id, path, value, .. } in operations(&document()) {
        let named = parameters(&value, "query");
        let both = named.contains("project") && named.contains("environment");
        assert_eq!(both, path.starts_with("/v1/"), "`{id}` names {named:?}");
    }
}

#[test]
fn every_limit_has_bounds() {
    for Operation { id, value, .. } in operations(&document()) {
        for parameter in value["parameters"].as_array().into_iter().flatten() {
            if parameter["name"] == "limit" {
                assert_eq!(parameter["schema"]["minimum"].as_f64(), Some(1.0), "`{id}`: {parameter:#}");
            }
        }
    }
}

fn operation<'a>(document: &'a Value, id: &str) -> &'a Value {
    let paths = document["paths"].as_object().unwrap();
    let mut all = paths.values().flat_map(|item| item.as_object().unwrap().values());
    all.find(|operation| operation["operationId"] == id).unwrap_or_else(|| panic!("no operation `{id}`"))
}

fn parameters(operation: &Value, place: &str) -> BTreeSet<String> {
    let all = operation["parameters"].as_array().into_iter().flatten();
    all.filter(|parameter| parameter["in"] == place)
        .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
        .collect()
}

/// A handler that is described but not on the router's page, or a route without a description, shows here.
#[test]
fn the_document_holds_every_handler_and_every_route() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http");
    let mut sources = String::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    let documented: BTreeSet<String> =
        operations(&document()).into_iter().map(|operation| operation.id).collect();
    let described: BTreeSet<String> = texts_after(&sources, "operation_id = \"").collect();
    assert_eq!(documented, described);
    let plain: BTreeSet<String> = texts_after(&sources, ".route(\"").collect();
    assert_eq!(plain, PAGES.iter().map(|page| (*page).to_owned()).collect());
}

fn texts_after<'a>(text: &'a str, start: &'a str) -> impl Iterator<Item = String> + 'a {
    text.split(start).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned())
}
