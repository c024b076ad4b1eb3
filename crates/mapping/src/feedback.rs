//! CHT's feedback form to the FHIR `Communication` that openIMIS keeps on the claim.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::fhir::codes::ig;
use crate::fhir::primitives::shape_of;
use crate::ids::{ClaimUuid, InsureeUuid};
use crate::issue::{Issue, IssueType};
use crate::json::{Node, Scalar, Text, document, object_shape, to_json};
use crate::{MapResult, Mapped};

/// openIMIS' own spelling and required: `api_fhir_r4/defaultConfig.py`, `fhir_asessment_code`.
const ASSESSMENT: &str = "Asessment";

/// Code system of the kinds of answers.
const PAYLOAD_CODES: &str = ig!("/CodeSystem/feedback-payload");
/// Extension that says which answer a payload is.
const PAYLOAD_TYPE: &str = ig!("/StructureDefinition/communication-payload-type");

/// How answers are read.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Lowest rating that the form offers, 0 to 255.
    ///
    /// Default: `0`.
    pub rating_min: u8,
    /// Highest rating that the form offers, 0 to 255, not below rating_min.
    ///
    /// Default: `5`.
    pub rating_max: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self { rating_min: 0, rating_max: 5 }
    }
}

#[derive(Debug, Deserialize)]
struct Push<'a> {
    #[serde(borrow, default)]
    care_rendered: Node<Scalar<'a>>,
    #[serde(borrow, default)]
    payment_asked: Node<Scalar<'a>>,
    #[serde(borrow, default)]
    drug_prescribed: Node<Scalar<'a>>,
    #[serde(borrow, default)]
    drug_received: Node<Scalar<'a>>,
    #[serde(borrow, default)]
    assessment_rating: Node<Scalar<'a>>,
    /// As the documentation spells it.
    #[serde(borrow, default)]
    claimuuid: Node<Text<'a>>,
    /// As the published configuration spells it.
    #[serde(borrow, default, rename = "claimUUID")]
    claim_uuid: Node<Text<'a>>,
    #[serde(borrow, default)]
    insureeuuid: Node<Text<'a>>,
    #[serde(borrow, default, rename = "insureeUUID")]
    insuree_uuid: Node<Text<'a>>,
    /// CHT's outbound writes a mapping key `doc._id` as a nested object.
    #[serde(borrow, default)]
    doc: Node<Doc<'a>>,
    #[serde(borrow, default, rename = "doc._id")]
    dotted_doc_id: Node<Text<'a>>,
}

#[derive(Debug, Deserialize)]
struct Doc<'a> {
    #[serde(borrow, default, rename = "_id")]
    id: Node<Text<'a>>,
}

object_shape!(Push, Doc);

impl Push<'_> {
    fn report_id(&self) -> Option<&str> {
        let nested = self.doc.value().and_then(|doc| doc.id.value());
        let id = nested.or(self.dotted_doc_id.value())?;
        Some(id.trimmed()).filter(|id| !id.is_empty())
    }
}

/// What can be told of a feedback before it is mapped, and even if it cannot be.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Envelope {
    /// The claim that was asked about.
    pub claim_uuid: Option<ClaimUuid>,
    /// The insuree who answered.
    pub insuree_uuid: Option<InsureeUuid>,
    /// `_id` of the CHT report.
    pub report_id: Option<String>,
}

/// Reads the [`Envelope`]; never fails.
pub fn envelope(feedback: &str) -> Envelope {
    let Ok(push) = document::<Push>(feedback, "feedback") else { return Envelope::default() };
    Envelope {
        claim_uuid: push.claimuuid.value().or(push.claim_uuid.value()).and_then(|text| ClaimUuid::parse(&text.0)),
        insuree_uuid: push
            .insureeuuid
            .value()
            .or(push.insuree_uuid.value())
            .and_then(|text| InsureeUuid::parse(&text.0)),
        report_id: push.report_id().map(str::to_owned),
    }
}

/// The five answers in one spelling each: two feedbacks with the same report must agree in them. None: it is no feedback.
pub fn answers(feedback: &str) -> Option<String> {
    let push: Push = document(feedback, "feedback").ok()?;
    let any_rating = Settings { rating_min: 0, rating_max: u8::MAX };
    let answer = |path, node: &Node<Scalar>| match yes_or_no(path, node, &mut Vec::new()) {
        Some(answer) => answer.to_owned(),
        None => as_found(node),
    };
    let answers = [
        answer("care_rendered", &push.care_rendered),
        answer("payment_asked", &push.payment_asked),
        answer("drug_prescribed", &push.drug_prescribed),
        answer("drug_received", &push.drug_received),
        match rating(&push.assessment_rating, &any_rating, &mut Vec::new()) {
            Some(rating) => rating.to_string(),
            None => as_found(&push.assessment_rating),
        },
    ];
    Some(answers.join("\n"))
}

