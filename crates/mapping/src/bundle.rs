//! A FHIR Bundle, or one resource with what it contains: its resources, and how they refer to each other.

mod modifiers;
mod names;
mod references;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::fhir::elements::{Identifier, List};
use crate::fhir::openimis::without_hash;
use crate::fhir::primitives::{instant, plain};
use crate::issue::{Issue, IssueType, Severity};
use crate::json::{Kind, Node, Shape, Text, document, object_shape, to_json, without_mark};
use crate::shapes::{At, Told, explain};

pub(crate) use modifiers::tell as tell_modifiers;
pub(crate) use names::told;
pub(crate) use references::{Condition, parts};

/// A Bundle, and what Bahmni calls the one that it sends of a visit.
const BUNDLES: [&str; 3] = ["Bundle", "ConsultationBundle", "EncounterBundle"];

/// One resource of the document.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    /// FHIRPath, for example `Bundle.entry[2].resource`.
    pub path: String,
    pub kind: String,
    pub id: Option<String>,
    pub full_url: Option<String>,
    /// Its place among all resources of the document.
    pub index: usize,
    /// The resource that contains it.
    owner: Option<usize>,
    text: &'a str,
    /// Whether its modifiers were told.
    is_heeded: Cell<bool>,
}

/// All resources of the document.
#[derive(Debug, Default)]
pub(crate) struct Documents<'a> {
    pub entries: Vec<Entry<'a>>,
    /// `Bundle.timestamp`.
    pub timestamp: Node<Text<'a>>,
    /// What a search found: a resource may have changed while it was carried out.
    is_found: bool,
    /// The day of the document: `Bundle.timestamp`, else the `created` of what it is about.
    pub day: Option<String>,
    urls: BTreeMap<String, usize>,
    ids: BTreeMap<(String, String), Vec<usize>>,
    /// By owner and id, and by owner and `Type/id`.
    contained: BTreeMap<(usize, String), usize>,
    /// By type, system (empty: none) and value.
    identifiers: BTreeMap<(String, String, String), Vec<usize>>,
    /// Elements of another shape than FHIR's, as they were found.
    misshapen: RefCell<Vec<Issue>>,
}

/// An object, as text.
#[derive(Debug, Default)]
struct Raw<'a>(Node<&'a str>);

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        Ok(Self(match raw.as_bytes().first() {
            None | Some(b'n') => Node::Absent,
            Some(b'{') => Node::Value(raw),
            Some(b'[') => Node::Other(Kind::Array),
            Some(b'"') => Node::Other(Kind::Text),
            Some(b't' | b'f') => Node::Other(Kind::Bool),
            Some(_) => Node::Other(Kind::Number),
        }))
    }
}

/// What a resource says of itself.
#[derive(Debug, Deserialize)]
struct Head<'a> {
    #[serde(borrow, default, rename = "resourceType")]
    resource_type: Node<Text<'a>>,
    #[serde(borrow, default)]
    id: Node<Text<'a>>,
    #[serde(borrow, default)]
    identifier: List<Identifier<'a>>,
    #[serde(borrow, default)]
    contained: RawList<'a>,
    #[serde(borrow, default)]
    created: Node<Text<'a>>,
}

/// When a resource got to be as it is.
#[derive(Debug, Deserialize)]
struct Version<'a> {
    #[serde(borrow, default)]
    meta: Node<Meta<'a>>,
}

#[derive(Debug, Deserialize)]
struct Meta<'a> {
    #[serde(borrow, default, rename = "lastUpdated")]
    last_updated: Node<Text<'a>>,
}

#[derive(Debug, Deserialize)]
struct Bundle<'a> {
    #[serde(borrow, default, rename = "implicitRules")]
    implicit_rules: Node<Text<'a>>,
    #[serde(borrow, default, rename = "type")]
    kind: Node<Text<'a>>,
    #[serde(borrow, default)]
    timestamp: Node<Text<'a>>,
    #[serde(borrow, default)]
    entry: List<BundleEntry<'a>>,
}

