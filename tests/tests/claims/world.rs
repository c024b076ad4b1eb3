//! A hospital, a mediator that takes its claims, and an openIMIS.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::OnceLock;

use auth::credential::hash_password;
use mediator_tests::running::{Mediator, count, environment, eventually, sandbox};
use openimis_mediator::config::Config;
use reqwest::{RequestBuilder, Response, StatusCode};
use sandbox::{HOSPITAL_PASSWORD, Hospital, SAMPLE_BUNDLE, Sandbox, USER};
use serde_json::Value;
use store::View;
use tempfile::TempDir;
use uuid::Uuid;

pub const CLAIM: &str = "/mediator/claim";
pub const HOSPITAL: &str = "bahmni";
/// Another hospital, with the same password.
pub const OTHER: &str = "clinic";
pub const PASSWORD: &str = "the hospital's";
/// The encounter of the sample, of which the claim's code is made.
pub const ENCOUNTER: &str = "c7e2c6f3-9a44-4c3e-8a53-1f0ab7a90001";

pub struct World {
    pub mediator: Mediator,
    pub sandbox: Sandbox,
    pub hospital: Hospital,
    /// Of the store, as long as the world lasts.
    _dir: TempDir,
}

/// What `wit/cases/claim/settings.json` says.
const MAPPING: &str = r#"
[mapping.eclaim]
currency = "$"
[[mapping.eclaim.items]]
source = "https://cielterminology.org|70116"
kind = "item"
openimis = "0004"
[[mapping.eclaim.items]]
source = "https://cielterminology.org|160542"
kind = "service"
openimis = "M1"
[[mapping.eclaim.items]]
source = "https://cielterminology.org|1271"
kind = "left-out"
[[mapping.eclaim.diagnoses]]
source = "https://cielterminology.org|116128"
openimis = "B54"
[[mapping.eclaim.facilities]]
source = "Location/2b6f6f4e-2f0c-4a6b-9a43-8c1d7a2f0001"
openimis = "HF001"
enterer = "CA001"
"#;

/// The mediator's configuration as a file's text: what the environment cannot say well.
fn file() -> &'static str {
    static FILE: OnceLock<String> = OnceLock::new();
    FILE.get_or_init(|| {
        let hash = hash_password(&PASSWORD.into()).expect("a hash");
        let client = |name: &str| {
            format!("[[clients]]\nname = \"{name}\"\nusername = \"{name}\"\npassword_hash = \"{hash}\"\nscopes = [\"eclaim\"]\n")
        };
        format!("{MAPPING}{}{}", client(HOSPITAL), client(OTHER))
    })
}

/// As the environment of the program, and its configuration's file.
pub fn settings(
    sandbox: &Sandbox,
    hospital: &Hospital,
    dir: &TempDir,
    changes: &[(&str, &str)],
) -> (&'static str, BTreeMap<String, String>) {
    let callback = hospital.callback();
    let own = [
        ("eclaim.callback.url", callback.as_str()),
        ("eclaim.callback.username", USER),
        ("eclaim.callback.password", HOSPITAL_PASSWORD),
        ("eclaim.follow_first", "50ms"),
        ("eclaim.follow_longest", "200ms"),
    ];
    let changes: Vec<_> = own.iter().chain(changes).copied().collect();
    let mut env = environment(sandbox, dir, &changes);
    // An empty value takes a setting away.
    env.retain(|_, value| !value.is_empty());
    (file(), env)
}

impl World {
    pub async fn new(changes: &[(&str, &str)]) -> Self {
        let sandbox = sandbox().await;
        let hospital = hospital().await;
        Self::around(sandbox, hospital, changes).await
    }

    /// A mediator that knows nothing, before peers that are there already.
    pub async fn around(sandbox: Sandbox, hospital: Hospital, changes: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let (file, env) = settings(&sandbox, &hospital, &dir, changes);
        let config = Config::from_toml(file, &env).unwrap_or_else(|error| panic!("{error}"));
        Self { mediator: Mediator::start(config).await, sandbox, hospital, _dir: dir }
    }

