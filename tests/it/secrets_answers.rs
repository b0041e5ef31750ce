//! Answers about secrets: keys, explanations, policies, forecasts and rehearsals, none of which holds a value.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use aws_sdk_secretsmanager::primitives::Blob;
use serde_json::{Value, json};

use crate::harness::aws::unique;
use crate::secrets_world::{ID, SECRET, World, new_key, pair};
use crate::support::{Embedded, PLANTED, definition, expect, templated};

/// The account of everything at moto.
const ACCOUNT: &str = "123456789012";

fn column<'a>(answer: &'a Value, list: &str, name: &str) -> Vec<&'a Value> {
    answer[list].as_array().unwrap().iter().map(|row| &row[name]).collect()
}

async fn explain(world: &World, body: Value) -> Value {
    expect(world.admin().post("/v1/secrets/explain", &body).await, 200)
}

async fn policy(world: &World, body: Value) -> Value {
    let answer = expect(world.admin().post("/v1/secrets/policy", &body).await, 200);
    answer["policies"][0].clone()
}

async fn rehearse(world: &World, body: Value) -> Value {
    expect(world.admin().post("/v1/secrets/rehearse", &body).await, 200)
}

/// What the cache holds of the current version of the secret `s3`.
async fn current(world: &World) -> Value {
    let cache = expect(world.admin().get("/v1/sources/moto/cache").await, 200);
    let rows = cache["secrets"].as_array().unwrap();
    let found =
        rows.iter().find(|row| row["pin"] == "AWSCURRENT" && row["secret"] == json!(world.full("s3")));
    let found = found.unwrap_or_else(|| panic!("{cache:#}"));
    json!([found["version_id"], found["fetched_at"], found["last_error"]])
}

// Keys

#[tokio::test]
async fn the_keys_of_a_secret_are_named_with_the_text_to_paste_and_no_value() {
    let world = World::start().await;
    let value = json!({"user": {"name": PLANTED, "a b": PLANTED}, "n": [1, true, null], "empty": []});
    world.secrets.create_json(&world.full("deep/one"), &value).await;
    let path = "/v1/sources/moto/secrets/deep%2Fone/keys";
    let keys = expect(world.admin().get(path).await, 200);
    assert_eq!((&keys["mode"], &keys["truncated"]), (&json!("json"), &json!(false)));
    assert_eq!(keys["secret"], json!(world.full("deep/one")));
    assert_eq!(keys["reference"], "{{ secrets['deep/one'] }}");
    let told: Vec<(&Value, &Value, &Value)> = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| (&key["path"], &key["kind"], &key["reference"]))
        .collect();
    let wanted = [
        (json!("empty"), json!("array"), json!(null)),
        (json!("n[0]"), json!("number"), json!("{{ secrets['deep/one'].n[0] }}")),
        (json!("n[1]"), json!("boolean"), json!("{{ secrets['deep/one'].n[1] }}")),
        (json!("n[2]"), json!("null"), json!(null)),
        (json!("user['a b']"), json!("string"), json!("{{ secrets['deep/one'].user['a b'] }}")),
        (json!("user.name"), json!("string"), json!("{{ secrets['deep/one'].user.name }}")),
    ];
    let wanted: Vec<(&Value, &Value, &Value)> = wanted.iter().map(|(a, b, c)| (a, b, c)).collect();
    assert_eq!(told, wanted);
    // where the source is not the active one, the text names it
    let elsewhere = expect(world.admin().get(&format!("{path}?environment=staging")).await, 200);
    assert_eq!(elsewhere["reference"], "{{ secrets@moto['deep/one'] }}");
    assert_eq!(world.fetches(), 1, "the second look is answered from the cache");
    assert!(!keys.to_string().contains(PLANTED) && !world.service.process.output().contains(PLANTED));
}

#[tokio::test]
async fn text_and_bytes_have_no_keys_and_a_missing_secret_says_why() {
    let world = World::start().await;
    world.secrets.create(&world.full("text"), PLANTED).await;
    let make = world.secrets.client.create_secret().name(world.full("bytes"));
    make.secret_binary(Blob::new([0_u8, 255])).send().await.unwrap();
    for (name, mode) in [("text", "plaintext"), ("bytes", "binary")] {
        let keys = expect(world.admin().get(&format!("/v1/sources/moto/secrets/{name}/keys")).await, 200);
        assert_eq!((&keys["mode"], &keys["keys"]), (&json!(mode), &json!([])));
        assert!(!keys.to_string().contains(PLANTED));
    }
    let error = expect(world.admin().get("/v1/sources/moto/secrets/gone/keys").await, 424);
    assert_eq!(error["code"], "ResourceNotFoundException");
    assert!(error["detail"].as_str().unwrap().contains(&world.full("gone")), "{error:#}");
    expect(world.admin().get("/v1/sources/moto/secrets/no%20name/keys").await, 400);
    expect(world.admin().get("/v1/sources/nobody/secrets/text/keys").await, 404);
}

