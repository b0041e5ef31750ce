//! `docs/secrets/walkthrough.md` says what works: its `sh` blocks run here, in order, as one script, and what the
//! page shows of their output came out.

#![allow(clippy::unwrap_used, reason = "test code outside of test functions")]

use crate::transcript::{self, Step};

const PAGE: &str = include_str!("../../docs/secrets/walkthrough.md");

#[tokio::test]
async fn every_command_of_the_walkthrough_works_and_says_what_the_page_shows() {
    let steps = transcript::run(PAGE, "walkthrough").await;
    for step in &steps {
        step.assert_shown();
    }
    let refresh = steps.iter().find(|step| step.commands.contains("secret refresh s3")).unwrap();
    let (before, after) = versions(refresh);
    assert_ne!(before, after, "the rotation was seen");
}

/// The version before and after a refresh, from its table.
fn versions(refresh: &Step) -> (String, String) {
    let row = refresh.said.lines().find(|line| line.starts_with("walkthrough/s3 ")).unwrap();
    let mut cells = row.split_whitespace().skip(1).map(str::to_owned);
    (cells.next().unwrap(), cells.next().unwrap())
}
