//! The hospital's address for answers: any server that takes a FHIR resource by POST.

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode};
use secrecy::ExposeSecret;
use url::Url;

use super::{Answer, Peer, PeerError, basic, shortened};
use crate::Flow;
use crate::breaker::PeerAnswer;
use crate::message::Trail;
use crate::ports::{Clock, Http, Mapper, Store};

const PEER: Peer = Peer::Hospital;
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What is known of the hospital by its answer: whatever it says, it is there.
struct HospitalAnswer;

impl PeerAnswer for HospitalAnswer {
    fn is_the_peers_own(&self) -> bool {
        true
    }
}

impl<H: Http, S: Store, C: Clock, M: Mapper> Flow<H, S, C, M> {
    /// Posts openIMIS' word on a claim. `key`: by which the hospital can tell that it has it.
    pub(crate) async fn post_answer(
        &self,
        url: &Url,
        body: String,
        key: &str,
        trail: &mut Trail,
    ) -> Result<StatusCode, PeerError> {
        let request = self.answer_request(url, body, key)?;
        let sent = self.send(PEER, request, self.settings.eclaim.callback.timeout, trail).await;
        let judged = match sent {
            Ok(answer) if is_refused_login(&answer) => {
                let what =
                    "it refused eclaim.callback.username and password, or the token: correct them and start again";
                Err(self.leave_alone(PEER, self.settings.retry.pause, what))
            }
            sent => sent.and_then(judge),
        };
        let learnt = judged.as_ref().map(|_| HospitalAnswer).map_err(Clone::clone);
        self.learn(PEER, &learnt);
        judged
    }

    fn answer_request(&self, url: &Url, body: String, key: &str) -> Result<Request<Vec<u8>>, PeerError> {
        let not_sent = |why: &str| PeerError::NotSent(PEER, why.to_owned());
        let callback = &self.settings.eclaim.callback;
        let credentials = match (&callback.token, &callback.username, &callback.password) {
            (Some(token), ..) => Some(format!("Bearer {}", token.expose_secret())),
            (None, Some(username), Some(password)) => Some(basic(username, password.expose_secret())),
            _ => None,
        };
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(url.as_str())
            .header(ACCEPT, "application/fhir+json, application/json")
            .header(CONTENT_TYPE, "application/fhir+json")
            .header(IDEMPOTENCY_KEY, key);
        if let Some(credentials) = credentials {
            let mut value = HeaderValue::from_str(&credentials)
                .map_err(|_| not_sent("eclaim.callback: the credentials cannot be sent as a header"))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        request.body(body.into_bytes()).map_err(|error| not_sent(&error.to_string()))
    }
}

fn is_refused_login(answer: &Answer) -> bool {
    matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

/// Its words are for people. 409: it has this answer. What is wrong with the document stays wrong; all else may pass.
fn judge(answer: Answer) -> Result<StatusCode, PeerError> {
    let status = answer.status;
    if status.is_success() || status == StatusCode::CONFLICT {
        return Ok(status);
    }
    let text = shortened(&answer.text);
    Err(match status {
        StatusCode::BAD_REQUEST
        | StatusCode::GONE
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNSUPPORTED_MEDIA_TYPE
        | StatusCode::UNPROCESSABLE_ENTITY => PeerError::Refused(PEER, status, text),
        _ => PeerError::Failed(PEER, status, text),
    })
}
