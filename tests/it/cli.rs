//! The command line against a running service: data on stdout, words on stderr, exit codes that scripts can use.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::query_metadata::versioned;
use crate::stores::create;
use crate::support::{Embedded, Service, Setup, binary, expect, templated};

/// A service, a store, and a folder for files.
struct World {
    service: Service,
    embedded: Embedded,
    folder: tempfile::TempDir,
}

impl World {
    async fn start() -> World {
        let world = World {
            service: Setup::new().start().await,
            embedded: Embedded::start().await,
            folder: tempfile::tempdir().unwrap(),
        };
        let admin = &world.service.admin;
        expect(admin.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
        let keys = json!({"value": {"id": world.embedded.key.id, "secret": world.embedded.key.secret}});
        expect(admin.put("/v1/sources/vault/secrets/s3", &keys).await, 200);
        world
    }

    /// A resource at the embedded store.
    async fn create(&self, name: &str) {
        let mut arguments = vec!["resource", "create", name, "--bucket", "bucket", "--region", "us-east-1"];
        arguments.extend(["--endpoint", &self.embedded.url, "--access-key-id", "{{ secrets.s3.id }}"]);
        arguments.extend(["--secret-access-key", "{{ secrets.s3.secret }}"]);
        self.ok(&arguments).await;
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, b"").await
    }

