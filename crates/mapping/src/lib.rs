//! What a resource becomes: pure functions, JSON text in, JSON text out.
//!
//! No input or output, no clock, no environment, no random numbers: the same input gives the same bytes in the
//! wasmtime host, under Spin, in Node and in a unit test. Each map is one file and one WIT interface (`wit/mapping`).
//!
//! # Layout
//! - [`claim_response`], [`feedback`], [`patient`]: the maps.
//! - [`bikram_sambat`]: the calendar of Nepal.
//! - [`issue`]: what a map says of an input it cannot use; [`ids`]: identifiers as types.
//! - `json`: reading JSON leniently and without copies; `fhir`: the few FHIR elements that the maps read.
#![forbid(unsafe_code)]

pub mod bikram_sambat;
pub mod claim_response;
pub mod feedback;
pub mod ids;
pub mod issue;
pub mod patient;

mod fhir;
mod json;
mod phone;

pub use issue::{Issue, IssueType, Severity};

/// A mapped document: what a map returns when the input can be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mapped {
    /// JSON text, ready to be sent.
    pub body: String,
    /// Equal for two inputs that must have one effect only, for example `claim/<uuid>`.
    pub idempotency_key: String,
    /// What somebody should look at though the input was mapped. Severity warning or information.
    pub warnings: Vec<Issue>,
}

/// The result of every map: the mapped document, or all problems of the input at once.
pub type MapResult = Result<Mapped, Vec<Issue>>;
