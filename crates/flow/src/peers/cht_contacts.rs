//! Contacts at CHT: looked up and created, by whichever of its APIs a version has.
//!
//! | | 4.x before 4.18 | 4.18 to 5.x | later |
//! | --- | --- | --- | --- |
//! | by a field | view `contacts_by_type_freetext` | `GET /api/v1/contact/uuid` | the same |
//! | documents | `GET /medic/_all_docs` | the same | the same |
//! | create | `POST /api/v1/people` | the same | `POST /api/v1/person` (5.2; takes no `_id`) |

use std::sync::atomic::Ordering;

use http::{Method, StatusCode};
use mapping::ids::{InsureeUuid, contact_id, further_contact_id};
use serde::Deserialize;
use serde_json::Value;

use super::{Peer, PeerError};
use crate::Flow;
use crate::message::Trail;
use crate::ports::{Clock, Http, Mapper, Store};
use crate::proposal::Contact;
use crate::settings::Settings;

const PEER: Peer = Peer::Cht;
/// Most contacts that a search gives: with more of them nobody is told apart.
const MOST: usize = 200;
/// Documents a request: their ids stand in its address.
const DOCUMENTS: usize = 50;
/// How many `_id`s a person may have: more than anybody deletes.
const IDS: u32 = 8;

#[derive(Deserialize)]
struct Ids {
    data: Vec<String>,
}

#[derive(Deserialize)]
struct Rows {
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    id: Option<String>,
    doc: Option<Value>,
}

#[derive(Deserialize)]
struct Documents {
    docs: Vec<Value>,
}

#[derive(Deserialize)]
struct CreateAnswer {
    ok: bool,
}

#[derive(Deserialize)]
struct Person {
    #[serde(rename = "_id")]
    id: String,
}

impl<H: Http, S: Store, C: Clock, M: Mapper> Flow<H, S, C, M> {
    /// Persons of which a field has this value.
    pub(crate) async fn contacts_by_field(
        &self,
        field: &str,
        value: &str,
        trail: &mut Trail,
    ) -> Result<Vec<Contact>, PeerError> {
        // CHT puts the term between quotes without escaping them. It takes blanks where the term names its field, as this one does.
        let unusable = |letter: char| letter.is_control() || matches!(letter, '"' | '\\');
        if value.is_empty() || value.contains(unusable) {
            return Ok(Vec::new());
        }
        let term = format!("{field}:{value}").to_lowercase(); // as CHT indexes it
        let ids = self.contact_ids(&term, trail).await?;
        if ids.len() >= MOST {
            trail.note(
                self.clock.now(),
                "match",
                format!("{MOST} or more contacts by {field}: only so many are compared"),
            );
        }
        self.contacts(&ids, trail).await
    }

    async fn contact_ids(&self, term: &str, trail: &mut Trail) -> Result<Vec<String>, PeerError> {
        let person_type = &self.settings.mapping.patient.person_type;
        let limit = MOST.to_string();
        if !self.old_search.load(Ordering::Relaxed) {
            let mut url = self.cht_address("api/v1/contact/uuid")?;
            url.query_pairs_mut()
                .append_pair("type", person_type)
                .append_pair("freetext", term)
                .append_pair("limit", &limit);
            match self.cht(Method::GET, url, None, trail).await {
                // The route came with CHT 4.18; the view went with 5.0.
                Err(PeerError::Refused(_, StatusCode::NOT_FOUND, _)) => {}
                answer => {
                    let ids: Ids = answer?.json(PEER, "a list of ids")?;
                    return Ok(ids.data.into_iter().take(MOST).collect());
                }
            }
        }
        let mut url = self.cht_address("medic/_design/medic-client/_view/contacts_by_type_freetext")?;
        let key = serde_json::json!([person_type, term]).to_string();
        url.query_pairs_mut().append_pair("key", &key).append_pair("limit", &limit);
        let answer = match self.cht(Method::GET, url, None, trail).await {
            // CHT was upgraded while the mediator ran: the next attempt takes the route.
            Err(PeerError::Refused(peer, StatusCode::NOT_FOUND, text))
                if self.old_search.swap(false, Ordering::Relaxed) =>
            {
                return Err(PeerError::Failed(peer, StatusCode::NOT_FOUND, text));
            }
            answer => answer?,
        };
        let rows: Rows = answer.json(PEER, "rows of a view")?;
        self.old_search.store(true, Ordering::Relaxed);
        Ok(rows.rows.into_iter().filter_map(|row| row.id).take(MOST).collect())
    }

    async fn contacts(&self, ids: &[String], trail: &mut Trail) -> Result<Vec<Contact>, PeerError> {
        let mut contacts = Vec::new();
        for some in ids.chunks(DOCUMENTS) {
            let documents = self.cht_documents(some, trail).await?;
            contacts.extend(documents.into_iter().filter_map(|document| self.contact_of(document)));
        }
        Ok(contacts)
    }

