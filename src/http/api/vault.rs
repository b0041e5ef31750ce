//! The local vault: versions, rollback, what comes in from AWS, and a sealed document to take away. Never a value.

use axum::Json;
use axum::extract::State;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::app::{ImportWanted, MoveWanted, Moved, RolledBack, SecretVersion, VaultImported};
use crate::http::Api;
use crate::http::extract::{Admin, By, DryRun, Editor, Segment};
use crate::http::json_body::{JsonBody, JsonDocument, JsonOrDefault};
use crate::http::openapi::{Scope, Write};
use crate::http::problem::{Failure, Problems};
use crate::store::export::SealedVault;

/// Versions of a secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct VersionList {
    /// The newest first.
    versions: Vec<SecretVersion>,
}

/// The versions of a secret of a local source: ids, times, who and stages; never values. The last 20 are kept.
#[utoipa::path(get, path = "/v1/sources/{name}/secrets/{secret}/versions", tag = "sources", operation_id = "secret_versions", security(("token" = ["editor"])), params(("name" = String, Path, description = "The source."), ("secret" = String, Path, description = "The secret's name, slashes percent-encoded."), Scope), responses((status = 200, body = VersionList), Problems))]
pub async fn secret_versions(
    by: By<Editor>,
    State(api): State<Api>,
    Segment((name, secret)): Segment<(String, String)>,
) -> Result<Json<VersionList>, Failure> {
    Ok(Json(VersionList { versions: api.app.secret_versions(&by.0, &name, &secret).await? }))
}

/// Which version comes back.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// The version; absent for the previous one.
    #[serde(default)]
    #[schema(example = "0192f0c1-2b3a-7def-8a4b-0123456789ab")]
    version_id: Option<String>,
}

/// Makes an earlier version of a secret current again. The one that was current becomes `AWSPREVIOUS`, so that a second
/// rollback undoes the first.
#[utoipa::path(post, path = "/v1/sources/{name}/secrets/{secret}/rollback", tag = "sources", operation_id = "roll_back_secret", security(("token" = ["admin"])), params(("name" = String, Path, description = "The source."), ("secret" = String, Path, description = "The secret's name, slashes percent-encoded."), Write), request_body = Rollback, responses((status = 200, body = RolledBack), Problems))]
pub async fn roll_back_secret(
    by: By<Admin>,
    dry_run: DryRun,
    State(api): State<Api>,
    Segment((name, secret)): Segment<(String, String)>,
    JsonOrDefault(body): JsonOrDefault<Rollback>,
) -> Result<Json<RolledBack>, Failure> {
    let to = body.version_id.as_deref();
    Ok(Json(api.app.roll_back_secret(&by.0, &name, &secret, to, dry_run.0).await?))
}

/// A secret to move.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveToLocal {
    /// The name inside the source's namespace, or the ARN.
    #[schema(example = "payments/s3")]
    secret: String,
    /// The local source that takes it, under the same short name.
    #[schema(example = "vault")]
    target: String,
    /// Whether a secret of that name gives way; its value is kept as an earlier version.
    #[serde(default)]
    overwrite: bool,
}

/// Puts the last fetched value of a secret of an AWS source into a local source. Nothing at AWS changes, and references are
/// not rewritten: the answer says which there are and what to write.
#[utoipa::path(post, path = "/v1/sources/{name}/move-to-local", tag = "sources", operation_id = "move_to_local", security(("token" = ["admin"])), params(("name" = String, Path, description = "The source at AWS."), Write), request_body = MoveToLocal, responses((status = 200, body = Moved), Problems))]
pub async fn move_to_local(
    by: By<Admin>,
    dry_run: DryRun,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    JsonBody(body): JsonBody<MoveToLocal>,
) -> Result<Json<Moved>, Failure> {
    let MoveToLocal { secret, target, overwrite } = body;
    let wanted = MoveWanted { secret, target, overwrite };
    Ok(Json(api.app.move_to_local(&by.0, &name, &wanted, dry_run.0).await?))
}

/// What an export is sealed with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportVault {
    /// 12 to 1024 characters. Who has it and the document has the secrets.
    #[serde(deserialize_with = "secret_text")]
    #[schema(value_type = String, example = "several words that nobody guesses")]
    passphrase: SecretString,
}

/// Seals the current value of every secret of a local source, and its aliases, with a key derived from a passphrase
/// (Argon2id, XChaCha20-Poly1305). Needs a token of the whole installation: whoever chose the passphrase can open the
/// document, and no project's admin may read values. Up to 10,000 secrets and aliases.
#[utoipa::path(post, path = "/v1/sources/{name}/export", tag = "sources", operation_id = "export_vault", security(("token" = ["admin"])), params(("name" = String, Path, description = "The source."), Scope), request_body = ExportVault, responses((status = 200, body = SealedVault), Problems))]
pub async fn export_vault(
    by: By<Admin>,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    JsonBody(body): JsonBody<ExportVault>,
) -> Result<Json<SealedVault>, Failure> {
    Ok(Json(api.app.export_vault(&by.0, &name, body.passphrase).await?))
}

/// An export to bring in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportVault {
    /// The passphrase of the export.
    #[serde(deserialize_with = "secret_text")]
    #[schema(value_type = String, example = "several words that nobody guesses")]
    passphrase: SecretString,
    /// What the export answered.
    document: SealedVault,
    /// Whether secrets and aliases that are there give way; values before are kept as earlier versions.
    #[serde(default)]
    overwrite: bool,
}

/// Brings an export into a local source, all of it or nothing. What is there stays unless `overwrite` says otherwise.
/// Up to 10,000 secrets and aliases.
#[utoipa::path(post, path = "/v1/sources/{name}/import", tag = "sources", operation_id = "import_vault", security(("token" = ["admin"])), params(("name" = String, Path, description = "The source."), Write), request_body = ImportVault, responses((status = 200, body = VaultImported), Problems))]
pub async fn import_vault(
    by: By<Admin>,
    dry_run: DryRun,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    JsonDocument(body): JsonDocument<ImportVault>,
) -> Result<Json<VaultImported>, Failure> {
    let ImportVault { passphrase, document, overwrite } = body;
    let wanted = ImportWanted { passphrase, document, overwrite };
    Ok(Json(api.app.import_vault(&by.0, &name, wanted, dry_run.0).await?))
}

/// A text that is secret from the moment it is read.
fn secret_text<'de, D: Deserializer<'de>>(from: D) -> Result<SecretString, D::Error> {
    String::deserialize(from).map(SecretString::from)
}
