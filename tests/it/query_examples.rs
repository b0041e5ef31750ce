//! Every operation has an example for callers of HTTP and one for the command line, in blocks that the tests run.

#![allow(clippy::unwrap_used, reason = "test code outside of test functions")]

use std::fs;
use std::path::Path;

use crate::openapi;

/// An operation, what calls it over HTTP besides its JSON query, and its command.
#[rustfmt::skip]
const EXAMPLES: &[(&str, &str, &str)] = &[
    ("list", "/objects?", "object list "),
    ("head", "curl -sSI ", "object head "),
    ("get", "/objects/sales.csv", "object get "),
    ("put", "api -T ", "object put "),
    ("delete", "-X DELETE ", "object delete "),
    ("sign", "objects:sign ", "object sign "),
    ("sign_post", "objects:sign-post ", "object sign-post "),
    ("sign_parts", "objects:sign-parts ", "object sign-parts "),
    ("create_multipart_upload", "POST uploads ", "object upload create "),
    ("upload_part", "/object/part?", "object upload part "),
    ("list_parts", "GET uploads/", "object upload parts "),
    ("complete_multipart_upload", "POST uploads/", "object upload complete "),
    ("abort_multipart_upload", "DELETE uploads/", "object upload abort "),
    ("list_multipart_uploads", "GET uploads?", "object upload list "),
    ("clean_multipart_uploads", "DELETE uploads?", "object upload clean "),
    ("delete_many", "objects:delete '{\"keys\"", "object delete invoices old/1 old/2"),
    ("delete_prefix", "objects:delete '{\"prefix\"", "object delete invoices --prefix "),
    ("copy", "objects:copy ", "object copy "),
    ("move", "objects:move ", "object move "),
    ("rename_prefix", "objects:rename", "object rename "),
    ("get_tags", "GET 'object/tags?", "object tags get "),
    ("put_tags", "PUT 'object/tags?", "object tags set "),
    ("delete_tags", "DELETE 'object/tags?", "object tags delete "),
    ("get_acl", "GET 'object/acl?", "object acl get "),
    ("put_acl", "PUT 'object/acl?", "object acl set "),
    ("restore_version", "POST objects:restore ", "object restore "),
    ("get_bucket", "GET 'bucket?", "bucket show "),
    ("put_bucket_cors", "PUT bucket/cors ", "bucket set-cors "),
    ("delete_bucket_cors", "DELETE bucket/cors", "bucket delete-cors "),
    ("put_bucket_policy", "PUT 'bucket/policy?", "bucket set-policy "),
    ("delete_bucket_policy", "DELETE bucket/policy", "bucket delete-policy "),
];

/// What stands in the `sh` blocks of the pages about queries.
fn commands() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/queries");
    let pages = fs::read_dir(folder).unwrap().map(|page| fs::read_to_string(page.unwrap().path()).unwrap());
    let mut commands = String::new();
    for page in pages {
        let blocks = page.split("\n```").skip(1).step_by(2);
        commands.extend(blocks.filter_map(|block| block.strip_prefix("sh\n")));
    }
    commands
}

#[test]
fn every_operation_has_an_example_over_http_and_one_on_the_command_line() {
    let document = openapi::document();
    let mapping = document["components"]["schemas"]["Query"]["discriminator"]["mapping"].as_object().unwrap();
    let commands = commands();
    for operation in mapping.keys() {
        let known = EXAMPLES.iter().find(|(name, ..)| name == operation);
        let (_, http, command) = known.unwrap_or_else(|| panic!("`{operation}` has no line in EXAMPLES"));
        let query =
            [format!("\"operation\": \"{operation}\""), format!("\\\"operation\\\": \\\"{operation}\\\"")];
        let over_http = commands.contains(http) || query.iter().any(|query| commands.contains(query));
        assert!(over_http, "`{operation}` has no example with curl in docs/queries");
        assert!(
            commands.contains(&format!("s3-connector {command}")),
            "`{operation}` has no example with `{command}`"
        );
    }
}
