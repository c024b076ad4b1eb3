//! What a community health worker does: fills in the feedback form, which CHT's outbound push then sends on, by the
//! mapping of the documentation (`openimis-interoperability.md`).

use super::{super::server::form, Cht};
use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::time::Duration;
use uuid::Uuid;

/// CHT gives up on a push after so long.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The answers a CHW gives unless told otherwise.
const ANSWERS: [(&str, &str); 5] = [
    ("care_rendered", "yes"),
    ("payment_asked", "no"),
    ("drug_prescribed", "yes"),
    ("drug_received", "yes"),
    ("assessment_rating", "4"),
];

/// Where outbound push sends, and as whom.
#[derive(Clone)]
pub(super) struct Outbound {
    pub url: String,
    pub user: String,
    pub password: String,
}

/// A filled-in feedback form and what came of its push.
#[derive(Deserialize, Serialize)]
pub(super) struct Pushed {
    /// `_id` of the report that asked for it.
    pub report: Value,
    pub payload: Value,
    /// The receiver's status; none while unanswered.
    pub status: Option<u16>,
}

impl Pushed {
    pub fn arrived(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// `POST /sandbox/feedback`: `{"claim": code or uuid, …answers}` in JSON, or the page's own form.
pub(super) async fn feedback(State(cht): State<Cht>, body: Bytes) -> Response {
    let is_form = !body.trim_ascii_start().starts_with(b"{");
    let sent = if is_form { form(&body) } else { serde_json::from_slice(&body).ok() };
    let Some(sent) = sent.filter(|sent| sent.get("claim").is_some_and(Value::is_string)) else {
        return no(400, "Send JSON such as {\"claim\": \"CHT979\", \"assessment_rating\": \"5\"}.");
    };
    match cht.submit_feedback(&sent).await {
        Ok(_) if is_form => Redirect::to("/").into_response(),
        Ok(answer) => Json(answer).into_response(),
        Err((status, text)) => no(status, &text),
    }
}

fn no(status: u16, text: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(json!({"error": text}))).into_response()
}

impl Cht {
    /// Fills in the form for the latest report of a claim and pushes it: `{"claim": code or uuid}`, answers to
    /// change (null leaves one out), and `_id` to name the form's document, for sending the same one again.
    /// Returns `{"status","body","pushed"}`: what the receiver said, and what it was sent.
    ///
    /// # Errors
    /// A status and a text: 404 without a report, 422 where CHT's mapping would stop, 503 without
    /// [`Cht::set_outbound`], 502 if the receiver cannot be reached, 504 if it does not answer within 10 s.
    pub async fn submit_feedback(&self, sent: &Value) -> Result<Value, (u16, String)> {
        let (report, payload, outbound) = self.prepare(sent)?;
        let pushed = Pushed { report, payload: payload.clone(), status: None };
        let at = {
            let mut state = self.state();
            state.feedback.push(pushed);
            state.feedback.len() - 1
        };
        let request = self.0.http.post(&outbound.url).basic_auth(&outbound.user, Some(&outbound.password));
        let request =
            request.header(header::CONTENT_TYPE, "application/json").header(header::ACCEPT, "application/json");
        let unreached = |error: reqwest::Error| {
            let status = if error.is_timeout() { 504 } else { 502 };
            (status, format!("{} did not answer: {error}", outbound.url))
        };
        let answer = request.body(payload.to_string()).timeout(TIMEOUT).send().await.map_err(unreached)?;
        let status = answer.status().as_u16();
        let text = answer.text().await.map_err(unreached)?;
        if let Some(pushed) = self.state().feedback.get_mut(at) {
            pushed.status = Some(status);
        }
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(json!({"status": status, "body": body, "pushed": payload}))
    }

    /// The report's `_id`, the payload of outbound push, and where to.
    fn prepare(&self, sent: &Value) -> Result<(Value, Value, Outbound), (u16, String)> {
        let state = self.state();
        let claim = &sent["claim"];
        let of_claim = |report: &&Value| {
            let fields = &report["fields"];
            fields["op_claim_id"] == *claim || fields["op_claim_uuid"] == *claim
        };
        let report = state.records.iter().rfind(of_claim).ok_or_else(|| (404, no_report(claim)))?;
        let id = sent["_id"].as_str().map_or_else(|| Uuid::new_v4().to_string(), str::to_owned);
        let openimis_id = state.contact_of(report).map_or(Value::Null, |contact| contact["openimis_id"].clone());
        let mut payload = Map::from_iter([("doc".to_owned(), json!({"_id": id}))]);
        let answers = ANSWERS.map(|(name, usual)| {
            let path = format!("doc.fields.claim_feedback_group.{name}");
            (name, path, sent.get(name).cloned().unwrap_or_else(|| json!(usual)))
        });
        let inputs = [
            ("claimuuid", "doc.fields.inputs.op_claim_uuid".to_owned(), report["fields"]["op_claim_uuid"].clone()),
            ("insureeuuid", "doc.fields.inputs.openimis_id".to_owned(), openimis_id),
        ];
        for (name, path, value) in answers.into_iter().chain(inputs) {
            if value.is_null() {
                let place = format!("'claims_feedback/{name}' on source document '{id}'");
                let text = format!("Mapping error for {place}: cannot find '{path}' on source document");
                return Err((422, text));
            }
            payload.insert(name.to_owned(), value);
        }
        let outbound = state.outbound.clone().ok_or_else(|| (503, "Outbound push is not configured.".to_owned()))?;
        Ok((report["_id"].clone(), Value::Object(payload), outbound))
    }
}

fn no_report(claim: &Value) -> String {
    format!("No report has come in for claim {}.", claim.as_str().unwrap_or_default())
}
