//! Two workers on one message, and what a lease cannot prevent.

use std::cell::Cell;

use workflow_proof::components;
use workflow_proof::plan::{ORDER, World, calm};
use workflow_proof::runtime::{Runtime, Workflow};
use workflow_proof::service::Fault;
use workflow_proof::store::{LEASE, Point, Stop, Store, TIMEOUT};

fn ready() -> (Runtime, Vec<Workflow>) {
    let runtime = Runtime::new(false).expect("an engine");
    let pay = runtime.load(components::PAY).expect("the workflow");
    (runtime, vec![pay])
}

/// A first worker stands still at `still`, longer than its lease; meanwhile a second one does everything. Then the first goes on.
/// How often the order was paid, and what the first worker came to.
fn stands_still(world: &World<'_>, still: Point) -> (usize, Result<bool, Stop>) {
    let begin = |store: &mut Store<'_>| {
        store.accept("m1", &format!("{ORDER} 500 m1"), 1_000)?;
        store.signal(&format!("paid/{ORDER}"), "callback-1", "confirmed", 1_000)
    };
    world.open(&calm).and_then(|mut store| begin(&mut store)).expect("a message");
    let stood = Cell::new(false);
    let hook = |point: Point| {
        if point == still && !stood.replace(true) {
            world.now.set(world.now.get() + LEASE + TIMEOUT + 1);
            world.run("", &calm, &|_| Ok(false))?;
            let shown = world.open(&calm)?.show(1)?;
            assert_eq!(shown.state, "done", "the second worker did not end it: {shown:?}");
        }
        Ok(())
    };
    let mut store = world.open(&hook).expect("a store");
    let first = world.worker("").run_one(&mut store);
    assert!(stood.get(), "it never came to {still:?}");
    let notified = store.number("SELECT count(*) FROM message WHERE state = 'outgoing'", []).expect("a number");
    assert_eq!(notified, 1);
    (world.service.borrow().effects(ORDER), first)
}

#[test]
fn who_lost_the_lease_writes_nothing_and_sends_nothing() {
    let (runtime, workflows) = ready();
    for still in [
        Point::Before("intent"),
        Point::After("intent"),
        Point::Sent,
        Point::Before("answer"),
        Point::After("answer"),
        Point::Before("wait"),
        Point::After("wait"),
        Point::Before("end"),
    ] {
        let (effects, first) = stands_still(&World::new(&runtime, &workflows), still);
        assert_eq!(effects, 1, "{still:?}");
        assert!(matches!(first, Err(Stop::LeaseLost)), "{still:?}: {first:?}");
    }
}

/// What remains: a process that is frozen between the look at its lease and the write to the socket.
#[test]
fn frozen_just_before_the_request_it_pays_twice_unless_the_service_knows_its_key() {
    let (runtime, workflows) = ready();
    let (effects, _) = stands_still(&World::new(&runtime, &workflows), Point::Send);
    assert_eq!(effects, 2);

    let world = World::new(&runtime, &workflows);
    world.service.borrow_mut().is_idempotent = true;
    let (effects, _) = stands_still(&world, Point::Send);
    assert_eq!(effects, 1);
}

/// What remains, too: a service that executes a request later than the last look-up.
#[test]
fn a_service_that_pays_after_the_last_look_up_pays_twice_unless_it_knows_the_key() {
    let (runtime, workflows) = ready();
    for (is_idempotent, paid) in [(false, 2), (true, 1)] {
        let world = World::new(&runtime, &workflows);
        world.service.borrow_mut().faults = [Fault::Late].into();
        world.service.borrow_mut().is_idempotent = is_idempotent;
        let mut store = world.open(&calm).expect("a store");
        store.accept("m1", &format!("{ORDER} 500 m1"), 1_000).expect("a message");
        store.signal(&format!("paid/{ORDER}"), "callback-1", "confirmed", 1_000).expect("a signal");
        world.run("", &calm, &|_| Ok(false)).expect("a run");
        world.service.borrow_mut().wake();
        assert_eq!(world.service.borrow().effects(ORDER), paid);
    }
}
