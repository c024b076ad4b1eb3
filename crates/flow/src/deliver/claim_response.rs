//! A claim: select, link the patient to a CHT contact, map, post the record to CHT.

use std::borrow::Cow;

use jiff::Timestamp;
use mapping::claim_response::{ClaimStatus, ContactLink, envelope};
use mapping::ids::ClaimUuid;
use serde::Deserialize;

use crate::Flow;
use crate::deliver::{Attempt, Interruption, unmappable};
use crate::message::{Message, Origin, Outcome};
use crate::peers::{Peer, PeerError};
use crate::ports::{Clock, Http, Mapper, Store};
use crate::retry;
use crate::settings::{Policy, Records};

impl<H: Http, S: Store, C: Clock, M: Mapper> Flow<H, S, C, M> {
    pub(crate) async fn deliver_claim_response(
        &self,
        message: &Message,
        attempt: &mut Attempt,
    ) -> Result<Outcome, Interruption> {
        let received = String::from_utf8_lossy(&message.body);
        let claim_response = self.select(message, received, attempt).await?;
        let claim = envelope(&claim_response);
        let contact = match claim.insuree_uuid {
            Some(insuree) => Some(ContactLink { contact_id: self.contact(insuree, message, attempt).await? }),
            None => None, // the mapping below says what is missing
        };
        let found_later = message.origin != Origin::Push || matches!(claim_response, Cow::Owned(_));
        let date = match claim.claim_uuid {
            Some(uuid) if found_later => self.claim_date(uuid, message, attempt).await?,
            _ => None,
        };
        let settings = &self.settings.mapping.claim_response;
        let mapped =
            match self.mapper.claim_response(&claim_response, date.as_deref(), contact.as_ref(), settings).await {
                Ok(Ok(mapped)) => mapped,
                Ok(Err(issues)) => return Err(unmappable("the claim", issues).into()),
                Err(error) => return Err(self.parked(&error, message)),
            };
        for warning in &mapped.warnings {
            attempt.trail.note(self.clock.now(), "mapped", warning.to_string());
        }
        attempt.mapped = Some(mapped.body.clone());
        let sent_to = contact.as_ref().map(|contact| contact.contact_id.as_str());
        if let Some(outcome) = self.left_by_an_earlier_attempt(sent_to, claim.claim_uuid, message, attempt).await? {
            return Ok(outcome);
        }
        let report = self.write_record(mapped.body, claim.claim_uuid, &mut attempt.trail).await;
        let report = report.map_err(|error| self.stop(&error, true, message))?;
        if let Some(contact) = sent_to {
            self.look_later(message.id, &report, contact);
        }
        let remark = attempt.remark.take().map_or_else(String::new, |remark| format!("; {remark}"));
        Ok(Outcome::Delivered { note: format!("CHT keeps it as report {report}{remark}") })
    }

    /// After an attempt of unknown outcome: the outcome if CHT shows what it left, or may still be about to.
    async fn left_by_an_earlier_attempt(
        &self,
        contact: Option<&str>,
        claim: Option<ClaimUuid>,
        message: &Message,
        attempt: &mut Attempt,
    ) -> Result<Option<Outcome>, Interruption> {
        let (Some(since), Some(contact), Some(claim)) = (message.uncertain, contact, claim) else { return Ok(None) };
        let found = self.find_record(contact, claim, &mut attempt.trail).await;
        Ok(match found.map_err(|error| self.stop(&error, false, message))? {
            Some(report) => {
                Some(Outcome::Delivered { note: format!("CHT has it from an earlier attempt as report {report}") })
            }
            None => self.not_yet_again(since),
        })
    }

