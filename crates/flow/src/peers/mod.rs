//! How the peers are spoken to: requests are built and answers are judged here; sending is the runtime's.

pub(crate) mod cht;
pub mod cht_check;
mod cht_contacts;
mod cht_report;
pub(crate) mod error;
pub(crate) mod graphql;
mod hospital;
mod locations;
pub(crate) mod openimis;

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::lock::{Mutex, MutexGuard};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, SET_COOKIE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use mapping::encoding;
use url::Url;

use crate::Flow;
use crate::breaker::PeerAnswer;
use crate::message::{Trail, TrailEntry};
use crate::ports::{Clock, Http, HttpError, Mapper, Store};
use crate::settings::std_duration;

pub use error::{Peer, PeerError};
pub(crate) use locations::Directory;
pub(crate) use openimis::Token;

/// Lets one through at a time as long as a peer has not shown that it takes our credentials: it locks an account after a few wrong
/// tries, and a dozen messages may be due at the same moment.
#[derive(Default)]
pub(crate) struct Turnstile {
    open: AtomicBool,
    /// The last failure of one who was let through.
    turn: Mutex<Option<(Timestamp, String)>>,
}

impl Turnstile {
    /// Whether the peer took our credentials when they were last shown.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    pub fn set_open(&self, open: bool) {
        self.open.store(open, Ordering::Release);
    }

    /// Waits for the own turn. Who waited while another one failed fails as well: nobody waits longer than one answer takes.
    pub async fn turn(&self, peer: Peer, clock: &impl Clock) -> Result<Turn<'_>, PeerError> {
        let came = clock.now();
        let last = self.turn.lock().await;
        match &*last {
            Some((at, why)) if *at >= came => Err(PeerError::NotSent(peer, why.clone())),
            _ => Ok(Turn(last)),
        }
    }
}

/// One's turn; over when dropped.
pub(crate) struct Turn<'t>(MutexGuard<'t, Option<(Timestamp, String)>>);

impl Turn<'_> {
    /// Tells those who wait of a failure. Of a pause they learn by themselves.
    pub fn failed(&mut self, error: &PeerError, now: Timestamp) {
        let why = match error {
            PeerError::NotSent(_, why) | PeerError::NoAnswer(_, why) => why.clone(),
            // Its own words are about another message.
            PeerError::Failed(_, status, _) | PeerError::Unreadable(_, status, _) => {
                format!("it answered {status} to the request before")
            }
            PeerError::Paused { .. } | PeerError::Refused(..) => return,
        };
        *self.0 = Some((now, why));
    }
}

/// The answer of a peer, read as text.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub status: StatusCode,
    pub text: String,
    /// Why this is not all that the peer sent: bytes that are no UTF-8 are replaced in `text`.
    pub unreadable: Option<String>,
    /// The peer's clock.
    pub date: Option<Timestamp>,
    /// `name=value` of each cookie that it set.
    pub cookies: Vec<String>,
}

impl Answer {
    fn read(response: Response<Vec<u8>>) -> Self {
        let date = response.headers().get(DATE).and_then(|value| value.to_str().ok());
        let cookies = response.headers().get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
        let cookies = cookies.filter_map(|cookie| cookie.split(';').next());
        let (text, unreadable) = match encoding::text(response.body()) {
            Ok(text) => (text.to_owned(), None),
            Err(issue) => (String::from_utf8_lossy(response.body()).into_owned(), Some(issue.diagnostics)),
        };
        Self {
            status: response.status(),
            date: date.and_then(|text| Some(rfc2822::parse(text).ok()?.timestamp())),
            text,
            unreadable,
            cookies: cookies.map(str::to_owned).collect(),
        }
    }

    pub fn json<'a, T: serde::Deserialize<'a>>(&'a self, peer: Peer, expected: &str) -> Result<T, PeerError> {
        serde_json::from_str(&self.text)
            .map_err(|_| PeerError::Unreadable(peer, self.status, format!("expected {expected}")))
    }
}

impl PeerAnswer for Answer {
    fn is_the_peers_own(&self) -> bool {
        self.text.trim_start().chars().next().is_none_or(|first| matches!(first, '{' | '[' | '"'))
    }
}

/// A request to a peer: JSON both ways.
pub(crate) fn request(
    method: Method,
    url: &Url,
    authorization: &str,
    body: Option<String>,
) -> Result<Request<Vec<u8>>, String> {
    let mut authorization =
        HeaderValue::from_str(authorization).map_err(|_| "the credentials cannot be sent as a header".to_owned())?;
    authorization.set_sensitive(true);
    let mut request = Request::builder()
        .method(method)
        .uri(url.as_str())
        .header(ACCEPT, "application/json")
        .header(AUTHORIZATION, authorization);
    if body.is_some() {
        // CHT takes no charset here.
        request = request.header(CONTENT_TYPE, "application/json");
    }
    request.body(body.unwrap_or_default().into_bytes()).map_err(|error| error.to_string())
}