// Explain

#[tokio::test]
async fn an_explanation_says_where_a_reference_leads_and_reads_nothing() {
    let world = World::start().await;
    let cold = explain(&world, json!({"template": "a {{ secrets.s3.id[0] @ AWSPREVIOUS }}"})).await;
    let found = &cold["references"][0];
    assert_eq!((&found["line"], &found["column"]), (&json!(1), &json!(3)), "{cold:#}");
    assert_eq!(found["path"], json!([{"key": "id"}, {"index": 0}]));
    assert_eq!((&found["stage"], &found["source_by"]), (&json!("AWSPREVIOUS"), &json!("active")));
    let target = &found["target"];
    assert_eq!((&target["source"], &target["kind"]), (&json!("moto"), &json!("aws")));
    assert_eq!(target["secret"], json!(world.full("s3")));
    assert_eq!(target["cache"]["state"], "missing");
    let arn = format!("arn:aws:secretsmanager:us-east-1:ACCOUNT:secret:{}-??????", world.full("s3"));
    assert_eq!(target["permissions"][0]["action"], "secretsmanager:GetSecretValue");
    assert_eq!(target["permissions"][0]["resource"], json!(arn));
    assert_eq!(cold["findings"], json!([]));
    assert_eq!(world.fetches(), 0);

    let version = world.main().await;
    expect(world.list("main").await, 200);
    let warm = explain(&world, json!({"resource": "main"})).await;
    assert_eq!(column(&warm, "references", "field"), ["auth.access_key_id", "auth.secret_access_key"]);
    let target = &warm["references"][0]["target"];
    assert_eq!(target["cache"]["state"], "fresh", "{warm:#}");
    assert_eq!(target["cache"]["version_id"], json!(version.version_id));
    assert!(target["cache"]["next_refresh_at"].as_str() < target["cache"]["expires_at"].as_str());
    assert!(target["permissions"][0]["resource"].as_str().unwrap().contains(ACCOUNT), "{warm:#}");
    let one = explain(&world, json!({"resource": "main", "field": "auth.access_key_id"})).await;
    assert_eq!(one["references"].as_array().unwrap().len(), 1);
    assert_eq!(world.fetches(), 1);
    assert!(!warm.to_string().contains(&world.embedded.key.secret));
}

#[tokio::test]
async fn an_explanation_says_what_is_wrong_and_where() {
    let world = World::start().await;
    let syntax = explain(&world, json!({"template": "x\n {{ secrets. }}"})).await;
    let finding = &syntax["findings"][0];
    assert_eq!((&finding["code"], &finding["line"]), (&json!("TEMPLATE_SYNTAX"), &json!(2)), "{syntax:#}");
    assert!(finding["column"].is_number() && finding["help"].is_string(), "{syntax:#}");
    let bucket = explain(&world, json!({"template": "{{ secrets.s3.bucket }}", "field": "bucket"})).await;
    assert_eq!(bucket["findings"][0]["code"], "NOT_DECLARED_AS_CONFIGURATION");
    let nowhere = explain(&world, json!({"template": "{{ secrets@nobody.s3 }}"})).await;
    assert_eq!(nowhere["references"][0]["target"], json!(null));
    assert_eq!(nowhere["references"][0]["source_by"], "named");
    assert!(nowhere["references"][0]["reason"].as_str().unwrap().contains("`nobody`"), "{nowhere:#}");
    let staging = explain(&world, json!({"template": ID, "environment": "staging"})).await;
    assert_eq!(staging["references"][0]["source_by"], "none", "{staging:#}");
    world.resource("main", ID, SECRET).await;
    expect(world.list("main").await, 424);
    let failed = explain(&world, json!({"resource": "main"})).await;
    let cache = &failed["references"][0]["target"]["cache"];
    assert_eq!(
        (&cache["state"], &cache["last_error"]),
        (&json!("error"), &json!("ResourceNotFoundException"))
    );
    for body in [
        json!({}),
        json!({"template": ID, "resource": "main"}),
        json!({"template": ID, "field": "auth.password"}),
    ] {
        expect(world.admin().post("/v1/secrets/explain", &body).await, 400);
    }
    expect(world.admin().post("/v1/secrets/explain", &json!({"resource": "nobody"})).await, 404);
}

