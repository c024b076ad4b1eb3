//! Near-duplicates: an admin decides, not the mediator.

use flow::facilities::State;
use openimis_mediator::facilities::national_id;
use store::FacilityLine;

use crate::world::{World, open, synced, tried_again};

/// A new facility that is called like one that openIMIS has in the district.
async fn doubtful(world: &World) -> (std::sync::Arc<openimis_mediator::Host>, FacilityLine) {
    let host = world.host(&[]).await;
    world.registry.put_facility("hp-9", "RAPTA Health Center", "rapta");
    let (counts, told) = synced(&host).await;
    assert_eq!((counts.created, counts.possible_duplicates, counts.failed), (0, 1, 0), "{told:#?}");
    assert_eq!(world.sandbox.openimis.health_facilities().len(), 1, "it did not go to openIMIS");
    let line = open(&host.flow.store).await.remove(0);
    assert_eq!(line.state, State::PossibleDuplicate);
    assert!(line.reason.as_deref().expect("a reason").contains("HF001"), "{line:?}");
    (host, line)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_possible_duplicate_that_is_the_same_facility_brings_it_up_to_date() {
    let world = World::new().await;
    let (host, line) = doubtful(&world).await;
    let (store, now) = (&host.flow.store, jiff::Timestamp::now());
    let id = national_id(&host.flow, line.code.as_deref().expect("a code"));
    assert!(store.decide_facility(line.id, &id, Some("HF001"), "an admin", now).await.expect("the store"));
    assert!(!store.decide_facility(line.id, &id, None, "a slower admin", now).await.expect("the store"));
    let counts = tried_again(&host).await;
    assert_eq!((counts.updated, counts.created), (1, 0));
    assert_eq!(world.node("HF001").expect("the facility")["name"], "RAPTA Health Center");
    assert_eq!(world.sandbox.openimis.health_facilities().len(), 1);
    assert_eq!(open(store).await.len(), 0);
    let audit = store.audit(None, 10).await.expect("the store");
    assert!(audit.iter().any(|line| line.action == "decide facility" && line.actor == "an admin"), "{audit:#?}");
    // From now on it is that one.
    world.registry.put_facility("hp-9", "Rapta Hospital", "rapta");
    assert_eq!(synced(&host).await.0.updated, 1);
    assert_eq!(world.node("HF001").expect("the facility")["name"], "Rapta Hospital");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_possible_duplicate_that_is_another_facility_is_created() {
    let world = World::new().await;
    let (host, line) = doubtful(&world).await;
    let (store, now) = (&host.flow.store, jiff::Timestamp::now());
    assert!(store.decide_facility(line.id, "HP-9", None, "an admin", now).await.expect("the store"));
    assert_eq!(tried_again(&host).await.created, 1);
    assert_eq!(world.sandbox.openimis.health_facilities().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_new_facilities_of_one_name_in_one_run_are_seen() {
    let world = World::new().await;
    let host = world.host(&[]).await;
    for (id, area) in [("hp-1", "rapta"), ("hp-2", "rapta"), ("hp-3", "jambero")] {
        world.registry.put_facility(id, "Health Post", area);
    }
    let (counts, told) = synced(&host).await;
    assert_eq!((counts.created, counts.possible_duplicates), (2, 1), "{told:#?}");
    // Nobody decided: it waits, run after run.
    let (counts, _) = synced(&host).await;
    assert_eq!((counts.created, counts.possible_duplicates), (0, 1));
}
