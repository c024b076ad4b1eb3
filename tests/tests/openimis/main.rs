//! The mediator against a real openIMIS (`tests/openimis/up.sh`): the loop, what openIMIS does not tell, its absence, its refusals.
//! CHT is the stand-in. `cargo xtask test` brings openIMIS up and runs these with `--ignored`.
//!
//! The database may be a used one: every test makes claims of its own and looks at nothing else.

mod account;
mod away;
mod cht_form;
mod claims;
mod eligibility;
mod facilities;
mod polled;
mod pushed;
mod real;
mod subscription;
mod world;
mod written;
