//! The command line: a client of the REST interface, and the service itself.
//!
//! Data goes to stdout and words to stderr; only `output` prints. Exit codes: 0 ok, 1 failed, 2 usage, 3 denied
//! or invalid. A value of a secret is sent and never shown; what destroys something asks first. Files in this
//! folder are one noun each, besides `client` (HTTP), `input`, `output`, `problem` and `exit` (the terminal's two
//! ends), `definition` and `patch` (bodies from files and flags), `report` (tests), and `finding` (about a text, with the
//! line from `snippet`).

mod alias;
mod audit;
mod bucket;
mod client;
mod cors;
mod definition;
mod doctor;
mod errors;
mod exit;
mod explain;
mod finding;
mod help;
mod import;
mod input;
mod object;
mod output;
mod patch;
mod policy;
mod problem;
mod project;
mod project_role;
mod readable;
mod report;
mod resource;
mod resource_fields;
mod resource_import;
mod rotate_key;
mod secret;
mod secret_answers;
mod serve;
mod settings;
mod snippet;
mod source;
mod token;
mod transfer;
mod usage_policy;
mod vault;

use std::process::ExitCode;
use std::rc::Rc;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::audit::AuditCommand;
use crate::cli::bucket::BucketCommand;
use crate::cli::client::{Client, Connection};
use crate::cli::cors::CorsCommand;
use crate::cli::doctor::Doctor;
use crate::cli::errors::Errors;
use crate::cli::exit::Exit;
use crate::cli::object::ObjectCommand;
use crate::cli::output::{Format, Output};
use crate::cli::policy::PolicyCommand;
use crate::cli::project::ProjectCommand;
use crate::cli::resource::ResourceCommand;
use crate::cli::rotate_key::RotateKey;
use crate::cli::secret::SecretCommand;
use crate::cli::serve::{Dev, Layers};
use crate::cli::settings::Settings;
use crate::cli::source::SourceCommand;
use crate::cli::token::TokenCommand;
use crate::cli::usage_policy::UsagePolicyCommand;
use crate::http;

const NAME: &str = "s3-connector";

/// A registry of S3 resources whose credentials are secret templates: query them, test them, never hand out a key
#[derive(Debug, Parser)]
#[command(
    name = NAME,
    version,
    max_term_width = 110,
    arg_required_else_help = true,
    after_help = "Start here:
  s3-connector dev                                   try it, with a store and sample data of its own
  s3-connector serve                                 run the service
  export S3_CONNECTOR_SERVER=http://127.0.0.1:8080   and call it
  export S3_CONNECTOR_TOKEN=s3c_…
  s3-connector resource list

