//! Facilities that are not in openIMIS: listed with their reasons, tried again, decided upon.

use std::net::SocketAddr;

use sandbox::{REGISTRY_TOKEN, Registry};

use super::*;

/// A desk with a facility that failed and one that may be a duplicate.
async fn desk() -> (Desk, Registry) {
    let registry = Registry::start(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a free port");
    registry.put_facility("hp-1", "Far Health Post", "nowhere");
    registry.put_facility("hp-2", "Rapta Health Centre", "rapta");
    let url = registry.url();
    let desk = Desk::with(&[
        ("facilities.url", &url),
        ("facilities.token", REGISTRY_TOKEN),
        ("facilities.schedule", ""),
        ("facilities.whole_schedule", ""),
        ("mapping.facility.default_level", "D"),
        ("mapping.facility.default_legal_form", "G"),
        ("mapping.facility.districts", r#"[{ source = "Location/rapta", openimis = "R1D1" }]"#),
    ])
    .await;
    let mut admin = desk.admin().await;
    admin.submit("/console/facilities", "/console/facilities/sync", &[("what", "all")]).await;
    eventually("the run is over", || async {
        let runs = desk.mediator.store().facility_runs(1).await.expect("a store");
        runs.first().is_some_and(|run| run.state == "done").then_some(())
    })
    .await;
    (desk, registry)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_listed_with_its_reason_and_tried_again() {
    let (desk, _registry) = desk().await;
    let mut admin = desk.admin().await;
    assert!(words(&admin.page("/console").await).contains("not in openIMIS as the registry has them: 2"));
    let list = words(&admin.page("/console/facilities?state=failed").await);
    assert!(list.contains("Far Health Post") && list.contains("no openIMIS district"), "{list}");
    assert!(!list.contains("Rapta Health Centre"), "{list}");
    let id = desk.mediator.store().facilities(&store::FacilityFilter {
        state: Some(flow::facilities::State::Failed),
        before: None,
        limit: 1,
    });
    let path = format!("/console/facilities/{}", id.await.expect("a store")[0].id);
    let page = admin.page(&path).await;
    assert!(page.contains("Location/hp-1") && words(&page).contains("What is wrong"), "{}", words(&page));
    let seen = admin.submit(&path, &format!("{path}/retry"), &[]).await;
    assert_eq!(seen.location.as_deref(), Some(path.as_str()), "{}", words(&seen.text));
    eventually("it was tried again", || async {
        let view = desk.mediator.store().facility(path.rsplit('/').next()?.parse().ok()?).await.expect("a store")?;
        (view.line.attempts == 2).then_some(())
    })
    .await;
    let audit = desk.audit().await;
    assert!(audit.iter().any(|(who, what, ..)| who == "sita" && what == "retry facilities"), "{audit:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_says_what_a_possible_duplicate_is() {
    let (desk, _registry) = desk().await;
    let mut admin = desk.admin().await;
    let list = admin.page("/console/facilities?state=possible-duplicate").await;
    let path = list.split("href=\"").find(|rest| rest.starts_with("/console/facilities/")).expect("a link");
    let path = path.split('"').next().expect("an address").to_owned();
    let page = admin.page(&path).await;
    assert!(page.contains("value=\"HF001\""), "the facility that is meant is filled in: {}", words(&page));
    let wrong = admin.submit(&path, &format!("{path}/same"), &[("code", "much too long")]).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    let foreign = admin.post(&format!("{path}/another"), &[("csrf", "guessed")]).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    let seen = admin.submit(&path, &format!("{path}/same"), &[("code", "HF001")]).await;
    assert_eq!(seen.location.as_deref(), Some(path.as_str()), "{}", words(&seen.text));
    eventually("it is brought up to date", || async {
        let nodes = desk.sandbox.openimis.health_facilities();
        (nodes.len() == 1 && nodes[0]["level"] == "D").then_some(())
    })
    .await;
    let again = admin.submit("/console/facilities", &format!("{path}/another"), &[]).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_are_there_in_all_languages_and_without_a_registry_only_told_of() {
    let (desk, _registry) = desk().await;
    let mut admin = desk.admin().await;
    assert!(words(&admin.page("/console/facilities?lang=fr").await).contains("Doublon possible"));
    assert!(words(&admin.page("/console/facilities?lang=ne").await).contains("स्वास्थ्य संस्थाहरू"));
    for path in ["/console/facilities/99", "/console/facilities/x", "/console/facilities?state=lost"] {
        assert_eq!(admin.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let desk = Desk::open().await;
    let mut admin = desk.admin().await;
    assert!(!admin.page("/console").await.contains("/console/facilities"), "no entry of the menu");
    assert!(words(&admin.page("/console/facilities").await).contains("facilities.url"));
}
