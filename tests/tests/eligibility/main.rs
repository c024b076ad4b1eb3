//! `POST /mediator/eligibility`: whether a patient is insured, asked and answered at once. openIMIS is a stand-in here; the real one is
//! asked in the suite `openimis`.

mod openimis;

use std::sync::{Arc, OnceLock};

use auth::credential::hash_password;
use mediator_tests::running::{INBOUND_PASSWORD, INBOUND_USER, Mediator, config, eventually, sandbox};
use openimis::{Mood, NUMBER, OpenImis};
use reqwest::{Response, StatusCode};
use sandbox::Sandbox;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Notify;

const DESK: &str = "registration-desk";
const PASSWORD: &str = "asks at the desk";

fn clients() -> &'static str {
    static CLIENTS: OnceLock<String> = OnceLock::new();
    CLIENTS.get_or_init(|| {
        let hash = hash_password(&PASSWORD.into()).expect("a hash");
        format!(r#"[{{name = "hospital", username = "{DESK}", password_hash = "{hash}", scopes = ["eligibility"]}}]"#)
    })
}

struct World {
    openimis: OpenImis,
    mediator: Mediator,
    _sandbox: Sandbox,
    _dir: TempDir,
}

impl World {
    async fn new(changes: &[(&str, &str)]) -> Self {
        let (openimis, sandbox) = (OpenImis::start().await, sandbox().await);
        let dir = tempfile::tempdir().expect("a folder");
        let own =
            [("openimis.url", openimis.url.as_str()), ("clients", clients()), ("mapping.eligibility.currency", "NPR")];
        let mediator = Mediator::start(config(&sandbox, &dir, &[&own, changes].concat())).await;
        Self { openimis, mediator, _sandbox: sandbox, _dir: dir }
    }

    async fn ask(&self, question: &Value) -> (StatusCode, Value) {
        told(self.send(question.to_string(), DESK, PASSWORD).await).await
    }

    async fn send(&self, body: String, user: &str, password: &str) -> Response {
        let request = self.mediator.client.post(format!("{}/mediator/eligibility", self.mediator.url));
        let request = request.basic_auth(user, Some(password)).header("content-type", "application/fhir+json");
        request.body(body).send().await.expect("an answer")
    }
}

async fn told(answer: Response) -> (StatusCode, Value) {
    (answer.status(), answer.json().await.expect("JSON"))
}

fn question(number: &str, day: &str) -> Value {
    json!({
        "resourceType": "CoverageEligibilityRequest", "id": "q-1", "status": "active", "purpose": ["benefits"],
        "patient": {"identifier": {"type": {"text": "Insurance Number"}, "value": number}},
        "created": day, "servicedDate": day, "insurer": {"display": "openIMIS"},
    })
}