// Policy

#[tokio::test]
async fn a_policy_names_exactly_the_secrets_in_use() {
    let world = World::start().await;
    let empty = policy(&world, json!({})).await;
    assert_eq!((&empty["policy"], &empty["secrets"]), (&json!(null), &json!(0)), "{empty:#}");
    world.main().await;
    let arn_of = |account: &str, name: &str| {
        format!("arn:aws:secretsmanager:us-east-1:{account}:secret:{}-??????", world.full(name))
    };
    let unknown = policy(&world, json!({})).await;
    assert_eq!(unknown["account"], json!(null));
    assert_eq!(unknown["policy"]["Statement"][0]["Resource"], json!([arn_of("ACCOUNT", "s3")]));
    assert!(unknown["notes"][0].as_str().unwrap().contains("`ACCOUNT`"), "{unknown:#}");
    let given = policy(&world, json!({"account": "111122223333"})).await;
    assert_eq!(given["policy"]["Statement"][0]["Resource"], json!([arn_of("111122223333", "s3")]));
    expect(world.list("main").await, 200);
    let outside = world.secrets.create_json(&unique("outside"), &pair(&new_key())).await;
    let by_arn = format!("{{{{ secrets['{}'].id }}}}", outside.arn);
    world.resource("other", &by_arn, "{{ secrets.another @ AWSPREVIOUS }}").await;
    let known = policy(&world, json!({"source": "moto"})).await;
    assert_eq!(known["account"], ACCOUNT);
    let mut wanted = vec![arn_of(ACCOUNT, "another"), arn_of(ACCOUNT, "s3"), outside.arn.clone()];
    wanted.sort();
    let statements = known["policy"]["Statement"].as_array().unwrap();
    assert_eq!(statements.len(), 1, "{known:#}");
    assert_eq!(statements[0]["Action"], "secretsmanager:GetSecretValue");
    assert_eq!(statements[0]["Resource"], json!(wanted));
    let key = "arn:aws:kms:us-east-1:111122223333:key/1234";
    let all = policy(&world, json!({"list": true, "batch": true, "kms_key_arns": [key]})).await;
    let sids: Vec<&Value> =
        all["policy"]["Statement"].as_array().unwrap().iter().map(|statement| &statement["Sid"]).collect();
    assert_eq!(sids, ["ReadSecrets", "ReadInBatches", "ListSecrets", "DecryptSecrets"]);
}

