//! `policy`: IAM policies, judged here from their text alone; only `check` asks a server, for the live ones of a bucket.
//! A file for each command, besides `snippet` (a place in a text, shown) and `words` (the words that the engine takes).

mod check;
mod diff;
mod evaluate;
mod generate;
mod validate;
mod words;

use clap::Subcommand;

use crate::cli::Session;
use crate::cli::exit::{Exit, usage};
use crate::cli::output::Output;

use check::Check;
use diff::Diff;
use evaluate::Evaluate;
use generate::Generate;
use validate::Validate;

/// What can be done with a policy.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Tells what is wrong with a policy, where, and what to write instead
    #[command(after_help = "Examples:
  s3-connector policy validate policy.json --kind identity
  aws s3api get-bucket-policy --bucket b --query Policy --output text |
    s3-connector policy validate --kind bucket --bucket b --account 111122223333
  s3-connector policy validate policy.json --kind identity --repair > repaired.json

Exits with 3 when AWS would refuse the policy. docs/policies/codes.md explains every code.")]
    Validate(Validate),
    /// Decides a request from every policy that applies, and says why
    #[command(after_help = "Examples:
  s3-connector policy evaluate --request request.json
  s3-connector policy evaluate --request - --output json < request.json

The file holds the request, the policies and what is known of the bucket:
  {\"request\": {\"principal\": \"arn:aws:iam::111122223333:role/app\", \"action\": \"s3:GetObject\",
               \"resource\": \"arn:aws:s3:::b/k\", \"context\": {\"aws:SecureTransport\": [\"true\"]}},
   \"policies\": {\"identity\": [{…}], \"resource\": {…}}, \"bucket\": {}}
Exits with 3 when the request is denied or a policy is invalid.")]
    Evaluate(Evaluate),
    /// Writes the least policies for what is to be done with a bucket
    #[command(after_help = "Examples:
  s3-connector policy generate invoices --prefix 2026/ --operations list,get,put --tls-only
  s3-connector policy generate invoices --operations get --document identity > policy.json
  s3-connector policy generate invoices --operations get --external arn:aws:iam::444455556666:role/app")]
    Generate(Box<Generate>),
    /// Finds requests that a change of a policy decides differently
    #[command(after_help = "Examples:
  s3-connector policy diff old.json new.json --kind identity
  git show HEAD:policy.json | s3-connector policy diff - policy.json --kind bucket

Every difference was evaluated both ways. That none is found is no proof that there is none.")]
    Diff(Diff),
    /// Tells what the live policies of a resource's bucket come to, and whether a test agrees
    #[command(after_help = "Examples:
  s3-connector policy check invoices
  s3-connector policy check invoices --test --identity-policy policy.json
  s3-connector policy check archive --principal arn:aws:iam:::user/app --no-identity-policies --output json

Asks the server, which reads the bucket with the resource's own credentials. What may not be read is named, and what
depends on it is unknown. Exits with 3 when a finding is an error, or an operation that the resource allows is denied.")]
    Check(Check),
}

impl PolicyCommand {
    /// `session` is opened only where a server is asked: the rest works without the settings of one.
    pub(crate) async fn run(
        self,
        out: &Output,
        session: impl FnOnce() -> anyhow::Result<Session>,
    ) -> anyhow::Result<Exit> {
        match self {
            PolicyCommand::Validate(validate) => validate.run(out).await,
            PolicyCommand::Evaluate(evaluate) => evaluate.run(out).await,
            PolicyCommand::Generate(generate) => generate.run(out),
            PolicyCommand::Diff(diff) => diff.run(out).await,
            PolicyCommand::Check(check) => check.run(&session()?).await,
        }
    }
}

/// What a text is called in messages.
/// What cannot be used, in the words of the engine.
fn unusable(path: &str, message: &str) -> anyhow::Error {
    usage(format!("`{path}`: {message}"))
}
