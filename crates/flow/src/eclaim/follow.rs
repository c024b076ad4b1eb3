//! A hospital's claim at openIMIS: looked at now and then until it is decided; each new status goes to the hospital.

use std::sync::atomic::Ordering;

use jiff::Timestamp;
use mapping::eclaim::answer::is_final;
use mapping::ids::ClaimUuid;

use super::submit::{FollowedClaim, SentClaim};
use crate::Flow;
use crate::deliver::{Attempt, Interruption};
use crate::message::{Message, Outcome};
use crate::ports::{Clock, Http, Mapper, Store};
use crate::retry;

impl<H: Http, S: Store, C: Clock, M: Mapper> Flow<H, S, C, M> {
    pub(crate) async fn follow_eclaim(
        &self,
        message: &Message,
        attempt: &mut Attempt,
    ) -> Result<Outcome, Interruption> {
        self.following.store(true, Ordering::Relaxed);
        let body = String::from_utf8_lossy(&message.body);
        let followed = serde_json::from_str::<FollowedClaim>(&body).ok();
        let Some((followed, uuid)) = followed.and_then(|it| ClaimUuid::parse(&it.claim).map(|uuid| (it, uuid))) else {
            return Ok(Outcome::dead("this is not what the mediator stores of a claim that it follows"));
        };
        // What openIMIS said when it took the claim was reported already. Whoever is woken asks at once.
        let first = message.received_at.saturating_add(self.settings.eclaim.follow_first).unwrap_or(Timestamp::MAX);
        if message.lease == 1 && self.clock.now() < first {
            return Ok(Outcome::Waiting { at: first, reason: "openIMIS has not decided on the claim yet".to_owned() });
        }
        let snapshot = match self.claim_now(uuid, attempt).await {
            Ok(snapshot) => snapshot,
            Err(error) if error.is_not_there() => {
                return Ok(Outcome::Skipped { reason: "openIMIS no longer has the claim".to_owned() });
            }
            Err(error) => return Err(self.stop(&error, false, message)),
        };
        let sent =
            SentClaim { claim: followed.sent.get(), original: followed.original.get(), warnings: &followed.warnings };
        self.store_answer(&snapshot, uuid, &sent, message, attempt).await?;
        let status = snapshot.envelope.status.map_or_else(String::new, |status| format!("{status:?}").to_lowercase());
        if snapshot.envelope.status.is_some_and(is_final) {
            return Ok(Outcome::Delivered { note: format!("openIMIS has decided: {status}") });
        }
        let now = self.clock.now();
        Ok(match retry::follow_at(now, message.counted_from(now), &self.settings.eclaim) {
            Some(at) => Outcome::Waiting { at, reason: format!("openIMIS has not decided on the claim yet: {status}") },
            None => {
                let reason = format!("openIMIS has not decided on the claim within eclaim.follow_for: {status}");
                Outcome::dead(reason)
            }
        })
    }
}
