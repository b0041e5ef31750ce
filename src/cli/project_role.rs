//! `--project-role`: the role of one project in a source of the workspace.

use std::str::FromStr;

use serde_json::{Value, json};

use crate::cli::patch::Patch;

/// `PROJECT=ROLE_ARN[,EXTERNAL_ID]`; without a role it clears the project's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProjectRole {
    project: String,
    role: Option<(String, Option<String>)>,
}

impl FromStr for ProjectRole {
    type Err = String;

    fn from_str(text: &str) -> Result<ProjectRole, String> {
        let (project, role) = text
            .split_once('=')
            .filter(|(project, _)| !project.is_empty() && !project.contains('.'))
            .ok_or("write `PROJECT=ROLE_ARN`, `PROJECT=ROLE_ARN,EXTERNAL_ID`, or `PROJECT=` to clear it")?;
        let role = match role.split_once(',') {
            Some((arn, id)) => Some((arn.to_owned(), Some(id.to_owned()).filter(|id| !id.is_empty()))),
            None => Some((role.to_owned(), None)),
        };
        let role = role.filter(|(arn, _)| !arn.is_empty());
        Ok(ProjectRole { project: project.to_owned(), role })
    }
}

impl ProjectRole {
    /// Adds the role to a patch, in place of all that the project's role was.
    pub(crate) fn add_to(&self, patch: &mut Patch) {
        let value = match &self.role {
            None => Value::Null,
            Some((arn, external_id)) => json!({"role_arn": arn, "external_id": external_id}),
        };
        patch.set(&format!("project_roles.{}", self.project), value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::ProjectRole;
    use crate::cli::patch::Patch;

    fn patch(text: &str) -> Value {
        let mut patch = Patch::default();
        text.parse::<ProjectRole>().unwrap().add_to(&mut patch);
        patch.into_value()["project_roles"].clone()
    }

    #[test]
    fn a_role_is_set_with_or_without_an_external_id_and_cleared() {
        let arn = "arn:aws:iam::111122223333:role/billing";
        let alone = json!({"billing": {"role_arn": arn, "external_id": null}});
        assert_eq!(patch(&format!("billing={arn}")), alone);
        let both = json!({"billing": {"role_arn": arn, "external_id": "a=b,c"}});
        assert_eq!(patch(&format!("billing={arn},a=b,c")), both);
        assert_eq!(patch("billing="), json!({"billing": null}));
        for wrong in ["billing", "=arn", "a.b=arn"] {
            assert!(wrong.parse::<ProjectRole>().is_err(), "{wrong}");
        }
    }
}
