//! FHIR `ConceptMap` to rows of a code table.

use serde::Deserialize;

use super::CodeRow;
use crate::fhir::elements::{List, each};
use crate::fhir::primitives::{plain, shown};
use crate::issue::{Issue, IssueType, Severity};
use crate::json::{Node, Text, document, object_shape};

#[derive(Debug, Deserialize)]
struct ConceptMap<'a> {
    #[serde(borrow, default, rename = "resourceType")]
    resource_type: Node<Text<'a>>,
    #[serde(borrow, default)]
    status: Node<Text<'a>>,
    #[serde(borrow, default)]
    group: List<Group<'a>>,
}

#[derive(Debug, Deserialize)]
struct Group<'a> {
    #[serde(borrow, default)]
    source: Node<Text<'a>>,
    #[serde(borrow, default)]
    element: List<Element<'a>>,
}

#[derive(Debug, Deserialize)]
struct Element<'a> {
    #[serde(borrow, default)]
    code: Node<Text<'a>>,
    #[serde(borrow, default)]
    target: List<Target<'a>>,
}

#[derive(Debug, Deserialize)]
struct Target<'a> {
    #[serde(borrow, default)]
    code: Node<Text<'a>>,
    #[serde(borrow, default)]
    equivalence: Node<Text<'a>>,
    /// R5's word for `equivalence`.
    #[serde(borrow, default)]
    relationship: Node<Text<'a>>,
}

object_shape!(ConceptMap, Group, Element, Target);

/// Reads a FHIR `ConceptMap` (R4, or R5 as far as it says the same). A target that is narrower than its source, or only near it, would be
/// a guess: such codes get no row and a warning.
///
/// # Errors
/// Other JSON; a retired map; an element without code; two targets that both mean the same as their source.
pub fn concept_map(text: &str) -> Result<(Vec<CodeRow>, Vec<Issue>), Vec<Issue>> {
    let map: ConceptMap = document(text, "ConceptMap")?;
    let mut issues = Vec::new();
    if plain(&map.resource_type) != Some("ConceptMap") {
        return Err(vec![Issue::fatal("ConceptMap.resourceType", "expected ConceptMap; found something else")]);
    }
    if plain(&map.status) == Some("retired") {
        let text = "the map is retired; expected one that is in use";
        issues.push(Issue::error(IssueType::BusinessRule, "ConceptMap.status", text));
    }
    let mut rows = Vec::new();
    for (path, group) in each(&map.group, "ConceptMap.group", "groups", &mut issues) {
        let source = plain(&group.source).map(|source| source.split('|').next().unwrap_or(source));
        if source.is_none() {
            issues.push(Issue::missing(format!("{path}.source"), "the code system of the codes").as_warning());
        }
        for (path, element) in each(&group.element, &format!("{path}.element"), "elements", &mut issues) {
            rows.extend(row(source, &path, element, &mut issues));
        }
    }
    if rows.is_empty() && issues.iter().all(|issue| issue.severity > Severity::Error) {
        issues.push(Issue::missing("ConceptMap.group", "at least one code with a target"));
    }
    if issues.iter().any(|issue| issue.severity <= Severity::Error) { Err(issues) } else { Ok((rows, issues)) }
}

fn row(source: Option<&str>, path: &str, element: &Element, issues: &mut Vec<Issue>) -> Option<CodeRow> {
    let Some(code) = plain(&element.code) else {
        issues.push(Issue::missing(format!("{path}.code"), "a code"));
        return None;
    };
    let targets = each(&element.target, &format!("{path}.target"), "targets", issues);
    let usable: Vec<&str> = targets
        .iter()
        .filter(|(_, target)| is_sure(plain(&target.equivalence).or(plain(&target.relationship))))
        .filter_map(|(_, target)| plain(&target.code))
        .collect();
    let source = source.map_or_else(|| code.to_owned(), |source| format!("{source}|{code}"));
    match usable[..] {
        [target] => Some(CodeRow { source, openimis: target.to_owned() }),
        [] => {
            let text = format!("{}: no target that means the same or more; left out", shown(&source));
            issues.push(Issue::error(IssueType::NotFound, path.to_owned(), text).as_warning());
            None
        }
        _ => {
            let text = format!("{}: {} targets that mean the same; expected one", shown(&source), usable.len());
            issues.push(Issue::error(IssueType::Conflict, path.to_owned(), text));
            None
        }
    }
}

/// Whether what is true of the source is true of the target. R4 and R5 words; R4 requires one, a map without it means "equivalent".
fn is_sure(relation: Option<&str>) -> bool {
    const SURE: [&str; 5] = ["equivalent", "equal", "wider", "subsumes", "source-is-narrower-than-target"];
    relation.is_none_or(|relation| SURE.contains(&relation))
}
