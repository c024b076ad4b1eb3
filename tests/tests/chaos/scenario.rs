//! A mediator, its peers and its callers; what is done to it; and the reckoning.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use fastrand::Rng;
use jiff::Timestamp;
use mediator_tests::postgres::{Cluster, Stop};
use mediator_tests::running::{Process, sandbox};
use sandbox::Sandbox;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::books::{Books, Kind};
use crate::load::Callers;
use crate::report::{Recovery, Row};
use crate::store::{self, Store};
use crate::weather;

/// How long the mediator may take to deliver the rest once all is well.
const LIMIT: Duration = Duration::from_secs(180);

/// One scenario on one store.
pub struct Scenario {
    name: &'static str,
    store: Store,
    sandbox: Arc<Sandbox>,
    dir: TempDir,
    environment: BTreeMap<String, String>,
    callers: Arc<Callers>,
    seed: u64,
    random: Rng,
    begun: Instant,
    stop: watch::Sender<bool>,
    load: JoinSet<()>,
    weather: Option<JoinHandle<()>>,
    /// Kills or restarts so far, and out of how many.
    done: (usize, usize),
    recoveries: Vec<Recovery>,
    note: String,
}

impl Scenario {
    pub async fn begin(name: &'static str, store: Store) -> Self {
        // One seed tells which faults, pauses and choices there were; the machine's own timing stays its own.
        let given = std::env::var("CHAOS_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| fastrand::u64(..1 << 32));
        let (sandbox, dir) = (Arc::new(sandbox().await), tempfile::tempdir().expect("a folder"));
        let environment = store.environment(&sandbox, &dir);
        let callers = Callers::new(&sandbox, Arc::new(Books::default()));
        Self {
            name,
            store,
            environment,
            callers,
            sandbox,
            dir,
            seed,
            random: Rng::with_seed(seed),
            begun: Instant::now(),
            stop: watch::channel(false).0,
            load: JoinSet::new(),
            weather: None,
            done: (0, 0),
            recoveries: Vec::new(),
            note: String::new(),
        }
    }

    /// Kills the only mediator at random moments, sometimes while it starts.
    pub async fn kills(mut self, rounds: usize) {
        let mut mediator = self.serve(0).await;
        self.go(rounds);
        for _ in 0..rounds {
            self.pause(50..1500).await;
            let at = Timestamp::now();
            mediator.kill().await;
            if self.random.u8(..6) == 0 {
                let moment = Duration::from_millis(self.random.u64(10..400));
                drop(timeout(moment, Process::serve(&self.environment, &self.dir)).await);
                self.store.released(&self.dir).await;
            }
            mediator = self.serve(0).await;
            self.recoveries.push(Recovery::new(at, at, &mediator));
            self.tell();
        }
        self.reckon(vec![mediator]).await;
    }

    /// Kills the mediator as soon as it has said 202: before the callers know, it is dead.
    pub async fn kills_after_an_answer(mut self, rounds: usize) {
        let mut mediator = self.serve(0).await;
        self.go(rounds);
        let (mut random, mut delays) = (Rng::with_seed(self.seed + 1000), Vec::new());
        for _ in 0..rounds {
            self.pause(0..300).await;
            let (claim, insuree) = self.callers.enter(&mut random);
            let mut at = Timestamp::now();
            loop {
                let kill = || {
                    let answered = Instant::now();
                    at = Timestamp::now();
                    mediator.kill_now();
                    delays.push(answered.elapsed());
                };
                if self.callers.post(Kind::Claim, &claim, &insuree, &mut random, kill).await.is_acknowledged() {
                    break;
                }
            }
            mediator.kill().await;
            mediator = self.serve(0).await;
            self.recoveries.push(Recovery::new(at, at, &mediator));
            self.tell();
        }
        delays.sort();
        let (median, longest) = (delays[delays.len() / 2], delays[delays.len() - 1]);
        self.note = format!("From the head of the 202 to the kill: median {median:.1?}, longest {longest:.1?}.");
        self.reckon(vec![mediator]).await;
    }

    /// Kills one of two replicas at random moments and starts it again, while the other goes on.
    pub async fn kills_of_one_in_two(mut self, rounds: usize) {
        let mut replicas = vec![self.serve(0).await, self.serve(1).await];
        self.go(rounds);
        for _ in 0..rounds {
            self.pause(200..2000).await;
            let victim = self.random.usize(..2);
            let at = Timestamp::now();
            replicas.remove(victim).kill().await;
            self.pause(0..1000).await; // the other one is alone for a while
            let mediator = self.serve(victim).await;
            self.recoveries.push(Recovery::new(at, at, &mediator));
            replicas.insert(victim, mediator);
            self.tell();
        }
        self.reckon(replicas).await;
    }

    /// Restarts the database; the mediator lives on.
    pub async fn restarts(mut self, cluster: &Cluster, how: impl Iterator<Item = Stop>) {
        let how: Vec<Stop> = how.collect();
        let mediator = self.serve(0).await;
        self.go(how.len());
        for how in how {
            self.pause(1500..5000).await; // long enough for the connections to come back
            let at = Timestamp::now();
            tokio::task::block_in_place(|| cluster.stop(how));
            // Sometimes for longer than a caller is kept waiting: then it is refused.
            let longest = if self.random.u8(..4) == 0 { 9000 } else { 1500 };
            self.pause(0..longest).await;
            tokio::task::block_in_place(|| cluster.start_again());
            self.recoveries.push(Recovery::new(at, Timestamp::now(), &mediator));
            self.tell();
        }
        self.pause(1000..1500).await; // some load on the database that is back
        let statuses = self.callers.books.statuses();
        assert!(
            statuses.keys().all(|status| matches!(status, 202 | 503)),
            "answers other than 202 and 503: {statuses:?}"
        );
        self.reckon(vec![mediator]).await;
    }

    async fn serve(&self, place: usize) -> Process {
        let process = Process::serve(&self.environment, &self.dir).await;
        let mut addresses = self.callers.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        match addresses.get_mut(place) {
            Some(address) => *address = process.url.clone(),
            None => addresses.push(process.url.clone()),
        }
        process
    }

    /// Lets the callers call and the peers fail.
    fn go(&mut self, rounds: usize) {
        (self.done, self.begun) = ((0, rounds), Instant::now());
        self.load = self.callers.begin(self.seed, &self.stop.subscribe());
        let (sandbox, seed, stop) = (self.sandbox.clone(), self.seed, self.stop.subscribe());
        self.weather = Some(tokio::spawn(async move { weather::bad(&sandbox, seed, stop).await }));
    }

    async fn pause(&mut self, milliseconds: std::ops::Range<u64>) {
        sleep(Duration::from_millis(self.random.u64(milliseconds))).await;
    }

    /// Says how far it is, ten times in all.
    fn tell(&mut self) {
        let (done, of) = (self.done.0 + 1, self.done.1);
        self.done.0 = done;
        if done % of.div_ceil(10) == 0 || done == of {
            let (name, store, acknowledged) = (self.name, self.store.name, self.callers.books.acknowledged());
            eprintln!(
                "chaos: {name}, {store}: {done} of {of}, {acknowledged} acknowledged, {:.0?}",
                self.begun.elapsed()
            );
        }
    }

    /// Ends load and weather, waits until the mediator has nothing to do, balances the books.
    async fn reckon(mut self, mediators: Vec<Process>) {
        self.stop.send_replace(true);
        while let Some(ended) = self.load.join_next().await {
            ended.expect("a caller");
        }
        if let Some(weather) = self.weather.take() {
            weather.await.expect("the weather");
        }
        let messages = store::settled(&self.environment, LIMIT).await;
        let balance = self.callers.books.balance(&messages, &self.sandbox);
        let row = Row {
            scenario: self.name,
            store: self.store.name,
            rounds: self.done.0,
            seed: self.seed,
            took: self.begun.elapsed(),
            statuses: self.callers.books.statuses(),
            recoveries: self.recoveries.iter().filter_map(Recovery::took).collect(),
            note: self.note,
            balance,
        };
        row.report();
        for mediator in mediators {
            let (status, log) = mediator.terminate().await;
            assert!(status.success(), "a mediator did not stop cleanly:\n{log}");
        }
        let wrong = row.balance.wrong();
        assert!(wrong.is_empty(), "the books do not balance (CHAOS_SEED={}):{wrong}", row.seed);
        assert!(row.balance.delivered > 0, "nothing was delivered: this tested nothing");
    }
}
