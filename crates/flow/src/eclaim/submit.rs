//! A hospital's claim: look up, map, post the `Claim` to openIMIS, tell the hospital, follow what becomes of it.

use std::borrow::Cow;

use http::Method;
use mapping::Issue;
use mapping::claim_response::{ClaimStatus, Envelope, envelope};
use mapping::eclaim::answer::{is_final, with_notes};
use mapping::ids::ClaimUuid;
use mapping::lookup;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::json;
use serde_json::value::RawValue;

use crate::agreement::Agreement;
use crate::deliver::{Attempt, Interruption, unmappable};
use crate::lookups::{LookupError, LookupSession};
use crate::message::{Acceptance, Kind, Message, NewMessage, Origin, Outcome};
use crate::peers::graphql::nodes;
use crate::peers::{Peer, PeerError};
use crate::ports::{Clock, Http, Mapper, Store};
use crate::{Flow, retry};

const BY_CODE: &str =
    "query ClaimByCode($code: String!) { claims(code: $code, first: 2) { edges { node { uuid code } } } }";
const VALUATED: &str =
    "query ClaimValuated($uuid: String!) { claims(uuid: $uuid, first: 2) { edges { node { uuid valuated } } } }";

/// A claim that is followed: all that is needed to tell the hospital of it, however long that takes.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct FollowedClaim<'a> {
    /// openIMIS' uuid of the claim.
    #[serde(borrow)]
    pub claim: Cow<'a, str>,
    /// Its code.
    #[serde(borrow)]
    pub code: Option<Cow<'a, str>>,
    /// As openIMIS got it.
    #[serde(borrow)]
    pub sent: &'a RawValue,
    /// As the hospital sent it.
    #[serde(borrow)]
    pub original: &'a RawValue,
    /// What the hospital should look at: every answer repeats it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Issue>,
}

/// A claim on its way: as openIMIS got it, as the hospital sent it, and what the hospital should look at.
pub(super) struct SentClaim<'a> {
    pub claim: &'a str,
    pub original: &'a str,
    pub warnings: &'a [Issue],
}

/// What openIMIS says of a claim.
pub(super) struct ClaimSnapshot {
    pub envelope: Envelope,
    pub claim_response: String,
}

impl<H: Http, S: Store, C: Clock, M: Mapper> Flow<H, S, C, M> {
    pub(crate) async fn submit_eclaim(
        &self,
        message: &Message,
        attempt: &mut Attempt,
    ) -> Result<Outcome, Interruption> {
        let original = String::from_utf8_lossy(&message.body);
        let received = message.received_at.to_string();
        let settings = &self.settings.mapping.eclaim;
        let mut known = LookupSession::default();
        let mapped = loop {
            match self.mapper.claim(&original, Some(&received), known.answers(), settings).await {
                Ok(lookup::Outcome::Mapped(mapped)) => break mapped,
                Ok(lookup::Outcome::Issues(issues)) => return Err(unmappable("the claim", issues).into()),
                Ok(lookup::Outcome::Needs(wanted)) => {
                    let found = self.find_out(&mut known, wanted, &mut attempt.trail).await;
                    found.map_err(|error| self.unanswered(&error, message))?;
                }
                Err(error) => return Err(self.parked(&error, message)),
            }
        };
        for warning in &mapped.warnings {
            attempt.trail.note(self.clock.now(), "mapped", warning.to_string());
        }
        attempt.mapped = Some(mapped.body.clone());
        let code = mapped.idempotency_key.strip_prefix("eclaim/").unwrap_or_default();
        // What an earlier attempt may have sent is asked for first.
        let there = match message.uncertain {
            Some(_) => self.claim_of_code(code, &mapped.body, message, attempt).await?,
            None => None,
        };
        let (snapshot, how) = match there {
            Some(snapshot) => (snapshot, "openIMIS has it from an earlier attempt as claim"),
            None => match self.post_claim(&mapped.body, attempt).await {
                Ok(snapshot) => (snapshot, "openIMIS keeps it as claim"),
                Err(error) if error.is_claim_exists() => {
                    match self.claim_of_code(code, &mapped.body, message, attempt).await? {
                        Some(snapshot) => (snapshot, "openIMIS had it before as claim"),
                        None => {
                            let reason = "openIMIS has a claim with this code and does not show it".to_owned();
                            let (now, retry) = (self.clock.now(), &self.settings.retry);
                            return Ok(retry::again(reason, Some(now), message, now, retry));
                        }
                    }
                }
                Err(error) => return Err(self.stop(&error, true, message)),
            },
        };
        let Some(uuid) = snapshot.envelope.claim_uuid else {
            let reason = "openIMIS answered without a claim's uuid".to_owned();
            let now = self.clock.now();
            return Ok(retry::again(reason, Some(now), message, now, &self.settings.retry));
        };
        let sent = SentClaim { claim: &mapped.body, original: &original, warnings: &mapped.warnings };
        self.store_answer(&snapshot, uuid, &sent, message, attempt).await?;
        if !snapshot.envelope.status.is_some_and(is_final) {
            self.follow(&snapshot, uuid, &sent, message).await?;
        }
        Ok(Outcome::Delivered { note: format!("{how} {uuid}") })
    }

