//! A hospital's claims at the real openIMIS: what is in its database, what its officers decide, and what the hospital is told.

use std::net::SocketAddr;

use auth::credential::hash_password;
use mediator_tests::running::{Mediator, eventually, story};
use openimis_mediator::config::Config;
use reqwest::StatusCode;
use sandbox::{HOSPITAL_PASSWORD, Hospital, SAMPLE_BUNDLE, USER};
use serde_json::{Value, json};

use crate::real::{since_1970, sql};
use crate::world::World;

const BAHMNI: &str = "bahmni";
const PASSWORD: &str = "the hospital's";
/// What the sample's codes are in openIMIS' demo data.
const MAPPING: &str = r#"
[mapping.eclaim]
currency = "$"
items = [
    { source = "https://cielterminology.org|70116", kind = "item", openimis = "0004" },
    { source = "https://cielterminology.org|160542", kind = "service", openimis = "M1" },
]
facilities = [{ source = "Location/2b6f6f4e-2f0c-4a6b-9a43-8c1d7a2f0001", openimis = "HF001", enterer = "CA001" }]
"#;
/// The sample's encounter, of which the claim's code is made.
const ENCOUNTER: &str = "c7e2c6f3-9a44-4c3e-8a53-1f0ab7a90001";

/// An encounter of the sample that no openIMIS has had.
fn encounter() -> String {
    let digits = format!("{:032x}", since_1970().as_nanos());
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    SAMPLE_BUNDLE.replace(ENCOUNTER, &parts.join("-"))
}

/// A mediator between a hospital that takes answers and the real openIMIS.
struct Eclaiming {
    mediator: Mediator,
    hospital: Hospital,
}

