//! The main job, step by step through the REST interface, each with the curl line that does the same.

use std::net::SocketAddr;

use anyhow::Context;
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::dev::BUCKET;
use crate::model::check::{Report, Status};
use crate::model::object::ObjectPage;

const RESOURCE: &str = "sample";
const KEY: &str = "hello.txt";
const CONTENT: &str = "Hello from s3-connector.\n";

/// A client of the service that was just started.
pub(super) struct Walk {
    client: reqwest::Client,
    server: String,
    store: SocketAddr,
    token: SecretString,
}

/// One request.
struct Step<'a> {
    title: &'a str,
    method: Method,
    path: &'a str,
    /// What is sent.
    body: Option<Value>,
    /// What is shown of it, when it holds a key.
    shown: Option<&'a str>,
}

impl Walk {
    pub(super) fn new(server: SocketAddr, store: SocketAddr, token: SecretString) -> anyhow::Result<Walk> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        Ok(Walk { client, server: format!("http://{server}"), store, token })
    }

    pub(super) async fn round(
        &self,
        key_id: &SecretString,
        secret: &SecretString,
        say: &impl Fn(&str),
    ) -> anyhow::Result<()> {
        self.register(key_id, secret, say).await?;
        self.test(say).await?;
        self.objects(say).await
    }

    async fn register(
        &self,
        key_id: &SecretString,
        secret: &SecretString,
        say: &impl Fn(&str),
    ) -> anyhow::Result<()> {
        let source = json!({"name": "vault", "kind": "local"});
        self.make(say, "1. a secret source: the local vault", "/v1/sources", source).await?;
        let value = json!({"value": {"key_id": key_id.expose_secret(), "secret": secret.expose_secret()}});
        let put = Step {
            title: "2. the keys of the store, as a secret of the vault",
            method: Method::PUT,
            path: "/v1/sources/vault/secrets/s3",
            body: Some(value),
            // a line that could be run would put dots in place of the keys
            shown: Some("@keys.json"),
        };
        expect(self.send(put, say).await?, &[StatusCode::OK]).await?;
        say(
            r#"   => done for you with new keys; a keys.json of your own has {"value": {"key_id": "…", "secret": "…"}}"#,
        );
        let resource = json!({
            "name": RESOURCE,
            "bucket": BUCKET,
            "region": "us-east-1",
            "endpoint": format!("http://{}", self.store),
            "addressing": "path",
            // conditions, checksums and the like: the embedded store has what AWS has
            "provider": "aws",
            "auth": {
                "kind": "access_key",
                // by its name: the sample goes on working when another source is made the active one
                "access_key_id": "{{ secrets@vault.s3.key_id }}",
                "secret_access_key": "{{ secrets@vault.s3.secret }}",
            },
        });
        let title = "3. a resource whose keys are templates";
        if !self.make(say, title, "/v1/resources", resource).await? {
            // the store has another port at every start
            let patch = json!({"endpoint": format!("http://{}", self.store)});
            let request =
                self.request(Method::PATCH, &format!("/v1/resources/{RESOURCE}")).header("if-match", "*");
            expect(request.json(&patch).send().await?, &[StatusCode::OK]).await?;
        }
        Ok(())
    }

    async fn test(&self, say: &impl Fn(&str)) -> anyhow::Result<()> {
        let path = format!("/v1/resources/{RESOURCE}/test");
        let step = Step {
            title: "4. test the connection, writing and deleting one object",
            method: Method::POST,
            path: &path,
            body: Some(json!({"write": true})),
            shown: None,
        };
        let report: Report = expect(self.send(step, say).await?, &[StatusCode::OK]).await?.json().await?;
        for check in &report.checks {
            let mark = match check.status {
                Status::Passed => "ok",
                Status::Failed => "FAILED",
                Status::Warning => "warning",
                Status::Skipped => "skipped",
                Status::Unsupported => "unsupported",
            };
            say(&format!("     {:<20} {mark:<12} {}", check.name, check.detail));
        }
        say(&format!("   => {}", report.verdict.as_str()));
        anyhow::ensure!(
            report.checks.iter().all(|check| check.status != Status::Failed),
            "the test of the sample failed"
        );
        Ok(())
    }

    async fn objects(&self, say: &impl Fn(&str)) -> anyhow::Result<()> {
        let object = format!("/v1/resources/{RESOURCE}/objects/{KEY}");
        say_curl(
            say,
            "5. put an object",
            &format!("-T - {}{object} <<< 'Hello from s3-connector.'", self.server),
        );
        let put = self.request(Method::PUT, &object).body(CONTENT).send().await?;
        let put: Value = expect(put, &[StatusCode::OK]).await?.json().await?;
        say(&format!("   => {put}"));
        let list = format!("/v1/resources/{RESOURCE}/objects");
        let step = Step { title: "6. list", method: Method::GET, path: &list, body: None, shown: None };
        let page: ObjectPage = expect(self.send(step, say).await?, &[StatusCode::OK]).await?.json().await?;
        for row in &page.objects {
            say(&format!("   => {:>8} {} {}", row.size, row.last_modified.as_deref().unwrap_or(""), row.key));
        }
        anyhow::ensure!(
            page.objects.iter().any(|row| row.key == KEY),
            "the object that was put is not in the list"
        );
        let step =
            Step { title: "7. get it back", method: Method::GET, path: &object, body: None, shown: None };
        let text = expect(self.send(step, say).await?, &[StatusCode::OK]).await?.text().await?;
        say(&format!("   => {}", text.trim_end()));
        anyhow::ensure!(text == CONTENT, "what came back is not what was put");
        Ok(())
    }

    /// Makes something; false when it was there already.
    async fn make(&self, say: &impl Fn(&str), title: &str, path: &str, body: Value) -> anyhow::Result<bool> {
        let step = Step { title, method: Method::POST, path, body: Some(body), shown: None };
        let response =
            expect(self.send(step, say).await?, &[StatusCode::CREATED, StatusCode::CONFLICT]).await?;
        let made = response.status() == StatusCode::CREATED;
        if !made {
            say("   => it is there already, from an earlier start");
        }
        Ok(made)
    }

    async fn send(&self, step: Step<'_>, say: &impl Fn(&str)) -> anyhow::Result<reqwest::Response> {
        let mut line = String::new();
        if step.method != Method::GET {
            line = format!("-X {} ", step.method);
        }
        line.push_str(&self.server);
        line.push_str(step.path);
        let mut request = self.request(step.method, step.path);
        if let Some(body) = &step.body {
            let shown = step.shown.map_or_else(|| body.to_string(), str::to_owned);
            line = format!("{line} -d '{shown}'");
            request = request.json(body);
        }
        say_curl(say, step.title, &line);
        request.send().await.context("the service does not answer")
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.server)).bearer_auth(self.token.expose_secret())
    }
}

async fn expect(response: reqwest::Response, wanted: &[StatusCode]) -> anyhow::Result<reqwest::Response> {
    let status = response.status();
    if wanted.contains(&status) {
        return Ok(response);
    }
    let text = response.text().await.unwrap_or_default();
    anyhow::bail!("the service answered {status}: {text}")
}

fn say_curl(say: &impl Fn(&str), title: &str, line: &str) {
    say("");
    say(title);
    say(&format!("   $ curl -sS -H \"Authorization: Bearer $S3_CONNECTOR_TOKEN\" {line}"));
}
