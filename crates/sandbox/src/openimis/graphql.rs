//! `/api/graphql`: what the mediator asks there. The stand-in knows operations by their names; it does not read documents.

use super::{
    OpenImis,
    claim::ClaimStatus,
    facilities,
    refusal::{Refusal, json_body},
    register,
};
use axum::{Json, body::Bytes, extract::State};
use serde_json::{Map, Value, json};

/// Beside the FHIR module.
pub(super) const PATH: &str = "/api/graphql";

pub(super) async fn answer(State(openimis): State<OpenImis>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let asked = json_body(&body)?;
    let operation = asked["operationName"].as_str().unwrap_or_default();
    let data = match operation {
        "LookUp" => Some(look_up(&openimis, &asked["variables"])),
        "ClaimByCode" | "ClaimValuated" => Some(json!({"claims": claims(&openimis, &asked["variables"])})),
        _ => facilities::answer(&openimis, operation, &asked["variables"]),
    };
    Ok(Json(match data {
        Some(data) => json!({"data": data}),
        None => json!({"errors": [{"message": format!("Unknown operation named \"{operation}\".")}]}),
    }))
}

/// A field for each variable: `medicalItems_0`, `claimAdminsByUuid_1`.
fn look_up(openimis: &OpenImis, variables: &Value) -> Value {
    let asked = variables.as_object().into_iter().flatten();
    let data: Map<String, Value> = asked
        .map(|(alias, value)| {
            let field = alias.rsplit_once('_').map_or(alias.as_str(), |(field, _)| field);
            (alias.clone(), connection(nodes(openimis, field, value.as_str().unwrap_or_default())))
        })
        .collect();
    Value::Object(data)
}

fn connection(nodes: Vec<Value>) -> Value {
    json!({"edges": nodes.into_iter().map(|node| json!({"node": node})).collect::<Vec<_>>()})
}

/// The nodes of a field that have this code or uuid.
fn nodes(openimis: &OpenImis, field: &str, value: &str) -> Vec<Value> {
    match field {
        "policiesByInsuree" => register::policies_of(value),
        "insurees" => insurees(openimis, value),
        _ => {
            let (field, key) = match field.strip_suffix("ByUuid") {
                Some(field) => (field, "uuid"),
                None => (field, "code"),
            };
            match field {
                "healthFacilities" | "locations" => facilities::look_up(openimis, field, key, value),
                _ => register::all(field).into_iter().filter(|node| node[key] == value).collect(),
            }
        }
    }
}

/// Which policies an insuree is in.
fn insurees(openimis: &OpenImis, chf_id: &str) -> Vec<Value> {
    if openimis.state().patients.get(chf_id).is_err() {
        return Vec::new();
    }
    let member = |policy: Value| {
        json!({
            "validityTo": null,
            "effectiveDate": policy["effectiveDate"],
            "expiryDate": policy["expiryDate"],
            "policy": {"uuid": policy["policyUuid"]},
        })
    };
    let members = register::policies_of(chf_id).into_iter().map(member).collect();
    vec![json!({"chfId": chf_id, "insureePolicies": connection(members)})]
}

/// A claim by uuid or by code, with the amount that its `ClaimResponse` does not tell.
fn claims(openimis: &OpenImis, variables: &Value) -> Value {
    let state = openimis.state();
    let found = state.claims.iter().filter(|claim| match variables["uuid"].as_str() {
        Some(uuid) => uuid.eq_ignore_ascii_case(&claim.uuid.to_string()),
        None => variables["code"] == claim.code,
    });
    connection(
        found
            .map(|claim| {
                let is_final = claim.status == ClaimStatus::Valuated;
                let valuated = is_final.then(|| format!("{:.2}", claim.claimed()));
                json!({"uuid": claim.uuid.to_string(), "code": claim.code, "status": claim.status as u8, "valuated": valuated})
            })
            .collect(),
    )
}
