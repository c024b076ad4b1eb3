//! A message's whole life as a state machine: whatever comes in, fails, dies, expires or is put back, in any order, every accepted message
//! ends as delivered or as a dead letter that can be seen, and no peer ever has anything twice.
//!
//! Real are the flow and the store; the peers, the clock and the order of things are the model's.

mod world;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flow::breaker::Gate;
use flow::ports::{Clock, Lease, Store};
use flow::receive::Receipt;
use flow::{Flow, Kind, Message, MessageId, Origin, Settings};
use fuzz_targets::memory::Native;
use jiff::{SignedDuration, Timestamp};
use mediator_tests::running::{messages, sample_claim, sample_feedback, story};
use openimis_mediator::config::StoreSettings;
use proptest::prelude::*;
use store::{Filter, SqlStore};
use tokio::task::JoinHandle;

use world::{FAULTS, Fault, LATE, Peers, STEPS, Steps, World};

const CLAIMS: usize = 4;
const LEASE: SignedDuration = SignedDuration::from_mins(5);

/// Something that happens.
#[derive(Clone, Debug)]
enum Event {
    /// A claim comes in.
    Claim(usize, Origin),
    /// Feedback on a claim comes in.
    Feedback(usize),
    /// A worker takes a message and gets so far with it: a step is a request on its way, or its answer.
    Work(Kind, Vec<Fault>, usize),
    /// A delivery that was begun goes on, by so many steps.
    GoOn(usize, usize),
    /// One delivery dies in the middle; its lease stays.
    Die(usize),
    /// Time goes by, by so many seconds.
    Pass(i64),
    /// The clock jumps, by so many hours; back as well.
    Jump(i64),
    /// All leases run out. The host ends its own deliveries before that.
    Expire,
    /// The process is killed and starts again.
    Restart,
    /// An admin puts every dead letter back.
    RetryDead,
}

fn event() -> impl Strategy<Value = Event> {
    let kind = prop_oneof![Just(Kind::ClaimResponse), Just(Kind::Feedback)];
    // Most requests go well: else hardly anything gets to its end.
    let fault = prop_oneof![4 => Just(Fault::None), 1 => proptest::sample::select(&FAULTS)];
    let origin = prop_oneof![3 => Just(Origin::Push), 1 => Just(Origin::Poll), 1 => Just(Origin::Selected)];
    prop_oneof![
        4 => (0..CLAIMS, origin).prop_map(|(claim, origin)| Event::Claim(claim, origin)),
        3 => (0..CLAIMS).prop_map(Event::Feedback),
        9 => (kind, proptest::collection::vec(fault, 0..8), 0_usize..16)
            .prop_map(|(kind, faults, steps)| Event::Work(kind, faults, steps)),
        4 => (0_usize..4, 1_usize..16).prop_map(|(slot, steps)| Event::GoOn(slot, steps)),
        2 => (0_usize..4).prop_map(Event::Die),
        3 => (1_i64..400).prop_map(Event::Pass),
        1 => prop_oneof![Just(-30_i64), Just(-2), Just(2), Just(30)].prop_map(Event::Jump),
        1 => Just(Event::Expire),
        1 => Just(Event::Restart),
        1 => Just(Event::RetryDead),
    ]
}

#[derive(Clone)]
struct Hands(Arc<AtomicI64>);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst)).expect("a time")
    }
}

type Mediator = Flow<Peers, SqlStore, Hands, Native>;

/// A delivery that is on its way.
struct Slot {
    id: MessageId,
    steps: Arc<Steps>,
    task: JoinHandle<()>,
}

impl Slot {
    /// Dies where it is, unless it has ended by now.
    async fn end(self) {
        self.task.abort();
        match self.task.await {
            Ok(()) => {}
            Err(error) => assert!(error.is_cancelled(), "{error}"),
        }
    }
}

