//! IAM policies over REST and on the command line: both say the same, and what the pages show is what they say.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use s3_connector::policy::document::Kind;
use s3_connector::policy::finding::{Severity, code};
use serde_json::{Value, json};

use crate::openapi;
use crate::support::{Client, Setup, binary, expect};
use crate::transcript;

const PAGE: &str = include_str!("../../docs/policies.md");
/// Rewrites the page in place of comparing it.
const WRITE: &str = "S3_CONNECTOR_WRITE_DOCS";

const TYPO: &str = "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": {\"Effect\": \"Allow\", \"Action\": \"s3:GetObjects\", \"Resource\": \"arn:aws:s3:::b/*\"}\n}\n";

/// The command line without a server and without its settings.
fn run(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments).env_clear().env("NO_COLOR", "1");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // a command that does not read its input ends before it is written
    child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
    child.wait_with_output().unwrap()
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn read(resource: &str) -> Value {
    let statement = json!({"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": resource});
    json!({"Version": "2012-10-17", "Statement": [statement]})
}

fn question(key: &str, identity: &Value) -> Value {
    json!({
        "request": {
            "principal": "arn:aws:iam::111122223333:role/app",
            "action": "s3:GetObject",
            "resource": format!("arn:aws:s3:::b/{key}"),
            "context": {"aws:SecureTransport": true},
        },
        "policies": {"identity": [identity]},
    })
}

#[tokio::test]
async fn every_command_of_the_page_about_policies_works_and_says_what_the_page_shows() {
    for step in &transcript::run(PAGE, "policies").await {
        step.assert_shown();
    }
}

#[test]
fn the_page_of_the_codes_is_made_from_the_rules() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/policies/codes.md");
    let wanted = codes();
    if std::env::var_os(WRITE).is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &wanted).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(there, wanted, "{}: run this test with {WRITE}=1", path.display());
}

fn codes() -> String {
    let mut text = "# Codes of findings about policies\n\nWhat `s3-connector policy validate` and `POST /v1/policies/validate` say. Codes that IAM Access Analyzer has, too, have its name.\nThe third column says which kinds of policy a rule is for.\n\nThis page is made from the table in `src/policy/finding/code`: change it there.\n".to_owned();
    let severities = [
        (Severity::Error, "Errors", "AWS refuses the policy, or a part of it can never work."),
        (Severity::SecurityWarning, "Security warnings", "The policy gives away more than was meant."),
        (Severity::Warning, "Warnings", "Likely not what was meant."),
        (Severity::Suggestion, "Suggestions", "Works, but could be better."),
    ];
    for (severity, title, meaning) in severities {
        write!(text, "\n## {title}\n\n{meaning}\n\n| code | meaning | kinds |\n|---|---|---|\n").unwrap();
        for rule in code::all().filter(|rule| rule.severity == severity) {
            let kinds: Vec<&str> = rule.kinds.iter().map(|kind| kind_word(*kind)).collect();
            let meaning = rule.meaning.replace('|', "\\|");
            writeln!(text, "| `{}` | {meaning} | {} |", rule.code, kinds.join(", ")).unwrap();
        }
    }
    text
}

fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Identity => "identity",
        Kind::Bucket => "bucket",
        Kind::Trust => "trust",
        Kind::Scp => "scp",
        Kind::Rcp => "rcp",
    }
}

#[tokio::test]
async fn every_example_of_the_document_is_answered_to_a_viewer() {
    let service = Setup::new().start().await;
    let viewer = service.client("viewer").await;
    let mut paths = Vec::new();
    for operation in openapi::operations(&openapi::document()) {
        if operation.value["tags"][0] != "policies" {
            continue;
        }
        let example = &operation.value["requestBody"]["content"]["application/json"]["example"];
        let answer = expect(viewer.post(&operation.path, example).await, 200);
        assert!(answer.is_object() && answer != json!({}), "{operation:?}: {answer:#}");
        paths.push(operation.path);
    }
    assert_eq!(paths.len(), 4, "{paths:?}");
}

