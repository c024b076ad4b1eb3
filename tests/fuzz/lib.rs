//! What each fuzz target does with a piece of data, and what must hold for any data at all. `fuzz/` feeds them with libFuzzer,
//! `tests/tests/fuzz_corpus.rs` with regressions and with inputs made from cases. A target panics when something does not hold.

mod exchanges;
mod input;
mod maps;

#[cfg(feature = "flow")]
mod bodies;
#[cfg(feature = "flow")]
pub mod memory;
#[cfg(feature = "flow")]
mod peers;

#[cfg(feature = "host")]
mod components;
#[cfg(feature = "host")]
mod configuration;

/// A target: any data in, a panic if something does not hold.
pub type Target = fn(&[u8]);

/// All of them by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("map_claim_response", maps::claim_response),
    ("map_feedback", maps::feedback),
    ("map_patient", maps::patient),
    ("map_claim", exchanges::claim),
    ("map_claim_answer", exchanges::claim_answer),
    ("map_eligibility", exchanges::eligibility),
    ("map_facility", exchanges::facility),
    #[cfg(feature = "flow")]
    ("body_claim_response", bodies::claim_response),
    #[cfg(feature = "flow")]
    ("body_feedback", bodies::feedback),
    #[cfg(feature = "flow")]
    ("peer_answer", peers::answer),
    #[cfg(feature = "host")]
    ("configuration", configuration::any),
    #[cfg(feature = "host")]
    ("component_loader", components::load),
];

/// Runs a target.
///
/// # Panics
/// There is no such target, or something does not hold.
pub fn run(name: &str, data: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target of this name");
    target(data);
}
