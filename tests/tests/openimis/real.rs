//! The real openIMIS as the tests use it: claims made in its two ways, feedback read from its database, its server stopped and started.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mediator_tests::running::{eventually, workspace};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::{Mutex, MutexGuard};

/// The account with no more rights than the mediator (and the entering of claims) needs.
pub const USER: &str = "chtuser";
pub const PASSWORD: &str = "ChtUser123!";
const MEDIATOR: (&str, &str) = (USER, PASSWORD);
/// A medical officer of the insurer.
const OFFICER: (&str, &str) = ("Admin", "Admin123!");
/// The day on which the tests' claims are claimed, and the same in Bikram Sambat: the pair is from CHT's documentation.
pub const CLAIMED: &str = "2025-08-25";
pub const CLAIMED_BIKRAM_SAMBAT: [&str; 3] = ["2082", "5", "9"];

/// Of the seeded insuree.
pub const PATIENT: &str = "00000000-0000-4000-8000-000000000006";
/// As openIMIS got it once, then answered 201.
const FHIR_CLAIM: &str = include_str!("../../openimis/claim.json");

/// There is one server, and some tests stop it.
static TURN: Mutex<()> = Mutex::const_new(());

pub struct OpenImis {
    /// `http://127.0.0.1:<port>/`.
    pub url: String,
    client: reqwest::Client,
    _turn: MutexGuard<'static, ()>,
}

/// A claim in openIMIS.
#[derive(Clone, Debug)]
pub struct Claim {
    pub uuid: String,
    pub code: String,
}

/// `tblFeedback` of a claim, and the claim's `FeedbackStatus`.
#[derive(Debug, PartialEq)]
pub struct Feedback {
    pub uuid: String,
    pub care_rendered: bool,
    pub payment_asked: bool,
    pub drug_prescribed: bool,
    pub drug_received: bool,
    pub assessment: i16,
    /// 8: delivered.
    pub claim_feedback_status: i16,
    /// When openIMIS wrote it, in ms since 1970.
    pub written_at: i64,
}

impl OpenImis {
    /// Waits for its turn; starts what an aborted test left stopped, and removes the subscriptions that it left.
    pub async fn up() -> Self {
        let turn = TURN.lock().await;
        let port = std::env::var("PORT").unwrap_or_else(|_| "8000".to_owned());
        let openimis = Self { url: format!("http://127.0.0.1:{port}/"), client: reqwest::Client::new(), _turn: turn };
        openimis.start_database().await;
        openimis.start_server().await;
        openimis.remove_stale_subscriptions().await;
        openimis
    }

    pub async fn stop_server(&self) {
        script("stop-server.sh", &[]).await;
    }

    pub async fn start_server(&self) {
        script("start-server.sh", &[]).await;
    }

    /// As a deployment runs it: with the check against forged requests, and a rate limit. Stop it before the test may fail: other tests
    /// want it in development mode.
    pub async fn start_server_in_production_mode(&self) {
        script_in("start-server.sh", &[], &[("MODE", "PROD")]).await;
    }

    pub async fn stop_database(&self) {
        script("stop-database.sh", &[]).await;
    }

    pub async fn start_database(&self) {
        script("start-database.sh", &[]).await;
    }

