//! Everything goes wrong at once: the mediator is killed, PostgreSQL restarts, peers are down, slow and confused, and the load goes
//! on. Afterwards the books must balance: whatever was acknowledged with 202 was delivered exactly once, or is a dead letter.
//!
//! The mediator is the real program, killed with SIGKILL. The peers and the callers live in the test process and survive, and so
//! does what they remember. `cargo xtask test` runs a few rounds of each, `cargo xtask chaos` many, with a report.

mod books;
mod load;
mod report;
mod scenario;
mod store;
mod weather;

use mediator_tests::postgres::{Cluster, Stop};
use scenario::Scenario;
use store::Store;

/// `cargo xtask chaos` asks for the long form; somebody in search of a fault may ask for a number.
fn rounds(short: usize, long: usize) -> usize {
    match std::env::var("CHAOS_ROUNDS").as_deref() {
        Err(_) => short,
        Ok("long") => long,
        Ok(number) => number.parse().expect("CHAOS_ROUNDS: `long` or a number"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mediator_on_sqlite_killed_under_load_loses_and_doubles_nothing() {
    Scenario::begin("Killed under load", Store::sqlite()).await.kills(rounds(5, 200)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_sqlite_acknowledged_a_moment_before_the_kill_is_there() {
    Scenario::begin("Killed right after a 202", Store::sqlite()).await.kills_after_an_answer(rounds(3, 50)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: cargo xtask test"]
async fn a_mediator_on_postgresql_killed_under_load_loses_and_doubles_nothing() {
    let store = Store::postgresql(Cluster::shared());
    Scenario::begin("Killed under load", store).await.kills(rounds(5, 200)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: cargo xtask test"]
async fn what_postgresql_acknowledged_a_moment_before_the_kill_is_there() {
    let store = Store::postgresql(Cluster::shared());
    Scenario::begin("Killed right after a 202", store).await.kills_after_an_answer(rounds(3, 50)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: cargo xtask test"]
async fn of_two_replicas_one_is_killed_and_the_other_loses_and_doubles_nothing() {
    let store = Store::postgresql(Cluster::shared());
    Scenario::begin("Two replicas, one killed", store).await.kills_of_one_in_two(rounds(2, 50)).await;
}

/// The server is set to say "committed" before the disk has it, and its crashes do lose such commits: the mediator has to ask for more.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: cargo xtask test"]
async fn a_postgresql_that_restarts_under_load_makes_no_false_202() {
    let cluster = Cluster::start();
    let store = Store::postgresql(&cluster);
    cluster.sql(&cluster.database(), "ALTER SYSTEM SET synchronous_commit = off");
    cluster.restart(Stop::Fast);
    let scenario = Scenario::begin("PostgreSQL restarted", store).await;
    scenario.restarts(&cluster, [Stop::Immediate, Stop::Fast].into_iter().cycle().take(rounds(1, 20))).await;
}
