//! openIMIS' GraphQL API: what its FHIR cannot say or do. The login is the same.
//!
//! Documents are constants; whatever comes from outside travels as a variable. openIMIS answers 200 whatever happens: the list `errors`
//! tells, and for a mutation, which it may carry out later, its log. But in development mode it wants a token against forged requests
//! (CSRF), for most questions as well: it is fetched when it is missed.

use http::header::{COOKIE, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::openimis::is_login_refused;
use super::{Answer, Peer, PeerError, request, shortened};
use crate::message::Trail;
use crate::ports::{Clock, Http, Mapper, Store};
use crate::settings::OpenImis;
use crate::{Flow, held};

const PEER: Peer = Peer::OpenImis;

/// What GraphQL says of a missing, wrong or expired login (`graphql_jwt`).
const BAD_LOGIN: &[&str] = &[
    "Error decoding signature",
    "Invalid payload",
    "Invalid token",
    "Signature has expired",
    "Token is required",
    "User is disabled",
];
/// What openIMIS says without its token against forged requests, before it does anything: two are names of what it misses.
const NO_CSRF_TOKEN: &[&str] = &["CSRF token missing or incorrect.", "'csrftoken'", "'HTTP_X_CSRFTOKEN'"];
/// A right is missing. openIMIS does not say which.
const NO_RIGHT: &[&str] = &["unauthorized", "You do not have permission to perform this action"];

const X_CSRF_TOKEN: HeaderName = HeaderName::from_static("x-csrftoken");
const CSRF: &str = "mutation CsrfToken { getCsrfToken { csrfToken } }";
/// openIMIS' token against forged requests, and the session that it belongs to.
#[derive(Clone)]
pub(crate) struct Csrf {
    token: SecretString,
    cookies: SecretString,
}

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    errors: Vec<ReplyError>,
    data: Option<Value>,
}

#[derive(Deserialize)]
struct ReplyError {
    message: String,
    #[serde(default)]
    path: Vec<Value>,
}

impl ReplyError {
    fn is(&self, texts: &[&str]) -> bool {
        texts.contains(&self.message.trim())
    }
}

/// What an answer means.
enum Verdict {
    Data(Value),
    LoginRefused,
    /// Nothing was done.
    CsrfMissing,
    Error(PeerError),
}

fn judge(answer: &Answer) -> Verdict {
    let status = answer.status;
    if is_login_refused(answer) {
        return Verdict::LoginRefused;
    }
    let Ok(reply) = serde_json::from_str::<Reply>(&answer.text) else {
        return Verdict::Error(PeerError::Failed(PEER, status, "its GraphQL did not answer".to_owned()));
    };
    let any = |texts| reply.errors.iter().any(|error| error.is(texts));
    if any(BAD_LOGIN) {
        return Verdict::LoginRefused;
    }
    if any(NO_CSRF_TOKEN) {
        return Verdict::CsrfMissing;
    }
    if let Some(error) = reply.errors.first() {
        let at = error.path.first().and_then(Value::as_str).map(|field| format!(" ({field})")).unwrap_or_default();
        let text = format!("{}{at}", shortened(&error.message));
        return Verdict::Error(match status {
            _ if error.is(NO_RIGHT) => PeerError::Failed(PEER, StatusCode::FORBIDDEN, text),
            // The document is not of this openIMIS' version.
            StatusCode::BAD_REQUEST => PeerError::Refused(PEER, status, text),
            _ => PeerError::Failed(PEER, status, text),
        });
    }
    match reply.data {
        Some(data) if status.is_success() && data.is_object() => Verdict::Data(data),
        _ => Verdict::Error(PeerError::Failed(PEER, status, "its GraphQL answered without data".to_owned())),
    }
}

/// The name of the operation: the word after `query` or `mutation`.
fn operation_name(document: &str) -> &str {
    document.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).nth(1).unwrap_or_default()
}

/// The nodes of a connection.
pub(crate) fn nodes(connection: &Value) -> impl Iterator<Item = &Value> {
    let edges = connection["edges"].as_array().into_iter().flatten();
    edges.map(|edge| &edge["node"]).filter(|node| node.is_object())
}

