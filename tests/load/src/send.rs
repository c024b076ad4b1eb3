//! `send`: so many documents, or for so long, over so many connections.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use axum::http::Method;
use base64::{Engine, engine::general_purpose::STANDARD};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::client::Client;
use crate::documents::Documents;
use crate::figures::Figures;
use crate::peers::now_ms;

/// What is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Kind {
    /// openIMIS tells of claims
    ClaimResponse,
    /// CHT sends answers; of claims that the mediator does not know
    Feedback,
    /// A claim, its feedback, the next claim
    Mixed,
}

/// The user and password are read from MEDIATOR_USERNAME and MEDIATOR_PASSWORD, as the mediator itself does.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The mediator
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// What is sent
    #[arg(long, value_enum, default_value = "claim-response")]
    pub kind: Kind,
    /// How many documents
    #[arg(long, required_unless_present = "seconds")]
    pub count: Option<u64>,
    /// For how long, instead of or as well as a count
    #[arg(long)]
    pub seconds: Option<f64>,
    /// Connections, each with one request at a time
    #[arg(long, default_value_t = 64)]
    pub connections: usize,
    /// Documents a second, evenly; times then begin when a document is due, also if all connections are busy. Without: as fast as it goes
    #[arg(long)]
    pub rate: Option<f64>,
    /// Insurees whom the claims are of
    #[arg(long, default_value_t = 1000)]
    pub insurees: u64,
    /// Number of the run; the same one sends the same documents again. Without: the time
    #[arg(long)]
    pub run: Option<u32>,
    /// One JSON object instead of lines
    #[arg(long)]
    pub json: bool,
}

/// Ends with 1 if anything but 202 came back.
pub async fn command(options: Options) -> anyhow::Result<ExitCode> {
    let json = options.json;
    let user = std::env::var("MEDIATOR_USERNAME").context("MEDIATOR_USERNAME is not set")?;
    let password = std::env::var("MEDIATOR_PASSWORD").context("MEDIATOR_PASSWORD is not set")?;
    let figures = send(options, basic(&user, &password)).await?;
    if json {
        println!("{}", figures.json())
    } else {
        print!("{figures}")
    }
    Ok(if figures.all_accepted() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The header of HTTP Basic.
pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

struct Plan {
    options: Options,
    authorization: String,
    documents: Documents,
    begun: Instant,
    /// The next document's number.
    next: AtomicU64,
    accepted: AtomicU64,
}

/// Sends, and measures.
pub async fn send(options: Options, authorization: String) -> anyhow::Result<Figures> {
    let run = options.run.unwrap_or_else(|| now_ms() as u32);
    let documents = Documents::new(run, options.insurees)?;
    let connections = options.connections.max(1);
    let (next, accepted) = (AtomicU64::new(0), AtomicU64::new(0));
    let plan = Arc::new(Plan { options, authorization, documents, begun: Instant::now(), next, accepted });
    let progress = tokio::spawn(show(plan.clone()));
    let mut senders = JoinSet::new();
    for _ in 0..connections {
        senders.spawn(one_connection(plan.clone()));
    }
    let mut all = Figures::new()?;
    while let Some(sender) = senders.join_next().await {
        all.add(&sender??);
    }
    all.lasted = plan.begun.elapsed();
    progress.abort();
    Ok(all)
}

async fn one_connection(plan: Arc<Plan>) -> anyhow::Result<Figures> {
    let mut figures = Figures::new()?;
    let mut client = Client::new(&plan.options.url, Some(plan.authorization.clone()))?;
    while let Some((number, due)) = plan.next() {
        let begun = match due {
            Some(due) => {
                sleep_until(due).await;
                due // waiting for a free connection is part of what a sender sees
            }
            None => Instant::now(),
        };
        let (path, document) = plan.document(number);
        match client.send(Method::POST, path, document).await {
            Ok((status, body)) => {
                let duplicate = status == 202 && body.windows(16).any(|part| part == b"\"duplicate\":true");
                figures.answered(status, duplicate, begun.elapsed());
                if status == 202 {
                    plan.accepted.fetch_add(1, Ordering::Relaxed);
                }
            }
            Err(error) => {
                figures.failed(format!("{error:#}"));
                sleep(Duration::from_millis(100)).await; // a server that is away is not hammered
            }
        }
    }
    Ok(figures)
}

impl Plan {
    /// The next document's number, and when it is due; none when all is done.
    fn next(&self) -> Option<(u64, Option<Instant>)> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let due = self.options.rate.map(|rate| self.begun + Duration::from_secs_f64(number as f64 / rate));
        let end = self.options.seconds.map(|seconds| self.begun + Duration::from_secs_f64(seconds));
        let late = end.is_some_and(|end| due.unwrap_or_else(Instant::now) >= end);
        (!late && self.options.count.is_none_or(|count| number < count)).then_some((number, due))
    }

    fn document(&self, number: u64) -> (&'static str, String) {
        let (kind, number) = match self.options.kind {
            Kind::Mixed if number.is_multiple_of(2) => (Kind::ClaimResponse, number / 2),
            Kind::Mixed => (Kind::Feedback, number / 2),
            kind => (kind, number),
        };
        match kind {
            Kind::Feedback => ("/mediator/claims-feedback", self.documents.feedback(number)),
            _ => ("/mediator/claim-response", self.documents.claim_response(number)),
        }
    }
}

/// On a terminal only.
async fn show(plan: Arc<Plan>) {
    if plan.options.json || !std::io::stderr().is_terminal() {
        return;
    }
    let bar = match plan.options.count {
        Some(count) => ProgressBar::with_draw_target(Some(count), ProgressDrawTarget::stderr()),
        None => ProgressBar::no_length(),
    };
    if let Ok(style) = ProgressStyle::with_template("{elapsed} {wide_bar} {human_pos} accepted, {per_sec}") {
        bar.set_style(style);
    }
    loop {
        bar.set_position(plan.accepted.load(Ordering::Relaxed));
        sleep(Duration::from_millis(200)).await;
    }
}