/// A refusal with what it says of the first field.
async fn refused(client: &Client, route: &str, body: &Value, status: u16) -> (String, String, Value) {
    let problem = expect(client.post(&format!("/v1/policies/{route}"), body).await, status);
    let error = problem["errors"][0].clone();
    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    (text("code"), text("path"), problem)
}

#[tokio::test]
async fn what_cannot_be_judged_is_refused_by_its_field() {
    let service = Setup::new().start().await;
    let viewer = service.client("viewer").await;
    let policy = read("arn:aws:s3:::b/*");
    let with = |mut body: Value, path: &str, value: Value| {
        *body.pointer_mut(path).unwrap() = value;
        body
    };
    let asked = question("k", &policy);
    let both = json!({"before": policy, "after": TYPO.replace("Allow", "allow"), "kind": "identity"});
    let cases = [
        (
            "validate",
            json!({"policy": policy, "kind": "identity", "acount": 1}),
            400,
            "UNKNOWN_FIELD",
            "acount",
        ),
        (
            "validate",
            json!({"policy": policy, "kind": "identity", "facts": {"bucket": {"nam": "b"}}}),
            400,
            "UNKNOWN_FIELD",
            "facts.bucket.nam",
        ),
        ("validate", json!({"policy": policy}), 400, "MISSING_FIELD", "kind"),
        ("validate", json!({"policy": policy, "kind": "role"}), 400, "INVALID_VALUE", "kind"),
        (
            "evaluate",
            json!({"request": asked["request"], "policies": {"resources": []}}),
            400,
            "UNKNOWN_FIELD",
            "policies.resources",
        ),
        (
            "evaluate",
            with(asked.clone(), "/request/action", json!("s3:*")),
            422,
            "INVALID_REQUEST",
            "request.action",
        ),
        (
            "evaluate",
            with(asked.clone(), "/request/resource", json!(format!("arn:aws:s3:::b/{}", "k".repeat(3000)))),
            422,
            "INVALID_REQUEST",
            "request.resource",
        ),
        (
            "evaluate",
            with(asked.clone(), "/request/context", json!({"s3:prefix": vec!["k".repeat(2000); 30]})),
            422,
            "INVALID_REQUEST",
            "request.context",
        ),
        ("generate", json!({"bucket": "b c", "operations": ["get"]}), 422, "INVALID_WISH", "bucket"),
        ("generate", json!({"bucket": "bucket", "operation": ["get"]}), 400, "UNKNOWN_FIELD", "operation"),
        ("diff", both, 422, "INVALID_EFFECT", "after.Statement.Effect"),
    ];
    for (route, body, status, code, path) in cases {
        let (found_code, found_path, problem) = refused(&viewer, route, &body, status).await;
        assert_eq!((found_code.as_str(), found_path.as_str()), (code, path), "{body} {problem:#}");
    }
}

#[tokio::test]
async fn a_policy_that_is_too_long_is_not_read() {
    let service = Setup::new().with("S3_CONNECTOR__SERVER__MAX_JSON_BYTES", "200000").start().await;
    let validate = async |bytes: usize, status: u16| {
        let body = json!({"policy": "x".repeat(bytes), "kind": "identity"});
        expect(service.admin.post("/v1/policies/validate", &body).await, status)
    };
    assert_eq!(validate(201_000, 413).await["code"], "TooLarge");
    // within the bound of bodies, beyond that of policies
    let finding = validate(150_000, 200).await["findings"][0].clone();
    assert_eq!(finding["code"], "JSON_SYNTAX_ERROR", "{finding:#}");
    assert!(finding["message"].as_str().unwrap().contains("131072"), "{finding:#}");
}

