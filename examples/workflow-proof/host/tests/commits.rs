//! What a commit must hold, beyond the crash itself.

use workflow_proof::components;
use workflow_proof::plan::{ORDER, Plan, Signal, World, calm};
use workflow_proof::runtime::{Kind, Runtime, Workflow};
use workflow_proof::service::Fault;
use workflow_proof::store::{Point, Store};

fn ready(component: &[u8]) -> (Runtime, Vec<Workflow>) {
    let runtime = Runtime::new(false).expect("an engine");
    let workflow = runtime.load(component).expect("the workflow");
    (runtime, vec![workflow])
}

#[test]
fn after_three_payments_without_a_trace_a_person_decides() {
    let (runtime, workflows) = ready(components::PAY);
    let plan = Plan { faults: vec![Fault::LoseRequest; 3], ..Plan::default() };
    let report = plan.run(&runtime, &workflows);
    assert_eq!((report.shown.state.as_str(), report.effects, report.payments), ("parked", 0, 3));
    assert_eq!(report.shown.reason, "pay: three attempts of unknown outcome, nothing is found");
}

#[test]
fn without_a_callback_a_person_decides_after_a_day() {
    let (runtime, workflows) = ready(components::PAY);
    let report = Plan { signal: Signal::Never, ..Plan::default() }.run(&runtime, &workflows);
    assert_eq!(report.shown.reason, "the service did not call back within a day");
    assert_eq!((report.effects, report.messages), (1, 0));
}

#[test]
fn a_callback_after_its_day_is_kept_and_a_person_decides() {
    let (runtime, workflows) = ready(components::PAY);
    let world = World::new(&runtime, &workflows);
    let mut store = world.open(&calm).expect("a store");
    store.accept("m1", &format!("{ORDER} 500 m1"), 1_000).expect("a message");
    let hook = |point: Point| {
        let is_over = point == Point::After("wait") && world.now.get() > 80_000;
        if is_over {
            world.open(&calm)?.signal(&format!("paid/{ORDER}"), "callback-1", "confirmed", 90_000)
        } else {
            Ok(())
        }
    };
    world.run("", &hook, &|_| Ok(false)).expect("a run");
    assert_eq!(store.show(1).expect("it").reason, "the service did not call back within a day");
    assert_eq!(store.number("SELECT count(*) FROM signal WHERE consumed_by IS NULL", []).expect("a number"), 1);
}

#[test]
fn the_same_signal_twice_is_one_and_another_one_is_kept() {
    let (runtime, workflows) = ready(components::PAY);
    let world = World::new(&runtime, &workflows);
    let name = format!("paid/{ORDER}");
    let mut store = world.open(&calm).expect("a store");
    for id in ["callback-1", "callback-1", "callback-2"] {
        store.signal(&name, id, id, 1_000).expect("a signal");
    }
    store.accept("m1", &format!("{ORDER} 500 m1"), 1_000).expect("a message");
    world.run("", &calm, &|_| Ok(false)).expect("a run");
    assert_eq!(store.show(1).expect("it").outcome, "receipt-order-1, callback-1");
    store.signal(&name, "callback-1", "again", 9_000).expect("a signal");
    let left = store.number("SELECT count(*) FROM signal WHERE consumed_by IS NULL", []).expect("a number");
    assert_eq!(left, 1);
}

#[test]
fn of_two_messages_of_one_order_one_pays() {
    let (runtime, workflows) = ready(components::PAY);
    let world = World::new(&runtime, &workflows);
    let mut store = world.open(&calm).expect("a store");
    store.signal(&format!("paid/{ORDER}"), "callback-1", "confirmed", 1_000).expect("a signal");
    for id in ["m1", "m2"] {
        store.accept(id, &format!("{ORDER} 500 {id}"), 1_000).expect("a message");
    }
    world.run("", &calm, &|_| Ok(false)).expect("a run");
    assert_eq!(world.service.borrow().effects(ORDER), 1);
    assert_eq!(store.show(2).expect("it").outcome, "paid by m1");
}