fn policy(number: u8, status: u8, from: &str, until: &str) -> Value {
    json!({
        "policyUuid": format!("00000000-0000-4000-8000-{number:012}"), "status": status, "productCode": "BCUL0001",
        "productName": "Basic Cover", "effectiveDate": from, "expiryDate": until,
        "ceiling": 880.5, "ceilingInPatient": 0.0, "ceilingOutPatient": 200.25,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_insured_patient_is_told_with_what_is_left() {
    let world = World::new(&[]).await;
    world.openimis.has_policies(json!([policy(9, 2, "2026-01-01", "2026-12-31")]));
    let answer = world.send(question(NUMBER, "2026-11-21").to_string(), DESK, PASSWORD).await;
    assert_eq!(answer.headers()["content-type"], "application/fhir+json");
    let (status, answer) = told(answer).await;
    assert_eq!(status, StatusCode::OK, "{answer:#}");
    assert_eq!(answer["resourceType"], "CoverageEligibilityResponse");
    assert_eq!((&answer["outcome"], &answer["disposition"]), (&json!("complete"), &json!("insured")));
    assert_eq!(answer["request"]["reference"], "CoverageEligibilityRequest/q-1");
    let insurance = &answer["insurance"][0];
    assert_eq!(insurance["inforce"], true);
    assert_eq!(insurance["benefitPeriod"], json!({"start": "2026-01-01", "end": "2026-12-31"}));
    let benefits = insurance["item"][0]["benefit"].as_array().expect("benefits");
    let left: Vec<_> = benefits.iter().map(|benefit| (&benefit["type"]["text"], &benefit["allowedMoney"])).collect();
    let npr = |value: f64| json!({"value": value, "currency": "NPR"});
    assert_eq!(left, [(&json!("all care"), &npr(880.5)), (&json!("out-patient care"), &npr(200.25))]);
    // The insuree, then her policies, each in one request; nothing is kept.
    let seen = world.openimis.seen();
    assert_eq!(seen, ["POST /api/api_fhir_r4/login/", "GET /api/api_fhir_r4/Patient/070707070/", "LookUp"]);
    assert!(world.mediator.messages().await.is_empty());
    world.mediator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_over_suspended_or_not_there_is_no_insurance() {
    let world = World::new(&[]).await;
    let day = "2026-11-21";
    for (policies, disposition) in [
        (json!([policy(1, 8, "2025-01-01", "2025-12-31")]), "no policy of the insuree is in force on this day"),
        (json!([policy(1, 4, "2026-01-01", "2026-12-31")]), "no policy of the insuree is in force on this day"),
        (json!([policy(1, 1, "2026-01-01", "2026-12-31")]), "no policy of the insuree is in force on this day"),
        (json!([]), "openIMIS has no policy of the insuree"),
    ] {
        world.openimis.has_policies(policies.clone());
        let (status, answer) = world.ask(&question(NUMBER, day)).await;
        assert_eq!(status, StatusCode::OK, "{answer:#}");
        assert_eq!(answer["disposition"], disposition, "{policies}");
        let inforce = answer["insurance"].as_array().into_iter().flatten().any(|cover| cover["inforce"] == true);
        assert!(!inforce, "{answer:#}");
    }
    let (status, answer) = world.ask(&question("999999999", day)).await;
    assert_eq!(status, StatusCode::OK, "that nobody is insured by that number is an answer");
    assert_eq!(answer["outcome"], "error");
    assert_eq!(answer["disposition"], "openIMIS has no insuree with this insurance number");
    world.mediator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_cannot_be_answered_as_it_is_is_told_all_that_is_wrong() {
    let world = World::new(&[]).await;
    let (status, outcome) =
        world.ask(&json!({"resourceType": "CoverageEligibilityRequest", "status": "cancelled"})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{outcome:#}");
    assert_eq!(outcome["resourceType"], "OperationOutcome");
    assert_eq!(outcome["issue"].as_array().expect("issues").len(), 2, "{outcome:#}");
    for body in ["{", "[]", "\"text\""] {
        let (status, outcome) = told(world.send(body.to_owned(), DESK, PASSWORD).await).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}: {outcome:#}");
    }
    assert_eq!(world.openimis.seen(), [""; 0], "openIMIS was not asked");
    world.mediator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_client_with_the_scope_may_ask() {
    let world = World::new(&[]).await;
    let body = question(NUMBER, "2026-11-21").to_string();
    let answer = world.send(body.clone(), INBOUND_USER, INBOUND_PASSWORD).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN, "the simple client has other scopes");
    let answer = world.send(body.clone(), DESK, "guessed").await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let asked = world.mediator.client.get(format!("{}/mediator/eligibility", world.mediator.url));
    assert_eq!(asked.send().await.expect("an answer").status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(world.openimis.seen(), [""; 0]);
    world.mediator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_production_openimis_gets_its_token_against_forged_requests() {
    let world = World::new(&[]).await;
    world.openimis.is(Mood::WantsCsrf);
    for _ in 0..2 {
        let (status, answer) = world.ask(&question(NUMBER, "2026-11-21")).await;
        assert_eq!((status, &answer["disposition"]), (StatusCode::OK, &json!("insured")), "{answer:#}");
    }
    let graphql: Vec<String> = world.openimis.seen().into_iter().filter(|line| !line.contains(' ')).collect();
    assert_eq!(graphql, ["LookUp", "CsrfToken", "LookUp", "LookUp"], "it is fetched once");
    world.openimis.is(Mood::TakesNoCsrf);
    let (status, _) = world.ask(&question(NUMBER, "2026-11-21")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    world.mediator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_openimis_forgot_is_made_anew() {
    let world = World::new(&[]).await;
    world.openimis.is(Mood::ForgotLogins);
    let (status, answer) = world.ask(&question(NUMBER, "2026-11-21")).await;
    assert_eq!((status, &answer["disposition"]), (StatusCode::OK, &json!("insured")), "{answer:#}");
    let logins = world.openimis.seen().iter().filter(|line| line.ends_with("/login/")).count();
    assert_eq!(logins, 2);
    world.mediator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_openimis_that_fails_is_not_quoted() {
    let world = World::new(&[("retry.trip_after", "1000")]).await;
    for (mood, expected) in [
        (Mood::Error("unauthorized"), StatusCode::SERVICE_UNAVAILABLE),
        (Mood::Error("insuree 070707070 is broken"), StatusCode::SERVICE_UNAVAILABLE),
        (Mood::Page, StatusCode::SERVICE_UNAVAILABLE),
        (Mood::OtherVersion, StatusCode::BAD_GATEWAY),
    ] {
        world.openimis.is(mood.clone());
        let answer = world.send(question(NUMBER, "2026-11-21").to_string(), DESK, PASSWORD).await;
        let asks_to_come_again = answer.headers().contains_key("retry-after");
        let (status, outcome) = told(answer).await;
        assert_eq!(status, expected, "{mood:?}");
        assert_eq!(asks_to_come_again, status == StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(outcome["resourceType"], "OperationOutcome");
        assert!(!outcome.to_string().contains(NUMBER), "{outcome:#}");
    }
    world.mediator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_with_a_byte_order_mark_is_answered_and_what_is_no_json_is_told() {
    let world = World::new(&[]).await;
    let marked = format!("\u{feff}{}", question(NUMBER, "2026-11-21"));
    assert_eq!(world.send(marked, DESK, PASSWORD).await.status(), StatusCode::OK);
    let (status, outcome) = told(world.send(String::new(), DESK, PASSWORD).await).await;
    let says = &outcome["issue"][0]["diagnostics"];
    assert_eq!(
        (status, says.as_str()),
        (StatusCode::BAD_REQUEST, Some("expected a JSON document; found an empty text"))
    );
    world.mediator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_openimis_costs_a_bounded_time_and_the_breaker_learns_of_it() {
    let world =
        World::new(&[("eclaim.answer_within", "100ms"), ("openimis.timeout", "200ms"), ("retry.trip_after", "1")])
            .await;
    world.openimis.is(Mood::Slow(Arc::new(Notify::new())));
    let (status, outcome) = world.ask(&question(NUMBER, "2026-11-21")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{outcome:#}");
    // Who asked is gone; the question ended by itself, and openIMIS is left alone.
    let health = || world.mediator.host.flow.health(flow::peers::Peer::OpenImis);
    eventually("the breaker is open", || async { health().is_away().then_some(()) }).await;
    world.mediator.stop().await;
}
