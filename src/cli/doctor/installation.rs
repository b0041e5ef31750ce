//! The database, and what it leads to. An existing one is looked at; nothing is made or migrated unless that was asked for.

use crate::app::doctor;
use crate::cli::doctor::{database_file, failed, passed, warning};
use crate::cli::settings::without_password;
use crate::config::Config;
use crate::model::check::{Check, Status};
use crate::store::Schema;

const BINARY: &str = env!("CARGO_PKG_VERSION");

/// Opening a database migrates it, and makes a key in an empty one: `create` allows both.
pub(super) async fn checks(config: &Config, create: bool) -> Vec<Check> {
    let shown = without_password(&config.store.database_url());
    if database_file(config).is_some_and(|file| !file.exists()) {
        let alone = passed("schema-known", format!("s3-connector {BINARY}; there is no database yet"));
        if create {
            return behind(config, &shown, alone).await;
        }
        let text = format!("`{shown}` is not there yet: the first start makes it, and so does --create");
        let mut checks = vec![alone, Check::new("database-opens", Status::Skipped, text)];
        checks.extend(after_opening("not tried, because there is no database yet"));
        return checks;
    }
    let schema = match doctor::schema(config).await {
        Ok(schema) => schema,
        Err(error) => {
            let text = "not tried, because the database does not open";
            let failure =
                failed("database-opens", format!("{error:#}"), "correct `store.url`, or start the database");
            let mut checks = skipped(&["schema-known"], text);
            checks.push(failure);
            checks.extend(after_opening(text));
            return checks;
        }
    };
    let check = known(schema);
    let unchanged = schema.applied == schema.known && schema.sealed;
    if check.status == Status::Failed || (!unchanged && !create) {
        let text = "not tried, because that would change the database; --create does it";
        let mut checks = vec![check, Check::new("database-opens", Status::Skipped, text)];
        checks.extend(after_opening("not tried, because the database is not opened"));
        return checks;
    }
    behind(config, &shown, check).await
}

async fn behind(config: &Config, shown: &str, schema: Check) -> Vec<Check> {
    [vec![schema], doctor::installation(config.clone(), shown).await].concat()
}

/// What is tried once the database is open.
fn after_opening(reason: &str) -> Vec<Check> {
    [skipped(&["sealing-key-opens"], reason), skipped(doctor::BEYOND, reason)].concat()
}

fn skipped(names: &[&str], reason: &str) -> Vec<Check> {
    names.iter().map(|name| Check::new(name, Status::Skipped, reason)).collect()
}

/// Whether this binary and the database belong together.
fn known(schema: Schema) -> Check {
    const NAME: &str = "schema-known";
    let Schema { applied, known, .. } = schema;
    let text = format!("s3-connector {BINARY} knows migrations up to {known}; the database has {applied}");
    if applied > known {
        let remedy = "a newer version made or changed this database: run that one, or a later one";
        return failed(NAME, text, remedy);
    }
    if applied < known {
        let remedy = "the next start migrates it; back it up before, because there is no way back";
        return warning(NAME, text, remedy);
    }
    passed(NAME, text)
}

#[cfg(test)]
mod tests {
    use super::known;
    use crate::model::check::Status;
    use crate::store::Schema;

    #[test]
    fn a_database_of_a_newer_version_fails_and_an_older_one_is_migrated() {
        let status = |applied| known(Schema { applied, known: 10, sealed: true }).status;
        assert_eq!([status(9), status(10), status(11)], [Status::Warning, Status::Passed, Status::Failed]);
    }
}