/// Somebody writes the row just before the end does, once.
fn with_a_changed_row(settings: &'static str) -> (String, String, Option<String>, usize) {
    let (runtime, workflows) = ready(components::PAY);
    let world = World::new(&runtime, &workflows);
    let mut store = world.open(&calm).expect("a store");
    store.signal(&format!("paid/{ORDER}"), "callback-1", "confirmed", 1_000).expect("a signal");
    store.accept("m1", &format!("{ORDER} 500 m1"), 1_000).expect("a message");
    let key = format!("payments/{ORDER}");
    let changed = std::cell::Cell::new(false);
    let hook = |point: Point| {
        if point == Point::Before("end") && !changed.replace(true) {
            world.open(&calm)?.write_row(&key, "by another;")?;
        }
        Ok(())
    };
    world.run(settings, &hook, &|_| Ok(false)).expect("a run");
    let shown = store.show(1).expect("it");
    (shown.state, shown.reason, store.row(&key).expect("a row"), world.service.borrow().effects(ORDER))
}

#[test]
fn a_row_that_was_read_after_the_last_commit_is_read_again_when_it_changed() {
    let (state, _, row, effects) = with_a_changed_row("");
    assert_eq!((state.as_str(), effects), ("done", 1));
    assert_eq!(row.as_deref(), Some("2 by another;receipt-order-1;"));
}

/// Its old version is in the journal for good, so that this end can never be written.
#[test]
fn a_row_that_was_read_before_the_effect_and_changed_goes_to_a_person() {
    let (state, reason, row, effects) = with_a_changed_row("early-row");
    assert_eq!((state.as_str(), effects), ("parked", 1));
    assert_eq!(reason, "row payments/order-1 changed after it was read, and it was read before a commit");
    assert_eq!(row.as_deref(), Some("1 by another;"));
}

#[test]
fn what_was_surely_not_done_leaves_no_old_look_up() {
    let (runtime, workflows) = ready(components::PAY);
    let world = World::new(&runtime, &workflows);
    world.service.borrow_mut().faults = [Fault::Refuse].into();
    let mut store = world.open(&calm).expect("a store");
    store.accept("m1", &format!("{ORDER} 500 m1"), 1_000).expect("a message");
    assert!(world.worker("").run_one(&mut store).expect("a run"));
    let kinds: Vec<Kind> = store.journal(1).expect("a journal").iter().map(|entry| entry.call.kind).collect();
    assert_eq!(kinds, [Kind::Link], "the look-up is gone, the claim is not");
    // Somebody else pays in the meantime: the next attempt sees it.
    world.service.borrow_mut().pay("pay order-1 500");
    store.signal(&format!("paid/{ORDER}"), "callback-1", "confirmed", 1_000).expect("a signal");
    world.run("", &calm, &|_| Ok(false)).expect("a run");
    assert_eq!((store.show(1).expect("it").state.as_str(), world.service.borrow().effects(ORDER)), ("done", 1));
}

fn long(body: &str, ready_at: u64) -> (usize, usize, String) {
    let (runtime, workflows) = ready(components::LONG);
    let world = World::new(&runtime, &workflows);
    world.service.borrow_mut().ready_at = ready_at;
    world.open(&calm).and_then(|mut store| store.accept("m1", body, 1_000)).expect("a message");
    let longest = std::cell::Cell::new(0);
    let measure = |store: &mut Store<'_>| {
        longest.set(longest.get().max(store.journal(1)?.len()));
        Ok(false)
    };
    world.run("", &calm, &measure).expect("a run");
    let state = world.open(&calm).expect("a store").show(1).expect("it").state;
    let reads = world.service.borrow().reads;
    (reads, longest.get(), state)
}

/// A wait keeps the look-ups before it. Asked again after each wait, as the sketch has it, ten waits would be 66 look-ups.
#[test]
fn ten_waits_are_eleven_look_ups() {
    let (reads, entries, state) = long("polls 0", 1_000 + 10 * 60);
    assert_eq!((reads, entries, state.as_str()), (11, 31, "done"));
}

#[test]
fn checkpoints_keep_the_journal_short() {
    let (_, entries, state) = long("parts 50", 0);
    assert_eq!(state, "done");
    assert!(entries <= 20, "{entries}");
}
