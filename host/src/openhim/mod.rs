//! OpenHIM, where the mediator is one of its mediators: it registers, tells that it is alive, takes over settings from OpenHIM's console and
//! tells transactions what became of their messages. None of it is ever in the way of a message.
//!
//! # Layout
//! - [`response`]: answers in the form that the core reads. [`keep`]: registration, heartbeats. [`live`]: settings that the console changes.
//! - [`adopt`]: where the console and the file differ.
//! - [`report`]: transactions are told. `api`: requests to the core. [`status`]: how all of that goes, for admins.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

pub mod adopt;
pub mod keep;
pub mod live;
pub mod report;
pub mod response;
pub mod status;

mod api;

pub use status::Status;

/// What the process knows of OpenHIM.
pub struct OpenHim {
    started: Instant,
    login: api::Login,
    state: Mutex<status::State>,
}

impl OpenHim {
    /// Nothing is known yet.
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), login: api::Login::default(), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, status::State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
