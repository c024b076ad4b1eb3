//! Claims that openIMIS notifies of: those that come in through FHIR.

use std::time::Instant;

use serde_json::{Value, json};

use crate::real::{PATIENT, since_1970};
use crate::world::{World, assert_unusual, is, messages_of, settled, told, unusual_answers};

const REPORTED: [&str; 7] = ["patient_id", "op_claim_id", "op_claim_uuid", "op_year", "op_month", "op_day", "op_date"];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the real openIMIS: cargo xtask test"]
async fn a_claim_posted_to_openimis_becomes_a_task_and_the_answers_come_back_to_it() {
    let world = World::new().await;
    let mediator = world.subscribed_mediator(&[]).await;

    let begun = Instant::now();
    let (claim, answer) = world.openimis.post_claim(json!({})).await;
    let report = world.report(&claim).await;
    println!("Claim POST to CHT record: {} ms, the insuree's first", begun.elapsed().as_millis());

    // The person is the one that openIMIS knows.
    let patient = world.openimis.get(&format!("Patient/{PATIENT}/")).await;
    let people = world.sandbox.cht.people();
    assert_eq!(people.len(), 1, "{people:#?}");
    let name = &patient["name"][0];
    let name = format!("{} {}", name["given"][0].as_str().expect("a name"), name["family"].as_str().expect("a name"));
    assert_eq!(people[0]["name"], name);
    assert_eq!(people[0]["sex"], patient["gender"]);
    assert_eq!(people[0]["date_of_birth"], patient["birthDate"]);
    assert_eq!(people[0]["openimis_id"], PATIENT);
    assert_eq!(people[0]["chf_id"], "070707070");

    // The report is about that claim and that person, of the day that openIMIS wrote, and CHT finds no fault in it.
    assert_eq!(report["errors"], json!([]), "{report:#}");
    let fields = &report["fields"];
    assert_eq!(fields.as_object().expect("fields").len(), REPORTED.len(), "{fields}");
    assert!(REPORTED.iter().all(|name| fields[name].is_string() || *name == "op_date"), "{fields}");
    assert_eq!(fields["op_claim_id"], claim.code);
    assert_eq!(fields["patient_id"], people[0]["_id"]);
    let day: jiff::civil::Date = answer["created"].as_str().expect("a day").parse().expect("a day");
    let midnight = day.to_zoned(jiff::tz::TimeZone::UTC).expect("a time").timestamp().as_millisecond();
    assert_eq!(fields["op_date"], midnight, "a number: the web app shows a text as Invalid date");

    let pushed_at = since_1970().as_millis() as i64;
    world.fill_in(&claim, unusual_answers()).await;
    let row = world.feedback(&claim).await;
    println!("feedback POST to tblFeedback row: {} ms", row.written_at - pushed_at);
    assert_unusual(&row);

    // The trails tell all that.
    let messages = settled(mediator.store(), &claim, 2).await;
    let [task, feedback] = messages.as_slice() else { panic!("{messages:#?}") };
    assert_eq!((task.summary.kind.as_str(), task.summary.origin.as_str()), ("claim-response", "push"));
    assert_eq!(task.summary.claim_code.as_ref(), Some(&claim.code));
    assert_eq!(told(task, &format!("GET /api/api_fhir_r4/Patient/{PATIENT}/"), Some(200)), 1, "{task:#?}");
    assert_eq!(told(task, "POST /api/v1/people", Some(200)), 1, "{task:#?}");
    assert_eq!(told(task, "POST /api/v2/records", Some(200)), 1, "{task:#?}");
    let report_id = report["_id"].as_str().expect("an id");
    assert!(task.summary.reason.as_ref().is_some_and(|reason| reason.contains(report_id)), "{task:#?}");
    assert_eq!(feedback.summary.state, "delivered", "{feedback:#?}");
    assert_eq!(told(feedback, "POST /api/api_fhir_r4/Communication/", Some(201)), 1, "{feedback:#?}");
    let reason = feedback.summary.reason.clone().unwrap_or_default().to_lowercase();
    assert!(reason.contains(&row.uuid), "{reason} does not name {}", row.uuid);

    // The same insuree's next claims: the person is known.
    let (mut to_record, mut to_row) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let begun = Instant::now();
        let (claim, _) = world.openimis.post_claim(json!({})).await;
        world.report(&claim).await;
        to_record.push(begun.elapsed().as_millis());
        let pushed_at = since_1970().as_millis() as i64;
        world.fill_in(&claim, unusual_answers()).await;
        to_row.push(world.feedback(&claim).await.written_at - pushed_at);
    }
    assert_eq!(world.sandbox.cht.people().len(), 1);
    to_record.sort_unstable();
    to_row.sort_unstable();
    println!(
        "Claim POST to CHT record: {} ms, median of 5; feedback POST to tblFeedback row: {} ms",
        to_record[2], to_row[2]
    );

    assert_eq!(mediator.host.flow.delete_subscriptions().await.expect("an answer"), 1);
    mediator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the real openIMIS: cargo xtask test"]
