//! `pay` with another name for its effect, by a component that does not compare the journal with what it asks. Left alone, it pays again.
#![allow(missing_docs)] // the macro's exports

use workflow_kit::{Ask, Done, End, Reply, workflow};

workflow!(pay, step_unchecked);

async fn pay(ask: &Ask, message: &str, _settings: &str) -> End {
    let mut words = message.split(' ');
    let (order, amount) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    match ask.once("payment", &format!("pay {order} {amount}")).await {
        Reply::Answer(outcome) => End::Done(Done { outcome, messages: vec![], rows: vec![] }),
        Reply::Unknown => End::Stuck("unknown".into()),
    }
}
