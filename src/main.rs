//! tmp
#![allow(clippy::print_stdout)]
fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let rt = tokio::runtime::Runtime::new()?;
    rt.block_on(async {
        if args.get(1).map(String::as_str) == Some("dev") {
            return s3_connector::dev::run(s3_connector::dev::Options { once: true, ..Default::default() }, |line| println!("{line}")).await;
        }
        let config = s3_connector::config::Config::load(None, Default::default())?;
        s3_connector::http::serve(config, |_, token| { if let Some(t) = token { println!("{t}"); } }).await
    })
}
