//! A mediator between the real openIMIS and the stand-in CHT, and what the tests ask of it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mediator_tests::running::{
    INBOUND_PASSWORD, INBOUND_USER, Mediator, PATIENCE, config, environment, eventually, sandbox,
};
use openimis_mediator::config::Config;
use sandbox::Sandbox;
use serde_json::{Value, json};
use store::{Filter, SqlStore, View};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::real::{Claim, Feedback, OpenImis, PASSWORD, USER};

/// Both peers and a folder for the store.
pub struct World {
    pub openimis: OpenImis,
    pub sandbox: Sandbox,
    pub dir: TempDir,
}

impl World {
    pub async fn new() -> Self {
        let sandbox = sandbox().await;
        Self { openimis: OpenImis::up().await, sandbox, dir: tempfile::tempdir().expect("a folder") }
    }

    /// The mediator's settings: as in other tests, but with the real openIMIS and the account with few rights.
    pub fn config(&self, changes: &[(&str, &str)]) -> Config {
        config(&self.sandbox, &self.dir, &self.with_openimis(changes))
    }

    /// The same for the program.
    pub fn environment(&self, changes: &[(&str, &str)]) -> BTreeMap<String, String> {
        environment(&self.sandbox, &self.dir, &self.with_openimis(changes))
    }

    fn with_openimis<'c>(&'c self, changes: &[(&'c str, &'c str)]) -> Vec<(&'c str, &'c str)> {
        let real = [
            ("openimis.url", self.openimis.url.as_str()),
            ("openimis.username", USER),
            ("openimis.password", PASSWORD),
            ("openimis.timeout", "10s"),
            ("retry.longest", "1s"),
        ];
        [&real, changes].concat()
    }

    /// A mediator in this process.
    pub async fn mediator(&self, changes: &[(&str, &str)]) -> Mediator {
        let mediator = Mediator::start(self.config(changes)).await;
        self.push_feedback_to(&mediator.url);
        mediator
    }

    /// The same, with a subscription at openIMIS that leads to it.
    pub async fn subscribed_mediator(&self, changes: &[(&str, &str)]) -> Mediator {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let callback = format!("http://{}/mediator/claim-response", listener.local_addr().expect("an address"));
        let changes = [changes, &[("subscription.callback", &callback)]].concat();
        let mediator = Mediator::start_on(listener, self.config(&changes)).await;
        self.push_feedback_to(&mediator.url);
        self.openimis.subscribed(&callback).await;
        mediator
    }

    /// CHT's outbound push leads to this mediator.
    pub fn push_feedback_to(&self, mediator: &str) {
        let url = format!("{mediator}/mediator/claims-feedback");
        self.sandbox.cht.set_outbound(url, INBOUND_USER.into(), INBOUND_PASSWORD.into());
    }

    /// The health worker fills in the form of a claim's task; CHT pushes it. Returns the mediator's answer.
    pub async fn fill_in(&self, claim: &Claim, answers: Value) -> Value {
        let mut sent = answers;
        sent["claim"] = claim.uuid.clone().into();
        let pushed = self.sandbox.cht.submit_feedback(&sent).await.unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!(pushed["status"], 202, "{pushed}");
        pushed["body"].clone()
    }

    /// CHT's reports of a claim.
    pub fn reports(&self, claim: &Claim) -> Vec<Value> {
        let mut reports = self.sandbox.cht.records();
        reports.retain(|report| report["fields"]["op_claim_uuid"] == claim.uuid.as_str());
        reports
    }

    /// Waits for a claim's report.
    pub async fn report(&self, claim: &Claim) -> Value {
        let begun = Instant::now();
        loop {
            if let Some(report) = self.reports(claim).pop() {
                return report;
            }
            assert!(begun.elapsed() < PATIENCE, "no report of {claim:?}");
            tokio::time::sleep(Duration::from_millis(1)).await; // nothing else runs, and the time is told
        }
    }

    /// Waits for the row of a claim's feedback.
    pub async fn feedback(&self, claim: &Claim) -> Feedback {
        let mut rows = eventually("openIMIS has the feedback", || async {
            let rows = self.openimis.feedback(claim).await;
            // openIMIS writes the row first, then the claim.
            rows.iter().any(|row| row.claim_feedback_status == 8).then_some(rows)
        })
        .await;
        assert_eq!(rows.len(), 1, "{rows:#?}");
        rows.remove(0)
    }
}

/// The messages about a claim, oldest first.
pub async fn messages_of(store: &SqlStore, claim: &Claim) -> Vec<View> {
    let filter = Filter { claim: Some(claim.uuid.clone()), limit: 100, ..Filter::default() };
    let list = store.list(&filter).await.expect("a list");
    let mut views = Vec::new();
    for summary in list.iter().rev() {
        views.push(store.view(summary.id).await.expect("a view").expect("a message"));
    }
    views
}

/// Waits until a claim has so many messages and all are settled; returns them.
pub async fn settled(store: &SqlStore, claim: &Claim, count: usize) -> Vec<View> {
    eventually("the claim's messages are settled", || async {
        let messages = messages_of(store, claim).await;
        let all = messages.iter().all(|message| message.summary.settled_at.is_some());
        assert!(messages.len() <= count, "{messages:#?}");
        (all && messages.len() == count).then_some(messages)
    })
    .await
}

/// Waits until a claim's newest message is in a state, for a reason that holds these words.
pub async fn is(store: &SqlStore, claim: &Claim, state: &str, words: &str) -> View {
    eventually(&format!("the claim's message is {state}: {words}"), || async {
        let message = messages_of(store, claim).await.pop()?;
        let reason = message.summary.reason.clone().unwrap_or_default();
        (message.summary.state == state && reason.contains(words)).then_some(message)
    })
    .await
}

/// How often a trail tells of an event that begins so; with a status, only of those it was answered with.
pub fn told(message: &View, event: &str, status: Option<u16>) -> usize {
    let fits = |line: &&store::TrailLine| line.event.starts_with(event) && (status.is_none() || line.status == status);
    message.trail.iter().filter(fits).count()
}

/// Answers that none of the defaults gives.
pub fn unusual_answers() -> Value {
    json!({
        "care_rendered": "no", "payment_asked": "yes", "drug_prescribed": "yes", "drug_received": "no",
        "assessment_rating": "2",
    })
}

/// What `tblFeedback` has to hold of [`unusual_answers`].
pub fn assert_unusual(row: &Feedback) {
    let Feedback { care_rendered, payment_asked, drug_prescribed, drug_received, assessment, .. } = row;
    let answers = (*care_rendered, *payment_asked, *drug_prescribed, *drug_received, *assessment);
    assert_eq!(answers, (false, true, true, false, 2), "{row:?}");
    assert_eq!(row.claim_feedback_status, 8, "{row:?}");
}