#[derive(Debug, Deserialize)]
struct BundleEntry<'a> {
    #[serde(borrow, default, rename = "fullUrl")]
    full_url: Node<Text<'a>>,
    #[serde(borrow, default)]
    resource: Raw<'a>,
    #[serde(borrow, default)]
    request: Node<Request<'a>>,
    #[serde(borrow, default, rename = "modifierExtension")]
    modifier_extension: List<Request<'a>>,
}

#[derive(Debug, Deserialize)]
struct Request<'a> {
    #[serde(borrow, default)]
    method: Node<Text<'a>>,
}

impl Version<'_> {
    fn changed_at(&self) -> Option<(i64, &str)> {
        instant(plain(&self.meta.value()?.last_updated)?)
    }
}

object_shape!(Head, Version, Meta, Bundle, BundleEntry, Request);

/// The elements of a list as text; empty if it is no list.
#[derive(Debug, Default)]
struct RawList<'a>(Vec<Raw<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for RawList<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        let items = raw.starts_with('[').then(|| serde_json::from_str(raw).unwrap_or_default());
        Ok(Self(items.unwrap_or_default()))
    }
}

impl<'a> Documents<'a> {
    /// Reads a Bundle, or a resource of one of the kinds. Anything else is fatal.
    pub fn read(text: &'a str, kinds: &[&'static str], issues: &mut Vec<Issue>) -> Result<Self, Vec<Issue>> {
        let name = kinds.first().copied().unwrap_or("Bundle");
        let text = without_mark(text);
        let head: Head = document(text, name)?;
        let expected = if kinds.is_empty() { "Bundle".to_owned() } else { format!("{} or Bundle", kinds.join(", ")) };
        let Some(kind) = plain(&head.resource_type) else {
            return Err(vec![Issue::missing(format!("{name}.resourceType"), &expected)]);
        };
        let mut documents = Self::default();
        if BUNDLES.contains(&kind) {
            documents.read_bundle(document(text, "Bundle")?, issues);
        } else if let Some(kind) = kinds.iter().find(|name| **name == kind) {
            documents.add((*kind).to_owned(), None, text, issues);
        } else {
            let text = format!("expected {expected}; found {}", told(kind));
            return Err(vec![Issue::fatal(format!("{name}.resourceType"), text)]);
        }
        Ok(documents)
    }

    fn read_bundle(&mut self, bundle: Bundle<'a>, issues: &mut Vec<Issue>) {
        const KINDS: [&str; 6] = ["collection", "message", "transaction", "batch", "document", "searchset"];
        let expected = "collection, message, transaction, batch, document or searchset";
        if let Some(kind) = bundle.kind.require("Bundle.type", expected, issues).map(Text::trimmed)
            && !KINDS.contains(&kind)
        {
            issues.push(Issue::unusable("Bundle.type", expected, shape(kind)));
        }
        self.is_found = plain(&bundle.kind) == Some("searchset");
        if !matches!(bundle.implicit_rules, Node::Absent) {
            let text = "rules that change what the Bundle means, and that are not known here; expected none";
            issues.push(Issue::error(IssueType::NotSupported, "Bundle.implicitRules", text));
        }
        for (path, entry) in crate::fhir::elements::each(&bundle.entry, "Bundle.entry", "entries", issues) {
            let method = entry.request.value().and_then(|request| plain(&request.method));
            if matches!(method, Some("DELETE" | "GET" | "HEAD")) {
                continue;
            }
            if entry.modifier_extension.items().next().is_some() {
                let text = "a modifier extension may change what this means, and is not known here; expected none";
                issues.push(Issue::error(IssueType::NotSupported, format!("{path}.modifierExtension"), text));
            }
            let full_url = plain(&entry.full_url).map(str::to_owned);
            let path = format!("{path}.resource");
            match &entry.resource.0 {
                Node::Value(text) => self.add(path, full_url, text, issues),
                Node::Absent => issues.push(Issue::missing(path, "a resource")),
                Node::Other(kind) => issues.push(Issue::unusable(path, "a resource", kind)),
            }
        }
        self.day = plain(&bundle.timestamp).map(str::to_owned).or(self.day.take());
        self.timestamp = bundle.timestamp;
    }

    /// Adds a resource and what it contains, unless it is there already.
    fn add(&mut self, path: String, full_url: Option<String>, text: &'a str, issues: &mut Vec<Issue>) {
        let Ok(head) = document::<Head>(text, "resource") else {
            issues.push(Issue::error(IssueType::Structure, path, "a key is there twice"));
            return;
        };
        let Some(kind) = plain(&head.resource_type).map(str::to_owned) else {
            issues.push(Issue::missing(format!("{path}.resourceType"), "the resource's type"));
            return;
        };
        let id = plain(&head.id).map(str::to_owned);
        if let Some(same) = self.same(&kind, id.as_deref(), full_url.as_deref()) {
            let other = &self.entries[same];
            let issue = if other.text == text {
                let text = format!("the same resource as {}; read once", other.path);
                Issue { severity: Severity::Information, ..Issue::error(IssueType::Conflict, path, text) }
            } else if let Some(is_later) = is_later(text, other.text).filter(|_| self.is_found) {
                let (which, other) = (if is_later { "later" } else { "earlier" }, &other.path);
                let told = format!("the {which} version of the resource at {other}; the later one is read");
                let told =
                    Issue { severity: Severity::Information, ..Issue::error(IssueType::Conflict, path.clone(), told) };
                issues.push(told);
                if is_later {
                    self.forget(same);
                    self.add(path, full_url, text, issues);
                }
                return;
            } else {
                let text = format!("the same fullUrl or id as {}, another content; expected one of them", other.path);
                Issue::error(IssueType::Conflict, path, text)
            };
            issues.push(issue);
            return;
        }
        if self.day.is_none() && matches!(kind.as_str(), "Claim" | "CoverageEligibilityRequest") {
            self.day = plain(&head.created).map(str::to_owned);
        }
        let owner = self
            .push(Entry { path, kind, id, full_url, index: 0, owner: None, text, is_heeded: Cell::default() }, &head);
        for (index, contained) in head.contained.0.iter().enumerate() {
            let Node::Value(text) = contained.0 else { continue };
            let Ok(head) = document::<Head>(text, "resource") else { continue };
            let Some(kind) = plain(&head.resource_type).map(str::to_owned) else { continue };
            let path = format!("{}.contained[{index}]", self.entries[owner].path);
            let id = plain(&head.id).map(str::to_owned);
            self.push(
                Entry {
                    path,
                    kind,
                    id,
                    full_url: None,
                    index: 0,
                    owner: Some(owner),
                    text,
                    is_heeded: Cell::default(),
                },
                &head,
            );
        }
    }

    /// A later version takes its place. What it contains stays, without an owner that is read.
    fn forget(&mut self, index: usize) {
        self.urls.retain(|_, other| *other != index);
        self.ids
            .values_mut()
            .chain(self.identifiers.values_mut())
            .for_each(|named| named.retain(|other| *other != index));
        self.ids.retain(|_, named| !named.is_empty());
        self.identifiers.retain(|_, named| !named.is_empty());
        self.entries[index].kind.clear();
    }

    /// Keeps every way in which another resource may name this one, so that a reference costs no walk through the document.
    fn push(&mut self, entry: Entry<'a>, head: &Head) -> usize {
        let index = self.entries.len();
        match (entry.owner, entry.own_id()) {
            (Some(owner), Some(id)) => {
                let id = folded(without_hash(id));
                self.contained.entry((owner, format!("{}/{id}", entry.kind))).or_insert(index);
                self.contained.entry((owner, id)).or_insert(index);
            }
            (None, Some(id)) => self.ids.entry((entry.kind.clone(), folded(id))).or_default().push(index),
            (_, None) => {}
        }
        if let Some(url) = &entry.full_url {
            self.urls.insert(folded(url), index);
        }
        for identifier in head.identifier.items() {
            let Some(value) = identifier.value() else { continue };
            let system = plain(&identifier.system).unwrap_or_default();
            let key = (entry.kind.clone(), system.to_owned(), value.to_owned());
            let named = self.identifiers.entry(key).or_default();
            if named.last() != Some(&index) {
                named.push(index);
            }
        }
        self.entries.push(Entry { index, ..entry });
        index
    }

    fn same(&self, kind: &str, id: Option<&str>, full_url: Option<&str>) -> Option<usize> {
        if let Some(url) = full_url {
            return self.urls.get(&folded(url)).copied();
        }
        self.ids.get(&(kind.to_owned(), folded(id?)))?.first().copied()
    }

    /// The resources of a kind, but those that others contain.
    pub fn of(&self, kind: &str) -> impl Iterator<Item = &Entry<'a>> {
        self.entries.iter().filter(move |entry| entry.kind == kind && entry.owner.is_none())
    }

    /// The resource as a type.
    pub fn parse<T: Shape<'a> + Told>(&self, entry: &Entry<'a>, issues: &mut Vec<Issue>) -> Option<T> {
        let Ok(parsed) = document::<T>(entry.text, "resource") else {
            issues.push(Issue::error(IssueType::Structure, entry.path.clone(), "a key is there twice"));
            return None;
        };
        parsed.tell(&At::resource(&entry.path), &mut self.misshapen.borrow_mut());
        Some(parsed)
    }

    /// Adds the elements of another shape than FHIR's, of all resources that were read.
    pub fn explain(&self, issues: &mut Vec<Issue>) {
        explain(self.misshapen.take(), issues);
    }
}

