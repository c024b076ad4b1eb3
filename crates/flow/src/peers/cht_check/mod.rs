//! Whether a running CHT is set up for the mediator: asked over its API, before the first claim is. Nothing is written: where a permission
//! to write is tried, the request is empty, and CHT refuses it for that.
//!
//! # Layout
//! - `ask`: the requests. `account`: who we are there, and what we may do.
//! - `form`, `outbound`: what the settings say of the record and of the feedback. `deployment`: version, clock, contact types, places.
//!
//! But for `ask`, all of it is pure: documents in, findings out.

mod account;
mod ask;
mod deployment;
mod form;
mod outbound;

use serde::Serialize;
use serde_json::Value;
use url::Url;

pub use deployment::{AtCht, PlaceAtCht};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, or may work; somebody should look.
    Warning,
    /// Claims or feedback will not get through.
    Error,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// What was looked at, for example `form.field.op_year`.
    pub check: String,
    /// What was found. No secret and no personal data.
    pub text: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub todo: Option<String>,
}

/// What the mediator's own configuration says, beyond [`crate::Settings`].
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// Users that may post feedback to the mediator.
    pub feedback_users: Vec<String>,
    /// An address under which the mediator is reached from outside, where it is known.
    pub address: Option<Url>,
    /// Imported places, beside those of the settings.
    pub places: Vec<String>,
}

/// All that was found.
#[derive(Clone, Debug, Default)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    fn ok(&mut self, check: impl Into<String>, text: impl Into<String>) {
        self.0.push(Finding { level: Level::Ok, check: check.into(), text: text.into(), todo: None });
    }

    fn warning(&mut self, check: impl Into<String>, text: impl Into<String>, todo: impl Into<String>) {
        let todo = Some(todo.into());
        self.0.push(Finding { level: Level::Warning, check: check.into(), text: text.into(), todo });
    }

    fn error(&mut self, check: impl Into<String>, text: impl Into<String>, todo: impl Into<String>) {
        let todo = Some(todo.into());
        self.0.push(Finding { level: Level::Error, check: check.into(), text: text.into(), todo });
    }

    /// How many there are of a level.
    pub fn count(&self, level: Level) -> usize {
        self.0.iter().filter(|finding| finding.level == level).count()
    }
}

/// A member of an object that is text and not empty.
fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value[name].as_str().filter(|text| !text.is_empty())
}