#[tokio::test]
async fn the_service_and_the_command_line_say_the_same() {
    let service = Setup::new().start().await;
    let viewer = service.client("viewer").await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (old, new) = (read("arn:aws:s3:::b/a/*"), read("arn:aws:s3:::b/*"));
    let (old_file, new_file) = (file("old", &old.to_string()), file("new", &new.to_string()));
    let asked = question("k", &old);
    let asked_file = file("asked", &asked.to_string());
    let cases = [
        (
            "validate",
            json!({"policy": TYPO, "kind": "identity", "repair": true}),
            vec!["validate", "-", "--kind", "identity", "--repair"],
            0,
        ),
        ("evaluate", asked, vec!["evaluate", "--request", &asked_file], 3),
        ("evaluate", question("k", &new), vec!["evaluate", "--request", "-"], 0),
        (
            "generate",
            json!({"bucket": "invoices", "prefix": "a/", "operations": ["list", "get"], "tls_only": true}),
            vec!["generate", "invoices", "--prefix", "a/", "--operations", "list,get", "--tls-only"],
            0,
        ),
        (
            "diff",
            json!({"before": old, "after": new, "kind": "identity"}),
            vec!["diff", &old_file, &new_file, "--kind", "identity"],
            0,
        ),
    ];
    for (route, body, arguments, exit) in cases {
        let answer = expect(viewer.post(&format!("/v1/policies/{route}"), &body).await, 200);
        let arguments = [&["--output", "json", "policy"], arguments.as_slice()].concat();
        let input = if route == "validate" { TYPO.to_owned() } else { body.to_string() };
        let (code, out, words) = said(&run(&arguments, &input));
        assert_eq!(code, Some(exit), "{arguments:?}: {words}");
        assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), answer, "{arguments:?}");
    }
}

#[test]
fn a_finding_is_shown_with_its_line_and_a_mark_below_the_value() {
    let (code, out, words) = said(&run(&["policy", "validate", "--kind", "identity"], TYPO));
    assert_eq!(code, Some(3), "{words}");
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with("error[INVALID_ACTION]: ") && lines[0].contains("GetObjects"), "{out}");
    assert_eq!(lines[1], " --> stdin:3:46 Statement.Action");
    assert!(lines[2].starts_with("3 |   \"Statement\": {\"Effect\""), "{out}");
    let place = lines[2].find("\"s3:GetObjects\"").unwrap();
    assert_eq!(lines[3].find('^'), Some(place), "{out}");
    assert_eq!(lines[3].matches('^').count(), "\"s3:GetObjects\"".len(), "{out}");
    assert_eq!(words, "stdin: 1 error\n");
}

#[test]
fn a_policy_without_errors_exits_with_0_and_facts_find_more() {
    let bucket = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Deny", "Principal": "*", "Action": "s3:*",
        "Resource": ["arn:aws:s3:::other", "arn:aws:s3:::other/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}}
    }]});
    let command = ["policy", "validate", "--kind", "bucket"];
    let (code, out, _) = said(&run(&command, &bucket.to_string()));
    assert_eq!(code, Some(0), "{out}");
    let (code, out, _) = said(&run(&[&command[..], &["--bucket", "mine"]].concat(), &bucket.to_string()));
    assert_eq!(code, Some(3));
    assert!(out.contains("error[RESOURCE_NOT_THIS_BUCKET]"), "{out}");
}

#[test]
fn a_repair_is_a_policy_on_stdout_that_has_no_errors() {
    let text = TYPO.replace("Allow", "allow");
    let command = ["policy", "validate", "--kind", "identity"];
    assert_eq!(run(&command, &text).status.code(), Some(3));
    let (code, out, words) = said(&run(&[&command[..], &["--repair"]].concat(), &text));
    assert!(words.contains("error["), "{words}");
    assert_eq!(code, Some(0), "nothing is wrong with what came out");
    // what no repair mends is still wrong
    let beyond = text.replace("\"Effect\": \"allow\"", "\"Effect\": \"perhaps\"");
    assert_eq!(run(&[&command[..], &["--repair"]].concat(), &beyond).status.code(), Some(3));
    let (code, again, _) = said(&run(&command, &out));
    assert_eq!(code, Some(0), "{out}\n{again}");
}

