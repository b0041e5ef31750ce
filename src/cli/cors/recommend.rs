//! `cors recommend`: the smallest configuration for what pages do.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::cli::cors::page_flags::PageFlags;
use crate::cli::exit::Exit;
use crate::cli::input;
use crate::cli::output::{Format, Output, counted};
use crate::cors::{Form, Operation, Use};
use crate::model::cors_question::{CorsProvider, CorsWanted};

/// Flags of `cors recommend`.
#[derive(Debug, Args)]
pub(crate) struct Recommend {
    /// What pages do, again for each use: origins, then operations, each with commas between them
    #[arg(
        long = "use",
        value_name = "ORIGIN=OPERATION,…",
        value_parser = stated,
        required_unless_present = "request"
    )]
    uses: Vec<Stated>,
    /// Uses in JSON (the body of `POST /v1/cors/recommend`), `-` for stdin
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["uses", "signed_headers", "checksums", "with_credentials", "send", "read"]
    )]
    request: Option<PathBuf>,
    #[command(flatten)]
    pages: PageFlags,
    /// Store that the bucket is at [default: that of the request, or aws]
    #[arg(long, value_parser = CorsProvider::parse)]
    provider: Option<CorsProvider>,
    /// How it is written [default: that of the request, or api]
    #[arg(long, value_enum)]
    form: Option<FormWord>,
}

/// The forms that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormWord {
    // for `aws s3api put-bucket-cors` and SDKs
    Api,
    // for the S3 console
    Console,
    // for the store itself
    Xml,
    // for `bucket set-cors`
    Service,
}

impl From<FormWord> for Form {
    fn from(word: FormWord) -> Form {
        match word {
            FormWord::Api => Form::Api,
            FormWord::Console => Form::Console,
            FormWord::Xml => Form::Xml,
            FormWord::Service => Form::Service,
        }
    }
}

/// Origins, and what their pages do.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stated {
    origins: Vec<String>,
    operations: Vec<Operation>,
}

fn stated(text: &str) -> Result<Stated, String> {
    let (origins, operations) =
        text.split_once('=').ok_or("write it as `https://app.example.com=put,get`")?;
    let words = |text: &str| text.split(',').map(|word| word.trim().to_owned()).collect::<Vec<_>>();
    let operations = words(operations);
    let operations = operations.iter().map(|word| input::word::<Operation>(word));
    Ok(Stated { origins: words(origins), operations: operations.collect::<Result<_, _>>()? })
}

impl Recommend {
    pub(super) async fn run(mut self, out: &Output) -> anyhow::Result<Exit> {
        let mut wanted = match self.request.take() {
            Some(file) => input::typed(&file, input::json(&file).await?)?,
            None => {
                CorsWanted { uses: self.uses(), provider: CorsProvider::default(), form: Form::default() }
            }
        };
        wanted.provider = self.provider.unwrap_or(wanted.provider);
        wanted.form = self.form.map_or(wanted.form, Form::from);
        let advice = match wanted.recommend() {
            Ok(advice) => advice,
            Err(error) => {
                out.fail(&error.into());
                return Ok(Exit::Denied);
            }
        };
        match out.format() {
            Format::Table => {
                out.line(advice.text.trim_end())?;
                let requests = counted(advice.requests.len() as u64, "request");
                out.say(format!("tried with {requests} of pages: all work"));
            }
            Format::Json | Format::Ndjson => out.json(&json!(advice))?,
        }
        Ok(Exit::Ok)
    }

    /// The uses of the flags: what holds for all of them is stated once.
    fn uses(&mut self) -> Vec<Use> {
        let stated = std::mem::take(&mut self.uses);
        let uses = stated.into_iter().map(|stated| Use {
            origins: stated.origins,
            operations: stated.operations,
            signing: self.pages.signing(),
            checksums: self.pages.checksums,
            credentials: self.pages.credentials(),
            request_headers: self.pages.send.clone(),
            read_headers: self.pages.read.clone(),
        });
        uses.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Operation, stated};

    #[test]
    fn a_use_is_origins_and_operations() {
        let found = stated("https://a.example,https://b.example=put, get_range").unwrap();
        assert_eq!(found.origins, ["https://a.example", "https://b.example"]);
        assert_eq!(found.operations, [Operation::Put, Operation::GetRange]);
        assert!(stated("https://a.example").is_err());
        let error = stated("*=fetch").unwrap_err();
        assert!(error.contains("`list`") && error.contains("`delete`"), "{error}");
    }
}
