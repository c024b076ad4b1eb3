//! openIMIS and CHT as far as the model goes: what they keep, and every way in which a request to them can go wrong.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flow::ports::{Http, HttpError};
use http::{Method, Request, Response};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};

/// What goes wrong with one request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    None,
    /// No connection.
    NotSent,
    /// The request gets lost on its way.
    RequestLost,
    /// It is done; the answer gets lost.
    AnswerLost,
    /// The peer stalls: no answer, and it is done [`LATE`] later.
    Late,
    /// The peer fails before it did anything.
    Error500,
    /// It is done; a gateway gave up waiting.
    Gateway504,
    /// It is done; a proxy answers with a page.
    PageAfter,
    /// A proxy answers with a page, and nothing is done.
    PageInstead,
    /// The peer does not know us.
    Unauthorized,
    /// Too many requests.
    TooMany,
    /// The peer sends us elsewhere.
    Redirect,
}

/// How many milliseconds a peer that stalls keeps a request before it does what it asks for: more than a look-up waits, less than `cht.resend_after`.
pub const LATE: i64 = 60_000;

pub const FAULTS: [Fault; 12] = [
    Fault::None,
    Fault::NotSent,
    Fault::RequestLost,
    Fault::AnswerLost,
    Fault::Late,
    Fault::Error500,
    Fault::Gateway504,
    Fault::PageAfter,
    Fault::PageInstead,
    Fault::Unauthorized,
    Fault::TooMany,
    Fault::Redirect,
];

/// What the peers keep.
#[derive(Default)]
pub struct World {
    people: HashSet<String>,
    /// Claims of the records, in their order.
    pub records: Vec<String>,
    /// The person of each of them.
    subjects: Vec<String>,
    /// Claims of the feedback.
    pub feedback: Vec<String>,
    /// What is done later, and in how many milliseconds.
    late: Vec<(i64, Request<Vec<u8>>)>,
}

/// One delivery's requests and their answers: they go one by one, as the model lets them.
pub struct Steps {
    permits: Semaphore,
    pub blocked: watch::Sender<bool>,
    faults: Mutex<VecDeque<Fault>>,
}

tokio::task_local! {
    pub static STEPS: Arc<Steps>;
}

impl Steps {
    pub fn new(faults: &[Fault]) -> Arc<Self> {
        let faults = Mutex::new(faults.iter().copied().collect());
        Arc::new(Self { permits: Semaphore::new(0), blocked: watch::channel(false).0, faults })
    }

    /// Lets requests and answers through.
    pub fn allow(&self, count: usize) {
        self.blocked.send_replace(false);
        self.permits.add_permits(count);
    }

    async fn step(&self) {
        if self.permits.available_permits() == 0 {
            self.blocked.send_replace(true);
        }
        self.permits.acquire().await.expect("never closed").forget();
    }

    fn fault(&self) -> Fault {
        self.faults.lock().expect("whole").pop_front().unwrap_or(Fault::None)
    }
}

/// Both peers, by their host names.
#[derive(Clone)]
pub struct Peers(pub Arc<Mutex<World>>);

fn answer(status: u16, body: impl ToString) -> Response<Vec<u8>> {
    Response::builder().status(status).body(body.to_string().into_bytes()).expect("an answer")
}

impl Http for Peers {
    async fn send(&self, request: Request<Vec<u8>>, _: Duration) -> Result<Response<Vec<u8>>, HttpError> {
        let steps = STEPS.get();
        steps.step().await;
        let answered = self.answered(&request, steps.fault());
        // The process may die here: the peer has done it, and nobody knows.
        steps.step().await;
        answered
    }
}

impl Peers {
    fn answered(&self, request: &Request<Vec<u8>>, fault: Fault) -> Result<Response<Vec<u8>>, HttpError> {
        const PAGE: &str = "<html><body>An error occurred</body></html>";
        let done = || self.0.lock().expect("whole").answer(request);
        match fault {
            Fault::None => Ok(done()),
            Fault::NotSent => Err(HttpError::NotSent("connection refused".into())),
            Fault::RequestLost => Err(HttpError::NoAnswer("the time was up".into())),
            Fault::AnswerLost => {
                done();
                Err(HttpError::NoAnswer("connection reset".into()))
            }
            Fault::Late => {
                self.0.lock().expect("whole").late.push((LATE, request.clone()));
                Err(HttpError::NoAnswer("the time was up".into()))
            }
            Fault::Error500 => Ok(answer(500, json!({"error": "internal"}))),
            Fault::Gateway504 => {
                done();
                Ok(answer(504, PAGE))
            }
            Fault::PageAfter => {
                done();
                Ok(answer(200, PAGE))
            }
            Fault::PageInstead => Ok(answer(200, PAGE)),
            Fault::Unauthorized => Ok(answer(401, PAGE)),
            Fault::TooMany => Ok(answer(429, PAGE)),
            Fault::Redirect => Ok(answer(302, "")),
        }
    }
}

