//! `cors`: what is wrong with a CORS configuration, what a page gets with it, and which one its uses need. No server and
//! no bucket is asked.

mod evaluate;
mod recommend;
mod validate;

use clap::Subcommand;

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
}

impl CorsCommand {
    pub(crate) async fn run(self, out: &Output) -> anyhow::Result<Exit> {
        match self {
            CorsCommand::Validate(validate) => validate.run(out).await,
            CorsCommand::Evaluate(evaluate) => evaluate.run(out).await,
            CorsCommand::Recommend(recommend) => recommend.run(out).await,
        }
    }
}
