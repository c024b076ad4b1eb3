//! What the registry says of a facility, in openIMIS' words.

use serde::Serialize;

use super::names::Name;
use super::settings::{MAX_CODE, Settings};
use super::source::{Location, NationalId, Organization, day, is_facility, is_paired, tell_unknown_types};
use crate::bundle::{Documents, Entry, parts};
use crate::codes::{self, CodeRow};
use crate::fhir::elements::{Concept, ContactPoint, Identifier, List, MANY, misshapen, tell_misshapen};
use crate::fhir::primitives::{plain, shown};
use crate::in_use::best;
use crate::issue::{Issue, IssueType, Severity};
use crate::json::{Scalar, Words};
use crate::modifiers::other_than_flag;
use crate::text;

/// How far up a facility's areas and owners are followed.
const MAX_STEPS: usize = 12;

/// What the registry says; none where it says nothing that can be used.
#[derive(Debug)]
pub(super) struct Wanted {
    pub path: String,
    pub national_id: Option<NationalId>,
    pub code: Option<String>,
    pub name: Option<String>,
    level: Option<String>,
    sub_level: Option<String>,
    legal_form: Option<String>,
    care_type: String,
    pub district: Option<String>,
    address: Option<String>,
    phone: Option<String>,
    fax: Option<String>,
    email: Option<String>,
    status: String,
    pub is_closed: bool,
}

/// All that openIMIS has to have. Its fingerprint decides whether something is sent.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Complete {
    pub code: String,
    pub name: String,
    pub level: String,
    pub sub_level: Option<String>,
    pub legal_form: String,
    pub care_type: String,
    pub district: String,
    pub address: Option<String>,
    pub phone: Option<String>,
    pub fax: Option<String>,
    pub email: Option<String>,
    pub status: String,
    pub is_closed: bool,
}

impl Wanted {
    /// The document's one facility. All problems go to `issues`; none only if there is no facility.
    pub fn of(documents: &Documents, settings: &Settings, issues: &mut Vec<Issue>) -> Option<Self> {
        let mut facilities = documents
            .of("Location")
            .filter_map(|entry| Some((entry, documents.parse::<Location>(entry, &mut Vec::new())?)))
            .filter(|(_, location)| is_facility(location));
        let Some((entry, location)) = facilities.next() else {
            issues.push(Issue::missing("Bundle.entry", "a Location that is a facility"));
            return None;
        };
        let reader = Reader { documents, settings, entry, location: &location };
        let wholes = reader.wholes();
        for (other, _) in facilities.filter(|(other, _)| !wholes.contains(&other.path)) {
            let text = format!("a second facility beside {}; expected one, and what it is part of", entry.path);
            issues.push(Issue::error(IssueType::Conflict, other.path.clone(), text));
        }
        Some(reader.read(issues))
    }

    /// All of it, if nothing is missing.
    pub fn complete(&self) -> Option<Complete> {
        Some(Complete {
            code: self.code.clone()?,
            name: self.name.clone()?,
            level: self.level.clone()?,
            sub_level: self.sub_level.clone(),
            legal_form: self.legal_form.clone()?,
            care_type: self.care_type.clone(),
            district: self.district.clone()?,
            address: self.address.clone(),
            phone: self.phone.clone(),
            fax: self.fax.clone(),
            email: self.email.clone(),
            status: self.status.clone(),
            is_closed: self.is_closed,
        })
    }
}

struct Reader<'r, 'd> {
    documents: &'r Documents<'d>,
    settings: &'r Settings,
    entry: &'r Entry<'d>,
    location: &'r Location<'d>,
}