#[tokio::test]
async fn a_policy_is_never_wider_than_the_names_and_only_for_sources_at_aws() {
    let world = World::start().await;
    expect(world.admin().put("/v1/sources/moto/aliases/wild", &json!({"secret": "*"})).await, 200);
    world.resource("wild", "{{ vault:wild.id }}", "{{ vault:wild.secret }}").await;
    let wild = policy(&world, json!({})).await;
    assert_eq!(wild["policy"], json!(null), "{wild:#}");
    assert!(wild["notes"].to_string().contains("left out"), "{wild:#}");
    expect(world.admin().post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
    for body in [
        json!({"source": "vault"}),
        json!({"account": "*"}),
        json!({"kms_key_arns": ["*"]}),
        json!({"accounts": "111122223333"}),
    ] {
        expect(world.admin().post("/v1/secrets/policy", &body).await, 400);
    }
    expect(world.admin().post("/v1/secrets/policy", &json!({"source": "nobody"})).await, 404);
}

// Forecast

#[tokio::test]
async fn a_forecast_compares_the_calls_and_the_cost_of_two_ttls() {
    let world = World::start().await;
    world.resource("main", ID, SECRET).await;
    world.resource("other", "{{ secrets.two.id }}", SECRET).await;
    let body = json!({"source": "moto", "cache_ttl_ms": 60_000, "replicas": 3});
    let told = expect(world.admin().post("/v1/secrets/forecast", &body).await, 200);
    let source = &told["forecasts"][0];
    assert_eq!(source["secrets"], 2, "{told:#}");
    assert_eq!(source["current"]["calls_a_month"], 72_000);
    assert_eq!(source["current"]["cost_usd_a_month"].to_string(), "0.36");
    assert_eq!(source["proposed"]["calls_a_month"], 360_000);
    assert_eq!(source["proposed"]["within_quota"], true);
    assert_eq!(source["least_ttl_ms"], 1);
    assert!(told["formula"].is_string());
    let off = json!({"cache_ttl_ms": 0, "usd_per_10_000_calls": 0.1});
    let told = expect(world.admin().post("/v1/secrets/forecast", &off).await, 200);
    assert_eq!(told["forecasts"][0]["proposed"]["calls_a_month"], json!(null));
    assert_eq!(told["forecasts"][0]["current"]["cost_usd_a_month"].to_string(), "0.24");
    for body in
        [json!({"replicas": 0}), json!({"cache_ttl_ms": 86_400_001}), json!({"usd_per_10_000_calls": -1.0})]
    {
        expect(world.admin().post("/v1/secrets/forecast", &body).await, 400);
    }
    assert_eq!(world.fetches(), 0);
}

// Rehearse

#[tokio::test]
async fn a_rehearsal_tells_a_good_candidate_from_a_bad_one_and_switches_nothing() {
    let world = World::start().await;
    let now = world.main().await;
    expect(world.list("main").await, 200);
    let literal = definition("literal", &world.embedded.url, "bucket", &world.embedded.key);
    expect(world.admin().post("/v1/resources", &literal).await, 201);
    let previous = |key: &str| format!("{{{{ secrets.s3.{key} @ AWSPREVIOUS }}}}");
    world.resource("pinned", &previous("id"), &previous("secret")).await;
    let before = current(&world).await;
    let wanted = json!({"source": "moto", "secret": "s3"});

    let none = rehearse(&world, wanted.clone()).await;
    assert_eq!((&none["verdict"], &none["resources"]), (&json!("unknown"), &json!([])), "{none:#}");
    assert!(none["reason"].as_str().unwrap().contains("ResourceNotFoundException"), "{none:#}");

    let full = world.full("s3");
    let good = pair(&world.embedded.key).to_string();
    let pending = world.secrets.put_with_stages(&full, &good, &["AWSPENDING"]).await;
    let fetches = world.fetches();
    let safe = rehearse(&world, wanted.clone()).await;
    assert_eq!(safe["verdict"], "safe", "{safe:#}");
    assert_eq!(safe["candidate_version_id"], json!(pending.version_id));
    assert_eq!(safe["current_version_id"], json!(now.version_id));
    assert_eq!(column(&safe, "resources", "resource"), ["main"], "the others do not use the current version");
    assert_eq!(world.fetches() - fetches, 1, "the candidate is read once, and nothing else is");

    let by_version = json!({"source": "moto", "secret": now.arn, "version_id": pending.version_id});
    assert_eq!(rehearse(&world, by_version).await["verdict"], "safe");

    let bad = json!({"id": PLANTED, "secret": PLANTED}).to_string();
    let replaced = world.secrets.put_with_stages(&full, &bad, &["AWSPENDING"]).await;
    let broken = rehearse(&world, wanted.clone()).await;
    assert_eq!(broken["verdict"], "unsafe", "{broken:#}");
    assert_eq!(broken["candidate_version_id"], json!(replaced.version_id), "it is read anew");
    assert!(broken["reason"].as_str().unwrap().contains("`main`"), "{broken:#}");

    let other = json!({"user": PLANTED}).to_string();
    world.secrets.put_with_stages(&full, &other, &["AWSPENDING"]).await;
    let keyless = rehearse(&world, wanted.clone()).await;
    assert_eq!(keyless["verdict"], "unsafe", "{keyless:#}");

    for answer in [&safe, &broken, &keyless] {
        assert!(!answer.to_string().contains(PLANTED), "{answer:#}");
        assert!(!answer.to_string().contains(&world.embedded.key.secret), "{answer:#}");
    }
    assert!(!world.service.process.output().contains(PLANTED));
    assert_eq!(current(&world).await, before, "what queries use was not touched");
    let fetches = world.fetches();
    expect(world.list("main").await, 200);
    assert_eq!(world.fetches(), fetches, "queries go on from the cache");
}

#[tokio::test]
async fn a_store_that_is_away_makes_a_rehearsal_unknown_and_not_unsafe() {
    let world = World::start().await;
    let away = Embedded::start().await;
    let url = away.url.clone();
    away.store.stop().await;
    world.main().await;
    expect(world.admin().post("/v1/resources", &templated("away", &url, "bucket", ID, SECRET)).await, 201);
    let good = pair(&world.embedded.key).to_string();
    world.secrets.put_with_stages(&world.full("s3"), &good, &["AWSPENDING"]).await;
    let told = rehearse(&world, json!({"source": "moto", "secret": "s3"})).await;
    assert_eq!(told["verdict"], "unknown", "{told:#}");
    assert_eq!(column(&told, "resources", "resource"), ["away", "main"]);
    assert_eq!(column(&told, "resources", "verdict"), ["unknown", "safe"], "{told:#}");
    let only = json!({"source": "moto", "secret": "s3", "resources": ["main"]});
    assert_eq!(rehearse(&world, only).await["verdict"], "safe");
    for body in [
        json!({"source": "moto", "secret": "s3", "stage": "AWSCURRENT"}),
        json!({"source": "moto", "secret": "s3", "stage": "X }} {{ secrets.s3"}),
        json!({"source": "moto", "secret": "s3", "stage": "X", "version_id": "y"}),
        json!({"source": "moto"}),
    ] {
        expect(world.admin().post("/v1/secrets/rehearse", &body).await, 400);
    }
    let nobody = json!({"source": "moto", "secret": "s3", "resources": ["nobody"]});
    expect(world.admin().post("/v1/secrets/rehearse", &nobody).await, 404);
}

// From the command line

#[tokio::test]
async fn the_command_line_gives_the_same_answers() {
    let world = World::start().await;
    world.main().await;
    let run = async |arguments: &[&str]| {
        let server = ["--server", &world.service.url, "--token", world.service.token(), "secret"];
        let output = world.service.run(&[&server[..], arguments].concat()).await;
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), words)
    };
    let (code, data, words) = run(&["keys", "s3"]).await;
    assert!(code == Some(0) && data.contains("{{ secrets.s3.secret }}"), "{data}{words}");
    let (code, data, words) = run(&["explain", "--resource", "main"]).await;
    assert!(code == Some(0) && data.contains(&world.full("s3")), "{data}{words}");
    let (code, _, words) = run(&["explain", "{{ secrets.s3"]).await;
    assert!(code == Some(3) && words.contains("help"), "{words}");
    let (code, data, words) = run(&["policy", "--account", ACCOUNT]).await;
    let document: Value = serde_json::from_str(&data).unwrap();
    assert_eq!((code, &document["Version"]), (Some(0), &json!("2012-10-17")), "{words}");
    let (code, data, words) = run(&["forecast", "--replicas", "2", "--output", "json"]).await;
    let told: Value = serde_json::from_str(&data).unwrap();
    assert_eq!((code, &told["forecasts"][0]["secrets"]), (Some(0), &json!(1)), "{words}");
    let (code, _, words) = run(&["rehearse", "s3"]).await;
    assert!(code == Some(1) && words.contains("unknown"), "{words}");
    let good = pair(&world.embedded.key).to_string();
    world.secrets.put_with_stages(&world.full("s3"), &good, &["AWSPENDING"]).await;
    let (code, data, words) = run(&["rehearse", "s3"]).await;
    assert!(code == Some(0) && data.contains("main") && words.contains("safe"), "{data}{words}");
}

#[tokio::test]
async fn a_text_is_explained_offline_without_a_server() {
    let world = World::start().await;
    let offline = ["--server", "no url", "secret", "explain", "--offline", "--output", "json"];
    let good = world.service.run(&[&offline[..], &["{{ vault@aws:s3.id @ AWSPREVIOUS }}"]].concat()).await;
    let told: Value = serde_json::from_slice(&good.stdout).unwrap();
    assert_eq!(good.status.code(), Some(0));
    assert_eq!(told["references"][0]["names_source"], "aws", "{told:#}");
    assert_eq!(told["references"][0]["stage"], "AWSPREVIOUS");
    let wrong = world.service.run(&[&offline[..], &["{{ secrets.s3.id"]].concat()).await;
    let told: Value = serde_json::from_slice(&wrong.stdout).unwrap();
    assert_eq!((wrong.status.code(), &told["findings"][0]["column"]), (Some(3), &json!(1)), "{told:#}");
}
