//! What the bucket is set to: aspects asked all at once, each with its own outcome.

use std::sync::Arc;

use futures_util::future::join_all;

use crate::app::connection::Connection;
use crate::app::objects::{Answered, Outcome, Target, require};
use crate::app::{App, Error};
use crate::aws::{AwsError, ErrorKind};
use crate::model::bucket::{Aspect, AspectAnswer, AspectProblem, AspectState, BucketSettings};
use crate::model::error_catalogue;
use crate::model::operation::Operation;

impl App {
    /// What the bucket is set to in these respects; all of them when none is named. One that fails leaves the others
    /// as they are; what all of them fail with (refused credentials, no such bucket) fails the query.
    pub async fn get_bucket(
        self: &Arc<Self>,
        target: Target<'_>,
        aspects: &[Aspect],
    ) -> Result<Outcome<BucketSettings>, Error> {
        let wanted = if aspects.is_empty() { &Aspect::ALL } else { aspects };
        self.run(target, Operation::GetBucket, None, |connection| async move {
            let asked = wanted.iter().map(|aspect| ask(&connection, *aspect));
            let answers = join_all(asked).await;
            if let Some(error) = shared_failure(&answers) {
                return Err(error);
            }
            let described = wanted
                .iter()
                .zip(answers)
                .map(|(aspect, answer)| (aspect.as_str(), described(*aspect, answer)));
            let value =
                BucketSettings { bucket: connection.s3.bucket().to_owned(), aspects: described.collect() };
            Ok(Answered { value, bytes: None, request_id: None })
        })
        .await
    }
}

pub(in crate::app) type Asked = Result<Option<serde_json::Value>, AwsError>;

/// One aspect; nothing is sent where the provider lacks it.
pub(in crate::app) async fn ask(connection: &Connection, aspect: Aspect) -> Asked {
    if let Some(feature) = aspect.feature() {
        require(connection, feature)?;
    }
    connection.s3.setting(aspect).await
}

/// The failure that has nothing to do with any aspect, when every one that the provider has fails with it.
fn shared_failure(answers: &[Asked]) -> Option<AwsError> {
    let is_asked = |answer: &&Asked| !matches!(answer, Err(error) if error.kind == ErrorKind::Unsupported);
    let answers: Vec<&Asked> = answers.iter().filter(is_asked).collect();
    let errors: Vec<&AwsError> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    let first = *errors.first()?;
    let of_aspects = matches!(first.kind, ErrorKind::AccessDenied | ErrorKind::NotFound);
    let shared = errors.len() == answers.len() && errors.iter().all(|error| error.kind == first.kind);
    (shared && !of_aspects).then(|| first.clone())
}

/// The outcome for those who asked.
pub(in crate::app) fn described(aspect: Aspect, answer: Asked) -> AspectAnswer {
    match answer {
        Ok(Some(value)) => AspectAnswer { state: AspectState::Set, value: Some(value), problem: None },
        Ok(None) => AspectAnswer { state: AspectState::NotSet, value: None, problem: None },
        Err(error) => {
            let state = match error.kind {
                ErrorKind::AccessDenied => AspectState::Denied,
                ErrorKind::Unsupported => AspectState::NotSupported,
                _ => AspectState::Failed,
            };
            AspectAnswer { state, value: None, problem: Some(problem(aspect, state, &error)) }
        }
    }
}

fn problem(aspect: Aspect, state: AspectState, error: &AwsError) -> AspectProblem {
    let denied = state == AspectState::Denied;
    let entry = error_catalogue::find(error.catalogue_code());
    let remedy = if denied {
        Some(format!("allow `{}` for the resource's identity", aspect.action()))
    } else {
        entry.map(|entry| format!("{} - {} can do this", entry.remedy, entry.owner.as_str()))
    };
    AspectProblem {
        code: error.catalogue_code().to_owned(),
        detail: error.message.clone(),
        remedy,
        action: denied.then(|| aspect.action().to_owned()),
        request_id: error.request_id.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::shared_failure;
    use crate::aws::{AwsError, ErrorKind};

    #[test]
    fn only_what_every_aspect_fails_with_fails_the_query() {
        let failed = |kind| Err(AwsError::new(kind, "s3", "Code", "text"));
        let bad = ErrorKind::BadCredentials;
        assert!(shared_failure(&[failed(bad), failed(bad)]).is_some());
        assert!(shared_failure(&[failed(bad), failed(ErrorKind::Unsupported)]).is_some());
        assert!(shared_failure(&[failed(bad), Ok(None)]).is_none());
        assert!(shared_failure(&[failed(bad), failed(ErrorKind::Timeout)]).is_none());
        assert!(shared_failure(&[failed(ErrorKind::AccessDenied)]).is_none());
        assert!(shared_failure(&[failed(ErrorKind::Unsupported), failed(ErrorKind::Unsupported)]).is_none());
        assert!(shared_failure(&[]).is_none());
    }
}
