//! `policy generate`: the least policies for a wish.

use clap::{Args, ValueEnum};
use serde_json::json;

use super::unusable;
use super::words::{ASPECTS, OPERATIONS, one_of};
use crate::cli::exit::{Exit, usage};
use crate::cli::output::{Format, Output, Style, plain};
use crate::policy::document::Policy;
use crate::policy::generate::{self, Aspect, External, Generated, Wanted, WantedOperation};
use crate::policy::print;

/// Flags of `policy generate`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Generate {
    /// Name of the bucket
    bucket: String,
    /// What is to be done, comma-separated; the words of a resource's operations
    #[arg(long, required = true, value_delimiter = ',', value_parser = one_of::<WantedOperation>(OPERATIONS))]
    operations: Vec<WantedOperation>,
    /// What keys begin with, with the last slash
    #[arg(long, default_value = "")]
    prefix: String,
    /// What of the bucket is read by `get_bucket`, comma-separated; default all
    #[arg(long, value_delimiter = ',', value_parser = one_of::<Aspect>(ASPECTS))]
    aspects: Vec<Aspect>,
    /// Uploads bring tags, copies carry them along
    #[arg(long)]
    tags: bool,
    /// Uploads and copies bring an ACL
    #[arg(long)]
    acl: bool,
    /// Uploads and copies may go in parts
    #[arg(long)]
    multipart: bool,
    /// Versions are read, copied and deleted by their id
    #[arg(long)]
    versions: bool,
    /// Refuse requests without TLS, by a bucket policy
    #[arg(long)]
    tls_only: bool,
    /// ARN of the KMS key that encrypts the objects
    #[arg(long, value_name = "ARN")]
    kms_key: Option<String>,
    /// Account that owns the bucket, in twelve digits
    #[arg(long, value_name = "ACCOUNT")]
    bucket_account: Option<String>,
    /// Who makes the requests, when it is of another account: ARN of a user or role, or an account
    #[arg(long, value_name = "PRINCIPAL")]
    external: Option<String>,
    /// External id that it has to give when it assumes a role
    #[arg(long, value_name = "ID", requires = "external")]
    external_id: Option<String>,
    /// Partition, when it is not `aws`
    #[arg(long)]
    partition: Option<String>,
    /// Only this document, for a file
    #[arg(long, value_enum)]
    document: Option<Document>,
}

/// One of the documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Document {
    // for the user or role that makes the requests
    Identity,
    // for the bucket
    Bucket,
    // for the role that somebody else assumes
    Trust,
}

impl Generate {
    pub(crate) fn run(self, out: &Output) -> anyhow::Result<Exit> {
        let document = self.document;
        let generated =
            generate::generate(&self.wanted()).map_err(|error| unusable(error.path, &error.message))?;
        match (document, out.format()) {
            (Some(document), _) => show_one(out, &generated, document)?,
            (None, Format::Table) => show(out, &generated)?,
            (None, Format::Json | Format::Ndjson) => out.json(&json!(generated))?,
        }
        if out.format() == Format::Table {
            generated.notes.iter().for_each(|note| out.say(format!("note: {note}")));
        }
        Ok(Exit::Ok)
    }

    fn wanted(self) -> Wanted {
        let external_id = self.external_id;
        Wanted {
            bucket: self.bucket,
            prefix: self.prefix,
            operations: self.operations,
            aspects: self.aspects,
            tags: self.tags,
            acl: self.acl,
            multipart: self.multipart,
            versions: self.versions,
            tls_only: self.tls_only,
            kms_key: self.kms_key,
            bucket_account: self.bucket_account,
            external: self.external.map(|principal| External { principal, external_id }),
            partition: self.partition,
        }
    }
}

fn show(out: &Output, generated: &Generated) -> anyhow::Result<()> {
    let documents = [
        ("identity policy, for the user or role", Some(&generated.identity)),
        ("bucket policy", generated.bucket.as_ref()),
        ("trust policy, for the role", generated.trust.as_ref()),
    ];
    for (name, policy) in documents {
        if let Some(policy) = policy {
            out.line(out.paint(Style::Faint, format!("# {name}")))?;
            write(out, policy)?;
        }
    }
    Ok(())
}

fn show_one(out: &Output, generated: &Generated, document: Document) -> anyhow::Result<()> {
    let policy = match document {
        Document::Identity => Some(&generated.identity),
        Document::Bucket => generated.bucket.as_ref(),
        Document::Trust => generated.trust.as_ref(),
    };
    let policy = policy.ok_or_else(|| {
        usage("this wish needs no such document: leave `--document` out to see what it needs")
    })?;
    write(out, policy)
}

fn write(out: &Output, policy: &Policy) -> anyhow::Result<()> {
    out.line(plain(print::print(policy).trim_end()))
}
