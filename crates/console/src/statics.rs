//! Style, scripts and icon. Part of the program, open to all: they hold no data.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

/// Name, content type and content. htmx is vendored as its makers publish it: `static/README.md`.
const FILES: [(&str, &str, &str); 3] = [
    ("style.css", "text/css; charset=utf-8", include_str!("static/style.css")),
    ("htmx.min.js", "text/javascript; charset=utf-8", include_str!("static/htmx.min.js")),
    ("icon.svg", "image/svg+xml", include_str!("static/icon.svg")),
];

/// Their addresses hold what they hold: another file is another address, so that browsers may keep what they have.
static ADDRESSES: LazyLock<[String; FILES.len()]> = LazyLock::new(|| {
    FILES.map(|(name, _, content)| {
        let sum: String = Sha256::digest(content).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("/console/static/{name}?v={sum}")
    })
});

/// Where a page finds one of them.
pub(super) fn address(name: &str) -> &'static str {
    let at = FILES.iter().position(|(known, _, _)| *known == name).unwrap_or_default();
    &ADDRESSES[at]
}

/// One of them.
pub(super) async fn file(Path(name): Path<String>) -> Response {
    let Some((_, kind, content)) = FILES.iter().find(|(known, _, _)| *known == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    ];
    (headers, *content).into_response()
}