    /// CHT does not show the record that an attempt at `since` may have left. If it may still be on its way into CHT's database: when it is
    /// looked for again.
    fn not_yet_again(&self, since: Timestamp) -> Option<Outcome> {
        let (cht, now) = (&self.settings.cht, self.clock.now());
        if cht.records == Records::Document {
            return None; // CHT takes it once
        }
        // A clock that was ahead has set it: counted from now on.
        let is_ahead = since > now;
        let since = since.min(now);
        let silent = self.health(Peer::Cht).last_silence.filter(|silent| *silent <= now);
        let resend = retry::resend_from(since, silent, cht.resend_after);
        if resend <= now {
            return None;
        }
        let at = retry::look_again_at(now, since, resend, &self.settings.retry);
        let reason =
            format!("CHT does not show what an attempt without an answer may have left: sent again from {resend} on");
        Some(match is_ahead {
            true => Outcome::Retry { at, reason, uncertain: Some(now) },
            false => Outcome::Waiting { at, reason },
        })
    }

    pub(crate) fn stop(&self, error: &PeerError, effect: bool, message: &Message) -> Interruption {
        Interruption::Outcome(retry::after(error, effect, message, self.clock.now(), &self.settings.retry))
    }

    /// Whether the claim becomes a task. Returns the claim as it is now.
    async fn select<'m>(
        &self,
        message: &Message,
        received: Cow<'m, str>,
        attempt: &mut Attempt,
    ) -> Result<Cow<'m, str>, Interruption> {
        let tasks = &self.settings.tasks;
        if message.origin == Origin::Selected {
            return Ok(received); // an officer asked for this one
        }
        let skip = |reason: &str| Err(Interruption::Outcome(Outcome::Skipped { reason: reason.to_owned() }));
        const REJECTED: &str = "openIMIS rejected the claim (tasks.include_rejected is off)";
        let status = envelope(&received).status;
        if status == Some(ClaimStatus::Rejected) && !tasks.include_rejected {
            return skip(REJECTED);
        }
        match tasks.policy {
            Policy::Selected => {
                skip("not selected for feedback (tasks.policy); selecting it in openIMIS brings it back")
            }
            Policy::Submitted if status == Some(ClaimStatus::Entered) => {
                // openIMIS does not tell when a claim is submitted, and its search finds claims by their creation only.
                let (now, retry) = (self.clock.now(), &self.settings.retry);
                let Some(at) = retry::recheck_at(now, message.counted_from(now), retry) else {
                    return skip("entered and not submitted for half a year");
                };
                let wait =
                    Interruption::Outcome(Outcome::Waiting { at, reason: "entered, not submitted yet".to_owned() });
                if message.attempt == 1 && now.duration_since(message.received_at) < retry.recheck {
                    return Err(wait);
                }
                let Some(uuid) = message.claim_uuid.as_deref() else { return Ok(received) };
                match self.openimis_resource("ClaimResponse", uuid, &mut attempt.trail).await {
                    Ok(answer) => match envelope(&answer.text).status {
                        Some(ClaimStatus::Entered) => Err(wait),
                        Some(ClaimStatus::Rejected) if !tasks.include_rejected => skip(REJECTED),
                        _ => Ok(Cow::Owned(answer.text)),
                    },
                    Err(error) if error.is_not_there() => skip("openIMIS no longer has the claim"),
                    Err(error) => Err(self.stop(&error, false, message)),
                }
            }
            Policy::Submitted | Policy::All => Ok(received),
        }
    }

    /// The day of the claim. openIMIS writes the day of its answer into `ClaimResponse.created`: right for a notification, which comes
    /// as the claim does; for a claim that was found later the `Claim` itself is asked.
    async fn claim_date(
        &self,
        uuid: ClaimUuid,
        message: &Message,
        attempt: &mut Attempt,
    ) -> Result<Option<String>, Interruption> {
        #[derive(Deserialize)]
        struct Claim {
            created: Option<String>,
        }
        match self.openimis_resource("Claim", uuid, &mut attempt.trail).await {
            Ok(answer) => {
                let created = serde_json::from_str::<Claim>(&answer.text).ok().and_then(|claim| claim.created);
                // A claim without a date is an issue; falling back to the ClaimResponse would date it today.
                Ok(Some(created.unwrap_or_default()))
            }
            Err(error) if error.is_not_there() => {
                Err(Outcome::Skipped { reason: "openIMIS no longer has the claim".to_owned() }.into())
            }
            Err(error) => Err(self.stop(&error, false, message)),
        }
    }
}