Data goes to stdout, words to stderr; with --output json an error is one JSON object there.
Exit codes: 0 ok, 1 failed, 2 usage, 3 denied or invalid."
)]
struct Cli {
    #[command(flatten)]
    connection: Connection,
    /// How data is shown: for people, as the server's JSON, or as one JSON value a line
    #[arg(long, short, global = true, value_enum, default_value = "table", help_heading = "Output")]
    output: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Define, show, test and change resources
    #[command(subcommand)]
    Resource(ResourceCommand),
    /// List, look at, read, write and delete the objects of a resource
    #[command(subcommand)]
    Object(Box<ObjectCommand>),
    /// What a resource's bucket is set to; its CORS configuration and policy
    #[command(subcommand)]
    Bucket(BucketCommand),
    /// CORS configurations: what is wrong, what a page gets, what it needs; only `check` needs a server
    #[command(subcommand)]
    Cors(CorsCommand),
    /// The places that secrets come from
    #[command(subcommand)]
    Source(SourceCommand),
    /// The secrets of a source, by name; values go in and never come out
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Rules for which secrets may be used where
    #[command(subcommand)]
    UsagePolicy(UsagePolicyCommand),
    /// IAM policies: check, evaluate, write and compare them; only `check` needs a server
    #[command(subcommand)]
    Policy(Box<PolicyCommand>),
    /// API tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Projects, which see nothing of each other
    #[command(subcommand)]
    Project(ProjectCommand),
    /// Who did what
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Show who the server takes you for
    #[command(after_help = "Example:\n  s3-connector whoami")]
    Whoami,
    /// Run the service until a signal ends it
    #[command(after_help = "Examples:
  s3-connector serve --data /var/lib/s3-connector
  s3-connector serve --config s3-connector.toml --listen 0.0.0.0:8080

The first start makes the sealing key and an admin token, which it prints once.
`s3-connector config --defaults` explains every setting; `s3-connector doctor` looks for trouble first.")]
    Serve(Layers),
    /// Try the service with a store and sample data of its own
    #[command(
        after_help = "Examples:\n  s3-connector dev\n  s3-connector dev --once        # for scripts: start, test, stop"
    )]
    Dev(Dev),
    /// Look whether the service could start and would work, and say what to change
    #[command(
        after_help = "Example:\n  s3-connector doctor --config s3-connector.toml\n\nTests every source of secrets as well. Exits with 1 when something is wrong."
    )]
    Doctor(Doctor),
    /// Change the key that seals stored keys and vault secrets, beside the running service
    #[command(after_help = "Examples:
  s3-connector rotate-key                                  a new data key: everything is sealed again
  s3-connector rotate-key --master-file /etc/s3c/new.key   another master key: only the data key is
  s3-connector rotate-key --master-kms arn:aws:kms:eu-central-1:111122223333:alias/s3-connector

Run it on the host of the service, with the service's settings. A run that was cut off is finished by the next one.
After a change of the master key, change the settings as it says and restart every replica.")]
    RotateKey(RotateKey),
    /// Show the settings that are in force, or the documented defaults; never secrets
    #[command(after_help = "Examples:
  s3-connector config --defaults > s3-connector.toml
  S3_CONNECTOR__LOG__FORMAT=json s3-connector config")]
    Config(Settings),
    /// Tell what a code of an error means, what to do, and who can; needs no server
    #[command(
        after_help = "Examples:\n  s3-connector errors SignatureDoesNotMatch\n  s3-connector errors --output json"
    )]
    Errors(Errors),
    /// Print the OpenAPI document of the REST interface
    #[command(after_help = "Example:\n  s3-connector openapi > openapi.json")]
    Openapi,
    /// Print completions for a shell
    #[command(after_help = "Examples:
  s3-connector completions bash > /etc/bash_completion.d/s3-connector
  s3-connector completions zsh > \"${fpath[1]}/_s3-connector\"")]
    Completions {
        /// Shell to complete in
        shell: clap_complete::Shell,
    },
}

/// What the commands that call a server work with.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) out: Rc<Output>,
}

/// Reads the command line, does what it says, and gives the exit code.
pub async fn run() -> ExitCode {
    let cli = match parsed() {
        Ok(cli) => cli,
        Err(answer) => return output::parser_answer(&without_variables_in_usage(answer)),
    };
    let out = Rc::new(Output::new(cli.output));
    let outcome = match cli.command {
        // these end by themselves when a signal comes
        Command::Serve(layers) => serve::serve(&layers, &out).await,
        Command::Dev(dev) => dev.run(&out).await,
        command => tokio::select! {
            // the signals are waited for before anything happens that they should undo
            biased;
            code = interrupted() => return code,
            outcome = dispatch(command, &cli.connection, &out) => outcome,
        },
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(error) => {
            out.fail(&error);
            Exit::of(&error).into()
        }
    }
}

fn parsed() -> Result<Cli, clap::Error> {
    let matches = help::hold_examples(Cli::command()).try_get_matches()?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut Cli::command()))
}