/// Cursor of the page that follows the one after `cursor`. None: this is the last page, or openIMIS gives no cursor that leads on.
pub(crate) fn next_page(connection: &Value, cursor: &Value) -> Option<Value> {
    let page = &connection["pageInfo"];
    let next = &page["endCursor"];
    (page["hasNextPage"] == true && next.is_string() && next != cursor).then(|| next.clone())
}

/// openIMIS' error of a mutation in one line: a list of messages with details, or just a text.
pub(crate) fn logged_error(error: &str) -> String {
    fn collect(value: &Value, texts: &mut Vec<String>) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| collect(value, texts)),
            Value::Object(error) => {
                let words = ["message", "detail"].into_iter().filter_map(|name| error.get(name)?.as_str());
                let text = words.collect::<Vec<_>>().join(": ");
                if !text.is_empty() {
                    texts.push(text);
                }
                error.get("list").into_iter().for_each(|list| collect(list, texts));
            }
            Value::String(text) => texts.push(text.clone()),
            _ => {}
        }
    }
    let mut texts = Vec::new();
    if let Ok(value) = serde_json::from_str(error) {
        collect(&value, &mut texts);
    }
    shortened(&if texts.is_empty() { error.to_owned() } else { texts.join("; ") })
}

impl OpenImis {
    /// The address of GraphQL: beside the FHIR API.
    fn graphql_address(&self) -> Result<Url, PeerError> {
        let mut url = self.address("")?;
        let path = url.path().trim_end_matches('/');
        let root = path.rsplit_once('/').map_or("", |(root, _)| root);
        let path = format!("{root}/graphql");
        url.set_path(&path);
        Ok(url)
    }
}

impl<H: Http, S: Store, C: Clock, M: Mapper> Flow<H, S, C, M> {
    /// Sends a document; returns `data`. A mutation may only have begun by then: openIMIS' log tells what became of it.
    pub(crate) async fn graphql(
        &self,
        document: &str,
        variables: Value,
        trail: &mut Trail,
    ) -> Result<Value, PeerError> {
        let csrf = held(&self.csrf).clone();
        if let Some((_, data)) = self.operate(document, &variables, csrf.as_ref(), trail).await? {
            return Ok(data);
        }
        let csrf = self.csrf_token(trail).await?;
        let Some((_, data)) = self.operate(document, &variables, Some(&csrf), trail).await? else {
            return Err(no_csrf("it does not take its own CSRF token: does a proxy drop cookies or X-CSRFToken?"));
        };
        *held(&self.csrf) = Some(csrf);
        Ok(data)
    }

    /// A new token against forged requests.
    async fn csrf_token(&self, trail: &mut Trail) -> Result<Csrf, PeerError> {
        let told = self.operate(CSRF, &json!({}), None, trail).await?;
        let found = told.and_then(|(answer, data)| {
            let token = data["getCsrfToken"]["csrfToken"].as_str()?.to_owned();
            Some(Csrf { token: token.into(), cookies: answer.cookies.join("; ").into() })
        });
        found.ok_or_else(|| no_csrf("its GraphQL gives no CSRF token"))
    }

    /// None: a token against forged requests is wanted, and nothing was done.
    async fn operate(
        &self,
        document: &str,
        variables: &Value,
        csrf: Option<&Csrf>,
        trail: &mut Trail,
    ) -> Result<Option<(Answer, Value)>, PeerError> {
        for _ in 0..2 {
            let bearer = self.token(trail).await?;
            let answer = self.post_graphql(&bearer, document, variables, csrf, trail).await;
            let verdict = match &answer {
                Ok(answer) => judge(answer),
                Err(error) => Verdict::Error(error.clone()),
            };
            match verdict {
                Verdict::LoginRefused => self.forget_login(&bearer),
                Verdict::CsrfMissing => return Ok(None),
                Verdict::Data(data) => {
                    self.learn(PEER, &answer);
                    return answer.map(|answer| Some((answer, data)));
                }
                Verdict::Error(error) => {
                    let failed: Result<Answer, PeerError> = Err(error);
                    self.learn(PEER, &failed);
                    return failed.map(|_| None);
                }
            }
        }
        Err(self.credentials_refused())
    }

