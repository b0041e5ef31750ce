//! What pages do besides their operations: the same flags wherever uses are stated.

use clap::Args;

use crate::cors::{Credentials, Signing};

/// Flags of pages.
#[derive(Debug, Args)]
pub(super) struct PageFlags {
    /// Requests are signed in headers, as an SDK in the page does
    #[arg(long)]
    signed_headers: bool,
    /// An SDK sends and reads checksums
    #[arg(long)]
    pub(super) checksums: bool,
    /// Cookies go along
    #[arg(long)]
    with_credentials: bool,
    /// Header that every request sends as well, again for each
    #[arg(long, value_name = "HEADER")]
    pub(super) send: Vec<String>,
    /// Header of the answers that the page reads as well, again for each
    #[arg(long, value_name = "HEADER")]
    pub(super) read: Vec<String>,
}

impl PageFlags {
    pub(super) fn signing(&self) -> Signing {
        if self.signed_headers { Signing::Headers } else { Signing::Presigned }
    }

    pub(super) fn credentials(&self) -> Credentials {
        if self.with_credentials { Credentials::Include } else { Credentials::Omit }
    }
}
