//! A message from its arrival to its end, with what goes wrong on the way chosen beforehand.
//!
//! Every commit, every statement in it and every request is a point, counted from 1. A kill at a point takes the files as they are at that moment,
//! with an open transaction in them, to another folder, drops everything in memory, and goes on from these files.

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::{Path, PathBuf};

use crate::runtime::{Runtime, Workflow};
use crate::service::{Fault, Service};
use crate::store::{Hook, LEASE, Point, Shown, Stop, Store};
use crate::worker::Worker;

/// The order of every plan.
pub const ORDER: &str = "order-1";
/// Steps after which a plan counts as one that never ends.
const ENDLESS: usize = 500;

/// When the service calls back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Signal {
    /// Before the message is there.
    Before,
    /// At this point, or at the first one after it that is outside of a transaction; at the latest when nothing else is to do.
    At(usize),
    /// When the message waits and nothing else is to do.
    Waiting,
    /// Never.
    Never,
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub struct Plan {
    /// With the payments, one after the other.
    pub faults: Vec<Fault>,
    /// Points at which the process is killed.
    pub kills: Vec<usize>,
    /// When the callback comes.
    pub signal: Signal,
    /// Message, in place of the usual one.
    pub body: Option<String>,
    /// Settings.
    pub settings: &'static str,
}

impl Default for Plan {
    fn default() -> Self {
        Self { faults: Vec::new(), kills: Vec::new(), signal: Signal::Waiting, body: None, settings: "" }
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Report {
    /// Points that were passed.
    pub points: usize,
    /// How often the process was killed.
    pub kills: usize,
    /// Of the message.
    pub shown: Shown,
    /// How often the order was paid.
    pub effects: usize,
    /// Look-ups at the service.
    pub reads: usize,
    /// Payments that the service was asked for.
    pub payments: usize,
    /// Signals that nobody has consumed.
    pub signals_left: i64,
    /// New messages of the end.
    pub messages: i64,
    /// The row of the order.
    pub row: Option<String>,
    /// Entries of the journal.
    pub entries: usize,
    /// What time it was at the end. Every plan begins at 1,000.
    pub ended_at: u64,
}

/// Where a plan runs: its own folder, clock and service.
pub struct World<'a> {
    /// Runs the components.
    pub runtime: &'a Runtime,
    /// See [`Worker::workflows`].
    pub workflows: &'a [Workflow],
    /// The peer.
    pub service: RefCell<Service>,
    /// Seconds.
    pub now: Cell<u64>,
    folder: tempfile::TempDir,
    file: RefCell<PathBuf>,
    deaths: Cell<usize>,
}

/// A hook that lets everything pass.
pub fn calm(_: Point) -> Result<(), Stop> {
    Ok(())
}

impl<'a> World<'a> {
    /// An empty store, a service that has done nothing.
    pub fn new(runtime: &'a Runtime, workflows: &'a [Workflow]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = RefCell::new(folder.path().join("0.db"));
        let service = RefCell::default();
        Self { runtime, workflows, service, now: Cell::new(1_000), folder, file, deaths: Cell::new(0) }
    }

    /// The file as it is now.
    pub fn file(&self) -> PathBuf {
        self.file.borrow().clone()
    }

