//! FHIR R4 elements as openIMIS writes them. Narrow on purpose: ten fields, not R4.

mod contained;

use std::ops::Range;

use jiff::civil::{Date, Time};
use jiff::tz::Offset;
use serde::Deserialize;
use uuid::Uuid;

use crate::fhir::elements::{Period, plain};
use crate::in_use::{NO_LONGER, Repeated, Repetition, best, repetition};
use crate::issue::{Issue, IssueType};
use crate::json::{Node, Text, object_shape};
use crate::text;
pub(crate) use contained::{Contained, without_hash};

/// Where openIMIS' FHIR profiles, extensions and code systems live.
pub(crate) const IG: &str = ig!("");

/// An address below it.
macro_rules! ig {
    ($path:literal) => {
        concat!("https://openimis.github.io/openimis_fhir_r4_ig", $path)
    };
}
pub(crate) use ig;

/// Type code of the identifier that holds openIMIS' uuid.
pub(crate) const UUID: &str = "UUID";
/// Type code of the identifier that holds the code people use: a claim's code, an insuree's insurance number.
pub(crate) const CODE: &str = "Code";

/// Resources that openIMIS serves. Only these are named in a diagnostic: any other word could be anything.
const RESOURCES: &[&str] = &[
    "ActivityDefinition",
    "Bundle",
    "Claim",
    "ClaimResponse",
    "ClaimV2",
    "Communication",
    "CommunicationRequest",
    "Contract",
    "Coverage",
    "CoverageEligibilityRequest",
    "CoverageEligibilityResponse",
    "Group",
    "InsurancePlan",
    "Invoice",
    "Location",
    "Medication",
    "OperationOutcome",
    "Organization",
    "Patient",
    "PaymentNotice",
    "PaymentReconciliation",
    "Practitioner",
    "PractitionerRole",
    "Subscription",
];

/// Whether this is the resource that a map reads. Another one is fatal; no `resourceType` at all is one issue among others.
pub(crate) fn require_resource(
    found: &Node<Text>,
    path: &'static str,
    expected: &'static str,
    issues: &mut Vec<Issue>,
) -> Result<(), Vec<Issue>> {
    match found.require(path, expected, issues).map(Text::trimmed) {
        Some(found) if found != expected => {
            let found = RESOURCES.iter().find(|name| **name == found).unwrap_or(&"something else");
            Err(vec![Issue::fatal(path, format!("expected {expected}; found {found}"))])
        }
        _ => Ok(()),
    }
}

/// FHIR `Identifier`.
#[derive(Debug, Deserialize)]
pub(crate) struct Identifier<'a> {
    #[serde(borrow, default, rename = "use")]
    usage: Node<Text<'a>>,
    #[serde(borrow, default, rename = "type")]
    pub kind: Node<CodeableConcept<'a>>,
    #[serde(borrow, default)]
    pub value: Node<Text<'a>>,
    #[serde(borrow, default)]
    period: Node<Period<'a>>,
}

/// FHIR `CodeableConcept`.
#[derive(Debug, Deserialize)]
pub(crate) struct CodeableConcept<'a> {
    #[serde(borrow, default)]
    pub coding: Node<Vec<Node<Coding<'a>>>>,
}

/// FHIR `Coding`.
#[derive(Debug, Deserialize)]
pub(crate) struct Coding<'a> {
    #[serde(borrow, default)]
    pub code: Node<Text<'a>>,
}

/// FHIR `Reference`.
#[derive(Debug, Deserialize)]
pub(crate) struct Reference<'a> {
    #[serde(borrow, default)]
    pub reference: Node<Text<'a>>,
    #[serde(borrow, default)]
    pub identifier: Node<Identifier<'a>>,
}

object_shape!(Identifier, CodeableConcept, Coding, Reference);

impl CodeableConcept<'_> {
    pub fn has_code(&self, code: &str) -> bool {
        self.codes().any(|found| found == code)
    }

    pub fn codes(&self) -> impl Iterator<Item = &str> {
        self.coding.items().filter_map(|coding| coding.code.value()).map(Text::trimmed)
    }
}

impl Identifier<'_> {
    fn is_of(&self, code: &str) -> bool {
        self.kind.value().is_some_and(|kind| kind.has_code(code))
    }

    /// What was found instead of a value that can be used; none where there is nothing.
    fn unusable(&self) -> Option<String> {
        match &self.value {
            Node::Absent => None,
            Node::Value(text) if text.0.is_empty() => Some(shape_of(&text.0)),
            Node::Value(_) => Some(NO_LONGER.to_owned()),
            Node::Other(kind) => Some(kind.to_string()),
        }
    }
}

impl Repeated for Identifier<'_> {
    fn repetition(&self) -> Repetition<'_> {
        repetition(&self.usage, &self.period, None)
    }
}

