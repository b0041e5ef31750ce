//! The JSON face in the document: a schema for each operation, and examples that hold.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::collections::BTreeSet;

use serde_json::Value;

fn document() -> Value {
    serde_json::from_str(&s3_connector::http::openapi_json()).unwrap()
}

fn examples(document: &Value) -> Vec<Value> {
    let body = &document["paths"]["/v1/resources/{name}/query"]["post"]["requestBody"];
    let examples = body["content"]["application/json"]["examples"].as_object().unwrap();
    examples.values().map(|example| example["value"].clone()).collect()
}

#[test]
fn every_operation_has_a_schema_of_its_own_that_the_mapping_names() {
    let document = document();
    let query = &document["components"]["schemas"]["Query"];
    assert_eq!(query["discriminator"]["propertyName"], "operation");
    let mapping = query["discriminator"]["mapping"].as_object().unwrap();
    let variants = query["oneOf"].as_array().unwrap();
    let named: BTreeSet<&str> = variants
        .iter()
        .map(|variant| variant["$ref"].as_str().unwrap_or_else(|| panic!("{variant:#}")))
        .collect();
    let mapped: BTreeSet<&str> = mapping.values().map(|target| target.as_str().unwrap()).collect();
    assert_eq!(named, mapped);
    assert!(mapping.len() >= 5 && mapping.len() == variants.len(), "{mapping:?}");
    for (operation, target) in mapping {
        let schema = document.pointer(target.as_str().unwrap().strip_prefix('#').unwrap()).unwrap();
        assert_eq!(schema["properties"]["operation"]["enum"], serde_json::json!([operation]), "{operation}");
        let required: Vec<&str> =
            schema["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        assert!(required.contains(&"operation"), "{operation}: {required:?}");
        assert!(schema["description"].as_str().is_some_and(|text| text.len() > 8), "{operation}");
    }
}

#[test]
fn every_operation_has_an_example_that_fits_its_schema() {
    let document = document();
    let query = &document["components"]["schemas"]["Query"];
    let mapping = query["discriminator"]["mapping"].as_object().unwrap();
    let examples = examples(&document);
    for operation in mapping.keys() {
        let found = examples.iter().any(|example| example["operation"] == operation.as_str());
        assert!(found, "`{operation}` has no example: give it one in `http/api/query/mod.rs`");
    }
    for example in examples {
        let target = mapping[example["operation"].as_str().unwrap()].as_str().unwrap();
        let schema = document.pointer(target.strip_prefix('#').unwrap()).unwrap();
        if let Err(why) = fits(&document, schema, &example) {
            panic!("{example} does not fit {target}: {why}");
        }
        let others = mapping.values().filter(|other| *other != target);
        for other in others {
            let schema = document.pointer(other.as_str().unwrap().strip_prefix('#').unwrap()).unwrap();
            assert!(fits(&document, schema, &example).is_err(), "{example} fits {other} too");
        }
    }
}

#[test]
fn what_does_not_fit_is_seen() {
    let document = document();
    let schema = &document["components"]["schemas"]["QueryGet"];
    for wrong in [
        serde_json::json!({"operation": "get"}),
        serde_json::json!({"operation": "get", "key": 1}),
        serde_json::json!({"operation": "get", "key": "a", "other": 1}),
        serde_json::json!({"operation": "get", "key": "a", "as": "xml"}),
    ] {
        assert!(fits(&document, schema, &wrong).is_err(), "{wrong}");
    }
}

#[test]
fn every_answer_is_a_schema_that_its_operation_names() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    let mapping = |name: &str| {
        let union = &schemas[name];
        assert_eq!(union["discriminator"]["propertyName"], "operation");
        let mapping = union["discriminator"]["mapping"].as_object().unwrap();
        let named =
            union["oneOf"].as_array().unwrap().iter().map(|variant| variant["$ref"].as_str().unwrap());
        let mapped = mapping.values().map(|target| target.as_str().unwrap());
        assert_eq!(named.collect::<BTreeSet<_>>(), mapped.collect::<BTreeSet<_>>(), "{name}");
        mapping.keys().cloned().collect::<BTreeSet<String>>()
    };
    let mut asked = mapping("Query");
    // a read whose condition found nothing new
    asked.insert("not_modified".to_owned());
    assert_eq!(mapping("QueryAnswer"), asked);
    let schema = serde_json::json!({"$ref": "#/components/schemas/QueryAnswer"});
    let deleted = serde_json::json!({"operation": "delete", "key": "a", "version_id": null});
    fits(&document, &schema, &deleted).unwrap();
    for other in ["put", "list", "nothing"] {
        let mut answer = deleted.clone();
        answer["operation"] = other.into();
        assert!(fits(&document, &schema, &answer).is_err(), "{other}");
    }
}

