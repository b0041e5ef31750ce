//! The pages about reading, writing and listing say what works: their `sh` blocks run here, and what a page shows of
//! their output came out.

#![allow(clippy::unwrap_used, reason = "test code outside of test functions")]

use std::path::Path;

use crate::transcript;

async fn run(page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/queries/{page}.md"));
    for step in transcript::run(&std::fs::read_to_string(path).unwrap(), page).await {
        step.assert_shown();
    }
}

#[tokio::test]
async fn the_page_about_reading_works() {
    run("reading").await;
}

#[tokio::test]
async fn the_page_about_writing_works() {
    run("writing").await;
}

#[tokio::test]
async fn the_page_about_listing_works() {
    run("listing").await;
}
