//! Elements as openIMIS writes them and as the maps write them for it.

use serde::Serialize;

use super::codes::{UUID, system};
use crate::decimal::Amount;

/// A reference as openIMIS writes and reads it.
#[derive(Debug, Serialize)]
pub(crate) struct ReferenceOut {
    reference: String,
    #[serde(rename = "type")]
    kind: &'static str,
    identifier: IdentifierOut,
}

/// An identifier of openIMIS.
#[derive(Debug, Serialize)]
pub(crate) struct IdentifierOut {
    #[serde(rename = "type")]
    kind: ConceptOut,
    value: String,
}

/// A concept with one coding.
#[derive(Debug, Serialize)]
pub(crate) struct ConceptOut {
    coding: [CodingOut; 1],
}

#[derive(Debug, Serialize)]
struct CodingOut {
    system: String,
    code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    display: Option<&'static str>,
}

impl ReferenceOut {
    pub fn new(kind: &'static str, uuid: &str) -> Self {
        Self { reference: format!("{kind}/{uuid}"), kind, identifier: IdentifierOut::new(UUID, uuid) }
    }
}

impl IdentifierOut {
    pub fn new(code: &str, value: &str) -> Self {
        Self { kind: ConceptOut::new(system("openimis-identifiers"), code, None), value: value.to_owned() }
    }
}

impl ConceptOut {
    pub fn new(system: String, code: &str, display: Option<&'static str>) -> Self {
        Self { coding: [CodingOut { system, code: code.to_owned(), display }] }
    }
}

/// An amount with its currency.
#[derive(Debug, Serialize)]
pub(crate) struct MoneyOut<'a> {
    pub value: Amount,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub currency: &'a str,
}
