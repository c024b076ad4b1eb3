//! The mapping fixtures through the mappings that are plugged into the edge, by its route for trying them: the same bytes as natively.

use mapping::{Issue, MapResult, Mapped, claim_response, feedback, patient};
use mediator_tests::fixtures::{Case, check_all};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::answers::read;
use crate::server::{On, World};

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Mapped { body: String, idempotency_key: String, warnings: Vec<Issue> },
    Issues { issues: Vec<Issue> },
}

pub async fn every_fixture_maps_as_written_through_the_edge(on: On) {
    let world = World::start(on, &[]).await;
    let map = |name: &str, case: &Case, others: Value| {
        let mut input = json!({"document": case.input, "settings": case.read::<Option<Value>>("settings.json")});
        // Without settings of its own a fixture means the defaults, not those of this edge.
        if input["settings"].is_null() {
            input["settings"] = json!({});
        }
        input.as_object_mut().expect("an object").extend(others.as_object().expect("an object").clone());
        let asked = async { read(world.post(&format!("/mediator/map/{name}"), input.to_string()).await).await };
        let (status, body) = block_in_place(|| Handle::current().block_on(asked));
        match serde_json::from_value(body.clone()) {
            Ok(Answer::Mapped { body, idempotency_key, warnings }) => Ok(Mapped { body, idempotency_key, warnings }),
            Ok(Answer::Issues { issues }) => Err(issues),
            Err(_) => panic!("{}: {status}: {body}", case.name),
        }
    };
    let same = |case: &Case, found: MapResult, natively: MapResult| -> MapResult {
        assert_eq!(found, natively, "{}: byte for byte", case.name);
        found
    };
    check_all("claim-response", |case| {
        let (date, contact) = (
            case.read::<Option<String>>("claim-date.json"),
            case.read::<Option<claim_response::ContactLink>>("contact.json"),
        );
        let native = claim_response::map(&case.input, date.as_deref(), contact.as_ref(), &case.read("settings.json"));
        same(case, map("claim-response", case, json!({"claim_date": date, "contact": contact})), native)
    });
    check_all("feedback", |case| {
        let insuree: Option<String> = case.read("insuree.json");
        let native = feedback::map(&case.input, insuree.as_deref(), &case.read("settings.json"));
        same(case, map("feedback", case, json!({"insuree_uuid": insuree})), native)
    });
    check_all("patient", |case| {
        let locations: Vec<String> = case.read("locations.json");
        let native = patient::map(&case.input, &locations, &case.read("settings.json"));
        same(case, map("patient", case, json!({"location_codes": locations})), native)
    });
    assert!(world.messages().await.is_empty() && world.sandbox.cht.requests().is_empty(), "nothing is stored or sent");
}
