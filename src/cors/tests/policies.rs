//! The configurations in `policies/cors`: no finding about any, and each is what its uses need and no more.

use std::collections::BTreeSet;

use super::{read, root};
use crate::cors::{
    Bucket, CorsConfiguration, CorsRule, Credentials, Expectation, Form, Operation, Profile, Signing, Use,
    evaluate, recommend,
};

const APP: &str = "https://app.example.com";

struct Policy {
    file: &'static str,
    uses: Vec<Use>,
    expected: &'static [Expectation],
}

fn stated(origin: &str, operations: &[Operation]) -> Use {
    Use {
        origins: vec![origin.to_owned()],
        operations: operations.to_vec(),
        signing: Signing::Presigned,
        checksums: false,
        credentials: Credentials::Omit,
        request_headers: Vec::new(),
        read_headers: Vec::new(),
    }
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn policies() -> Vec<Policy> {
    let uploads = [Operation::Put, Operation::PutParts, Operation::FormPost];
    let everything = [
        Operation::List,
        Operation::Get,
        Operation::GetRange,
        Operation::Head,
        Operation::Put,
        Operation::Multipart,
        Operation::Delete,
    ];
    vec![
        Policy {
            file: "download.json",
            uses: vec![Use {
                read_headers: texts(&["ETag"]),
                ..stated(APP, &[Operation::Get, Operation::Head])
            }],
            expected: &[Expectation::Head],
        },
        Policy {
            file: "public-read.json",
            uses: vec![stated("*", &[Operation::Get, Operation::Head])],
            expected: &[Expectation::Head],
        },
        Policy {
            file: "range-reads.json",
            uses: vec![stated(APP, &[Operation::GetRange, Operation::Head])],
            expected: &[Expectation::Head],
        },
        Policy { file: "put.json", uses: vec![stated(APP, &[Operation::Put])], expected: &[] },
        Policy {
            file: "put-parts.json",
            uses: vec![stated(APP, &[Operation::PutParts])],
            expected: &[Expectation::Multipart],
        },
        Policy { file: "form-post.json", uses: vec![stated(APP, &[Operation::FormPost])], expected: &[] },
        Policy {
            file: "browser-upload.json",
            uses: vec![Use {
                request_headers: texts(&["content-md5", "x-amz-*"]),
                read_headers: texts(&["x-amz-version-id"]),
                ..stated(APP, &uploads)
            }],
            expected: &[Expectation::Multipart, Expectation::Checksums],
        },
        Policy {
            file: "sdk-in-the-page.json",
            uses: vec![Use { signing: Signing::Headers, checksums: true, ..stated(APP, &everything) }],
            expected: &[
                Expectation::Multipart,
                Expectation::Checksums,
                Expectation::Delete,
                Expectation::Head,
                Expectation::SignedHeaders,
            ],
        },
        Policy {
            file: "apps-on-subdomains.json",
            uses: vec![
                stated("https://*.example.com", &[Operation::Put, Operation::PutParts, Operation::Delete]),
                stated("*", &[Operation::Get]),
            ],
            expected: &[Expectation::Multipart, Expectation::Delete],
        },
    ]
}

fn without_ids(configuration: &CorsConfiguration) -> CorsConfiguration {
    let rules = configuration.rules.iter().map(|rule| CorsRule { id: None, ..rule.clone() });
    CorsConfiguration { rules: rules.collect() }
}

#[test]
fn there_is_nothing_to_say_about_them() {
    for policy in policies() {
        let document = read(&format!("policies/cors/{}", policy.file));
        assert_eq!(document.form, Form::Api, "{}", policy.file);
        assert_eq!(document.validate(Profile::aws(), policy.expected), [], "{}", policy.file);
        assert!(document.configuration.rules.iter().all(|rule| rule.id.is_some()), "{}", policy.file);
    }
}

#[test]
fn they_are_what_their_uses_need_and_no_more() {
    for policy in policies() {
        let found = without_ids(&read(&format!("policies/cors/{}", policy.file)).configuration);
        let recommended = recommend(&policy.uses, Profile::aws()).unwrap();
        let sorted = |configuration: &CorsConfiguration| {
            let mut sorted = configuration.clone();
            for rule in &mut sorted.rules {
                for list in crate::cors::List::ALL {
                    rule.list_mut(list).sort_by_key(|text| text.to_lowercase());
                }
            }
            sorted
        };
        let print = recommended.configuration.print(Form::Api);
        assert_eq!(sorted(&found), sorted(&recommended.configuration), "{}\n{print}", policy.file);
        for request in &recommended.requests {
            let verdict = evaluate(Bucket::Configured(&found), Profile::aws(), request).verdict;
            assert!(
                verdict.succeeds && verdict.unreadable_headers.is_empty(),
                "{}: {}",
                policy.file,
                verdict.reason
            );
        }
    }
}

#[test]
fn every_file_is_tested_and_described() {
    let files: BTreeSet<String> = std::fs::read_dir(root("policies/cors"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let listed: BTreeSet<String> = policies().iter().map(|policy| policy.file.to_owned()).collect();
    assert_eq!(files, listed);
    let described = std::fs::read_to_string(root("policies/README.md")).unwrap();
    for file in files {
        assert!(described.contains(&format!("`cors/{file}`")), "{file}");
    }
}