/// Whether the one is later than the other; none where they do not say.
fn is_later(one: &str, other: &str) -> Option<bool> {
    let version = |text| document::<Version>(text, "resource").ok();
    let (one, other) = (version(one)?, version(other)?);
    let (one, other) = (one.changed_at()?, other.changed_at()?);
    (one != other).then_some(one > other)
}

impl Entry<'_> {
    /// How others may refer to it: type and id, else its fullUrl. What is contained has no name of its own.
    pub fn name(&self) -> Option<String> {
        if self.owner.is_some() {
            return None;
        }
        let id = self.id.as_ref().map(|id| format!("{}/{id}", self.kind));
        id.or_else(|| self.full_url.clone())
    }

    /// The id, else the one of its fullUrl.
    pub fn own_id(&self) -> Option<&str> {
        self.id.as_deref().or_else(|| {
            let url = self.full_url.as_deref()?;
            url.strip_prefix("urn:uuid:").or_else(|| url.rsplit_once(&format!("/{}/", self.kind)).map(|(_, id)| id))
        })
    }
}

impl Entry<'_> {
    /// Whether it stands within another resource.
    pub fn is_contained(&self) -> bool {
        self.owner.is_some()
    }

    /// Some elements of the resource, as they were written, as an entry of a Bundle.
    pub fn brief(&self, elements: &[&str]) -> String {
        let all: BTreeMap<String, &RawValue> = serde_json::from_str(self.text).unwrap_or_default();
        let kept: BTreeMap<&str, &RawValue> =
            elements.iter().filter_map(|name| Some((*name, *all.get(*name)?))).collect();
        let resource = to_json(&kept).unwrap_or_default(); // text that was read: cannot fail
        match self.full_url.as_ref().and_then(|url| to_json(url).ok()) {
            Some(url) => format!(r#"{{"fullUrl":{url},"resource":{resource}}}"#),
            None => format!(r#"{{"resource":{resource}}}"#),
        }
    }
}

/// An id or address as it is looked for: some servers write the same uuid in capitals here and in small letters there.
fn folded(id: &str) -> String {
    let start = id.len().saturating_sub(36);
    match id.get(start..).filter(|end| end.len() == 36 && crate::fhir::primitives::uuid(end).is_some()) {
        Some(end) => [&id[..start], &end.to_ascii_lowercase()].concat(),
        None => id.to_owned(),
    }
}

fn shape(text: &str) -> String {
    crate::fhir::primitives::shape_of(text)
}
