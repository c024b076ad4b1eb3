//! What the tests share: a mediator with sandbox peers, and fixture folders.

pub mod fixtures;
pub mod running;
