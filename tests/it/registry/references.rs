//! References: how they are written, where they may stand, and what is said of a wrong one.

use serde_json::{Value, json};

use super::{keyed, open, refusal, services};
use crate::support::expect;

#[tokio::test]
async fn a_template_comes_back_as_it_was_written() {
    for service in services().await {
        let admin = &service.admin;
        let written = [
            "{{ secrets.s3.key_id }}",
            "{{secrets.s3.key_id}}",
            "  {{   secrets['a/b.c']['odd key']   }} ",
            "pre-{{ secrets@vault.s3.id }}-post",
        ];
        for (index, text) in written.iter().enumerate() {
            let name = format!("r{index}");
            let made = expect(admin.post("/v1/resources", &keyed(&name, text, text)).await, 201);
            assert_eq!(made["auth"]["access_key_id"], *text);
            let read = expect(admin.get(&format!("/v1/resources/{name}")).await, 200);
            assert_eq!(read["auth"]["secret_access_key"], *text);
        }
    }
}

#[tokio::test]
async fn a_syntax_error_is_told_with_field_line_column_and_help() {
    for service in services().await {
        let admin = &service.admin;
        let cases = [
            ("{{ secrets.s3.id", "never closed"),
            ("{{ secret.s3.id }}", "wrong root"),
            ("{{ }}", "empty"),
            ("{{ secrets. }}", "no name"),
            ("{{ secrets.a + 1 }}", "an expression"),
        ];
        for (text, what) in cases {
            let refused = admin.post("/v1/resources", &keyed("r", "{{ secrets.s3.id }}", text)).await;
            let finding = refusal(refused.clone(), "TEMPLATE_SYNTAX", "auth.secret_access_key");
            assert_eq!(finding["line"], 1, "{what}: {finding:#}");
            assert!(finding["column"].as_u64().is_some_and(|column| column >= 1), "{what}: {finding:#}");
            assert!(!finding["message"].as_str().unwrap().is_empty(), "{what}: {finding:#}");
            assert!(finding["help"].as_str().is_some_and(|help| help.len() > 5), "{what}: {finding:#}");
            assert_eq!(refused.1["remedy"], finding["help"]);
        }
        let mut body = open("r");
        body["prefix"] = json!("first line\n  {{ secrets. }}");
        let finding = refusal(admin.post("/v1/resources", &body).await, "TEMPLATE_SYNTAX", "prefix");
        assert_eq!(finding["line"], 2, "{finding:#}");
    }
}

#[tokio::test]
async fn a_key_whose_source_is_missing_is_kept_with_a_finding_until_the_source_is_there() {
    for service in services().await {
        let admin = &service.admin;
        let body = keyed("r", "{{ secrets@later.s3.id }}", "{{ secrets.s3.secret }}");
        let made = expect(admin.post("/v1/resources", &body).await, 201);
        let found = |view: &Value| -> Vec<(String, String)> {
            let findings = view["findings"].as_array().unwrap();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            findings.iter().map(|finding| (text(&finding["code"]), text(&finding["path"]))).collect()
        };
        let missing = |path: &str| ("SOURCE_MISSING".to_owned(), path.to_owned());
        assert_eq!(found(&made), [missing("auth.access_key_id"), missing("auth.secret_access_key")]);
        assert_eq!(made["findings"][0]["severity"], "warning");
        expect(admin.post("/v1/sources", &json!({"name": "later", "kind": "local"})).await, 201);
        let read = expect(admin.get("/v1/resources/r").await, 200);
        assert_eq!(found(&read), [], "the first source is active, and `later` is there: {read:#}");
    }
}

#[tokio::test]
async fn a_reference_becomes_visible_only_where_its_source_declares_it() {
    for service in services().await {
        let admin = &service.admin;
        let vault = json!({"name": "vault", "kind": "local"});
        expect(admin.post("/v1/sources", &vault).await, 201);
        let fields =
            ["bucket", "region", "prefix", "endpoint", "expected_bucket_owner", "default_storage_class"];
        for field in fields {
            let mut body = open("r");
            body[field] = json!("{{ secrets.s3.bucket }}");
            let refused = admin.post("/v1/resources", &body).await;
            let finding = refusal(refused, "NOT_DECLARED_AS_CONFIGURATION", field);
            let help = finding["help"].as_str().unwrap();
            assert!(help.contains("s3.bucket") && help.contains("config_paths"), "{finding:#}");
        }
        let mut body = open("r");
        body["bucket"] = json!("{{ secrets.s3.bucket }}");
        expect(admin.patch("/v1/sources/vault", &json!({"config_paths": ["*.bucket"]})).await, 200);
        expect(admin.post("/v1/resources", &body).await, 201);
        body["name"] = json!("other");
        body["bucket"] = json!("{{ secrets.s3.secret }}");
        refusal(admin.post("/v1/resources", &body).await, "NOT_DECLARED_AS_CONFIGURATION", "bucket");
        body["bucket"] = json!("{{ secrets.s3 }}");
        refusal(admin.post("/v1/resources", &body).await, "NOT_DECLARED_AS_CONFIGURATION", "bucket");
        body["bucket"] = json!("{{ secrets@nowhere.s3.bucket }}");
        refusal(admin.post("/v1/resources", &body).await, "SOURCE_MISSING", "bucket");
        expect(admin.patch("/v1/resources/r", &json!({"prefix": "{{ secrets.s3.bucket }}/"})).await, 200);
        let overrides = json!({"environments": {"staging": {"bucket": "{{ secrets.s3.secret }}"}}});
        let (status, refused) = admin.patch("/v1/resources/r", &overrides).await;
        assert_eq!(status, 422, "an environment's bucket is as visible: {refused:#}");
    }
}

#[tokio::test]
async fn a_reference_can_be_given_as_secret_key_and_source() {
    for service in services().await {
        let admin = &service.admin;
        let mut body = open("r");
        body["auth"] = json!({"kind": "access_key",
            "access_key_id": {"secret": "s3", "key": "id"},
            "secret_access_key": {"secret": "payments/s3", "key": "keys.main", "source": "vault"},
            "session_token": {"secret": "token"}});
        let made = expect(admin.post("/v1/resources", &body).await, 201);
        assert_eq!(made["auth"]["access_key_id"], "{{ secrets.s3.id }}");
        let text = made["auth"]["secret_access_key"].as_str().unwrap();
        assert!(text.starts_with("{{ secrets@vault") && text.contains("payments/s3"), "{text}");
        assert_eq!(made["auth"]["session_token"], "{{ secrets.token }}");
        let change = json!({"auth": {"access_key_id": {"secret": "other", "key": "id"}}});
        let patched = expect(admin.patch("/v1/resources/r", &change).await, 200);
        assert_eq!(patched["auth"]["access_key_id"], "{{ secrets.other.id }}");
        assert_eq!(patched["auth"]["secret_access_key"], text);
    }
}
