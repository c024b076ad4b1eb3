//! What is logged, and how.

use serde::Deserialize;

/// Logs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// "human" (one line for people) or "json" (one JSON object a line).
    ///
    /// Default: `"human"`.
    pub format: LogFormat,
    /// "error", "warn", "info" or "debug".
    ///
    /// Default: `"info"`.
    pub level: LogLevel,
}

/// Shape of the logs.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// A JSON object a line.
    Json,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
}
