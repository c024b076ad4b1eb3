//! openIMIS' adjudication of a claim to the `ClaimResponse` that goes back to the hospital, in the hospital's own references.

mod notes;
mod write;

pub use notes::with_notes;
use rust_decimal::Decimal;
use serde::Deserialize;

use super::{Settings, Subject};
use crate::bundle::{Documents, parts, tell_modifiers};
use crate::claim_response::{ClaimStatus, envelope};
use crate::decimal::{Number, decimal, fitting};
use crate::fhir::codes::{CODE, require_resource};
use crate::fhir::elements::{Concept, Identifier, List, Money, Reference, each, of_openimis};
use crate::fhir::primitives::{plain, shape_of};
use crate::issue::{Issue, IssueType, Severity};
use crate::json::{Node, Text, document, object_shape};
use crate::lookup::shorten;
use crate::{MapResult, Mapped};

const NAME: &str = "ClaimResponse";

#[derive(Debug, Deserialize)]
struct ClaimResponse<'a> {
    #[serde(borrow, default, rename = "resourceType")]
    resource_type: Node<Text<'a>>,
    #[serde(borrow, default)]
    identifier: List<Identifier<'a>>,
    #[serde(borrow, default)]
    status: Node<Text<'a>>,
    #[serde(borrow, default, rename = "use")]
    usage: Node<Text<'a>>,
    #[serde(borrow, default)]
    created: Node<Text<'a>>,
    #[serde(borrow, default)]
    item: List<Item<'a>>,
}

#[derive(Debug, Deserialize)]
struct Item<'a> {
    #[serde(borrow, default)]
    extension: List<ItemReference<'a>>,
    #[serde(borrow, default)]
    adjudication: List<Adjudication<'a>>,
}

#[derive(Debug, Deserialize)]
struct ItemReference<'a> {
    #[serde(borrow, default, rename = "valueReference")]
    value: Node<Reference<'a>>,
}

#[derive(Debug, Deserialize)]
struct Adjudication<'a> {
    #[serde(borrow, default)]
    category: Node<Concept<'a>>,
    #[serde(borrow, default)]
    reason: Node<Concept<'a>>,
    #[serde(borrow, default)]
    amount: Node<Money<'a>>,
    #[serde(default)]
    value: Number,
}

/// The claim as it was sent to openIMIS.
#[derive(Debug, Deserialize)]
struct Sent<'a> {
    #[serde(borrow, default)]
    patient: Node<Reference<'a>>,
    #[serde(borrow, default)]
    item: List<SentItem<'a>>,
}

#[derive(Debug, Deserialize)]
struct SentItem<'a> {
    #[serde(borrow, default)]
    extension: List<ItemReference<'a>>,
    #[serde(borrow, default)]
    sequence: Node<crate::json::Scalar<'a>>,
    #[serde(borrow, default)]
    quantity: Node<SentQuantity<'a>>,
    #[serde(borrow, default, rename = "unitPrice")]
    price: Node<Money<'a>>,
}

#[derive(Debug, Deserialize)]
struct SentQuantity<'a> {
    #[serde(default)]
    value: Number,
    #[serde(borrow, default, rename = "unit")]
    _unit: Node<Text<'a>>,
}

object_shape!(ClaimResponse, Item, ItemReference, Adjudication, Sent, SentItem, SentQuantity);

/// What openIMIS decided about one item.
#[derive(Debug)]
struct Decision {
    sequence: u32,
    submitted: Decimal,
    /// What openIMIS takes it to be worth: none before it is looked at.
    eligible: Option<Decimal>,
    /// What is paid: none before the claim is final, or if openIMIS does not say.
    benefit: Option<Decimal>,
    /// openIMIS' code of the reason why it is refused.
    refused: Option<String>,
}

