//! `cors`: what is wrong with a CORS configuration, what a page gets with it, and which one its uses need, for which no
//! server and no bucket is asked; and whether the bucket of a resource lets pages in.

mod check;
mod evaluate;
mod page_flags;
mod recommend;
mod validate;

use clap::Subcommand;

use crate::cli::Session;
use crate::cli::cors::check::CheckResource;
use crate::cli::cors::evaluate::Evaluate;
use crate::cli::cors::recommend::Recommend;
use crate::cli::cors::validate::Validate;
use crate::cli::exit::Exit;
use crate::cli::output::Output;

/// What can be asked about CORS configurations.
#[derive(Debug, Subcommand)]
pub(crate) enum CorsCommand {
    /// Says what is wrong with a configuration, and where
    #[command(after_help = "Examples:
  s3-connector cors validate cors.json
  s3-connector cors validate cors.xml --provider garage --expect multipart --expect head
  aws s3api get-bucket-cors --bucket invoices | s3-connector cors validate -

Takes the JSON of the S3 console, of the API and of this service, and XML. Exits with 3 when a finding is an error.")]
    Validate(Validate),
    /// Says what a page gets of its request, and why
    #[command(after_help = "Examples:
  s3-connector cors evaluate --request request.json
  s3-connector cors evaluate --configuration cors.json --request - <<'JSON'
  {\"page\": {\"origin\": \"https://app.example.com\", \"method\": \"PUT\", \"headers\": [{\"name\": \"Content-Type\", \"value\": \"image/png\"}]}}
  JSON

The request holds `configuration` (absent: the bucket has none), `page`, and where it matters `provider` and
`missing_bucket`: the body of `POST /v1/cors/evaluate`. Exits with 3 when the page does not get the answer, or may not
read a header that it wants to `read`.")]
    Evaluate(Evaluate),
    /// Prints the smallest configuration for what pages do
    #[command(after_help = "Examples:
  s3-connector cors recommend --use https://app.example.com=put,get --form console
  s3-connector cors recommend --use https://app.example.com=multipart --use '*=get' --provider garage
  s3-connector cors recommend --use https://app.example.com=put --send 'x-amz-meta-*' --read ETag
  s3-connector cors recommend --request uses.json --form xml

Operations: list, get, get_range, head, put, put_parts, multipart, form_post, delete. Exits with 3 when no configuration
does it, and says why.")]
    Recommend(Recommend),
    /// Says whether a resource's bucket lets pages in: by its configuration, and really
    #[command(after_help = "Examples:
  s3-connector cors check invoices --origin https://app.example.com
  s3-connector cors check invoices --origin https://app.example.com --use put_parts,get --read x-amz-version-id
  s3-connector cors check invoices --use multipart --signed-headers --output json

Asks the server, which asks the store as a browser would; nothing is written. Exits with 3 when a use fails.")]
    Check(CheckResource),
}

impl CorsCommand {
    /// `session` is only for what needs a server.
    pub(crate) async fn run(
        self,
        out: &Output,
        session: impl FnOnce() -> anyhow::Result<Session>,
    ) -> anyhow::Result<Exit> {
        match self {
            CorsCommand::Check(check) => check.run(&session()?).await,
            CorsCommand::Validate(validate) => validate.run(out).await,
            CorsCommand::Evaluate(evaluate) => evaluate.run(out).await,
            CorsCommand::Recommend(recommend) => recommend.run(out).await,
        }
    }
}