    /// A store on it. Processes die here, machines do not: nothing is flushed.
    ///
    /// # Errors
    /// SQLite's.
    pub fn open<'h>(&self, hook: Hook<'h>) -> Result<Store<'h>, Stop> {
        Store::open(&self.file(), hook)?.without_flush()
    }

    /// A worker in it.
    pub fn worker<'w>(&'w self, settings: &'w str) -> Worker<'w> {
        let Self { runtime, workflows, service, now, .. } = self;
        Worker { runtime, workflows, settings, service, now }
    }

    /// The process dies now. What comes after finds the files of this moment.
    pub fn kill(&self) -> Stop {
        self.deaths.set(self.deaths.get() + 1);
        let next = self.folder.path().join(format!("{}.db", self.deaths.get()));
        copy(&self.file(), &next, "");
        copy(&self.file(), &next, "-wal");
        self.file.replace(next);
        Stop::Killed
    }

    /// Runs what is due, moves the clock to what is due next, and so on until nothing is, or `is_enough` says so.
    ///
    /// # Errors
    /// SQLite's.
    ///
    /// # Panics
    /// It does not end.
    pub fn run(
        &self,
        settings: &str,
        hook: Hook<'_>,
        is_enough: &dyn Fn(&mut Store<'_>) -> Result<bool, Stop>,
    ) -> Result<(), Stop> {
        for _ in 0..ENDLESS {
            match self.session(settings, hook, is_enough) {
                Err(Stop::Killed) => self.now.set(self.now.get() + LEASE),
                Err(Stop::LeaseLost) => {}
                other => return other,
            }
        }
        panic!("it does not end")
    }

    /// One life of the process.
    fn session(
        &self,
        settings: &str,
        hook: Hook<'_>,
        is_enough: &dyn Fn(&mut Store<'_>) -> Result<bool, Stop>,
    ) -> Result<(), Stop> {
        let mut store = self.open(hook)?;
        for _ in 0..ENDLESS {
            if self.worker(settings).run_one(&mut store)? {
                continue;
            }
            if is_enough(&mut store)? {
                return Ok(());
            }
            match store.next_due()? {
                Some(due) => self.now.set(self.now.get().max(due)),
                None => return Ok(()),
            }
        }
        panic!("it does not end")
    }
}

fn copy(from: &Path, to: &Path, ending: &str) {
    let named = |path: &Path| PathBuf::from(format!("{}{ending}", path.display()));
    if named(from).exists() {
        fs::copy(named(from), named(to)).expect("a copy");
    }
}

impl Plan {
    /// Runs it.
    ///
    /// # Panics
    /// It does not end, or a state is found after a kill that no single moment can have.
    pub fn run(&self, runtime: &Runtime, workflows: &[Workflow]) -> Report {
        let world = World::new(runtime, workflows);
        world.service.borrow_mut().faults = self.faults.clone().into();
        let passed = Cell::new(0);
        let is_signalled = Cell::new(false);
        let call_back = || {
            let mut store = world.open(&calm)?;
            is_signalled.set(true);
            store.signal(&format!("paid/{ORDER}"), "callback-1", "confirmed", world.now.get())
        };
        let hook = |point: Point| -> Result<(), Stop> {
            passed.set(passed.get() + 1);
            let is_outside = !matches!(point, Point::Within(_));
            if let Signal::At(at) = self.signal
                && passed.get() >= at
                && is_outside
                && !is_signalled.get()
            {
                call_back()?;
            }
            if self.kills.contains(&passed.get()) { Err(world.kill()) } else { Ok(()) }
        };
        if self.signal == Signal::Before {
            call_back().expect("a signal");
        }
        let body = self.body.clone().unwrap_or_else(|| format!("{ORDER} 500 m1"));
        world.open(&calm).and_then(|mut store| store.accept("m1", &body, 1_000)).expect("a message");
        let is_enough = |store: &mut Store<'_>| {
            consistent(store)?;
            if self.signal != Signal::Never
                && !is_signalled.get()
                && store.number("SELECT count(*) FROM waits", [])? > 0
            {
                call_back()?;
            }
            Ok(false)
        };
        world.run(self.settings, &hook, &is_enough).expect("a run");
        self.report(&world, passed.get())
    }

    fn report(&self, world: &World<'_>, points: usize) -> Report {
        let store = world.open(&calm).expect("the store");
        consistent(&store).expect("a consistent store");
        let number = |sql: &str| store.number(sql, []).expect("a number");
        let service = world.service.borrow();
        Report {
            points,
            kills: world.deaths.get(),
            shown: store.show(1).expect("the message"),
            effects: service.effects(ORDER),
            reads: service.reads,
            payments: service.payments,
            signals_left: number("SELECT count(*) FROM signal WHERE consumed_by IS NULL"),
            messages: number("SELECT count(*) FROM message WHERE state = 'outgoing'"),
            row: store.row(&format!("payments/{ORDER}")).expect("a row"),
            entries: store.journal(1).expect("a journal").len(),
            ended_at: world.now.get(),
        }
    }
}

/// What must hold at every moment: all of an end is there or nothing of it, and a signal is consumed if and only if the journal says so.
fn consistent(store: &Store<'_>) -> Result<(), Stop> {
    let done =
        store.number("SELECT count(*) FROM message WHERE id = 1 AND state = 'done' AND outcome LIKE 'receipt%'", [])?;
    let rows = store.number("SELECT count(*) FROM row", [])?;
    let messages = store.number("SELECT count(*) FROM message WHERE state = 'outgoing'", [])?;
    assert_eq!((rows, messages), (done, done), "half of an end");
    let consumed = store.number("SELECT count(*) FROM signal WHERE consumed_by IS NOT NULL", [])?;
    let recorded = store.number("SELECT count(*) FROM journal WHERE name LIKE 'signal#%' AND answer LIKE '=%'", [])?;
    assert_eq!(consumed, recorded, "a signal is consumed that nobody has, or the other way round");
    Ok(())
}