/// Turns openIMIS' `ClaimResponse` into the one that the hospital gets.
///
/// # Shapes
/// `claim_response`: what openIMIS answered, or says of the claim now. `sent`: the `Claim` that was sent to it. `original`: what the
/// hospital sent; patient, claim and encounter are named as it names them. `valuated`: what openIMIS pays for the whole claim, GraphQL's
/// `claims { valuated }`, where the host has read it: FHIR alone cannot tell an item that is not paid from one that is paid in full.
/// # Units
/// Amounts are of whole lines, with two decimals: submitted, eligible, benefit (what is paid).
/// # Errors
/// Other JSON; a claim response without uuid or status. Items that do not match are warnings.
/// # Source
/// openIMIS: `api_fhir_r4/converters/claimResponseConverter.py`. Cases: `wit/cases/claim-answer/`.
pub fn map(claim_response: &str, sent: &str, original: &str, valuated: Option<&str>, settings: &Settings) -> MapResult {
    let response: ClaimResponse = document(claim_response, NAME)?;
    let mut issues = Vec::new();
    require_resource(&response.resource_type, "ClaimResponse.resourceType", NAME, &mut issues)?;
    check_modifiers(&response, claim_response, &mut issues);
    let sent: Sent = document(sent, "Claim")?;
    let envelope = envelope(claim_response);
    let (uuid, status) = (envelope.claim_uuid, envelope.status);
    if uuid.is_none() {
        issues.push(Issue::missing("ClaimResponse.id", "openIMIS' uuid of the claim"));
    }
    if status.is_none() {
        let text = "its totals and outcome tell no status; expected entered, checked, processed, valuated or rejected";
        issues.push(Issue::error(IssueType::Value, "ClaimResponse.outcome", text));
    }
    let mut decisions = decisions(&response, &sent, status, &mut issues);
    let paid = status.filter(|status| is_final(*status)).and_then(|_| paid(&mut decisions, valuated, &mut issues));
    let mut unread = Vec::new();
    let documents = Documents::read(original, &["Claim"], &mut unread)?;
    let subject = Subject::of(&documents, &mut unread);
    shorten(&mut issues);
    let (Some(uuid), Some(status)) = (uuid, status) else { return Err(issues) };
    if issues.iter().any(|issue| issue.severity <= Severity::Error) {
        return Err(issues);
    }
    let code = of_openimis(&response.identifier, CODE, plain(&response.created));
    let answer = write::Answer {
        uuid: uuid.to_string(),
        code,
        status,
        created: plain(&response.created),
        currency: currency(&response, settings),
        names: Names::of(&documents, &subject),
        insuree: sent.patient.value().and_then(parts).map(|(_, id)| id),
        decisions: &decisions,
        paid,
    };
    let body = answer.to_json().map_err(|_| vec![Issue::fatal(NAME, "the claim response could not be written")])?;
    Ok(Mapped { body, idempotency_key: format!("claim-answer/{uuid}/{status:?}").to_lowercase(), warnings: issues })
}

/// What would turn openIMIS' answer into something else.
fn check_modifiers(response: &ClaimResponse, text: &str, issues: &mut Vec<Issue>) {
    for (path, node, expected) in
        [("ClaimResponse.status", &response.status, "active"), ("ClaimResponse.use", &response.usage, "claim")]
    {
        if plain(node).is_some_and(|found| found != expected) {
            issues.push(Issue::error(
                IssueType::BusinessRule,
                path,
                format!("expected {expected}; found something else"),
            ));
        }
    }
    tell_modifiers(NAME, text, issues);
}

/// Whether openIMIS will not decide anything more about the claim.
pub fn is_final(status: ClaimStatus) -> bool {
    matches!(status, ClaimStatus::Rejected | ClaimStatus::Valuated)
}

fn currency(response: &ClaimResponse, settings: &Settings) -> String {
    if !settings.source_currency.is_empty() {
        return settings.source_currency.clone();
    }
    let mut amounts =
        response.item.items().flat_map(|item| item.adjudication.items()).filter_map(|found| found.amount.value());
    amounts.find_map(|money| plain(&money.currency)).unwrap_or_default().to_owned()
}

/// How the hospital names what the claim is about.
#[derive(Debug, Default)]
struct Names {
    claim: Option<String>,
    patient: Option<String>,
    encounter: Option<String>,
}

impl Names {
    fn of(documents: &Documents, subject: &Subject) -> Self {
        let patient = match (&subject.claim, &subject.encounter) {
            (Some((entry, claim)), _) => claim.patient.value().map(|reference| (*entry, reference)),
            (None, Some((entry, encounter))) => encounter.subject.value().map(|reference| (*entry, reference)),
            (None, None) => None,
        };
        let patient = patient.and_then(|(from, reference)| match documents.resolve(reference, from, &["Patient"]) {
            Some(entry) => entry.name(),
            None => plain(&reference.reference).filter(|text| !text.starts_with('#')).map(str::to_owned),
        });
        Self {
            claim: subject.claim.as_ref().and_then(|(entry, _)| entry.name()),
            patient,
            encounter: subject.encounter.as_ref().and_then(|(entry, _)| entry.name()),
        }
    }
}

