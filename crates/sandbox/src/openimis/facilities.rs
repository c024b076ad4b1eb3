//! Health facilities and districts, as nodes of openIMIS's GraphQL; and what its screens would do with them.

use super::OpenImis;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use uuid::Uuid;

/// openIMIS gives no more at a time.
const PAGE: usize = 100;
/// Number, code and uuid of the districts.
const DISTRICTS: [(i64, &str, &str); 3] = [
    (9, "R1D1", "35043da3-1e04-46f9-a67e-00b9973b588f"),
    (10, "R1D2", "1c65c4a1-9a7a-4c55-9d0b-9b0e2a3c8a10"),
    (2, "R2D1", "2ee8ea9c-aef7-400b-9b36-f391f956f73e"),
];
const LEGAL_FORMS: [&str; 4] = ["C", "D", "G", "P"];
const STATUSES: [&str; 4] = ["AC", "IN", "DE", "ID"];

/// What openIMIS has of facilities.
pub(super) struct Facilities {
    all: Vec<Value>,
    /// By client mutation id: what became of it, and how often it is still to be said that nothing is known.
    logs: HashMap<String, (Result<(), String>, usize)>,
    /// How often a mutation's log says nothing at first: openIMIS carries mutations out later where it has a queue.
    delay: usize,
}

impl Default for Facilities {
    fn default() -> Self {
        let first = json!({
            "code": "HF001", "name": "Rapta Health Centre", "legalFormId": "C", "level": "C", "subLevelId": "S",
            "locationId": 9, "careType": "B", "status": "AC", "servicesPricelistId": 1, "itemsPricelistId": 1,
        });
        let mut facilities = Self { all: Vec::new(), logs: HashMap::new(), delay: 0 };
        facilities.all.push(facilities.node(&first, "00000000-0000-4000-8000-000000000001".to_owned(), 1));
        facilities
    }
}

fn graph_id(kind: &str, number: i64) -> Value {
    STANDARD.encode(format!("{kind}:{number}")).into()
}

fn connection(nodes: impl Iterator<Item = Value>, next: Option<usize>) -> Value {
    let edges: Vec<Value> = nodes.map(|node| json!({"node": node})).collect();
    json!({"pageInfo": {"hasNextPage": next.is_some(), "endCursor": next.map(|next| next.to_string())}, "edges": edges})
}

fn page(all: &[Value], variables: &Value) -> Value {
    let from: usize = variables["after"].as_str().and_then(|after| after.parse().ok()).unwrap_or(0);
    let to = (from + PAGE).min(all.len());
    connection(all[from.min(to)..to].iter().cloned(), (to < all.len()).then_some(to))
}

fn districts() -> Vec<Value> {
    let node = |(number, code, uuid): &(i64, &str, &str)| json!({"id": graph_id("LocationGQLType", *number), "uuid": uuid, "code": code});
    DISTRICTS.iter().map(node).collect()
}

impl Facilities {
    /// As openIMIS would show what was put in.
    fn node(&self, input: &Value, uuid: String, number: i64) -> Value {
        let district = DISTRICTS.iter().find(|(number, ..)| input["locationId"] == *number);
        let listed = |key: &str| input[key].as_i64().map(|number| json!({"id": graph_id("Pricelist", number)}));
        let coded = |key: &str| input[key].as_str().map(|code| json!({"code": code}));
        json!({
            "id": graph_id("HealthFacilityGQLType", number), "uuid": uuid, "code": input["code"], "name": input["name"],
            "accCode": input["accCode"], "level": input["level"], "subLevel": coded("subLevelId"),
            "legalForm": coded("legalFormId"), "careType": input["careType"],
            "location": district.map(|(number, code, _)| json!({"id": graph_id("LocationGQLType", *number), "code": code})),
            "address": input["address"], "phone": input["phone"], "fax": input["fax"], "email": input["email"],
            "status": input["status"], "servicesPricelist": listed("servicesPricelistId"),
            "itemsPricelist": listed("itemsPricelistId"), "contractStartDate": input["contractStartDate"],
            "contractEndDate": input["contractEndDate"], "catchments": [],
        })
    }