async fn dispatch(command: Command, connection: &Connection, out: &Rc<Output>) -> anyhow::Result<Exit> {
    let session = || Ok::<_, anyhow::Error>(Session { client: connection.client()?, out: Rc::clone(out) });
    match command {
        Command::Resource(command) => command.run(&session()?).await,
        Command::Object(command) => (*command).run(&session()?).await,
        Command::Bucket(command) => command.run(&session()?).await,
        Command::Cors(command) => command.run(out, session).await,
        Command::Source(command) => command.run(&session()?).await,
        // what needs no server works without the settings of one
        Command::Secret(SecretCommand::Answers(answer)) if answer.is_offline() => answer.offline(out).await,
        Command::Secret(command) => command.run(&session()?).await,
        Command::UsagePolicy(command) => command.run(&session()?).await,
        Command::Policy(command) => (*command).run(out, session).await,
        Command::Token(TokenCommand::Generate) => token::generate(out),
        Command::Token(command) => command.run(&session()?).await,
        Command::Project(command) => command.run(&session()?).await,
        Command::Audit(command) => command.run(&session()?).await,
        Command::Whoami => token::whoami(&session()?).await,
        Command::Serve(layers) => serve::serve(&layers, out).await,
        Command::Dev(dev) => dev.run(out).await,
        Command::Doctor(doctor) => doctor.run(out).await,
        Command::RotateKey(rotate) => rotate.run(out).await,
        Command::Config(settings) => settings.run(out),
        Command::Errors(errors) => errors.run(out),
        Command::Openapi => openapi(out),
        Command::Completions { shell } => completions(out, shell),
    }
}

/// The same refusal, with a usage line that does not name options only because a variable gives them: clap shows
/// those like options that must be given.
fn without_variables_in_usage(answer: clap::Error) -> clap::Error {
    if !answer.use_stderr() || answer.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return answer;
    }
    let again = without_variables(Cli::command()).try_get_matches().err();
    again.filter(|again| again.kind() == answer.kind()).unwrap_or(answer)
}

