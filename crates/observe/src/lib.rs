//! Handles of metrics and tracing spans, for the crates that do the work.
//!
//! Each crate owns the figures of its work and registers them; nothing here knows what is measured.
//!
//! # Layout
//! - [`metrics`]: counters, gauges and histograms whose labels are fixed words.
//! - [`trace`]: spans of OpenTelemetry, and the W3C trace context of requests.

pub mod metrics;
pub mod trace;
