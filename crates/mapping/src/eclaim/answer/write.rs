//! The `ClaimResponse` that goes back, with FHIR's own words for amounts.

use rust_decimal::Decimal;
use serde::Serialize;

use super::{Decision, Names};
use crate::claim_response::ClaimStatus;
use crate::decimal::Amount;
use crate::fhir::codes::{CODE, UUID, system};
use crate::fhir::write::{IdentifierOut, MoneyOut, ReferenceOut};
use crate::json::{Unwritable, to_json};

const ADJUDICATION: &str = "http://terminology.hl7.org/CodeSystem/adjudication";
/// FHIR has no element for the encounter in a `ClaimResponse`; this is its extension for resources without one.
const ENCOUNTER: &str = "http://hl7.org/fhir/StructureDefinition/encounter-associatedEncounter";

/// openIMIS' reasons, in words for those who read a bill.
const REASONS: [(&str, &str); 22] = [
    ("-2", "refused by openIMIS' automatic evaluation"),
    ("-1", "refused by the medical officer"),
    ("1", "not an item or service of openIMIS"),
    ("2", "not in the facility's price list"),
    ("3", "not covered by any product of the insuree"),
    ("4", "not for a patient of this age or sex"),
    ("5", "given again too soon"),
    ("6", "claimed twice"),
    ("7", "the insuree is not valid on that day"),
    ("8", "the diagnosis is not in openIMIS' list"),
    ("9", "the days of the claim cannot be right"),
    ("10", "not for this kind of care"),
    ("11", "more hospital admissions than the policy covers"),
    ("12", "more visits than the policy covers"),
    ("13", "more consultations than the policy covers"),
    ("14", "more operations than the policy covers"),
    ("15", "more deliveries than the policy covers"),
    ("16", "more than the policy covers"),
    ("17", "within the policy's waiting period"),
    ("19", "more antenatal care than the policy covers"),
    ("20", "not a valid claim"),
    ("21", "no policy on that day"),
];

/// What is written.
pub(super) struct Answer<'a> {
    pub uuid: String,
    pub code: Option<&'a str>,
    pub status: ClaimStatus,
    pub created: Option<&'a str>,
    pub currency: String,
    pub names: Names,
    /// openIMIS' uuid of the insuree, where the hospital has no reference of its own.
    pub insuree: Option<&'a str>,
    pub decisions: &'a [Decision],
    /// What is paid for the whole claim, where openIMIS has decided and says so.
    pub paid: Option<Decimal>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClaimResponse<'a> {
    resource_type: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    extension: Vec<Extension<'a>>,
    identifier: Vec<IdentifierOut>,
    status: &'static str,
    #[serde(rename = "type")]
    kind: Concept<'a>,
    #[serde(rename = "use")]
    usage: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    patient: Option<Patient<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<&'a str>,
    insurer: Named,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<Reference<'a>>,
    outcome: &'static str,
    disposition: &'static str,
    item: Vec<Item<'a>>,
    total: Vec<Total<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Extension<'a> {
    url: &'static str,
    value_reference: Reference<'a>,
}

#[derive(Serialize)]
struct Reference<'a> {
    reference: &'a str,
}

/// The patient as the hospital names it, else as openIMIS does.
#[derive(Serialize)]
#[serde(untagged)]
enum Patient<'a> {
    Named(Reference<'a>),
    OpenImis(Box<ReferenceOut>),
}

#[derive(Serialize)]
struct Named {
    display: &'static str,
}

#[derive(Serialize)]
struct Concept<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    coding: Vec<Coding<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'static str>,
}

#[derive(Serialize)]
struct Coding<'a> {
    system: String,
    code: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    item_sequence: u32,
    adjudication: Vec<Adjudication<'a>>,
}

#[derive(Serialize)]
struct Adjudication<'a> {
    category: Concept<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Concept<'a>>,
    amount: MoneyOut<'a>,
}

#[derive(Serialize)]
struct Total<'a> {
    category: Concept<'a>,
    amount: MoneyOut<'a>,
}

