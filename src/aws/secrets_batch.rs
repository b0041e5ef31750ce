//! Reads of different secrets that come together go out together, as one `BatchGetSecretValue`.
//!
//! The first of them waits a moment for the others and then asks for all. Where the permission for batches is missing,
//! or the service has none, each is asked for by itself.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::aws::AwsError;
use crate::aws::secrets_manager::FetchedSecret;

/// How long the first read waits for others.
pub(super) const WINDOW: Duration = Duration::from_millis(5);
/// Secrets of one call (`BatchGetSecretValue`, API reference).
pub(super) const MOST: usize = 20;
/// How long batches are not tried after they were refused.
const PAUSE: Duration = Duration::from_mins(10);

/// What one read gets; none asks for itself.
pub(super) type Share = Option<Result<FetchedSecret, AwsError>>;

/// A read that waits for the batch.
pub(super) struct Waiting {
    pub(super) id: String,
    pub(super) share: oneshot::Sender<Share>,
}

/// Reads that wait, and whether batches work.
#[derive(Default)]
pub(super) struct Gathering {
    waiting: Mutex<Vec<Waiting>>,
    refused_at: Mutex<Option<Instant>>,
}

impl std::fmt::Debug for Gathering {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Gathering(..)")
    }
}

impl Gathering {
    /// Whether batches are worth a try.
    pub(super) fn works(&self) -> bool {
        let refused_at = *self.refused_at.lock().unwrap_or_else(PoisonError::into_inner);
        refused_at.is_none_or(|at| at.elapsed() > PAUSE)
    }

    /// Batches are refused: the permission is missing, or the service has none.
    pub(super) fn refused(&self) {
        *self.refused_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Joins those who wait; true for the first, who must ask for all.
    pub(super) fn join(&self, id: &str) -> (bool, oneshot::Receiver<Share>) {
        let (share, receiver) = oneshot::channel();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(Waiting { id: id.to_owned(), share });
        (waiting.len() == 1, receiver)
    }

    /// Those who wait, in groups of one call.
    pub(super) fn take(&self) -> Vec<Vec<Waiting>> {
        let mut all = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let mut groups = Vec::new();
        while !all.is_empty() {
            let rest = all.split_off(all.len().min(MOST));
            groups.push(std::mem::replace(&mut all, rest));
        }
        groups
    }
}

/// Whether an answer is the one for `id`: a name, an ARN, or an ARN without its last six characters.
pub(super) fn answers(id: &str, name: &str, arn: Option<&str>) -> bool {
    id == name
        || arn.is_some_and(|arn| {
            arn == id || arn.strip_prefix(id).is_some_and(|rest| rest.len() == 7 && rest.starts_with('-'))
        })
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::{Gathering, MOST, PAUSE, WINDOW, answers};

    #[test]
    fn the_first_of_a_group_asks_and_groups_have_the_size_of_a_call() {
        let gathering = Gathering::default();
        let firsts = (0..45).filter(|number| gathering.join(&number.to_string()).0).count();
        assert_eq!(firsts, 1);
        let sizes: Vec<usize> = gathering.take().iter().map(Vec::len).collect();
        assert_eq!(sizes, [MOST, MOST, 5]);
        assert!(gathering.take().is_empty());
        assert!(gathering.join("next").0);
    }

    #[test]
    fn refused_batches_are_tried_again_after_a_while() {
        let gathering = Gathering::default();
        assert!(gathering.works());
        gathering.refused();
        assert!(!gathering.works());
        *gathering.refused_at.lock().unwrap() = Instant::now().checked_sub(PAUSE + WINDOW);
        assert!(gathering.works());
    }

    #[test]
    fn an_answer_is_known_by_name_and_by_arn() {
        let arn = "arn:aws:secretsmanager:r:1:secret:db-AbCdEf";
        for id in ["db", arn, "arn:aws:secretsmanager:r:1:secret:db"] {
            assert!(answers(id, "db", Some(arn)), "{id}");
        }
        assert!(!answers("d", "db", Some(arn)));
        assert!(!answers("arn:aws:secretsmanager:r:1:secret:d", "db", Some(arn)));
    }
}