/// The value of the identifier of a type that counts most on a day, whatever the order and number of identifiers.
pub(crate) fn identifier<'n>(
    identifiers: &'n Node<Vec<Node<Identifier<'_>>>>,
    code: &str,
    on: Option<&str>,
) -> Option<&'n str> {
    best(identifiers.items(), on, |identifier| plain(&identifier.value).filter(|_| identifier.is_of(code)))
}

/// Why a type's identifier cannot be used: what was found instead of its value. None where there is no such identifier.
#[cold]
pub(crate) fn unusable_identifier(identifiers: &Node<Vec<Node<Identifier<'_>>>>, code: &str) -> Option<String> {
    let of_type = identifiers.items().filter(|identifier| identifier.is_of(code)).find_map(Identifier::unusable);
    let of_no_type = || {
        identifiers.value()?.iter().find_map(|node| match node {
            Node::Other(kind) => Some(format!("{kind} in the place of an identifier")),
            Node::Value(Identifier { kind: Node::Other(kind), .. }) => {
                Some(format!("an identifier whose type is {kind}"))
            }
            _ => None,
        })
    };
    of_type.or_else(of_no_type)
}

/// Reads a UUID in any spelling.
pub(crate) fn uuid(text: &str) -> Option<Uuid> {
    let text = text::plain(text);
    Uuid::try_parse(after_urn(&text).unwrap_or(&text)).ok()
}

/// What comes behind `urn:uuid:`, whose letters may be of either case.
pub(crate) fn after_urn(text: &str) -> Option<&str> {
    let (urn, rest) = text.split_at_checked(9)?;
    urn.eq_ignore_ascii_case("urn:uuid:").then_some(rest)
}

/// What a text that should be something else looks like, without telling what it says.
#[cold]
pub(crate) fn shape_of(text: &str) -> String {
    match text.trim().chars().count() {
        0 => "an empty text".to_owned(),
        1 => "a text of 1 character".to_owned(),
        count => format!("a text of {count} characters"),
    }
}

impl Reference<'_> {
    /// The UUID this reference points at: `Type/x`, an absolute URL, `urn:uuid:x`, a bare uuid, something contained, or an identifier of
    /// type `UUID` only. Problems go to `issues` (as warnings where the other way of naming it still works).
    pub fn uuid(
        &self,
        path: &'static str,
        types: &[&str],
        contained: &Contained,
        issues: &mut Vec<Issue>,
    ) -> Option<Uuid> {
        #[cold]
        fn expected(types: &[&str]) -> String {
            format!("a reference to {} by its uuid", types.join(" or "))
        }
        let by_identifier = self
            .identifier
            .value()
            .filter(|identifier| identifier.is_of(UUID) && identifier.repetition().standing(None).is_some())
            .and_then(|identifier| identifier.value.value())
            .and_then(|value| uuid(&value.0));
        let by_reference = match &self.reference {
            Node::Value(text) => match text.0.strip_prefix('#') {
                Some(name) => contained.uuid(name, types),
                None => read_reference(&text.0, types),
            }
            .map_err(|found| Issue::unusable(format!("{path}.reference"), &expected(types), found)),
            Node::Other(kind) => Err(Issue::unusable(format!("{path}.reference"), &expected(types), kind)),
            Node::Absent => Err(match self.identifier.value().filter(|identifier| identifier.is_of(UUID)) {
                Some(identifier) if by_identifier.is_none() => {
                    let in_use = identifier.repetition().standing(None).and(plain(&identifier.value));
                    let found = in_use.map(shape_of).or_else(|| identifier.unusable());
                    let found = found.unwrap_or_else(|| "no value".to_owned());
                    Issue::unusable(format!("{path}.identifier.value"), &expected(types), found)
                }
                _ => Issue::missing(format!("{path}.reference"), &expected(types)),
            }),
        };
        match (by_reference, by_identifier) {
            (Ok(reference), Some(identifier)) if reference != identifier => {
                issues.push(
                    Issue::error(
                        IssueType::Conflict,
                        path,
                        format!(
                            "the reference names {reference}, its identifier {identifier}; the reference was taken"
                        ),
                    )
                    .as_warning(),
                );
                Some(reference)
            }
            (Ok(reference), _) => Some(reference),
            (Err(_), Some(identifier)) if matches!(self.reference, Node::Absent) => Some(identifier),
            (Err(issue), Some(identifier)) => {
                issues.push(issue.as_warning());
                Some(identifier)
            }
            (Err(issue), None) => {
                issues.push(issue);
                None
            }
        }
    }
}

#[cold]
fn of_another_type(kind: &str) -> String {
    format!("a reference to {}", RESOURCES.iter().find(|name| **name == kind).unwrap_or(&"something else"))
}

