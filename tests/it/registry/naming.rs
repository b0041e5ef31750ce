//! The text to paste means the source that it was asked of, or there is none.

use serde_json::{Value, json};

use super::services;
use crate::support::{Client, expect};

/// The text of the secret `s3` of a source, which its list and its keys agree on, and the note beside it.
async fn text_of(client: &Client, source: &str, environment: &str) -> (Value, Value) {
    let path = format!("/v1/sources/{source}/secrets");
    let listed = expect(client.get(&format!("{path}?environment={environment}")).await, 200);
    let keys = expect(client.get(&format!("{path}/s3/keys?environment={environment}")).await, 200);
    let (whole, of_key) = (listed["secrets"][0]["reference"].clone(), &keys["keys"][0]["reference"]);
    assert_eq!(whole.is_null(), keys["reference"].is_null(), "{listed:#} {keys:#}");
    assert_eq!(whole.is_null(), of_key.is_null(), "{listed:#} {keys:#}");
    assert_eq!(listed["note"], keys["note"]);
    let named = |text: &Value| text.as_str().is_some_and(|text| text.contains("secrets@"));
    assert_eq!((named(&whole), named(&whole)), (named(&keys["reference"]), named(of_key)));
    (whole, keys["note"].clone())
}

async fn source(client: &Client, name: &str, scope: &str) {
    let body = json!({"name": name, "kind": "local", "scope": scope});
    expect(client.post("/v1/sources", &body).await, 201);
    let value = json!({"value": {"id": "x"}});
    expect(client.put(&format!("/v1/sources/{name}/secrets/s3"), &value).await, 200);
}

async fn activate(client: &Client, environment: &str, name: &str, scope: &str) {
    let body = json!({"environment": environment, "source": name, "scope": scope});
    expect(client.put("/v1/sources/active", &body).await, 200);
}

#[tokio::test]
async fn the_text_to_paste_means_the_source_that_it_was_asked_of() {
    for service in services().await {
        let billing = service.client_in("billing", "admin").await;
        source(&service.admin, "shared", "workspace").await;
        activate(&service.admin, "production", "shared", "workspace").await;
        let plain = (json!("{{ secrets['s3'] }}"), Value::Null);
        let is_named = |(text, note): &(Value, Value), name: &str| {
            text.as_str().is_some_and(|text| text.contains(&format!("secrets@{name}"))) && note.is_null()
        };
        // it is what plain references of a project without a source of its own mean
        assert_eq!(text_of(&billing, "shared", "production").await, plain);

        source(&billing, "own", "project").await;
        assert_eq!(text_of(&billing, "own", "production").await, plain);
        let shared = text_of(&billing, "shared", "production").await;
        assert!(is_named(&shared, "shared"), "a plain text would mean `own`: {shared:?}");
        activate(&billing, "staging", "shared", "project").await;
        assert_eq!(text_of(&billing, "shared", "staging").await, plain);
        let own = text_of(&billing, "own", "staging").await;
        assert!(is_named(&own, "own"), "{own:?}");

        // the project's own source of that name hides it: plain references still mean it where it is active
        source(&billing, "shared", "project").await;
        assert_eq!(text_of(&billing, "workspace:shared", "staging").await, plain);
        let (text, note) = text_of(&billing, "workspace:shared", "production").await;
        assert!(text.is_null(), "{text}");
        assert!(note.as_str().unwrap().contains("`workspace:shared`"), "{note}");
    }
}
