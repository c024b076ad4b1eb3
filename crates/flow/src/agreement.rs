//! What a document that comes with the key of another one must agree with it in. If it does not, it is another document, and neither may
//! stand for the other.
//!
//! Facts are compared as digests, so that they outlive the document without telling what they were. The digest is the store's: keyed where
//! it has a key.

use std::sync::Arc;

use mapping::{claim_response, eclaim, feedback};

use crate::settings::Settings;

/// Facts of a document, each with its name. What stands after a dot in a name says in which form the fact was given: facts in different
/// forms are not compared.
pub type Facts = Vec<(&'static str, String)>;

/// What another document with the same key must agree in.
#[derive(Clone, Debug, Default)]
pub struct Agreement {
    /// The facts of this document.
    pub facts: Facts,
    /// How they are read from a document that was stored without them.
    pub reader: Reader,
}

/// How facts are read from a stored document.
#[derive(Clone, Debug, Default)]
pub enum Reader {
    /// There are none.
    #[default]
    Nothing,
    /// `ClaimResponse` of openIMIS.
    ClaimResponse,
    /// Feedback of CHT.
    Feedback,
    /// A hospital's claim.
    Eclaim(Arc<Settings>),
}

impl Reader {
    /// The facts of a document; none if it cannot be read.
    pub fn read(&self, body: &[u8]) -> Facts {
        let Ok(text) = std::str::from_utf8(body) else { return Facts::new() };
        match self {
            Self::Nothing => Facts::new(),
            Self::ClaimResponse => of_claim_response(&claim_response::envelope(text)),
            Self::Feedback => of_feedback(&feedback::envelope(text), text),
            Self::Eclaim(settings) => eclaim::agreement(text, &settings.mapping.eclaim),
        }
    }
}

/// The same claim has the same patient and code.
pub(crate) fn of_claim_response(envelope: &claim_response::Envelope) -> Facts {
    let patient = envelope.insuree_uuid.map(|uuid| ("patient", uuid.to_string()));
    patient.into_iter().chain(envelope.claim_code.clone().map(|code| ("code", code))).collect()
}

/// The same report is on the same claim and has the same answers.
pub(crate) fn of_feedback(envelope: &feedback::Envelope, text: &str) -> Facts {
    let claim = envelope.claim_uuid.map(|uuid| ("claim", uuid.to_string()));
    claim.into_iter().chain(feedback::answers(text).map(|answers| ("answers", answers))).collect()
}

/// What a store writes down of facts: `by name=digest …`. `by` names the key of the digests.
pub fn written(facts: &Facts, by: &str, digest: impl Fn(&str) -> String) -> Option<String> {
    if facts.is_empty() {
        return None;
    }
    let digests = facts.iter().map(|(name, value)| format!(" {name}={}", digest(&told(name, value))));
    Some(by.to_owned() + &digests.collect::<String>())
}

/// By which key facts were written down.
pub fn written_by(written: &str) -> &str {
    written.split(' ').next().unwrap_or_default()
}

/// Names of the facts that differ from those that were written down; what only one side has does not differ.
pub fn differing(written: &str, facts: &Facts, digest: impl Fn(&str) -> String) -> Vec<&'static str> {
    let there = |wanted: &str| {
        let mut all = written.split(' ').skip(1).filter_map(|fact| fact.split_once('='));
        all.find_map(|(name, digest)| (name == wanted).then_some(digest))
    };
    let differs =
        |(name, value): &&(&'static str, String)| there(name).is_some_and(|known| known != digest(&told(name, value)));
    facts.iter().filter(differs).map(|(name, _)| *name).collect()
}

/// The same of facts that were read from a document.
pub fn differing_from(there: &Facts, facts: &Facts) -> Vec<&'static str> {
    let other =
        |(name, value): &&(&'static str, String)| there.iter().any(|(known, old)| known == name && old != value);
    facts.iter().filter(other).map(|(name, _)| *name).collect()
}

fn told(name: &str, value: &str) -> String {
    format!("{name}\0{value}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(all: &[(&'static str, &str)]) -> Facts {
        all.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
    }

    fn digest(text: &str) -> String {
        format!("{:x}", text.bytes().fold(7_u64, |all, byte| all.wrapping_mul(31).wrapping_add(byte.into())))
    }

    #[test]
    fn what_both_have_is_compared_and_what_one_has_is_not() {
        let first = facts(&[("insuree.number", "070707070"), ("day", "2026-11-10")]);
        let kept = written(&first, "key", digest).expect("facts");
        assert_eq!(written_by(&kept), "key");
        assert!(!kept.contains("070707070"), "{kept}");
        for (second, differs) in [
            (first.clone(), vec![]),
            (facts(&[("insuree.number", "119000001"), ("day", "2026-11-10")]), vec!["insuree.number"]),
            (facts(&[("insuree.number", "119000001"), ("day", "2026-11-11")]), vec!["insuree.number", "day"]),
            (facts(&[("insuree.uuid", "119000001"), ("facility.code", "HF001")]), vec![]),
            (facts(&[]), vec![]),
        ] {
            assert_eq!(differing(&kept, &second, digest), differs, "{second:?}");
            assert_eq!(differing_from(&first, &second), differs, "{second:?}");
        }
        assert_eq!(written(&Facts::new(), "key", digest), None);
    }
}
