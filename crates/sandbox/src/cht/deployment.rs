//! What a deployment is: its version, its settings and forms, and what its user may do.

use super::{Cht, State, error::Accepts, error::Refusal};
use axum::{
    Json,
    extract::{Path, State as Shared},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// A version of CHT, as far as its API differs for a mediator.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum ChtVersion {
    /// 4.10: contacts are looked up in a view.
    V4_10,
    /// 4.18: there is `GET /api/v1/contact/uuid`, and still the view.
    V4_18,
    /// 5.2: the view is gone; there is `POST /api/v1/person`.
    V5_2,
    /// One to come, without the older `POST /api/v1/people`.
    WithoutPeople,
}

impl ChtVersion {
    fn number(self) -> &'static str {
        match self {
            Self::V4_10 => "4.10.0",
            Self::V4_18 => "4.18.0",
            Self::V5_2 => "5.2.0",
            Self::WithoutPeople => "6.0.0",
        }
    }
}

/// Version, settings, forms by name, and the roles of the stand-in's user.
pub(super) struct Deployment {
    pub version: ChtVersion,
    pub settings: Value,
    pub forms: Vec<(String, String)>,
    pub roles: Vec<String>,
}

impl Default for Deployment {
    fn default() -> Self {
        let settings = include_str!("settings.json");
        let form = ("claims_feedback".to_owned(), include_str!("claims_feedback.xml").to_owned());
        Self {
            version: ChtVersion::V5_2,
            settings: serde_json::from_str(settings).unwrap_or_default(),
            forms: vec![form],
            roles: vec!["openimis_mediator".to_owned(), "mm-online".to_owned()],
        }
    }
}

impl Cht {
    /// Behaves as another version from now on.
    pub fn set_version(&self, version: ChtVersion) {
        self.state().deployment.version = version;
    }

    /// `app_settings`: what `GET /api/v1/settings` answers, and what the user may do by it.
    pub fn settings(&self) -> Value {
        self.state().deployment.settings.clone()
    }

    /// Other settings from now on.
    pub fn set_settings(&self, settings: Value) {
        self.state().deployment.settings = settings;
    }

    /// The app forms that are installed: name and XML.
    pub fn set_forms(&self, forms: Vec<(String, String)>) {
        self.state().deployment.forms = forms;
    }

    /// Roles of the user.
    pub fn set_roles(&self, roles: &[&str]) {
        self.state().deployment.roles = roles.iter().map(|role| (*role).to_owned()).collect();
    }

    pub(super) fn version(&self) -> ChtVersion {
        self.state().deployment.version
    }
}

impl State {
    /// As CHT asks (`api/src/auth.js`): one of the user's roles has the permission in the settings.
    pub fn permit(&self, permissions: &[&str]) -> Result<(), Refusal> {
        let roles = &self.deployment.roles;
        let has = |permission: &&str| {
            let granted = self.deployment.settings["permissions"][*permission].as_array();
            granted.is_some_and(|granted| granted.iter().any(|role| roles.iter().any(|own| role == own.as_str())))
        };
        if roles.iter().any(|role| role == "_admin") || permissions.iter().all(has) {
            return Ok(());
        }
        Err(Refusal::new(403, "Insufficient privileges"))
    }

    /// The newer routes are for online users only.
    pub fn permit_online(&self, permissions: &[&str]) -> Result<(), Refusal> {
        if !self.deployment.roles.iter().any(|role| role == "mm-online" || role == "_admin") {
            return Err(Refusal::new(403, "Insufficient privileges"));
        }
        self.permit(permissions)
    }
}

/// What CHT does not know goes on to CouchDB, which has no database of that name.
pub(super) fn no_such_route() -> Response {
    (StatusCode::NOT_FOUND, Json(json!({"error": "not_found", "reason": "Database does not exist."}))).into_response()
}

pub(super) async fn settings(Shared(cht): Shared<Cht>) -> Json<Value> {
    let state = cht.state();
    let mut settings = state.deployment.settings.clone();
    // Where the sandbox really pushes to.
    if let Some(outbound) = &state.outbound
        && let Some(destination) = settings.pointer_mut("/outbound/openimis-feedback/destination")
        && let Some((base, _)) = outbound.url.split_once("/mediator/")
    {
        destination["base_url"] = json!(base);
    }
    Json(settings)
}

pub(super) async fn forms(Shared(cht): Shared<Cht>) -> Json<Value> {
    let state = cht.state();
    Json(state.deployment.forms.iter().map(|(name, _)| format!("{name}.xml")).collect())
}

pub(super) async fn form(Shared(cht): Shared<Cht>, accepts: Accepts, Path(name): Path<String>) -> Response {
    let state = cht.state();
    let wanted = name.strip_suffix(".xml").unwrap_or(&name);
    match state.deployment.forms.iter().find(|(name, _)| name == wanted) {
        Some((_, xml)) => ([(header::CONTENT_TYPE, "application/xml")], xml.clone()).into_response(),
        None => accepts.refuse(Refusal::new(404, format!("Form not found: {wanted} (xml)"))).into_response(),
    }
}

pub(super) async fn monitoring(Shared(cht): Shared<Cht>) -> Json<Value> {
    Json(json!({"version": {"app": cht.version().number(), "node": "v22.0.0", "couchdb": "3.5.0"}}))
}

pub(super) async fn session(Shared(cht): Shared<Cht>) -> Json<Value> {
    let roles = cht.state().deployment.roles.clone();
    Json(
        json!({"ok": true, "userCtx": {"name": super::super::USER, "roles": roles}, "info": {"authenticated": "default"}}),
    )
}
