//! Feedback: map, post the `Communication` to openIMIS.

use http::Method;
use serde::Deserialize;

use crate::Flow;
use crate::deliver::{Attempt, Interruption, unmappable};
use crate::message::{Message, Outcome};
use crate::ports::{Clock, Http, Mapper, Store};
use crate::retry;

impl<H: Http, S: Store, C: Clock, M: Mapper> Flow<H, S, C, M> {
    pub(crate) async fn deliver_feedback(
        &self,
        message: &Message,
        attempt: &mut Attempt,
    ) -> Result<Outcome, Interruption> {
        let text = String::from_utf8_lossy(&message.body);
        let insuree = self.insuree_of(&mapping::feedback::envelope(&text)).await?;
        let mapped = match self.mapper.feedback(&text, insuree.as_deref(), &self.settings.mapping.feedback).await {
            Ok(Ok(mapped)) => mapped,
            Ok(Err(issues)) => return Err(unmappable("the feedback", issues).into()),
            Err(error) => return Err(self.parked(&error, message)),
        };
        attempt.mapped = Some(mapped.body.clone());
        // Safe to repeat: openIMIS takes one feedback a claim and says so of a second one.
        match self.openimis(Method::POST, "Communication/", Some(mapped.body), &mut attempt.trail).await {
            Ok(answer) => match communication_id(&answer.text) {
                Some(id) => Ok(Outcome::Delivered { note: format!("openIMIS keeps it as Communication {id}") }),
                None => {
                    let reason = format!("openIMIS answered {} without a Communication", answer.status);
                    let now = self.clock.now();
                    Ok(retry::again(reason, Some(now), message, now, &self.settings.retry))
                }
            },
            Err(error) if error.is_feedback_exists() => {
                let note = if message.uncertain.is_some() {
                    "openIMIS has it from an earlier attempt".to_owned()
                } else {
                    "openIMIS had feedback for this claim before and keeps that one".to_owned()
                };
                Ok(Outcome::Delivered { note })
            }
            Err(error) => Ok(retry::after(&error, true, message, self.clock.now(), &self.settings.retry)),
        }
    }
}

#[derive(Deserialize)]
struct Communication {
    #[serde(rename = "resourceType")]
    resource_type: String,
    #[serde(default)]
    identifier: Vec<Identifier>,
}

#[derive(Deserialize)]
struct Identifier {
    value: Option<String>,
}

fn communication_id(answer: &str) -> Option<String> {
    let communication: Communication = serde_json::from_str(answer).ok()?;
    let id = communication.identifier.into_iter().find_map(|identifier| identifier.value);
    (communication.resource_type == "Communication").then(|| id.unwrap_or_else(|| "without an identifier".to_owned()))
}
