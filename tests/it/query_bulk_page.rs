//! `docs/queries/bulk.md` says what works: its commands run here, and what the page shows of their output came out.

use crate::transcript;

const PAGE: &str = include_str!("../../docs/queries/bulk.md");

#[tokio::test]
async fn every_command_of_the_page_about_many_objects_works_and_says_what_the_page_shows() {
    for step in &transcript::run(PAGE, "bulk").await {
        step.assert_shown();
    }
}
