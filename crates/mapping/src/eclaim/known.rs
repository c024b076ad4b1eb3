//! What openIMIS answers about people, places and things.

use super::Work;
use super::source::Found;
use crate::fhir::codes::CODE;
use crate::fhir::elements::{OpenImisId, of_openimis, openimis_identifier};
use crate::fhir::primitives::{plain, shape_of, shown, uuid};
use crate::issue::{Issue, IssueType};
use crate::json::document;
use crate::lookup::{By, MAX_CODE, Resource, is_askable, with_code};

impl<'w> Work<'w> {
    /// openIMIS' uuid of something, looked up where only a code is known. `told`: the code, where an issue may repeat it.
    pub(super) fn known(
        &mut self,
        resource: Resource,
        id: OpenImisId,
        path: &str,
        what: &str,
        told: Option<&str>,
    ) -> Option<Known<'w>> {
        let code = match id {
            OpenImisId::Uuid(uuid) => return Some(Known { uuid, text: None }),
            OpenImisId::Code(code) => code,
        };
        if !is_askable(&code) {
            let expected = format!("a code of up to {MAX_CODE} characters, as openIMIS holds");
            self.issues.push(Issue::unusable(path.to_owned(), &expected, shape_of(&code)));
            return None;
        }
        let found = self.questions.ask(resource, By::Code, &code)?;
        let told = told.map(|code| format!(" {}", shown(code))).unwrap_or_default();
        let mut uuids: Vec<(String, &'w str)> = Vec::new();
        // openIMIS' FHIR answers with everything where it does not know what it is asked to search by.
        let found: Vec<&'w String> = with_code(found.iter(), &code, |text| openimis_code(text));
        for text in &found {
            match openimis_uuid(text) {
                Some(uuid) if uuids.iter().all(|(other, _)| *other != uuid) => uuids.push((uuid, text)),
                Some(_) => {}
                None => self.error(
                    IssueType::Structure,
                    path,
                    format!("openIMIS' answer holds no uuid of the {what}{told}"),
                ),
            }
        }
        match uuids.len() {
            0 if found.is_empty() => self.error(IssueType::NotFound, path, format!("openIMIS has no {what}{told}")),
            0 => {}
            1 => return uuids.pop().map(|(uuid, text)| Known { uuid, text: Some(text) }),
            many => {
                self.error(IssueType::Conflict, path, format!("openIMIS has {many} for the {what}{told}; expected one"))
            }
        }
        None
    }
}

/// What openIMIS knows.
pub(super) struct Known<'w> {
    pub uuid: String,
    /// The resource that openIMIS answered, if it was asked.
    pub text: Option<&'w str>,
}

/// The code in a resource or node of openIMIS.
pub(crate) fn openimis_code(text: &str) -> Option<String> {
    let found: Found = document(text, "answer").ok()?;
    let identifier = of_openimis(&found.identifier, CODE, None);
    identifier.or_else(|| plain(&found.code)).or_else(|| plain(&found.chf_id)).map(str::to_owned)
}

/// The uuid in a resource or node of openIMIS: the identifier of type `UUID`, GraphQL's `uuid`, else the id.
fn openimis_uuid(text: &str) -> Option<String> {
    let found: Found = document(text, "answer").ok()?;
    match openimis_identifier(&found.identifier) {
        Some(OpenImisId::Uuid(uuid)) => Some(uuid),
        _ => [&found.uuid, &found.id].into_iter().find_map(|id| uuid(plain(id)?)).map(|uuid| uuid.to_string()),
    }
}
