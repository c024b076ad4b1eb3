//! The documents that are mapped: those of cases, and the same with as many items as a size says.

use serde_json::{Value, json};

/// A document of a mapping.
pub struct Document {
    /// As WIT calls the mapping.
    pub mapping: &'static str,
    /// How large it is, in words.
    pub size: &'static str,
    pub text: String,
}

/// How a case's own document is called.
pub const RECORDED: &str = "as recorded";

const SIZES: [(usize, &str); 3] = [(1, "1 item"), (50, "50 items"), (1000, "1,000 items")];

/// All of them.
pub fn documents() -> Vec<Document> {
    let recorded = [
        ("claim-response", include_str!("../../../../wit/cases/claim-response/documented-sample.input.json")),
        ("feedback", include_str!("../../../../wit/cases/feedback/documented.input.json")),
        ("patient", include_str!("../../../../wit/cases/patient/recorded.input.json")),
    ];
    let mut documents = Vec::new();
    for (mapping, text) in recorded {
        documents.push(Document { mapping, size: RECORDED, text: text.to_owned() });
        for (items, size) in SIZES {
            documents.push(Document { mapping, size, text: with_items(mapping, text, items) });
        }
    }
    documents
}

/// As openIMIS writes it, without indentation: items of a claim, other answers of the form, extensions of a patient.
fn with_items(mapping: &str, text: &str, items: usize) -> String {
    let mut document: Value = serde_json::from_str(text).expect("a case is JSON");
    match mapping {
        "claim-response" => {
            let item = document["item"][0].take();
            document["item"] = Value::Array(vec![item; items]);
        }
        "feedback" => {
            for item in 0..items {
                document[format!("question_{item}")] = json!("no answer was given to this one");
            }
        }
        _ => {
            let extension = json!({"url": "https://openimis.github.io/openimis_fhir_r4_ig/StructureDefinition/patient-is-head", "valueBoolean": true});
            document["extension"] = Value::Array(vec![extension; items]);
        }
    }
    document.to_string()
}