/// Takes the id out of a reference's text. The error says what was found.
fn read_reference(text: &str, types: &[&str]) -> Result<Uuid, String> {
    if let Some(urn) = after_urn(text) {
        return uuid(urn).ok_or_else(|| "a urn:uuid that holds no UUID".to_owned());
    }
    // By bytes: the standard library's search for texts would be a twentieth of a component.
    const HISTORY: &[u8] = b"/_history/";
    let version = text.as_bytes().windows(HISTORY.len()).position(|part| part == HISTORY);
    let versionless = version.and_then(|at| text.get(..at)).unwrap_or(text);
    let (before, id) = split_last(versionless.trim_end_matches('/'));
    match before.map(|before| split_last(before).1) {
        Some(kind) if !types.contains(&kind) => Err(of_another_type(kind)),
        _ => uuid(id).ok_or_else(|| format!("a reference whose id is no UUID, {}", shape_of(id))),
    }
}

/// What comes before and after the last slash.
fn split_last(text: &str) -> (Option<&str>, &str) {
    match text.rsplit_once('/') {
        Some((before, after)) => (Some(before), after),
        None => (None, text),
    }
}

/// Reads a FHIR `date` or `dateTime` as the day it is at `offset`; a time without a zone is taken as written.
/// The error says what was found. By hand: jiff's parser alone would triple the size of a component.
pub(crate) fn day(text: &str, offset: Offset) -> Result<Date, String> {
    let text = &*text::plain(text);
    let no_such = || "a day or time that does not exist".to_owned();
    match text.len() {
        4 if number(text, 0..4).is_some() => return Err("a year only".to_owned()),
        7 if number(text, 0..4).is_some() && number(text, 5..7).is_some() => {
            return Err("a year and month only".to_owned());
        }
        _ => {}
    }
    let bytes = text.as_bytes();
    let (Some(year), Some(month), Some(day), Some(b'-'), Some(b'-'), None | Some(b'T')) =
        (number(text, 0..4), number(text, 5..7), number(text, 8..10), bytes.get(4), bytes.get(7), bytes.get(10))
    else {
        return Err(shape_of(text));
    };
    let date = Date::new(year, month as i8, day as i8).ok().filter(|_| year > 0).ok_or_else(no_such)?;
    let Some(time) = text.get(11..) else { return Ok(date) };
    let (time, zone) = time_of_day(time).ok_or_else(|| shape_of(text))?;
    let time = time.ok_or_else(no_such)?;
    let Some(zone) = zone else { return Ok(date) };
    let zone = Offset::from_seconds(zone).map_err(|_| no_such())?;
    let instant = zone.to_timestamp(date.to_datetime(time)).map_err(|_| no_such())?;
    Ok(offset.to_datetime(instant).date())
}

/// An `instant`, a date and a time with its zone: the second, and the digits of its fraction. Two of them compare by time.
pub(crate) fn instant(text: &str) -> Option<(i64, &str)> {
    let date = day(text.get(..10)?, Offset::UTC).ok()?;
    let time_text = text.get(10..)?.strip_prefix('T')?;
    let (time, zone) = time_of_day(time_text)?;
    let instant = Offset::from_seconds(zone?).ok()?.to_timestamp(date.to_datetime(time?)).ok()?;
    let fraction = time_text.split_once('.').map_or("", |(_, rest)| rest);
    let digits = fraction.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(fraction.len());
    Some((instant.as_second(), fraction[..digits].trim_end_matches('0')))
}

/// Digits only, at most four.
fn number(text: &str, range: Range<usize>) -> Option<i16> {
    let part = text.get(range).filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()))?;
    part.parse().ok()
}

/// Reads `hh:mm[:ss[.fff]][Z|±hh:mm]`: the time (none if there is no such time) and its zone in seconds east of UTC.
fn time_of_day(text: &str) -> Option<(Option<Time>, Option<i32>)> {
    let zone_at = text.find(['Z', '+', '-']).unwrap_or(text.len());
    let (clock, zone) = text.split_at_checked(zone_at)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let (hour, minute) = (number(clock, 0..2)?, number(clock, 3..5)?);
    let second = match clock.len() {
        5 => 0,
        8 if clock.as_bytes()[5] == b':' => number(clock, 6..8)?,
        _ => return None,
    };
    if clock.as_bytes()[2] != b':' || fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let second = if second == 60 { 59 } else { second }; // a leap second, which FHIR allows, is the same day
    let time = Time::new(hour as i8, minute as i8, second as i8, 0).ok();
    let zone = match (zone.as_bytes().first(), zone.len()) {
        (None, _) => None,
        (Some(b'Z'), 1) => Some(0),
        (Some(sign @ (b'+' | b'-')), 6) if zone.as_bytes()[3] == b':' => {
            let seconds = i32::from(number(zone, 1..3)?) * 3600 + i32::from(number(zone, 4..6)?) * 60;
            Some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => return None,
    };
    Some((time, zone))
}

/// Milliseconds since 1970-01-01 UTC of a day's midnight at `offset`.
pub(crate) fn midnight_ms(day: Date, offset: Offset) -> Option<i64> {
    offset.to_timestamp(day.to_datetime(Time::midnight())).ok().map(|instant| instant.as_millisecond())
}