    pub(super) fn unanswered(&self, error: &LookupError, message: &Message) -> Interruption {
        match error {
            LookupError::Peer(error) => self.stop(error, false, message),
            LookupError::Mapping(error) => self.parked(error, message),
        }
    }

    async fn post_claim(&self, body: &str, attempt: &mut Attempt) -> Result<ClaimSnapshot, PeerError> {
        let answer = self.openimis(Method::POST, "Claim/", Some(body.to_owned()), &mut attempt.trail).await?;
        let envelope = envelope(&answer.text);
        if envelope.claim_uuid.is_none() {
            return Err(PeerError::Unreadable(Peer::OpenImis, answer.status, "expected a ClaimResponse".to_owned()));
        }
        Ok(ClaimSnapshot { envelope, claim_response: answer.text })
    }

    /// What openIMIS says of the claim with this code, if it has one. A claim of somebody else that has the same code stops the message:
    /// its answer is not for this hospital.
    async fn claim_of_code(
        &self,
        code: &str,
        sent: &str,
        message: &Message,
        attempt: &mut Attempt,
    ) -> Result<Option<ClaimSnapshot>, Interruption> {
        let failed = |error: PeerError| self.stop(&error, false, message);
        let data = self.graphql(BY_CODE, json!({"code": code}), &mut attempt.trail).await.map_err(failed)?;
        let uuid = nodes(&data["claims"])
            .find(|node| node["code"] == code)
            .and_then(|node| ClaimUuid::parse(node["uuid"].as_str()?));
        let Some(uuid) = uuid else { return Ok(None) };
        let claim = self.openimis_resource("Claim", uuid, &mut attempt.trail).await.map_err(failed)?;
        if !is_same_claim(sent, &claim.text) {
            let reason =
                format!("openIMIS has another claim with the code {code}, of another insuree, facility or day");
            return Err(Outcome::dead(reason).into());
        }
        self.claim_now(uuid, attempt).await.map(Some).map_err(failed)
    }

    /// What openIMIS says of a claim now.
    pub(super) async fn claim_now(&self, uuid: ClaimUuid, attempt: &mut Attempt) -> Result<ClaimSnapshot, PeerError> {
        let answer = self.openimis_resource("ClaimResponse", uuid, &mut attempt.trail).await?;
        Ok(ClaimSnapshot { envelope: envelope(&answer.text), claim_response: answer.text })
    }

    /// What openIMIS pays for the whole claim: its FHIR cannot tell an item that is not paid from one that is paid in full.
    async fn valuated(&self, uuid: ClaimUuid, attempt: &mut Attempt) -> Result<Option<String>, PeerError> {
        let uuid = uuid.to_string();
        let data = self.graphql(VALUATED, json!({"uuid": uuid}), &mut attempt.trail).await?;
        let found =
            nodes(&data["claims"]).find(|node| node["uuid"].as_str().is_some_and(|it| it.eq_ignore_ascii_case(&uuid)));
        Ok(found.and_then(|node| match &node["valuated"] {
            Value::String(amount) => Some(amount.clone()),
            Value::Number(amount) => Some(amount.to_string()),
            _ => None,
        }))
    }

