//! A component that changed in the middle of a message, and code that does not ask the same twice.

use workflow_proof::components;
use workflow_proof::plan::{ORDER, Plan, World, calm};
use workflow_proof::runtime::{Answer, Call, Entry, Kind, Runtime, State, Workflow};
use workflow_proof::store::Shown;

/// A message that has paid and waits for its callback under `PAY`; then only `component` is there, and the callback comes.
/// With `is_adopted`, a person has it go on if the check allows. What became of it, how often the order was paid, what the check said.
fn changed(component: &[u8], is_adopted: bool) -> (Shown, usize, Result<(), String>) {
    let runtime = Runtime::new(false).expect("an engine");
    let before = [runtime.load(components::PAY).expect("a workflow")];
    let after = [runtime.load(component).expect("a workflow")];
    let mut world = World::new(&runtime, &before);
    let mut store = world.open(&calm).expect("a store");
    store.accept("m1", &format!("{ORDER} 500 m1"), 1_000).expect("a message");
    assert!(world.worker("").run_one(&mut store).expect("a run"));
    assert_eq!(store.show(1).expect("it").state, "waiting");
    world.workflows = &after;
    store.signal(&format!("paid/{ORDER}"), "callback-1", "confirmed", 2_000).expect("a signal");
    world.run("", &calm, &|_| Ok(false)).expect("a run");
    let mut checked = Ok(());
    if is_adopted {
        let journal = store.journal(1).expect("a journal");
        checked = runtime.check_prefixes(&after[0], &format!("{ORDER} 500 m1"), "", &journal);
        if checked.is_ok() {
            store.adopt(1, &after[0].digest, 3_000).expect("a commit");
            world.now.set(world.now.get() + 3_000);
            world.run("", &calm, &|_| Ok(false)).expect("a run");
        }
    }
    let effects = world.service.borrow().effects(ORDER);
    (store.show(1).expect("it"), effects, checked)
}

#[test]
fn a_changed_component_is_noticed_before_it_runs() {
    let (shown, effects, _) = changed(components::PAY_WITH_FEE, false);
    assert_eq!((shown.state.as_str(), effects), ("parked", 1));
    assert!(shown.reason.starts_with("it began with component "), "{}", shown.reason);
    assert!(shown.reason.contains("and has had effects; here is "), "{}", shown.reason);
}

#[test]
fn the_component_that_it_began_with_ends_it_while_it_is_kept() {
    let runtime = Runtime::new(false).expect("an engine");
    let both = [components::PAY_WITH_FEE, components::PAY].map(|bytes| runtime.load(bytes).expect("a workflow"));
    let before = [runtime.load(components::PAY).expect("a workflow")];
    let mut world = World::new(&runtime, &before);
    let mut store = world.open(&calm).expect("a store");
    store.accept("m1", &format!("{ORDER} 500 m1"), 1_000).expect("a message");
    assert!(world.worker("").run_one(&mut store).expect("a run"));
    world.workflows = &both;
    store.signal(&format!("paid/{ORDER}"), "callback-1", "confirmed", 2_000).expect("a signal");
    world.run("", &calm, &|_| Ok(false)).expect("a run");
    assert_eq!(store.show(1).expect("it").outcome, "receipt-order-1, confirmed");
    assert_eq!(world.service.borrow().effects(ORDER), 1);
}

#[test]
fn without_an_effect_a_message_begins_again_with_the_new_component() {
    let runtime = Runtime::new(false).expect("an engine");
    let polls = [runtime.load(components::LONG).expect("a workflow")];
    let other = [runtime.load(components::TRAPS).expect("a workflow")];
    let mut world = World::new(&runtime, &polls);
    world.service.borrow_mut().ready_at = u64::MAX;
    let mut store = world.open(&calm).expect("a store");
    store.accept("m1", "polls 0", 1_000).expect("a message");
    assert!(world.worker("").run_one(&mut store).expect("a run"));
    world.workflows = &other;
    world.run("", &calm, &|_| Ok(false)).expect("a run");
    assert_eq!(store.show(1).expect("it").reason, "no such mistake", "the other component had its say");
}

#[test]
fn a_component_that_asks_the_same_may_take_over() {
    let (shown, effects, checked) = changed(components::PAY_LATER_WORDS, true);
    assert_eq!(checked, Ok(()));
    assert_eq!((shown.outcome.as_str(), effects), ("paid: receipt-order-1, confirmed", 1));
}

#[test]
fn a_component_that_pays_another_amount_may_not() {
    let (shown, effects, checked) = changed(components::PAY_WITH_FEE, true);
    let reason = checked.expect_err("refused");
    assert!(reason.contains("entry 2, `pay/0`, is not what this component asks there"), "{reason}");
    assert_eq!((shown.state.as_str(), effects), ("parked", 1));
}

/// Its own kit compares nothing; the host's check finds it all the same.
#[test]
fn a_careless_component_that_would_pay_again_may_not() {
    let (shown, effects, checked) = changed(components::PAY_CARELESS, true);
    let reason = checked.expect_err("refused");
    assert!(reason.starts_with("entry 0, `link order-1`, is not what this component asks there"), "{reason}");
    assert_eq!((shown.state.as_str(), effects), ("parked", 1));
}

