//! One round: taking in, delivering, a kill, and what is there afterwards. The same for an empty and for a full store.

use std::time::Duration;

use anyhow::bail;
use tokio::time::{Instant, sleep};

use super::processes::{Mediator, Peers};
use super::report::{Report, number};
use super::{Options, Store, load};
use crate::disk;
use crate::figures::Figures;
use crate::send::{self, Kind, send};

/// Whose claims are sent. Their first claims make them known to CHT, before anything is measured.
pub const INSUREES: u64 = 1000;
/// Without any delivery for so long, no more will come.
const STUCK: Duration = Duration::from_secs(120);

/// Measures; `name` is the column of the report.
pub async fn round(
    options: &Options,
    mediator: &Mediator,
    peers: &mut Peers,
    store: &Store,
    name: &str,
    report: &mut Report,
) -> anyhow::Result<()> {
    let durable = disk::durable_writes(&options.dir, Duration::from_secs(2))?;
    report.row(name, "The disk just before: durable writes a second", number(durable));
    let before = peers.counts().await?.arrived();
    let mut accepted = 0;
    // No two runs of a bench send the same claim.
    let run = |number: u32| report_run(before, number);
    let open = |number| load(options, &mediator.url, run(number));
    let authorization = || mediator.authorization();

    eprintln!("bench: {name}: start, and {INSUREES} insurees");
    let running = mediator.start().await?;
    report.row(name, "Start until ready", seconds(running.ready_after));
    let first = send(send::Options { count: Some(INSUREES), ..open(1) }, authorization()).await?;
    accepted += taken(&first)?;
    delivered(peers, before + accepted).await?;
    report.row(name, "Memory after the first 1,000 claims", megabytes(running.memory_mb()?.0));

    eprintln!("bench: {name}: taking in while delivering");
    let busy = send(send::Options { seconds: Some(options.seconds), ..open(2) }, authorization()).await?;
    accepted += taken(&busy)?;
    times(report, name, "while delivering", &busy);
    let ratios = format!("{:.1}, {:.0} %", busy.rate() / durable, 100.0 * busy.rate() / report.bare_rate);
    report.row(name, "The same: for each durable write of the disk; of a server without a store", ratios);
    delivered(peers, before + accepted).await?;

    let mixed = send::Options { kind: Kind::Mixed, seconds: Some(options.seconds), ..open(5) };
    let mixed = send(mixed, authorization()).await?;
    accepted += taken(&mixed)?;
    report.row(name, "Accepted a second, claims and feedback in turn", number(mixed.rate()));
    delivered(peers, before + accepted).await?;

    let half = busy.rate() / 2.0;
    let steady = send::Options { seconds: Some(options.seconds), rate: Some(half), ..open(3) };
    let steady = send(steady, authorization()).await?;
    accepted += taken(&steady)?;
    report.row(name, "At half of that rate: p99", format!("{:.1} ms", steady.quantile_ms(0.99)));
    delivered(peers, before + accepted).await?;

    eprintln!("bench: {name}: {} wait, kill -9", options.pending);
    peers.tell("hold").await?;
    let alone = send(send::Options { count: Some(options.pending), ..open(4) }, authorization()).await?;
    accepted += taken(&alone)?;
    times(report, name, "while the peers hang", &alone);
    report.row(name, "Memory with all of them pending", megabytes(running.memory_mb()?.0));
    running.kill().await?;
    peers.tell("go").await?;
    peers.tell("mark").await?;

    let running = mediator.start().await?;
    let pending = number(options.pending as f64);
    report.row(name, &format!("After kill -9 with {pending} pending: ready after"), seconds(running.ready_after));
    let rate = delivered(peers, before + accepted).await?;
    let first_ms = peers.counts().await?.first_ms.unwrap_or_default().saturating_sub(running.started_ms);
    report.row(name, "The same: first delivery after", seconds(Duration::from_millis(first_ms)));
    report.row(name, "Delivered a second, of them", rate.map_or("–".to_owned(), number));
    report.row(name, "Memory while delivering them, at most", megabytes(running.memory_mb()?.1));
    running.kill().await?;

    report.row(name, "Store on disk", megabytes(store.size_mb().await?));
    let counts = peers.counts().await?;
    let arrived = counts.arrived() - before;
    report.row(name, "Accepted", number(accepted as f64));
    report.row(name, "Delivered", number(arrived as f64));
    report.row(name, "Delivered twice", counts.doubled.to_string());
    if arrived != accepted || counts.doubled > 0 || counts.elsewhere > 0 {
        report.fault(&format!("{name}: {accepted} accepted, but {counts:?}"));
    }
    Ok(())
}

/// Different for each round of a bench and each step of a round.
fn report_run(before: u64, number: u32) -> u32 {
    (before as u32).wrapping_mul(8).wrapping_add(number)
}

/// Only what was all accepted is a figure.
fn taken(figures: &Figures) -> anyhow::Result<u64> {
    if figures.all_accepted() { Ok(figures.accepted) } else { bail!("not everything was accepted:\n{figures}") }
}

fn times(report: &mut Report, name: &str, when: &str, figures: &Figures) {
    report.row(name, &format!("Accepted a second, {when}"), number(figures.rate()));
    let [p50, p99] = [0.5, 0.99].map(|part| figures.quantile_ms(part));
    report.row(
        name,
        &format!("The same, {when}: p50, p99, max"),
        format!("{p50:.1}, {p99:.1}, {:.1} ms", figures.max_ms()),
    );
}

/// Waits until the peers have so many documents. Returns deliveries a second between the first and the last twentieth of them, if there is a between.
pub async fn delivered(peers: &mut Peers, wanted: u64) -> anyhow::Result<Option<f64>> {
    let mut seen = vec![(Instant::now(), peers.counts().await?.arrived())];
    while let Some((at, arrived)) = seen.last().copied()
        && arrived < wanted
    {
        sleep(Duration::from_millis(100)).await;
        let now = peers.counts().await?;
        if now.arrived() > arrived {
            seen.push((Instant::now(), now.arrived()));
        } else if at.elapsed() > STUCK {
            bail!("{arrived} of {wanted} were delivered, and no more come: {now:?}");
        }
    }
    let begun = seen[0].1;
    let edge = (wanted - begun.min(wanted)) / 20;
    let inner = || seen.iter().filter(|(_, arrived)| (begun + edge..=wanted - edge).contains(arrived));
    Ok(inner().next().zip(inner().next_back()).and_then(|(first, last)| {
        let lasted = (last.0 - first.0).as_secs_f64();
        (lasted > 0.0).then(|| (last.1 - first.1) as f64 / lasted)
    }))
}

fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

fn megabytes(number: f64) -> String {
    format!("{number:.0} MB")
}
