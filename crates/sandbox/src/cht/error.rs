//! How CHT says no: `{"code","error"[,"details"]}` to whoever accepts JSON, plain text to others.

use axum::{
    Json,
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde_json::json;
use std::convert::Infallible;

/// A refused request (`api/src/server-utils.js`).
pub(super) struct Refusal {
    status: StatusCode,
    error: String,
    details: Option<String>,
    json: bool,
}

impl Refusal {
    pub fn new(status: u16, error: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, error: error.into(), details: None, json: false }
    }

    /// 500 without a reason.
    pub fn server_error() -> Self {
        Self::new(500, "Server error")
    }

    /// 500 with a reason: the sender's mistake for all that.
    pub fn explained(details: impl Into<String>) -> Self {
        Self { details: Some(details.into()), ..Self::server_error() }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        if !self.json {
            let details = self.details.map(|details| format!(": {}", json!(details))).unwrap_or_default();
            let text = format!("{}{details}", self.error);
            return (self.status, [(header::CONTENT_TYPE, "text/plain")], text).into_response();
        }
        let mut body = json!({"code": self.status.as_u16(), "error": self.error});
        if let Some(details) = self.details {
            body["details"] = json!(details);
        }
        (self.status, Json(body)).into_response()
    }
}

/// What the sender accepts: `Accept: */*` prefers text.
#[derive(Clone, Copy)]
pub(super) struct Accepts {
    pub json: bool,
}

impl Accepts {
    pub const JSON: Self = Self { json: true };

    pub fn of(headers: &HeaderMap) -> Self {
        let accept = headers.get(header::ACCEPT).map(HeaderValue::as_bytes).unwrap_or_default();
        Self { json: accept.windows(4).any(|part| part == b"json") }
    }

    /// The refusal in the form the sender accepts.
    pub fn refuse(self, refusal: Refusal) -> Refusal {
        Refusal { json: self.json, ..refusal }
    }
}

impl<S: Sync> FromRequestParts<S> for Accepts {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}
