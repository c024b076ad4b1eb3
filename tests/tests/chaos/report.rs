//! What came of each scenario, as a Markdown table.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use mediator_tests::running::Process;
use serde_json::Value;

use crate::books::Balance;

/// When the first delivery after a kill or a restart was stored.
pub struct Recovery {
    killed: Timestamp,
    back: Timestamp,
    log: PathBuf,
}

impl Recovery {
    /// `back`: earlier lines of the log do not count.
    pub fn new(killed: Timestamp, back: Timestamp, mediator: &Process) -> Self {
        Self { killed, back, log: mediator.log_file().to_owned() }
    }

    /// None: it was killed again before it had delivered anything.
    pub fn took(&self) -> Option<Duration> {
        let log = std::fs::read_to_string(&self.log).expect("a log");
        let delivered = log.lines().filter_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            let is_delivery = line["fields"]["message"] == "delivered";
            is_delivery.then(|| line["timestamp"].as_str()?.parse::<Timestamp>().ok()).flatten()
        });
        let first = delivered.into_iter().find(|at| *at > self.back)?;
        first.duration_since(self.killed).try_into().ok()
    }
}

/// One scenario.
pub struct Row {
    pub scenario: &'static str,
    pub store: &'static str,
    pub rounds: usize,
    pub seed: u64,
    pub took: Duration,
    pub statuses: BTreeMap<u16, u64>,
    pub recoveries: Vec<Duration>,
    pub note: String,
    pub balance: Balance,
}

const HEAD: &str = "\
| Scenario | Store | Kills or restarts | Acknowledged | Delivered | Dead letters | Lost | Doubled | Out of order | Attempts \
| 503 | No answer | Recovery: median, longest | Took | Seed |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
";

const LEGEND: &str = "
Acknowledged: messages that were answered with 202 at least once. Delivered and dead letters: what became of all that were
stored, so also of some whose 202 was cut off by the kill. Dead letters: feedback on claims that openIMIS does not know, sent
on purpose. Attempts: of all messages; one of the peers was down, slow, cut off or confused most of the time. Recovery: from the
kill (or the database's stop) to the first delivery after the restart.
";

impl Row {
    fn line(&self) -> String {
        let Self { scenario, store, rounds, seed, took, balance, .. } = self;
        let Balance { acknowledged, delivered, dead, attempts, .. } = balance;
        let count = |status: u16| self.statuses.get(&status).copied().unwrap_or_default();
        let mut recoveries = self.recoveries.clone();
        recoveries.sort();
        let recovery = match recoveries.last() {
            Some(longest) => format!("{:.1?}, {longest:.1?}", recoveries[recoveries.len() / 2]),
            None => "–".to_owned(),
        };
        format!(
            "| {scenario} | {store} | {rounds} | {acknowledged} | {delivered} | {dead} | {} | {} | {} | {attempts} | {} | {} \
             | {recovery} | {took:.0?} | {seed} |\n",
            balance.lost.len() + balance.unknown.len(),
            balance.doubled.len(),
            balance.disordered.len(),
            count(503),
            count(0),
        )
    }

    /// Adds it to the report, of which `CHAOS_REPORT` names the file, and prints it.
    pub fn report(&self) {
        static LINES: Mutex<(String, String)> = Mutex::new((String::new(), String::new()));
        let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
        lines.0.push_str(&self.line());
        if !self.note.is_empty() {
            lines.1.push_str(&format!("\n{}, {}: {}\n", self.scenario, self.store, self.note));
        }
        eprint!("{}", self.line());
        if let Some(path) = std::env::var_os("CHAOS_REPORT") {
            let text = format!("{HEAD}{}{LEGEND}{}", lines.0, lines.1);
            std::fs::write(path, text).expect("the report can be written");
        }
    }
}