async fn a_second_delivery_of_anything_changes_nothing() {
    let world = World::new().await;
    let mediator = world.subscribed_mediator(&[("poll.lookback", "1m")]).await;
    let (claim, _) = world.openimis.post_claim(json!({})).await;
    world.report(&claim).await;
    let body = settled(mediator.store(), &claim, 1).await.remove(0).body.expect("its document");

    // The notification, byte for byte.
    let again: Value = mediator.post("/mediator/claim-response", body.clone()).await.json().await.expect("JSON");
    assert_eq!(again["duplicate"], true, "{again}");

    // The feedback; then the notification once more, and the claim as openIMIS tells it now.
    let form = json!({"_id": format!("form of {}", claim.code)});
    world.fill_in(&claim, form.clone()).await;
    let first = world.feedback(&claim).await;
    let again = world.fill_in(&claim, form).await;
    assert_eq!(again["duplicate"], true, "{again}");
    let now = world.openimis.claim_response(&claim).await;
    assert_ne!(now, serde_json::from_slice::<Value>(&body).expect("JSON"), "the feedback shows in it");
    for body in [body, now.to_string().into_bytes()] {
        let again: Value = mediator.post("/mediator/claim-response", body).await.json().await.expect("JSON");
        assert_eq!(again["duplicate"], true, "{again}");
    }

    // What a poll lists.
    let found = mediator.host.flow.poll_claims().await.expect("a poll");
    assert!(found.listed > 0, "{found:?}");
    mediator.host.flow.poll_selected().await.expect("a poll");

    // Other answers, from another form.
    let messages = settled(mediator.store(), &claim, 2).await;
    assert!(messages.iter().all(|message| message.summary.state == "delivered"), "{messages:#?}");
    world.fill_in(&claim, unusual_answers()).await;
    let late = is(mediator.store(), &claim, "delivered", "had feedback for this claim before and keeps that one").await;
    assert_eq!(told(&late, "POST /api/api_fhir_r4/Communication/", Some(500)), 1, "{late:#?}");

    assert_eq!(messages_of(mediator.store(), &claim).await.len(), 3);
    assert_eq!(world.reports(&claim).len(), 1);
    assert_eq!(world.openimis.feedback(&claim).await, [first]);
    mediator.host.flow.delete_subscriptions().await.expect("an answer");
    mediator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the real openIMIS: cargo xtask test"]
async fn a_claim_that_openimis_rejects_makes_no_task() {
    let world = World::new().await;
    let mediator = world.subscribed_mediator(&[]).await;
    let before_the_policy = json!({"billablePeriod": {"start": "2018-01-01", "end": "2018-01-01"}});
    let (claim, answer) = world.openimis.post_claim(before_the_policy).await;
    assert_eq!(answer["total"], Value::Null, "a rejected claim has none");
    let message = is(mediator.store(), &claim, "skipped", "openIMIS rejected the claim").await;
    assert_eq!(message.summary.origin, "push");
    assert_eq!(world.reports(&claim), [] as [Value; 0]);
    mediator.host.flow.delete_subscriptions().await.expect("an answer");
    mediator.stop().await;
}
