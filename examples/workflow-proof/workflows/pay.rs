//! The workflow of the proof.
#![allow(missing_docs)] // the macro's exports

#[path = "payment.rs"]
mod payment;

workflow_kit::workflow!(payment::pay);
