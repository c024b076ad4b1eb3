//! Subscriptions: what openIMIS accepts (nearly everything) and whom it then really notifies.

use super::{
    claim::Claim,
    lists::percent,
    refusal::{REQUIRED, Refusal},
};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::{net::IpAddr, time::Duration};
use uuid::Uuid;

/// aiohttp's default total time-out; openIMIS sets none.
const NOTIFICATION_TIMEOUT: Duration = Duration::from_secs(300);

/// A subscription as stored.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Subscription {
    pub id: Uuid,
    pub updated: Timestamp,
    active: bool,
    end: Timestamp,
    /// The criteria's resource, in the case it was sent.
    criteria: String,
    /// The criteria's query.
    conditions: Vec<(String, String)>,
    endpoint: String,
    header: Option<String>,
}

/// What came of one notification; openIMIS keeps it in a table and nobody looks.
#[derive(Clone, Debug)]
pub(super) struct Notification {
    pub claim: String,
    pub endpoint: String,
    pub error: Option<String>,
}

impl Subscription {
    /// Reads what `POST Subscription/` sent.
    pub fn read(sent: &Value) -> Result<Self, Refusal> {
        check_shape(sent)?;
        let active = match sent["status"].as_str() {
            Some("active") => true,
            Some("off") => false,
            _ => return Err(missing("status")),
        };
        let end = sent["end"].as_str().and_then(|end| end.parse().ok()).ok_or_else(|| missing("end"))?;
        let (criteria, conditions) = criteria(sent["criteria"].as_str().unwrap_or_default());
        if sent["reason"].as_str().unwrap_or_default().to_lowercase() != criteria.to_lowercase() {
            return Err(missing("reason"));
        }
        if !sent["error"].is_null() {
            return Err(Refusal::exception("`error` attribute forbidden"));
        }
        let channel = &sent["channel"];
        let endpoint = channel["endpoint"].as_str().filter(|endpoint| !endpoint.is_empty());
        let endpoint = endpoint.ok_or_else(|| missing("channel.endpoint"))?.to_owned();
        if !matches!(criteria.to_lowercase().as_str(), "claim" | "patient" | "invoice" | "organisation") {
            return Err(Refusal::ServerError);
        }
        let header = channel["header"][0].as_str().map(str::to_owned);
        Ok(Self { id: Uuid::new_v4(), updated: Timestamp::now(), active, end, criteria, conditions, endpoint, header })
    }

    /// Takes over what `PUT Subscription/<id>/` sent; a header left out stays as it was.
    pub fn update(&mut self, sent: &Value) -> Result<(), Refusal> {
        let new = Self::read(sent)?;
        match sent["id"].as_str() {
            None => return Err(Refusal::exception("id is missing")),
            Some(id) if id != self.id.to_string() => {
                return Err(Refusal::fatal(500, "Error while saving a subscription: Invalid ID in the payload"));
            }
            Some(_) => {}
        }
        *self = Self { id: self.id, header: new.header.clone().or_else(|| self.header.take()), ..new };
        Ok(())
    }

    /// The resource as openIMIS shows it: the channel's type is always rest-hook.
    pub fn resource(&self) -> Value {
        let conditions: Vec<_> =
            self.conditions.iter().map(|(name, value)| format!("{}={}", percent(name), percent(value))).collect();
        let separator = if conditions.is_empty() { "" } else { "?" };
        json!({
            "resourceType": "Subscription",
            "id": self.id.to_string(),
            "status": if self.active { "active" } else { "off" },
            "end": self.end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "reason": self.criteria,
            "criteria": format!("{}{separator}{}", self.criteria, conditions.join("&")),
            "channel": {"type": "rest-hook", "endpoint": self.endpoint, "header": [self.header]},
        })
    }

    /// Whether a claim that just came in fires it. `claim` in lower case never does; of conditions the stand-in knows
    /// `status`, and takes any other as not met.
    pub fn wants(&self, claim: &Claim) -> bool {
        let met = |(name, value): &(String, String)| name == "status" && *value == (claim.status as u8).to_string();
        self.active && self.criteria == "Claim" && self.end > Timestamp::now() && self.conditions.iter().all(met)
    }