impl World {
    /// Time goes by: what is late is done, in its order.
    pub fn pass(&mut self, milliseconds: i64) {
        self.late.iter_mut().for_each(|(left, _)| *left -= milliseconds);
        let due: Vec<_> = self.late.extract_if(.., |(left, _)| *left <= 0).collect();
        due.iter().for_each(|(_, request)| drop(self.answer(request)));
    }

    fn answer(&mut self, request: &Request<Vec<u8>>) -> Response<Vec<u8>> {
        let path = request.uri().path();
        let body: Value = serde_json::from_slice(request.body()).unwrap_or(Value::Null);
        let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
        match (request.uri().host(), request.method(), path) {
            (Some("openimis"), &Method::POST, path) if path.ends_with("/login/") => {
                answer(200, json!({"token": "a token", "exp": 4_000_000_000_u64}))
            }
            (Some("openimis"), &Method::POST, path) if path.ends_with("/Communication/") => self.communication(&body),
            (Some("openimis"), &Method::GET, path) if path.contains("/Claim/") => {
                answer(200, json!({"resourceType": "Claim", "id": last, "created": "2025-08-25"}))
            }
            (Some("openimis"), &Method::GET, path) if path.contains("/Patient/") => answer(200, patient(&last)),
            (Some("cht"), &Method::POST, "/api/v1/people") => {
                let id = body["_id"].as_str().expect("an _id").to_owned();
                match self.people.insert(id) {
                    true => answer(200, json!({"ok": true})),
                    false => answer(409, json!({"code": 409, "error": "Document update conflict."})),
                }
            }
            (Some("cht"), &Method::POST, "/api/v2/records") => {
                self.subjects.push(body["patient_id"].as_str().expect("a person").to_owned());
                self.records.push(body["op_claim_uuid"].as_str().expect("a claim").to_owned());
                answer(200, json!({"success": true, "id": format!("report-{}", self.records.len())}))
            }
            (Some("cht"), &Method::GET, "/medic/_all_docs") => {
                let query = request.uri().query().unwrap_or_default();
                let asked = self.people.iter().filter(|person| query.contains(person.as_str()));
                let rows: Vec<Value> =
                    asked.map(|id| json!({"id": id, "doc": {"_id": id, "parent": {"_id": "place"}}})).collect();
                answer(200, json!({"rows": rows}))
            }
            (Some("cht"), &Method::GET, path) if path.ends_with("/reports_by_subject") => {
                let row = |(number, claim): (usize, &String)| json!({"id": format!("report-{}", number + 1), "doc": {"fields": {"op_claim_uuid": claim}}});
                let query = request.uri().query().unwrap_or_default();
                let of_subject = |number: usize| query.contains(&format!("key=%22{}%22", self.subjects[number]));
                let rows = self.records.iter().enumerate().filter(|(number, _)| of_subject(*number)).map(row);
                let rows: Vec<Value> = rows.collect();
                answer(200, json!({"rows": rows}))
            }
            other => panic!("the model knows no {other:?}"),
        }
    }

    fn communication(&mut self, body: &Value) -> Response<Vec<u8>> {
        let about = body["about"][0]["reference"].as_str().expect("a claim");
        let claim = about.trim_start_matches("Claim/").to_owned();
        if self.feedback.contains(&claim) {
            let issue = json!([{"details": {"text": "Feedback exists for this claim"}}]);
            return answer(500, json!({"resourceType": "OperationOutcome", "issue": issue}));
        }
        self.feedback.push(claim);
        answer(201, json!({"resourceType": "Communication", "identifier": [{"value": "feedback"}]}))
    }
}

fn patient(uuid: &str) -> Value {
    json!({
        "resourceType": "Patient",
        "id": uuid,
        "identifier": [{
            "type": {"coding": [{
                "system": "https://openimis.github.io/openimis_fhir_r4_ig/CodeSystem/openimis-identifiers",
                "code": "UUID"
            }]},
            "value": uuid
        }],
        "name": [{"use": "usual", "family": "Sharma", "given": ["Sita"]}],
        "gender": "female",
        "birthDate": "1990-02-03"
    })
}