fn traps() -> (Runtime, Workflow) {
    let runtime = Runtime::new(true).expect("an engine");
    let traps = runtime.load(components::TRAPS).expect("a workflow");
    (runtime, traps)
}

/// Answers everything that is asked, one call after the other, `order` choosing among several.
fn to_its_end(message: &str, order: fn(&[Call]) -> usize) -> (Vec<Entry>, State) {
    let (runtime, traps) = traps();
    let mut journal = Vec::new();
    for _ in 0..40 {
        let next = runtime.checked_step(&traps, message, "", &journal).expect("a step");
        if next.state != State::Running {
            return (journal, next.state);
        }
        let call = next.actions[order(&next.actions)].clone();
        journal.push(Entry { call, answer: Answer::Text("yes".into()) });
    }
    panic!("it does not end")
}

fn reason(state: State) -> String {
    match state {
        State::Mismatch(reason) | State::Stuck(reason) => reason,
        other => panic!("{other:?}"),
    }
}

/// Nothing is imported, and yet: the order of a hash map follows the addresses of the heap, and these the length of the journal.
#[test]
fn a_hash_map_is_noticed() {
    let (journal, state) = to_its_end("hash map", |_| 0);
    let reason = reason(state);
    assert!(reason.contains("was answered for another request than it now has"), "{reason} after {}", journal.len());
}

/// Two branches that number one name: which is first depends on which answer came first.
#[test]
fn numbers_that_two_branches_share_are_noticed_and_names_of_their_own_are_fine() {
    let last = |actions: &[Call]| actions.len() - 1;
    let (_, state) = to_its_end("joined numbers", last);
    assert_eq!(reason(state), "`again#0` was answered for another request than it now has");
    let (journal, state) = to_its_end("joined names", last);
    assert!(matches!(state, State::Done(_)), "{state:?}");
    assert_eq!(journal.len(), 4);
}

#[test]
fn an_effect_of_the_same_name_twice_is_refused_before_it_is_sent_again() {
    let (journal, state) = to_its_end("twice", |_| 0);
    assert_eq!(journal.len(), 1);
    assert_eq!(reason(state), "`pay` is asked for twice");
}

#[test]
fn what_waits_for_nothing_that_it_asked_for_is_noticed() {
    let (_, state) = to_its_end("foreign future", |_| 0);
    assert_eq!(reason(state), "it waits for something that it did not ask for");
}

#[test]
fn other_settings_in_the_middle_are_noticed() {
    let (runtime, traps) = traps();
    let call = Call { name: "pay".into(), kind: Kind::Once, request: "pay a 1".into(), until: None };
    let journal = [Entry { call, answer: Answer::Text("yes".into()) }];
    let step = |settings: &str| runtime.checked_step(&traps, "settings", settings, &journal).expect("a step").state;
    assert_eq!(step("1"), State::Running);
    assert_eq!(reason(step("2")), "`pay` was answered for another request than it now has");
}

/// A worker keeps the settings that a message began with.
#[test]
fn a_message_ends_with_the_settings_that_it_began_with() {
    let runtime = Runtime::new(false).expect("an engine");
    let workflows = [runtime.load(components::TRAPS).expect("a workflow")];
    let world = World::new(&runtime, &workflows);
    let mut store = world.open(&calm).expect("a store");
    store.accept("m1", "settings", 1_000).expect("a message");
    assert!(world.worker("1").run_one(&mut store).expect("a run"));
    store.signal("paid/a", "1", "yes", 1_000).expect("a signal");
    world.run("2", &calm, &|_| Ok(false)).expect("a run");
    assert_eq!(store.show(1).expect("it").state, "done");
}

/// The same component gives the same step, whatever ran before: each has an instance of its own.
#[test]
fn a_step_is_the_same_in_every_instance_to_the_instruction() {
    let runtime = Runtime::new(true).expect("an engine");
    let pay = runtime.load(components::PAY).expect("a workflow");
    let step = || runtime.step(&pay, "order-1 500 m1", "", &[]).expect("a step");
    let first = step();
    assert!(first.1 > 0);
    assert!((0..20).all(|_| step() == first));
}

/// There is no import to write words to, and after optimisation one function is left: neither words nor names say what was wrong.
#[test]
fn a_panic_cannot_be_read() {
    let (runtime, traps) = traps();
    let error = runtime.step(&traps, "panic", "", &[]).expect_err("a trap").to_string();
    assert!(error.contains("rust_panic") && !error.contains("the author's words"), "{error}");
    assert!(!error.contains("hash_map") && !error.contains("wrong"), "{error}");
}

#[test]
fn a_trap_is_for_a_person_and_nothing_is_sent() {
    let runtime = Runtime::new(false).expect("an engine");
    let workflows = [runtime.load(components::TRAPS).expect("a workflow")];
    let plan = Plan { body: Some("panic".into()), ..Plan::default() };
    let report = plan.run(&runtime, &workflows);
    assert_eq!((report.shown.state.as_str(), report.payments), ("parked", 0));
}