    async fn run_with(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut command = Command::new(binary());
        command.args(arguments).env("NO_COLOR", "1").env("S3_CONNECTOR_SERVER", &self.service.url);
        command.env("S3_CONNECTOR_TOKEN", self.service.token()).current_dir(self.folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let input = input.to_vec();
        let wait = move || {
            let mut child = command.spawn().unwrap();
            child.stdin.take().unwrap().write_all(&input).ok();
            child.wait_with_output().unwrap()
        };
        tokio::task::spawn_blocking(wait).await.unwrap()
    }

    /// Runs, asserts success and gives stdout.
    async fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

#[tokio::test]
async fn the_main_job_works_from_the_command_line() {
    let world = World::start().await;
    world.create("r").await;
    let common = json!({"region": "us-east-1", "endpoint": world.embedded.url, "auth": {"kind": "access_key",
        "access_key_id": "{{ secrets.s3.id }}", "secret_access_key": "{{ secrets.s3.secret }}"}});
    fs::write(world.folder.path().join("import.json"), common.to_string()).unwrap();
    let tested = world.ok(&["resource", "test", "r", "--write"]).await;
    assert!(tested.contains("works"), "{tested}");
    let content = vec![7_u8; 3 << 20];
    fs::write(world.folder.path().join("up.bin"), &content).unwrap();
    world.ok(&["object", "put", "r", "a/../b//ü 🚀+", "up.bin"]).await;
    let listed = world.ok(&["object", "list", "r", "--output", "json"]).await;
    assert!(listed.contains("a/../b//ü 🚀+"), "{listed}");
    world.ok(&["object", "get", "r", "a/../b//ü 🚀+", "down.bin"]).await;
    assert_eq!(fs::read(world.folder.path().join("down.bin")).unwrap(), content);
    let head = world.ok(&["object", "head", "r", "a/../b//ü 🚀+", "--output", "json"]).await;
    assert_eq!(serde_json::from_str::<Value>(&head).unwrap()["size"], 3 << 20);
    let put = world.run_with(&["object", "put", "r", "piped", "-"], b"from a pipe").await;
    assert!(put.status.success(), "{}", String::from_utf8_lossy(&put.stderr));
    assert_eq!(world.ok(&["object", "get", "r", "piped", "-"]).await, "from a pipe");
    let looked = world.ok(&["object", "delete", "r", "nosuch", "piped", "--dry-run"]).await;
    let states: Vec<&str> = looked.lines().skip(1).filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(states, ["missing", "exists"], "a key that is missing does not end the look\n{looked}");
    world.ok(&["object", "delete", "r", "piped", "--yes"]).await;
    assert_eq!(world.run(&["object", "get", "r", "piped", "-"]).await.status.code(), Some(1));
    let gone = world.run(&["object", "delete", "r", "a/../b//ü 🚀+", "--if-match", "\"0\"", "--yes"]).await;
    assert_eq!(gone.status.code(), Some(1), "the generic profile has no conditions on deletes");
    let same = [
        "object",
        "get",
        "r",
        "a/../b//ü 🚀+",
        "same.bin",
        "--if-modified-since",
        "Fri, 01 Jan 2100 00:00:00 GMT",
    ];
    world.ok(&same).await;
    let [rest @ .., _] = same;
    world.ok(&[&rest[..], &["2100-01-01T00:00:00Z"]].concat()).await;
    assert!(!world.folder.path().join("same.bin").exists(), "what is not modified is not written");
    let wrong = world.run(&[&rest[..], &["yesterday"]].concat()).await;
    assert_eq!(wrong.status.code(), Some(2));
    for key in ["one", "two"] {
        world.run_with(&["object", "put", "r", key, "-"], key.as_bytes()).await;
    }
    let many = ["object", "delete", "r", "one", "two", "nosuch", "--yes", "--output", "json"];
    let many: Value = serde_json::from_str(&world.ok(&many).await).unwrap();
    assert_eq!((&many["done"], &many["failed"]), (&json!(3), &json!(0)));
    let proposed = world.ok(&["resource", "import", "--file", "import.json", "--output", "json"]).await;
    let proposed: Value = serde_json::from_str(&proposed).unwrap();
    assert_eq!(proposed["proposals"][0]["exists_as"], "r", "{proposed:#}");
    let second = world.run(&["resource", "import", "--file", "import.json", "--create", "bucket"]).await;
    let words = String::from_utf8(second.stderr).unwrap();
    assert!(words.contains("created the resource `bucket` for the bucket `bucket`"), "{words}");
    let upload: Value = serde_json::from_str(
        &world.ok(&["object", "upload", "create", "r", "parts", "--output", "json"]).await,
    )
    .unwrap();
    let upload = upload["upload_id"].as_str().unwrap();
    world.ok(&["object", "upload", "part", "r", "parts", upload, "1", "up.bin", "--offset", "1048576"]).await;
    world.ok(&["object", "upload", "complete", "r", "parts", upload]).await;
    world.ok(&["object", "get", "r", "parts", "parts.bin"]).await;
    assert_eq!(fs::read(world.folder.path().join("parts.bin")).unwrap(), content[1 << 20..]);
}

#[tokio::test]
async fn a_dry_run_shows_what_would_differ_and_changes_nothing() {
    let world = World::start().await;
    let made =
        templated("r", &world.embedded.url, "bucket", "{{ secrets.s3.id }}", "{{ secrets.s3.secret }}");
    expect(world.service.admin.post("/v1/resources", &made).await, 201);
    let differs = world.ok(&["resource", "update", "r", "--region", "eu-west-1", "--dry-run"]).await;
    assert_eq!(differs, "region: us-east-1 → eu-west-1\n");
    assert!(world.ok(&["resource", "show", "r"]).await.contains("us-east-1"), "a dry run changes nothing");
    world.ok(&["resource", "update", "r", "--description", "changed"]).await;
    let back = world.ok(&["resource", "restore", "r", "1", "--dry-run"]).await;
    assert_eq!(back, "description: changed → nothing\n");
    let keyless = world.run(&["resource", "import"]).await;
    assert_eq!(keyless.status.code(), Some(2));
    assert!(String::from_utf8(keyless.stderr).unwrap().contains("--access-key-id"));
}

#[tokio::test]
async fn exit_codes_and_messages_tell_scripts_and_people_what_happened() {
    let world = World::start().await;
    let broken = templated("x", &world.embedded.url, "bucket", "{{ secrets.s3.id", "{{ secrets.s3.secret }}");
    fs::write(world.folder.path().join("x.json"), broken.to_string()).unwrap();
    let invalid = world.run(&["resource", "create", "--file", "x.json"]).await;
    let words = String::from_utf8(invalid.stderr).unwrap();
    assert_eq!(invalid.status.code(), Some(3), "{words}");
    assert!(words.contains("auth.access_key_id:1:1") && words.contains("help"), "{words}");
    assert!(invalid.stdout.is_empty(), "words go to stderr");
    assert_eq!(world.run(&["resource", "nonsense"]).await.status.code(), Some(2));
    assert_eq!(world.run(&["resource", "show", "nobody"]).await.status.code(), Some(1));
    let viewer = world.service.client("viewer").await;
    let denied = world.run(&["--token", &viewer.token, "resource", "create", "--file", "x.json"]).await;
    assert_eq!(denied.status.code(), Some(3), "{}", String::from_utf8_lossy(&denied.stderr));
    let unasked = world.run(&["source", "delete", "vault"]).await;
    assert_eq!(unasked.status.code(), Some(2), "a destructive verb asks, and nobody is there to answer");
    expect(world.service.admin.get("/v1/sources/vault").await, 200);
}

#[tokio::test]
async fn errors_are_json_where_json_was_asked_for() {
    let world = World::start().await;
    let missing = world.run(&["--output", "json", "resource", "show", "nobody"]).await;
    let problem: Value = serde_json::from_slice(&missing.stderr).unwrap();
    assert_eq!((missing.status.code(), &problem["status"]), (Some(1), &json!(404)), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("nobody"), "{problem}");
    let unasked = world.run(&["source", "delete", "vault", "--output", "ndjson"]).await;
    let problem: Value = serde_json::from_slice(&unasked.stderr).unwrap();
    assert_eq!(unasked.status.code(), Some(2), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("--yes"), "{problem}");
}

#[tokio::test]
async fn a_usage_line_names_no_option_that_a_variable_gives() {
    let world = World::start().await;
    let misuse = world.run(&["completions"]).await;
    let words = String::from_utf8(misuse.stderr).unwrap();
    assert_eq!(misuse.status.code(), Some(2), "{words}");
    assert!(words.contains("Usage: s3-connector completions"), "{words}");
    assert!(!words.contains("--token") && !words.contains("--server"), "{words}");
    let help = world.ok(&["completions", "--help"]).await;
    assert!(help.contains("S3_CONNECTOR_TOKEN_FILE"), "{help}");
}

#[tokio::test]
async fn a_failure_begins_with_its_code_and_says_where_to_read_on() {
    let world = World::start().await;
    let failed = world.run(&["resource", "show", "nothing"]).await;
    let words = String::from_utf8(failed.stderr).unwrap();
    assert!(words.starts_with("error[NotFound]: "), "{words}");
    assert!(words.contains("  read on: s3-connector errors NotFound"), "{words}");
    assert!(world.ok(&["errors", "NotFound"]).await.starts_with("NotFound\n\nCause: "));
    assert!(world.ok(&["errors", "INVALID_ACTION"]).await.contains("A finding about a policy: "));
    let twice = ["object", "put", "r", "k", "-", "--metadata", "a=1", "--metadata", "A=2"];
    let misuse = world.run(&twice).await;
    let words = String::from_utf8(misuse.stderr).unwrap();
    assert_eq!(misuse.status.code(), Some(2), "{words}");
    assert!(words.starts_with("error: `--metadata` names `a` twice"), "{words}");
}

#[tokio::test]
async fn what_the_server_finds_wrong_exits_with_3_and_plain_http_is_recognised() {
    let world = World::start().await;
    let blank = world.run(&["token", "create", " ", "--role", "user"]).await;
    assert_eq!(blank.status.code(), Some(3), "{}", String::from_utf8_lossy(&blank.stderr));
    let tls = world.service.url.replace("http://", "https://");
    let refused = world.run(&["--server", &tls, "whoami"]).await;
    let words = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{words}");
    assert!(words.contains("is the server plain http?"), "{words}");
}

#[tokio::test]
async fn a_dry_run_makes_no_token_and_no_project() {
    let world = World::start().await;
    let token = world.ok(&["token", "create", "only-a-try", "--role", "user", "--dry-run"]).await;
    assert!(token.contains("only-a-try") && !token.contains("s3c_"), "{token}");
    world.ok(&["project", "create", "only-a-try", "--dry-run"]).await;
    assert!(!world.ok(&["token", "list"]).await.contains("only-a-try"));
    assert!(!world.ok(&["project", "list"]).await.contains("only-a-try"));
    let listed = world.ok(&["token", "list", "--output", "json"]).await;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let id = listed["tokens"][0]["id"].as_str().unwrap();
    world.ok(&["token", "revoke", id, "--dry-run"]).await;
    world.ok(&["whoami"]).await;
}

#[tokio::test]
async fn an_empty_number_clears_and_makes_no_new_definition() {
    let world = World::start().await;
    let open = ["resource", "create", "r", "--bucket", "bucket", "--region", "us-east-1", "--anonymous"];
    let refused = world.run(&[&open[..], &["--timeout-ms", ""]].concat()).await;
    assert_eq!(refused.status.code(), Some(2), "{}", String::from_utf8_lossy(&refused.stderr));
    world.ok(&[&open[..], &["--timeout-ms", "5000"]].concat()).await;
    world.ok(&["resource", "update", "r", "--timeout-ms", ""]).await;
    let shown = world.ok(&["resource", "show", "r", "--output", "json"]).await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert!(shown["limits"]["timeout_ms"].is_null(), "{shown}");
    world.ok(&["source", "update", "vault", "--cache-ttl-ms", "7"]).await;
    world.ok(&["source", "update", "vault", "--cache-ttl-ms", ""]).await;
    let shown = world.ok(&["source", "show", "vault", "--output", "json"]).await;
    assert_ne!(serde_json::from_str::<Value>(&shown).unwrap()["cache_ttl_ms"], 7, "{shown}");
}

#[tokio::test]
async fn a_table_of_aliases_is_imported_whole_and_changes_no_other_alias() {
    let world = World::start().await;
    world.ok(&["source", "alias", "set", "vault", "kept", "elsewhere"]).await;
    let write = |table: Value| fs::write(world.folder.path().join("t.json"), table.to_string()).unwrap();
    write(
        json!({"aliases": [{"alias": "a", "secret": "s3", "mode": "JSON"}, {"alias": "b", "secret": "s3"}]}),
    );
    let import = ["source", "import", "vault", "--file", "t.json"];
    let aliases = async || expect(world.service.admin.get("/v1/sources/vault").await, 200)["aliases"].clone();
    let shown = world.ok(&[&import[..], &["--dry-run"]].concat()).await;
    assert!(shown.contains("{{ vault:a }}"), "{shown}");
    assert_eq!(aliases().await.as_object().unwrap().len(), 1, "a dry run changes nothing");
    world.ok(&import).await;
    let after = json!({
        "a": {"secret": "s3", "mode": "json"},
        "b": {"secret": "s3", "mode": "auto"},
        "kept": {"secret": "elsewhere", "mode": "auto"},
    });
    assert_eq!(aliases().await, after);
    write(json!({"aliases": {"new": "s3", "a": "other", "b": "s3"}}));
    let refused = world.run(&import).await;
    let words = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{words}");
    assert!(words.contains("`a` (`s3`)") && !words.contains("`b`"), "{words}");
    assert_eq!(aliases().await, after, "nothing is half done");
    world.ok(&[&import[..], &["--overwrite"]].concat()).await;
    assert_eq!(aliases().await["a"], json!({"secret": "other", "mode": "auto"}));
    assert_eq!(aliases().await["new"]["secret"], "s3");
    write(json!({"aliases": [{"alias": "ok", "secret": "s3"}, {"alias": "not.ok", "secret": "s3"}]}));
    let refused = world.run(&import).await;
    let words = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{words}");
    assert!(words.contains("row 2") && aliases().await.get("ok").is_none(), "{words}");
}

#[tokio::test]
async fn a_table_of_fields_becomes_references_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let table = json!({"fields": {"id": {"secret": "prod/s3", "key": "id"}}});
    fs::write(folder.path().join("t.json"), table.to_string()).unwrap();
    for (source, reference) in
        [(None, "{{ secrets['prod/s3'].id }}"), (Some("eu"), "{{ secrets@eu['prod/s3'].id }}")]
    {
        let mut command = Command::new(binary());
        command.args(["--server", "http://127.0.0.1:9", "--output", "json", "source", "import"]);
        command.args(source).args(["--file", "t.json"]).current_dir(folder.path());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answer, json!({"fields": [{"field": "id", "reference": reference}]}));
    }
}