/// What is no answer, so that it can be compared.
fn as_found(node: &Node<Scalar>) -> String {
    match node {
        Node::Value(Scalar::Text(text)) => plain(text),
        other => format!("{other:?}"),
    }
}

/// Turns what CHT's outbound push sends into the body of openIMIS' `POST Communication/`.
///
/// # Shapes
/// `feedback`: a JSON object with four yes/no answers, a rating, the claim's and the insuree's uuid, and `doc._id`.
/// `insuree_uuid`: openIMIS' uuid of the claim's patient where the host knows it; used if the feedback carries none.
/// Returns a FHIR R4 `Communication` with the five payloads that openIMIS requires; `yes` and `no` in lower case,
/// the rating as a whole number in text, uuids in lower case (openIMIS finds no other).
/// # Errors
/// Every missing or nonsensical answer, every missing or malformed uuid, all at once.
/// # Source
/// Exchanges: `wit/cases/feedback/`. openIMIS: `api_fhir_r4/converters/communicationConverter.py`.
pub fn map(feedback: &str, insuree_uuid: Option<&str>, settings: &Settings) -> MapResult {
    let push: Push = document(feedback, "feedback")?;
    let mut issues = Vec::new();
    let keys = [("claimuuid", &push.claimuuid), ("claimUUID", &push.claim_uuid)];
    let claim = named_uuid(keys, None, "openIMIS' uuid of the claim", ClaimUuid::parse, &mut issues);
    let keys = [("insureeuuid", &push.insureeuuid), ("insureeUUID", &push.insuree_uuid)];
    let insuree = named_uuid(keys, insuree_uuid, "openIMIS' uuid of the insuree", InsureeUuid::parse, &mut issues);
    let answers = [
        ("CareRendered", yes_or_no("care_rendered", &push.care_rendered, &mut issues)),
        ("PaymentAsked", yes_or_no("payment_asked", &push.payment_asked, &mut issues)),
        ("DrugPrescribed", yes_or_no("drug_prescribed", &push.drug_prescribed, &mut issues)),
        ("DrugReceived", yes_or_no("drug_received", &push.drug_received, &mut issues)),
    ];
    let rating = rating(&push.assessment_rating, settings, &mut issues);
    let (Some(claim), Some(insuree), Some(rating), true) = (claim, insuree, rating, issues.is_empty()) else {
        return Err(issues);
    };

    let [care, asked, prescribed, received] =
        answers.map(|(code, answer)| Payload::new(code, Cow::Borrowed(answer.unwrap_or_default())));
    let communication = Communication {
        resource_type: "Communication",
        status: "completed",
        subject: Reference { reference: ["Patient/", insuree.text(&mut [0; 36])].concat(), kind: "Patient" },
        about: [Reference { reference: ["Claim/", claim.text(&mut [0; 36])].concat(), kind: "Claim" }],
        payload: [care, asked, prescribed, received, Payload::new(ASSESSMENT, Cow::Owned(rating.to_string()))],
    };
    let body = to_json(&communication)
        .map_err(|_| vec![Issue::fatal("feedback", "the Communication could not be written")])?;
    let report = push.report_id().map_or_else(|| claim.to_string(), str::to_owned);
    Ok(Mapped { body, idempotency_key: format!("feedback/{report}"), warnings: Vec::new() })
}

/// What openIMIS takes: exactly these elements, `about` with its type, five payloads.
#[derive(Serialize)]
struct Communication {
    #[serde(rename = "resourceType")]
    resource_type: &'static str,
    status: &'static str,
    subject: Reference,
    about: [Reference; 1],
    payload: [Payload; 5],
}

