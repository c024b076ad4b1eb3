//! The insurees, found by uuid or by insurance number.

use super::{
    fhir::{identifier, identifier_value},
    refusal::Refusal,
};
use serde_json::{Value, json};
use uuid::Uuid;

/// All insurees, as `Patient` resources.
pub(super) struct Patients(pub Vec<Value>);

impl Patients {
    /// By uuid in any spelling, or by chf_id.
    pub fn get(&self, id: &str) -> Result<&Value, Refusal> {
        match id.parse::<Uuid>() {
            Ok(uuid) => self.by_uuid(uuid).ok_or_else(|| Refusal::no_such_uuid("Insuree", uuid)),
            Err(_) => self.by_chf_id(id).ok_or_else(|| Refusal::no_such_code("Insuree", "chf_id", id)),
        }
    }

    /// As openIMIS answers: asked by number, the number is the id, and the family is named by number too.
    pub fn asked_by(&self, id: &str) -> Result<Value, Refusal> {
        let mut patient = self.get(id)?.clone();
        if id.parse::<Uuid>().is_err() {
            patient["id"] = json!(id);
            for extension in patient["extension"].as_array_mut().into_iter().flatten() {
                if extension["valueReference"]["type"] == "Group" {
                    let (reference, code) = (format!("Group/{id}"), identifier("Code", id));
                    extension["valueReference"] = json!({"reference": reference, "type": "Group", "identifier": code});
                }
            }
        }
        Ok(patient)
    }

    /// The insuree a reference names.
    pub fn named_by(&self, reference: &Value) -> Option<Uuid> {
        let id = reference["reference"].as_str()?.rsplit('/').next()?;
        self.get(id).ok()?["id"].as_str()?.parse().ok()
    }

    /// The insurance number; empty if there is no such insuree.
    pub fn chf_id(&self, uuid: Uuid) -> &str {
        self.by_uuid(uuid).and_then(|patient| identifier_value(patient, "Code")).unwrap_or_default()
    }

    /// Given and family name, for people to read.
    pub fn name(&self, uuid: Uuid) -> String {
        let name = self.by_uuid(uuid).map_or(&Value::Null, |patient| &patient["name"][0]);
        let parts = [&name["given"][0], &name["family"]].map(|part| part.as_str().unwrap_or("?"));
        parts.join(" ")
    }

    fn by_uuid(&self, uuid: Uuid) -> Option<&Value> {
        self.0.iter().find(|patient| patient["id"] == uuid.to_string())
    }

    fn by_chf_id(&self, chf_id: &str) -> Option<&Value> {
        self.0.iter().find(|patient| identifier_value(patient, "Code") == Some(chf_id))
    }
}
