//! Clients that we did not write read what we wrote, and we read what they wrote: awscli, boto3, s5cmd and rclone, on
//! radosgw and on the embedded store, with keys that careless code changes and bodies of one part and of several.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::harness::process::Process;
use crate::harness::servers::Servers;
use crate::stores::{Place, by_key, raw, service_at};
use crate::support::{LONG, binary, expect};

/// Bytes of a body that every client and we send in several parts.
const LARGE: usize = 20 << 20;

/// A client written by somebody else.
#[derive(Debug, Clone, Copy)]
enum Outside {
    AwsCli,
    Boto3,
    S5cmd,
    Rclone,
}

const ALL: [Outside; 4] = [Outside::AwsCli, Outside::Boto3, Outside::S5cmd, Outside::Rclone];

/// Copies a file to a key or a key to a file; its arguments are endpoint, bucket, key, file and direction.
const BOTO3: &str = "
import boto3, sys
from botocore.config import Config
url, bucket, key, file, direction = sys.argv[1:]
s3 = boto3.client('s3', endpoint_url=url, config=Config(s3={'addressing_style': 'path'},
    request_checksum_calculation='when_required', response_checksum_validation='when_required'))
s3.upload_file(file, bucket, key) if direction == 'up' else s3.download_file(bucket, key, file)
";

impl Outside {
    /// Keys that the client itself leaves alone: s5cmd takes some for patterns, rclone and awscli clean paths.
    fn keys(self) -> &'static [&'static str] {
        match self {
            Outside::Boto3 => &["plain.txt", "a//b", "../x", "dir/ü 🚀+&?#%=.txt", "a%2Fb"],
            Outside::AwsCli | Outside::Rclone => &["plain.txt", "dir/ü 🚀+&#%=.txt", "a%2Fb"],
            Outside::S5cmd => &["plain.txt", "dir/ü 🚀+&#%=.txt"],
        }
    }

    async fn up(self, place: &Place, file: &Path, key: &str) {
        self.copy(place, file, key, "up").await;
    }

    async fn down(self, place: &Place, key: &str, file: &Path) {
        self.copy(place, file, key, "down").await;
    }

    async fn copy(self, place: &Place, file: &Path, key: &str, direction: &str) {
        let bin = Servers::get().python_bin;
        let (url, bucket) = (place.url.as_str(), place.bucket.as_str());
        let file = file.to_str().unwrap();
        let ordered = |remote: String| match direction {
            "up" => [file.to_owned(), remote],
            _ => [remote, file.to_owned()],
        };
        let mut command = match self {
            Outside::Boto3 => {
                let mut command = Command::new(bin.join("python"));
                command.args(["-c", BOTO3, url, bucket, key, file, direction]);
                command
            }
            Outside::AwsCli => {
                let mut command = Command::new(bin.join("aws"));
                command.args(["--endpoint-url", url, "s3", "cp", "--no-progress"]);
                command.args(ordered(format!("s3://{bucket}/{key}")));
                command.env("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required");
                command
            }
            Outside::S5cmd => {
                let mut command = Command::new(bin.join("s5cmd"));
                command.args(["--endpoint-url", url, "cp", "--raw", "--part-size", "5"]);
                command.args(ordered(format!("s3://{bucket}/{key}")));
                command
            }
            Outside::Rclone => {
                let mut command = Command::new("rclone");
                command.args(["--config", "/dev/null", "--s3-no-check-bucket", "--s3-provider", "Ceph"]);
                command.args(["--s3-upload-cutoff", "5Mi", "copyto"]);
                command.args(ordered(format!(":s3:{bucket}/{key}")));
                command.env("RCLONE_S3_ENDPOINT", url).env("RCLONE_S3_FORCE_PATH_STYLE", "true");
                command.env("RCLONE_S3_ACCESS_KEY_ID", &place.key.id);
                command.env("RCLONE_S3_SECRET_ACCESS_KEY", &place.key.secret);
                command
            }
        };
        command
            .env_remove("AWS_CA_BUNDLE")
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("AWS_REGION", "us-east-1");
        command.env("AWS_ACCESS_KEY_ID", &place.key.id).env("AWS_SECRET_ACCESS_KEY", &place.key.secret);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{self:?} {direction} `{key}` at {}: {said}", place.name);
    }
}

/// Bytes that repeat nowhere near a part's size, another row for each seed.
fn body(length: usize, seed: u64) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed + 1) | 1;
    let mut step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(&mut step).flatten().take(length).collect()
}

/// Every client and every store: small bodies under awkward keys, and one body of several parts, both ways.
#[tokio::test]
async fn what_we_write_others_read_and_what_they_write_we_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    for place in Place::both().await {
        let service = service_at(&place).await;
        let client = &service.admin;
        for (seed, outside) in (0_u64..).zip(ALL) {
            let small = outside.keys().iter().map(|key| (*key, 11_usize));
            for (key, length) in small.chain([("large.bin", LARGE)]) {
                let say = format!("{outside:?} at {}: `{key}`", place.name);
                let (ours, theirs) = (body(length, 2 * seed), body(length, 2 * seed + 1));
                let put = raw(client, "PUT", &by_key("main", key), &[], &ours).await;
                assert_eq!(put.status, 200, "{say}: {put:?}");
                outside.down(&place, key, &file).await;
                assert!(std::fs::read(&file).unwrap() == ours, "{say}: they read something else");
                std::fs::write(&file, &theirs).unwrap();
                outside.up(&place, &file, key).await;
                let got = raw(client, "GET", &by_key("main", key), &[], b"").await;
                assert!(got.body == theirs, "{say}: we read something else: {}", got.head);
                let head = expect(client.query("main", &json!({"operation": "head", "key": key})).await, 200);
                assert_eq!((&head["key"], &head["size"]), (&json!(key), &json!(length)), "{say}");
            }
        }
        let listed = expect(client.query("main", &json!({"operation": "list"})).await, 200);
        let keys: Vec<&str> =
            listed["objects"].as_array().unwrap().iter().map(|row| row["key"].as_str().unwrap()).collect();
        assert_eq!(keys, place.keys().await, "{}: the list is the store's", place.name);
        assert_eq!(place.open_uploads().await, 0, "{}", place.name);
    }
}

#[tokio::test]
async fn the_env_file_of_dev_leads_other_tools_to_its_store() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("store.env"));
    // what an earlier start left behind, open to everybody
    std::fs::write(&file, "old").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut command = Command::new(binary());
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command.args(["dev", "--listen", "127.0.0.1:0", "--data"]).arg(&data).arg("--env-file").arg(&file);
    let mut dev = Process::start("dev", command);
    dev.wait_for_line("Press Ctrl-C", LONG).await;
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    let secret = text.lines().find_map(|line| line.strip_prefix("export AWS_SECRET_ACCESS_KEY=")).unwrap();
    assert!(!dev.output().contains(secret), "the key is nowhere but in the file");
    assert!(dev.output().contains(&format!(". '{}'", file.display())), "{}", dev.output());
    let bin = Servers::get().python_bin;
    let script = format!(
        ". '{}'; '{}' s3 ls s3://sample-bucket && rclone --config /dev/null cat dev:sample-bucket/hello.txt",
        file.display(),
        bin.join("aws").display()
    );
    let mut shell = Command::new("sh");
    shell.args(["-euc", &script]).env_remove("AWS_CA_BUNDLE");
    let output = tokio::task::spawn_blocking(move || shell.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("hello.txt") && said.contains("Hello from s3-connector."), "{said}");
    assert!(dev.terminate(LONG).await.success());
}
