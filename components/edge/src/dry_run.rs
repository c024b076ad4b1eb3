//! `POST /mediator/map/<mapping>`: what the plugged-in mapping makes of a document. Nothing is stored or sent: the way to try a country's
//! mapping where it will run, as `openimis-mediator map` is on the native host.

use flow::http_api::{self, Answer};
use flow::ports::Mapper;
use flow::settings::Mapping;
use http::StatusCode;
use mapping::claim_response::ContactLink;
use mapping::encoding::json_text;
use mapping::{claim_response, feedback, patient};
use serde::Deserialize;
use serde_json::json;

use crate::mapper::Plugged;

/// Which mapping.
#[derive(Clone, Copy)]
pub enum Map {
    ClaimResponse,
    Feedback,
    Patient,
}

impl Map {
    /// From the last part of the path.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "claim-response" => Some(Self::ClaimResponse),
            "feedback" => Some(Self::Feedback),
            "patient" => Some(Self::Patient),
            _ => None,
        }
    }
}

/// The document and what else goes into the mapping; settings are those of the edge unless they are given.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input<S> {
    /// The document as text, so that nothing of it is lost on the way.
    document: String,
    settings: Option<S>,
    claim_date: Option<String>,
    contact: Option<ContactLink>,
    insuree_uuid: Option<String>,
    #[serde(default)]
    location_codes: Vec<String>,
}

pub async fn answer(map: Map, body: &[u8], configured: &Mapping) -> Answer {
    let mapped = match map {
        Map::ClaimResponse => match input::<claim_response::Settings>(body) {
            Ok(input) => {
                let settings = input.settings.as_ref().unwrap_or(&configured.claim_response);
                let (date, contact) = (input.claim_date.as_deref(), input.contact.as_ref());
                Plugged.claim_response(&input.document, date, contact, settings).await
            }
            Err(refusal) => return *refusal,
        },
        Map::Feedback => match input::<feedback::Settings>(body) {
            Ok(input) => {
                let settings = input.settings.as_ref().unwrap_or(&configured.feedback);
                Plugged.feedback(&input.document, input.insuree_uuid.as_deref(), settings).await
            }
            Err(refusal) => return *refusal,
        },
        Map::Patient => match input::<patient::Settings>(body) {
            Ok(input) => {
                let settings = input.settings.as_ref().unwrap_or(&configured.patient);
                Plugged.patient(&input.document, &input.location_codes, settings).await
            }
            Err(refusal) => return *refusal,
        },
    };
    match mapped {
        Ok(Ok(mapped)) => {
            let warnings = json!(mapped.warnings);
            let body = json!({"body": mapped.body, "idempotency_key": mapped.idempotency_key, "warnings": warnings});
            http_api::json_answer(StatusCode::OK, &body)
        }
        Ok(Err(issues)) => http_api::json_answer(StatusCode::UNPROCESSABLE_ENTITY, &json!({"issues": issues})),
        Err(error) => http_api::refusal(StatusCode::INTERNAL_SERVER_ERROR, "exception", &error.to_string()),
    }
}

fn input<'b, S: Deserialize<'b>>(body: &'b [u8]) -> Result<Input<S>, Box<Answer>> {
    let refused = |text: &str| Box::new(http_api::refusal(StatusCode::BAD_REQUEST, "structure", text));
    let body = json_text(body).map_err(|issue| refused(&issue.diagnostics))?;
    serde_json::from_str(body).map_err(|error| {
        let text = format!("expected what docs/edge.md lists (line {}, column {})", error.line(), error.column());
        refused(&text)
    })
}
