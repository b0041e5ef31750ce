//! Secrets that a definition names and the vault does not have. A definition may be saved before its secrets are there; that
//! they are missing is said at once, and not by the first query. Sources at AWS are not asked: a test of the resource does that.

use std::collections::BTreeSet;

use crate::app::App;
use crate::finding::Finding;
use crate::model::secret::SourceKind;
use crate::store::ResourceRecord;

impl App {
    /// One warning for each secret that is not there.
    pub(super) async fn missing_secrets(&self, record: &ResourceRecord) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut seen = BTreeSet::new();
        for used in self.uses(record) {
            let Ok((source, key)) = &used.target else { continue };
            let definition = &source.record.definition;
            let is_new = seen.insert((source.record.id.clone(), key.secret.clone()));
            if definition.kind != SourceKind::Local || !is_new {
                continue;
            }
            // what cannot be read now is told by the query that needs it
            let versions = self.store.vault_versions(&source.record.id, &key.secret).await;
            if versions.is_ok_and(|versions| versions.is_empty()) {
                let secret = &*key.secret;
                let name = self.registry.state().source_label(&record.project_id, source);
                let who = if source.is_of_workspace() { "an admin of the installation" } else { "an admin" };
                let message = format!("`{}`: the source `{name}` has no secret `{secret}`", used.reference);
                findings.push(
                    Finding::warning("SECRET_MISSING", used.field, message)
                        .with_help(format!("{who} can write it: `s3-connector secret put '{secret}' - --source {name}` takes its value from stdin")),
                );
            }
        }
        findings
    }
}