    async fn post_graphql(
        &self,
        bearer: &str,
        document: &str,
        variables: &Value,
        csrf: Option<&Csrf>,
        trail: &mut Trail,
    ) -> Result<Answer, PeerError> {
        let url = self.settings.openimis.graphql_address()?;
        let name = operation_name(document);
        let body = json!({"operationName": name, "query": document, "variables": variables}).to_string();
        let mut request =
            request(Method::POST, &url, bearer, Some(body)).map_err(|why| PeerError::NotSent(PEER, why))?;
        if let Some(Csrf { token, cookies }) = csrf {
            for (header, value) in [(X_CSRF_TOKEN, token), (COOKIE, cookies)] {
                let mut value = HeaderValue::from_str(value.expose_secret())
                    .map_err(|_| PeerError::NotSent(PEER, "its CSRF token cannot be sent as a header".to_owned()))?;
                value.set_sensitive(true);
                request.headers_mut().insert(header, value);
            }
        }
        let lines = trail.0.len();
        let sent = self.send(PEER, request, self.settings.openimis.timeout, trail).await;
        // All go to one address: the name tells them apart.
        if let Some(line) = trail.0.get_mut(lines) {
            line.detail = format!("{name}: {}", line.detail);
        }
        sent
    }
}

fn no_csrf(why: &str) -> PeerError {
    PeerError::Failed(PEER, StatusCode::FORBIDDEN, why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, text: &str) -> Answer {
        let status = StatusCode::from_u16(status).expect("a status");
        Answer { status, text: text.to_owned(), unreadable: None, date: None, cookies: Vec::new() }
    }

    /// What openIMIS 1.10 answered.
    #[test]
    fn an_answer_of_200_with_errors_is_no_data() {
        let verdict = |status, text| match judge(&answer(status, text)) {
            Verdict::Data(data) => data.to_string(),
            Verdict::LoginRefused => "login".to_owned(),
            Verdict::CsrfMissing => "csrf".to_owned(),
            Verdict::Error(error) => error.to_string(),
        };
        let whole = r#"{"data":{"claims":{"edges":[]}}}"#;
        assert_eq!(verdict(200, whole), r#"{"claims":{"edges":[]}}"#);
        let half = r#"{"errors":[{"message":"unauthorized","locations":[{"line":1,"column":321}],"path":["a3","edges",0,"node"]}],"data":{"a3":{"edges":[{"node":null}]}}}"#;
        assert_eq!(verdict(200, half), "openIMIS answered 403 Forbidden: unauthorized (a3)");
        let expired = r#"{"errors":[{"message":"Signature has expired","path":["claims"]}],"data":{"claims":null}}"#;
        assert_eq!(verdict(200, expired), "login");
        let forged = r#"{"errors":[{"message":"'csrftoken'","path":["createClaim"]}],"data":{"createClaim":null}}"#;
        assert_eq!(verdict(200, forged), "csrf");
        let other_version = r#"{"errors":[{"message":"Cannot query field \"nonsense\" on type \"Query\"."}]}"#;
        let refused = "openIMIS refused with 400 Bad Request: Cannot query field \"nonsense\" on type \"Query\".";
        assert_eq!(verdict(400, other_version), refused);
        assert_eq!(verdict(200, "<html>"), "openIMIS answered 200 OK: its GraphQL did not answer");
        assert_eq!(verdict(200, r#"{"data":null}"#), "openIMIS answered 200 OK: its GraphQL answered without data");
    }

    #[test]
    fn errors_of_the_log_are_read_in_all_their_shapes() {
        let one = r#"[{"message": "failed", "detail": "code is taken"}]"#;
        assert_eq!(logged_error(one), "failed: code is taken");
        let nested = r#"[{"title": "C1", "list": [{"message": "no policy"}, {"message": "no price"}]}]"#;
        assert_eq!(logged_error(nested), "no policy; no price");
        assert_eq!(logged_error("The mutation threw a thing"), "The mutation threw a thing");
    }

    #[test]
    fn graphql_is_beside_fhir_and_operations_have_names() {
        let address = |url: &str| {
            let settings = OpenImis { url: Some(Url::parse(url).expect("a url")), ..OpenImis::default() };
            settings.graphql_address().expect("an address").to_string()
        };
        assert_eq!(address("https://imis.example.org"), "https://imis.example.org/api/graphql");
        assert_eq!(address("https://example.org/iapi/api_fhir_r4/"), "https://example.org/iapi/graphql");
        assert_eq!(operation_name("query MutationLog($id: String!) { a }"), "MutationLog");
        assert_eq!(operation_name(CSRF), "CsrfToken");
    }
}
