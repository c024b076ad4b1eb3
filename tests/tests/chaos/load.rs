//! Callers: openIMIS, which tells of claims, and CHT, which pushes feedback. Whatever they were answered goes into the books.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use mediator_tests::running::{INBOUND_PASSWORD, INBOUND_USER, sample_claim, sample_feedback};
use reqwest::Client;
use sandbox::{OpenImis, Sandbox};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::books::{Answer, Books, Kind};

/// Ids of the documented samples, which the load's own take the place of.
const SAMPLE_CLAIM: &str = "d3256498-ad16-4482-a2d2-4a6d9c78ba81";
const SAMPLE_REQUEST: &str = "d3256498-ad16-4482-a2d2-4a6d9c78ba80";
const SAMPLE_INSUREE: &str = "7b00e6ec-e0f5-4d07-a8e0-ec00a4160e73";

/// How many callers there are.
const CALLERS: u64 = 8;
/// Longest rest between two claims of a caller, in milliseconds.
const REST: u64 = 300;

/// What all callers share.
pub struct Callers {
    pub books: Arc<Books>,
    /// Where the mediator, or each replica of it, was last seen.
    pub addresses: Mutex<Vec<String>>,
    openimis: OpenImis,
    client: Client,
    samples: [String; 2],
    /// Claims are entered under a number, and every fifth is a new insuree's.
    claims: Mutex<u32>,
}

impl Callers {
    pub fn new(sandbox: &Sandbox, books: Arc<Books>) -> Arc<Self> {
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(40)).build().expect("a client");
        Arc::new(Self {
            books,
            addresses: Mutex::default(),
            openimis: sandbox.openimis.clone(),
            client,
            samples: [sample_claim(), sample_feedback()],
            claims: Mutex::default(),
        })
    }

    /// Sends claims and their feedback until told to stop.
    pub fn begin(self: &Arc<Self>, seed: u64, stop: &watch::Receiver<bool>) -> JoinSet<()> {
        let mut callers = JoinSet::new();
        for number in 0..CALLERS {
            callers.spawn(self.clone().call(Rng::with_seed(seed + number), stop.clone()));
        }
        callers
    }

    async fn call(self: Arc<Self>, mut random: Rng, stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            let (claim, insuree) = self.enter(&mut random);
            let acknowledged = self.send(Kind::Claim, &claim, &insuree, &mut random, &stop).await;
            if random.u8(..40) == 0 {
                // openIMIS will not know this claim: a dead letter.
                self.send(Kind::Stray, &stray(&mut random), &insuree, &mut random, &stop).await;
            }
            if acknowledged && random.u8(..5) > 0 {
                // Often before the claim is delivered: it has to wait for it.
                sleep(Duration::from_millis(random.u64(..REST / 2))).await;
                self.send(Kind::Feedback, &claim, &insuree, &mut random, &stop).await;
            }
            sleep(Duration::from_millis(random.u64(..REST))).await;
        }
    }

    /// Types a new claim into openIMIS; returns its uuid and its insuree's.
    pub fn enter(&self, random: &mut Rng) -> (String, String) {
        let number = {
            let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
            *claims += 1;
            *claims
        };
        let newest = number.div_ceil(5);
        let insuree = if number % 5 == 1 { newest } else { random.u32(1..=newest) };
        let uuid = format!("c4a05000-0000-4000-8000-{insuree:012}");
        let parsed = uuid.parse().expect("a uuid");
        if number % 5 == 1 {
            self.openimis.enrol(parsed, &format!("119{insuree:06}"));
        }
        let claim = self.openimis.enter_claim_of(&format!("CHAOS{number}"), parsed);
        (claim.to_string(), uuid)
    }

    /// Sends one message. Half of the callers repeat it until it is acknowledged, the others leave it at the first answer, as
    /// openIMIS does. True: it was acknowledged.
    async fn send(
        &self,
        kind: Kind,
        claim: &str,
        insuree: &str,
        random: &mut Rng,
        stop: &watch::Receiver<bool>,
    ) -> bool {
        let (patient, mut acknowledged) = (random.bool(), false);
        loop {
            let answer = self.post(kind, claim, insuree, random, || ()).await;
            // Now and then it is sent once more: the answer may not have come through.
            if answer.is_acknowledged() && random.u8(..20) > 0 {
                return true;
            }
            acknowledged |= answer.is_acknowledged();
            if !patient || *stop.borrow() {
                return acknowledged;
            }
            sleep(Duration::from_millis(random.u64(20..200))).await;
        }
    }

    /// Posts a message once and notes the answer. `acknowledged` is called as soon as the head of a 202 is there.
    pub async fn post(
        &self,
        kind: Kind,
        claim: &str,
        insuree: &str,
        random: &mut Rng,
        acknowledged: impl FnOnce(),
    ) -> Answer {
        let address = {
            let addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
            addresses[random.usize(..addresses.len())].clone()
        };
        let (path, sample) = match kind {
            Kind::Claim => ("/mediator/claim-response", &self.samples[0]),
            Kind::Feedback | Kind::Stray => ("/mediator/claims-feedback", &self.samples[1]),
        };
        let mut body = sample.replace("report-1", &format!("report-{claim}")).replace("CHT979", &claim[..8]);
        for (sample, own) in [(SAMPLE_CLAIM, claim), (SAMPLE_REQUEST, claim), (SAMPLE_INSUREE, insuree)] {
            body = body.replace(sample, own);
        }
        let request = self.client.post(format!("{address}{path}")).basic_auth(INBOUND_USER, Some(INBOUND_PASSWORD));
        let sent = request.header("content-type", "application/json").body(body).send().await;
        let answer = match sent {
            Err(_) => Answer::None,
            Ok(answer) if answer.status() == 202 => {
                acknowledged();
                Answer::Acknowledged(answer.json().await.ok())
            }
            Ok(answer) => Answer::Refused(answer.status().as_u16()),
        };
        self.books.note(kind, claim, &answer);
        answer
    }
}

/// The number that a 202 gives a message, if its body came through.
pub fn id_of(body: &Value) -> Option<i64> {
    body["id"].as_i64()
}

fn stray(random: &mut Rng) -> String {
    format!("ffffffff-0000-4000-8000-{:012x}", random.u64(..1 << 48))
}
