//! FHIR R4 elements with their code systems, as other systems than openIMIS write them.

use serde::Deserialize;

use crate::decimal::Number;
use crate::fhir::codes::{CODE, UUID, own_system};
use crate::fhir::period::Period;
use crate::fhir::primitives::{plain, shape_of, uuid};
use crate::in_use::{NO_LONGER, Repeated, Repetition, best, repetition};
use crate::issue::{Issue, IssueType};
use crate::json::{Kind, Node, Scalar, Text, Words, object_shape};
use crate::shapes::told;

/// A FHIR element that repeats.
pub(crate) type List<T> = Node<Vec<Node<T>>>;

/// More codings, identifiers, places or people than this are no hospital's: each is looked for in tables, so the work is bounded.
pub(crate) const MANY: usize = 50;

/// FHIR `Identifier`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Identifier<'a> {
    #[serde(borrow, default, rename = "use")]
    usage: Node<Text<'a>>,
    #[serde(borrow, default, rename = "type")]
    pub kind: Node<Concept<'a>>,
    #[serde(borrow, default)]
    pub system: Node<Text<'a>>,
    #[serde(borrow, default)]
    value: Node<Text<'a>>,
    #[serde(borrow, default)]
    period: Node<Period<'a>>,
}

/// FHIR `CodeableConcept`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Concept<'a> {
    #[serde(borrow, default)]
    pub coding: List<Coding<'a>>,
    #[serde(borrow, default)]
    pub text: Node<Words<'a>>,
}

/// FHIR `Coding`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Coding<'a> {
    #[serde(borrow, default)]
    pub system: Node<Text<'a>>,
    #[serde(borrow, default)]
    pub code: Node<Text<'a>>,
}

/// FHIR `Reference`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Reference<'a> {
    #[serde(borrow, default)]
    pub reference: Node<Text<'a>>,
    #[serde(borrow, default)]
    pub identifier: Node<Identifier<'a>>,
}

/// FHIR `Money`; a `Quantity` as far as it is read.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Money<'a> {
    #[serde(default)]
    pub value: Number,
    #[serde(borrow, default)]
    pub currency: Node<Text<'a>>,
}

/// FHIR `ContactPoint`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ContactPoint<'a> {
    #[serde(borrow, default)]
    pub system: Node<Text<'a>>,
    #[serde(borrow, default)]
    pub value: Node<Text<'a>>,
    #[serde(borrow, default, rename = "use")]
    usage: Node<Text<'a>>,
    #[serde(borrow, default)]
    period: Node<Period<'a>>,
    #[serde(borrow, default)]
    rank: Node<Scalar<'a>>,
}

/// FHIR `Address`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Address<'a> {
    #[serde(borrow, default, rename = "use")]
    usage: Node<Text<'a>>,
    #[serde(borrow, default)]
    period: Node<Period<'a>>,
    #[serde(borrow, default)]
    pub text: Node<Words<'a>>,
    #[serde(borrow, default)]
    pub line: List<Words<'a>>,
    #[serde(borrow, default)]
    pub city: Node<Words<'a>>,
    #[serde(borrow, default)]
    pub district: Node<Words<'a>>,
    #[serde(borrow, default, rename = "postalCode")]
    pub postal_code: Node<Text<'a>>,
}

object_shape!(Identifier, Concept, Coding, Reference, Money, ContactPoint, Address);
told! {
    Identifier { usage, kind, system, value }
    Concept { coding, text }
    Coding { system, code }
    Reference { reference, identifier }
    Money { currency }
}

/// The elements of a list with their paths. What has another shape is an issue.
pub(crate) fn each<'n, T>(
    list: &'n List<T>,
    path: &str,
    expected: &str,
    issues: &mut Vec<Issue>,
) -> Vec<(String, &'n T)> {
    if let Node::Other(kind) = list {
        issues.push(Issue::unusable(path.to_owned(), &format!("a list of {expected}"), kind));
    }
    let mut found = Vec::new();
    for (index, node) in list.value().into_iter().flatten().enumerate() {
        let path = format!("{path}[{index}]");
        match node {
            Node::Value(value) => found.push((path, value)),
            Node::Absent => issues.push(Issue::missing(path, expected)),
            Node::Other(kind) => issues.push(Issue::unusable(path, expected, kind)),
        }
    }
    found
}

/// Tells the elements that have another shape than FHIR gives them, in place of "missing".
pub(crate) fn tell_misshapen(base: &str, elements: &[(&str, Option<Kind>)], issues: &mut Vec<Issue>) {
    for (name, kind) in elements {
        let Some(kind) = kind else { continue };
        let path = format!("{base}.{name}");
        issues.retain(|issue| issue.code != IssueType::Required || issue.expression != path.as_str());
        issues.push(Issue::unusable(path, "the element as FHIR R4 has it", kind));
    }
}

/// The kind of an element that has another shape.
pub(crate) fn misshapen<T>(node: &Node<T>) -> Option<Kind> {
    match node {
        Node::Other(kind) => Some(*kind),
        _ => None,
    }
}

impl Repeated for Identifier<'_> {
    fn repetition(&self) -> Repetition<'_> {
        repetition(&self.usage, &self.period, None)
    }
}

impl Address<'_> {
    pub fn is_in_use(&self, on: Option<&str>) -> bool {
        repetition(&self.usage, &self.period, None).standing(on).is_some()
    }
}

