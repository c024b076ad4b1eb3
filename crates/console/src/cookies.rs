//! Cookies of the console: for this host alone, for no script, and with HTTPS for HTTPS alone.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use crate::settings::Language;

/// The cookie of the language that somebody chose.
pub(super) const LANGUAGE_COOKIE: &str = "openimis-console-language";

/// With HTTPS the name itself keeps other hosts from setting it.
pub(super) fn session_cookie(secure: bool) -> &'static str {
    if secure { "__Host-openimis-console" } else { "openimis-console" }
}

/// The cookie of the sign-in form, which has no session yet.
pub(super) fn form_cookie(secure: bool) -> &'static str {
    if secure { "__Host-openimis-console-form" } else { "openimis-console-form" }
}

/// A cookie for this host alone, and for no script.
pub(super) fn cookie_line(name: &str, value: &str, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}")
}

pub(super) fn session_cookie_line(id: &str, secure: bool) -> String {
    cookie_line(session_cookie(secure), id, secure)
}

pub(super) fn language_cookie_line(language: Language, secure: bool) -> String {
    format!("{}; Max-Age=31536000", cookie_line(LANGUAGE_COOKIE, language.tag(), secure))
}

pub(super) fn set_cookie(response: &mut Response, line: &str) {
    if let Ok(line) = HeaderValue::from_str(line) {
        response.headers_mut().append(header::SET_COOKIE, line);
    }
}

pub(super) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}
