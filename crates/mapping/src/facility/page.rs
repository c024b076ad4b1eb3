//! A page of a registry's answer, taken apart: one Bundle for each facility, with what it refers to.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::source::{Location, is_facility};
use crate::bundle::Documents;
use crate::fhir::elements::{List, Reference};
use crate::fhir::primitives::plain;
use crate::issue::Issue;
use crate::json::{Node, Text, document, object_shape};
use crate::lookup::shorten;

/// How many steps from a facility its organizations and areas are taken along.
const MAX_STEPS: usize = 24;
/// The elements of locations and organizations that are read.
const READ: [&str; 17] = [
    "active",
    "address",
    "contained",
    "id",
    "identifier",
    "implicitRules",
    "managingOrganization",
    "meta",
    "mode",
    "modifierExtension",
    "name",
    "partOf",
    "physicalType",
    "resourceType",
    "status",
    "telecom",
    "type",
];

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
impl crate::shapes::Told for Links<'_> {}

/// Takes a registry's answer apart: a FHIR `Bundle` of type searchset. A resource that is there twice is read once; areas and wards are no
/// facilities of their own. Endpoints are left out: openIMIS has no place for them. So is whatever else is not read: the boundary of an
/// area alone may be longer than all the rest.
///
/// # Errors
/// Other JSON.
pub fn page(text: &str) -> Result<Page, Vec<Issue>> {
    let bundle: Bundle = document(text, "Bundle")?;
    let mut warnings = Vec::new();
    let documents = Documents::read(text, &[], &mut warnings)?;
    let next = bundle.link.items().find(|link| plain(&link.relation) == Some("next"));
    let next = next.and_then(|link| plain(&link.url)).map(str::to_owned);
    let mut parts = Parts { documents: &documents, known: BTreeMap::new() };
    let mut facilities = Vec::new();
    for entry in documents.of("Location") {
        let Some(location) = documents.parse::<Location>(entry, &mut warnings) else { continue };
        if is_facility(&location) {
            facilities.push(parts.alone(entry.index));
        }
    }
    shorten(&mut warnings);
    Ok(Page { facilities, next, warnings: warnings.into_iter().map(Issue::as_warning).collect() })
}

/// What is read of the page's resources, each once: an area belongs to many facilities.
struct Parts<'p, 'd> {
    documents: &'p Documents<'d>,
    known: BTreeMap<usize, Part>,
}

struct Part {
    text: String,
    refers_to: Vec<usize>,
}

impl Parts<'_, '_> {
    /// A Bundle of a resource and what it refers to, as text.
    fn alone(&mut self, first: usize) -> String {
        let mut taken: Vec<usize> = Vec::new();
        let mut next = vec![first];
        while let Some(index) = next.pop() {
            if taken.contains(&index) || taken.len() >= MAX_STEPS {
                continue;
            }
            taken.push(index);
            next.extend(&self.part(index).refers_to);
        }
        taken.retain(|index| !self.documents.entries[*index].is_contained()); // it is in the text of another one
        let entries: Vec<&str> = taken.iter().filter_map(|index| Some(self.known.get(index)?.text.as_str())).collect();
        format!(r#"{{"resourceType":"Bundle","type":"collection","entry":[{}]}}"#, entries.join(","))
    }

    fn part(&mut self, index: usize) -> &Part {
        let documents = self.documents;
        self.known.entry(index).or_insert_with(|| {
            let entry = &documents.entries[index];
            let links = documents.parse::<Links>(entry, &mut Vec::new());
            let references = links.iter().flat_map(|links| [&links.part_of, &links.managing_organization]);
            let refers_to = references
                .filter_map(|reference| documents.resolve(reference.value()?, entry, &["Location", "Organization"]))
                .map(|entry| entry.index)
                .collect();
            Part { text: entry.brief(&READ), refers_to }
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A page of Locations of one id: name, last change and fullUrl.
    fn page_of(versions: &[(&str, &str, &str)]) -> Page {
        let entry = |(name, changed, url): &(&str, &str, &str)| {
            let area = json!({"reference": "#area"});
            json!({"fullUrl": url, "resource": {
                "resourceType": "Location", "id": "hp-1", "name": name, "meta": {"lastUpdated": changed}, "partOf": area,
                "contained": [{"resourceType": "Location", "id": "area", "name": format!("Area of {name}")}],
            }})
        };
        let entries: Vec<_> = versions.iter().map(entry).collect();
        page(&json!({"resourceType": "Bundle", "type": "searchset", "entry": entries}).to_string()).expect("a page")
    }

    const URL: &str = "http://registry.example.org/fhir/Location/hp-1";

    #[test]
    fn of_two_versions_of_a_facility_the_later_one_is_read() {
        let pairs = [
            ("2026-11-30T10:00:00+05:45", "2026-11-30T05:00:00Z"),
            ("2026-11-30T05:00:00.123Z", "2026-11-30T05:00:00.5Z"),
            ("2026-11-30T05:00:00Z", "2026-11-30T05:00:00.010+00:00"),
        ];
        let both =
            |(early, late)| [[("Old", early, URL), ("New", late, URL)], [("New", late, URL), ("Old", early, URL)]];
        for versions in pairs.into_iter().flat_map(both) {
            let page = page_of(&versions);
            let [facility] = &page.facilities[..] else { panic!("{page:?}") };
            assert!(facility.contains("New") && !facility.contains("Old"), "{facility}");
            let [warning] = &page.warnings[..] else { panic!("{page:?}") };
            assert!(warning.diagnostics.contains("later"), "{warning}");
        }
    }

    #[test]
    fn of_two_versions_without_an_order_the_first_is_read_and_told() {
        for (one, other) in [("", ""), ("2026-11-30T05:00:00Z", ""), ("2026-11-30T05:00:00Z", "2026-11-30T05:00:00Z")] {
            let page = page_of(&[("One", one, URL), ("Other", other, URL)]);
            assert!(page.facilities.len() == 1 && page.facilities[0].contains("One"), "{page:?}");
            assert!(page.warnings[0].diagnostics.contains("another content"), "{page:?}");
        }
    }

    #[test]
    fn a_facility_that_is_there_twice_as_it_is_is_read_once() {
        let page = page_of(&[("One", "", URL), ("One", "", URL)]);
        assert_eq!((page.facilities.len(), page.warnings.len()), (1, 1), "{page:?}");
    }
}
