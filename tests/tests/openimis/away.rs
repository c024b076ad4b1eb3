//! openIMIS goes away and comes back: what was acknowledged meanwhile is delivered, once.

use mediator_tests::running::{Process, eventually, post, store_path};
use openimis_mediator::config::StoreSettings;
use serde_json::{Value, json};
use store::{SqlStore, View};

use crate::real::{Claim, PATIENT};
use crate::world::{World, assert_unusual, messages_of, settled, told};

/// What CHT pushes of a filled-in form.
fn pushed_form(claim: &Claim) -> String {
    json!({
        "doc": {"_id": format!("form of {}", claim.code)}, "claimuuid": claim.uuid, "insureeuuid": PATIENT,
        "care_rendered": "no", "payment_asked": "yes", "drug_prescribed": "yes", "drug_received": "no",
        "assessment_rating": "2",
    })
    .to_string()
}

async fn tried(store: &SqlStore, claim: &Claim, times: usize) -> View {
    eventually("delivery was tried", || async {
        let message = messages_of(store, claim).await.pop()?;
        (told(&message, "retry", None) >= times).then_some(message)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the real openIMIS: cargo xtask test"]
async fn with_openimis_stopped_and_the_mediator_killed_nothing_is_lost() {
    let world = World::new().await;
    let claim = world.openimis.enter_claim("2025-08-20").await;
    let answered = world.openimis.enter_claim("2025-08-20").await;
    let notification = world.openimis.claim_response(&claim).await.to_string();
    let env = world.environment(&[]);
    let mediator = Process::serve(&env, &world.dir).await;
    let client = reqwest::Client::new();

    world.openimis.stop_server().await;
    let accepted = post(&client, &format!("{}/mediator/claim-response", mediator.url), notification).await;
    assert_eq!(accepted.status(), 202);
    let accepted = post(&client, &format!("{}/mediator/claims-feedback", mediator.url), pushed_form(&answered)).await;
    assert_eq!(accepted.status(), 202);
    let store = SqlStore::open(&StoreSettings::file(store_path(&world.dir))).await.expect("the store");
    for claim in [&claim, &answered] {
        let message = tried(&store, claim, 1).await;
        assert!(message.trail.iter().any(|line| line.detail.contains("no connection")), "{message:#?}");
    }

    mediator.kill().await;
    let before = [messages_of(&store, &claim).await.remove(0), messages_of(&store, &answered).await.remove(0)];
    let mediator = Process::serve(&env, &world.dir).await;
    for (claim, before) in [&claim, &answered].into_iter().zip(&before) {
        let message = tried(&store, claim, told(before, "retry", None) + 1).await;
        assert_eq!(message.summary.settled_at, None, "{message:#?}");
    }
    assert_eq!(world.reports(&claim), [] as [Value; 0]);

    world.openimis.start_server().await;
    let report = world.report(&claim).await;
    assert_eq!(report["fields"]["op_claim_id"], claim.code);
    let people = world.sandbox.cht.people();
    assert_eq!(people.len(), 1, "{people:#?}");
    assert_eq!(people[0]["openimis_id"], PATIENT);
    assert_eq!(report["fields"]["patient_id"], people[0]["_id"]);
    assert_unusual(&world.feedback(&answered).await);
    for claim in [&claim, &answered] {
        let message = settled(&store, claim, 1).await.remove(0);
        assert_eq!(message.summary.state, "delivered", "{message:#?}");
    }
    assert_eq!(world.reports(&claim).len(), 1);
    let (status, log) = mediator.terminate().await;
    assert!(status.success(), "{status}: {log}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the real openIMIS: cargo xtask test"]
async fn without_its_database_openimis_answers_401_which_is_not_taken_for_wrong_credentials() {
    let world = World::new().await;
    let claim = world.openimis.enter_claim("2025-08-20").await;
    let mediator = world.mediator(&[("retry.pause", "1h")]).await;
    let flow = &mediator.host.flow;
    flow.subscriptions().await.expect("a login that is kept");

    world.openimis.stop_database().await;
    let accepted = mediator.post("/mediator/claims-feedback", pushed_form(&claim)).await;
    assert_eq!(accepted.status(), 202);
    let message = tried(mediator.store(), &claim, 2).await;
    assert!(told(&message, "POST /api/api_fhir_r4/Communication/", Some(401)) >= 2, "{message:#?}");
    assert_eq!(told(&message, "POST /api/api_fhir_r4/login/", None), 0, "{message:#?}");
    assert_eq!(flow.paused(flow::peers::Peer::OpenImis), None);
    flow.poll_claims().await.expect_err("nothing can be listed");

    world.openimis.start_database().await;
    assert_unusual(&world.feedback(&claim).await);
    let message = settled(mediator.store(), &claim, 1).await.remove(0);
    assert_eq!(message.summary.state, "delivered", "{message:#?}");
    mediator.stop().await;
}