    /// A request to the FHIR API.
    pub async fn fhir(&self, method: Method, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        let url = format!("{}api/api_fhir_r4/{path}", self.url);
        let mut request =
            self.client.request(method, url).basic_auth(USER, Some(PASSWORD)).header("accept", "application/json");
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.expect("an answer of openIMIS");
        let status = answer.status();
        let text = answer.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// A resource.
    pub async fn get(&self, path: &str) -> Value {
        let (status, resource) = self.fhir(Method::GET, path, None).await;
        assert_eq!(status, StatusCode::OK, "{path}: {resource}");
        resource
    }

    /// What it would notify of a claim.
    pub async fn claim_response(&self, claim: &Claim) -> Value {
        self.get(&format!("ClaimResponse/{}/", claim.uuid)).await
    }

    /// A claim that comes in through FHIR: entered and submitted at once. Returns openIMIS' answer, too.
    pub async fn post_claim(&self, changes: Value) -> (Claim, Value) {
        let code = unused_code();
        let mut body: Value = serde_json::from_str(FHIR_CLAIM).expect("JSON");
        body["identifier"][0]["value"] = code.clone().into();
        for (name, value) in changes.as_object().expect("an object") {
            body[name] = value.clone();
        }
        let (status, answer) = self.fhir(Method::POST, "Claim/", Some(&body)).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        (Claim { uuid: answer["id"].as_str().expect("an id").to_owned(), code }, answer)
    }

    /// A claim as openIMIS' own screens enter it: openIMIS tells nobody. `day`: of the treatment.
    pub async fn enter_claim(&self, day: &str) -> Claim {
        let code = unused_code();
        // The numbers are those of the seeded insuree, facility and so on.
        let input = format!(
            r#"code: "{code}", autogenerate: false, insureeId: 1, adminId: 1, healthFacilityId: 1, icdId: 1,
               dateFrom: "{day}", dateTo: "{day}", dateClaimed: "{CLAIMED}", visitType: "O", feedbackStatus: 1, reviewStatus: 1,
               items: [{{itemId: 1, priceAsked: "10.00", qtyProvided: "2.00", status: 1}}],
               services: [{{serviceId: 1, priceAsked: "100.00", qtyProvided: "1.00", status: 1}}]"#
        );
        self.mutate(MEDIATOR, "createClaim", &input).await.unwrap_or_else(|error| panic!("createClaim: {error}"));
        let query = format!(r#"{{ claims(code: "{code}") {{ edges {{ node {{ uuid }} }} }} }}"#);
        let found = self.graphql(MEDIATOR, &query).await;
        let uuid = found["claims"]["edges"][0]["node"]["uuid"].as_str().expect("a uuid").to_owned();
        Claim { uuid, code }
    }

    /// `submitClaims`, `selectClaimsForFeedback` and the like. The error is openIMIS' own, from its mutation log.
    pub async fn act(&self, mutation: &str, claim: &Claim) -> Result<(), String> {
        self.mutate(MEDIATOR, mutation, &format!(r#"uuids: ["{}"]"#, claim.uuid)).await
    }

    /// What the insurer's medical officer does on openIMIS' screens: `processClaims`, `saveClaimReview`.
    pub async fn decide(&self, mutation: &str, input: &str) {
        let done = self.mutate(OFFICER, mutation, input).await;
        done.unwrap_or_else(|error| panic!("{mutation}: {error}"));
    }

    /// GraphQL mutations answer 200 whatever happens; the log tells.
    async fn mutate(&self, who: (&str, &str), name: &str, input: &str) -> Result<(), String> {
        let id = unused_code();
        let mutation =
            format!(r#"mutation {{ {name}(input: {{clientMutationId: "{id}", {input}}}) {{ clientMutationId }} }}"#);
        self.graphql(who, &mutation).await;
        let log = format!(r#"{{ mutationLogs(clientMutationId: "{id}") {{ edges {{ node {{ status error }} }} }} }}"#);
        let entry = self.graphql(who, &log).await["mutationLogs"]["edges"][0]["node"].take();
        if entry["status"] == 2 { Ok(()) } else { Err(entry.to_string()) }
    }

    /// Whether it wants its token against forged requests for a question.
    pub async fn wants_csrf_token(&self) -> bool {
        let answer = self.graphql_answer(MEDIATOR, "{ locations(first: 1) { edges { node { code } } } }").await;
        answer["errors"][0]["message"] == "'csrftoken'"
    }

    async fn graphql(&self, who: (&str, &str), query: &str) -> Value {
        let answer = self.graphql_answer(who, query).await;
        assert_eq!(answer["errors"], Value::Null, "{query}");
        answer["data"].clone()
    }

    async fn graphql_answer(&self, (username, password): (&str, &str), query: &str) -> Value {
        // Basic is for the FHIR API only.
        let login = json!({"username": username, "password": password});
        let (_, login) = self.fhir(Method::POST, "login/", Some(&login)).await;
        let token = login["token"].as_str().expect("a token");
        let url = format!("{}api/graphql", self.url);
        let request = self.client.post(url).bearer_auth(token).json(&json!({"query": query}));
        request.send().await.expect("an answer").json().await.expect("JSON")
    }

    /// The rows of `tblFeedback` that a claim has.
    pub async fn feedback(&self, claim: &Claim) -> Vec<Feedback> {
        let rows = sql(&format!(
            r#"select lower(f."FeedbackUUID"), f."CareRendered", f."PaymentAsked", f."DrugPrescribed", f."DrugReceived", f."Asessment",
                      c."FeedbackStatus", (extract(epoch from f."ValidityFrom") * 1000)::bigint
               from "tblFeedback" f join "tblClaim" c using ("ClaimID") where lower(c."ClaimUUID") = '{}'"#,
            claim.uuid
        ))
        .await;
        let read = |row: &str| {
            let columns: Vec<&str> = row.split('|').collect();
            let [uuid, answers @ .., assessment, status, at] = columns.as_slice() else { panic!("{row}") };
            let [care, payment, prescribed, received] = answers else { panic!("{row}") };
            let yes = |column: &str| match column {
                "t" => true,
                "f" => false,
                other => panic!("{other} in {row}"),
            };
            Feedback {
                uuid: (*uuid).to_owned(),
                care_rendered: yes(care),
                payment_asked: yes(payment),
                drug_prescribed: yes(prescribed),
                drug_received: yes(received),
                assessment: assessment.parse().expect("a number"),
                claim_feedback_status: status.parse().expect("a number"),
                written_at: at.parse().expect("a number"),
            }
        };
        rows.lines().map(read).collect()
    }

    /// Subscriptions at this address.
    pub async fn subscriptions_at(&self, endpoint: &str) -> Vec<Value> {
        let mut all = self.subscriptions().await;
        all.retain(|subscription| subscription["channel"]["endpoint"] == endpoint);
        all
    }

    /// Waits until there is one at this address.
    pub async fn subscribed(&self, endpoint: &str) -> Value {
        eventually("the subscription is in place", || async { self.subscriptions_at(endpoint).await.pop() }).await
    }

    async fn subscriptions(&self) -> Vec<Value> {
        // openIMIS remembers how many there were when it was last asked the same: never ask the same.
        let seconds = since_1970().as_millis() as i64 % 4_000_000_000;
        let unused =
            jiff::civil::date(1000, 1, 1).at(0, 0, 0, 0).saturating_add(jiff::SignedDuration::from_secs(seconds));
        let list = self.get(&format!("Subscription/?_lastUpdated=ge{unused}&_count=1000")).await;
        let entries = list["entry"].as_array().cloned().unwrap_or_default();
        entries.into_iter().map(|mut entry| entry["resource"].take()).collect()
    }

    /// Those that a test's mediator on this machine asked for and left behind: nobody listens there any more.
    async fn remove_stale_subscriptions(&self) {
        for subscription in self.subscriptions().await {
            let endpoint = subscription["channel"]["endpoint"].as_str().unwrap_or_default();
            let address = endpoint.strip_prefix("http://").and_then(|rest| rest.split('/').next()).unwrap_or_default();
            if address.starts_with("127.0.0.1:") && tokio::net::TcpStream::connect(address).await.is_err() {
                let path = format!("Subscription/{}/", subscription["id"].as_str().expect("an id"));
                let (status, answer) = self.fhir(Method::DELETE, &path, None).await;
                println!("removed a subscription that an earlier run left behind: {status} {answer}");
            }
        }
    }
}

/// A code that no claim ever had, in ten characters.
pub fn unused_code() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut number = since_1970().as_millis() as u64 * 36 + COUNT.fetch_add(1, Ordering::Relaxed) % 36;
    let mut code = String::new();
    while number > 0 {
        code.insert(0, char::from(digits[(number % 36) as usize]));
        number /= 36;
    }
    format!("T{code}")
}

pub fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970")
}

/// One statement, plain output.
pub async fn sql(statement: &str) -> String {
    script("psql.sh", &["-qtAX", "-v", "ON_ERROR_STOP=1", "-c", statement]).await
}

/// Runs a script of `tests/openimis`; returns what it printed.
async fn script(name: &str, arguments: &[&str]) -> String {
    script_in(name, arguments, &[]).await
}

async fn script_in(name: &str, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let path = workspace().join("tests/openimis").join(name);
    // To a file: the server it starts would hold a pipe open.
    let printed = tempfile::NamedTempFile::new().expect("a file");
    let status = Command::new("bash")
        .arg(&path)
        .args(arguments)
        .envs(environment.iter().copied())
        .stdout(printed.reopen().expect("the file"))
        .status()
        .await
        .expect("bash runs");
    let text = std::fs::read_to_string(printed.path()).expect("text");
    assert!(
        status.success(),
        "tests/openimis/{name} failed: {text}\nIs openIMIS installed? `cargo xtask openimis up` does it."
    );
    text
}