impl Repeated for ContactPoint<'_> {
    fn repetition(&self) -> Repetition<'_> {
        repetition(&self.usage, &self.period, Some(&self.rank))
    }
}

impl Identifier<'_> {
    /// The value, unless it is no longer in use.
    pub fn value(&self) -> Option<&str> {
        plain(&self.value).filter(|_| self.repetition().standing(None).is_some())
    }

    /// Why it has no value that can be used: what was found instead. None where there is nothing.
    pub fn unusable(&self) -> Option<String> {
        match &self.value {
            Node::Absent => None,
            Node::Value(text) if text.0.is_empty() => Some(shape_of("")),
            Node::Value(_) => Some(NO_LONGER.to_owned()),
            Node::Other(kind) => Some(kind.to_string()),
        }
    }

    /// The value of an identifier that openIMIS gave, by its type code.
    pub fn of_openimis(&self, code: &str) -> Option<&str> {
        let kind = self.kind.value()?;
        self.value().filter(|value| {
            kind.codes().any(|found| found == code)
                || match code {
                    UUID => self.is_older(&["ACSN"]) && uuid(value).is_some(),
                    CODE => self.is_older(&["SB", "FI", "FILL"]),
                    _ => false,
                }
        })
    }

    /// Whether it is of one of these types of openIMIS before 2021, as in Nepal: its module `api_fhir`, `defaultConfig`.
    pub fn is_older(&self, codes: &[&str]) -> bool {
        const SYSTEM: &str = "hl7.org/fhir/valueset-identifier-type";
        let is_older = |coding: &Coding| {
            let system = plain(&coding.system).and_then(|system| system.split_once("://")).map(|(_, rest)| rest);
            system.is_some_and(|system| system.trim_end_matches(".html") == SYSTEM)
                && plain(&coding.code).is_some_and(|code| codes.contains(&code))
        };
        self.kind.value().is_some_and(|kind| kind.coding.items().take(MANY).any(is_older))
    }

    /// Whether it has a value, in use or not.
    pub fn is_there(&self) -> bool {
        plain(&self.value).is_some()
    }

    /// Whether its type is one of openIMIS' own.
    pub fn is_of_openimis(&self) -> bool {
        self.kind.value().is_some_and(|kind| kind.codes().any(|found| found == UUID || found == CODE))
    }

    /// How a table may name it: `system|value`, or the value alone.
    pub fn tokens(&self) -> Vec<String> {
        let Some(value) = self.value() else { return Vec::new() };
        let system = plain(&self.system).map(|system| format!("{system}|{value}"));
        system.into_iter().chain([value.to_owned()]).collect()
    }

    /// Whether its system, its type's code or its type's text is one of these.
    pub fn is_one_of(&self, names: &[String]) -> bool {
        let kind = self.kind.value();
        let codes = kind.into_iter().flat_map(Concept::codes);
        let text = kind.and_then(|kind| plain(&kind.text));
        plain(&self.system).into_iter().chain(codes).chain(text).any(|found| names.iter().any(|name| name == found))
    }
}

/// The value of the identifier of one of openIMIS' types that counts most on a day.
pub(crate) fn of_openimis<'n>(identifiers: &'n List<Identifier>, code: &str, on: Option<&str>) -> Option<&'n str> {
    best(identifiers.items(), on, |identifier| identifier.of_openimis(code))
}

/// The uuid, else the code, that openIMIS' own identifiers hold.
pub(crate) fn openimis_identifier(identifiers: &List<Identifier>) -> Option<OpenImisId> {
    openimis_identifier_on(identifiers, None)
}

/// The same on a day.
pub(crate) fn openimis_identifier_on(identifiers: &List<Identifier>, on: Option<&str>) -> Option<OpenImisId> {
    match of_openimis(identifiers, UUID, on).and_then(uuid) {
        Some(uuid) => Some(OpenImisId::Uuid(uuid.to_string())),
        None => of_openimis(identifiers, CODE, on).map(|code| OpenImisId::Code(code.to_owned())),
    }
}

/// How openIMIS knows something.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum OpenImisId {
    Uuid(String),
    Code(String),
}

impl OpenImisId {
    /// What a table says: a uuid, else a code.
    pub fn parse(text: &str) -> Self {
        let text = crate::text::plain(text);
        match uuid(&text).filter(|_| text.len() == 36) {
            Some(uuid) => Self::Uuid(uuid.to_string()),
            None => Self::Code(text.into_owned()),
        }
    }
}

impl Concept<'_> {
    /// The codes, of whatever system.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        self.coding.items().take(MANY).filter_map(|coding| plain(&coding.code))
    }

    /// Each coding as a table may name it: `system|code`, or the code where it has no system.
    pub fn tokens(&self) -> Vec<String> {
        self.coding.items().take(MANY).filter_map(Coding::token).collect()
    }

    /// The code that is of openIMIS' code system of this name.
    pub fn own_code(&self, name: &str) -> Option<&str> {
        let is_own = |coding: &&Coding| plain(&coding.system).and_then(own_system) == Some(name);
        self.coding.items().take(MANY).filter(is_own).find_map(|coding| plain(&coding.code))
    }
}

impl Coding<'_> {
    pub fn token(&self) -> Option<String> {
        let code = plain(&self.code)?;
        Some(plain(&self.system).map_or_else(|| code.to_owned(), |system| format!("{system}|{code}")))
    }
}