impl Answer<'_> {
    pub fn to_json(&self) -> Result<String, Unwritable> {
        let Names { claim, patient, encounter } = &self.names;
        let identifiers = [(UUID, Some(self.uuid.as_str())), (CODE, self.code)];
        let is_rejected = self.status == ClaimStatus::Rejected;
        let response = ClaimResponse {
            resource_type: "ClaimResponse",
            extension: encounter
                .iter()
                .map(|reference| Extension { url: ENCOUNTER, value_reference: Reference { reference } })
                .collect(),
            identifier: identifiers
                .into_iter()
                .filter_map(|(code, value)| Some(IdentifierOut::new(code, value?)))
                .collect(),
            status: "active",
            kind: concept("http://terminology.hl7.org/CodeSystem/claim-type", "institutional"),
            usage: "claim",
            patient: match (patient.as_deref(), self.insuree) {
                (Some(reference), _) => Some(Patient::Named(Reference { reference })),
                (None, Some(uuid)) => Some(Patient::OpenImis(Box::new(ReferenceOut::new("Patient", uuid)))),
                (None, None) => None,
            },
            created: self.created,
            insurer: Named { display: "openIMIS" },
            request: claim.as_deref().map(|reference| Reference { reference }),
            outcome: match self.status {
                ClaimStatus::Rejected | ClaimStatus::Valuated => "complete",
                ClaimStatus::Entered => "queued",
                ClaimStatus::Checked | ClaimStatus::Processed => "partial",
            },
            disposition: self.disposition(is_rejected),
            item: self.decisions.iter().map(|decision| self.item(decision)).collect(),
            total: self.totals(),
        };
        to_json(&response)
    }

    /// What the hospital's billing wants to know first.
    fn disposition(&self, is_rejected: bool) -> &'static str {
        let submitted: Decimal = self.decisions.iter().map(|decision| decision.submitted).sum();
        let is_less = |decision: &Decision| decision.benefit.is_some_and(|paid| paid < decision.submitted);
        match self.status {
            _ if is_rejected => "denied",
            ClaimStatus::Valuated if self.paid == Some(Decimal::ZERO) => "denied",
            ClaimStatus::Valuated
                if self.paid.is_some_and(|paid| paid < submitted) || self.decisions.iter().any(is_less) =>
            {
                "reimbursed in part"
            }
            ClaimStatus::Valuated if self.paid.is_none() => "reimbursed; openIMIS does not tell all amounts",
            ClaimStatus::Valuated => "reimbursed",
            _ => "in progress",
        }
    }

    fn item<'d>(&'d self, decision: &'d Decision) -> Item<'d> {
        let reason = decision.refused.as_deref().map(reason);
        let amounts =
            [("submitted", Some(decision.submitted)), ("eligible", decision.eligible), ("benefit", decision.benefit)];
        let mut adjudication: Vec<Adjudication> = amounts
            .into_iter()
            .filter_map(|(code, amount)| {
                Some(Adjudication { category: concept(ADJUDICATION, code), reason: None, amount: self.money(amount?) })
            })
            .collect();
        if let Some(last) = adjudication.last_mut() {
            last.reason = reason;
        }
        Item { item_sequence: decision.sequence, adjudication }
    }

    /// What was submitted, and what is paid.
    fn totals(&self) -> Vec<Total<'_>> {
        let submitted = self.decisions.iter().map(|decision| decision.submitted).sum();
        [("submitted", Some(submitted)), ("benefit", self.paid)]
            .into_iter()
            .filter_map(|(code, amount)| {
                Some(Total { category: concept(ADJUDICATION, code), amount: self.money(amount?) })
            })
            .collect()
    }

    fn money(&self, amount: Decimal) -> MoneyOut<'_> {
        MoneyOut { value: Amount(amount), currency: &self.currency }
    }
}

fn concept<'a>(system: &str, code: &'a str) -> Concept<'a> {
    Concept { coding: vec![Coding { system: system.to_owned(), code }], text: None }
}

fn reason(code: &str) -> Concept<'_> {
    let known = REASONS.iter().find(|(known, _)| *known == code).map(|(_, text)| *text);
    let text = known.unwrap_or(match code {
        "" => "refused; openIMIS tells no reason",
        _ => "refused for a reason that only openIMIS knows",
    });
    let coding = (!code.is_empty()).then(|| Coding { system: system("claim-rejection-reasons"), code });
    Concept { coding: coding.into_iter().collect(), text: Some(text) }
}
