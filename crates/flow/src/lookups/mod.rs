//! What a mapping has to know of openIMIS: its questions are asked, and the answers checked before they count.
//!
//! Insurees are read through FHIR. All else is asked in GraphQL, everything that a mapping wants at a time in one request: openIMIS allows
//! an address 150 requests a minute.

mod cache;
mod fields;
mod policies;

use std::collections::BTreeSet;

use futures_util::future::join;
use mapping::lookup::{Answer, By, Lookup, Resource};
use serde_json::{Value, json};

use crate::Flow;
use crate::held;
use crate::message::Trail;
use crate::peers::PeerError;
use crate::peers::graphql::{next_page, nodes};
use crate::ports::{Clock, Http, Mapper, MapperError, Store};

pub(crate) use cache::Answers;
use fields::{Question, fields, question};

/// How often a mapping may ask anew: the insuree, then her policies, and no more is known to be wanted.
const ROUNDS: u8 = 4;
/// Questions in one request; openIMIS needs about 5 ms for each.
const BATCH: usize = 40;
/// Most things that a mapping may ask about at a time: a claim of 1000 items, its insuree, facility and administrator.
const MOST: usize = 1100;
/// Longest value that is looked for; openIMIS holds shorter ones.
const MAX_VALUE: usize = 100;

/// What one document's mapping was told so far.
#[derive(Debug, Default)]
pub struct LookupSession {
    answers: Vec<Answer>,
    rounds: u8,
}

impl LookupSession {
    /// The answers, for the mapping.
    pub fn answers(&self) -> &[Answer] {
        &self.answers
    }
}

/// Why a mapping is not told what it asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LookupError {
    /// openIMIS did not answer.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// The mapping asks in circles, or what cannot be asked.
    #[error(transparent)]
    Mapping(MapperError),
}

impl<H: Http, S: Store, C: Clock, M: Mapper> Flow<H, S, C, M> {
    /// Answers what a mapping wants to know, beside what it was told before.
    pub(crate) async fn find_out(
        &self,
        known: &mut LookupSession,
        wanted: Vec<Lookup>,
        trail: &mut Trail,
    ) -> Result<(), LookupError> {
        let fault = |what: String| {
            let name = wanted.first().map_or_else(|| "claim".to_owned(), |lookup| format!("{:?}", lookup.resource));
            Err(LookupError::Mapping(MapperError::Trap(format!("(look-up of {name})"), what)))
        };
        known.rounds += 1;
        if known.rounds > ROUNDS {
            return fault(format!("it wanted to know more after {ROUNDS} rounds of look-ups"));
        }
        if wanted.is_empty() || wanted.len() > MOST {
            return fault(format!("it asked {} things at a time; expected 1 to {MOST}", wanted.len()));
        }
        if wanted.iter().any(|lookup| known.answers.iter().any(|answer| answer.lookup == *lookup)) {
            return fault("it asked for what it was told before".to_owned());
        }
        if let Some(lookup) = wanted.iter().find(|lookup| !can_be_asked(lookup)) {
            return fault(format!("it asked by {:?}, which openIMIS cannot be asked", lookup.by));
        }
        known.answers.extend(self.look_up(&wanted, trail).await?);
        Ok(())
    }

    /// What openIMIS has, in the order of the questions. An answer that names something else than was asked for does not count.
    pub(crate) async fn look_up(&self, wanted: &[Lookup], trail: &mut Trail) -> Result<Vec<Answer>, PeerError> {
        let mut told: Vec<Answer> = {
            let (answers, now) = (held(&self.answers), self.clock.now());
            wanted.iter().filter_map(|lookup| answers.get(lookup, now)).collect()
        };
        let missing: BTreeSet<&Lookup> =
            wanted.iter().filter(|lookup| told.iter().all(|answer| answer.lookup != **lookup)).collect();
        let (patients, others): (Vec<&Lookup>, Vec<&Lookup>) =
            missing.into_iter().partition(|lookup| lookup.resource == Resource::Patient);
        let (mut of_patients, mut of_others) = (Trail::default(), Trail::default());
        let (patients, others) =
            join(self.look_up_patients(&patients, &mut of_patients), self.look_up_nodes(&others, &mut of_others)).await;
        trail.0.append(&mut of_patients.0);
        trail.0.append(&mut of_others.0);
        let fresh = [patients?, others?].concat();
        {
            let (mut answers, now) = (held(&self.answers), self.clock.now());
            fresh.iter().for_each(|answer| answers.keep(answer, now));
        }
        told.extend(fresh);
        let found = |lookup: &Lookup| told.iter().find(|answer| answer.lookup == *lookup).cloned();
        Ok(wanted.iter().filter_map(found).collect())
    }

