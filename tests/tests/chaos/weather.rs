//! Peers that fail at random.

use std::time::Duration;

use fastrand::Rng;
use sandbox::{Fault, Sandbox};
use tokio::sync::watch;
use tokio::time::sleep;

const DOWN: usize = usize::MAX;

/// Longer than the mediator waits for an answer.
const TOO_LONG: Duration = Duration::from_millis(1200);

/// What a peer may do with a request.
const FAULTS: [Fault; 12] = [
    Fault::Reset,
    Fault::Status(500),
    Fault::Status(502),
    Fault::Status(503),
    Fault::Html,
    Fault::Hang(TOO_LONG),
    // It is done, and the answer is cut off: twice as often as the others, for these make doubles.
    Fault::ProcessThenHang(Duration::ZERO),
    Fault::ProcessThenHang(Duration::from_millis(100)),
    Fault::ProcessThenHang(TOO_LONG),
    Fault::ProcessThenHang(TOO_LONG),
    Fault::Slow(Duration::from_millis(300)),
    Fault::Stall(TOO_LONG),
];

/// Lets peers fail until told to stop; then they are well. Between two spells there is a calm: a mediator that has seen failures in
/// a row sends single probes, and if each of these met a fault, nothing would ever be delivered and nothing tested.
pub async fn bad(sandbox: &Sandbox, seed: u64, mut stop: watch::Receiver<bool>) {
    let mut random = Rng::with_seed(seed);
    while !*stop.borrow() {
        let openimis = random.bool();
        let fail = |count: usize, fault: Fault| match openimis {
            true => sandbox.openimis.fail_next(count, fault),
            false => sandbox.cht.fail_next(count, fault),
        };
        let lasts = if random.u8(..12) == 0 {
            fail(DOWN, Fault::Reset);
            random.u64(200..1500)
        } else {
            fail(random.usize(1..5), FAULTS[random.usize(..FAULTS.len())]);
            random.u64(50..500)
        };
        rest(lasts, &mut stop).await;
        fail(0, Fault::Reset); // what nobody has met by now is over
        rest(random.u64(0..300), &mut stop).await;
    }
}

async fn rest(milliseconds: u64, stop: &mut watch::Receiver<bool>) {
    tokio::select! {
        () = sleep(Duration::from_millis(milliseconds)) => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
}
