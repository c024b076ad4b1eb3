//! openIMIS' word on a claim: posted to the hospital that made it.

use crate::Flow;
use crate::deliver::{Attempt, Interruption};
use crate::message::{Message, Outcome};
use crate::ports::{Clock, Http, Mapper, Store};

impl<H: Http, S: Store, C: Clock, M: Mapper> Flow<H, S, C, M> {
    pub(crate) async fn post_eclaim_answer(
        &self,
        message: &Message,
        attempt: &mut Attempt,
    ) -> Result<Outcome, Interruption> {
        let Some(url) = &self.settings.eclaim.callback.url else {
            let reason = "no address takes answers (eclaim.callback.url): the hospital asks for them".to_owned();
            return Ok(Outcome::Skipped { reason });
        };
        let answer = String::from_utf8_lossy(&message.body).into_owned();
        attempt.mapped = Some(answer.clone());
        // The same for every attempt, and for what a person puts back: the hospital can tell that it has it.
        let key = self.store.key_of(message.id).await?.unwrap_or_else(|| format!("claim-answer/{}", message.id));
        match self.post_answer(url, answer, &key, &mut attempt.trail).await {
            Ok(status) => Ok(Outcome::Delivered { note: format!("the hospital took it with {}", status.as_u16()) }),
            Err(error) => Err(self.stop(&error, true, message)),
        }
    }
}
