//! The mediator as one of OpenHIM's: known to its core, configured from its console, and answering through its router.
//!
//! # Layout
//! - `recorded`: the stand-in core answers as the real one was recorded to answer. `registered`: registration, heartbeats, credentials, TLS.
//! - `configured`: settings of the console. `answered`: what a client and a transaction get. `told`: what a transaction is told later.

mod answered;
mod configured;
mod recorded;
mod registered;
mod told;

use std::net::SocketAddr;

use auth::credential::hash_password;
use mediator_tests::running::{INBOUND_PASSWORD, INBOUND_USER, Mediator, config, eventually, sandbox};
use openimis_mediator::openhim::Status;
use reqwest::Response;
use sandbox::{OPENHIM_PASSWORD, OPENHIM_USER, OpenHim, OpenHimAuth, Sandbox};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;

const CLAIM: &str = "/mediator/claim-response";
const FEEDBACK: &str = "/mediator/claims-feedback";
const URN: &str = "urn:mediator:openimis-mediator";

async fn core(auth: OpenHimAuth) -> OpenHim {
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    OpenHim::start(free, free, auth).await.expect("free ports")
}

/// A mediator beside a core, which it can reach.
struct World {
    mediator: Mediator,
    openhim: OpenHim,
    sandbox: Sandbox,
    dir: TempDir,
}

impl World {
    async fn start(changes: &[(&str, &str)]) -> Self {
        Self::beside(core(OpenHimAuth::Basic).await, changes).await
    }

    async fn beside(openhim: OpenHim, changes: &[(&str, &str)]) -> Self {
        Self::on(openhim, sandbox().await, tempfile::tempdir().expect("a folder"), changes).await
    }

    async fn on(openhim: OpenHim, sandbox: Sandbox, dir: TempDir, changes: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let api = openhim.api();
        let all: Vec<_> = [
            ("openhim.url", api.as_str()),
            ("openhim.username", OPENHIM_USER),
            ("openhim.password", OPENHIM_PASSWORD),
            ("openhim.endpoint", &endpoint),
            ("openhim.heartbeat", "50ms"),
            ("openhim.timeout", "20s"),
        ]
        .into_iter()
        .chain(changes.iter().copied())
        .collect();
        let mediator = Mediator::start_on(listener, config(&sandbox, &dir, &all)).await;
        Self { mediator, openhim, sandbox, dir }
    }

    fn status(&self) -> Status {
        self.mediator.host.openhim.status(&self.mediator.host).expect("OpenHIM is configured")
    }

    /// Waits until the core knows the mediator and has heard from it.
    async fn known(&self) {
        eventually("the core hears from the mediator", || async {
            (self.openhim.heartbeats(URN) > 0 && self.status().problem.is_none()).then_some(())
        })
        .await;
    }

    /// Waits until its channels are there, too.
    async fn open(&self) {
        self.known().await;
        self.openhim.install_channels(URN);
    }

    /// Posts as a client of OpenHIM, through its router.
    async fn post(&self, client: &str, path: &str, body: String) -> Response {
        let request = self.mediator.client.post(format!("{}{path}", self.openhim.router()));
        let request = request.basic_auth(client, Some("client-password")).header("content-type", "application/json");
        request.body(body).send().await.expect("an answer")
    }

    async fn problem(&self, part: &str) -> String {
        eventually(&format!("the status says {part:?}"), || async {
            self.status().problem.map(|problem| problem.text).filter(|text| text.contains(part))
        })
        .await
    }
}

/// Posts as OpenHIM does, without OpenHIM.
async fn as_openhim(mediator: &Mediator, path: &str, transaction: &str, body: String) -> Response {
    let request = mediator.client.post(format!("{}{path}", mediator.url));
    let request = request.basic_auth(INBOUND_USER, Some(INBOUND_PASSWORD)).header("content-type", "application/json");
    request.header("X-OpenHIM-TransactionID", transaction).body(body).send().await.expect("an answer")
}

/// Settings with an admin.
fn with_admin() -> [(&'static str, String); 2] {
    let hash = hash_password(&"admin-password".into()).expect("a hash");
    let client = format!(r#"[{{name = "admin", username = "admin", password_hash = "{hash}", scopes = ["admin"]}}]"#);
    [("admin.listen", "127.0.0.1:0".to_owned()), ("clients", client)]
}

/// What the admin API says of OpenHIM.
async fn shown_to_admins(mediator: &Mediator) -> Value {
    let address = eventually("the admin API listens", || async { mediator.host.doors.admin_address.get() }).await;
    let request = mediator.client.get(format!("http://{address}/admin/openhim"));
    let answer = request.basic_auth("admin", Some("admin-password")).send().await.expect("an answer");
    let body = answer.error_for_status().expect("a status").text().await.expect("text");
    serde_json::from_str(&body).expect("JSON")
}
