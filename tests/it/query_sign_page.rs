//! `docs/queries/sign.md` says what works: its commands run here, and what the page shows of their output came out.

use crate::transcript;

const PAGE: &str = include_str!("../../docs/queries/sign.md");

#[tokio::test]
async fn every_command_of_the_page_about_signing_works_and_says_what_the_page_shows() {
    for step in &transcript::run(PAGE, "sign").await {
        step.assert_shown();
    }
}
