//! A claim and the three resources that openIMIS shows of it: `Claim`, `ClaimResponse`, `CommunicationRequest`.

use super::{
    fhir::{QUESTIONS, concept, identifier, identifier_value, money, named_reference, payload, reference, structure},
    refusal::{REQUIRED, Refusal},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

/// Claims for care before this day are rejected: no policy covers it.
const FIRST_COVERED_DAY: &str = "2020-01-01";

/// Where a claim stands; the numbers are openIMIS's.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub enum ClaimStatus {
    /// Refused: `outcome` complete, no `total`.
    Rejected = 1,
    /// Typed in, not submitted yet.
    Entered = 2,
    /// Submitted and found in order.
    Checked = 4,
    /// Reviewed, awaiting valuation.
    Processed = 8,
    /// Priced; final.
    Valuated = 16,
}

impl ClaimStatus {
    /// openIMIS's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Entered => "entered",
            Self::Checked => "checked",
            Self::Processed => "processed",
            Self::Valuated => "valuated",
        }
    }

    fn outcome(self) -> &'static str {
        match self {
            Self::Entered => "queued",
            Self::Checked | Self::Processed => "partial",
            Self::Rejected | Self::Valuated => "complete",
        }
    }

    /// The stages that `total` and the adjudications show: all up to the present one.
    fn stages(self) -> impl Iterator<Item = Self> {
        [Self::Entered, Self::Checked, Self::Processed, Self::Valuated].into_iter().filter(move |stage| *stage <= self)
    }

    fn concept(self) -> Value {
        concept("claim-status", &(self as u8).to_string(), self.name())
    }
}

/// Whether an officer wants feedback on the claim.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) enum FeedbackStatus {
    Idle,
    Selected,
    Delivered,
    Bypassed,
}

impl FeedbackStatus {
    /// `CommunicationRequest.status`, its reason's code and display; none where nobody asked for feedback.
    fn shown(self) -> Option<(&'static str, &'static str, &'static str)> {
        match self {
            Self::Idle => None,
            Self::Selected => Some(("active", "4", "Selected")),
            Self::Delivered => Some(("completed", "8", "Delivered")),
            Self::Bypassed => Some(("revoked", "16", "Bypassed")),
        }
    }

    pub fn is_listed(self) -> bool {
        self != Self::Idle
    }
}

/// A claim as stored.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Claim {
    pub uuid: Uuid,
    pub code: String,
    pub insuree: Uuid,
    pub status: ClaimStatus,
    pub feedback_status: FeedbackStatus,
    pub feedback: Option<Uuid>,
    /// When it came in: what `_lastUpdated` is compared with. Status changes do not move it.
    pub validity_from: Timestamp,
    /// The `Claim` resource as it came.
    pub body: Value,
}

impl Claim {
    /// Reads what `POST Claim/` sent; the patient is looked up by the caller's `find_insuree`.
    pub fn read(body: Value, find_insuree: impl Fn(&Value) -> Option<Uuid>) -> Result<Self, Refusal> {
        require(&body, &["created", "status", "use"], "__root__ -> ")?;
        require(&body, &["insurance", "patient", "priority", "provider", "type"], "")?;
        let insuree = find_insuree(&body["patient"]).ok_or_else(|| Refusal::no_such_patient(&body["patient"]))?;
        let code = identifier_value(&body, "Code").filter(|code| !code.is_empty()).map(str::to_owned);
        let start = body["billablePeriod"]["start"].as_str();
        let missing = [
            (code.is_none(), "Missing or invalid `identifier` attribute"),
            (start.is_none(), "Missing or invalid 'billable_period' attribute"),
            (body["diagnosis"][0].is_null(), "Missing or invalid `diagnosis` attribute"),
        ];
        let missing: Vec<_> = missing.into_iter().filter_map(|(is, text)| is.then_some(text)).collect();
        let (Some(code), Some(start), []) = (code, start, missing.as_slice()) else {
            return Err(Refusal::exception(format!(
                "The request cannot be processed due to the following issues:\n{}",
                missing.join(",\n")
            )));
        };
        let covered = start >= FIRST_COVERED_DAY;
        Ok(Self {
            status: if covered { ClaimStatus::Checked } else { ClaimStatus::Rejected },
            ..Self::entered(&code, insuree, body)
        })
    }

    /// A claim typed in just now.
    pub fn entered(code: &str, insuree: Uuid, body: Value) -> Self {
        Self {
            uuid: Uuid::new_v4(),
            code: code.to_owned(),
            insuree,
            status: ClaimStatus::Entered,
            feedback_status: FeedbackStatus::Idle,
            feedback: None,
            validity_from: Timestamp::now(),
            body,
        }
    }

    /// The `Claim` resource; `created` is the claim's own date.
    pub fn resource(&self, chf_id: &str) -> Value {
        let mut claim = self.body.clone();
        claim["id"] = json!(self.uuid.to_string());
        claim["identifier"] = self.identifiers();
        claim["patient"] = named_reference("Patient", &self.insuree.to_string(), chf_id);
        claim
    }