#[tokio::test]
async fn what_is_asked_for_is_told_and_nothing_besides() {
    let world = World::start().await;
    world.create("r").await;
    world.run_with(&["object", "put", "r", "one", "-"], b"one").await;
    assert_eq!(
        world.ok(&["object", "get", "r", "one", "--as", "text"]).await,
        "one",
        "no line break is added"
    );
    let explained =
        ["resource", "explain", "r", "--json", r#"{"operation": "get", "key": "one"}"#, "--output", "json"];
    assert!(world.ok(&explained).await.contains("s3:GetObject"));
    let options =
        ["resource", "explain", "r", "--json", r#"{"operation": "list"}"#, "limit:=1", "--output", "json"];
    assert!(world.ok(&options).await.contains("max-keys=1"));
    let contrary = ["resource", "explain", "r", "list", "--json", r#"{"operation": "get", "key": "one"}"#];
    assert_eq!(world.run(&contrary).await.status.code(), Some(2));
    assert_eq!(
        world.run(&["resource", "explain", "r", "get", "key=a", "key=b"]).await.status.code(),
        Some(2)
    );
    let deleted = ["object", "delete", "r", "nosuch", "--yes", "--output", "json"];
    let deleted: Value = serde_json::from_str(&world.ok(&deleted).await).unwrap();
    assert_eq!(deleted["key"], "nosuch", "{deleted:#}");
    let unnamed = ["object", "upload", "part", "r", "parts", "", "1", "up.bin"];
    assert_eq!(world.run(&unnamed).await.status.code(), Some(2));
}

#[tokio::test]
async fn the_commands_without_a_server_need_none() {
    let world = World::start().await;
    let document: Value = serde_json::from_str(&world.ok(&["openapi"]).await).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(world.ok(&["completions", "bash"]).await.contains("s3-connector"));
    assert!(world.ok(&["config", "--defaults"]).await.contains("[egress]"));
    assert!(world.ok(&["token", "generate"]).await.contains("s3c_"));
    let round = world.ok(&["dev", "--once"]).await;
    assert!(round.contains("=> works") && round.contains("Hello from s3-connector."), "{round}");
}

#[tokio::test]
async fn a_vault_is_rolled_back_exported_and_imported_from_the_command_line() {
    let world = World::start().await;
    world.ok(&["secret", "put", "s3", "second"]).await;
    world.create("r").await;
    let looked = world.run(&["secret", "delete", "s3", "--dry-run"]).await;
    let told = String::from_utf8_lossy(&looked.stderr).into_owned();
    assert!(looked.status.success() && told.contains("queries of `r` fail without it"), "{told}");
    let listed = world.ok(&["secret", "versions", "s3"]).await;
    assert!(listed.contains("AWSCURRENT") && listed.contains("AWSPREVIOUS"), "{listed}");
    let unasked = world.run(&["secret", "rollback", "s3"]).await;
    assert_eq!(unasked.status.code(), Some(2), "a rollback asks, and nobody is there to answer");
    let back = world.ok(&["secret", "rollback", "s3", "--yes", "--output", "json"]).await;
    let id = serde_json::from_str::<Value>(&back).unwrap()["previous_version_id"].clone();
    world.ok(&["secret", "rollback", "s3", "--version", id.as_str().unwrap(), "--yes"]).await;

    fs::write(world.folder.path().join("words"), "several words that nobody guesses\n").unwrap();
    world.ok(&["source", "export", "vault", "vault.json", "--passphrase", "@words"]).await;
    let again = world.run(&["source", "export", "vault", "vault.json", "--passphrase", "@words"]).await;
    assert_eq!(again.status.code(), Some(2), "a file that is there stays");
    let open = world.run(&["source", "export", "vault", "-", "--passphrase", "several words"]).await;
    assert_eq!(open.status.code(), Some(2), "a passphrase is not taken from the command line");
    let file = fs::read_to_string(world.folder.path().join("vault.json")).unwrap();
    assert!(file.contains("argon2id") && !file.contains("second"), "{file}");
    world.ok(&["source", "create", "other", "--kind", "local"]).await;
    let import = ["source", "import-vault", "other", "vault.json", "--passphrase", "-", "--output", "json"];
    let done = world.run_with(&import, b"several words that nobody guesses\n").await;
    let words = String::from_utf8_lossy(&done.stderr).into_owned();
    let counts: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|_| panic!("{words}"));
    assert_eq!(counts["secrets"]["created"], 1, "{words}");
    let wrong = world.run_with(&import, b"several words that nobody knows\n").await;
    assert_eq!(wrong.status.code(), Some(3), "{}", String::from_utf8_lossy(&wrong.stderr));
    assert!(world.ok(&["secret", "list", "--source", "other"]).await.contains("s3"));
}

/// What a list shows can be deleted line by line: here the versions that a read does not get.
#[tokio::test]
async fn what_a_list_names_is_deleted_and_nothing_else() {
    let world = World::start().await;
    let place = versioned().await;
    create(&world.service.admin, &place, "kept", &json!({})).await;
    for text in ["1", "22", "333"] {
        for key in ["a", "b"] {
            let output = world.run_with(&["object", "put", "kept", key, "-"], text.as_bytes()).await;
            assert!(output.status.success());
        }
    }
    let table = world.ok(&["object", "list", "kept", "--versions"]).await;
    assert_eq!((table.lines().count(), table.matches("latest").count()), (7, 2), "{table}");
    let earlier = ["object", "list", "kept", "--versions", "--filter", r#"{"is_latest": false}"#];
    let rows = world.ok(&[&earlier[..], &["--output", "ndjson"]].concat()).await;
    assert_eq!(rows.lines().count(), 4, "{rows}");

    let delete = ["object", "delete", "kept", "--from", "-"];
    let purge = async |more: &[&str], rows: &str| {
        let output = world.run_with(&[&delete[..], more].concat(), rows.as_bytes()).await;
        let code = output.status.code();
        let texts = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        (code, texts.concat())
    };
    let (code, said) = purge(&[], &rows).await;
    assert_eq!((code, said.contains("4 versions for good")), (Some(2), true), "{said}");
    let (code, said) = purge(&["--yes"], &format!("{rows}{{\"prefix\": \"2026/\"}}\n")).await;
    assert_eq!((code, said.contains("line 5 is the group `2026/`")), (Some(2), true), "{said}");
    let (code, said) = purge(&["--dry-run", "--output", "json"], &rows).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(world.ok(&["object", "list", "kept", "--versions"]).await, table, "nothing was deleted yet");
    let (code, said) = purge(&["--yes"], &rows).await;
    assert_eq!((code, said.contains("4 objects were deleted, 0 failed")), (Some(0), true), "{said}");
    let left = world.ok(&["object", "list", "kept", "--versions", "--output", "ndjson"]).await;
    assert_eq!((left.lines().count(), left.matches("\"is_latest\":true").count()), (2, 2), "{left}");
    // a list that failed says so to whoever reads its rows
    let broken = world.run(&["object", "list", "nosuch", "--output", "ndjson"]).await;
    let (code, said) = purge(&["--yes"], &String::from_utf8(broken.stdout).unwrap()).await;
    assert_eq!((code, said.contains("the list broke off")), (Some(2), true), "{said}");
    let (code, said) = purge(&["--yes"], "").await;
    assert_eq!((code, said.contains("nothing was done")), (Some(0), true), "{said}");
}
