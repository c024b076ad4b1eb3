//! The playground: a page on which a document is mapped in the browser. Static files without credentials, because they hold no data.
//!
//! The page itself is part of the program, so that it always belongs to it; the mapping that runs in it, the web build of the npm
//! package, is read when the mediator starts, or as soon as it is there.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

use crate::config::Playground;
use crate::server::answer::refusal;

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const JSON: &str = "application/json";

macro_rules! page {
    ($name:literal) => {
        include_bytes!(concat!("../playground/", $name))
    };
}
macro_rules! sample {
    ($name:literal) => {
        include_bytes!(concat!("../../wit/cases/", $name))
    };
}

/// Name, content type and content. The empty name is the page.
const PAGE: [(&str, &str, &[u8]); 9] = [
    ("", HTML, page!("index.html")),
    ("index.html", HTML, page!("index.html")),
    ("style.css", "text/css; charset=utf-8", page!("style.css")),
    ("icon.svg", "image/svg+xml", page!("icon.svg")),
    ("page.js", SCRIPT, page!("page.js")),
    ("forms.js", SCRIPT, page!("forms.js")),
    ("json.js", SCRIPT, page!("json.js")),
    ("kinds.js", SCRIPT, page!("kinds.js")),
    ("engine.js", SCRIPT, page!("engine.js")),
];
/// The samples are cases, so that they never say what the mapping does not.
const SAMPLES: [(&str, &[u8]); 7] = [
    ("claim-response.json", sample!("claim-response/documented-sample.input.json")),
    ("claim-response-bad.json", sample!("claim-response/several-problems.input.json")),
    ("feedback.json", sample!("feedback/documented.input.json")),
    ("feedback-bad.json", sample!("feedback/everything-wrong.input.json")),
    ("patient.json", sample!("patient/place-village.input.json")),
    ("patient.settings.json", sample!("patient/place-village.settings.json")),
    ("patient-bad.json", sample!("patient/everything-wrong.input.json")),
];
/// The web build, in the folder `mapping` of `playground.dir`.
const WEB_BUILD: [(&str, &str); 5] = [
    ("web.mjs", SCRIPT),
    ("face.mjs", SCRIPT),
    ("memory.mjs", SCRIPT),
    ("mapping.mjs", SCRIPT),
    ("mapping_bg.wasm", "application/wasm"),
];
const MISSING: &str = include_str!("../playground/missing.html");

/// `sandbox` makes the page a stranger to its own server: with a password that the browser remembers for the mediator it could not
/// post or read anything, even if somebody smuggled a script into it.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
    sandbox allow-scripts allow-popups allow-popups-to-escape-sandbox";

/// One file, ready to be sent.
struct File {
    content_type: &'static str,
    content: Bytes,
    etag: HeaderValue,
}

impl File {
    fn new(content_type: &'static str, content: impl Into<Bytes>) -> Self {
        let content = content.into();
        let digest = Sha256::digest(&content);
        let etag: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let etag = HeaderValue::try_from(format!("\"{etag}\"")).unwrap_or(HeaderValue::from_static("\"\""));
        Self { content_type, content, etag }
    }

    fn answer(&self, status: StatusCode, asked: &HeaderMap) -> Response {
        let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
        let is_known = known.flat_map(|tags| tags.split(',')).any(|tag| {
            let tag = tag.trim();
            tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == self.etag.as_bytes()
        });
        let mut response = match is_known && status == StatusCode::OK {
            true => StatusCode::NOT_MODIFIED.into_response(),
            false => (status, self.content.clone()).into_response(),
        };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(header::ETAG, self.etag.clone());
        // It is asked for each time and mostly answered with 304: a new version of the mediator is a new page at once.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        // The page is a stranger (POLICY); its scripts and its module are open to all anyway.
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        response
    }
}

/// What there is to be served.
struct Files {
    files: HashMap<String, File>,
    is_built: bool,
}

/// The files that are served, and where the mapping is, which may be built while the mediator runs.
struct Served {
    mapping: PathBuf,
    files: RwLock<Arc<Files>>,
}

impl Served {
    /// Reads the web build; without one of this version there is only a page that says how to make it.
    fn load(settings: &Playground) -> Self {
        let mapping = settings.files().join("mapping");
        let files = Files::built(&mapping).unwrap_or_else(|reason| {
            tracing::info!(reason, "the playground has no mapping of this version: `cargo xtask build` makes it");
            let missing = File::new(HTML, MISSING);
            Files { files: HashMap::from([(String::new(), missing)]), is_built: false }
        });
        Self { mapping, files: RwLock::new(Arc::new(files)) }
    }

    /// The files as they are now: what was missing is looked for again.
    fn current(&self) -> Arc<Files> {
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner).clone();
        if files.is_built {
            return files;
        }
        let Ok(built) = Files::built(&self.mapping) else { return files };
        let built = Arc::new(built);
        *self.files.write().unwrap_or_else(PoisonError::into_inner) = built.clone();
        built
    }
}

impl Files {
    fn built(mapping: &std::path::Path) -> Result<Self, String> {
        let built = web_build(mapping)?;
        let page = PAGE.iter().map(|(name, kind, content)| (name.to_string(), File::new(kind, *content)));
        let samples = SAMPLES.iter().map(|(name, content)| (format!("samples/{name}"), File::new(JSON, *content)));
        Ok(Self { files: built.into_iter().chain(page).chain(samples).collect(), is_built: true })
    }

    fn answer(&self, name: &str, asked: &HeaderMap) -> Response {
        let status = if self.is_built { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        match self.files.get(name) {
            Some(file) => file.answer(status, asked),
            None => refusal(StatusCode::NOT_FOUND, "not-found", "no such file of the playground"),
        }
    }
}

/// The web build, if it is of this program's version: an older mapping would show what the mediator does not do.
fn web_build(dir: &std::path::Path) -> Result<Vec<(String, File)>, String> {
    let read = |name: &str| {
        let path = dir.join(name);
        files::read(&path, files::LARGE).map_err(|error| format!("{}: {error}", path.display()))
    };
    let manifest: serde_json::Value = serde_json::from_slice(&read("package.json")?).unwrap_or_default();
    let version = manifest["version"].as_str().unwrap_or("unknown");
    let own = env!("CARGO_PKG_VERSION");
    if version != own {
        return Err(format!("{}: version {version}; this program is {own}", dir.display()));
    }
    let file = |(name, content_type)| Ok((format!("mapping/{name}"), File::new(content_type, read(name)?)));
    WEB_BUILD.into_iter().map(file).collect()
}

/// `/playground/` and what belongs to it; nothing if it is switched off.
pub fn routes<S: Clone + Send + Sync + 'static>(settings: &Playground) -> Router<S> {
    if !settings.enabled {
        return Router::new();
    }
    type Shared = State<Arc<Served>>;
    let index = async |State(served): Shared, asked: HeaderMap| served.current().answer("", &asked);
    let file = async |State(served): Shared, Path(name): Path<String>, asked: HeaderMap| {
        served.current().answer(&name, &asked)
    };
    // Relative, so that it is right behind a proxy with a path of its own.
    let redirect = async || (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, "playground/")]);
    Router::new()
        .route("/playground", get(redirect))
        .route("/playground/", get(index))
        .route("/playground/{*name}", get(file))
        .with_state(Arc::new(Served::load(settings)))
}
