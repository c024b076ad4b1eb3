//! One order is paid once, and ends when the service has called back.

use workflow_kit::{Ask, Done, End, RowWrite};

/// `message`: `<order> <amount> <id of the message>`. With `early-row` in the settings it reads its row before the effect.
pub async fn pay(ask: &Ask, message: &str, settings: &str) -> End {
    let mut words = message.split(' ');
    let (Some(order), Some(amount), Some(id)) = (words.next(), words.next(), words.next()) else {
        return End::Stuck("expected an order, an amount and an id".into());
    };
    // Two messages of one order: the first claims it.
    let claimed_by = ask.link(order, id).await;
    if claimed_by != id {
        return End::Done(Done { outcome: format!("paid by {claimed_by}"), messages: vec![], rows: vec![] });
    }
    let key = format!("payments/{order}");
    let early = if settings.contains("early-row") { Some(ask.row(&key).await) } else { None };
    let receipt = match ask.ensure("pay", &format!("find {order}"), &format!("pay {order} {amount}")).await {
        Ok(receipt) => receipt,
        Err(reason) => return End::Stuck(reason),
    };
    let now = ask.time().await;
    let Some(callback) = ask.signal(&format!("paid/{order}"), now + 86_400).await else {
        return End::Stuck("the service did not call back within a day".into());
    };
    let row = match early {
        Some(row) => row,
        None => ask.row(&key).await,
    };
    let document = format!("{}{receipt};", row.document);
    End::Done(Done {
        outcome: format!("{receipt}, {callback}"),
        messages: vec![format!("notify {order}")],
        rows: vec![RowWrite { key, expected: row.version, document }],
    })
}
