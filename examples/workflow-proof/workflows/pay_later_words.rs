//! `pay` of a later version that asks the same and ends with other words: it may take over a message in the middle.
#![allow(missing_docs)] // the macro's exports

use workflow_kit::{Ask, Done, End, workflow};

#[path = "payment.rs"]
mod payment;

workflow!(pay);

async fn pay(ask: &Ask, message: &str, settings: &str) -> End {
    match payment::pay(ask, message, settings).await {
        End::Done(done) => End::Done(Done { outcome: format!("paid: {}", done.outcome), ..done }),
        end => end,
    }
}