    /// Documents by their ids; those that are not there are left out. Any online user may ask.
    pub(crate) async fn cht_documents(&self, ids: &[String], trail: &mut Trail) -> Result<Vec<Value>, PeerError> {
        let mut url = self.cht_address("medic/_all_docs")?;
        let keys = Value::from(ids).to_string();
        url.query_pairs_mut().append_pair("include_docs", "true").append_pair("keys", &keys);
        let answer = self.cht(Method::GET, url, None, trail).await?;
        let rows: Rows = answer.json(PEER, "rows of documents")?;
        Ok(rows.rows.into_iter().filter_map(|row| row.doc.filter(|doc| !doc.is_null())).collect())
    }

    /// Persons with exactly this phone.
    pub(crate) async fn contacts_by_phone(&self, phone: &str, trail: &mut Trail) -> Result<Vec<Contact>, PeerError> {
        let mut url = self.cht_address("api/v1/contacts-by-phone")?;
        url.query_pairs_mut().append_pair("phone", phone);
        let answer = match self.cht(Method::GET, url, None, trail).await {
            Err(PeerError::Refused(_, StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST, _)) => return Ok(Vec::new()),
            other => other?,
        };
        let found: Documents = answer.json(PEER, "docs")?;
        Ok(found.docs.into_iter().filter_map(|document| self.contact_of(document)).collect())
    }

    fn contact_of(&self, document: Value) -> Option<Contact> {
        let Settings { cht, mapping, .. } = &*self.settings;
        Contact::read(document, &mapping.patient.person_type, &cht.insurance_number_field)
    }

    /// Creates the person of an insuree. "Exists" is success if the person is there: its `_id` is the insuree's. An `_id` that CHT neither
    /// takes nor has (its document was deleted), or of which a person said that it is somebody else (`refused`), gives way to the next.
    pub(crate) async fn create_person(
        &self,
        insuree: InsureeUuid,
        person: String,
        refused: &[String],
        trail: &mut Trail,
    ) -> Result<String, PeerError> {
        let mut last = None;
        for number in 1..=IDS {
            let own = if number == 1 { contact_id(insuree) } else { further_contact_id(insuree, number) }.to_string();
            // A contact that is gone may be made once more under its `_id`; who was refused is there, and somebody else.
            if number < IDS && refused.contains(&own) && self.is_there(&own, trail).await? {
                continue;
            }
            let url = self.cht_address("api/v1/people")?;
            let person = if number == 1 { person.clone() } else { with_id(&person, &own)? };
            match self.cht(Method::POST, url, Some(person.clone()), trail).await {
                Ok(answer) => match answer.json(PEER, "ok")? {
                    CreateAnswer { ok: true } => return Ok(own),
                    CreateAnswer { ok: false } => {
                        return Err(PeerError::Unreadable(PEER, answer.status, "not ok".to_owned()));
                    }
                },
                Err(error @ PeerError::Refused(_, StatusCode::CONFLICT, _)) => {
                    if self.is_there(&own, trail).await? {
                        return Ok(own);
                    }
                    trail.note(self.clock.now(), "contact", format!("CHT had {own} before and does not take it again"));
                    last = Some(error);
                }
                // An unknown route; an unknown place is told in CHT's own words.
                Err(PeerError::Refused(_, StatusCode::NOT_FOUND, text)) if !text.to_lowercase().contains("place") => {
                    return self.create_person_without_id(insuree, &person, trail).await;
                }
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| PeerError::NotSent(PEER, "no _id is left for a person".to_owned())))
    }

    /// Whether CHT has a document. A user who may not ask is taken at CHT's word that it does.
    async fn is_there(&self, id: &str, trail: &mut Trail) -> Result<bool, PeerError> {
        match self.cht_documents(&[id.to_owned()], trail).await {
            Ok(documents) => Ok(!documents.is_empty()),
            Err(PeerError::Failed(_, StatusCode::FORBIDDEN, _) | PeerError::Refused(..)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// By the API that takes no `_id`: an earlier attempt is looked for, since a second one would make a second person.
    async fn create_person_without_id(
        &self,
        insuree: InsureeUuid,
        person: &str,
        trail: &mut Trail,
    ) -> Result<String, PeerError> {
        let earlier = self.contacts_by_field("openimis_id", &insuree.to_string(), trail).await?;
        if let Some(earlier) = earlier.iter().find(|contact| contact.is(insuree)) {
            return Ok(earlier.id());
        }
        let mut person = object(person)?;
        person.remove("_id");
        if let Some(place) = person.remove("place") {
            person.insert("parent".to_owned(), place);
        }
        if let Some(kind) = person.remove("contact_type") {
            person.insert("type".to_owned(), kind);
        }
        let url = self.cht_address("api/v1/person")?;
        let answer = self.cht(Method::POST, url, Some(Value::Object(person).to_string()), trail).await?;
        let person: Person = answer.json(PEER, "a person with its _id")?;
        Ok(person.id)
    }
}

fn object(person: &str) -> Result<serde_json::Map<String, Value>, PeerError> {
    let unusable = || PeerError::NotSent(PEER, "the mapped person is no JSON object".to_owned());
    serde_json::from_str(person).map_err(|_| unusable())
}

/// The same person under another `_id`.
fn with_id(person: &str, id: &str) -> Result<String, PeerError> {
    let mut person = object(person)?;
    person.insert("_id".to_owned(), Value::from(id));
    Ok(Value::Object(person).to_string())
}