fn without_variables(command: clap::Command) -> clap::Command {
    command.mut_args(|argument| argument.env(None::<&'static str>)).mut_subcommands(without_variables)
}

/// Waits for a signal to end. Whatever runs is dropped then, and takes its half-written files with it.
async fn interrupted() -> ExitCode {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    // 128 and the signal's number, as shells have it
    tokio::select! {
        _ = interrupt.recv() => ExitCode::from(130),
        _ = terminate.recv() => ExitCode::from(143),
    }
}

fn openapi(out: &Output) -> anyhow::Result<Exit> {
    out.json(&serde_json::from_str::<Value>(&http::openapi_json())?)?;
    Ok(Exit::Ok)
}

fn completions(out: &Output, shell: clap_complete::Shell) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), NAME, &mut script);
    out.line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::{Cli, Command};

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_teaches_with_an_example() {
        fn walk(path: &str, command: &clap::Command) {
            let below: Vec<&clap::Command> =
                command.get_subcommands().filter(|below| below.get_name() != "help").collect();
            let example = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(!below.is_empty() || example.contains(path), "`{path}` has no example");
            assert!(command.get_about().is_some(), "`{path}` does not say what it does");
            for below in below {
                walk(&format!("{path} {}", below.get_name()), below);
            }
        }
        walk("s3-connector", &Cli::command());
    }

    #[test]
    fn every_option_says_what_it_is_for() {
        fn walk(path: &str, command: &clap::Command) {
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "`{path}`: `{}` has no help", argument.get_id());
            }
            for below in command.get_subcommands() {
                walk(&format!("{path} {}", below.get_name()), below);
            }
        }
        walk("s3-connector", &Cli::command());
    }

    /// Stores make up version ids, and a `-` may lead them: radosgw's do in one of sixty-four.
    #[test]
    fn version_ids_of_stores_may_begin_with_a_hyphen() {
        fn walk(path: &str, command: &clap::Command, seen: &mut usize) {
            for argument in command.get_arguments().filter(|argument| argument.get_id() == "version") {
                *seen += 1;
                assert!(argument.is_allow_hyphen_values_set(), "`{path}` refuses them");
            }
            for below in command.get_subcommands() {
                walk(&format!("{path} {}", below.get_name()), below, seen);
            }
        }
        let (command, mut seen) = (Cli::command(), 0);
        let objects = command.find_subcommand("object").unwrap();
        walk("s3-connector object", objects, &mut seen);
        assert!(seen >= 8, "{seen}");
        parse("s3-connector object restore a k --version -cK0XKjUurUeZ").unwrap();
    }

    #[test]
    fn lines_of_the_documentation_are_understood() {
        for line in [
            "s3-connector resource create invoices --bucket b --region r --access-key-id {{secrets.a}} --secret-access-key -",
            "s3-connector resource create --file - --dry-run",
            "s3-connector resource create open --bucket b --anonymous --default-acl none --requester-pays",
            "s3-connector resource update a --file f.json --merge --if-match *",
            "s3-connector resource test --file f.json --write",
            "s3-connector resource test a --history --output json",
            "s3-connector object get a k - --range bytes=0-9",
            "s3-connector object put a k - --if-none-match --metadata a=b --metadata c=d",
            "s3-connector object put a k file --if-none-match=*",
            "s3-connector object list a --prefix p/ --delimiter / --limit 5 --project p --environment staging",
            "s3-connector object delete a k1 k2 --yes",
            "s3-connector object tags set a k a=b c=d --version v",
            "s3-connector object tags delete a k --yes",
            "s3-connector object acl set a k public-read",
            "s3-connector object list a --versions --prefix p/ --limit 5 --cursor c",
            "s3-connector object restore a k --undelete",
            "s3-connector bucket show a policy cors",
            "s3-connector bucket set-policy a --file - --force --dry-run",
            "s3-connector bucket delete-cors a --yes",
            "s3-connector source create v --kind local",
            "s3-connector source use v --environment staging",
            "s3-connector source active v",
            "s3-connector source delete v --force --dry-run",
            "s3-connector source update v --cache-ttl-ms ",
            "s3-connector resource update a --role-duration  --max-put-bytes ",
            "s3-connector source clear v s3 other",
            "s3-connector source clear --all",
            "s3-connector source alias set v s3 payments/s3 --mode json",
            "s3-connector source import v --file t.json --format requestly --overwrite --dry-run",
            "s3-connector source import --file t.json --print",
            "s3-connector secret put s3 --field key_id=a --field secret=@f",
            "s3-connector secret put s3 - --json --source v",
            "s3-connector secret rollback s3 --version 1 --source v --yes",
            "s3-connector source move-to-local aws payments/s3 --target v --overwrite --dry-run",
            "s3-connector source export v f.json --passphrase @p",
            "s3-connector source import-vault v - --passphrase @p --overwrite --dry-run",
            "s3-connector usage-policy put --file rule.json --dry-run",
            "s3-connector usage-policy delete payments --yes --if-match \"1\"",
            "s3-connector usage-policy check aws-prod payments/s3 --endpoint https://h --role-arn arn:a",
            "s3-connector secret keys payments/s3 --source v",
            "s3-connector secret explain {{secrets.a}} --field bucket",
            "s3-connector secret explain --offline {{secrets.a}}",
            "s3-connector secret explain --resource invoices",
            "s3-connector secret policy --list --batch --account 111122223333",
            "s3-connector secret forecast --cache-ttl-ms 60000 --replicas 3 --price 0.05",
            "s3-connector secret rehearse s3 --stage AWSPENDING --resource a --resource b",
            "s3-connector policy validate --kind bucket --bucket b --account 111122223333 --ownership ObjectWriter",
            "s3-connector policy validate p.json --kind trust --repair",
            "s3-connector policy evaluate --request -",
            "s3-connector policy generate b --prefix p/ --operations list,get --tls-only --document bucket",
            "s3-connector policy generate b --operations get_bucket --aspects cors,policy",
            "s3-connector policy diff old.json - --kind scp",
            "s3-connector token create ci --role user --expires-in 90d --installation --dry-run",
            "s3-connector token revoke 1 --dry-run",
            "s3-connector project create p --dry-run",
            "s3-connector audit verify",
            "s3-connector --server http://h:1 --output ndjson whoami",
            "s3-connector serve --config c.toml --listen 127.0.0.1:0 --data d",
            "s3-connector dev --once --data d --listen 127.0.0.1:0",
            "s3-connector doctor --create",
            "s3-connector rotate-key --data d",
            "s3-connector rotate-key --master-file new.key --config c.toml",
            "s3-connector config --defaults",
            "s3-connector completions fish",
            "s3-connector resource explain a get key=k limit:=1 --json {}",
            "s3-connector cors validate",
            "s3-connector cors validate - --provider cloudflare-r2 --expect multipart --expect signed_headers",
            "s3-connector cors evaluate --request - --configuration cors.json",
            "s3-connector cors recommend --use https://a.example=put --use *=get --form xml --checksums",
            "s3-connector cors recommend --request uses.json --provider garage --form console",
            "s3-connector errors NoSuchKey",
            "s3-connector errors",
        ] {
            assert!(parse(line).is_ok(), "{line}: {}", parse(line).unwrap_err());
        }
    }

    #[test]
    fn what_contradicts_itself_is_a_misuse() {
        for line in [
            "s3-connector resource create a --anonymous --access-key-id x",
            "s3-connector resource create a --default-chain --secret-access-key x",
            "s3-connector resource update a --merge",
            "s3-connector resource test",
            "s3-connector resource test a --file f",
            "s3-connector object list a --recursive --delimiter /",
            "s3-connector object list a --limit 0",
            "s3-connector resource update a --timeout-ms 5s",
            "s3-connector object delete a",
            "s3-connector usage-policy put",
            "s3-connector usage-policy check aws-prod",
            "s3-connector secret put s3",
            "s3-connector secret put s3 v --field a=b",
            "s3-connector source move-to-local aws payments/s3",
            "s3-connector secret explain",
            "s3-connector secret explain --offline --resource a",
            "s3-connector secret rehearse s3 --stage A --version-id B",
            "s3-connector source clear",
            "s3-connector source import v",
            "s3-connector source import v --file t.json --print --overwrite",
            "s3-connector source clear v --all",
            "s3-connector policy validate p.json",
            "s3-connector policy validate p.json --kind role",
            "s3-connector policy evaluate",
            "s3-connector policy generate b",
            "s3-connector policy generate b --operations fly",
            "s3-connector policy generate b --operations get --external-id x",
            "s3-connector policy diff old.json",
            "s3-connector token create ci --role root",
            "s3-connector token create ci --role user --expires-in 1d --expires-at 2030-01-01T00:00:00Z",
            "s3-connector config --defaults --data d",
            "s3-connector rotate-key --master-file a --master-env",
            "s3-connector resource list --output yaml",
            "s3-connector resource explain a",
            "s3-connector cors validate --provider gcs",
            "s3-connector cors validate --expect everything",
            "s3-connector cors evaluate",
            "s3-connector cors recommend",
            "s3-connector cors recommend --use https://a.example",
            "s3-connector cors recommend --use *=get --request uses.json",
            "s3-connector nonsense",
        ] {
            let error = parse(line).map(|_| ()).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn the_token_is_not_shown_by_help_or_debug() {
        let cli = parse("s3-connector --token s3c_hidden whoami").unwrap();
        assert!(matches!(cli.command, Command::Whoami));
        assert!(!format!("{cli:?}").contains("s3c_hidden"));
        let hidden =
            Cli::command().get_arguments().filter(|argument| argument.is_hide_env_values_set()).count();
        assert_eq!(hidden, 1);
    }
}
