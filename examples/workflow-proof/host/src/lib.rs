//! The host's side of the proof.
//!
//! # Layout
//! - [`runtime`]: a component in wasmtime, and what the host itself checks of it
//! - [`store`]: SQLite; every commit is one function
//! - [`worker`]: one message, from its lease to its end or its next wait
//! - [`service`]: the stand-in for a payment service, which counts effects and loses answers
//! - [`plan`]: runs a message with crashes, lost answers and signals at chosen points

pub mod plan;
pub mod runtime;
pub mod service;
pub mod store;
pub mod worker;

/// Components that the build script made.
pub mod components {
    macro_rules! component {
        ($($name:ident: $file:literal, $what:literal;)+) => {$(
            #[doc = $what]
            pub const $name: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/", $file));
        )+};
    }
    component! {
        PAY: "pay.wasm", "The workflow of the proof.";
        PAY_LATER_WORDS: "pay_later_words.wasm", "Asks the same, ends with other words.";
        PAY_WITH_FEE: "pay_with_fee.wasm", "Pays more.";
        PAY_CARELESS: "pay_careless.wasm", "Names its effect otherwise and does not look at the journal.";
        TRAPS: "traps.wasm", "What an author can do wrong.";
        LONG: "long.wasm", "Long messages.";
    }
}
