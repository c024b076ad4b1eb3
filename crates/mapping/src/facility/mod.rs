//! A facility of a registry (IHE mCSD: `Location`, `Organization`) to a health facility of openIMIS.
//!
//! openIMIS has no place for a registry's `Endpoint`. It is let through, so that registries may send what mCSD says, and not written.

mod compare;
mod names;
mod page;
mod settings;
mod source;
mod wanted;

use uuid::Uuid;

use crate::Mapped;
use crate::bundle::Documents;
use crate::fhir::codes::IG;
use crate::fhir::primitives::shown;
use crate::issue::{Issue, IssueType};
use crate::json::{document, to_json};
use crate::lookup::{Answer, By, Outcome, Questions, Resource, with_code};
use compare::{Existing, GraphNode, Input};
use names::Name;
use wanted::Wanted;

pub use page::{Page, page};
pub use settings::Settings;

/// What can be told of a facility before anything is looked up.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Envelope {
    /// The facility's code in openIMIS.
    pub code: Option<String>,
    /// Changes whenever something changes that openIMIS holds. A facility with the fingerprint that was last sent needs no look-up.
    pub fingerprint: Option<String>,
}

/// Reads the [`Envelope`]; never fails.
pub fn envelope(document: &str, settings: &Settings) -> Envelope {
    let mut issues = Vec::new();
    let Ok(documents) = Documents::read(document, &["Location"], &mut issues) else { return Envelope::default() };
    let Some(wanted) = Wanted::of(&documents, settings, &mut issues) else { return Envelope::default() };
    Envelope { code: wanted.code.clone(), fingerprint: wanted.complete().map(|wanted| fingerprint(&wanted)) }
}

/// The registry's official number of a facility: another one is another facility. The flag: whether the
/// settings say which facility of openIMIS it is, or that it is one of its own.
pub fn national_id(document: &str, settings: &Settings) -> Option<(String, bool)> {
    let documents = Documents::read(document, &["Location"], &mut Vec::new()).ok()?;
    let id = Wanted::of(&documents, settings, &mut Vec::new())?.national_id?;
    let is_decided = settings.codes.iter().any(|row| id.is(&row.source)) || id.is_one_of(&settings.distinct);
    Some((id.value, is_decided))
}

/// Turns one facility of a registry into what openIMIS' GraphQL mutations `createHealthFacility` and `updateHealthFacility` take.
///
/// # Shapes
/// `document`: one facility as a FHIR `Location`, or a `Bundle` of it with its organizations and areas ([`page`] makes them). `known`:
/// what openIMIS said. Returns `{"action", "code", "uuid", "changes", "input"}`: action `create`, `update` or `none`; `input` is the
/// mutation's input, complete, since openIMIS empties what an update does not repeat.
/// # Errors
/// No name, code, level, legal form or district; more than openIMIS holds; a facility of the same name in the district, which an admin
/// has to look at. All at once.
/// # Source
/// openIMIS: `location/gql_mutations.py`, `location/services.py`. Cases: `wit/cases/facility/`.
pub fn map(document: &str, known: &[Answer], settings: &Settings) -> Outcome {
    let mut issues = Vec::new();
    let documents = match Documents::read(document, &["Location"], &mut issues) {
        Ok(documents) => documents,
        Err(fatal) => return Outcome::Issues(fatal),
    };
    let mut questions = Questions::new(known);
    let mapped = Wanted::of(&documents, settings, &mut issues)
        .and_then(|wanted| decide(&wanted, &mut questions, settings, &mut issues));
    questions.outcome(mapped, issues)
}

/// Compares with what openIMIS has.
fn decide(partial: &Wanted, questions: &mut Questions, settings: &Settings, issues: &mut Vec<Issue>) -> Option<Mapped> {
    let district = partial.district.as_deref().and_then(|code| district(code, &partial.path, questions, issues));
    let existing = partial.code.as_deref().and_then(|code| existing(code, &partial.path, questions, issues));
    let wanted = partial.complete();
    if let (Some(None), Some(district)) = (&existing, partial.district.as_deref()) {
        same_name(partial, district, questions, settings, issues);
    }
    let (wanted, district, found) = (wanted?, district?, existing?);
    let input = Input::new(&wanted, district, found.as_ref());
    let changes = found.as_ref().map(|existing| input.changes(existing)).unwrap_or_default();
    let action = match &found {
        None if wanted.is_closed => "none",
        None => "create",
        Some(_) if changes.is_empty() => "none",
        Some(_) => "update",
    };
    let uuid = found.as_ref().and_then(Existing::uuid);
    let body =
        compare::Decision { action, code: &wanted.code, uuid, changes, input: (action != "none").then_some(input) };
    match to_json(&body) {
        Ok(body) => {
            let idempotency_key = format!("facility/{}/{}", wanted.code, fingerprint(&wanted));
            Some(Mapped { body, idempotency_key, warnings: Vec::new() })
        }
        Err(_) => {
            issues.push(Issue::fatal("Location", "the facility could not be written"));
            None
        }
    }
}

