//! FHIR's modifier elements that any resource may have. They change the meaning of all the rest, so a reader that does not know them must
//! not go on as if they were not there (FHIR R4, "isModifier" and "Extensibility").

use serde::Deserialize;

use crate::fhir::elements::List;
use crate::fhir::primitives::plain;
use crate::issue::{Issue, IssueType};
use crate::json::{Kind, Node, Scalar, Text, object_shape};

/// An extension of which only its being there is read.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Extension<'a> {
    #[serde(borrow, default, rename = "url")]
    _url: Node<Text<'a>>,
}

object_shape!(Extension);

/// `modifierExtension`.
pub(crate) type ModifierExtension<'a> = List<Extension<'a>>;

/// Refuses extensions that change the meaning of a resource: the mappings know none.
#[inline]
pub(crate) fn refuse_extension(extension: &ModifierExtension, path: &str, issues: &mut Vec<Issue>) {
    if !matches!(extension, Node::Absent) {
        refuse_extension_that_is_there(extension, path, issues);
    }
}

#[cold]
fn refuse_extension_that_is_there(extension: &ModifierExtension, path: &str, issues: &mut Vec<Issue>) {
    if extension.value().is_some_and(|list| list.iter().all(|one| matches!(one, Node::Absent))) {
        return; // an empty list says nothing
    }
    let text = "an extension that changes the meaning of the resource, and that no mapping knows; expected none";
    issues.push(Issue::error(IssueType::NotSupported, format!("{path}.modifierExtension"), text));
}

/// Refuses rules that have to be known before a resource is read.
#[inline]
pub(crate) fn refuse_rules(rules: &Node<Text>, path: &str, issues: &mut Vec<Issue>) {
    if plain(rules).is_some() {
        let text = "rules that change the meaning of the resource, and that no mapping knows; expected none";
        issues.push(Issue::error(IssueType::NotSupported, format!("{path}.implicitRules"), text));
    }
}

/// Reads a code that is one of a few, the first of which is meant where there is none; each other one is an issue.
#[inline]
pub(crate) fn expect_code(
    node: &Node<Text>,
    expected: &'static str,
    known: &[&'static str],
    path: &'static str,
    why: &str,
    issues: &mut Vec<Issue>,
) {
    match node {
        Node::Absent => {}
        Node::Value(text) if text.0 == expected => {}
        node => refuse_code(node, expected, known, path, why, issues),
    }
}

#[cold]
fn refuse_code(
    node: &Node<Text>,
    expected: &'static str,
    known: &[&'static str],
    path: &'static str,
    why: &str,
    issues: &mut Vec<Issue>,
) {
    let found = match node {
        Node::Other(kind) => kind.to_string(),
        Node::Value(text) => match known.iter().find(|known| **known == text.0) {
            Some(known) => format!("{known}: {why}"),
            None if text.0.is_empty() => "an empty text".to_owned(),
            None => "something else".to_owned(),
        },
        Node::Absent => return,
    };
    issues.push(Issue::error(IssueType::BusinessRule, path, format!("expected {expected}; found {found}")));
}

/// Reads a boolean that changes the meaning of a resource. Anything else there is an issue.
pub(crate) fn flag(node: &Node<Scalar>, path: &'static str, issues: &mut Vec<Issue>) -> Option<bool> {
    issues.extend(other_than_flag(node).map(|kind| Issue::unusable(path, "true or false", kind)));
    match node {
        Node::Value(Scalar::Bool(flag)) => Some(*flag),
        _ => None,
    }
}

/// What stands in the place of a boolean.
pub(crate) fn other_than_flag(node: &Node<Scalar>) -> Option<Kind> {
    match node {
        Node::Absent | Node::Value(Scalar::Bool(_)) => None,
        Node::Value(Scalar::Text(_)) => Some(Kind::Text),
        Node::Value(Scalar::Integer(_) | Scalar::Float(_)) => Some(Kind::Number),
        Node::Other(kind) => Some(*kind),
    }
}
