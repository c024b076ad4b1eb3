//! A facility that comes twice in a run: pages move while a registry is read and its data change.

use std::future::pending;
use std::time::Duration;

use flow::facilities::{Counts, Event};
use openimis_mediator::Host;
use openimis_mediator::facilities::sync;
use sandbox::Fault;

use crate::world::{World, asked, open, run, synced};

/// Pages of two that overlap by one.
async fn overlapping(world: &World) -> std::sync::Arc<Host> {
    let host = world.host(&[("facilities.page_size", "2")]).await;
    for number in 1..=3 {
        world.registry.put_facility(&format!("a-{number}"), &format!("Health Post {number}"), "rapta");
    }
    world.registry.overlap_pages(1);
    host
}

/// A run in which the registry changes once its first page is done.
async fn with_change(host: &Host, mut change: impl FnMut() + Send) -> (Counts, Vec<String>) {
    let (mut told, mut pages) = (Vec::new(), 0);
    let mut hear = |event: Event<'_>| match event {
        Event::Facility(record) => {
            let what = record.action.map_or(record.state.word(), |action| action.word());
            told.push(format!("{} {what}", record.source));
        }
        Event::Page { .. } => {
            pages += 1;
            if pages == 1 {
                change();
            }
        }
        _ => {}
    };
    let counts = sync(&host.flow, &host.config, &asked(false, false), &mut hear, pending()).await;
    (counts.unwrap_or_else(|error| panic!("{error}")), told)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_facility_on_two_pages_is_created_once_and_unchanged_the_second_time() {
    for (whole, dry_run) in [(false, false), (true, false), (false, true), (true, true)] {
        let world = World::new().await;
        let host = overlapping(&world).await;
        let (counts, told) = run(&host, whole, dry_run).await;
        let counts = counts.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((counts.listed, counts.created, counts.unchanged), (5, 3, 2), "{told:#?}");
        assert_eq!((counts.failed, counts.possible_duplicates), (0, 0), "{told:#?}");
        let written = if dry_run { 0 } else { 3 };
        assert_eq!(world.sandbox.openimis.health_facilities().len(), 1 + written);
        assert_eq!(open(&host.flow.store).await.len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_facility_that_changes_between_two_pages_is_brought_up_to_date() {
    let world = World::new().await;
    let host = overlapping(&world).await;
    let change = || world.registry.put_facility("a-2", "Health Post 2 of Rapta", "jambero");
    let (counts, told) = with_change(&host, change).await;
    assert_eq!((counts.created, counts.updated), (3, 1), "{told:#?}");
    assert_eq!((counts.failed, counts.possible_duplicates), (0, 0), "{told:#?}");
    assert!(told.contains(&"Location/a-2 create".to_owned()) && told.contains(&"Location/a-2 update".to_owned()));
    let node = world.node("A-2").expect("the facility");
    assert_eq!((&node["name"], &node["location"]["code"]), (&"Health Post 2 of Rapta".into(), &"R1D2".into()));
    assert_eq!(world.sandbox.openimis.health_facilities().len(), 1 + 3);
    let (counts, _) = synced(&host).await;
    assert_eq!((counts.created, counts.updated, counts.failed), (0, 0, 0), "the ledger has the later version");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_facility_that_comes_again_after_an_interruption_is_unchanged() {
    for whole in [false, true] {
        let world = World::new().await;
        let host = overlapping(&world).await;
        world.registry.fail_next(1, Fault::Slow(Duration::ZERO));
        world.registry.fail_next(1, Fault::Status(503));
        run(&host, whole, false).await.0.expect_err("the second page fails");
        let (done, told) = run(&host, whole, false).await;
        let counts = done.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((counts.listed, counts.created, counts.unchanged), (5, 3, 2), "{told:#?}");
        assert_eq!((counts.failed, counts.possible_duplicates), (0, 0), "{told:#?}");
        assert_eq!(world.sandbox.openimis.health_facilities().len(), 1 + 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_facility_that_waits_for_a_decision_is_told_once() {
    let world = World::new().await;
    let host = overlapping(&world).await;
    world.registry.put_facility("a-2", "Rapta Health Center", "rapta"); // as HF001 is called
    let (counts, told) = synced(&host).await;
    // The third comes twice as well, and is unchanged the second time.
    assert_eq!((counts.listed, counts.created, counts.unchanged), (4, 2, 1), "{told:#?}");
    assert_eq!(counts.possible_duplicates, 1, "{told:#?}");
    assert_eq!(told.iter().filter(|(source, ..)| source == "Location/a-2").count(), 1, "{told:#?}");
    assert!(
        open(&host.flow.store).await.iter().any(|line| line.reason.as_deref().is_some_and(|why| why.contains("HF001")))
    );
}
