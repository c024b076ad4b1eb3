//! What the tests share: a mediator with sandbox peers, and the cases of the mappings.

pub mod browser;
pub mod fixtures;
pub mod outcomes;
pub mod postgres;
pub mod raw_peer;
pub mod running;
