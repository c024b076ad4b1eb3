//! What admins see of a hospital's claim.

use mediator_tests::running::eventually;
use reqwest::StatusCode;
use sandbox::{ClaimStatus, Hospital, SAMPLE_BUNDLE, USER};
use store::View;

use super::{Desk, PASSWORD, words};

/// The tables of the sample hospital.
const SETTINGS: [(&str, &str); 5] = [
    ("eclaim.follow_first", "50ms"),
    ("eclaim.follow_longest", "200ms"),
    ("mapping.eclaim.currency", "$"),
    (
        "mapping.eclaim.items",
        r#"[{source = "https://cielterminology.org|70116", kind = "item", openimis = "0004"},
            {source = "https://cielterminology.org|160542", kind = "service", openimis = "M1"}]"#,
    ),
    (
        "mapping.eclaim.facilities",
        r#"[{source = "Location/2b6f6f4e-2f0c-4a6b-9a43-8c1d7a2f0001", openimis = "HF001", enterer = "CA001"}]"#,
    ),
];

/// The messages of the sample's claim, which was paid, by kind.
pub(super) async fn paid_claim() -> (Desk, Hospital, Vec<View>) {
    let hospital = Hospital::start(([127, 0, 0, 1], 0).into()).await.expect("a free port");
    let callback = hospital.callback();
    let own = [
        ("eclaim.callback.url", callback.as_str()),
        ("eclaim.callback.username", USER),
        ("eclaim.callback.password", sandbox::HOSPITAL_PASSWORD),
    ];
    let changes: Vec<_> = own.into_iter().chain(SETTINGS).collect();
    let desk = Desk::with(&changes).await;
    let mediator = &desk.mediator;
    let posted = mediator.client.post(format!("{}/mediator/claim", mediator.url)).basic_auth("bahmni", Some(PASSWORD));
    let posted = posted.header("content-type", "application/fhir+json").body(SAMPLE_BUNDLE).send().await;
    assert_eq!(posted.expect("an answer").status(), StatusCode::CREATED);
    let claims: Vec<View> = mediator.messages().await;
    let uuid = claims.iter().find_map(|message| message.summary.claim_uuid.clone()).expect("an answer names the claim");
    desk.sandbox.openimis.set_claim_status(uuid.parse().expect("a uuid"), ClaimStatus::Valuated);
    eventually("the hospital has the decision", || async { (hospital.answers().len() == 2).then_some(()) }).await;
    let messages = mediator.settled().await;
    (desk, hospital, messages)
}

fn of<'m>(messages: &'m [View], kind: &str) -> &'m View {
    messages.iter().find(|message| message.summary.kind == kind).unwrap_or_else(|| panic!("no {kind}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hospitals_claim_shows_what_came_what_went_and_what_was_said() {
    let (desk, _hospital, messages) = paid_claim().await;
    let mut admin = desk.admin().await;
    let (claim, answer) = (of(&messages, "eclaim"), of(&messages, "eclaim-answer"));
    let page = admin.page(&format!("/console/messages/{}?lang=en", claim.summary.id)).await;
    let text = words(&page);
    for said in
        ["Hospital claim", "From the hospital", "To openIMIS", "What openIMIS says", "in progress", "reimbursed"]
    {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(!text.contains("As received") && !text.contains("Kalpana") && !text.contains("070707070"), "{text}");
    for message in &messages {
        let id = message.summary.id;
        if id != claim.summary.id {
            assert!(page.contains(&format!("/console/messages/{id}\"")), "message {id} is linked");
        }
    }
    // An answer is shown once: it is sent as it is stored. What is followed is sent nowhere.
    let page = words(&admin.page(&format!("/console/messages/{}", answer.summary.id)).await);
    assert!(page.contains("openIMIS’s answer, for the hospital") && !page.contains("As sent"), "{page}");
    let followed = of(&messages, "adjudication");
    let page = words(&admin.page(&format!("/console/messages/{}", followed.summary.id)).await);
    assert!(page.contains("The claim as it is followed") && page.contains("reimbursed"), "{page}");
    for (language, said) in [("fr", "De l’hôpital"), ("ne", "अस्पतालबाट")] {
        let page = admin.page(&format!("/console/messages/{}?lang={language}", claim.summary.id)).await;
        assert!(page.contains(said), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_finds_all_of_a_claim_by_code_uuid_and_insuree_and_each_kind() {
    let (desk, _hospital, messages) = paid_claim().await;
    let mut admin = desk.admin().await;
    let answer = of(&messages, "eclaim-answer");
    let (code, uuid) = (answer.summary.claim_code.clone(), answer.summary.claim_uuid.clone());
    let insuree = answer.insuree_uuid.clone().expect("an insuree");
    let filters = [
        format!("claim={}", code.expect("a code")),
        format!("claim={}", uuid.expect("a uuid")),
        format!("insuree={insuree}"),
    ];
    for filter in &filters {
        let page = admin.page(&format!("/console/messages?lang=en&{filter}")).await;
        for message in &messages {
            let link = format!("/console/messages/{}\"", message.summary.id);
            assert!(page.contains(&link), "{filter} finds {} {}", message.summary.kind, message.summary.id);
        }
    }
    for kind in ["eclaim", "adjudication", "eclaim-answer"] {
        let page = admin.page(&format!("/console/messages?kind={kind}")).await;
        for message in &messages {
            let link = format!("/console/messages/{}\"", message.summary.id);
            assert_eq!(page.contains(&link), message.summary.kind == kind, "{kind}: {}", message.summary.kind);
        }
    }
    let overview = admin.page("/console?lang=en").await;
    assert!(overview.contains("count-delivered-eclaim\"") && overview.contains("count-delivered-eclaim-answer\""));
    assert!(words(&overview).contains("hospital"), "the hospital is among the systems");
}