    async fn look_up_patients(&self, wanted: &[&Lookup], trail: &mut Trail) -> Result<Vec<Answer>, PeerError> {
        let mut answers = Vec::new();
        for lookup in wanted {
            let mut found = Vec::new();
            // It becomes a part of a path.
            if is_plain(&lookup.value) {
                let lines = trail.0.len();
                let told = self.openimis_resource("Patient", &lookup.value, trail).await;
                if lookup.by == By::Code {
                    // The insurance number stays in the document.
                    let path = format!("Patient/{}/", lookup.value);
                    trail.0[lines..].iter_mut().for_each(|line| line.event = line.event.replace(&path, "Patient/…/"));
                }
                match told {
                    Ok(answer) if is_patient(&answer.text, lookup) => found.push(answer.text),
                    Ok(_) => {}
                    Err(error) if error.is_not_there() => {}
                    Err(error) => return Err(error),
                }
            }
            answers.push(Answer { lookup: (*lookup).clone(), found });
        }
        Ok(answers)
    }

    /// What openIMIS has by now, of everything but insurees.
    pub(crate) async fn look_up_nodes(&self, wanted: &[&Lookup], trail: &mut Trail) -> Result<Vec<Answer>, PeerError> {
        let (lists, single): (Vec<&Lookup>, Vec<&Lookup>) = wanted.iter().partition(|lookup| lookup.by == By::District);
        let mut answers = Vec::new();
        for batch in single.chunks(BATCH) {
            answers.extend(self.look_up_batch(batch, trail).await?);
        }
        for lookup in lists {
            let found = self.facilities_in(&lookup.value, trail).await?;
            answers.push(Answer { lookup: lookup.clone(), found });
        }
        Ok(answers)
    }

    async fn look_up_batch(&self, batch: &[&Lookup], trail: &mut Trail) -> Result<Vec<Answer>, PeerError> {
        let askable = |lookup: &&Lookup| !lookup.value.is_empty() && lookup.value.len() <= MAX_VALUE;
        let asked: Vec<&Lookup> = batch.iter().copied().filter(askable).collect();
        let Question { document, variables } = question(&asked)?;
        let data = match asked.is_empty() {
            true => Value::Null,
            false => self.graphql(&document, Value::Object(variables), trail).await?,
        };
        let answer = |lookup: &&Lookup| {
            let number = asked.iter().position(|other| other == lookup);
            let found = number.map(|number| fields::answers(lookup, number, &data)).unwrap_or_default();
            Answer { lookup: (*lookup).clone(), found }
        };
        Ok(batch.iter().map(answer).collect())
    }

    /// All facilities of a district, by its code.
    async fn facilities_in(&self, district: &str, trail: &mut Trail) -> Result<Vec<String>, PeerError> {
        let (mut found, mut after) = (Vec::new(), Value::Null);
        // A hundred thousand of them in one district are none.
        for _ in 0..1000 {
            let data = self.graphql(fields::FACILITIES, json!({"code": district, "after": after}), trail).await?;
            let list = &data["healthFacilities"];
            found.extend(nodes(list).map(Value::to_string));
            match next_page(list, &after) {
                Some(cursor) => after = cursor,
                None => break,
            }
        }
        Ok(found)
    }
}

fn can_be_asked(lookup: &Lookup) -> bool {
    lookup.resource == Resource::Patient && lookup.by != By::District
        || lookup.resource == Resource::HealthFacility && lookup.by == By::District
        || fields(lookup).is_some()
}

fn is_plain(value: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !value.is_empty() && value.len() <= MAX_VALUE && value.bytes().all(plain)
}

/// Whether a `Patient` has the number or uuid that was asked for.
fn is_patient(text: &str, lookup: &Lookup) -> bool {
    let kind = if lookup.by == By::Uuid { "UUID" } else { "Code" };
    let value = mapping::patient::identifier_of(text, kind).unwrap_or_default();
    // A database that ignores case answers with the code as it has it. The mapping takes the exact one where there are two.
    value.eq_ignore_ascii_case(&lookup.value)
}
