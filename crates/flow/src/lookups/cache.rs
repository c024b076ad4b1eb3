//! Answers that are kept for a while: facilities, items and who enters claims are the same from claim to claim.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use mapping::lookup::{Answer, By, Lookup, Resource};

/// Longest time after which a change in openIMIS, a new price for example, is seen.
const KEPT: SignedDuration = SignedDuration::from_mins(5);
/// Most answers; a scheme has a few thousand items and services. About 300 bytes each.
const MOST: usize = 5000;

/// Bounded in number and time. What openIMIS does not have is not kept: somebody may be entering it just now.
#[derive(Default)]
pub(crate) struct Answers {
    kept: BTreeMap<Lookup, (Timestamp, Vec<String>)>,
}

impl Answers {
    pub fn get(&self, lookup: &Lookup, now: Timestamp) -> Option<Answer> {
        let (at, found) = self.kept.get(lookup)?;
        let age = now.duration_since(*at);
        (!age.is_negative() && age <= KEPT).then(|| Answer { lookup: lookup.clone(), found: found.clone() })
    }

    pub fn keep(&mut self, answer: &Answer, now: Timestamp) {
        if answer.found.is_empty() || !is_kept(&answer.lookup) {
            return;
        }
        if self.kept.len() >= MOST && !self.kept.contains_key(&answer.lookup) {
            self.kept.retain(|_, (at, _)| now.duration_since(*at) <= KEPT);
            if self.kept.len() >= MOST {
                self.kept.clear(); // all are young: begun anew is as good as any order
            }
        }
        self.kept.insert(answer.lookup.clone(), (now, answer.found.clone()));
    }
}

/// Who is insured, and what is about to be changed, is asked each time.
fn is_kept(lookup: &Lookup) -> bool {
    use Resource::{ActivityDefinition, Location, Medication, Organization, Practitioner};
    let seldom_changes =
        matches!(lookup.resource, Organization | Practitioner | Medication | ActivityDefinition | Location);
    seldom_changes && lookup.by != By::District
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(resource: Resource, value: &str, found: &[&str]) -> Answer {
        let lookup = Lookup { resource, by: By::Code, value: value.to_owned() };
        Answer { lookup, found: found.iter().map(|text| (*text).to_owned()).collect() }
    }

    #[test]
    fn an_answer_is_kept_for_a_while_and_what_may_change_is_not() {
        let (mut answers, at) = (Answers::default(), Timestamp::UNIX_EPOCH);
        let item = answer(Resource::Medication, "0004", &["{}"]);
        let policy = answer(Resource::Policy, "070707070", &["{}"]);
        let nothing = answer(Resource::Medication, "0005", &[]);
        for answer in [&item, &policy, &nothing] {
            answers.keep(answer, at);
        }
        assert_eq!(answers.get(&item.lookup, at + KEPT), Some(item.clone()));
        assert_eq!(answers.get(&item.lookup, at + KEPT + SignedDuration::from_secs(1)), None);
        assert_eq!(answers.get(&item.lookup, at - SignedDuration::from_secs(1)), None, "the clock was set back");
        assert_eq!(answers.get(&policy.lookup, at), None);
        assert_eq!(answers.get(&nothing.lookup, at), None);
    }

    #[test]
    fn there_are_never_more_than_a_bounded_number() {
        let (mut answers, at) = (Answers::default(), Timestamp::UNIX_EPOCH);
        for number in 0..=MOST {
            answers.keep(&answer(Resource::Medication, &number.to_string(), &["{}"]), at);
            assert!(answers.kept.len() <= MOST);
        }
        let last = answer(Resource::Medication, &MOST.to_string(), &["{}"]);
        assert_eq!(answers.get(&last.lookup, at), Some(last.clone()));
    }
}
