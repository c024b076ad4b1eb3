//! Tokens (JWT) and detached signatures (JWS) of callers: the right ones are let in, and every known way to get in with a wrong one is not.

mod bearer;
mod issuer;
mod keys;
mod settings;
mod signature;

use mediator_tests::running::{Mediator, config, sample_claim, sandbox};
use reqwest::{Response, StatusCode};
use sandbox::Sandbox;
use serde_json::{Value, json};
use tempfile::TempDir;

use keys::{Signer, jwks};

const CLAIM: &str = "/mediator/claim-response";
const FEEDBACK: &str = "/mediator/claims-feedback";
const ISSUER: &str = "https://id.example.org";
const AUDIENCE: &str = "openimis-mediator";

/// Seconds since 1970, so much from now.
fn from_now(seconds: i64) -> i64 {
    jiff::Timestamp::now().as_second() + seconds
}

/// What a good token says.
fn claims() -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "hospital", "exp": from_now(300)})
}

/// The same with some of it changed; null takes it away.
fn but(mut claims: Value, changes: Value) -> Value {
    for (key, value) in changes.as_object().expect("an object") {
        match value {
            Value::Null => drop(claims.as_object_mut().expect("an object").remove(key)),
            value => claims[key] = value.clone(),
        }
    }
    claims
}

/// Stand-ins and a mediator that trusts an issuer with these keys, given as the setting, for example `jwks_file = "…"`.
struct World {
    mediator: Mediator,
    _sandbox: Sandbox,
    dir: TempDir,
}

impl World {
    /// One client that may post claims: "hospital".
    async fn trusting(keys: &str, changes: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        Self::start(
            keys,
            r#"[{name = "patan", issuer = "id", subject = "hospital", scopes = ["claim-response"]}]"#,
            changes,
            dir,
        )
        .await
    }

    async fn start(keys: &str, clients: &str, changes: &[(&str, &str)], dir: TempDir) -> Self {
        let sandbox = sandbox().await;
        let issuers = format!(r#"[{{name = "id", issuer = "{ISSUER}", audience = "{AUDIENCE}", {keys}}}]"#);
        let own = [("tokens.issuers", issuers.as_str()), ("clients", clients)];
        let changes: Vec<_> = own.iter().chain(changes).copied().collect();
        let mediator = Mediator::start(config(&sandbox, &dir, &changes)).await;
        Self { mediator, _sandbox: sandbox, dir }
    }

    /// Posts the sample claim with a token.
    async fn post(&self, token: &str) -> Response {
        self.post_to(CLAIM, token).await
    }

    async fn post_to(&self, path: &str, token: &str) -> Response {
        let request = self.mediator.client.post(format!("{}{path}", self.mediator.url)).bearer_auth(token);
        let request = request.header("content-type", "application/json").body(sample_claim());
        request.send().await.expect("an answer")
    }

    async fn status(&self, token: &str) -> StatusCode {
        self.post(token).await.status()
    }
}

/// A file of public keys, as a setting.
fn in_file(dir: &TempDir, name: &str, set: &Value) -> String {
    let path = dir.path().join(name);
    std::fs::write(&path, set.to_string()).expect("written");
    path.display().to_string()
}

/// A mediator that trusts one elliptic key, called "ec".
async fn world_of(signer: &Signer) -> World {
    let dir = tempfile::tempdir().expect("a folder");
    let keys = format!(r#"jwks_file = "{}""#, in_file(&dir, "keys.json", &jwks(&[signer])));
    let clients = r#"[{name = "patan", issuer = "id", subject = "hospital", scopes = ["claim-response"]}]"#;
    World::start(&keys, clients, &[], dir).await
}

/// The one issue of a refusal: code and text.
async fn issue(answer: Response) -> (String, String) {
    let outcome: Value = answer.json().await.expect("JSON");
    assert_eq!(outcome["resourceType"], "OperationOutcome");
    let text = |key: &str| outcome["issue"][0][key].as_str().expect("text").to_owned();
    (text("code"), text("diagnostics"))
}
