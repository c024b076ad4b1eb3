//! `pay` of a later version that pays more: it may not take over a message that has paid.
#![allow(missing_docs)] // the macro's exports

use workflow_kit::{Ask, Done, End, workflow};

workflow!(pay);

async fn pay(ask: &Ask, message: &str, _settings: &str) -> End {
    let mut words = message.split(' ');
    let (order, amount) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let id = words.next().unwrap_or_default();
    ask.link(order, id).await;
    match ask.ensure("pay", &format!("find {order}"), &format!("pay {order} {amount}.50")).await {
        Ok(outcome) => End::Done(Done { outcome, messages: vec![], rows: vec![] }),
        Err(reason) => End::Stuck(reason),
    }
}
