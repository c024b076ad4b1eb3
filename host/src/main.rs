//! The program `openimis-mediator`: arguments in, commands out.

mod commands;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Mediator between openIMIS and the Community Health Toolkit.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Args {
    /// TOML file with the configuration; without it `mediator.toml` in the working directory, if there is one. The environment wins over the file.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Receive, deliver, poll: the mediator itself
    Serve(commands::serve::Serve),
    /// Map one document, or NDJSON in bulk, and print the result
    Map(commands::map::Map),
    /// Mappings of your own: begin one, try one
    #[command(subcommand)]
    Mapping(commands::mapping::Mapping),
    /// The subscription at openIMIS
    #[command(subcommand)]
    Subscription(commands::subscription::Subscription),
    /// The configuration
    #[command(subcommand)]
    Config(commands::config::Config),
    /// Stored messages
    #[command(subcommand)]
    Messages(commands::messages::Messages),
    /// Contacts of CHT that may be an insuree: a person decides
    #[command(subcommand)]
    Patients(commands::patients::Patients),
    /// Which CHT place is which openIMIS location
    #[command(subcommand)]
    Places(commands::places::Places),
    /// Facilities of a registry, brought to openIMIS
    #[command(subcommand)]
    Facilities(commands::facilities::Facilities),
    /// A running CHT
    #[command(subcommand)]
    Cht(commands::cht::Cht),
    /// Settings from OpenHIM's console
    #[command(subcommand, name = "openhim")]
    OpenHim(commands::openhim::OpenHim),
    /// The store itself
    #[command(subcommand)]
    Store(commands::store::Store),
    /// Whether the mediator of this configuration is there and ready: for supervisors of containers
    Health(commands::health::Health),
}

fn main() -> ExitCode {
    let args = Args::parse();
    // Before there are threads: each takes a heap of its own with the first thing that it keeps.
    openimis_mediator::few_heaps();
    match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(run(args)),
        Err(error) => failed(&error.into()),
    }
}

async fn run(args: Args) -> ExitCode {
    let source = commands::Source::new(args.config);
    let done = match args.command {
        Command::Serve(command) => command.run(&source).await,
        Command::Map(command) => command.run(&source).await,
        Command::Mapping(command) => command.run(&source),
        Command::Subscription(command) => command.run(&source).await,
        Command::Config(command) => command.run(&source).await,
        Command::Messages(command) => command.run(&source).await,
        Command::Patients(command) => command.run(&source).await,
        Command::Places(command) => command.run(&source).await,
        Command::Facilities(command) => command.run(&source).await,
        Command::Cht(command) => command.run(&source).await,
        Command::OpenHim(command) => command.run(&source).await,
        Command::Store(command) => command.run(&source).await,
        Command::Health(command) => command.run(&source).await,
    };
    match done {
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("openimis-mediator: {}", commands::failure(error));
    ExitCode::FAILURE
}
