//! Runs that are stopped in the middle go on where they were; and only one runs at a time.

use std::time::Duration;

use flow::facilities::RunError;
use jiff::{SignedDuration, Timestamp};
use mediator_tests::raw_peer::{Scripted, http};
use mediator_tests::running::{Mediator, config, eventually};
use openimis_mediator::facilities::SyncError;
use sandbox::Fault;
use serde_json::json;

use crate::world::{World, run, synced};

/// Five pages of two.
async fn five_pages(world: &World) {
    for number in 1..=8 {
        world.registry.put_facility(&format!("hp-{number}"), &format!("Health Post {number}"), "rapta");
    }
}

fn first_pages(world: &World) -> usize {
    world.registry.requests().iter().filter(|(line, _)| line.starts_with("GET /fhir/Location?")).count()
}

fn reason(stopped: &SyncError) -> &str {
    match stopped {
        SyncError::Stopped(RunError::Interrupted { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_the_registry_interrupts_goes_on_with_the_page_that_failed() {
    let world = World::new().await;
    let host = world.host(&[("facilities.page_size", "2")]).await;
    five_pages(&world).await;
    world.registry.fail_next(2, Fault::Slow(Duration::ZERO));
    world.registry.fail_next(1, Fault::Status(503));
    let (done, _) = run(&host, false, false).await;
    let error = done.expect_err("the third page fails");
    assert!(reason(&error).contains("503") && reason(&error).contains("Injected by the sandbox"), "{error}");
    assert_eq!(world.sandbox.openimis.health_facilities().len(), 1 + 4, "two pages were brought over");
    let runs = host.flow.store.facility_runs(1).await.expect("the store");
    assert_eq!(runs[0].state, "interrupted");
    assert!(runs[0].next_at.is_some());

    let (counts, _) = synced(&host).await;
    assert_eq!((counts.listed, counts.created), (8, 8), "the counts are of the whole run");
    assert_eq!(first_pages(&world), 1, "it did not begin anew");
    let runs = host.flow.store.facility_runs(10).await.expect("the store");
    assert_eq!(runs.iter().map(|run| run.state.as_str()).collect::<Vec<_>>(), ["done"]);
}

/// What stands at the registry's address may name people, or send a terminal orders.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_registry_says_is_cleaned_for_admins_and_not_logged() {
    let world = World::new().await;
    let said = "bad \u{1b}[31mRED\u{1b}[0m\nforged \u{202e}line\u{0} name Ram Bahadur phone 9841234567 ".to_owned()
        + &"x".repeat(9000);
    let outcome = |key: &str| {
        let issue = match key {
            "details" => json!({"details": {"text": said}}),
            _ => json!({key: said}),
        };
        json!({"resourceType": "OperationOutcome", "issue": [issue]}).to_string()
    };
    for (status, key) in [
        ("500 Internal Server Error", "diagnostics"),
        ("400 Bad Request", "details"),
        ("401 Unauthorized", "diagnostics"),
    ] {
        let registry = Scripted::answering(&[http(status, "content-type: application/fhir+json", &outcome(key))]).await;
        let host = world.host(&[("facilities.url", &registry.url)]).await;
        let error = run(&host, false, false).await.0.expect_err("the registry refuses");
        let kept = host.flow.store.facility_runs(1).await.expect("the store").remove(0).reason.expect("a reason");
        for told in [reason(&error), &kept] {
            assert!(told.contains("name Ram Bahadur") && told.contains("forged line"), "{told:?}");
            assert!(!told.chars().any(|letter| letter.is_control() || letter == '\u{202e}'), "{told:?}");
            assert!(told.chars().count() < 400, "{told:?}");
        }
        let logged = error.unquoted();
        assert!(logged.contains(&status[..3]), "{logged}");
        for secret in ["Ram", "9841234567", "RED", "xxx"] {
            assert!(!logged.contains(secret), "{logged}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_sync_is_that_of_the_last_run_that_got_to_its_end() {
    let world = World::new().await;
    let host = world.host(&[("facilities.page_size", "2")]).await;
    five_pages(&world).await;
    world.registry.fail_next(1, Fault::Slow(Duration::ZERO));
    world.registry.fail_next(1, Fault::Reset);
    run(&host, false, false).await.0.expect_err("the second page fails");
    use flow::facilities::Ledger;
    assert_eq!(host.flow.store.last_facility_sync().await.expect("the store"), None);
    let before = Timestamp::now() - SignedDuration::from_secs(2); // a registry tells whole seconds
    synced(&host).await;
    let last = host.flow.store.last_facility_sync().await.expect("the store").expect("it got to its end");
    assert!(last <= Timestamp::now() && last > before - SignedDuration::from_secs(60), "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_page_the_registry_has_forgotten_begins_anew_and_writes_nothing_twice() {
    let world = World::new().await;
    let host = world.host(&[("facilities.page_size", "2")]).await;
    five_pages(&world).await;
    world.registry.fail_next(3, Fault::Slow(Duration::ZERO));
    world.registry.fail_next(1, Fault::Html);
    let (done, _) = run(&host, false, false).await;
    assert!(reason(&done.expect_err("a page of a proxy")).contains("no Bundle"));
    world.registry.forget_searches();
    let (counts, told) = synced(&host).await;
    assert_eq!(world.sandbox.openimis.health_facilities().len(), 1 + 8, "{told:#?}");
    assert_eq!((counts.listed, counts.failed), (8, 0));
    assert_eq!(first_pages(&world), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_openimis_that_goes_away_stops_the_run_and_no_facility_is_called_a_failure() {
    let world = World::new().await;
    let host = world.host(&[("facilities.page_size", "2"), ("retry.trip_after", "1")]).await;
    five_pages(&world).await;
    world.sandbox.openimis.fail_next(usize::MAX, Fault::Reset);
    let (done, _) = run(&host, false, false).await;
    assert!(done.is_err());
    let counts = host.flow.store.facility_counts().await.expect("the store");
    assert_eq!(counts, [], "nothing is written down of facilities that were not tried");
    world.sandbox.openimis.fail_next(0, Fault::Reset);
    let counts = eventually("openIMIS is spoken to again", || async { run(&host, false, false).await.0.ok() }).await;
    assert_eq!((counts.created, counts.failed), (8, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_asks_for_a_slower_pace_is_left_alone_for_so_long() {
    let world = World::new().await;
    let host = world.host(&[]).await;
    world.registry.fail_next(1, Fault::Hang(Duration::from_millis(10)));
    run(&host, false, false).await.0.expect_err("it hangs");
    let first = host.flow.store.facility_runs(1).await.expect("the store").remove(0);
    world.registry.fail_next(1, Fault::Status(500));
    run(&host, false, false).await.0.expect_err("a fault");
    let second = host.flow.store.facility_runs(1).await.expect("the store").remove(0);
    let wait =
        |run: &store::RunLine| run.next_at.expect("a time").duration_since(run.ended_at.expect("a time")).as_millis();
    assert!(wait(&second) > wait(&first), "it waits longer each time: {first:?} {second:?}");
    assert_eq!(second.id, first.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_to_another_server_that_the_registry_names() {
    let world = World::new().await;
    let host = world.host(&[("facilities.page_size", "2")]).await;
    five_pages(&world).await;
    let other = World::new().await;
    world.registry.link_to(&other.registry.url());
    let (done, _) = run(&host, false, false).await;
    let error = done.expect_err("its next page is elsewhere");
    assert!(reason(&error).contains("is not followed"), "{error}");
    assert_eq!(other.registry.requests(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_runs_at_once_one_is_sent_away() {
    let world = World::new().await;
    let host = world.host(&[]).await;
    five_pages(&world).await;
    world.registry.fail_next(1, Fault::Slow(Duration::from_secs(8)));
    let (one, other) = tokio::join!(run(&host, false, false), run(&host, false, false));
    let [done, busy] = match one.0 {
        Ok(_) => [one.0, other.0],
        Err(_) => [other.0, one.0],
    };
    assert_eq!(done.expect("one of them runs").created, 8);
    assert!(matches!(busy, Err(SyncError::Busy(_))), "{busy:?}");
    assert_eq!(first_pages(&world), 1);
    assert_eq!(synced(&host).await.0.unchanged, 8, "the lease was given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_left_in_the_middle_is_taken_up_when_its_lease_has_run_out() {
    let world = World::new().await;
    let host = world.host(&[("facilities.page_size", "2"), ("facilities.lease", "3s")]).await;
    five_pages(&world).await;
    world.registry.fail_next(2, Fault::Slow(Duration::ZERO));
    world.registry.fail_next(1, Fault::Slow(Duration::from_secs(3600)));
    let killed = {
        let host = host.clone();
        tokio::spawn(async move { run(&host, false, false).await.0.is_ok() })
    };
    eventually("two pages are done", || async {
        (world.sandbox.openimis.health_facilities().len() == 5).then_some(())
    })
    .await;
    killed.abort();
    assert!(killed.await.is_err());
    world.registry.fail_next(0, Fault::Reset);
    let counts = eventually("the lease runs out", || async { run(&host, false, false).await.0.ok() }).await;
    assert_eq!(world.sandbox.openimis.health_facilities().len(), 1 + 8);
    assert_eq!(counts.failed, 0);
    assert_eq!(first_pages(&world), 1, "it went on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mediator_that_stops_in_the_middle_of_a_run_goes_on_with_it_at_its_next_start() {
    let world = World::new().await;
    five_pages(&world).await;
    let url = world.registry.url();
    // A lease that would outlast the test: it is given back.
    let changes = world.changes(&url, &[("facilities.page_size", "2"), ("facilities.lease", "1h")]);
    let mediator = Mediator::start(config(&world.sandbox, &world.dir, &changes)).await;
    world.registry.fail_next(2, Fault::Slow(Duration::ZERO));
    world.registry.fail_next(1, Fault::Slow(Duration::from_secs(3600)));
    mediator.host.facilities.ask_for_run(false);
    eventually("two pages are done", || async {
        (world.sandbox.openimis.health_facilities().len() == 5).then_some(())
    })
    .await;
    mediator.stop().await;
    world.registry.fail_next(0, Fault::Reset);
    let mediator = Mediator::start(config(&world.sandbox, &world.dir, &changes)).await;
    eventually("all are there", || async { (world.sandbox.openimis.health_facilities().len() == 1 + 8).then_some(()) })
        .await;
    assert_eq!(first_pages(&world), 1, "it went on");
    mediator.stop().await;
}