#[test]
fn the_answers_of_a_query_are_shown_also_as_lines_and_as_problems() {
    let document = document();
    let answers = &document["paths"]["/v1/resources/{name}/query"]["post"]["responses"];
    let schema = serde_json::json!({"$ref": "#/components/schemas/QueryAnswer"});
    for (name, example) in answers["200"]["content"]["application/json"]["examples"].as_object().unwrap() {
        fits(&document, &schema, &example["value"]).unwrap_or_else(|why| panic!("`{name}`: {why}"));
    }
    let lines = answers["200"]["content"]["application/x-ndjson"]["example"].as_str().unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let row = serde_json::json!({"$ref": "#/components/schemas/ObjectSummary"});
    fits(&document, &row, &lines[0]).unwrap();
    assert_eq!(lines[1], serde_json::json!({"cursor": null, "truncated": false}));
    for status in ["416", "501"] {
        let media = &answers[status]["content"]["application/problem+json"];
        fits(&document, &media["schema"], &media["example"]).unwrap_or_else(|why| panic!("{status}: {why}"));
        assert_eq!(media["example"]["status"].to_string(), status);
    }
}

/// As much of JSON Schema as the document uses for bodies.
fn fits(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    if let Some(target) = schema["$ref"].as_str() {
        return fits(document, document.pointer(target.strip_prefix('#').unwrap()).unwrap(), value);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        fits(document, part, value)?;
    }
    for word in ["oneOf", "anyOf"] {
        if let Some(parts) = schema[word].as_array() {
            let fitting = parts.iter().filter(|part| fits(document, part, value).is_ok()).count();
            let right = if word == "oneOf" { fitting == 1 } else { fitting > 0 };
            right.then_some(()).ok_or_else(|| format!("{value} fits {fitting} of {word}"))?;
        }
    }
    if let Some(known) = schema["enum"].as_array() {
        known.contains(value).then_some(()).ok_or_else(|| format!("{value} is none of {known:?}"))?;
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().map(|kind| kind.as_str().unwrap()).collect(),
        _ => Vec::new(),
    };
    let is = |kind: &&str| match *kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("an unknown type `{other}`"),
    };
    if !kinds.is_empty() && !kinds.iter().any(is) {
        return Err(format!("{value} is no {kinds:?}"));
    }
    for item in value.as_array().into_iter().flatten() {
        fits(document, &schema["items"], item)?;
    }
    let Some(fields) = value.as_object() else { return Ok(()) };
    for name in schema["required"].as_array().into_iter().flatten() {
        fields.get(name.as_str().unwrap()).map(drop).ok_or_else(|| format!("{name} is missing"))?;
    }
    for (name, field) in fields {
        match schema["properties"].get(name) {
            Some(known) => fits(document, known, field).map_err(|why| format!("`{name}`: {why}"))?,
            None if schema["additionalProperties"] == false => return Err(format!("`{name}` is not known")),
            None if schema["additionalProperties"].is_object() => {
                fits(document, &schema["additionalProperties"], field)?;
            }
            None => {}
        }
    }
    Ok(())
}
