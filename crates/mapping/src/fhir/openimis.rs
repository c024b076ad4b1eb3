//! FHIR R4 elements as openIMIS writes them. Narrow on purpose: ten fields, not R4.

mod contained;

use serde::Deserialize;
use uuid::Uuid;

use crate::fhir::codes::{UUID, of_another_type};
use crate::fhir::period::Period;
use crate::fhir::primitives::{after_urn, plain, shape_of, uuid};
use crate::in_use::{NO_LONGER, Repeated, Repetition, best, repetition};
use crate::issue::{Issue, IssueType};
use crate::json::{Node, Text, object_shape};
pub(crate) use contained::{Contained, without_hash};

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
