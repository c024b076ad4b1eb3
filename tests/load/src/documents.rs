//! What is sent: the documented sample, each time as another claim of one of so many insurees.

use uuid::{Uuid, uuid};

const SAMPLE: &str = include_str!("../../../wit/cases/claim-response/documented-sample.input.json");
const FEEDBACK: &str = include_str!("../../../wit/cases/feedback/documented.input.json");

const CLAIM: &str = "d3256498-ad16-4482-a2d2-4a6d9c78ba81";
/// The sample's `request` has a slip in the claim's uuid.
const REQUEST: &str = "d3256498-ad16-4482-a2d2-4a6d9c78ba80";
const CODE: &str = "CHT979";
const REPORT: &str = "report-1";
const INSUREE: Uuid = uuid!("7b00e6ec-e0f5-4d07-a8e0-ec00a4160e73");

/// Documents by their number. Two runs send different ones, the same run and number the same one.
pub struct Documents {
    run: u32,
    insurees: u64,
    claim: String,
    feedback: String,
}

impl Documents {
    /// `run` tells runs apart. At least one insuree.
    pub fn new(run: u32, insurees: u64) -> serde_json::Result<Self> {
        // As openIMIS sends them: without line breaks.
        let compact = |text: &str| serde_json::from_str::<serde_json::Value>(text).map(|value| value.to_string());
        Ok(Self { run, insurees: insurees.max(1), claim: compact(SAMPLE)?, feedback: compact(FEEDBACK)? })
    }

    /// The `ClaimResponse` of a claim.
    pub fn claim_response(&self, number: u64) -> String {
        let claim = self.claim_uuid(number).to_string();
        let code = format!("L{:08x}-{number}", self.run);
        let insuree = self.insuree_uuid(number).to_string();
        let text = self.claim.replace(CLAIM, &claim).replace(REQUEST, &claim);
        text.replace(CODE, &code).replace(&INSUREE.to_string(), &insuree)
    }

    /// The answers to the form about a claim.
    pub fn feedback(&self, number: u64) -> String {
        let report = format!("report-{:08x}-{number}", self.run);
        let text = self.feedback.replace(CLAIM, &self.claim_uuid(number).to_string()).replace(REPORT, &report);
        text.replace(&INSUREE.to_string(), &self.insuree_uuid(number).to_string())
    }

    /// Spread over all values as openIMIS' random ones are: an index feels the difference.
    fn claim_uuid(&self, number: u64) -> Uuid {
        let spread = (number as u32).wrapping_mul(0x9E37_79B1) ^ self.run;
        Uuid::from_u128((u128::from(spread) << 96) | (u128::from(self.run) << 64) | u128::from(number))
    }

    fn insuree_uuid(&self, number: u64) -> Uuid {
        Uuid::from_u128((INSUREE.as_u128() & !0xFFFF_FFFF_FFFF) | u128::from(number % self.insurees))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mapping::claim_response::{self, ContactLink};
    use mapping::feedback;

    #[test]
    fn what_is_sent_can_be_mapped_and_names_its_claim() {
        let documents = Documents::new(7, 2).expect("samples");
        let (claim, answers) = (documents.claim_response(41), documents.feedback(41));
        let link = ContactLink { contact_id: "contact".to_owned() };
        claim_response::map(&claim, None, Some(&link), &Default::default()).expect("a claim that can be mapped");
        feedback::map(&answers, None, &Default::default()).expect("feedback that can be mapped");

        let of_claim = claim_response::envelope(&claim);
        let of_feedback = feedback::envelope(&answers);
        assert_eq!(of_claim.claim_uuid.expect("a claim").as_uuid(), &documents.claim_uuid(41));
        assert_eq!(of_claim.claim_uuid, of_feedback.claim_uuid);
        assert_eq!(of_claim.insuree_uuid, of_feedback.insuree_uuid);
    }

    #[test]
    fn each_number_and_each_run_is_another_claim() {
        let [one, other] = [1, 2].map(|run| Documents::new(run, 3).expect("samples"));
        let mut seen = std::collections::HashSet::new();
        for number in 0..1000 {
            for documents in [&one, &other] {
                assert!(seen.insert(documents.claim_response(number)), "claim {number} is there twice");
                assert!(seen.insert(documents.feedback(number)), "feedback {number} is there twice");
            }
        }
    }

    #[test]
    fn there_are_as_many_insurees_as_asked_for() {
        let documents = Documents::new(1, 5).expect("samples");
        let insurees: std::collections::HashSet<_> = (0..100).map(|number| documents.insuree_uuid(number)).collect();
        assert_eq!(insurees.len(), 5);
    }
}
