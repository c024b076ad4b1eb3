//! A stand-in for a Master Facility List: a FHIR R4 server with mCSD's resources, as HAPI and its like answer. It searches `Location` by
//! `_lastUpdated`, pages by `link.next`, takes along what `_include` names, and refuses what it does not know.

mod search;

use super::server::{self, Fault, Gate, Server, held};
use axum::{
    Json, Router,
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};
use tokio::net::TcpListener;

/// Password of [`super::USER`] at the registry.
pub const REGISTRY_PASSWORD: &str = "sandbox-registry";
/// A token that it takes as well.
pub const REGISTRY_TOKEN: &str = "sandbox-registry-token";

/// The stand-in; served in a background task until this is dropped.
pub struct Registry {
    core: Core,
    _server: Server,
}

/// What its routes share.
#[derive(Clone)]
pub(super) struct Core(Arc<Inner>);

struct Inner {
    address: SocketAddr,
    gate: Gate,
    state: Mutex<Memory>,
}

/// What it has.
#[derive(Default)]
struct Memory {
    /// By `Location/<id>`.
    resources: BTreeMap<String, Value>,
    /// Searches that are paged through: the hits of each.
    searches: Vec<search::Paged>,
    /// Where its links lead, if not to itself.
    links_to: Option<String>,
    /// By how many hits pages overlap.
    overlap: usize,
}

impl Registry {
    /// Serves on an address (port 0: any free one), with a few areas, organizations and facilities.
    ///
    /// # Errors
    /// An address that cannot be bound.
    pub async fn start(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let refuse = |status| outcome(StatusCode::from_u16(status).unwrap_or_default(), "Injected by the sandbox");
        let inner = Inner { address: listener.local_addr()?, gate: Gate::new(refuse), state: Mutex::default() };
        let core = Core(Arc::new(inner));
        let registry = Self { _server: server::serve(listener, router(&core)), core };
        for resource in seed() {
            registry.put(resource);
        }
        Ok(registry)
    }

    /// Its FHIR base address.
    pub fn url(&self) -> String {
        self.core.base()
    }

    /// Puts a resource in, or changes it: `meta.lastUpdated` is now.
    pub fn put(&self, resource: Value) {
        self.put_at(resource, Timestamp::now());
    }

    /// The same, updated at another time.
    pub fn put_at(&self, mut resource: Value, at: Timestamp) {
        resource["meta"]["lastUpdated"] = at.to_string().into();
        let name = |key: &str| resource[key].as_str().unwrap_or_default().to_owned();
        let key = format!("{}/{}", name("resourceType"), name("id"));
        self.core.state().resources.insert(key, resource);
    }

    /// Puts a facility in: its national id is its id in capitals, it is a health post of the government in this area.
    pub fn put_facility(&self, id: &str, name: &str, area: &str) {
        self.put(facility(id, name, area));
    }

    /// Takes a resource out, for example `Location/hf-1`.
    pub fn remove(&self, key: &str) {
        self.core.state().resources.remove(key);
    }

    /// Appends faults for the next `count` requests; 0 clears what is pending.
    pub fn fail_next(&self, count: usize, fault: Fault) {
        self.core.0.gate.fail_next(count, fault);
    }

    /// `METHOD path?query` and status of each request, in order.
    pub fn requests(&self) -> Vec<(String, u16)> {
        self.core.0.gate.requests()
    }

    /// Forgets the searches that are paged through, as a registry does after a while.
    pub fn forget_searches(&self) {
        self.core.state().searches.iter_mut().for_each(|search| search.forgotten = true);
    }

    /// Further pages begin so many hits earlier, as of a registry whose data change while they are paged through.
    pub fn overlap_pages(&self, hits: usize) {
        self.core.state().overlap = hits;
    }

    /// Its links lead there, as of a registry behind a proxy that it does not know of.
    pub fn link_to(&self, base: &str) {
        self.core.state().links_to = Some(base.to_owned());
    }
}

impl Core {
    fn base(&self) -> String {
        format!("http://{}/fhir", self.0.address)
    }

    fn state(&self) -> MutexGuard<'_, Memory> {
        held(&self.0.state)
    }
}

/// A facility, as mCSD has it.
pub(super) fn facility(id: &str, name: &str, area: &str) -> Value {
    json!({
        "resourceType": "Location", "id": id, "status": "active", "name": name,
        "identifier": [{"use": "official", "system": "http://registry.example.org/facilities", "value": id.to_uppercase()}],
        "type": [{"coding": [{"system": "http://registry.example.org/types", "code": "health-post"}]}],
        "physicalType": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/location-physical-type", "code": "bu"}]},
        "managingOrganization": {"reference": "Organization/moh"},
        "partOf": {"reference": format!("Location/{area}")},
    })
}

fn seed() -> Vec<Value> {
    let area = |id: &str, name: &str| {
        json!({
            "resourceType": "Location", "id": id, "status": "active", "name": name,
            "physicalType": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/location-physical-type", "code": "jdn"}]},
        })
    };
    let ministry = json!({
        "resourceType": "Organization", "id": "moh", "active": true, "name": "Ministry of Health",
        "type": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/organization-type", "code": "govt"}]}],
    });
    vec![area("rapta", "Rapta"), area("jambero", "Jambero"), ministry]
}

fn router(core: &Core) -> Router {
    Router::new()
        .route("/fhir", get(search::page))
        .route("/fhir/Location", get(search::first))
        .route("/fhir/{kind}/{id}", get(read))
        .layer(middleware::from_fn(authenticate))
        .fallback(|uri: Uri| async move { outcome(StatusCode::NOT_FOUND, &format!("Unknown address {}", uri.path())) })
        .layer(middleware::from_fn_with_state(core.0.gate.clone(), server::pass))
        .with_state(core.clone())
}

async fn authenticate(headers: HeaderMap, request: Request, next: Next) -> Response {
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let basic = format!("Basic {}", STANDARD.encode(format!("{}:{REGISTRY_PASSWORD}", super::USER)));
    if shown == basic || shown == format!("Bearer {REGISTRY_TOKEN}") {
        return next.run(request).await;
    }
    outcome(StatusCode::UNAUTHORIZED, "Unknown client")
}

async fn read(State(core): State<Core>, Path((kind, id)): Path<(String, String)>) -> Response {
    match core.state().resources.get(&format!("{kind}/{id}")) {
        Some(resource) => Json(resource.clone()).into_response(),
        None => outcome(StatusCode::NOT_FOUND, &format!("Resource {kind}/{id} is not known")),
    }
}

/// A refusal, in FHIR's words.
fn outcome(status: StatusCode, text: &str) -> Response {
    let issue = json!({"severity": "error", "code": "processing", "diagnostics": text});
    (status, Json(json!({"resourceType": "OperationOutcome", "issue": [issue]}))).into_response()
}