    /// The `ClaimResponse`; `created` is the day it is asked for, as measured.
    pub fn response(&self) -> Value {
        let uuid = self.uuid.to_string();
        let mut response = json!({
            "resourceType": "ClaimResponse",
            "id": uuid,
            "identifier": self.identifiers(),
            "status": "active",
            "type": self.body["type"],
            "use": "claim",
            "patient": reference("Patient", &self.insuree.to_string()),
            "created": Timestamp::now().strftime("%Y-%m-%d").to_string(),
            "insurer": {"reference": "openIMIS"},
            "requestor": reference("Practitioner", self.enterer()),
            "request": reference("ClaimV2", &uuid),
            "outcome": self.status.outcome(),
            "item": self.items().enumerate().map(|(at, item)| self.adjudicated(at + 1, item)).collect::<Vec<_>>(),
        });
        if self.status != ClaimStatus::Rejected {
            let claimed = if self.status == ClaimStatus::Entered { 0.0 } else { self.claimed() };
            let total = |stage: ClaimStatus| json!({"category": stage.concept(), "amount": money(claimed)});
            response["total"] = self.status.stages().map(total).collect();
        }
        if self.status >= ClaimStatus::Checked {
            response["processNote"] = json!([{"number": self.items().count(), "text": "P"}]);
        }
        if let Some(feedback) = self.feedback {
            response["communicationRequest"] = json!([reference("CommunicationRequest", &feedback.to_string())]);
        }
        response
    }

    /// The `CommunicationRequest`, if feedback was ever wanted. It has no id.
    pub fn communication_request(&self, chf_id: &str) -> Option<Value> {
        let (status, code, display) = self.feedback_status.shown()?;
        Some(json!({
            "resourceType": "CommunicationRequest",
            "status": status,
            "statusReason": concept("feedback-status", code, display),
            "subject": named_reference("Patient", &self.insuree.to_string(), chf_id),
            "about": [named_reference("Claim", &self.uuid.to_string(), &self.code)],
            "payload": QUESTIONS.map(|(code, question)| payload(code, question)),
            "recipient": [named_reference("Practitioner", self.enterer(), "CA001")],
        }))
    }

    fn identifiers(&self) -> Value {
        json!([identifier("UUID", &self.uuid.to_string()), identifier("Code", &self.code)])
    }

    fn enterer(&self) -> &str {
        let reference = self.body["enterer"]["reference"].as_str().unwrap_or_default();
        reference.rsplit('/').next().unwrap_or_default()
    }

    fn items(&self) -> impl Iterator<Item = &Value> {
        self.body["item"].as_array().into_iter().flatten()
    }

    pub fn claimed(&self) -> f64 {
        let of_item = |item: &Value| price(item) * quantity(item);
        self.body["total"]["value"].as_f64().unwrap_or_else(|| self.items().map(of_item).sum())
    }

    /// One item with its verdicts. A freshly typed-in claim shows them as rejected with reason 0, as measured.
    fn adjudicated(&self, sequence: usize, item: &Value) -> Value {
        let mut of = item["extension"][0]["valueReference"].clone();
        of["display"] = item["productOrService"]["text"].clone();
        let reason = if self.status == ClaimStatus::Rejected { ("7", "FAMILY") } else { ("0", "ACCEPTED") };
        let verdict = |stage: ClaimStatus| {
            json!({
                "category": stage.concept(),
                "reason": concept("claim-rejection-reasons", reason.0, reason.1),
                "amount": money(price(item)),
                "value": quantity(item),
            })
        };
        let verdicts: Vec<_> = match self.status {
            ClaimStatus::Rejected | ClaimStatus::Entered => vec![verdict(ClaimStatus::Rejected)],
            status => status.stages().map(verdict).collect(),
        };
        let mut adjudicated = json!({
            "extension": [{"url": structure("claim-item-reference"), "valueReference": of}],
            "itemSequence": sequence,
            "adjudication": verdicts,
        });
        if self.status >= ClaimStatus::Checked {
            adjudicated["noteNumber"] = json!([sequence]);
        }
        adjudicated
    }
}

fn price(item: &Value) -> f64 {
    item["unitPrice"]["value"].as_f64().unwrap_or_default()
}

fn quantity(item: &Value) -> f64 {
    item["quantity"]["value"].as_f64().unwrap_or_default()
}

fn require(body: &Value, elements: &[&str], at: &str) -> Result<(), Refusal> {
    let absent = |element: &&&str| body[**element].is_null();
    let errors: Vec<_> = elements.iter().filter(absent).map(|element| (format!("{at}{element}"), REQUIRED)).collect();
    if errors.is_empty() { Ok(()) } else { Err(Refusal::invalid("ClaimV2", &errors)) }
}
