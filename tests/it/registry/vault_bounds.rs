//! What an export and an import may cost, and who may take a vault away.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use s3_connector::store::export::{self, Contents};
use secrecy::SecretString;
use serde_json::{Value, json};
use sqlx::Connection;

use super::{keyed, services};
use crate::support::{Client, PLANTED, Setup, expect};

const PASSPHRASE: &str = "several words that nobody guesses";
const IMPORT: &str = "/v1/sources/vault/import";

/// The body of an import of so many secrets, named `n0`, `n1` and so on.
pub(super) fn import_of(secrets: usize) -> Value {
    let secrets = (0..secrets).map(|number| (format!("n{number}"), SecretString::from(PLANTED)));
    let contents = Contents { secrets: secrets.collect(), aliases: BTreeMap::new() };
    let document = export::seal(&SecretString::from(PASSPHRASE), &contents).unwrap();
    json!({"passphrase": PASSPHRASE, "document": document})
}

async fn vault(admin: &Client) {
    expect(admin.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
}

#[tokio::test]
async fn an_import_of_more_than_ten_thousand_secrets_is_refused_whole() {
    let import = import_of(10_001);
    for service in services().await {
        let admin = &service.admin;
        vault(admin).await;
        for path in [IMPORT.to_owned(), format!("{IMPORT}?dry_run=true")] {
            let refused = expect(admin.post(&path, &import).await, 422);
            assert_eq!(refused["errors"][0]["code"], "TOO_MANY_SECRETS", "{refused:#}");
            let detail = refused["detail"].as_str().unwrap();
            assert!(detail.contains("10001") && detail.contains("10000"), "{detail}");
        }
        assert_eq!(expect(admin.get("/v1/sources/vault/secrets").await, 200)["secrets"], json!([]));
    }
}

/// Another change is under way all the time: who waited for it would not get an answer.
#[tokio::test]
async fn a_dry_run_of_an_import_waits_for_no_change_and_counts_as_the_import_does() {
    let import = import_of(3);
    for service in services().await {
        let admin = &service.admin;
        vault(admin).await;
        expect(admin.put("/v1/sources/vault/secrets/n0", &json!({"value": PLANTED})).await, 200);
        expect(admin.put("/v1/sources/vault/secrets/n1", &json!({"value": "another"})).await, 200);
        let mut over = import.clone();
        over["overwrite"] = json!(true);
        let mut database = service.database().await;
        let mut held = database.begin().await.unwrap();
        sqlx::query("UPDATE changes SET sequence = sequence WHERE id = 1").execute(&mut *held).await.unwrap();
        let path = format!("{IMPORT}?dry_run=true");
        let tried = expect(admin.post(&path, &over).await, 200);
        held.rollback().await.unwrap();
        assert_eq!(tried["secrets"], json!({"created": 1, "changed": 1, "skipped": 1}), "{tried:#}");
        expect(admin.get("/v1/sources/vault/secrets/n2/versions").await, 404);
        let done = expect(admin.post(IMPORT, &over).await, 200);
        assert_eq!(done, tried);
    }
}

/// Who chose the passphrase can open the document, and no project's admin may read values.
#[tokio::test]
async fn only_a_token_of_the_installation_takes_a_vault_away() {
    for service in services().await {
        let billing = service.client_in("billing", "admin").await;
        vault(&billing).await;
        expect(billing.put("/v1/sources/vault/secrets/s3", &json!({"value": PLANTED})).await, 200);
        let wanted = json!({"passphrase": PASSPHRASE});
        let refused = expect(billing.post("/v1/sources/vault/export", &wanted).await, 403);
        assert!(refused["detail"].as_str().unwrap().contains("whole installation"), "{refused:#}");
        let exported = service.admin.post("/v1/sources/vault/export?project=billing", &wanted).await;
        let document = expect(exported, 200);
        let import = json!({"passphrase": PASSPHRASE, "document": document});
        let imported = expect(billing.post(IMPORT, &import).await, 200);
        assert_eq!(imported["secrets"]["skipped"], 1, "{imported:#}");
    }
}

/// With a look at every template for every entry this takes far longer than is given here.
#[tokio::test]
async fn the_status_of_many_secrets_reads_every_template_once() {
    let (service, secrets) = (Setup::new().start().await, 600);
    let admin = &service.admin;
    vault(admin).await;
    expect(admin.post(IMPORT, &import_of(secrets)).await, 200);
    for number in 0..300 {
        let (id, secret) = (format!("{{{{ secrets.n{number} }}}}"), "{{ secrets.n0 }}");
        expect(admin.post("/v1/resources", &keyed(&format!("r{number}"), &id, secret)).await, 201);
    }
    let names: Vec<String> = (0..secrets).map(|number| format!("n{number}")).collect();
    expect(admin.post("/v1/sources/vault/refresh", &json!({"secrets": names})).await, 200);
    let began = Instant::now();
    let status = expect(admin.get("/v1/sources/vault/cache").await, 200);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let rows = status["secrets"].as_array().unwrap();
    assert_eq!(rows.len(), secrets);
    let resources = |name: &str| {
        let row = rows.iter().find(|row| row["secret"] == name);
        row.unwrap_or_else(|| panic!("no `{name}`: {status:#}"))["resources"].clone()
    };
    assert_eq!((resources("n0"), resources("n1"), resources("n599")), (json!(300), json!(1), json!(0)));
}
