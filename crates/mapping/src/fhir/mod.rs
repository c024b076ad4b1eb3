//! The few FHIR R4 elements that the maps read and write. Narrow on purpose: not all of R4.
//!
//! # Layout
//! - `elements`: elements with their code systems, as other systems than openIMIS write them.
//! - `openimis`: elements as openIMIS writes them, where a type's code alone says which one it is.

pub(crate) mod elements;
pub(crate) mod openimis;