impl Reader<'_, '_> {
    fn read(&self, issues: &mut Vec<Issue>) -> Wanted {
        let Self { settings, location, .. } = self;
        self.documents.heed(self.entry, issues);
        let owners = self.owners(issues);
        let owner = owners.first();
        let path = &self.entry.path;
        let national_id = self.national_id(owner, issues);
        let types: Vec<String> = location.kind.items().take(MANY).flat_map(Concept::tokens).collect();
        let of_owners: Vec<String> =
            owners.iter().flat_map(|owner| owner.kind.items().take(MANY).flat_map(Concept::tokens)).collect();
        let all_types: Vec<String> = types.iter().chain(&of_owners).cloned().collect();
        let on = day(&location.meta);
        let of_owner = |owner: &Organization, system: &str| contact(&owner.telecom, system, day(&owner.meta));
        let telecom = |system: &str| contact(&location.telecom, system, on).or_else(|| of_owner(owner?, system));
        let (status, is_closed) = self.status(owner, issues);
        tell_unknown_types(settings, &format!("{path}.type"), &all_types, issues);
        let wanted = Wanted {
            code: national_id.as_ref().and_then(|id| self.code(id, issues)),
            name: self.name(owner, issues),
            level: self.table(
                "levels",
                "level",
                &settings.levels,
                &all_types,
                &settings.default_level,
                &format!("{path}.type"),
                issues,
            ),
            sub_level: codes::find(&settings.sub_levels, &all_types).map(|row| row.openimis.clone()),
            legal_form: self.table(
                "legal_forms",
                "legal form",
                &settings.legal_forms,
                &[of_owners, types].concat(),
                &settings.default_legal_form,
                &format!("{path}.managingOrganization"),
                issues,
            ),
            care_type: codes::find(&settings.care_types, &all_types)
                .map_or(&settings.default_care_type, |row| &row.openimis)
                .clone(),
            district: self.district(issues),
            address: self.cut("address", self.address(), 100, issues),
            phone: self.cut("telecom", telecom("phone"), 50, issues),
            fax: self.cut("telecom", telecom("fax"), 50, issues),
            email: self.cut("telecom", telecom("email"), 50, issues),
            status,
            is_closed,
            national_id,
            path: path.clone(),
        };
        let elements = [
            ("identifier", misshapen(&location.identifier)),
            ("status", misshapen(&location.status)),
            ("name", misshapen(&location.name)),
            ("type", misshapen(&location.kind)),
            ("telecom", misshapen(&location.telecom)),
            ("address", misshapen(&location.address)),
            ("managingOrganization", misshapen(&location.managing_organization)),
            ("partOf", misshapen(&location.part_of)),
        ];
        tell_misshapen(path, &elements, issues);
        wanted
    }

    /// Where the places stand that the facility is part of.
    fn wholes(&self) -> Vec<String> {
        let mut wholes: Vec<String> = Vec::new();
        let mut next =
            self.location.part_of.value().and_then(|whole| self.documents.resolve(whole, self.entry, &["Location"]));
        while let Some(entry) = next.filter(|entry| !wholes.contains(&entry.path) && wholes.len() < MAX_STEPS) {
            wholes.push(entry.path.clone());
            let location = self.documents.parse::<Location>(entry, &mut Vec::new());
            next =
                location.and_then(|location| self.documents.resolve(location.part_of.value()?, entry, &["Location"]));
        }
        wholes
    }

