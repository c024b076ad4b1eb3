//! A request of somebody who is signed in, with the form that came with it and the language of the page.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::{HeaderMap, Uri};
use jiff::Timestamp;
use url::form_urlencoded;

use super::Console;
use super::cookies::{LANGUAGE_COOKIE, cookie};
use super::format::Reader;
use super::session::Personal;
use crate::settings::Language;

/// A request of somebody who is signed in.
#[derive(Clone)]
pub(super) struct Visit {
    /// Who, as the audit trail calls them.
    pub name: String,
    /// What every form brings along.
    pub csrf: String,
    /// The session.
    pub session: String,
    /// What they asked to see, and until when.
    pub shown: HashMap<Personal, Timestamp>,
    /// How they read.
    pub reader: Reader,
    /// Which page.
    pub uri: Uri,
    /// There is a registry of facilities.
    pub has_registry: bool,
    /// Asked by a script for a part of a page.
    pub is_part: bool,
}

/// A form that was posted.
#[derive(Clone)]
pub(super) struct Form(pub Arc<HashMap<String, String>>);

impl Form {
    /// A field, without blanks around it; empty where it is missing.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |value| value.trim())
    }
}

/// The language, and whether this request chose it: by the address, else the cookie, else the browser's wish, else the setting.
pub(super) fn language(console: &Console, headers: &HeaderMap, uri: &Uri) -> (Language, bool) {
    let mut pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    if let Some(chosen) = pairs.find(|(name, _)| name == "lang").and_then(|(_, tag)| Language::from_tag(&tag)) {
        return (chosen, true);
    }
    let kept = cookie(headers, LANGUAGE_COOKIE).and_then(Language::from_tag);
    (kept.or_else(|| Language::accepted(headers)).unwrap_or(console.language), false)
}
