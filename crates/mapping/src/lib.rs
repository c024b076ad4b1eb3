//! What a resource becomes: pure functions, JSON text in, JSON text out.
//!
//! No input or output, no clock, no environment, no random numbers: the same input gives the same bytes in the
//! wasmtime host, under Spin, in Node and in a unit test. Each map is one file and one WIT interface (`wit/mapping`).
//!
//! # Layout
//! - [`claim_response`], [`feedback`], [`patient`]: the maps between openIMIS and CHT.
//! - [`eclaim`], [`eligibility`]: those between a hospital and openIMIS; [`facility`]: from a registry to openIMIS.
//! - [`lookup`]: what a map asks to know; [`codes`]: code tables.
//! - [`bikram_sambat`]: the calendar of Nepal.
//! - [`encoding`]: from bytes to text; what is there instead of JSON.
//! - [`issue`]: what a map says of an input it cannot use; [`outcome`]: issues as an `OperationOutcome`; [`ids`]: identifiers as types.
//! - [`phone`]: telephone numbers; [`text`]: characters that cannot be seen; [`in_use`]: which of several elements counts.
//! - `json`: reading JSON leniently and without copies, and writing it; `fhir`: FHIR elements;
//!   `modifiers`: elements that change the meaning of a resource.
//! - `bundle`: resources and their references; `decimal`: amounts; `insured`: insurance numbers;
//!   `shapes`: elements of another kind than FHIR's.
#![forbid(unsafe_code)]

pub mod bikram_sambat;
pub mod claim_response;
pub mod codes;
pub mod eclaim;
pub mod eligibility;
pub mod encoding;
pub mod facility;
pub mod feedback;
pub mod ids;
pub mod in_use;
pub mod issue;
pub mod lookup;
pub mod outcome;
pub mod patient;
pub mod phone;
pub mod text;

mod bundle;
mod decimal;
mod fhir;
mod insured;
mod json;
mod modifiers;
mod policy;
mod shapes;

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
