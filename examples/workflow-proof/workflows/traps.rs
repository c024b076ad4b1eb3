//! What an author can do wrong without any import. The message says which.
#![allow(missing_docs)] // the macro's exports

use std::collections::HashMap;

use futures_util::future::join;
use workflow_kit::{Ask, Done, End, workflow};

workflow!(wrong);

async fn wrong(ask: &Ask, message: &str, settings: &str) -> End {
    match message {
        "hash map" => hash_map(ask).await,
        "joined numbers" => joined_numbers(ask).await,
        "joined names" => joined_names(ask).await,
        "twice" => {
            ask.once("pay", "pay a 1").await;
            ask.once("pay", "pay a 1").await;
        }
        "settings" => {
            ask.once("pay", &format!("pay a {settings}")).await;
            ask.signal("paid/a", 100).await;
        }
        "foreign future" => std::future::pending().await,
        "panic" => panic!("the author's words"),
        _ => return End::Stuck("no such mistake".into()),
    }
    End::Done(Done { outcome: "done".into(), messages: vec![], rows: vec![] })
}

/// Its order follows the addresses of the heap, which follow the length of the journal.
async fn hash_map(ask: &Ask) {
    let orders: HashMap<u32, u32> = (1..=8).map(|order| (order, order * 100)).collect();
    for (at, (order, amount)) in orders.iter().enumerate() {
        ask.once(&format!("pay/{at}"), &format!("pay order-{order} {amount}")).await;
    }
}

/// Both branches number the same name: which of them comes first depends on which answer came first.
async fn joined_numbers(ask: &Ask) {
    let branch = async |name: &str, order: &str| {
        ask.read(name, &format!("find {order}")).await;
        ask.read("again", &format!("find {order}")).await;
    };
    join(branch("left", "order-1"), branch("right", "order-2")).await;
}

/// The same with names of their own.
async fn joined_names(ask: &Ask) {
    let branch = async |name: &str, order: &str| {
        ask.read(name, &format!("find {order}")).await;
        ask.read(&format!("{name} again"), &format!("find {order}")).await;
    };
    join(branch("left", "order-1"), branch("right", "order-2")).await;
}
