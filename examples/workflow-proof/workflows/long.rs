//! Long messages: many effects in a row, or many looks with waits between them. Message: `<what> <how many>`.
#![allow(missing_docs)] // the macro's exports

use workflow_kit::{Ask, Done, End, workflow};

workflow!(long);

async fn long(ask: &Ask, message: &str, _settings: &str) -> End {
    let (what, many) = message.split_once(' ').unwrap_or_default();
    let many: u64 = many.parse().unwrap_or_default();
    let outcome = match what {
        "effects" => effects(ask, many).await,
        "polls" => polls(ask).await,
        // The same in parts of ten, each with a journal of its own.
        "parts" => match part(ask, many).await {
            Some(left) => return End::Checkpoint(format!("parts {left}")),
            None => "all".into(),
        },
        _ => return End::Stuck("no such work".into()),
    };
    End::Done(Done { outcome, messages: vec![], rows: vec![] })
}

/// A hundred bytes of request each.
async fn effects(ask: &Ask, many: u64) -> String {
    let padding = "0".repeat(84);
    for number in 0..many {
        ask.once(&format!("pay/{number}"), &format!("pay order-{number:06} {padding}")).await;
    }
    format!("{many}")
}

/// Looks every minute until the service has it.
async fn polls(ask: &Ask) -> String {
    loop {
        if let Some(found) = ask.read("status", "status").await {
            return found;
        }
        let now = ask.time().await;
        ask.sleep_until(now + 60).await;
    }
}

async fn part(ask: &Ask, left: u64) -> Option<u64> {
    let next = left.saturating_sub(10);
    for number in next..left {
        let order = format!("order-{number}");
        if ask.ensure(&order, &format!("find {order}"), &format!("pay {order} 1")).await.is_err() {
            return None;
        }
    }
    (next > 0).then_some(next)
}
