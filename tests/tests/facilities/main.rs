//! The facilities of a registry on stand-ins: what a run brings to openIMIS and what it leaves alone, what fails and goes on, what a person
//! decides. The real openIMIS is in `openimis/facilities.rs`.

mod decided;
mod interrupted;
mod many;
mod people;
mod synced;
mod twice;
mod world;