struct Model {
    flow: Arc<Mediator>,
    store: SqlStore,
    clock: Hands,
    world: Arc<Mutex<World>>,
    slots: Vec<Slot>,
    /// Acknowledged, by kind and claim.
    accepted: BTreeMap<(&'static str, usize), MessageId>,
}

fn claim_uuid(number: usize) -> String {
    format!("d3256498-ad16-4482-a2d2-4a6d9c78ba0{number}")
}

fn insuree_uuid(number: usize) -> String {
    format!("7b00e6ec-e0f5-4d07-a8e0-ec00a4160e7{}", number % 2)
}

fn flow(store: SqlStore, clock: Hands, world: Arc<Mutex<World>>) -> Arc<Mediator> {
    let mut settings = Settings::default();
    settings.openimis.url = Some("http://openimis".parse().expect("an address"));
    settings.openimis.password = Some("password".to_owned().into());
    settings.cht.match_by = Vec::new(); // whom CHT has is the tests of patients
    settings.cht.url = Some("http://cht".parse().expect("an address"));
    settings.cht.password = Some("password".to_owned().into());
    settings.mapping.patient.default_place = "place".to_owned();
    Arc::new(Flow::new(Peers(world), store, clock, Native, settings))
}

impl Model {
    async fn new(folder: &Path) -> Self {
        let store = SqlStore::open(&StoreSettings::file(folder.join("mediator.db"))).await.expect("a store");
        let clock = Hands(Arc::new(AtomicI64::new(1_756_123_200_000)));
        let world = Arc::<Mutex<World>>::default();
        let flow = flow(store.clone(), clock.clone(), world.clone());
        Self { flow, store, clock, world, slots: Vec::new(), accepted: BTreeMap::new() }
    }

    /// Time goes by, for the peers as well.
    fn pass(&self, by: SignedDuration) {
        self.move_clock(by);
        self.world.lock().expect("whole").pass(by.as_millis() as i64);
    }

    fn move_clock(&self, by: SignedDuration) {
        self.clock.0.fetch_add(by.as_millis() as i64, Ordering::SeqCst);
    }

    async fn happen(&mut self, event: Event) {
        match event {
            Event::Claim(number, origin) => {
                let text = sample_claim()
                    .replace("d3256498-ad16-4482-a2d2-4a6d9c78ba81", &claim_uuid(number))
                    .replace("d3256498-ad16-4482-a2d2-4a6d9c78ba80", &claim_uuid(number))
                    .replace("CHT979", &format!("CHT97{number}")) // what has one code is shown as one claim
                    .replace("7b00e6ec-e0f5-4d07-a8e0-ec00a4160e73", &insuree_uuid(number));
                let received = self.flow.receive_claim_response(text.into_bytes(), origin).await;
                self.note("claim", number, received.expect("a store"));
            }
            Event::Feedback(number) => {
                let text = sample_feedback()
                    .replace("d3256498-ad16-4482-a2d2-4a6d9c78ba81", &claim_uuid(number))
                    .replace("report-1", &format!("report-{number}"))
                    .replace("7b00e6ec-e0f5-4d07-a8e0-ec00a4160e73", &insuree_uuid(number));
                let received = self.flow.receive_feedback(text.into_bytes()).await;
                self.note("feedback", number, received.expect("a store"));
            }
            Event::Work(kind, faults, steps) => {
                if !matches!(self.flow.gate(kind), Gate::Closed { .. })
                    && let Some(message) = self.lease(kind, 1).await.pop()
                {
                    let slot = self.begin(message, &faults).await;
                    self.go_on(slot, steps).await;
                }
            }
            Event::GoOn(slot, steps) => self.go_on(slot, steps).await,
            Event::Die(slot) if slot < self.slots.len() => {
                let slot = self.slots.swap_remove(slot);
                slot.end().await;
            }
            Event::Die(_) => {}
            Event::Pass(seconds) => self.pass(SignedDuration::from_secs(seconds)),
            Event::Jump(hours) => {
                // No time goes by: what a peer has not done yet would be waited for by a clock that is wrong.
                self.world.lock().expect("whole").pass(LATE);
                self.move_clock(SignedDuration::from_hours(hours));
            }
            Event::Expire => {
                self.kill().await;
                self.pass(LEASE);
            }
            Event::Restart => {
                self.kill().await;
                self.flow = flow(self.store.clone(), self.clock.clone(), self.world.clone());
                self.store.release_leases(self.clock.now()).await.expect("a store");
            }
            Event::RetryDead => {
                let dead = Filter { state: Some(flow::State::Dead), ..Filter::default() };
                self.store.retry_all(&dead, "an admin", self.clock.now(), |_| {}).await.expect("a store");
            }
        }
    }

    fn note(&mut self, what: &'static str, number: usize, received: Receipt) {
        match received {
            Receipt::Accepted(id) | Receipt::Duplicate(id) => {
                let before = self.accepted.insert((what, number), id);
                assert!(before.is_none_or(|before| before == id), "{what} {number} became another message");
            }
            other => panic!("{other:?}"),
        }
    }