    /// Stores openIMIS' word for the hospital: each status once, however often this is done.
    pub(super) async fn store_answer(
        &self,
        snapshot: &ClaimSnapshot,
        uuid: ClaimUuid,
        sent: &SentClaim<'_>,
        message: &Message,
        attempt: &mut Attempt,
    ) -> Result<(), Interruption> {
        let valuated = match snapshot.envelope.status {
            Some(ClaimStatus::Valuated) => {
                self.valuated(uuid, attempt).await.map_err(|error| self.stop(&error, false, message))?
            }
            _ => None,
        };
        let settings = &self.settings.mapping.eclaim;
        let SentClaim { claim, original, warnings } = *sent;
        let answer =
            self.mapper.claim_answer(&snapshot.claim_response, claim, original, valuated.as_deref(), settings).await;
        let answer = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(issues)) => return Err(unmappable("openIMIS' answer", issues).into()),
            Err(error) => return Err(self.parked(&error, message)),
        };
        for warning in &answer.warnings {
            attempt.trail.note(self.clock.now(), "answer mapped", warning.to_string());
        }
        let new = NewMessage {
            kind: Kind::EclaimAnswer,
            origin: Origin::Poll,
            dedupe_key: answer.idempotency_key,
            lane: format!("hospital/{uuid}"),
            claim_uuid: Some(uuid.to_string()),
            claim_code: snapshot.envelope.claim_code.clone(),
            insuree_uuid: snapshot.envelope.insuree_uuid.map(|uuid| uuid.to_string()),
            body: with_notes(answer.body, warnings.iter().chain(&answer.warnings)).into_bytes(),
            issues: Vec::new(),
            sender: None,
            agreement: Agreement::default(),
        };
        let accepted = self.store.accept(new, self.clock.now()).await?;
        if let Acceptance::New(id) = accepted {
            attempt.trail.note(self.clock.now(), "answer", format!("message {id} is for the hospital"));
        }
        Ok(())
    }

    /// Stores that the claim is followed until openIMIS has decided.
    async fn follow(
        &self,
        snapshot: &ClaimSnapshot,
        uuid: ClaimUuid,
        sent: &SentClaim<'_>,
        message: &Message,
    ) -> Result<(), Interruption> {
        let raw = |text| serde_json::from_str::<&RawValue>(text);
        let warnings = sent.warnings.to_vec();
        let (Ok(sent), Ok(original)) = (raw(sent.claim), raw(sent.original)) else {
            return Err(Outcome::dead("mapping claim gave no JSON: repair or replace the component, then retry").into());
        };
        let claim = uuid.to_string();
        let code = snapshot.envelope.claim_code.as_deref();
        let followed =
            FollowedClaim { claim: claim.as_str().into(), code: code.map(Into::into), sent, original, warnings };
        let body = match serde_json::to_vec(&followed) {
            Ok(body) => body,
            Err(error) => return Err(self.stop_again(&error.to_string(), message)),
        };
        let new = NewMessage {
            kind: Kind::Adjudication,
            origin: Origin::Poll,
            dedupe_key: format!("adjudication/{uuid}"),
            lane: format!("adjudication/{uuid}"),
            claim_uuid: Some(claim),
            claim_code: snapshot.envelope.claim_code.clone(),
            insuree_uuid: snapshot.envelope.insuree_uuid.map(|uuid| uuid.to_string()),
            body,
            issues: Vec::new(),
            sender: None,
            agreement: Agreement::default(),
        };
        self.store.accept(new, self.clock.now()).await?;
        self.following.store(true, std::sync::atomic::Ordering::Relaxed);
        Ok(())
    }

    fn stop_again(&self, reason: &str, message: &Message) -> Interruption {
        let (now, retry) = (self.clock.now(), &self.settings.retry);
        Interruption::Outcome(retry::again(reason.to_owned(), Some(now), message, now, retry))
    }
}

/// Whether two `Claim`s are of the same insuree, facility and first day.
fn is_same_claim(sent: &str, there: &str) -> bool {
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let (sent, there) = (read(sent), read(there));
    ["/patient/reference", "/provider/reference", "/billablePeriod/start"].iter().all(|element| {
        let text = |claim: &Value| claim.pointer(element).and_then(Value::as_str).map(str::to_lowercase);
        let day = |text: Option<String>| text.map(|text| text.split('t').next().unwrap_or_default().to_owned());
        match element.ends_with("start") {
            true => day(text(&sent)) == day(text(&there)),
            false => text(&sent) == text(&there),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(patient: &str, provider: &str, start: &str) -> String {
        json!({"patient": {"reference": patient}, "provider": {"reference": provider}, "billablePeriod": {"start": start}})
            .to_string()
    }

    #[test]
    fn claims_of_the_same_insuree_facility_and_day_are_the_same_and_others_are_not() {
        let sent = claim("Patient/a-1", "Organization/b-2", "2026-11-10");
        assert!(is_same_claim(&sent, &claim("Patient/A-1", "Organization/b-2", "2026-11-10T00:00:00")));
        assert!(!is_same_claim(&sent, &claim("Patient/a-2", "Organization/b-2", "2026-11-10")));
        assert!(!is_same_claim(&sent, &claim("Patient/a-1", "Organization/b-3", "2026-11-10")));
        assert!(!is_same_claim(&sent, &claim("Patient/a-1", "Organization/b-2", "2026-11-11")));
        assert!(!is_same_claim(&sent, "no JSON"));
    }
}
