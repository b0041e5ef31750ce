//! Exit codes, and which error gets which: 0 ok, 1 failed, 2 usage, 3 denied or invalid.

use std::io::ErrorKind;
use std::process::ExitCode;

use crate::cli::problem::Problem;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did what was asked.
    Ok,
    /// It did not.
    Failed,
    /// The command line makes no sense.
    Usage,
    /// The caller or the resource may not, or the definition cannot be used.
    Denied,
}

/// What was asked for makes no sense; the text says what would.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(String);

/// An error of the command line.
pub(crate) fn usage(text: impl Into<String>) -> anyhow::Error {
    Usage(text.into()).into()
}

impl Exit {
    /// The exit that an error means.
    pub(crate) fn of(error: &anyhow::Error) -> Exit {
        if error.is::<Usage>() {
            return Exit::Usage;
        }
        match error.downcast_ref::<Problem>() {
            Some(problem) if problem.is_denied() => Exit::Denied,
            _ if is_closed_pipe(error) => Exit::Ok,
            _ => Exit::Failed,
        }
    }

    /// Failed when something is wrong.
    pub(crate) fn failed_if(wrong: bool) -> Exit {
        if wrong { Exit::Failed } else { Exit::Ok }
    }
}

/// Whoever reads stdout has read enough, as `head` does.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    kind == Some(ErrorKind::BrokenPipe)
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Ok => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Denied => 3,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Exit, usage};
    use crate::cli::problem::Problem;

    fn exit_of(status: u16, body: &serde_json::Value) -> Exit {
        Exit::of(&Problem::read(status, body.to_string().as_bytes(), None).into())
    }

    #[test]
    fn what_is_denied_or_invalid_exits_with_3() {
        assert_eq!(exit_of(400, &json!({})), Exit::Denied);
        assert_eq!(exit_of(401, &json!({})), Exit::Denied);
        assert_eq!(exit_of(403, &json!({})), Exit::Denied);
        assert_eq!(exit_of(422, &json!({})), Exit::Denied);
        assert_eq!(
            exit_of(424, &json!({"upstream": {"service": "s3", "code": "AccessDenied"}})),
            Exit::Denied
        );
        assert_eq!(exit_of(424, &json!({"code": "AccessDeniedException"})), Exit::Denied);
    }

    #[test]
    fn everything_else_that_goes_wrong_exits_with_1() {
        assert_eq!(
            exit_of(424, &json!({"upstream": {"service": "s3", "code": "NoSuchBucket"}})),
            Exit::Failed
        );
        assert_eq!(exit_of(404, &json!({})), Exit::Failed);
        assert_eq!(exit_of(409, &json!({})), Exit::Failed);
        assert_eq!(exit_of(412, &json!({})), Exit::Failed);
        assert_eq!(exit_of(500, &json!({})), Exit::Failed);
        assert_eq!(Exit::of(&anyhow::anyhow!("no connection")), Exit::Failed);
    }

    #[test]
    fn a_misuse_exits_with_2_and_a_closed_pipe_with_0() {
        assert_eq!(Exit::of(&usage("say which")), Exit::Usage);
        let closed = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert_eq!(Exit::of(&closed.into()), Exit::Ok);
    }
}