    /// Takes messages, and looks that nobody else has them and that nothing of their claim is before them.
    async fn lease(&self, kind: Kind, limit: u32) -> Vec<Message> {
        let held: Vec<MessageId> = self.slots.iter().map(|slot| slot.id).collect();
        let now = self.clock.now();
        let wanted = Lease { kind, now, until: now + LEASE, limit, held: &held };
        let leased = self.store.lease(&wanted).await.expect("a store");
        for message in &leased {
            assert!(!held.contains(&message.id), "{} is taken twice", message.id);
            let view = self.store.view(message.id).await.expect("a store").expect("a message");
            let before = view.related.iter().filter(|other| other.id < message.id);
            for other in before {
                assert!(!matches!(other.state.as_str(), "pending" | "leased"), "{} is before {}", other.id, message.id);
            }
        }
        leased
    }

    async fn begin(&mut self, message: Message, faults: &[Fault]) -> usize {
        let (steps, flow, id) = (Steps::new(faults), self.flow.clone(), message.id);
        let delivery = async move {
            flow.deliver(&message).await.expect("a store");
        };
        let task = tokio::spawn(STEPS.scope(steps.clone(), delivery));
        self.slots.push(Slot { id, steps, task });
        self.slots.len() - 1
    }

    /// Lets a delivery take so many steps; forgets it if that was its end.
    async fn go_on(&mut self, slot: usize, count: usize) {
        let Some(Slot { steps, task, .. }) = self.slots.get_mut(slot) else { return };
        steps.allow(count);
        let mut blocked = steps.blocked.subscribe();
        tokio::select! {
            ended = task => {
                self.slots.swap_remove(slot);
                ended.expect("a delivery without a panic");
            }
            waits = blocked.wait_for(|blocked| *blocked) => drop(waits.expect("its other end")),
            // Behind another delivery that has not logged in yet: it goes on when that one does.
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
        }
    }

    /// Ends all deliveries where they are.
    async fn kill(&mut self) {
        for slot in self.slots.drain(..) {
            slot.end().await;
        }
    }

    /// From now on all goes well: until nothing waits any more.
    async fn heal(&mut self) {
        self.happen(Event::Restart).await;
        for _ in 0..500 {
            let (mut later, mut idle) = (Vec::new(), true);
            for kind in Kind::ALL {
                if let Gate::Closed { until, .. } = self.flow.gate(*kind) {
                    later.push(until);
                    continue;
                }
                let leased = self.lease(*kind, 10).await;
                idle &= leased.is_empty();
                for message in leased {
                    let slot = self.begin(message, &[]).await;
                    while self.slots.get(slot).is_some() {
                        self.go_on(slot, 100).await;
                    }
                }
                later.extend(self.store.next_due(*kind).await.expect("a store"));
            }
            match later.into_iter().min() {
                None if idle => return,
                Some(next) if idle && next > self.clock.now() => {
                    self.pass(next.duration_since(self.clock.now()));
                }
                _ => {}
            }
        }
        panic!("messages wait for ever: {}", story(&messages(&self.store).await));
    }

    async fn check(&self) {
        let views = messages(&self.store).await;
        let story = || story(&views);
        let mut world = self.world.lock().expect("whole");
        world.pass(LATE);
        for (what, there) in [("CHT", &world.records), ("openIMIS", &world.feedback)] {
            let different: HashSet<&String> = there.iter().collect();
            assert_eq!(different.len(), there.len(), "{what} has something twice: {there:?}{}", story());
        }
        assert_eq!(views.len(), self.accepted.len(), "one message each{}", story());
        for ((what, number), id) in &self.accepted {
            let view = views.iter().find(|view| view.summary.id == *id).expect("an accepted message is there");
            let there = if *what == "claim" { &world.records } else { &world.feedback };
            match view.summary.state.as_str() {
                "delivered" => assert!(there.contains(&claim_uuid(*number)), "{what} {number} is lost{}", story()),
                // Only time makes dead letters here: the peers refuse nothing for good.
                "dead" => {
                    let reason = view.summary.reason.as_deref().unwrap_or_default();
                    assert!(reason.starts_with("given up"), "{what} {number}: {reason}{}", story());
                }
                other => panic!("{what} {number} is {other}{}", story()),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("MODEL_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(60),
        max_shrink_iters: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn model_whatever_happens_nothing_is_lost_and_nothing_is_doubled(events in proptest::collection::vec(event(), 1..120)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let folder = tempfile::tempdir().expect("a folder");
            let mut model = Model::new(folder.path()).await;
            for event in events {
                model.happen(event).await;
            }
            model.heal().await;
            model.check().await;
        });
    }
}
