//! An insuree who looks like a CHT contact: compared, and decided upon.

use flow::MessageId;
use flow::ports::Store;
use flow::proposal::{Person, PossibleMatch};
use mapping::ids::InsureeUuid;

use super::*;

const INSUREE: &str = "7b00e6ec-e0f5-4d07-a8e0-ec00a4160e73";

/// A desk with one proposal, for which message 1 waits.
async fn desk() -> Desk {
    let desk = Desk::open().await;
    desk.dead_letters(1).await;
    let person = json!({"name": NAME, "date_of_birth": "1984-05-12", "phone": PHONE});
    let person = Person::read(&person.to_string(), InsureeUuid::parse(INSUREE).expect("a uuid"));
    let contact = json!({"name": "Sita K. Tamang", "date_of_birth": "1984-05-12", "phone": PHONE});
    let possible = PossibleMatch {
        contact_id: "contact-7".into(),
        score: 930,
        why: "name 0.93, same birth date".into(),
        exact: false,
        contact,
    };
    let store = desk.mediator.store();
    store.propose(MessageId(1), &person, &[possible], jiff::Timestamp::now()).await.expect("a store");
    desk
}

#[tokio::test(flavor = "multi_thread")]
async fn who_decides_sees_both_sides_and_that_is_audited() {
    let desk = desk().await;
    let mut admin = desk.admin().await;
    assert!(words(&admin.page("/console").await).contains("Patients who wait for a decision: 1"));
    let list = words(&admin.page("/console/patients").await);
    assert!(list.contains("93 %") && list.contains("name 0.93, same birth date"), "{list}");
    let page = admin.page("/console/patients/1").await;
    assert!(!page.contains(PHONE) && !page.contains("1984") && page.contains("•••••"), "{}", words(&page));
    assert!(!page.contains("/1/confirm"), "nobody decides unseen");

    admin.submit("/console/patients/1", "/console/patients/1/show", &[]).await;
    let (who, what, _, detail) = &desk.audit().await[0];
    assert_eq!((who.as_str(), what.as_str(), detail.as_str()), ("sita", "read patient", "of proposal 1"));
    let page = admin.page("/console/patients/1").await;
    assert!(page.contains(NAME) && page.contains("Sita K. Tamang") && page.contains("1984-05-12"));
    assert!(words(&admin.page("/console/patients/1?lang=fr").await).contains("Date de naissance"));
    admin.page("/console?lang=en").await;
    admin.submit("/console/patients/1", "/console/patients/1/hide", &[]).await;
    assert!(!admin.page("/console/patients/1").await.contains(NAME));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_person_is_linked_and_another_one_is_not() {
    for (action, says, linked) in [("confirm", "The same", Some("contact-7")), ("refuse", "Another", None)] {
        let desk = desk().await;
        let mut admin = desk.admin().await;
        let path = format!("/console/patients/1/{action}");
        let unsure = admin.submit("/console/patients/1", &path, &[]).await;
        assert_eq!(unsure.status, StatusCode::BAD_REQUEST, "{action} without the tick");
        let seen = admin.submit("/console/patients/1", &path, &[("sure", "yes")]).await;
        assert_eq!(seen.location.as_deref(), Some("/console/patients/1"), "{}", words(&seen.text));
        let page = words(&admin.page("/console/patients/1").await);
        assert!(page.contains(says) && page.contains("sita"), "{page}");
        assert_eq!(desk.mediator.store().link(INSUREE).await.expect("a store").as_deref(), linked);
        let again = admin.submit("/console/patients/1", &path, &[("sure", "yes")]).await;
        assert_eq!(again.status, StatusCode::CONFLICT);
        assert!(desk.audit().await.iter().any(|(who, _, _, _)| who == "sita"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_such_patient() {
    let desk = desk().await;
    let mut admin = desk.admin().await;
    for path in ["/console/patients/2", "/console/patients/x", "/console/patients?state=lost"] {
        assert_eq!(admin.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    for action in ["show", "confirm", "refuse"] {
        let seen = admin.submit("/console", &format!("/console/patients/2/{action}"), &[("sure", "yes")]).await;
        assert_eq!(seen.status, StatusCode::NOT_FOUND, "{action}");
    }
}
