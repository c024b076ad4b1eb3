//! What a run brings to openIMIS, and what it leaves alone.

use flow::facilities::{Counts, State};
use openimis_mediator::facilities::SyncError;
use sandbox::{Fault, REGISTRY_TOKEN};
use serde_json::json;

use crate::world::{World, open, run, synced};

#[tokio::test(flavor = "multi_thread")]
async fn new_facilities_are_created_and_a_second_run_writes_nothing() {
    let world = World::new().await;
    let host = world.host(&[]).await;
    world.registry.put_facility("hp-1", "North Health Post", "rapta");
    world.registry.put_facility("hp-2", "South Health Post", "jambero");
    let (counts, told) = synced(&host).await;
    assert_eq!(counts, Counts { listed: 2, created: 2, ..Counts::default() }, "{told:#?}");
    let node = world.node("HP-2").expect("the facility");
    assert_eq!(
        (&node["name"], &node["level"], &node["legalForm"]["code"]),
        (&json!("South Health Post"), &json!("D"), &json!("G"))
    );
    assert_eq!((&node["location"]["code"], &node["status"]), (&json!("R1D2"), &json!("AC")));

    let before = world.openimis_requests();
    let (counts, _) = synced(&host).await;
    assert_eq!(counts, Counts { listed: 2, unchanged: 2, ..Counts::default() }, "the overlap names them again");
    assert_eq!(world.openimis_requests(), before, "what has the same fingerprint is not even looked up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_facility_is_renamed_moved_and_closed_and_keeps_what_openimis_alone_knows() {
    let world = World::new().await;
    let host = world.host(&[]).await;
    // HF001 is in openIMIS, with price lists that no registry knows.
    world.registry.put_facility("hf001", "Rapta Health Post", "jambero");
    let (_, told) = synced(&host).await;
    assert_eq!(told[0].1, "update", "{told:#?}");
    for change in ["name", "level", "legalForm", "district"] {
        assert!(told[0].2.contains(change), "{told:#?}");
    }
    let node = world.node("HF001").expect("the facility");
    assert_eq!((&node["name"], &node["location"]["code"]), (&json!("Rapta Health Post"), &json!("R1D2")));
    assert!(node["servicesPricelist"]["id"].is_string() && node["itemsPricelist"]["id"].is_string(), "{node}");
    assert_eq!(node["uuid"], "00000000-0000-4000-8000-000000000001", "it is the same one");

    let mut closed =
        json!({"resourceType": "Location", "id": "hf001", "status": "inactive", "name": "Rapta Health Post"});
    closed["identifier"] = json!([{"use": "official", "value": "HF001"}]);
    closed["type"] = json!([{"coding": [{"system": "http://registry.example.org/types", "code": "health-post"}]}]);
    closed["managingOrganization"] = json!({"reference": "Organization/moh"});
    closed["partOf"] = json!({"reference": "Location/jambero"});
    world.registry.put(closed);
    let (_, told) = synced(&host).await;
    assert_eq!((told[0].1.as_str(), told[0].2.as_str()), ("update", "status"), "{told:#?}");
    assert_eq!(world.node("HF001").expect("it is ended, not deleted")["status"], "IN");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_what_would_change_and_changes_nothing() {
    let world = World::new().await;
    let host = world.host(&[]).await;
    world.registry.put_facility("hp-1", "North Health Post", "rapta");
    world.registry.put_facility("hf001", "Rapta Health Post", "rapta");
    world.registry.put_facility("hp-3", "Far Health Post", "nowhere");
    let (done, told) = run(&host, false, true).await;
    let counts = done.expect("a run");
    assert_eq!((counts.created, counts.updated, counts.failed), (1, 1, 1), "{told:#?}");
    assert_eq!(world.sandbox.openimis.health_facilities().len(), 1);
    assert_eq!(open(&host.flow.store).await.len(), 0, "nothing is written down");
    assert_eq!(host.flow.store.facility_runs(10).await.expect("the store").len(), 0);

    // What failed in an earlier run is told once, and stays as it was.
    synced(&host).await;
    let (done, told) = run(&host, true, true).await;
    assert_eq!(done.expect("a run").failed, 1, "{told:#?}");
    assert_eq!(open(&host.flow.store).await[0].attempts, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_facility_that_cannot_be_mapped_stops_no_other_and_is_tried_again_with_the_next_run() {
    let world = World::new().await;
    let host = world.host(&[]).await;
    world.registry.put_facility("hp-1", "North Health Post", "rapta");
    world.registry.put_facility("hp-2", "Far Health Post", "nowhere");
    world.registry.put_facility("hp-much-too-long", "Long Health Post", "rapta");
    let (counts, _) = synced(&host).await;
    assert_eq!((counts.created, counts.failed), (1, 2));
    let failed = open(&host.flow.store).await;
    let why: Vec<&str> = failed.iter().rev().map(|line| line.reason.as_deref().expect("a reason")).collect();
    assert!(why[0].contains("no openIMIS district") && why[1].contains("8 characters"), "{why:#?}");
    let view = host.flow.store.facility(failed[0].id).await.expect("the store").expect("the facility");
    assert!(!view.issues.is_empty() && view.document.is_some(), "{view:#?}");

    // An admin adds the area to the table: the registry need not send the facility again.
    world.registry.remove("Location/hp-2");
    drop(host);
    let districts =
        r#"[{ source = "Location/rapta", openimis = "R1D1" }, { source = "Location/nowhere", openimis = "R2D1" }]"#;
    let host = world.host(&[("mapping.facility.districts", districts)]).await;
    let (counts, told) = synced(&host).await;
    assert_eq!((counts.created, counts.failed), (1, 1), "{told:#?}");
    assert_eq!(world.node("HP-2").expect("it came")["location"]["code"], "R2D1");
    let still = open(&host.flow.store).await;
    assert_eq!(still.iter().map(|line| line.source.as_str()).collect::<Vec<_>>(), ["Location/hp-much-too-long"]);
    assert_eq!((still[0].state, still[0].attempts), (State::Failed, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_openimis_refuses_is_told_with_its_words_and_the_others_are_written() {
    let world = World::new().await;
    let legal = r#"[{ source = "http://terminology.hl7.org/CodeSystem/organization-type|govt", openimis = "G" },
                    { source = "http://registry.example.org/types|private", openimis = "X" }]"#;
    let host = world.host(&[("mapping.facility.legal_forms", legal)]).await;
    for number in 1..=45 {
        world.registry.put_facility(&format!("hp-{number}"), &format!("Health Post {number}"), "rapta");
    }
    let organization = json!({"resourceType": "Organization", "id": "moh", "type": [
        {"coding": [{"system": "http://registry.example.org/types", "code": "private"}]}]});
    let mut private = organization.clone();
    private["id"] = "private".into();
    world.registry.put(private);
    let mut facility = json!({"resourceType": "Location", "id": "hp-46", "status": "active", "name": "Private Post"});
    facility["identifier"] = json!([{"use": "official", "value": "HP-46"}]);
    facility["type"] = json!([{"coding": [{"system": "http://registry.example.org/types", "code": "health-post"}]}]);
    facility["managingOrganization"] = json!({"reference": "Organization/private"});
    facility["partOf"] = json!({"reference": "Location/rapta"});
    world.registry.put(facility);
    let (counts, told) = synced(&host).await;
    assert_eq!((counts.created, counts.failed), (45, 1), "{told:#?}");
    let failed = open(&host.flow.store).await;
    let reason = failed[0].reason.as_deref().expect("a reason");
    assert!(reason.starts_with("openIMIS refused it") && reason.contains("LegalForm"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_entries_of_the_registry_with_one_code_do_not_undo_each_other() {
    let world = World::new().await;
    let codes = r#"[{ source = "HP-1", openimis = "SAME" }, { source = "HP-2", openimis = "SAME" }]"#;
    let host = world.host(&[("mapping.facility.codes", codes)]).await;
    world.registry.put_facility("hp-1", "North Health Post", "rapta");
    world.registry.put_facility("hp-2", "South Health Post", "rapta");
    let (counts, told) = synced(&host).await;
    assert_eq!((counts.created, counts.failed), (1, 1), "{told:#?}");
    assert_eq!(world.node("SAME").expect("the first")["name"], "North Health Post");
    let reason = open(&host.flow.store).await[0].reason.clone().expect("a reason");
    assert_eq!(reason, "Location/hp-1 of the registry has the same code: which of the two is it?");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_changed_is_asked_for_and_a_whole_run_finds_what_somebody_changed_in_openimis() {
    let world = World::new().await;
    let host = world.host(&[("facilities.overlap", "0s")]).await;
    world.registry.put_at(facility("hp-1", "North Health Post"), "2020-01-01T00:00:00Z".parse().expect("a time"));
    let (counts, _) = synced(&host).await;
    assert_eq!(counts.created, 1);
    let (counts, _) = synced(&host).await;
    assert_eq!(counts.listed, 0, "it did not change");
    let last = world.registry.requests().last().expect("a request").0.clone();
    assert!(last.contains("_lastUpdated=ge") && last.contains("_include=Location%3Aorganization"), "{last}");

    let uuid = world.node("HP-1").expect("the facility")["uuid"].clone();
    let changed = json!({"uuid": uuid, "code": "HP-1", "name": "Typed at a screen", "legalFormId": "G", "level": "D",
        "locationId": 9, "careType": "B", "status": "AC"});
    world.sandbox.openimis.enter_health_facility(&changed).expect("openIMIS takes it");
    let (done, told) = run(&host, true, false).await;
    assert_eq!(done.expect("a run").updated, 1, "{told:#?}");
    assert_eq!(world.node("HP-1").expect("the facility")["name"], "North Health Post");
}

fn facility(id: &str, name: &str) -> serde_json::Value {
    json!({
        "resourceType": "Location", "id": id, "status": "active", "name": name,
        "identifier": [{"use": "official", "value": id.to_uppercase()}],
        "type": [{"coding": [{"system": "http://registry.example.org/types", "code": "health-post"}]}],
        "managingOrganization": {"reference": "Organization/moh"}, "partOf": {"reference": "Location/rapta"},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn mutations_that_openimis_carries_out_later_are_waited_for() {
    let world = World::new().await;
    let host = world.host(&[]).await;
    world.sandbox.openimis.delay_mutations(2);
    world.registry.put_facility("hp-1", "North Health Post", "rapta");
    let (counts, told) = synced(&host).await;
    assert_eq!((counts.created, counts.failed), (1, 0), "{told:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_openimis_did_although_its_answer_was_lost_is_known_from_its_log() {
    let world = World::new().await;
    let host = world.host(&[("openimis.timeout", "3s")]).await;
    world.registry.put_facility("hp-1", "North Health Post", "rapta");
    // The login, what elements it takes, districts, facilities; then the mutation, which is done and never answered.
    world.sandbox.openimis.fail_next(4, Fault::Slow(std::time::Duration::ZERO));
    world.sandbox.openimis.fail_next(1, Fault::ProcessThenHang(std::time::Duration::from_secs(300)));
    let (counts, told) = synced(&host).await;
    assert_eq!((counts.created, counts.failed), (1, 0), "{told:#?}");
    assert_eq!(world.sandbox.openimis.health_facilities().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_as_good_as_a_password_and_wrong_credentials_are_told() {
    let world = World::new().await;
    world.registry.put_facility("hp-1", "North Health Post", "rapta");
    let url = world.registry.url();
    let token = [("facilities.url", url.as_str()), ("facilities.token", REGISTRY_TOKEN), ("facilities.schedule", "")];
    let changes = [&token[..], &crate::world::TABLES].concat();
    let config = mediator_tests::running::config(&world.sandbox, &world.dir, &changes);
    let host = openimis_mediator::Host::build(config).await.expect("a host");
    assert_eq!(synced(&host).await.0.created, 1);
    drop(host);
    let host = world.host(&[("facilities.password", "wrong")]).await;
    let (done, _) = run(&host, false, false).await;
    let Err(SyncError::Stopped(stopped)) = done else { panic!("{done:?}") };
    let told = stopped.to_string();
    assert!(told.contains("refused the credentials") && told.contains("Unknown client"), "{told}");
    assert!(!told.contains("wrong"), "{told}");
}

/// A facility as `put_facility` writes it, with a number of its own.
fn numbered(id: &str, number: &str, name: &str, district: &str) -> serde_json::Value {
    json!({
        "resourceType": "Location",
        "id": id,
        "status": "active",
        "name": name,
        "identifier": [{"use": "official", "value": number}],
        "type": [{"coding": [{"system": "http://registry.example.org/types", "code": "health-post"}]}],
        "managingOrganization": {"reference": "Organization/moh"},
        "partOf": {"reference": format!("Location/{district}")},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_is_another_facility_now_takes_nobodys_place() {
    let world = World::new().await;
    let host = world.host(&[]).await;
    world.registry.put(numbered("a", "HP-1", "North Health Post", "rapta"));
    let (counts, told) = synced(&host).await;
    assert_eq!(counts.created, 1, "{told:#?}");

    // The same entry with another number, and the same number in another entry.
    world.registry.put(numbered("a", "HP-9", "Hill Clinic", "jambero"));
    world.registry.put(numbered("b", "HP-1", "Lake Clinic", "jambero"));
    for _ in 0..2 {
        let (counts, told) = synced(&host).await;
        assert_eq!((counts.created, counts.updated), (0, 0), "{told:#?}");
        assert!(counts.failed >= 2, "{counts:?}");
    }
    let reasons: Vec<String> =
        open(&host.flow.store).await.into_iter().map(|line| line.reason.unwrap_or_default()).collect();
    assert!(reasons.iter().any(|reason| reason.contains("had the number HP-1 and has HP-9 now")), "{reasons:?}");
    assert!(
        reasons.iter().any(|reason| reason.contains("Location/a of the registry has the same code")),
        "{reasons:?}"
    );
    assert_eq!(world.node("HP-1").expect("it is as it was")["name"], "North Health Post");
    assert!(world.node("HP-9").is_none());

    // A slip of the registry is set right.
    world.registry.put(numbered("a", "HP-1", "North Health Post", "rapta"));
    world.registry.put(numbered("b", "HP-2", "Lake Clinic", "jambero"));
    let (_, told) = synced(&host).await;
    assert_eq!(open(&host.flow.store).await.len(), 0, "{told:#?}");
    assert!(world.node("HP-2").is_some());
}
