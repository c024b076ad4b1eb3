//! The console: what admins see of the mediator in a browser, and what they do. HTML from the server that works without a script; htmx
//! (`static/`) refreshes parts of it.
//!
//! # Layout
//! - `session_layer`: who is let in, and that a form is ours. `session`: who is signed in. `sign_in`: how they sign in. `visit`: their
//!   request. `cookies`: what browsers keep. `trouble`: why there is no page.
//! - `overview`, `messages`, `message`, `bulk`, `patients`, `facilities`, `audit`: the pages. `page`: what they share. `statics`: style and scripts.
//! - `filter`: a filter as a form or an address says it. `documents`: two documents side by side. `mask`: what is hidden.
//! - `format`, `texts`: languages and times. [`settings`]: what the operator decides. [`program`]: what the mediator brings.

mod audit;
mod bulk;
mod cookies;
pub mod documents;
mod eclaim_answers;
mod facilities;
mod filter;
pub mod format;
pub mod mask;
mod message;
mod messages;
mod overview;
mod page;
mod patients;
pub mod program;
pub mod session;
mod session_layer;
pub mod settings;
mod sign_in;
mod statics;
pub mod texts;
mod trouble;
mod visit;

use std::sync::Arc;

use auth::Admission;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use store::SqlStore;

use bulk::Jobs;
use program::Program;
use session::Sessions;

pub use settings::{ConsoleSettings, Language};

/// Where it is.
pub const HOME: &str = "/console";
/// Longest form.
const FORM_LIMIT_BYTES: usize = 16 << 10;

/// What the console is made of.
pub struct Parts {
    /// What the operator decides.
    pub settings: ConsoleSettings,
    /// The running mediator.
    pub program: Arc<dyn Program>,
    /// What is stored.
    pub store: SqlStore,
    /// Who may sign in.
    pub admission: Arc<Admission>,
    /// Whether the mediator itself speaks TLS.
    pub has_certificate: bool,
    /// Which parts of the mediator are in use.
    pub uses: Uses,
}

/// Which parts of the mediator are in use: pages are left out where they are not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Uses {
    /// A registry of facilities.
    pub registry: bool,
    /// The mediator maintains a subscription in openIMIS.
    pub subscription: bool,
    /// Answers are posted to a hospital.
    pub hospital: bool,
    /// A client may post hospitals' claims.
    pub eclaims: bool,
}

/// What all pages share.
struct Console {
    program: Arc<dyn Program>,
    store: SqlStore,
    admission: Arc<Admission>,
    uses: Uses,
    language: Language,
    sessions: Sessions,
    jobs: Jobs,
    zone: TimeZone,
    /// Browsers come by HTTPS: cookies travel so only.
    secure: bool,
}

impl Console {
    fn now(&self) -> Timestamp {
        self.program.now()
    }
}

/// All pages, for the admin listener; none if they are switched off.
pub fn router<S: Clone + Send + Sync + 'static>(parts: Parts) -> Router<S> {
    let Parts { settings, program, store, admission, has_certificate, uses } = parts;
    if !settings.enabled {
        return Router::new();
    }
    let console = Arc::new(Console {
        sessions: Sessions::new(settings.idle_timeout, settings.session_timeout),
        jobs: Jobs::default(),
        zone: settings.zone().unwrap_or(TimeZone::UTC),
        secure: settings.behind_https || has_certificate,
        language: settings.language,
        program,
        store,
        admission,
        uses,
    });
    let signed_in = Router::new()
        .route("/console", get(overview::show))
        .route("/console/overview", get(overview::part))
        .route("/console/subscriptions", get(overview::subscriptions))
        .route("/console/messages", get(messages::list))
        .route("/console/messages/find", post(messages::find))
        .route("/console/messages/{id}", get(message::show))
        .route("/console/messages/{id}/retry", post(message::retry))
        .route("/console/messages/{id}/discard", post(message::discard))
        .route("/console/messages/{id}/unlink", post(message::unlink))
        .route("/console/messages/{id}/show", post(message::reveal))
        .route("/console/messages/{id}/hide", post(message::hide))
        .route("/console/retry", get(bulk::ask).post(bulk::begin))
        .route("/console/jobs/{id}", get(bulk::show))
        .route("/console/patients", get(patients::list))
        .route("/console/patients/{id}", get(patients::show))
        .route("/console/patients/{id}/show", post(patients::reveal))
        .route("/console/patients/{id}/hide", post(patients::hide))
        .route("/console/patients/{id}/confirm", post(patients::confirm))
        .route("/console/patients/{id}/refuse", post(patients::refuse))
        .route("/console/facilities", get(facilities::list))
        .route("/console/facilities/retry", post(facilities::retry_all))
        .route("/console/facilities/sync", post(facilities::sync))
        .route("/console/facilities/{id}", get(facilities::show))
        .route("/console/facilities/{id}/retry", post(facilities::retry))
        .route("/console/facilities/{id}/same", post(facilities::same))
        .route("/console/facilities/{id}/another", post(facilities::another))
        .route("/console/audit", get(audit::list))
        .route("/console/sign-out", post(sign_in::leave))
        .route("/console/{*other}", get(page::nothing_here).post(page::nothing_here))
        .method_not_allowed_fallback(page::nothing_here)
        .layer(from_fn_with_state(console.clone(), session_layer::signed_in));
    let open = Router::new()
        .route("/", get(home))
        .route("/console/", get(home))
        .route("/console/sign-in", get(sign_in::ask).post(sign_in::check))
        .route("/console/static/{name}", get(statics::file));
    open.merge(signed_in)
        .layer(DefaultBodyLimit::max(FORM_LIMIT_BYTES))
        .layer(axum::middleware::map_response(page::protected))
        .with_state(console)
}

async fn home() -> Response {
    (axum::http::StatusCode::SEE_OTHER, [(header::LOCATION, HOME)]).into_response()
}
