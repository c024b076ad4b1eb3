//! The mediator as OpenHIM's core knows it: its channels, where they lead, and which settings its console offers.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::Url;

use crate::http_api::Route;
use crate::message::Kind;

/// What is registered.
#[derive(Clone, Copy, Debug)]
pub struct Registration<'a> {
    /// The mediator's name among all of the core's.
    pub urn: &'a str,
    /// How the console calls it.
    pub name: &'a str,
    /// Of the program, in the form x.y.z: the core takes a change only with a higher one.
    pub version: &'a str,
    /// Where the core reaches it.
    pub endpoint: &'a Url,
    /// As whom the channels come: the core passes no credentials of its clients on.
    pub route: (&'a str, &'a SecretString),

    /// Clients or roles that may use the channel of each kind, in the order of [`Kind::INBOUND`].
    pub clients: [&'a [String]; Kind::INBOUND.len()],
    /// Settings that the console offers, and their values as they are.
    pub settings: Option<(&'a [Value], &'a Value)>,
}

impl Registration<'_> {
    /// The document for `POST /mediators`.
    pub fn document(&self) -> Value {
        let mut document = json!({
            "urn": self.urn,
            "version": self.version,
            "name": self.name,
            "description": "Claims of openIMIS become tasks in CHT; the answers come back as feedback on the claim",
            "defaultChannelConfig": Kind::INBOUND.iter().map(|kind| self.channel(*kind)).collect::<Vec<_>>(),
            "endpoints": Kind::INBOUND.iter().map(|kind| self.endpoint(*kind)).collect::<Vec<_>>(),
        });
        if let Some((definitions, values)) = self.settings {
            document["configDefs"] = definitions.into();
            document["config"] = values.clone();
        }
        document
    }

    fn channel(&self, kind: Kind) -> Value {
        let (username, password) = self.route;
        let mut route = self.to(kind);
        route["username"] = username.into();
        route["password"] = password.expose_secret().into();
        json!({
            "name": format!("{}: {}", self.name, what(kind)),
            "description": format!("{} for {}", what(kind), self.name),
            "urlPattern": format!("^{}$", Route::Inbound(kind).path()),
            "type": "http",
            "methods": [Route::Inbound(kind).allow()],
            "authType": "private",
            "allow": self.clients[kind as usize],
            "requestBody": true,
            "responseBody": true,
            "routes": [route],
        })
    }

    fn endpoint(&self, kind: Kind) -> Value {
        let mut endpoint = self.to(kind);
        endpoint["path"] = Route::Inbound(kind).path().into();
        endpoint
    }

    /// A way to the mediator. The path stays as it came.
    fn to(&self, kind: Kind) -> Value {
        json!({
            "name": format!("{}: {}", self.name, what(kind)),
            "type": "http",
            "secured": self.endpoint.scheme() == "https",
            "host": self.endpoint.host_str().unwrap_or_default(),
            "port": self.endpoint.port_or_known_default(),
            "primary": true,
        })
    }
}

fn what(kind: Kind) -> &'static str {
    match kind {
        Kind::ClaimResponse => "claims",
        Kind::Feedback => "feedback",
        Kind::Eclaim | Kind::Adjudication | Kind::EclaimAnswer => "hospital claims",
    }
}
