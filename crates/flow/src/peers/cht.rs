//! CHT's API (cht-core 4 and 5): records, and what its answers mean. Contacts are in `cht_contacts`.

use http::{Method, Request, StatusCode};
use mapping::ids::{ClaimUuid, report_id};
use secrecy::ExposeSecret;
use serde::Deserialize;
use url::Url;

use super::{Answer, Peer, PeerError, basic, cht_report, request, shortened};
use crate::Flow;
use crate::message::Trail;
use crate::ports::{Clock, Http, Mapper, Store};
use crate::settings::Records;

const PEER: Peer = Peer::Cht;

#[derive(Deserialize)]
struct RecordAnswer {
    success: bool,
    id: Option<String>,
}

/// CouchDB's answer to a document.
#[derive(Deserialize)]
struct WriteAnswer {
    ok: bool,
}

/// CHT's error body. `details` come with what is wrong in the request itself.
#[derive(Deserialize)]
struct ErrorBody {
    error: Option<serde_json::Value>,
    reason: Option<String>,
    details: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct View {
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    id: String,
    doc: Option<Report>,
}

#[derive(Deserialize)]
struct Report {
    #[serde(default)]
    fields: serde_json::Map<String, serde_json::Value>,
}

impl<H: Http, S: Store, C: Clock, M: Mapper> Flow<H, S, C, M> {
    /// Sends one request to CHT.
    pub(crate) async fn cht(
        &self,
        method: Method,
        url: Url,
        body: Option<String>,
        trail: &mut Trail,
    ) -> Result<Answer, PeerError> {
        let settings = &self.settings.cht;
        let password = settings.password.as_ref().map_or("", |password| password.expose_secret());
        let request = request(method, &url, &basic(&settings.username, password), body)
            .map_err(|why| PeerError::NotSent(PEER, why))?;
        if self.cht.is_open() {
            return self.cht_answer(request, trail).await;
        }
        let mut turn = self.cht.turn(PEER, &self.clock).await?;
        let answer = self.cht_answer(request, trail).await;
        match &answer {
            Ok(_) | Err(PeerError::Refused(..)) => self.cht.set_open(true),
            Err(error) => turn.failed(error, self.clock.now()),
        }
        answer
    }

    async fn cht_answer(&self, request: Request<Vec<u8>>, trail: &mut Trail) -> Result<Answer, PeerError> {
        let look_up = request.method() == Method::GET;
        let sent = self.send(PEER, request, self.settings.cht.timeout, trail).await;
        let judged = sent.and_then(|answer| self.judge_cht(answer, look_up));
        self.learn(PEER, &judged);
        judged
    }

    fn judge_cht(&self, answer: Answer, look_up: bool) -> Result<Answer, PeerError> {
        let status = answer.status;
        if status.is_success() {
            return Ok(answer);
        }
        let body: Option<ErrorBody> = serde_json::from_str(&answer.text).ok();
        let body = body.filter(|body| body.error.is_some());
        let words = |value: serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let Some(body) = body else {
            // Not its own words, but a proxy's or another server's: nothing is said of the request. (A refused login is told by its status.)
            let text = "no error of CHT".to_owned();
            return Err(match status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => self.cht_refused_us(&text),
                status => PeerError::Failed(PEER, status, text),
            });
        };
        let details = body.details.map(words);
        let text = details.clone().or(body.reason).or(body.error.map(words)).unwrap_or_default();
        let text = shortened(&text);
        Err(match status {
            // A look-up that the user has no permission for does not keep other messages from being delivered.
            StatusCode::FORBIDDEN if look_up && !text.contains("locked") => PeerError::Failed(PEER, status, text),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => self.cht_refused_us(&text),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => PeerError::Failed(PEER, status, text),
            // CHT says 500 to a bad request, too, and then tells the details.
            StatusCode::INTERNAL_SERVER_ERROR if details.is_some() => PeerError::Refused(PEER, status, text),
            status if status.is_client_error() => PeerError::Refused(PEER, status, text),
            status => PeerError::Failed(PEER, status, text),
        })
    }

