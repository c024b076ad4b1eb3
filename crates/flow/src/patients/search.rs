//! Which contacts of CHT are compared with an insuree, and what follows.

use super::compare::{
    almost, contradiction, has_same_number, is_another_insuree, is_same_insuree, is_same_person,
    is_same_person_otherwise_written,
};
use super::text;
use crate::Flow;
use crate::message::Trail;
use crate::peers::PeerError;
use crate::ports::{Clock, Http, Mapper, Store};
use crate::proposal::{Contact, Person, PossibleMatch};
use crate::settings::MatchBy;

/// What came of the search.
pub(crate) enum Search {
    /// One contact is the insuree.
    Found(PossibleMatch, MatchBy),
    /// CHT does not have the insuree.
    Nobody,
    /// A person has to decide; the best first.
    Unsure(Vec<PossibleMatch>),
}

/// More are shown to nobody.
const PROPOSED: usize = 5;

impl<H: Http, S: Store, C: Clock, M: Mapper> Flow<H, S, C, M> {
    /// Looks for an insuree among the contacts in the ways that the settings allow. `refused` are contacts of which a person said that
    /// they are somebody else; only the insuree's uuid on the contact is stronger than that word.
    pub(crate) async fn find_contact(
        &self,
        person: &Person,
        refused: &[String],
        trail: &mut Trail,
    ) -> Result<Search, PeerError> {
        let settings = &self.settings.cht;
        let proposes = settings.propose_similar && self.store.keeps_proposals();
        let not_refused = |contact: &Contact| !refused.contains(&contact.id());
        let prefix = &self.settings.mapping.patient.phone_prefix;
        for way in &settings.match_by {
            let exact = match way {
                MatchBy::OpenimisId => {
                    let found = self.contacts_by_field("openimis_id", &person.insuree.to_string(), trail).await?;
                    let found = keep(found, |contact| is_same_insuree(person, contact));
                    // Of several a person has to refuse some, or the claim would wait for ever.
                    if found.len() > 1 { keep(found, not_refused) } else { found }
                }
                MatchBy::InsuranceNumber => {
                    let Some(number) = person.field("chf_id") else { continue };
                    let found = self.contacts_by_number(&number, trail).await?;
                    let found = keep(found, |contact| has_same_number(person, contact) && not_refused(contact));
                    if let [one] = &found[..] {
                        let against = match is_another_insuree(person, one) {
                            true => Some("with another openIMIS uuid".to_owned()),
                            false => contradiction(person, one, prefix),
                        };
                        if let Some(against) = against {
                            let why = format!("same insurance number, but {against}");
                            return Ok(Search::Unsure(vec![one.possible(false, 0.5, why)]));
                        }
                    }
                    found
                }
                MatchBy::Phone => {
                    let complete = ["phone", "name", "date_of_birth"].iter().all(|name| person.field(name).is_some());
                    if !complete && !proposes {
                        continue; // nobody could be found
                    }
                    let found = keep(self.candidates(person, trail).await?, not_refused);
                    let same = same_person(person, &found, prefix);
                    if same.is_empty() && proposes {
                        let mut possible: Vec<_> =
                            found.iter().filter_map(|contact| almost(person, contact, prefix)).collect();
                        possible.sort_by_key(|one| std::cmp::Reverse(one.score));
                        possible.truncate(PROPOSED);
                        if !possible.is_empty() {
                            return Ok(Search::Unsure(possible));
                        }
                    }
                    same
                }
            };
            match &exact[..] {
                [] => {}
                [one] => {
                    return Ok(Search::Found(one.possible(false, 0.5, format!("the same {}", way.what())), *way));
                }
                several => {
                    let why = format!("the same {}, and not the only one", way.what());
                    let possible = several.iter().take(PROPOSED).map(|one| one.possible(true, 1.0, why.clone()));
                    return Ok(Search::Unsure(possible.collect()));
                }
            }
        }
        Ok(Search::Nobody)
    }

    /// Contacts with an insurance number, as openIMIS writes it and without its blanks.
    async fn contacts_by_number(&self, number: &str, trail: &mut Trail) -> Result<Vec<Contact>, PeerError> {
        let field = &self.settings.cht.insurance_number_field;
        let mut found = self.contacts_by_field(field, number, trail).await?;
        let plain = text::number(number);
        if plain != number.to_lowercase() {
            let known: Vec<String> = found.iter().map(Contact::id).collect();
            let others = self.contacts_by_field(field, &plain, trail).await?;
            found.extend(others.into_iter().filter(|contact| !known.contains(&contact.id())));
        }
        Ok(found)
    }

    /// Contacts with the insuree's phone or date of birth.
    async fn candidates(&self, person: &Person, trail: &mut Trail) -> Result<Vec<Contact>, PeerError> {
        let mut found = match person.field("phone") {
            Some(phone) => self.contacts_by_phone(&phone, trail).await?,
            None => Vec::new(),
        };
        if let Some(born) = person.field("date_of_birth").and_then(|date| text::date(&date)) {
            let born = self.contacts_by_field("date_of_birth", &born.to_string(), trail).await?;
            let known: Vec<String> = found.iter().map(Contact::id).collect();
            found.extend(born.into_iter().filter(|contact| !known.contains(&contact.id())));
        }
        Ok(found)
    }
}

/// Who is the same to the letter; if nobody is, who is the same otherwise written.
fn same_person(person: &Person, found: &[Contact], prefix: &str) -> Vec<Contact> {
    let exact = keep(found.to_vec(), |contact| is_same_person(person, contact, prefix));
    if !exact.is_empty() {
        return exact;
    }
    keep(found.to_vec(), |contact| is_same_person_otherwise_written(person, contact, prefix))
}

fn keep(contacts: Vec<Contact>, wanted: impl Fn(&Contact) -> bool) -> Vec<Contact> {
    contacts.into_iter().filter(wanted).collect()
}