    /// A mutation, as openIMIS carries it out; the error is what its log says.
    fn write(&mut self, input: &Value) -> Result<(), String> {
        let text = |key: &str| input[key].as_str().unwrap_or_default();
        let failed = |detail: &str| Err(json!([{"message": "location.mutation.failed", "detail": detail}]).to_string());
        if !LEGAL_FORMS.contains(&text("legalFormId")) {
            return failed(
                "['Object HealthFacility is not respecting the mandatory fields: HealthFacilityLegalForm matching query does not exist.']",
            );
        }
        if !STATUSES.contains(&text("status")) {
            return failed("['mutation.incorrect_hf_status']");
        }
        let at = self.all.iter().position(|node| node["uuid"] == input["uuid"] && input["uuid"].is_string());
        let is_taken =
            self.all.iter().enumerate().any(|(other, node)| Some(other) != at && node["code"] == input["code"]);
        if is_taken {
            return failed("['mutation.hf_code_duplicated']");
        }
        match (at, input["uuid"].as_str()) {
            (Some(at), Some(uuid)) => self.all[at] = self.node(input, uuid.to_owned(), at as i64 + 1),
            (None, Some(_)) => return failed("HealthFacility matching query does not exist."),
            (_, None) => {
                let node = self.node(input, Uuid::new_v4().to_string(), self.all.len() as i64 + 1);
                self.all.push(node);
            }
        }
        Ok(())
    }

    fn log(&mut self, id: &str) -> Value {
        let Some((done, delay)) = self.logs.get_mut(id) else { return connection(std::iter::empty(), None) };
        if *delay > 0 {
            *delay -= 1;
            return connection(std::iter::once(json!({"status": 0, "error": null})), None);
        }
        let node = match done {
            Ok(()) => json!({"status": 2, "error": null}),
            Err(error) => json!({"status": 1, "error": error}),
        };
        connection(std::iter::once(node), None)
    }
}

/// `data` of an operation; none if it is not one of these.
pub(super) fn answer(openimis: &OpenImis, operation: &str, variables: &Value) -> Option<Value> {
    let mut state = openimis.state();
    let facilities = &mut state.facilities;
    let named = variables.as_object().into_iter().flatten();
    Some(match operation {
        "Districts" => json!({"locations": page(&districts(), variables)}),
        "HealthFacilities" => json!({"healthFacilities": page(&facilities.all, variables)}),
        // As of one that does not tell of itself.
        "FacilityInput" => return None,
        "WriteFacilities" => {
            let delay = facilities.delay;
            let mut told = Map::new();
            for (alias, input) in named {
                let id = input["clientMutationId"].as_str().unwrap_or_default().to_owned();
                let done = facilities.write(input);
                facilities.logs.insert(id.clone(), (done, delay));
                told.insert(alias.clone(), json!({"clientMutationId": id}));
            }
            Value::Object(told)
        }
        "FacilityLogs" => {
            let logs = named.map(|(alias, id)| (alias.clone(), facilities.log(id.as_str().unwrap_or_default())));
            Value::Object(logs.collect())
        }
        _ => return None,
    })
}

/// The nodes of a field of the query that have this value.
pub(super) fn look_up(openimis: &OpenImis, field: &str, key: &str, value: &str) -> Vec<Value> {
    let all = match field {
        "healthFacilities" => openimis.state().facilities.all.clone(),
        _ => districts(),
    };
    all.into_iter().filter(|node| node[key] == value).collect()
}

impl OpenImis {
    /// Its health facilities, as nodes of GraphQL, oldest first.
    pub fn health_facilities(&self) -> Vec<Value> {
        self.state().facilities.all.clone()
    }

    /// A facility is typed in, or changed, at its own screens. `input`: as its mutations take it.
    pub fn enter_health_facility(&self, input: &Value) -> Result<(), String> {
        self.state().facilities.write(input)
    }

    /// From now on mutations are carried out later: their log says nothing so many times.
    pub fn delay_mutations(&self, looks: usize) {
        self.state().facilities.delay = looks;
    }
}