#[test]
fn a_decision_is_shown_with_every_statement_and_denial_exits_with_3() {
    let asked = question("k", &read("arn:aws:s3:::b/a/*"));
    let (code, out, _) = said(&run(&["policy", "evaluate", "--request", "-"], &asked.to_string()));
    assert_eq!(code, Some(3), "{out}");
    assert!(out.starts_with("implicit_deny, decided by none\n"), "{out}");
    let row: Vec<&str> = out.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(row, ["identity[0]", "0", "Read", "1", "Allow", "no", "yes", "yes", "no"], "{out}");

    let mut typo = question("k", &read("arn:aws:s3:::b/*"));
    typo["policies"]["identity"][0]["Statement"][0]["Efect"] = json!("Allow");
    let (code, out, _) = said(&run(&["policy", "evaluate", "--request", "-"], &typo.to_string()));
    assert_eq!(code, Some(3), "{out}");
    assert!(out.starts_with("invalid, decided by identity\n") && out.contains("Efect"), "{out}");
}

#[test]
fn misuse_exits_with_2_and_names_the_field() {
    let evaluate = ["policy", "evaluate", "--request", "-"];
    let cases: [(&[&str], &str, &str); 7] = [
        (&["policy", "validate", "--kind", "bucket", "--account", "1111"], "{}", "twelve digits"),
        (&["policy", "validate", "--kind", "bucket", "--bucket", "s3://b/k"], "{}", "leave out `s3://`"),
        (&evaluate, "{", "stdin:1:1"),
        (&evaluate, "{\"request\": {}}", "`request.principal`: the field is missing"),
        (&["policy", "generate", "b c", "--operations", "get"], "", "`bucket`"),
        (
            &["policy", "generate", "bucket", "--operations", "get", "--document", "trust"],
            "",
            "no such document",
        ),
        (&["policy", "diff", "-", "-", "--kind", "identity"], "", "stdin holds one policy"),
    ];
    for (arguments, input, wanted) in cases {
        let (code, _, words) = said(&run(arguments, input));
        assert_eq!(code, Some(2), "{arguments:?}: {words}");
        assert!(words.contains(wanted), "{arguments:?}: {words}");
    }
}

#[test]
fn a_policy_that_cannot_be_compared_exits_with_3_and_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let new = folder.path().join("new.json");
    fs::write(&new, read("arn:aws:s3:::b/*").to_string()).unwrap();
    let diff = ["policy", "diff", "-", new.to_str().unwrap(), "--kind", "identity"];
    let (code, _, words) = said(&run(&diff, "{\"Statement\": {\"Effect\": \"allow\"}}"));
    assert_eq!(code, Some(3), "{words}");
    assert!(words.contains("stdin: Statement.Effect:1:26"), "{words}");
    // an element that another kind has
    let (code, _, words) = said(&run(&diff, &TYPO.replace("\"Effect\"", "\"Principal\": \"*\", \"Effect\"")));
    assert_eq!(code, Some(3), "{words}");
    assert!(words.contains("stdin: line 3"), "{words}");
}

#[test]
fn what_is_generated_is_valid_and_does_what_was_wanted() {
    let wish = ["policy", "generate", "invoices", "--prefix", "a/", "--operations", "list,get", "--tls-only"];
    for kind in ["identity", "bucket"] {
        let (code, document, words) = said(&run(&[&wish[..], &["--document", kind]].concat(), ""));
        assert_eq!(code, Some(0), "{words}");
        let (code, out, words) = said(&run(&["policy", "validate", "--kind", kind], &document));
        assert_eq!((code, out.as_str()), (Some(0), ""), "{document}\n{words}");
    }
}

#[test]
fn a_policy_cannot_steer_the_terminal() {
    let text = TYPO.replace("s3:GetObjects", "s3:\\u001b[2JGet");
    let (code, out, _) = said(&run(&["policy", "validate", "--kind", "identity"], &text));
    assert_eq!(code, Some(3), "{out}");
    let raw = TYPO.replace("s3:GetObjects", "s3:\u{1b}[2J\u{9b}Get");
    for text in [text, raw] {
        let (_, out, words) = said(&run(&["policy", "validate", "--kind", "identity"], &text));
        assert!(!out.contains(['\u{1b}', '\u{9b}']) && !words.contains(['\u{1b}', '\u{9b}']), "{out:?}");
    }
}
