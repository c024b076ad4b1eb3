//! Which resource a reference means, as FHIR resolves references in Bundles.

use super::{Documents, Entry, folded};
use crate::fhir::elements::Reference;
use crate::fhir::primitives::{after_urn, plain};

impl<'a> Documents<'a> {
    /// The resource of the document that a reference in `from` names, if it is of one of the kinds: contained, by fullUrl, relative to the
    /// fullUrl of `from`, by type and id, by identifier.
    pub fn resolve(&self, reference: &Reference, from: &Entry, kinds: &[&str]) -> Option<&Entry<'a>> {
        let is_kind = |entry: &&Entry<'a>| kinds.contains(&entry.kind.as_str());
        let text = plain(&reference.reference);
        let by_reference = text.and_then(|text| self.named(text, from, kinds)).filter(is_kind);
        by_reference.or_else(|| {
            let condition = text.and_then(Condition::of);
            if let Some(Condition { system, value }) = &condition {
                return self.identified(system.as_deref(), value, kinds);
            }
            let identifier = reference.identifier.value()?;
            self.identified(plain(&identifier.system), identifier.value()?, kinds)
        })
    }

    /// The only resource of these kinds with an identifier.
    fn identified(&self, system: Option<&str>, value: &str, kinds: &[&str]) -> Option<&Entry<'a>> {
        let system = system.unwrap_or_default();
        let of = |kind: &&str| self.identifiers.get(&((*kind).to_owned(), system.to_owned(), value.to_owned()));
        let mut found = kinds.iter().filter_map(of).flatten();
        found.next().filter(|_| found.next().is_none()).map(|index| &self.entries[*index])
    }

    fn named(&self, text: &str, from: &Entry, kinds: &[&str]) -> Option<&Entry<'a>> {
        if let Some(name) = text.strip_prefix('#') {
            return self.contained(name, from);
        }
        let text = versionless(text);
        let at = |url: &str| self.urls.get(&folded(url)).map(|index| &self.entries[*index]);
        if let Some(entry) = at(text) {
            return Some(entry);
        }
        if let Some(uuid) = after_urn(text) {
            return kinds.iter().find_map(|kind| self.only(kind, uuid));
        }
        let (rest, id) = text.rsplit_once('/')?;
        let kind = rest.rsplit('/').next()?;
        if kind == rest
            && let Some(base) = from.full_url.as_deref().and_then(base)
            && let Some(entry) = at(&format!("{base}/{text}"))
        {
            return Some(entry);
        }
        self.only(kind, id)
    }

    /// What the resource of `from` contains by this name; nothing but `#` names that resource itself. openIMIS writes `#Patient/<uuid>`,
    /// and then what is meant may be elsewhere in the document.
    fn contained(&self, name: &str, from: &Entry) -> Option<&Entry<'a>> {
        let owner = from.owner.unwrap_or(from.index);
        if name.is_empty() {
            return self.entries.get(owner);
        }
        let at = |name: &str| self.contained.get(&(owner, folded(name))).map(|index| &self.entries[*index]);
        let (kind, id) = name.split_once('/').unzip();
        at(name).or_else(|| at(id?)).or_else(|| self.only(kind?, id?))
    }

    /// The only resource of a type with an id: Bundles of several servers may hold two.
    fn only(&self, kind: &str, id: &str) -> Option<&Entry<'a>> {
        match self.ids.get(&(kind.to_owned(), folded(id)))?[..] {
            [index] => Some(&self.entries[index]),
            _ => None,
        }
    }
}

/// A conditional reference, `Patient?identifier=system|value`, as transactions have them.
pub(crate) struct Condition {
    pub system: Option<String>,
    pub value: String,
}

impl Condition {
    pub fn of(text: &str) -> Option<Self> {
        let (_, query) = text.split_once('?')?;
        let token = query.strip_prefix("identifier=").filter(|token| !token.contains('&'))?;
        let token = token.replace("%7C", "|").replace("%7c", "|").replace("%3A", ":").replace("%2F", "/");
        let (system, value) = token.rsplit_once('|').map_or((None, token.as_str()), |(one, other)| (Some(one), other));
        let system = system.filter(|system| !system.is_empty()).map(str::to_owned);
        (!value.is_empty()).then(|| Self { system, value: value.to_owned() })
    }

    /// How a table may name it: `system|value`, or the value alone.
    pub fn tokens(self) -> Vec<String> {
        let Self { system, value } = self;
        system.map(|system| format!("{system}|{value}")).into_iter().chain([value]).collect()
    }
}

/// The id at the end of a reference's text, and its type where it has one.
pub(crate) fn parts<'t>(reference: &'t Reference) -> Option<(Option<&'t str>, &'t str)> {
    let text = plain(&reference.reference)?;
    if let Some(uuid) = after_urn(text) {
        return Some((None, uuid));
    }
    if text.contains('?') {
        return None;
    }
    // What is contained has a name of its own only where openIMIS wrote it, as `#Patient/<uuid>`.
    let text = match text.strip_prefix('#') {
        Some(name) => name.contains('/').then_some(name)?,
        None => text,
    };
    Some(match versionless(text).rsplit_once('/') {
        Some((rest, id)) => (rest.rsplit('/').next(), id),
        None => (None, versionless(text)),
    })
}

fn versionless(text: &str) -> &str {
    text.split("/_history/").next().unwrap_or(text).trim_end_matches('/')
}

/// What comes before `Type/id` in an address.
fn base(url: &str) -> Option<&str> {
    let (rest, _) = url.rsplit_once('/')?;
    rest.rsplit_once('/').map(|(base, _)| base).filter(|_| url.starts_with("http"))
}
