//! What is wrong with settings, as JavaScript reads it.

use serde::Serialize;

/// One mistake in settings.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    /// `fields.date`, `places[0].place_id`.
    pub setting: String,
    /// What was expected.
    pub problem: String,
}

impl Problem {
    /// A mistake in a setting; an empty name is all of them.
    pub fn new(setting: &str, problem: impl Into<String>) -> Self {
        Self { setting: setting.to_owned(), problem: problem.into() }
    }
}