    /// Posts a claim, as the hospital.
    pub async fn send(&self, bundle: &str) -> Response {
        post(&self.mediator.client, &self.mediator.url, bundle).await
    }

    /// Asks at an address of the mediator, as the hospital.
    pub async fn ask(&self, path: &str) -> Response {
        let request = self.mediator.client.get(format!("{}{path}", self.mediator.url));
        request.basic_auth(HOSPITAL, Some(PASSWORD)).send().await.expect("an answer")
    }

    /// How often openIMIS was asked to take a claim.
    pub fn posts(&self) -> usize {
        count(&self.sandbox.openimis.requests(), "POST /api/api_fhir_r4/Claim/")
    }

    /// The keys with which answers came back, in order.
    pub fn told(&self) -> Vec<String> {
        self.hospital.answers().into_iter().map(|answer| answer.key).collect()
    }

    /// Waits until the hospital has so many answers.
    pub async fn answers(&self, how_many: usize) -> Vec<Value> {
        eventually(&format!("{how_many} answers are at the hospital"), || async {
            let answers = self.hospital.answers();
            (answers.len() >= how_many).then(|| answers.into_iter().map(|answer| answer.body).collect())
        })
        .await
    }

    /// The messages of a kind.
    pub async fn of_kind(&self, kind: &str) -> Vec<View> {
        let mut messages = self.mediator.messages().await;
        messages.retain(|message| message.summary.kind == kind);
        messages
    }

    /// Waits until a message of a kind is in a state.
    pub async fn until(&self, kind: &str, state: &str) -> View {
        eventually(&format!("a {kind} is {state}"), || async {
            self.of_kind(kind).await.into_iter().find(|message| message.summary.state == state)
        })
        .await
    }
}

pub async fn hospital() -> Hospital {
    Hospital::start(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a free port")
}

pub async fn post(client: &reqwest::Client, url: &str, bundle: &str) -> Response {
    sent_by(HOSPITAL, client.post(format!("{url}{CLAIM}")), bundle).send().await.expect("an answer")
}

/// A request with a hospital's credentials and a claim.
pub fn sent_by(hospital: &str, request: RequestBuilder, bundle: &str) -> RequestBuilder {
    let request = request.basic_auth(hospital, Some(PASSWORD));
    request.header("content-type", "application/fhir+json").body(bundle.to_owned())
}

/// The sample, as an encounter of its own.
pub fn bundle(number: u32) -> String {
    let encounter = Uuid::from_u128(0xc1a1_0000 + u128::from(number)).to_string();
    SAMPLE_BUNDLE.replace(ENCOUNTER, &encounter)
}

/// Status, where the answer will be, and what was said.
pub async fn said(response: Response) -> (StatusCode, String, Value) {
    let status = response.status();
    let address = response.headers().get("content-location").map(|value| value.to_str().expect("text").to_owned());
    let text = response.text().await.expect("a body");
    let body = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{status} {error}: {text}"));
    (status, address.unwrap_or_default(), body)
}

/// openIMIS' uuid of a claim, as the hospital is told it.
pub fn claim_uuid(answer: &Value) -> Uuid {
    let identifiers = answer["identifier"].as_array().expect("identifiers");
    let values = identifiers.iter().filter_map(|identifier| identifier["value"].as_str());
    let mut uuids = values.filter_map(|value| Uuid::try_parse(value).ok());
    uuids.next().unwrap_or_else(|| panic!("no uuid in {answer}"))
}

/// What an OperationOutcome says.
pub fn issues(outcome: &Value) -> Vec<String> {
    assert_eq!(outcome["resourceType"], "OperationOutcome", "{outcome}");
    let issues = outcome["issue"].as_array().expect("issues").iter();
    issues.map(|issue| format!("{} {}", issue["code"].as_str().unwrap_or_default(), issue["diagnostics"])).collect()
}
