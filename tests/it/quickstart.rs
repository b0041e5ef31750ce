//! `docs/quickstart.md` says what works: its `sh` blocks run here, in order, as one script.

use crate::transcript;

const PAGE: &str = include_str!("../../docs/quickstart.md");

#[tokio::test]
async fn every_command_of_the_quickstart_works() {
    let steps = transcript::run(PAGE, "quickstart").await;
    let out: String = steps.into_iter().map(|step| step.said).collect();
    assert_eq!(
        out.matches(r#""verdict":"works""#).count(),
        3,
        "a source and two resources are tested\n{out}"
    );
    assert!(out.contains("total: 42") && out.contains("hello"), "{out}");
    assert!(out.contains("TEMPLATE_SYNTAX"), "{out}");
    assert!(!out.contains("the-secret-access-key-of-the-bucket"), "a value came back\n{out}");
}
