//! Hospitals' claims from the door to openIMIS and back: `POST /mediator/claim`.

mod faults;
mod followed;
mod sent;
mod world;
