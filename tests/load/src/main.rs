//! `mediator-load`: sends notifications and feedback, serves the peers that they end at, and measures what comes of it.
//! `cargo xtask bench` runs all of it; docs/reliability.md says what was found.

mod bare;
mod bench;
mod bulk;
mod client;
mod disk;
mod documents;
mod edge;
mod figures;
mod peers;
#[allow(dead_code)] // what only other tests need of it
#[path = "../../postgres.rs"]
mod postgres;
mod prefill;
mod rows;
mod send;
mod table;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Load for openimis-mediator, its peers, and the figures", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Posts documents over kept-alive connections; counts as accepted what is answered with 202, and nothing else
    Send(send::Options),
    /// Serves an openIMIS and a CHT that know every insuree and count what arrives
    Peers(peers::Options),
    /// Answers every POST with 202 and keeps nothing: what the same load reaches without a store
    Bare(bare::Options),
    /// How often this disk makes a write durable: the floor of a commit
    Disk(disk::Options),
    /// Multiplies a delivered message of a store, by SQL; the mediator must not run
    Prefill(prefill::Options),
    /// All measurements, as a Markdown table
    Bench(bench::Options),
    /// The service's rows of the one table
    Service(bench::service::Options),
    /// Requests a second to the edge under Spin, beside a hello-world
    Edge(edge::Options),
    /// A large NDJSON file through `openimis-mediator map`
    Bulk(bulk::Options),
    /// What the parts of the bench found, as one table
    Table(table::Options),
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    // One thread: on a machine with two cores the mediator shall have the other one.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match arguments.command {
            Command::Send(options) => send::command(options).await,
            Command::Peers(options) => peers::command(options).await,
            Command::Bare(options) => bare::command(options).await,
            Command::Disk(options) => disk::command(&options),
            Command::Prefill(options) => prefill::command(options).await,
            Command::Bench(options) => bench::command(options).await,
            Command::Service(options) => bench::service::command(options).await,
            Command::Edge(options) => edge::command(options).await,
            Command::Bulk(options) => bulk::command(&options),
            Command::Table(options) => table::command(&options),
        }
    })
}
