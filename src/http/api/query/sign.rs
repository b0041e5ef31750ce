//! Signed URLs and forms.

use crate::app::Target;
use crate::http::api::query::{QueryAnswer, Ran, Run};
use crate::model::multipart::SignPartsOptions;
use crate::model::signed::{SignOptions, SignPostOptions};

pub(super) async fn sign(run: Run<'_>, options: SignOptions) -> Ran {
    let signed = run.app.sign(target(run), &options).await?;
    Ok((QueryAnswer::Sign(signed.value), signed.freshness))
}

pub(super) async fn sign_post(run: Run<'_>, options: SignPostOptions) -> Ran {
    let signed = run.app.sign_post(target(run), &options).await?;
    Ok((QueryAnswer::SignPost(signed.value), signed.freshness))
}

pub(super) async fn sign_parts(run: Run<'_>, options: SignPartsOptions) -> Ran {
    let signed = run.app.sign_parts(target(run), &options).await?;
    Ok((QueryAnswer::SignParts(signed.value), signed.freshness))
}

/// Whether an answer holds a credential, which nobody on the way may keep.
pub(super) fn is_credential(answer: &QueryAnswer) -> bool {
    match answer {
        QueryAnswer::Sign(_) | QueryAnswer::SignPost(_) | QueryAnswer::SignParts(_) => true,
        QueryAnswer::List(page) => page.objects.iter().any(|row| row.url.is_some()),
        _ => false,
    }
}

pub(super) fn target(run: Run<'_>) -> Target<'_> {
    Target { caller: run.caller, resource: run.resource, environment: run.environment }
}
