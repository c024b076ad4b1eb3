//! Requests to the API of OpenHIM's core, and what its answers mean. Its texts are its own, and shown as such.

use http::{HeaderValue, Method, Request, Response, header};
use mapping::encoding;
use serde_json::{Value, json};
use url::Url;

use crate::peers::shortened;

/// What the core is asked.
#[derive(Clone, Copy, Debug)]
pub enum Call<'a> {
    /// Take this mediator in.
    Register(&'a Value),
    /// This mediator is alive; which settings has it?
    Heartbeat {
        /// Whose.
        urn: &'a str,
        /// Since the process began, in seconds.
        uptime: f64,
        /// Whether its settings are asked for. If so then each time, since the core tells of a change only once: an answer that was lost,
        /// or that another replica got, would be missed for ever.
        config: bool,
    },
    /// These are its settings, as if somebody had saved them in the console.
    Configure(&'a str, &'a Value),
    /// What has been told of a transaction?
    Transaction(&'a str),
    /// Change a transaction.
    Update(&'a str, &'a Value),
    /// With which salt is the password of this user hashed?
    Salt(&'a str),
}

impl Call<'_> {
    /// The request, without credentials. None: the address holds no path.
    pub fn request(&self, core: &Url) -> Option<Request<Vec<u8>>> {
        let mut url = core.clone();
        let (method, path, body): (_, &[&str], _) = match self {
            Self::Register(document) => (Method::POST, &["mediators"], Some((*document).clone())),
            Self::Heartbeat { urn, uptime, config } => {
                (Method::POST, &["mediators", urn, "heartbeat"], Some(json!({"uptime": uptime, "config": config})))
            }
            Self::Configure(urn, config) => (Method::PUT, &["mediators", urn, "config"], Some((*config).clone())),
            Self::Transaction(id) => (Method::GET, &["transactions", id], None),
            Self::Update(id, update) => (Method::PUT, &["transactions", id], Some((*update).clone())),
            Self::Salt(username) => (Method::GET, &["authenticate", username], None),
        };
        url.path_segments_mut().ok()?.pop_if_empty().extend(path);
        if matches!(self, Self::Transaction(_)) {
            url.set_query(Some("filterRepresentation=simpledetails")); // without the documents
        }
        let mut request = Request::new(body.as_ref().map(|body| body.to_string().into_bytes()).unwrap_or_default());
        *request.method_mut() = method;
        *request.uri_mut() = url.as_str().parse().ok()?;
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::ACCEPT, json.clone());
        if body.is_some() {
            request.headers_mut().insert(header::CONTENT_TYPE, json);
        }
        Some(request)
    }
}

/// Why the core did not do it, and what to do.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CoreError {
    /// 401.
    #[error(
        "the core refused the credentials (401): correct openhim.username and openhim.password; a core that takes tokens only needs openhim.auth = \"token\""
    )]
    Credentials,
    /// 403.
    #[error("the core's user may not do this (403): put it into the group admin in OpenHIM's console. It says: {0}")]
    Forbidden(String),
    /// 404.
    #[error("the core does not know it (404): {0}")]
    Unknown(String),
    /// 400.
    #[error("the core refused the document (400): {0}")]
    Invalid(String),
    /// Anything else: something is wrong with the core, or it is not the core.
    #[error(
        "not an answer of the core's API ({0}); openhim.url has to be that of the API, as shipped on port 8080: {1}"
    )]
    Strange(u16, String),
    /// The core's own trouble.
    #[error("the core failed ({0}): {1}")]
    Failed(u16, String),
}

impl CoreError {
    /// Without the core's own words, which may be those of a document.
    pub fn unquoted(&self) -> String {
        match self {
            Self::Credentials => self.to_string(),
            Self::Forbidden(_) => Self::Forbidden("…".to_owned()).to_string(),
            Self::Unknown(_) => "the core does not know it (404)".to_owned(),
            Self::Invalid(_) => "the core refused the document (400)".to_owned(),
            Self::Strange(status, _) => Self::Strange(*status, "…".to_owned()).to_string(),
            Self::Failed(status, _) => format!("the core failed ({status})"),
        }
    }
}

/// What an answer means. `Ok` holds its JSON; null where it has none.
pub fn read(call: &Call<'_>, response: &Response<Vec<u8>>) -> Result<Value, CoreError> {
    // Its 404 sends what was asked back: a registration holds a password.
    let is_echo = content_type(response).starts_with("application/octet-stream");
    let (status, text) = (response.status().as_u16(), if is_echo { String::new() } else { text(response.body()) });
    match status {
        401 => Err(CoreError::Credentials),
        403 => Err(CoreError::Forbidden(text)),
        404 if matches!(call, Call::Register(_)) => Err(CoreError::Strange(status, text)), // nothing is asked for
        404 => Err(CoreError::Unknown(text)),
        400 => Err(CoreError::Invalid(text)),
        500.. => Err(CoreError::Failed(status, text)),
        200 | 201 if is_page(response) => Err(CoreError::Strange(status, "a page for people".to_owned())),
        201 if matches!(call, Call::Register(_)) => Ok(Value::Null),
        200 if matches!(call, Call::Update(..) | Call::Configure(..)) => Ok(Value::Null),
        // Of a mediator that was registered without settings the core says "OK".
        200 if matches!(call, Call::Heartbeat { .. }) && (is_text(response) || response.body().is_empty()) => {
            Ok(Value::Null)
        }
        200 if !matches!(call, Call::Register(_)) => {
            match serde_json::from_slice(encoding::unmarked(response.body())) {
                Ok(json @ (Value::Object(_) | Value::Null)) => Ok(json),
                _ => Err(CoreError::Strange(status, text)),
            }
        }
        _ => Err(CoreError::Strange(status, text)),
    }
}

/// A console, a proxy or a login page in the core's place.
fn is_page(response: &Response<Vec<u8>>) -> bool {
    content_type(response).starts_with("text/html")
}

fn is_text(response: &Response<Vec<u8>>) -> bool {
    content_type(response).starts_with("text/plain")
}

fn content_type(response: &Response<Vec<u8>>) -> &str {
    let content_type = response.headers().get(header::CONTENT_TYPE);
    content_type.and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn text(body: &[u8]) -> String {
    shortened(&String::from_utf8_lossy(body))
}
