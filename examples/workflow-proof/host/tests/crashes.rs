//! Every crash point, every lost answer, every moment of the signal: one effect, and an end.

use workflow_proof::components;
use workflow_proof::plan::{Plan, Report, Signal};
use workflow_proof::runtime::{Runtime, Workflow};
use workflow_proof::service::Fault;

const FAULTS: [Fault; 4] = [Fault::None, Fault::LoseAnswer, Fault::LoseRequest, Fault::Refuse];

fn ready() -> (Runtime, Vec<Workflow>) {
    let runtime = Runtime::new(false).expect("an engine");
    let pay = runtime.load(components::PAY).expect("the workflow");
    (runtime, vec![pay])
}

/// A signal that was slept over until the deadline is as good as lost.
const LATEST: u64 = 10_000;

fn ended_well(plan: &Plan, report: &Report) {
    let Report { shown, effects, messages, row, signals_left, .. } = report;
    assert_eq!(
        (shown.state.as_str(), shown.outcome.as_str()),
        ("done", "receipt-order-1, confirmed"),
        "{plan:?} {report:#?}"
    );
    assert_eq!((*effects, *messages, *signals_left), (1, 1, 0), "{plan:?} {report:#?}");
    assert!(report.ended_at < LATEST, "{plan:?} {report:#?}");
    assert_eq!(row.as_deref(), Some("1 receipt-order-1;"), "{plan:?} {report:#?}");
}

/// A crash between intent and answer is an attempt of unknown outcome. With two lost requests it is the third, and a person decides.
fn is_given_up(plan: &Plan, report: &Report) -> bool {
    let is_stuck = report.shown.reason == "pay: three attempts of unknown outcome, nothing is found";
    is_stuck && plan.faults == [Fault::LoseRequest; 2] && (report.effects, report.messages) == (0, 0)
}

#[test]
fn one_effect_at_every_crash_point_with_every_pair_of_faults() {
    let (runtime, workflows) = ready();
    let (mut runs, mut given_up) = (0, 0);
    for first in FAULTS {
        for second in FAULTS {
            let calm = Plan { faults: vec![first, second], ..Plan::default() };
            let report = calm.run(&runtime, &workflows);
            ended_well(&calm, &report);
            for point in 1..=report.points {
                let plan = Plan { kills: vec![point], ..calm.clone() };
                let report = plan.run(&runtime, &workflows);
                assert_eq!(report.kills, 1, "{plan:?}");
                if is_given_up(&plan, &report) {
                    given_up += 1;
                } else {
                    ended_well(&plan, &report);
                }
                runs += 1;
            }
        }
    }
    println!("{runs} runs with a crash each, {given_up} of them end at a person");
    assert!(given_up < runs / 50, "{given_up} of {runs}");
}

/// The second crash is anywhere on the way that the first one leads to, where it often finds an effect of unknown outcome.
#[test]
fn one_effect_with_two_crashes_at_every_pair_of_points() {
    let (runtime, workflows) = ready();
    let mut runs = 0;
    for first in 1..=Plan::default().run(&runtime, &workflows).points {
        let points = Plan { kills: vec![first], ..Plan::default() }.run(&runtime, &workflows).points;
        for second in first + 1..=points {
            let plan = Plan { kills: vec![first, second], ..Plan::default() };
            let report = plan.run(&runtime, &workflows);
            assert_eq!(report.kills, 2, "{plan:?}");
            ended_well(&plan, &report);
            runs += 1;
        }
    }
    println!("{runs} runs with two crashes each");
}

#[test]
fn the_signal_is_not_lost_whenever_it_comes_and_wherever_it_crashes() {
    let (runtime, workflows) = ready();
    let points = Plan::default().run(&runtime, &workflows).points;
    let mut runs = 0;
    for signal in std::iter::once(Signal::Before).chain((1..=points).map(Signal::At)) {
        for kill in 0..=points {
            // A crash at 0 is none.
            let plan = Plan { signal, kills: vec![kill], ..Plan::default() };
            ended_well(&plan, &plan.run(&runtime, &workflows));
            runs += 1;
        }
    }
    println!("{runs} runs");
}
