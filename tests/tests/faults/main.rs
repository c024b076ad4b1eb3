//! Peers that are down, slow, confused or closed to us: nothing is lost, nothing is done twice, nobody is hammered.

mod cht;
mod credentials;
mod openimis;
mod redirects;
mod stalls;
mod strange;
mod tls;
mod transport;
mod wire;

use std::time::{Duration, Instant};

use mediator_tests::running::{Mediator, PATIENCE, config, notification, reason, sandbox, story};
use sandbox::{Fault, Sandbox};
use store::View;
use tempfile::TempDir;

const CLAIM: &str = "/mediator/claim-response";
const FEEDBACK: &str = "/mediator/claims-feedback";
const RECORDS: &str = "POST /api/v2/records";
const PEOPLE: &str = "POST /api/v1/people";
const LOGIN: &str = "POST /api/api_fhir_r4/login/";
const PATIENT: &str = "GET /api/api_fhir_r4/Patient/";
const COMMUNICATION: &str = "POST /api/api_fhir_r4/Communication/";
/// The claim of CHT's documentation.
const SAMPLE_CLAIM: &str = "d3256498-ad16-4482-a2d2-4a6d9c78ba81";
const DOWN: usize = usize::MAX;

async fn started(changes: &[(&str, &str)]) -> (Mediator, Sandbox, TempDir) {
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    let mediator = Mediator::start(config(&sandbox, &dir, changes)).await;
    (mediator, sandbox, dir)
}

/// Failures after which the same request works: down, broken, behind something else.
const PASSING: [Fault; 6] =
    [Fault::Reset, Fault::Status(500), Fault::Status(502), Fault::Status(503), Fault::Html, Fault::Hang(SILENCE)];
/// Longer than the time-out below, however slow the machine is.
const SILENCE: Duration = Duration::from_secs(300);
/// Long enough for a peer that answers, also on a busy machine.
const SHORT_TIMEOUTS: [(&str, &str); 2] = [("cht.timeout", "2s"), ("openimis.timeout", "2s")];

/// Brings a claim of a patient that is linked already into the mediator: its next request goes to CHT's records.
async fn linked(mediator: &Mediator, sandbox: &Sandbox) {
    let claim = sandbox.openimis.enter_claim("LINKED");
    mediator.post(CLAIM, notification(sandbox, claim).await).await;
    mediator.settled().await;
    assert_eq!(sandbox.cht.records().len(), 1);
}

/// How many reports CHT has of a claim.
fn reports(sandbox: &Sandbox, code: &str) -> usize {
    sandbox.cht.records().iter().filter(|record| record["fields"]["op_claim_id"] == code).count()
}

/// The newest message, once it waits for a reason with these words.
async fn waits_with(mediator: &Mediator, words: &str) -> View {
    let begun = Instant::now();
    loop {
        let message = mediator.messages().await.pop();
        if let Some(message) = message.as_ref().filter(|message| reason(message).contains(words)) {
            return message.clone();
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {words:?}{}", story(&message));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
