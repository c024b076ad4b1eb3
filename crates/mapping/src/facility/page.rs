//! A page of a registry's answer, taken apart: one Bundle for each facility, with what it refers to.

use serde::Deserialize;

use super::source::{Location, is_facility};
use crate::bundle::{Documents, Entry};
use crate::issue::Issue;
use crate::json::{Node, Text, document, object_shape};
use crate::r4::{List, Reference, plain};

/// How many steps from a facility its organizations and areas are taken along.
const MAX_STEPS: usize = 24;

/// A page of facilities.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Page {
    /// One `Bundle` for each facility, in the page's order.
    pub facilities: Vec<String>,
    /// Address of the next page.
    pub next: Option<String>,
    /// What somebody should look at.
    pub warnings: Vec<Issue>,
}

#[derive(Debug, Deserialize)]
struct Bundle<'a> {
    #[serde(borrow, default)]
    link: List<Link<'a>>,
}

#[derive(Debug, Deserialize)]
struct Link<'a> {
    #[serde(borrow, default)]
    relation: Node<Text<'a>>,
    #[serde(borrow, default)]
    url: Node<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Links<'a> {
    #[serde(borrow, default)]
    managing_organization: Node<Reference<'a>>,
    #[serde(borrow, default)]
    part_of: Node<Reference<'a>>,
}

object_shape!(Bundle, Link, Links);

/// Takes a registry's answer apart: a FHIR `Bundle` of type searchset. A resource that is there twice is read once; areas are no
/// facilities of their own. Endpoints are left out: openIMIS has no place for them.
///
/// # Errors
/// Other JSON.
pub fn page(text: &str) -> Result<Page, Vec<Issue>> {
    let bundle: Bundle = document(text, "Bundle")?;
    let mut warnings = Vec::new();
    let documents = Documents::read(text, &[], &mut warnings)?;
    let next = bundle.link.items().find(|link| plain(&link.relation) == Some("next"));
    let next = next.and_then(|link| plain(&link.url)).map(str::to_owned);
    let mut facilities = Vec::new();
    for entry in documents.of("Location") {
        let Some(location) = documents.parse::<Location>(entry, &mut warnings) else { continue };
        if is_facility(&location) {
            facilities.push(alone(&documents, entry));
        }
    }
    Ok(Page { facilities, next, warnings: warnings.into_iter().map(Issue::as_warning).collect() })
}

/// A Bundle of a resource and what it refers to, as text.
fn alone(documents: &Documents, first: &Entry) -> String {
    let mut taken: Vec<&Entry> = Vec::new();
    let mut next: Vec<&Entry> = documents.entries.iter().filter(|entry| entry.path == first.path).collect();
    while let Some(entry) = next.pop() {
        if taken.iter().any(|other| other.path == entry.path) || taken.len() >= MAX_STEPS {
            continue;
        }
        taken.push(entry);
        let Some(links) = documents.parse::<Links>(entry, &mut Vec::new()) else { continue };
        for reference in [&links.part_of, &links.managing_organization].into_iter().filter_map(Node::value) {
            next.extend(documents.resolve(reference, entry, &["Location", "Organization"]));
        }
    }
    let entries: Vec<String> = taken.iter().map(|entry| entry.as_json()).collect();
    format!(r#"{{"resourceType":"Bundle","type":"collection","entry":[{}]}}"#, entries.join(","))
}
