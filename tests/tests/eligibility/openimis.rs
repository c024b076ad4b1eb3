//! An openIMIS with one insuree, as far as a question about eligibility needs it. Its GraphQL answers as the real one was recorded to
//! (`crates/flow/src/lookups/recorded`).

use std::sync::{Arc, Mutex};

use mediator_tests::raw_peer::{Request, http, listener, read_request};
use serde_json::{Map, Value, json};
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;

/// The insurance number of the only insuree.
pub const NUMBER: &str = "070707070";
const KNOWN: &str = include_str!("../../../wit/cases/claim/known.json");
const RECORDED: &str = include_str!("../../../crates/flow/src/lookups/recorded/claim.json");
const TOKEN: &str = "csrf-of-the-session";

/// How its GraphQL is today.
#[derive(Clone, Debug, Default)]
pub enum Mood {
    /// As in development mode.
    #[default]
    Well,
    /// As in production: it wants its token against forged requests.
    WantsCsrf,
    /// It wants it and does not take it.
    TakesNoCsrf,
    /// The next login is the first that it takes.
    ForgotLogins,
    /// It answers 200 with this error.
    Error(&'static str),
    /// 400: its version does not know what is asked for.
    OtherVersion,
    /// A proxy's page.
    Page,
    /// It answers once this is told.
    Slow(Arc<Notify>),
}

#[derive(Default)]
struct State {
    mood: Mood,
    logins: usize,
    seen: Vec<Request>,
    policies: Option<Value>,
}

/// The stand-in.
#[derive(Clone)]
pub struct OpenImis {
    pub url: String,
    state: Arc<Mutex<State>>,
}

impl OpenImis {
    pub async fn start() -> Self {
        let (listener, url) = listener().await;
        let openimis = Self { url, state: Arc::default() };
        let serving = openimis.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let openimis = serving.clone();
                tokio::spawn(async move {
                    let Some(request) = read_request(&mut stream).await else { return };
                    let answer = openimis.answer(request).await;
                    drop(stream.write_all(answer.as_bytes()).await);
                });
            }
        });
        openimis
    }

    pub fn is(&self, mood: Mood) {
        self.state().mood = mood;
    }

    /// Nodes of `policiesByInsuree`, each of which the insuree is in.
    pub fn has_policies(&self, nodes: Value) {
        self.state().policies = Some(nodes);
    }

    /// What it was asked, by `METHOD path` and in GraphQL by operation.
    pub fn seen(&self) -> Vec<String> {
        self.state().seen.iter().map(|request| operation(request).unwrap_or_else(|| request.line())).collect()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("the state")
    }

    async fn answer(&self, request: Request) -> String {
        let line = request.line();
        self.state().seen.push(request.clone());
        if line == "POST /api/api_fhir_r4/login/" {
            let logins = {
                let mut state = self.state();
                state.logins += 1;
                state.logins
            };
            return ok(&json!({"token": format!("login-{logins}"), "exp": 4_000_000_000_u32}));
        }
        if line == "POST /api/graphql" {
            return self.graphql(&request).await;
        }
        match line.strip_prefix("GET /api/api_fhir_r4/Patient/").and_then(|rest| rest.strip_suffix('/')) {
            Some(NUMBER) => ok(&known()["found"][0]),
            Some(number) => {
                let text = format!("failed to retrieve Insuree with the filter {{'chf_id': '{number}'}}");
                json_answer(
                    "500 Internal Server Error",
                    &json!({"resourceType": "OperationOutcome", "issue": [{"details": {"text": text}}]}),
                )
            }
            None => json_answer("404 Not Found", &json!({})),
        }
    }

    async fn graphql(&self, request: &Request) -> String {
        let mood = self.state().mood.clone();
        let head = request.head.to_lowercase();
        let body: Value = serde_json::from_slice(&request.body).expect("JSON");
        let failed =
            |text: &str| ok(&json!({"errors": [{"message": text, "path": ["policiesByInsuree_0"]}], "data": {}}));
        match mood {
            Mood::WantsCsrf | Mood::TakesNoCsrf if body["operationName"] == "CsrfToken" => {
                let cookie = "content-type: application/json\r\nset-cookie: sessionid=s1; HttpOnly; Path=/";
                return http("200 OK", cookie, &json!({"data": {"getCsrfToken": {"csrfToken": TOKEN}}}).to_string());
            }
            Mood::WantsCsrf if !head.contains(&format!("x-csrftoken: {TOKEN}")) => return failed("'csrftoken'"),
            Mood::WantsCsrf => {
                assert!(head.contains("cookie: sessionid=s1\r\n") || head.ends_with("cookie: sessionid=s1"), "{head}")
            }
            Mood::TakesNoCsrf => return failed("CSRF token missing or incorrect."),
            Mood::ForgotLogins if head.contains("bearer login-1") => return failed("Error decoding signature"),
            Mood::Error(text) => return failed(text),
            Mood::OtherVersion => {
                let error = json!({"errors": [{"message": "Cannot query field \"expiryDate\" on type \"Policy\"."}]});
                return json_answer("400 Bad Request", &error);
            }
            Mood::Page => return http("502 Bad Gateway", "content-type: text/html", "<html>no backend</html>"),
            Mood::Slow(go_on) => go_on.notified().await,
            Mood::Well | Mood::ForgotLogins => {}
        }
        let mut data = Map::new();
        for (alias, value) in body["variables"].as_object().expect("variables") {
            let nodes = if value == NUMBER { self.nodes(alias.split('_').next().expect("a field")) } else { json!([]) };
            let edges: Vec<Value> =
                nodes.as_array().expect("a list").iter().map(|node| json!({"node": node})).collect();
            data.insert(alias.clone(), json!({"edges": edges}));
        }
        ok(&json!({"data": data}))
    }

    fn nodes(&self, field: &str) -> Value {
        let exchange: Value = serde_json::from_str(RECORDED).expect("JSON");
        let recorded = |field: &str| exchange["answer"]["data"][format!("{field}_5")]["edges"][0]["node"].clone();
        let Some(policies) = self.state().policies.clone() else { return json!([recorded(field)]) };
        if field == "policiesByInsuree" {
            return policies;
        }
        let member = |policy: &Value| json!({"node": {"validityTo": null, "policy": {"uuid": policy["policyUuid"]}}});
        let members: Vec<Value> = policies.as_array().expect("a list").iter().map(member).collect();
        json!([{"chfId": NUMBER, "insureePolicies": {"edges": members}}])
    }
}

fn operation(request: &Request) -> Option<String> {
    let body: Value = serde_json::from_slice(&request.body).ok()?;
    body["operationName"].as_str().map(str::to_owned)
}

fn known() -> Value {
    let known: Vec<Value> = serde_json::from_str(KNOWN).expect("JSON");
    known.into_iter().find(|answer| answer["resource"] == "Patient" && answer["by"] == "code").expect("the insuree")
}

fn ok(body: &Value) -> String {
    json_answer("200 OK", body)
}

fn json_answer(status: &str, body: &Value) -> String {
    http(status, "content-type: application/json", &body.to_string())
}