#[derive(Serialize)]
struct Reference {
    reference: String,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
struct Payload {
    extension: [PayloadType; 1],
    #[serde(rename = "contentString")]
    content: Cow<'static, str>,
}

#[derive(Serialize)]
struct PayloadType {
    url: &'static str,
    #[serde(rename = "valueCodeableConcept")]
    value: Coded,
}

#[derive(Serialize)]
struct Coded {
    coding: [Code; 1],
}

#[derive(Serialize)]
struct Code {
    system: &'static str,
    code: &'static str,
}

impl Payload {
    fn new(code: &'static str, content: Cow<'static, str>) -> Self {
        let coding = [Code { system: PAYLOAD_CODES, code }];
        Self { extension: [PayloadType { url: PAYLOAD_TYPE, value: Coded { coding } }], content }
    }
}

/// Reads a uuid that two spellings of a key may hold; two different uuids are a conflict, not a choice.
fn named_uuid<T: Copy + PartialEq>(
    keys: [(&'static str, &Node<Text>); 2],
    known: Option<&str>,
    expected: &str,
    parse: fn(&str) -> Option<T>,
    issues: &mut Vec<Issue>,
) -> Option<T> {
    let is_blank = |node: &Node<Text>| match node {
        Node::Absent => true,
        Node::Value(text) => text.trimmed().is_empty(),
        Node::Other(_) => false,
    };
    if let Some(known) = known.and_then(parse).filter(|_| keys.iter().all(|(_, node)| is_blank(node))) {
        return Some(known);
    }
    let mut found = Vec::new();
    for (key, node) in keys {
        match node {
            Node::Absent => {}
            Node::Value(text) => match parse(&text.0) {
                Some(id) => found.push(id),
                None => issues.push(Issue::unusable(key, expected, shape_of(&text.0))),
            },
            Node::Other(kind) => issues.push(Issue::unusable(key, expected, kind)),
        }
    }
    let [(documented, _), (published, _)] = keys;
    match found[..] {
        [one, other] if one != other => {
            let text =
                format!("{documented} and {published} hold different uuids; expected one of them, or the same in both");
            issues.push(Issue::error(IssueType::Conflict, documented, text));
            None
        }
        [one, ..] => Some(one),
        [] => {
            if keys.iter().all(|(_, node)| matches!(node, Node::Absent)) {
                issues.push(Issue::missing(documented, expected));
            }
            None
        }
    }
}

fn yes_or_no(path: &'static str, node: &Node<Scalar>, issues: &mut Vec<Issue>) -> Option<&'static str> {
    const EXPECTED: &str = "yes or no (also true/false, 1/0)";
    let answer = match node.require(path, EXPECTED, issues)? {
        Scalar::Bool(true) | Scalar::Integer(1) => return Some("yes"),
        Scalar::Bool(false) | Scalar::Integer(0) => return Some("no"),
        Scalar::Integer(_) | Scalar::Float(_) => {
            issues.push(Issue::unusable(path, EXPECTED, "another number"));
            return None;
        }
        Scalar::Text(text) => text,
    };
    match plain(answer).as_str() {
        "yes" | "true" | "1" => Some("yes"),
        "no" | "false" | "0" => Some("no"),
        _ => {
            issues.push(Issue::unusable(path, EXPECTED, shape_of(answer)));
            None
        }
    }
}

fn rating(node: &Node<Scalar>, settings: &Settings, issues: &mut Vec<Issue>) -> Option<u8> {
    let path = "assessment_rating";
    let range = settings.rating_min..=settings.rating_max;
    let expected = format!("a whole number from {} to {}", range.start(), range.end());
    let (number, found) = match node.require(path, &expected, issues)? {
        Scalar::Integer(number) => (Some(*number), Cow::Borrowed("another number")),
        // Exact: no whole number in the range is near another float.
        Scalar::Float(number) if number.fract() == 0.0 && number.abs() < 256.0 => {
            (Some(*number as i64), Cow::Borrowed("another number"))
        }
        Scalar::Float(number) if number.is_infinite() => (None, Cow::Borrowed("a number that is too large")),
        Scalar::Float(_) => (None, Cow::Borrowed("another number")),
        Scalar::Bool(_) => (None, Cow::Borrowed("a boolean")),
        Scalar::Text(text) => {
            let number = plain(text).parse().ok();
            let found = if number.is_some() { "another number".into() } else { shape_of(text).into() };
            (number, found)
        }
    };
    let rating = number.and_then(|number| u8::try_from(number).ok()).filter(|number| range.contains(number));
    if rating.is_none() {
        issues.push(Issue::unusable(path, &expected, found));
    }
    rating
}

/// In lower case, Nepali digits as Western ones.
fn plain(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '०'..='९' => char::from(b'0' + (u32::from(character) - u32::from('०')) as u8),
            other => other.to_ascii_lowercase(),
        })
        .collect()
}