    /// After a few wrong tries CHT locks the account: hammering would keep it so.
    fn cht_refused_us(&self, text: &str) -> PeerError {
        let why = format!("it refused cht.username and password, or the user lacks a permission ({text})");
        self.leave_alone(PEER, self.settings.retry.pause, &why)
    }

    pub(crate) fn cht_address(&self, path: &str) -> Result<Url, PeerError> {
        let wrong = || PeerError::NotSent(PEER, "cht.url is missing or cannot be used".to_owned());
        let mut base = self.settings.cht.url.clone().ok_or_else(wrong)?;
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        base.join(path).map_err(|_| wrong())
    }

    /// Writes a record; returns the id of the report that it is at CHT.
    pub(crate) async fn write_record(
        &self,
        record: String,
        claim: Option<ClaimUuid>,
        trail: &mut Trail,
    ) -> Result<String, PeerError> {
        match (self.settings.cht.records, claim) {
            (Records::Document, Some(claim)) => self.put_report(&record, claim, trail).await,
            _ => self.post_record(record, trail).await,
        }
    }

    /// Posts a record; returns the id of the report that CHT made of it.
    async fn post_record(&self, record: String, trail: &mut Trail) -> Result<String, PeerError> {
        let url = self.cht_address("api/v2/records")?;
        let answer = self.cht(Method::POST, url, Some(record), trail).await?;
        match answer.json(PEER, "success and id")? {
            RecordAnswer { success: true, id: Some(id) } => Ok(id),
            _ => Err(PeerError::Unreadable(PEER, answer.status, "no success and id".to_owned())),
        }
    }

    /// Writes the report itself, under an id that is the claim's: CouchDB takes it once.
    async fn put_report(&self, record: &str, claim: ClaimUuid, trail: &mut Trail) -> Result<String, PeerError> {
        let id = report_id(claim).to_string();
        let now = self.clock.now().as_millisecond();
        let unusable = || PeerError::NotSent(PEER, "the mapped record is no record of CHT".to_owned());
        let report = cht_report::of_record(record, &id, now).ok_or_else(unusable)?;
        let url = self.cht_address(&format!("medic/{id}"))?;
        match self.cht(Method::PUT, url, Some(report), trail).await {
            Ok(answer) => match answer.json(PEER, "ok and rev")? {
                WriteAnswer { ok: true } => Ok(id),
                WriteAnswer { ok: false } => Err(PeerError::Unreadable(PEER, answer.status, "not ok".to_owned())),
            },
            // It was there: an earlier attempt arrived after all.
            Err(PeerError::Refused(_, StatusCode::CONFLICT, _)) => Ok(id),
            Err(error) => Err(error),
        }
    }

    /// The report of a claim that an earlier attempt may have left. CHT does not deduplicate; this asks the view that any online user may read.
    pub(crate) async fn find_record(
        &self,
        contact: &str,
        claim: ClaimUuid,
        trail: &mut Trail,
    ) -> Result<Option<String>, PeerError> {
        let mut url = self.cht_address("medic/_design/medic-client/_view/reports_by_subject")?;
        let key = serde_json::Value::from(contact).to_string();
        url.query_pairs_mut().append_pair("key", &key).append_pair("include_docs", "true");
        let answer = self.cht(Method::GET, url, None, trail).await?;
        let view: View = answer.json(PEER, "rows of a view")?;
        let field = self.settings.mapping.claim_response.fields.claim_uuid.to_lowercase(); // CHT lower-cases field names
        let is_claim = |row: &&Row| {
            let found = row.doc.as_ref().and_then(|doc| doc.fields.get(&field)).and_then(|value| value.as_str());
            found.and_then(ClaimUuid::parse) == Some(claim)
        };
        Ok(view.rows.iter().find(is_claim).map(|row| row.id.clone()))
    }
}
