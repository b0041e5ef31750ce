//! The `s3-connector` command.

use std::process::ExitCode;

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::io::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let code = runtime.block_on(s3_connector::cli::run());
    // a thread that still waits for the terminal must not hold the process back
    runtime.shutdown_background();
    Ok(code)
}