/// One decision for each item that was sent, in its order. openIMIS lists items before services and counts anew, so items are matched
/// by what they are, and the n-th of two equal ones with the n-th.
fn decisions(
    response: &ClaimResponse,
    sent: &Sent,
    status: Option<ClaimStatus>,
    issues: &mut Vec<Issue>,
) -> Vec<Decision> {
    let mut answered: Vec<(String, Option<String>, &Item)> =
        each(&response.item, "ClaimResponse.item", "items", issues)
            .into_iter()
            .map(|(path, item)| (path, product(&item.extension), item))
            .collect();
    let mut decisions = Vec::new();
    for (path, item) in each(&sent.item, "Claim.item", "items", issues) {
        let Some(sequence) = super::source::whole(&item.sequence) else { continue };
        let quantity = item.quantity.value().and_then(|quantity| quantity.value.fitting());
        let price = item.price.value().and_then(|price| price.value.fitting());
        let (Some(quantity), Some(price)) = (quantity, price) else { continue };
        let own = product(&item.extension);
        let place = answered.iter().position(|(_, product, _)| own.is_some() && *product == own);
        let Some(place) = place else {
            let issue = Issue::error(IssueType::NotFound, path, "openIMIS says nothing of this item");
            issues.push(issue.as_warning());
            decisions.push(Decision {
                sequence,
                submitted: quantity * price,
                eligible: None,
                benefit: None,
                refused: None,
            });
            continue;
        };
        let (path, _, found) = answered.remove(place);
        decisions.push(decision(&path, found, (sequence, quantity, price), status, issues));
    }
    for (path, ..) in answered {
        let issue = Issue::error(IssueType::NotFound, path, "no item that was sent; left out");
        issues.push(issue.as_warning());
    }
    decisions
}

fn product(extension: &List<ItemReference>) -> Option<String> {
    let reference = extension.items().find_map(|extension| extension.value.value())?;
    plain(&reference.reference).map(str::to_lowercase)
}

fn decision(
    path: &str,
    item: &Item,
    (sequence, quantity, price): (u32, Decimal, Decimal),
    status: Option<ClaimStatus>,
    issues: &mut Vec<Issue>,
) -> Decision {
    let submitted = quantity * price;
    let mut refused = None;
    let mut amounts: [Option<(Decimal, Decimal)>; 3] = [None; 3];
    for (path, adjudication) in each(&item.adjudication, &format!("{path}.adjudication"), "adjudications", issues) {
        let code = adjudication.category.value().and_then(|category| category.codes().next()).unwrap_or_default();
        let reason = adjudication.reason.value().and_then(|reason| reason.codes().next());
        if let Some(reason) = reason.filter(|reason| *reason != "0") {
            refused = Some(reason.to_owned());
        } else if code == "1" {
            refused = Some(String::new());
        }
        let place = match code {
            "4" => 0,
            "8" => 1,
            "16" => 2,
            _ => continue,
        };
        let amount = adjudication
            .amount
            .value()
            .and_then(|money| money.value.read(format!("{path}.amount.value"), "an amount", issues));
        let count = adjudication.value.read(format!("{path}.value"), "a quantity", issues);
        amounts[place] = amount.map(|amount| (amount, count.unwrap_or(quantity)));
    }
    if refused.is_some() || status == Some(ClaimStatus::Rejected) {
        let refused = Some(refused.unwrap_or_default());
        return Decision { sequence, submitted, eligible: Some(Decimal::ZERO), benefit: Some(Decimal::ZERO), refused };
    }
    let [checked, processed, valuated] = amounts;
    let eligible = processed.or(checked).map(|(price, count)| price * count);
    // What openIMIS valuates is the line's amount, not a price. Where it has none of its own, it repeats the price that was asked.
    let benefit = valuated.map(|(amount, count)| if amount == price { amount * count } else { amount });
    Decision { sequence, submitted, eligible, benefit, refused: None }
}

/// What is paid for the whole claim. openIMIS' own amount goes before what the items add up to.
fn paid(decisions: &mut [Decision], valuated: Option<&str>, issues: &mut Vec<Issue>) -> Option<Decimal> {
    let sum: Option<Decimal> = decisions.iter().map(|decision| decision.benefit).sum();
    let Some(text) = valuated else { return sum };
    let Some(valuated) = decimal(text).and_then(fitting) else {
        issues.push(Issue::unusable("Claim.valuated", "the amount that openIMIS pays", shape_of(text)));
        return None;
    };
    if sum.is_some_and(|sum| sum != valuated) {
        let sum = sum.unwrap_or_default().normalize();
        let mut taken: Vec<&mut Decision> =
            decisions.iter_mut().filter(|decision| decision.refused.is_none()).collect();
        match &mut taken[..] {
            _ if valuated.is_zero() => taken.iter_mut().for_each(|decision| decision.benefit = Some(valuated)),
            [only] => only.benefit = Some(valuated),
            several => {
                let text =
                    format!("the items add up to {sum}, openIMIS pays {valuated}; told for the whole claim only");
                issues.push(Issue::error(IssueType::Conflict, "ClaimResponse.item", text).as_warning());
                several.iter_mut().for_each(|decision| decision.benefit = None);
            }
        }
    }
    Some(valuated)
}