/// A fingerprint, not a seal: it tells whether something has changed.
fn fingerprint(wanted: &wanted::Complete) -> String {
    let text = to_json(wanted).unwrap_or_default(); // texts only: cannot fail
    Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{IG}/Organization?is={text}").as_bytes()).to_string()
}

/// openIMIS' database number of the district, which its mutations ask for.
fn district(code: &str, path: &str, questions: &mut Questions, issues: &mut Vec<Issue>) -> Option<i64> {
    let found = questions.ask(Resource::Location, By::Code, code)?;
    let own =
        |text: &&String| document::<GraphNode>(text, "answer").ok().and_then(|node| node.code().map(str::to_owned));
    let found: Vec<&String> = with_code(found.iter(), code, own);
    let path = format!("{path}.partOf");
    let [text] = found[..] else {
        let (code, count) = (shown(code), found.len());
        let issue = match count {
            0 => Issue::error(IssueType::NotFound, path, format!("openIMIS has no district {code}")),
            _ => {
                Issue::error(IssueType::Conflict, path, format!("openIMIS has {count} districts {code}; expected one"))
            }
        };
        issues.push(issue);
        return None;
    };
    let number = document::<GraphNode>(text, "Location").ok().and_then(|node| node.number());
    if number.is_none() {
        issues.push(Issue::error(IssueType::Structure, path, "openIMIS' answer holds no id of the district"));
    }
    number
}

/// The facility with this code: none while that is not known, `Some(None)` if there is none. One without a uuid cannot be updated: openIMIS
/// would make a second one of it.
fn existing<'k>(
    code: &str,
    path: &str,
    questions: &mut Questions<'k>,
    issues: &mut Vec<Issue>,
) -> Option<Option<Existing<'k>>> {
    let found = questions.ask(Resource::HealthFacility, By::Code, code)?;
    let parsed: Option<Vec<Existing<'k>>> =
        found.iter().map(|text| document::<Existing>(text, "HealthFacility").ok()).collect();
    let Some(found) = parsed else {
        let text = "openIMIS' answer is no list of facilities";
        issues.push(Issue::error(IssueType::Structure, format!("{path}.identifier"), text));
        return None;
    };
    // openIMIS may answer with more than it was asked for.
    let mut found = with_code(found.into_iter(), code, |found| found.code().map(str::to_owned));
    match (found.pop(), found.len()) {
        (None, _) => Some(None),
        (Some(one), 0) if one.uuid().is_some() => Some(Some(one)),
        (Some(_), 0) => {
            let text = format!("openIMIS' answer holds no uuid of the facility {}", shown(code));
            issues.push(Issue::error(IssueType::Structure, format!("{path}.identifier"), text));
            None
        }
        (Some(_), others) => {
            let text = format!("openIMIS has {} facilities {}; expected one", others + 1, shown(code));
            issues.push(Issue::error(IssueType::Conflict, format!("{path}.identifier"), text));
            None
        }
    }
}

/// A new facility with the name of another one in its district is often the same under another number.
fn same_name(wanted: &Wanted, district: &str, questions: &mut Questions, settings: &Settings, issues: &mut Vec<Issue>) {
    let (Some(name), false) = (wanted.name.as_deref(), wanted.is_closed) else { return };
    if wanted.national_id.as_ref().is_some_and(|id| id.is_one_of(&settings.distinct)) {
        return;
    }
    let Some(others) = questions.ask(Resource::HealthFacility, By::District, district) else { return };
    let own = Name::of(name);
    let is_other = |other: &Existing| wanted.code.is_none() || other.code() != wanted.code.as_deref();
    let others = others.iter().filter_map(|text| document::<Existing>(text, "HealthFacility").ok());
    for other in others.filter(is_other) {
        if other.name().is_some_and(|name| Name::of(name).is_like(&own)) {
            let code = other.code().map(shown).unwrap_or_default();
            let text = format!(
                "{code} in the same district has the same name; is it the same facility? An admin decides: a row of codes, or distinct"
            );
            issues.push(Issue::error(IssueType::Conflict, format!("{}.name", wanted.path), text));
        }
    }
}