    /// The organization that runs the facility, and those that it is part of.
    fn owners(&self, issues: &mut Vec<Issue>) -> Vec<Organization<'_>> {
        let mut owners = Vec::new();
        let mut seen: Vec<&str> = Vec::new();
        let first = self.location.managing_organization.value();
        let mut next = first.and_then(|reference| self.documents.resolve(reference, self.entry, &["Organization"]));
        while let Some(entry) = next.filter(|entry| !seen.contains(&entry.path.as_str()) && seen.len() < MAX_STEPS) {
            seen.push(&entry.path);
            self.documents.heed(entry, issues);
            let Some(owner) = self.documents.parse::<Organization>(entry, &mut Vec::new()) else { break };
            next =
                owner.part_of.value().and_then(|reference| self.documents.resolve(reference, entry, &["Organization"]));
            owners.push(owner);
        }
        owners
    }

    fn national_id(&self, owner: Option<&Organization>, issues: &mut Vec<Issue>) -> Option<NationalId> {
        let names = &self.settings.national_id;
        let wanted = |found: &Identifier| names.is_empty() || found.is_one_of(names);
        let pick = |identifiers: &List<Identifier>, on: Option<&str>| {
            best(identifiers.items(), on, |found| NationalId::of(found).filter(|_| wanted(found)))
        };
        let of_owner = |owner: &Organization| pick(&owner.identifier, day(&owner.meta));
        let id = pick(&self.location.identifier, day(&self.location.meta)).or_else(|| of_owner(owner?));
        if id.is_none() {
            let (path, expected) = (format!("{}.identifier", self.entry.path), "the facility's national id");
            let unused = self.location.identifier.items().find(|found| wanted(found));
            issues.push(match unused.and_then(Identifier::unusable) {
                Some(found) => Issue::unusable(path, expected, found),
                None => Issue::missing(path, expected),
            });
        }
        id
    }

    fn code(&self, id: &NationalId, issues: &mut Vec<Issue>) -> Option<String> {
        if let Some(row) = self.settings.codes.iter().find(|row| id.is(&row.source)) {
            return Some(row.openimis.trim().to_owned());
        }
        if id.value.chars().count() <= MAX_CODE && !id.value.chars().any(char::is_control) {
            return Some(id.value.clone());
        }
        let path = format!("{}.identifier", self.entry.path);
        let expected = format!("up to {MAX_CODE} characters, as openIMIS holds, or a row of codes");
        issues.push(Issue::unusable(path, &expected, shown(&id.value)));
        None
    }

    fn name(&self, owner: Option<&Organization>, issues: &mut Vec<Issue>) -> Option<String> {
        let name = plain(&self.location.name).or_else(|| plain(&owner?.name)).map(str::to_owned);
        if name.is_none() {
            issues.push(Issue::missing(format!("{}.name", self.entry.path), "the facility's name"));
        }
        self.cut("name", name, 100, issues)
    }

    #[allow(clippy::too_many_arguments)] // a table, its default, and what an issue says of both
    fn table(
        &self,
        table: &str,
        what: &str,
        rows: &[CodeRow],
        tokens: &[String],
        default: &str,
        path: &str,
        issues: &mut Vec<Issue>,
    ) -> Option<String> {
        let row = codes::find(rows, tokens).map(|row| row.openimis.as_str());
        let found = row.or(Some(default).filter(|default| !default.is_empty()));
        if found.is_none() {
            let mut told: Vec<String> = tokens.iter().map(|token| shown(token)).collect();
            let mut seen = std::collections::BTreeSet::new();
            told.retain(|token| seen.insert(token.clone()));
            told.truncate(3);
            let (code, text) = match told.is_empty() {
                true => (IssueType::Required, format!("missing; expected a type that tells the {what}")),
                false => (
                    IssueType::NotFound,
                    format!("no {what} for {}; expected a row of {table}, or its default", told.join(", ")),
                ),
            };
            issues.push(Issue::error(code, path.to_owned(), text));
        }
        found.map(str::to_owned)
    }

    /// openIMIS' district: the first of the areas from the nearest up, or the address' district, that is in the table.
    fn district(&self, issues: &mut Vec<Issue>) -> Option<String> {
        let mut tokens: Vec<String> = Vec::new();
        let mut seen: Vec<String> = Vec::new();
        let mut from = self.entry;
        let mut parsed: Option<Location> = None;
        loop {
            let location = parsed.as_ref().unwrap_or(self.location);
            let Some(reference) = location.part_of.value() else { break };
            if let Some((_, id)) = parts(reference) {
                tokens.push(format!("Location/{id}"));
            }
            tokens.extend(reference.identifier.value().into_iter().flat_map(Identifier::tokens));
            let Some(entry) = self.documents.resolve(reference, from, &["Location"]) else { break };
            if seen.contains(&entry.path) || seen.len() >= MAX_STEPS {
                break;
            }
            seen.push(entry.path.clone());
            let Some(area) = self.documents.parse::<Location>(entry, &mut Vec::new()) else { break };
            tokens.extend(entry.id.as_ref().map(|id| format!("Location/{id}")));
            tokens.extend(area.identifier.items().take(MANY).flat_map(Identifier::tokens));
            from = entry;
            parsed = Some(area);
        }
        let district = self.location.address.value().and_then(|address| plain(&address.district));
        tokens.extend(district.map(|district| text::plain(district).into_owned()));
        let mut known = std::collections::BTreeSet::new();
        tokens.retain(|token| known.insert(token.clone()));
        let found = codes::find(&self.settings.districts, &tokens).map(|row| row.openimis.trim().to_owned());
        if found.is_none() {
            let path = format!("{}.partOf", self.entry.path);
            let told: Vec<String> = tokens.iter().take(4).map(|token| shown(token)).collect();
            issues.push(match told.is_empty() {
                true => Issue::missing(path, "the area that the facility lies in"),
                false => {
                    let text = format!("no openIMIS district for {}; expected a row of districts", told.join(", "));
                    Issue::error(IssueType::NotFound, path, text)
                }
            });
        }
        found
    }

    fn status(&self, owner: Option<&Organization>, issues: &mut Vec<Issue>) -> (String, bool) {
        if let Some(kind) = owner.and_then(|owner| other_than_flag(&owner.active)) {
            let path = format!("{}.managingOrganization", self.entry.path);
            issues.push(Issue::unusable(path, "an organization that is active: true or false", kind));
        }
        let inactive = owner.filter(|owner| matches!(owner.active.value(), Some(Scalar::Bool(false))));
        let closed = inactive.is_some_and(|owner| self.is_itself(owner));
        if inactive.is_some() && !closed {
            // A ministry that was renamed must not close a thousand facilities.
            let text = "the organization is not active, but is another one than the facility; the facility's own status was taken";
            let issue = Issue::error(IssueType::Conflict, format!("{}.managingOrganization", self.entry.path), text);
            issues.push(issue.as_warning());
        }
        match plain(&self.location.status) {
            Some("inactive") => (self.settings.closed_status.clone(), true),
            _ if closed => (self.settings.closed_status.clone(), true),
            Some("suspended") => (self.settings.suspended_status.clone(), false),
            None | Some("active") => ("AC".to_owned(), false),
            Some(_) => {
                let path = format!("{}.status", self.entry.path);
                issues.push(Issue::unusable(path, "active, suspended or inactive", "something else"));
                ("AC".to_owned(), false)
            }
        }
    }

    /// Whether the organization is the facility's own: said so, or of the same identifier or name.
    fn is_itself(&self, owner: &Organization) -> bool {
        let ids = |identifiers: &List<Identifier>| -> Vec<String> {
            identifiers.items().filter_map(|found| found.value().map(str::to_owned)).collect()
        };
        let (own, others) = (ids(&self.location.identifier), ids(&owner.identifier));
        let names = plain(&self.location.name).zip(plain(&owner.name));
        is_paired(owner)
            || own.iter().any(|id| others.contains(id))
            || names.is_some_and(|(one, other)| Name::of(one).is_like(&Name::of(other)))
    }

    /// The address in one line.
    fn address(&self) -> Option<String> {
        let address = self.location.address.value().filter(|address| address.is_in_use(day(&self.location.meta)))?;
        let lines: Vec<&str> = address
            .line
            .items()
            .map(Words::as_ref)
            .chain(plain(&address.postal_code))
            .chain(plain(&address.city))
            .filter(|line| !line.is_empty())
            .collect();
        let text = if lines.is_empty() { plain(&address.text)?.to_owned() } else { lines.join(", ") };
        Some(text)
    }

    /// openIMIS refuses what is too long: it is cut, and somebody is told.
    fn cut(&self, element: &str, text: Option<String>, max: usize, issues: &mut Vec<Issue>) -> Option<String> {
        let text = text?.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.chars().count() <= max {
            return Some(text);
        }
        let said = format!("{} characters; openIMIS holds {max}, the first ones were written", text.chars().count());
        let issue = Issue::error(IssueType::NotSupported, format!("{}.{element}", self.entry.path), said);
        issues.push(Issue { severity: Severity::Warning, ..issue });
        Some(text.chars().take(max).collect::<String>().trim_end().to_owned())
    }
}

fn contact(telecom: &List<ContactPoint>, system: &str, on: Option<&str>) -> Option<String> {
    let of_system = |point: &ContactPoint| plain(&point.system) == Some(system);
    let value = best(telecom.items(), on, |point| plain(&point.value).filter(|_| of_system(point)));
    value.map(str::to_owned)
}
