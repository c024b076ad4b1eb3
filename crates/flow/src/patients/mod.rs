//! One CHT contact for one insuree: the stored link as long as CHT has its contact, else a contact that CHT has, else a new person.
//!
//! Only a single contact that fits exactly is taken. What fits several times or almost is proposed to a person, and the claim waits:
//! a duplicate is a nuisance, but one person's claim at another's door is worse.
//!
//! # Layout
//! - `compare`: what fits exactly, and what almost does. `text`: names, numbers and dates as they are compared. Both are pure.
//! - `linked`: whether the linked contact is still there.
//! - `search`: asks CHT for the contacts that are compared. `place`: which CHT place a new person comes to.

mod compare;
mod linked;
mod place;
mod search;
mod text;

use jiff::Timestamp;
use mapping::ids::InsureeUuid;

use crate::Flow;
use crate::deliver::{Attempt, Interruption, unmappable};
use crate::message::{Message, Outcome};
use crate::peers::PeerError;
use crate::ports::{Clock, Http, Mapper, Store};
use crate::proposal::{Person, PossibleMatch};
use crate::settings::MatchBy;

pub use linked::CONTACT;
pub(crate) use linked::LinkChecks;
pub(crate) use search::Search;

/// With this the reason of a claim begins that waits for a person's decision.
pub const WAITS: &str = "waits for a person: ";

impl<H: Http, S: Store, C: Clock, M: Mapper> Flow<H, S, C, M> {
    /// The CHT contact of a claim's insuree.
    pub(crate) async fn contact(
        &self,
        insuree: InsureeUuid,
        message: &Message,
        attempt: &mut Attempt,
    ) -> Result<String, Interruption> {
        let uuid = insuree.to_string();
        let gone = match self.store.link(&uuid).await? {
            Some(contact) if self.still_linked(&contact, &uuid, message, attempt).await? => return Ok(contact),
            gone => gone,
        };
        let stop = |error: PeerError| self.stop(&error, false, message);
        let patient = match self.openimis_resource("Patient", &uuid, &mut attempt.trail).await {
            Ok(answer) => answer.text,
            Err(error) if error.is_not_there() => {
                let reason = format!("openIMIS does not know the claim's patient {uuid}");
                return Err(Outcome::dead(reason).into());
            }
            Err(error) => return Err(stop(error)),
        };
        let (codes, settings) = self.places_for(&patient, message, attempt).await?;
        let person = match self.mapper.patient(&patient, &codes, &settings).await {
            Ok(Ok(person)) => person,
            Ok(Err(issues)) => return Err(unmappable("the patient", issues).into()),
            Err(error) => return Err(self.parked(&error, message)),
        };
        for warning in &person.warnings {
            attempt.trail.note(self.clock.now(), "mapped patient", warning.to_string());
        }
        let contact = self.linked_to(Person::read(&person.body, insuree), person.body, gone, message, attempt).await?;
        self.seen(&contact);
        Ok(contact)
    }

    /// Finds or creates the contact of an insuree, and links it. `gone`: the contact that it was linked to and that CHT no longer has.
    async fn linked_to(
        &self,
        wanted: Person,
        person: String,
        gone: Option<String>,
        message: &Message,
        attempt: &mut Attempt,
    ) -> Result<String, Interruption> {
        let uuid = wanted.insuree.to_string();
        let stop = |error: PeerError| self.stop(&error, false, message);
        let mut refused = self.store.refused_contacts(&uuid).await?;
        refused.extend(gone.clone());
        let now = || self.clock.now();
        let found = self.find_contact(&wanted, &refused, &mut attempt.trail).await.map_err(stop)?;
        if let Some(gone) = &gone {
            if matches!(found, Search::Nobody) {
                self.may_create_again(gone, &uuid)?;
            }
            self.store.unlink(&uuid, gone).await?;
        }
        let (contact, how) = match found {
            Search::Found(found, way) => {
                let how = format!("matched by {}", way.word());
                let linked = match way {
                    // The contact itself says whose it is.
                    MatchBy::OpenimisId => Some(self.store.save_link(&uuid, &found.contact_id, &how, now()).await?),
                    _ => self.store.save_match(&uuid, &found.contact_id, &how, now()).await?,
                };
                match linked {
                    Some(contact) => (contact, how),
                    None => {
                        let why = format!("{}, but linked to another insuree", found.why);
                        let possible = [PossibleMatch { why, ..found }];
                        return Err(self.left_to_a_person(&wanted, &possible, message, attempt).await?);
                    }
                }
            }
            Search::Nobody => {
                let created = self.create_person(wanted.insuree, person, &refused, &mut attempt.trail).await;
                let how = "created".to_owned();
                (self.store.save_link(&uuid, &created.map_err(stop)?, &how, now()).await?, how)
            }
            Search::Unsure(possible) => {
                return Err(self.left_to_a_person(&wanted, &possible, message, attempt).await?);
            }
        };
        attempt.trail.note(now(), "linked", format!("CHT contact {contact} ({how})"));
        Ok(contact)
    }

    /// Keeps the proposals where the store can; the claim waits for what is decided.
    async fn left_to_a_person(
        &self,
        insuree: &Person,
        possible: &[PossibleMatch],
        message: &Message,
        attempt: &mut Attempt,
    ) -> Result<Interruption, Interruption> {
        for one in possible {
            attempt.trail.note(
                self.clock.now(),
                "possible match",
                format!("CHT contact {}: {}", one.contact_id, one.why),
            );
        }
        let count = match possible {
            [_] => "a CHT contact may be the claim's patient".to_owned(),
            many => format!("{} CHT contacts may be the claim's patient", many.len()),
        };
        let next = if self.store.keeps_proposals() {
            if !self.store.propose(message.id, insuree, possible, self.clock.now()).await? {
                let at = self.clock.now().saturating_add(self.settings.retry.first).unwrap_or(Timestamp::MAX);
                return Ok(
                    Outcome::Waiting { at, reason: "who the patient is was decided meanwhile".to_owned() }.into()
                );
            }
            "`patients list` shows who; confirm or refuse it"
        } else {
            "join them into one contact in CHT, then retry"
        };
        Ok(Outcome::dead(format!("{WAITS}{count}: {next}")).into())
    }
}
