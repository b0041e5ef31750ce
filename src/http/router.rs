//! Every route of the service, on one page. `routes!` binds handler, path, method and documentation.

use axum::Router;
use axum::middleware;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::api::{
    access, bucket, checks, cors, events, objects, policies, policy_check, query, resources, secret_answers,
    secrets, service, sources, usage_policies, vault,
};
use crate::http::openapi::Document;
use crate::http::{Api, observe, pages, parameters};

/// The routes with their documentation.
pub fn documented() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(service::healthz))
        .routes(routes!(service::readyz))
        .routes(routes!(service::metrics))
        .routes(routes!(service::openapi))
        .routes(routes!(access::whoami))
        .routes(routes!(resources::list_resources, resources::create_resource))
        .routes(routes!(checks::test_definition))
        .routes(routes!(resources::propose_resources))
        .routes(routes!(
            resources::get_resource,
            resources::replace_resource,
            resources::patch_resource,
            resources::delete_resource
        ))
        .routes(routes!(resources::copy_resource))
        .routes(routes!(resources::resource_history))
        .routes(routes!(resources::restore_resource))
        .routes(routes!(checks::test_resource))
        .routes(routes!(checks::list_tests))
        .routes(routes!(checks::list_rechecks))
        .routes(routes!(query::query))
        .routes(routes!(query::explain::explain_query))
        .routes(routes!(objects::list_objects))
        .routes(routes!(
            objects::get_object,
            objects::head_object,
            objects::put_object,
            objects::delete_object
        ))
        .routes(routes!(
            objects::get_object_by_key,
            objects::head_object_by_key,
            objects::put_object_by_key,
            objects::delete_object_by_key
        ))
        .merge(signed_and_in_parts())
        .merge(many_and_metadata())
        .merge(about_policies())
        .merge(about_cors())
        .routes(routes!(sources::list_sources, sources::create_source))
        .routes(routes!(sources::test_source_definition))
        .routes(routes!(sources::activate_source))
        .routes(routes!(
            sources::get_source,
            sources::replace_source,
            sources::patch_source,
            sources::delete_source
        ))
        .routes(routes!(sources::test_source))
        .routes(routes!(sources::get_alias, sources::put_alias, sources::delete_alias))
        .routes(routes!(secrets::list_secrets))
        .routes(routes!(secrets::put_secret, secrets::delete_secret))
        .routes(routes!(vault::secret_versions))
        .routes(routes!(vault::roll_back_secret))
        .routes(routes!(vault::move_to_local))
        .routes(routes!(vault::export_vault))
        .routes(routes!(vault::import_vault))
        .routes(routes!(secrets::secret_usage))
        .routes(routes!(secret_answers::secret_keys))
        .routes(routes!(secret_answers::explain_secrets))
        .routes(routes!(secret_answers::secret_policies))
        .routes(routes!(secret_answers::forecast_secrets))
        .routes(routes!(secret_answers::rehearse_secret))
        .routes(routes!(secrets::cache_status))
        .routes(routes!(secrets::refresh_secrets))
        .routes(routes!(secrets::clear_source_cache))
        .routes(routes!(secrets::clear_cache))
        .routes(routes!(events::post_secret_event))
        .routes(routes!(usage_policies::list_usage_policies, usage_policies::create_usage_policy))
        .routes(routes!(usage_policies::check_usage_policies))
        .routes(routes!(
            usage_policies::get_usage_policy,
            usage_policies::replace_usage_policy,
            usage_policies::delete_usage_policy
        ))
        .merge(about_access())
}

/// Tokens, projects and the audit.
fn about_access() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(access::list_tokens, access::create_token))
        .routes(routes!(access::revoke_token))
        .routes(routes!(access::list_projects, access::create_project))
        .routes(routes!(access::list_audit))
        .routes(routes!(access::verify_audit))
}

/// Configurations for pages of other origins, from their text alone.
fn about_cors() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(cors::validate_cors))
        .routes(routes!(cors::evaluate_cors))
        .routes(routes!(cors::recommend_cors))
        .routes(routes!(cors::check_cors))
}

/// What others do on behalf of a caller: signed URLs, forms, uploads in parts.
fn signed_and_in_parts() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(objects::uploads::put_object_part))
        .routes(routes!(objects::sign::sign_object))
        .routes(routes!(objects::sign::sign_object_post))
        .routes(routes!(objects::sign::sign_object_parts))
        .routes(routes!(
            objects::uploads::create_object_upload,
            objects::uploads::list_object_uploads,
            objects::uploads::clean_object_uploads
        ))
        .routes(routes!(objects::uploads::list_object_parts, objects::uploads::abort_object_upload))
        .routes(routes!(objects::uploads::complete_object_upload))
}

/// Many objects at once, and what objects, versions and buckets are beside their bytes.
fn many_and_metadata() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(objects::bulk::delete_objects))
        .routes(routes!(objects::bulk::copy_object))
        .routes(routes!(objects::bulk::move_object))
        .routes(routes!(objects::bulk::rename_objects))
        .routes(routes!(
            objects::tags::get_object_tags,
            objects::tags::put_object_tags,
            objects::tags::delete_object_tags
        ))
        .routes(routes!(objects::acl::get_object_acl, objects::acl::put_object_acl))
        .routes(routes!(objects::restore::restore_object_version))
        .routes(routes!(bucket::get_bucket))
        .routes(routes!(bucket::put_bucket_cors, bucket::delete_bucket_cors))
        .routes(routes!(bucket::put_bucket_policy, bucket::delete_bucket_policy))
}

/// What can be told of IAM policies by themselves, and of those of a bucket.
fn about_policies() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(policies::validate_policy))
        .routes(routes!(policies::evaluate_policies))
        .routes(routes!(policies::generate_policies))
        .routes(routes!(policies::diff_policies))
        .routes(routes!(policy_check::check_policy))
}

/// The service.
pub fn router(api: Api) -> Router {
    let (router, document) = documented().split_for_parts();
    parameters::learn(document);
    router
        .merge(pages::routes())
        .fallback(observe::not_found)
        .method_not_allowed_fallback(observe::method_not_allowed)
        .layer(middleware::from_fn(observe::observe))
        .with_state(api)
}
