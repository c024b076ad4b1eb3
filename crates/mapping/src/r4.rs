//! FHIR R4 elements with their code systems, as other systems than openIMIS write them.

use jiff::civil::Date;
use jiff::tz::Offset;
use serde::{Deserialize, Serialize};

use crate::decimal::Number;
use crate::fhir::{CODE, IG, UUID, day, shape_of};
use crate::issue::{Issue, IssueType};
use crate::json::{Kind, Node, Text, object_shape};

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
}

/// FHIR `CodeableConcept`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Concept<'a> {
    #[serde(borrow, default)]
    pub coding: List<Coding<'a>>,
    #[serde(borrow, default)]
    pub text: Node<Text<'a>>,
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

/// FHIR `Period`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Period<'a> {
    #[serde(borrow, default)]
    pub start: Node<Text<'a>>,
    #[serde(borrow, default)]
    pub end: Node<Text<'a>>,
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
    pub usage: Node<Text<'a>>,
}

/// FHIR `Address`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Address<'a> {
    #[serde(borrow, default)]
    pub text: Node<Text<'a>>,
    #[serde(borrow, default)]
    pub line: List<Text<'a>>,
    #[serde(borrow, default)]
    pub city: Node<Text<'a>>,
    #[serde(borrow, default)]
    pub district: Node<Text<'a>>,
    #[serde(borrow, default, rename = "postalCode")]
    pub postal_code: Node<Text<'a>>,
}

object_shape!(Identifier, Concept, Coding, Reference, Period, Money, ContactPoint, Address);

/// The text of an element, if there is one.
pub(crate) fn plain<'n>(text: &'n Node<Text<'_>>) -> Option<&'n str> {
    text.value().map(Text::trimmed).filter(|text| !text.is_empty())
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

/// A code as an issue may tell it: codes are words of code systems. Anything that does not look like one is told by its size.
pub(crate) fn shown(code: &str) -> String {
    let is_code = (1..=90).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
    if is_code { code.to_owned() } else { shape_of(code) }
}

impl Identifier<'_> {
    /// The value, unless it is no longer in use.
    pub fn value(&self) -> Option<&str> {
        plain(&self.value).filter(|_| plain(&self.usage) != Some("old"))
    }

    /// The value of an identifier that openIMIS gave, by its type code.
    pub fn of_openimis(&self, code: &str) -> Option<&str> {
        self.value().filter(|_| self.kind.value().is_some_and(|kind| kind.codes().any(|found| found == code)))
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

/// The uuid, else the code, that openIMIS' own identifiers hold.
pub(crate) fn openimis_identifier(identifiers: &List<Identifier>) -> Option<OpenImisId> {
    let value = |code: &str| identifiers.items().find_map(|identifier| identifier.of_openimis(code));
    match value(UUID).and_then(crate::fhir::uuid) {
        Some(uuid) => Some(OpenImisId::Uuid(uuid.to_string())),
        None => value(CODE).map(|code| OpenImisId::Code(code.to_owned())),
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
        let text = text.trim();
        match uuid::Uuid::try_parse(text).ok().filter(|_| text.len() == 36) {
            Some(uuid) => Self::Uuid(uuid.to_string()),
            None => Self::Code(text.to_owned()),
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

    /// The code that is of this system.
    pub fn code_of(&self, system: &str) -> Option<&str> {
        let of_system = |coding: &&Coding| plain(&coding.system).is_some_and(|found| same_system(found, system));
        self.coding.items().filter(of_system).find_map(|coding| plain(&coding.code))
    }
}

impl Coding<'_> {
    pub fn token(&self) -> Option<String> {
        let code = plain(&self.code)?;
        Some(plain(&self.system).map_or_else(|| code.to_owned(), |system| format!("{system}|{code}")))
    }
}

/// openIMIS writes some of its addresses with two slashes.
pub(crate) fn same_system(one: &str, other: &str) -> bool {
    one.trim_end_matches('/').replace("_ig//", "_ig/") == other.trim_end_matches('/')
}

/// A code system of openIMIS.
pub(crate) fn system(name: &str) -> String {
    format!("{IG}/CodeSystem/{name}")
}

/// Reads an optional day.
pub(crate) fn optional_day(node: &Node<Text>, path: &str, offset: Offset, issues: &mut Vec<Issue>) -> Option<Date> {
    let expected = "a day, as 2025-08-25 or as a date and time";
    match node {
        Node::Absent => None,
        Node::Other(kind) => {
            issues.push(Issue::unusable(path.to_owned(), expected, kind));
            None
        }
        Node::Value(text) => {
            day(&text.0, offset).map_err(|found| issues.push(Issue::unusable(path.to_owned(), expected, found))).ok()
        }
    }
}

/// The offset of a setting in minutes.
pub(crate) fn offset(minutes: i16) -> Option<Offset> {
    (-1080..=1080).contains(&minutes).then(|| Offset::from_seconds(i32::from(minutes) * 60).ok()).flatten()
}

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
    pub value: crate::decimal::Amount,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub currency: &'a str,
}
