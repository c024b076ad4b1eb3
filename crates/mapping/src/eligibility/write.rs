//! The `CoverageEligibilityResponse`.

use jiff::civil::Date;
use serde::Serialize;

use crate::decimal::Amount;
use crate::fhir::write::{MoneyOut, ReferenceOut};
use crate::json::{Unwritable, to_json};
use crate::policy::Policy;

/// What is written.
pub(super) struct Answer<'a> {
    pub request: Option<String>,
    pub patient: Option<String>,
    pub purpose: Vec<&'static str>,
    pub on: Date,
    pub created: Date,
    pub insuree: Option<String>,
    pub covers: Vec<Policy>,
    pub currency: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    resource_type: &'static str,
    status: &'static str,
    purpose: Vec<&'a str>,
    patient: Patient<'a>,
    serviced_date: String,
    created: String,
    request: Question<'a>,
    outcome: &'static str,
    disposition: &'static str,
    insurer: Named,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    insurance: Vec<Insurance<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    error: Vec<Failure>,
}

/// The patient as the hospital names it, and as openIMIS does.
#[derive(Serialize)]
#[serde(untagged)]
enum Patient<'a> {
    Named(Reference<'a>),
    OpenImis(Box<ReferenceOut>),
    Unnamed(Named),
}

/// FHIR requires it, also of a question without a name.
#[derive(Serialize)]
#[serde(untagged)]
enum Question<'a> {
    Named(Reference<'a>),
    Unnamed(Named),
}

#[derive(Serialize)]
struct Reference<'a> {
    reference: &'a str,
}

#[derive(Serialize)]
struct Named {
    display: &'static str,
}

#[derive(Serialize)]
struct Failure {
    code: Words<'static>,
}

#[derive(Serialize)]
struct Words<'a> {
    text: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Insurance<'a> {
    coverage: ReferenceOut,
    inforce: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    benefit_period: Option<Period>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    item: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Period {
    start: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    benefit: Vec<Benefit<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Benefit<'a> {
    #[serde(rename = "type")]
    kind: Words<'a>,
    allowed_money: MoneyOut<'a>,
}

impl Answer<'_> {
    pub fn to_json(&self) -> Result<String, Unwritable> {
        let purpose = if self.purpose.is_empty() { vec!["benefits", "validation"] } else { self.purpose.clone() };
        let is_known = self.insuree.is_some();
        let disposition = match () {
            () if !is_known => "openIMIS has no insuree with this insurance number",
            () if self.covers.iter().any(|cover| cover.holds(self.on)) => "insured",
            () if self.covers.is_empty() => "openIMIS has no policy of the insuree",
            () => "no policy of the insuree is in force on this day",
        };
        let failure = (!is_known).then_some(Failure { code: Words { text: disposition } });
        let response = Response {
            resource_type: "CoverageEligibilityResponse",
            status: "active",
            purpose,
            patient: match (&self.patient, &self.insuree) {
                (Some(reference), _) => Patient::Named(Reference { reference }),
                (None, Some(uuid)) => Patient::OpenImis(Box::new(ReferenceOut::new("Patient", uuid))),
                (None, None) => Patient::Unnamed(Named { display: "unknown" }),
            },
            serviced_date: self.on.to_string(),
            created: self.created.to_string(),
            request: self.request.as_deref().map_or(Question::Unnamed(Named { display: "unnamed" }), |reference| {
                Question::Named(Reference { reference })
            }),
            outcome: if is_known { "complete" } else { "error" },
            disposition,
            insurer: Named { display: "openIMIS" },
            insurance: self.covers.iter().map(|cover| self.insurance(cover)).collect(),
            error: failure.into_iter().collect(),
        };
        to_json(&response)
    }

    fn insurance<'c>(&'c self, cover: &'c Policy) -> Insurance<'c> {
        let benefit: Vec<Benefit> = cover
            .left
            .iter()
            .map(|(name, amount)| Benefit {
                kind: Words { text: name },
                allowed_money: MoneyOut { value: Amount(*amount), currency: self.currency },
            })
            .collect();
        let item = Item { name: cover.product.as_deref(), description: cover.name.as_deref(), benefit };
        let is_empty = item.name.is_none() && item.description.is_none() && item.benefit.is_empty();
        Insurance {
            coverage: ReferenceOut::new("Coverage", &cover.uuid),
            inforce: cover.holds(self.on),
            benefit_period: cover
                .start
                .map(|start| Period { start: start.to_string(), end: cover.end.map(|end| end.to_string()) }),
            item: if is_empty { Vec::new() } else { vec![item] },
        }
    }
}