impl Eclaiming {
    async fn new(world: &World, changes: &[(&str, &str)]) -> Self {
        let hospital = Hospital::start(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a free port");
        let callback = hospital.callback();
        let own = [
            ("eclaim.callback.url", callback.as_str()),
            ("eclaim.callback.username", USER),
            ("eclaim.callback.password", HOSPITAL_PASSWORD),
            ("eclaim.follow_first", "50ms"),
            ("eclaim.follow_longest", "200ms"),
        ];
        let hash = hash_password(&PASSWORD.into()).expect("a hash");
        let file = format!(
            "{MAPPING}\n[[clients]]\nname = \"{BAHMNI}\"\nusername = \"{BAHMNI}\"\npassword_hash = \"{hash}\"\nscopes = [\"eclaim\"]\n"
        );
        let environment = world.environment(&[&own, changes].concat());
        let config = Config::from_toml(&file, &environment).unwrap_or_else(|error| panic!("{error}"));
        Self { mediator: Mediator::start(config).await, hospital }
    }

    /// Posts a claim; returns the answer with its status.
    async fn send(&self, bundle: &str) -> (StatusCode, Value) {
        let request = self.mediator.client.post(format!("{}/mediator/claim", self.mediator.url));
        let request = request.basic_auth(BAHMNI, Some(PASSWORD)).header("content-type", "application/fhir+json");
        let answer = request.body(bundle.to_owned()).send().await.expect("an answer");
        (answer.status(), answer.json().await.expect("JSON"))
    }

    /// Waits until the hospital was told this status of a claim; returns what it was told.
    async fn told(&self, uuid: &str, status: &str) -> Value {
        let key = format!("claim-answer/{uuid}/{status}");
        eventually(&format!("the hospital is told {status}"), || async {
            self.hospital.answers().into_iter().find(|answer| answer.key == key).map(|answer| answer.body)
        })
        .await
    }

    /// The statuses that the hospital was told of a claim, in their order.
    fn statuses(&self, uuid: &str) -> Vec<String> {
        let beginning = format!("claim-answer/{uuid}/");
        let answers = self.hospital.answers();
        answers.iter().filter_map(|answer| answer.key.strip_prefix(&beginning).map(str::to_owned)).collect()
    }
}

/// The identifier of a type in a `ClaimResponse`.
fn identifier(answer: &Value, kind: &str) -> String {
    let mut identifiers = answer["identifier"].as_array().expect("identifiers").iter();
    let found = identifiers.find(|identifier| identifier["type"]["coding"][0]["code"] == kind);
    found.and_then(|found| found["value"].as_str()).unwrap_or_else(|| panic!("no {kind}: {answer:#}")).to_owned()
}

/// An amount of an item, by its place and the word for it.
fn amount(answer: &Value, item: usize, what: &str) -> Option<f64> {
    let adjudication = answer["item"][item]["adjudication"].as_array().expect("an adjudication");
    let found = adjudication.iter().find(|line| line["category"]["coding"][0]["code"] == what)?;
    found["amount"]["value"].as_f64()
}

fn total(answer: &Value, what: &str) -> Option<f64> {
    let totals = answer["total"].as_array().expect("totals");
    let found = totals.iter().find(|total| total["category"]["coding"][0]["code"] == what)?;
    found["amount"]["value"].as_f64()
}

/// What openIMIS gives as the reason for an item.
fn reason(answer: &Value, item: usize) -> Option<String> {
    let adjudication = answer["item"][item]["adjudication"].as_array().expect("an adjudication");
    let code = adjudication.iter().find_map(|line| line["reason"]["coding"][0]["code"].as_str())?;
    Some(code.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the real openIMIS: cargo xtask test"]
async fn an_encounter_is_one_claim_in_openimis_and_the_hospital_learns_what_is_paid() {
    let world = World::new().await;
    let eclaiming = Eclaiming::new(&world, &[]).await;
    let bundle = encounter();
    let begun = std::time::Instant::now();
    let (status, answer) = eclaiming.send(&bundle).await;
    println!("bundle to ClaimResponse: {} ms", begun.elapsed().as_millis());
    assert_eq!(status, StatusCode::CREATED, "{answer:#}{}", story(&eclaiming.mediator.messages().await));
    let (uuid, code) = (identifier(&answer, "UUID"), identifier(&answer, "Code"));

    // What openIMIS keeps, by its own tables.
    let claim = sql(&format!(
        r#"select claim."ClaimCode", claim."Claimed", claim."DateFrom"::date, claim."DateTo"::date, claim."VisitType", "CHFID", "HFCode",
                  "ClaimAdminCode", "ICDCode", claim."ClaimStatus"
           from "tblClaim" claim join "tblInsuree" using ("InsureeID") join "tblHF" on "HfID" = claim."HFID"
             join "tblClaimAdmin" using ("ClaimAdminId") join "tblICDCodes" using ("ICDID") where lower("ClaimUUID") = '{uuid}'"#
    ))
    .await;
    assert_eq!(claim.trim(), format!("{code}|120.00|2026-11-10|2026-11-10|O|070707070|HF001|CA001|A02|4"));
    let items = sql(&format!(
        r#"select "ItemCode", "QtyProvided", "PriceAsked" from "tblClaimItems" join "tblItems" using ("ItemID") join "tblClaim" using ("ClaimID")
           where lower("ClaimUUID") = '{uuid}'"#
    ))
    .await;
    assert_eq!(items.trim(), "0004|2.00|10.00");
    let services = sql(&format!(
        r#"select "ServCode", "QtyProvided", "PriceAsked" from "tblClaimServices" join "tblServices" using ("ServiceID")
             join "tblClaim" using ("ClaimID") where lower("ClaimUUID") = '{uuid}'"#
    ))
    .await;
    assert_eq!(services.trim(), "M1|1.00|100.00");

    // Sent again; and sent by a mediator that knows nothing of it: openIMIS answers 500 to its code.
    let (status, again) = eclaiming.send(&bundle).await;
    assert_eq!((status, &again), (StatusCode::OK, &answer));
    let forgetful = World { dir: tempfile::tempdir().expect("a folder"), ..world };
    let other = Eclaiming::new(&forgetful, &[]).await;
    let (status, again) = other.send(&bundle).await;
    assert_eq!(status, StatusCode::CREATED, "{again:#}{}", story(&other.mediator.messages().await));
    assert_eq!(identifier(&again, "UUID"), uuid);
    other.mediator.stop().await;
    let count =
        sql(&format!(r#"select count(*) from "tblClaim" where "ClaimCode" = '{code}' and "ValidityTo" is null"#)).await;
    assert_eq!(count.trim(), "1");

    // The insurer pays it all.
    forgetful.openimis.decide("processClaims", &format!(r#"uuids: ["{uuid}"]"#)).await;
    let paid = eclaiming.told(&uuid, "valuated").await;
    assert_eq!((&paid["outcome"], &paid["disposition"]), (&json!("complete"), &json!("reimbursed")), "{paid:#}");
    let benefits = (amount(&paid, 0, "benefit"), amount(&paid, 1, "benefit"), total(&paid, "benefit"));
    assert_eq!(benefits, (Some(20.0), Some(100.0), Some(120.0)), "{paid:#}");
    assert_eq!(
        paid["patient"]["reference"], "Patient/5946f880-b197-400b-9caa-a3c661d20001",
        "as the hospital names her"
    );
    assert_eq!(eclaiming.statuses(&uuid), ["checked", "valuated"]);
    let trails = story(&eclaiming.mediator.messages().await);
    assert!(trails.contains("Patient/…/") && !trails.contains("070707070"), "{trails}");
    eclaiming.mediator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the real openIMIS: cargo xtask test"]
async fn what_a_medical_officer_cuts_is_told_with_the_reason_and_never_more_than_openimis_pays() {
    let world = World::new().await;
    let eclaiming = Eclaiming::new(&world, &[]).await;
    let (status, answer) = eclaiming.send(&encounter()).await;
    assert_eq!(status, StatusCode::CREATED, "{answer:#}");
    let uuid = identifier(&answer, "UUID");
    let id = async |table: &str, column: &str| {
        sql(&format!(
            r#"select "{column}" from "{table}" join "tblClaim" using ("ClaimID") where lower("ClaimUUID") = '{uuid}'"#
        ))
        .await
        .trim()
        .to_owned()
    };
    let (item, service) = (id("tblClaimItems", "ClaimItemID").await, id("tblClaimServices", "ClaimServiceID").await);

    // One of two tablets, for 8 instead of 10; no consultation.
    world.openimis.decide("selectClaimsForReview", &format!(r#"uuids: ["{uuid}"]"#)).await;
    let review = format!(
        r#"claimUuid: "{uuid}", submitReview: true,
           items: [{{id: {item}, itemId: 1, status: 1, qtyApproved: "1.00", priceApproved: "8.00", justification: "one was enough"}}],
           services: [{{id: {service}, serviceId: 1, status: 2, qtyApproved: "0.00", rejectionReason: -1, justification: "none"}}]"#
    );
    world.openimis.decide("saveClaimReview", &review).await;
    world.openimis.decide("processClaims", &format!(r#"uuids: ["{uuid}"]"#)).await;
    let paid = sql(&format!(r#"select "Valuated" from "tblClaim" where lower("ClaimUUID") = '{uuid}'"#)).await;
    assert_eq!(paid.trim(), "8.00");

    let told = eclaiming.told(&uuid, "valuated").await;
    assert_eq!(told["disposition"], "reimbursed in part", "{told:#}");
    assert_eq!(total(&told, "benefit"), Some(8.0), "openIMIS' FHIR says 10: {told:#}");
    assert_eq!((amount(&told, 1, "benefit"), reason(&told, 1).as_deref()), (Some(0.0), Some("-1")), "{told:#}");
    assert_eq!(amount(&told, 0, "benefit"), Some(8.0), "what is left for the only item that is paid: {told:#}");
    eclaiming.mediator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the real openIMIS: cargo xtask test"]
async fn a_claim_that_openimis_would_reject_is_refused_or_told_with_the_reason_per_item() {
    let world = World::new().await;
    let eclaiming = Eclaiming::new(&world, &[]).await;
    // Before the insuree's policy.
    let before = |bundle: String| bundle.replace("2026-11-10", "2018-11-10");
    let (status, outcome) = eclaiming.send(&before(encounter())).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{outcome:#}");
    let sent = eclaiming.mediator.messages().await;
    let posts = sent.iter().flat_map(|message| &message.trail).filter(|line| line.event.ends_with("/Claim/")).count();
    assert_eq!(posts, 0, "openIMIS never got it{}", story(&sent));
    eclaiming.mediator.stop().await;

    let forgetful = World { dir: tempfile::tempdir().expect("a folder"), ..world };
    let eclaiming = Eclaiming::new(&forgetful, &[("mapping.eclaim.without_coverage", "send")]).await;
    let (status, answer) = eclaiming.send(&before(encounter())).await;
    assert_eq!(status, StatusCode::CREATED, "{answer:#}{}", story(&eclaiming.mediator.messages().await));
    let uuid = identifier(&answer, "UUID");
    assert_eq!((&answer["outcome"], &answer["disposition"]), (&json!("complete"), &json!("denied")), "{answer:#}");
    let rejected = sql(&format!(
        r#"select "ClaimStatus", items."RejectionReason", services."RejectionReason" from "tblClaim" join "tblClaimItems" items using ("ClaimID")
           join "tblClaimServices" services using ("ClaimID") where lower("ClaimUUID") = '{uuid}'"#
    ))
    .await;
    let columns: Vec<&str> = rejected.trim().split('|').collect();
    let [status, item, service] = columns[..] else { panic!("{rejected}") };
    assert_eq!(status, "1");
    assert_eq!(
        (reason(&answer, 0).as_deref(), reason(&answer, 1).as_deref()),
        (Some(item), Some(service)),
        "{answer:#}"
    );
    assert_eq!((amount(&answer, 0, "benefit"), amount(&answer, 1, "benefit")), (Some(0.0), Some(0.0)), "{answer:#}");
    // It is final: told once, and nothing is followed.
    assert_eq!(eclaiming.told(&uuid, "rejected").await, answer);
    let messages = eclaiming.mediator.settled().await;
    let kinds: Vec<&str> = messages.iter().map(|message| message.summary.kind.as_str()).collect();
    assert_eq!(kinds, ["eclaim", "eclaim-answer"], "{}", story(&messages));
    eclaiming.mediator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the real openIMIS: cargo xtask test"]
async fn each_status_is_told_once_and_in_order_across_an_absence_of_openimis_and_a_restart() {
    let world = World::new().await;
    let eclaiming = Eclaiming::new(&world, &[]).await;
    let (status, answer) = eclaiming.send(&encounter()).await;
    assert_eq!(status, StatusCode::CREATED, "{answer:#}");
    let uuid = identifier(&answer, "UUID");
    let set = async |status: u8, more: &str| {
        let change =
            format!(r#"update "tblClaim" set "ClaimStatus" = {status}{more} where lower("ClaimUUID") = '{uuid}'"#);
        sql(&change).await
    };
    // As a product with relative prices has it: processed, and paid once a batch was run.
    set(8, "").await;
    let told = eclaiming.told(&uuid, "processed").await;
    assert_eq!((&told["outcome"], &told["disposition"]), (&json!("partial"), &json!("in progress")), "{told:#}");

    world.openimis.stop_server().await;
    set(16, r#", "Approved" = 120, "Valuated" = 90"#).await;
    eclaiming.mediator.stop().await;
    let hospital = eclaiming.hospital;
    assert_eq!(hospital.answers().len(), 2);
    world.openimis.start_server().await;
    let eclaiming = Eclaiming::new(&world, &[]).await;
    let told = eclaiming.told(&uuid, "valuated").await;
    assert_eq!(told["disposition"], "reimbursed in part", "{told:#}");
    assert_eq!(total(&told, "benefit"), Some(90.0), "{told:#}");
    assert_eq!(eclaiming.statuses(&uuid), ["valuated"], "what was told before is not told again");
    eclaiming.mediator.stop().await;
}