    /// Posts the `ClaimResponse` once and notes what came of it.
    pub async fn notify(&self, http: &reqwest::Client, claim: &str, body: String) -> Notification {
        let sent = match (acceptable(&self.endpoint), self.headers()) {
            (false, _) => Err("Validation not passed, reason: ['Enter a valid URL.']".to_owned()),
            (true, Err(error)) => Err(error),
            (true, Ok(headers)) => self.post(http, headers, body).await,
        };
        if let Err(error) = &sent {
            tracing::info!(endpoint = self.endpoint, error, "the openIMIS stand-in could not notify a subscriber");
        }
        Notification { claim: claim.to_owned(), endpoint: self.endpoint.clone(), error: sent.err() }
    }

    async fn post(&self, http: &reqwest::Client, headers: HeaderMap, body: String) -> Result<(), String> {
        let request = http.post(&self.endpoint).headers(headers).body(body).timeout(NOTIFICATION_TIMEOUT);
        let answer = request.send().await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        // aiohttp reads the answer as JSON before it looks at the status.
        if !kind.starts_with("application/") || !kind.contains("json") {
            return Err(format!(
                "{}, message='Attempt to decode JSON with unexpected mimetype: {kind}'",
                status.as_u16()
            ));
        }
        let body = answer.text().await.map_err(|error| error.to_string())?;
        if !body.trim().is_empty() && serde_json::from_str::<Value>(&body).is_err() {
            return Err("Expecting value: line 1 column 1 (char 0)".into());
        }
        if status.as_u16() >= 400 { Err(body) } else { Ok(()) }
    }

    /// The header element is a JSON object in a string; anything else and nothing is sent.
    fn headers(&self) -> Result<HeaderMap, String> {
        let header = self.header.as_deref().ok_or("Headers should be provided as JSON string.")?;
        let given: Map<String, Value> = serde_json::from_str(header).map_err(|error| error.to_string())?;
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        headers.insert("accept", HeaderValue::from_static("application/json"));
        for (name, value) in &given {
            let name = HeaderName::try_from(name.as_str()).map_err(|error| error.to_string())?;
            let value = HeaderValue::try_from(value.as_str().unwrap_or_default()).map_err(|error| error.to_string())?;
            headers.insert(name, value);
        }
        Ok(headers)
    }
}

impl Notification {
    pub fn summary(&self) -> Value {
        json!({"claim": self.claim, "endpoint": self.endpoint, "success": self.error.is_none(), "error": self.error})
    }
}

/// Django's `URLValidator`: `localhost`, an IP, or a dotted name without underscore whose last label is no number.
fn acceptable(endpoint: &str) -> bool {
    let Some(host) = endpoint.split_once("://").and_then(|(scheme, rest)| {
        let authority = rest.split(['/', '?', '#']).next()?;
        let host = authority.rsplit('@').next()?;
        matches!(scheme, "http" | "https").then_some(host)
    }) else {
        return false;
    };
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => return address.parse::<IpAddr>().is_ok(),
        None => host.split(':').next().unwrap_or_default().trim_end_matches('.'),
    };
    let label = |label: &str| {
        let legal = |letter: char| letter.is_alphanumeric() || letter == '-';
        !label.is_empty() && label.chars().all(legal) && !label.starts_with('-') && !label.ends_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    let dotted = name.contains('.') && name.split('.').all(label) && last.len() > 1 && !last.contains(char::is_numeric);
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok() || dotted
}

fn criteria(text: &str) -> (String, Vec<(String, String)>) {
    let (resource, query) = text.split_once('?').unwrap_or((text, ""));
    let conditions = query.split('&').filter_map(|pair| pair.split_once('='));
    let conditions = conditions.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    (resource.trim_matches('/').to_owned(), conditions)
}

fn missing(attribute: &str) -> Refusal {
    Refusal::exception(format!("Missing or invalid `{attribute}` attribute"))
}

fn check_shape(sent: &Value) -> Result<(), Refusal> {
    let absent = |element: &&&str| sent[**element].is_null();
    let mut errors: Vec<_> = ["criteria", "reason", "status"]
        .iter()
        .filter(absent)
        .map(|element| (format!("__root__ -> {element}"), REQUIRED))
        .collect();
    if errors.is_empty() && sent["channel"].is_null() {
        errors.push(("channel".into(), REQUIRED));
    }
    if errors.is_empty() { Ok(()) } else { Err(Refusal::invalid("Subscription", &errors)) }
}
