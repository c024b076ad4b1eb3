//! What the operator decides of the console.

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use serde::Deserialize;

/// The pages at `/console` of the admin listener.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConsoleSettings {
    /// Whether it is served beside the admin API.
    ///
    /// Default: `true`.
    pub enabled: bool,
    /// Time zone of the times that it shows, as the IANA list names it.
    ///
    /// Default: `"UTC"`; `"Asia/Kathmandu"` for Nepal.
    pub time_zone: String,
    /// Language where neither the reader nor the browser has asked for one of the three: "en", "fr" or "ne".
    ///
    /// Default: `"en"`.
    pub language: Language,
    /// After so long without a click an admin has to sign in again. Pages that refresh themselves do not count.
    ///
    /// Default: `"30m"`.
    pub idle_timeout: SignedDuration,
    /// After so long an admin has to sign in again in any case.
    ///
    /// Default: `"12h"`.
    pub session_timeout: SignedDuration,
    /// Whether browsers come by HTTPS although the mediator itself speaks plain HTTP, because a proxy stands in front. Then the
    /// session's cookie travels by HTTPS only. With `[server.tls]` it always does.
    ///
    /// Default: `false`.
    pub behind_https: bool,
}

/// A language of the console.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// French.
    Fr,
    /// Nepali.
    Ne,
}

impl Default for ConsoleSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            time_zone: "UTC".to_owned(),
            language: Language::En,
            idle_timeout: SignedDuration::from_mins(30),
            session_timeout: SignedDuration::from_hours(12),
            behind_https: false,
        }
    }
}

impl ConsoleSettings {
    /// The zone of its times.
    pub fn zone(&self) -> Option<TimeZone> {
        TimeZone::get(&self.time_zone).ok()
    }
}