/// `Basic …` of a user and password.
pub(crate) fn basic(username: &str, password: &str) -> String {
    use base64::Engine;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{username}:{password}")))
}

/// The beginning of what a peer said, for people: in one line, and without characters that a terminal takes for orders or that turn the
/// order of letters round.
pub(crate) fn shortened(text: &str) -> String {
    const MOST: usize = 300;
    let is_hidden = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    let words = text.split(|letter: char| letter.is_whitespace() || is_hidden(letter)).filter(|word| !word.is_empty());
    let mut short = String::new();
    for (place, letter) in words.flat_map(|word| [" ", word]).skip(1).flat_map(str::chars).enumerate() {
        if place == MOST {
            short.push('…');
            break;
        }
        short.push(letter);
    }
    short
}

impl<H: Http, S: Store, C: Clock, M: Mapper> Flow<H, S, C, M> {
    /// Sends one request and writes it on the trail (path only: a query may hold a phone number).
    pub(crate) async fn send(
        &self,
        peer: Peer,
        request: Request<Vec<u8>>,
        timeout: SignedDuration,
        trail: &mut Trail,
    ) -> Result<Answer, PeerError> {
        if let Some((until, reason)) = self.paused(peer) {
            return Err(PeerError::Paused { peer, until, reason });
        }
        let at = self.clock.now();
        let event = format!("{} {}", request.method(), request.uri().path());
        let sent = self.http.send(request, std_duration(timeout)).await;
        let duration_ms = Some(self.clock.now().duration_since(at).as_millis() as i64);
        let (status, detail) = match &sent {
            Ok(response) => (Some(response.status().as_u16()), format!("{peer} answered")),
            Err(error) => (None, error.to_string()),
        };
        trail.0.push(TrailEntry { at, event, detail, status, duration_ms });
        match sent {
            Ok(response) => self.judge_transport(peer, Answer::read(response)),
            Err(HttpError::NotSent(why)) => Err(PeerError::NotSent(peer, why)),
            Err(HttpError::NoAnswer(why)) => Err(PeerError::NoAnswer(peer, why)),
        }
    }

    /// What is the same for all peers: redirects, refused credentials and overload pause the peer.
    fn judge_transport(&self, peer: Peer, answer: Answer) -> Result<Answer, PeerError> {
        let wait = match answer.status {
            StatusCode::TOO_MANY_REQUESTS => {
                Some((SignedDuration::from_mins(1), "it asked for a slower pace".to_owned()))
            }
            status if status.is_redirection() => {
                let why =
                    "it redirected us elsewhere, which is not followed: check its url and our credentials".to_owned();
                Some((self.settings.retry.pause, why))
            }
            _ => None,
        };
        if let Some((wait, reason)) = wait {
            return Err(self.leave_alone(peer, wait, &reason));
        }
        match &answer.unreadable {
            // Names would be other ones afterwards. What a hospital answers is not read.
            Some(why) if answer.status.is_success() && peer != Peer::Hospital => {
                Err(PeerError::Unreadable(peer, answer.status, why.clone()))
            }
            _ => Ok(answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_says_is_one_line_without_orders_to_a_terminal() {
        for (said, shown) in [
            ("  Form not found:\r\n\tOP ", "Form not found: OP"),
            ("\u{1b}[31mRED\u{1b}[0m\u{0}end\u{9b}x", "[31mRED [0m end x"),
            ("\u{202e}gnp.exe\u{2066}\u{feff}", "gnp.exe"),
            ("\u{1b}\u{0}", ""),
            ("नाम राम", "नाम राम"),
        ] {
            assert_eq!(shortened(said), shown, "{said:?}");
        }
        assert_eq!(shortened(&"x".repeat(300)), "x".repeat(300));
        assert_eq!(shortened(&"é ".repeat(5000)).chars().count(), 301);
        assert!(shortened(&"x".repeat(301)).ends_with("x…"));
    }

    #[test]
    fn an_error_without_the_peers_words_holds_none_of_them() {
        let said = || "Ram Bahadur 9841234567".to_owned();
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        for error in [
            PeerError::Failed(Peer::Cht, status, said()),
            PeerError::Refused(Peer::Cht, status, said()),
            PeerError::Unreadable(Peer::Cht, status, said()),
            PeerError::Paused { peer: Peer::Cht, until: Timestamp::UNIX_EPOCH, reason: said() },
        ] {
            assert!(error.to_string().contains("Ram") && !error.unquoted().contains("Ram"), "{error}");
        }
        // Nor does who waited for its turn meanwhile.
        let turnstile = Turnstile::default();
        let last = turnstile.turn.try_lock().expect("nobody has it");
        let mut turn = Turn(last);
        turn.failed(&PeerError::Failed(Peer::Cht, status, said()), Timestamp::UNIX_EPOCH);
        let why = turn.0.as_ref().map(|(_, why)| why.clone()).expect("a failure");
        assert!(why.contains("500") && !why.contains("Ram"), "{why}");
    }
}
