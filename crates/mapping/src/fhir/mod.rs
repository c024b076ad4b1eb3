//! The few FHIR R4 elements that the maps read and write. Narrow on purpose: not all of R4.
//!
//! # Layout
//! - `elements`: elements with their code systems, as other systems than openIMIS write them.
//! - `openimis`: elements as openIMIS writes them, where a type's code alone says which one it is.
//! - `write`: elements as the maps write them.
//! - `period`: when an element is in use.
//! - `codes`: openIMIS' code systems, types of identifiers and resources.
//! - `primitives`: days, instants and UUIDs; what an issue may tell of a text.

pub(crate) mod codes;
pub(crate) mod elements;
pub(crate) mod openimis;
pub(crate) mod period;
pub(crate) mod primitives;
pub(crate) mod write;
