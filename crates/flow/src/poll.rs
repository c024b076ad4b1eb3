//! Looking for claims that openIMIS does not tell about: it notifies only of claims that come in through FHIR.

use http::Method;
use jiff::Timestamp;
use mapping::ids::ClaimUuid;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Flow;
use crate::message::{Origin, Trail};
use crate::peers::openimis::PAGES;
use crate::peers::{Peer, PeerError};
use crate::ports::{Clock, Http, Mapper, Store, StoreError};
use crate::receive::Receipt;

/// Name of the watermark of [`Flow::poll_claims`].
pub const CLAIMS: &str = "ClaimResponse";

/// What a poll found.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct PollResult {
    /// Entries that openIMIS listed.
    pub listed: usize,
    /// Of these, claims that the mediator did not have.
    pub new: usize,
    /// False: a page was cut short, and the same window is read again next time.
    pub complete: bool,
}

/// Why a poll ended before its end. Nothing is lost: the next one reads the same window.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PollError {
    /// openIMIS.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Deserialize)]
struct Bundle<'a> {
    total: Option<usize>,
    #[serde(default)]
    link: Vec<Link>,
    #[serde(default, borrow)]
    entry: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
struct Link {
    relation: String,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    resource: &'a RawValue,
}

#[derive(Deserialize)]
struct CommunicationRequest {
    status: String,
    #[serde(default)]
    about: Vec<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    reference: Option<String>,
}

impl CommunicationRequest {
    /// The claim that an officer selected, unless its feedback is there already or was given up.
    fn wanted_claim(&self) -> Option<ClaimUuid> {
        let reference = self.about.first()?.reference.as_deref()?;
        (self.status == "active").then(|| ClaimUuid::parse(reference.rsplit('/').next()?)).flatten()
    }
}

impl<H: Http, S: Store, C: Clock, M: Mapper> Flow<H, S, C, M> {
    /// Takes in the claims that openIMIS got since the last poll, and some more: openIMIS searches by the time of creation, which is
    /// set before the claim can be seen.
    pub async fn poll_claims(&self) -> Result<PollResult, PollError> {
        let poll = &self.settings.poll;
        let now = self.clock.now();
        let since = match self.store.watermark(CLAIMS).await? {
            Some(watermark) => watermark.saturating_add(-poll.overlap),
            None => now.saturating_add(-poll.lookback),
        };
        let since = since.unwrap_or(Timestamp::MIN);
        let since = self.settings.openimis.search_time(unrepeated(since, now));
        let mut found = PollResult::default();
        let mut seen = std::collections::HashSet::new();
        let mut total = 0;
        let mut read_up_to = now;
        for page in 1..=PAGES {
            let path = format!("ClaimResponse/?_lastUpdated=ge{since}&_count={}&page-offset={page}", poll.page_size);
            let answer = match self.openimis(Method::GET, &path, None, &mut Trail::default()).await {
                Err(error) if page > 1 && is_past_the_end(&error) => break,
                other => other?,
            };
            // openIMIS' clock counts: a claim that it dates before our watermark would never be found.
            read_up_to = answer.date.map_or(read_up_to, |date| read_up_to.min(date));
            let bundle: Bundle = answer.json(Peer::OpenImis, "a Bundle of ClaimResponse")?;
            total = total.max(bundle.total.unwrap_or_default());
            for entry in &bundle.entry {
                found.listed += 1;
                let text = entry.resource.get();
                let uuid = mapping::claim_response::envelope(text).claim_uuid;
                seen.insert(uuid.map_or_else(|| text.to_owned(), |uuid| uuid.to_string()));
                if let Receipt::Accepted(_) = self.receive_claim_response(text.into(), Origin::Poll).await? {
                    found.new += 1;
                }
            }
            if bundle.entry.is_empty() || !bundle.link.iter().any(|link| link.relation == "next") {
                break;
            }
        }
        // Claims with the same time come in any order: one may stand on two pages and another on none.
        found.complete = seen.len() >= total;
        if found.complete {
            self.store.save_watermark(CLAIMS, read_up_to).await?;
        }
        Ok(found)
    }

    /// Takes in the claims that an officer selected for feedback. openIMIS lists every claim that ever was, by the claim's creation,
    /// and an old claim may be selected late: only the horizon bounds the list.
    pub async fn poll_selected(&self) -> Result<PollResult, PollError> {
        let now = self.clock.now();
        let since = now.saturating_add(-self.settings.poll.selected_horizon).unwrap_or(Timestamp::MIN);
        let since = self.settings.openimis.search_time(unrepeated(since, now));
        let page_size = self.settings.poll.page_size;
        let mut found = PollResult { complete: true, ..PollResult::default() };
        for page in 1..=PAGES {
            let path = format!("CommunicationRequest/?_lastUpdated=ge{since}&_count={page_size}&page-offset={page}");
            let answer = match self.openimis(Method::GET, &path, None, &mut Trail::default()).await {
                Err(error) if page > 1 && is_past_the_end(&error) => break,
                other => other?,
            };
            let bundle: Bundle = answer.json(Peer::OpenImis, "a Bundle of CommunicationRequest")?;
            let requests = bundle.entry.iter().filter_map(|entry| serde_json::from_str(entry.resource.get()).ok());
            let wanted: Vec<ClaimUuid> =
                requests.filter_map(|request: CommunicationRequest| request.wanted_claim()).collect();
            found.listed += wanted.len();
            let keys: Vec<String> = wanted.iter().map(|uuid| format!("claim/{uuid}")).collect();
            let settled = self.store.settled_keys(&keys).await?;
            for (uuid, _) in wanted.iter().zip(&keys).filter(|(_, key)| !settled.contains(key)) {
                let answer = match self.openimis_resource("ClaimResponse", uuid, &mut Trail::default()).await {
                    Err(error) if error.is_not_there() => continue, // deleted since the list was made
                    // One that openIMIS cannot give must not hide those after it. If it is down, its breaker ends this look.
                    Err(PeerError::Failed(..) | PeerError::Refused(..) | PeerError::Unreadable(..)) => {
                        found.complete = false;
                        continue;
                    }
                    other => other?,
                };
                self.receive_claim_response(answer.text.into_bytes(), Origin::Selected).await?;
                found.new += 1;
            }
            if bundle.entry.is_empty() || !bundle.link.iter().any(|link| link.relation == "next") {
                break;
            }
        }
        Ok(found)
    }
}

/// A little earlier than `since`, never the same twice in a row: openIMIS keeps the `total` of a query for an hour, and a total that is
/// too small ends the list too early.
fn unrepeated(since: Timestamp, now: Timestamp) -> Timestamp {
    let spread = (now.as_millisecond() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    let seconds = (spread % 300) as i64;
    since.saturating_add(jiff::SignedDuration::from_secs(-seconds)).unwrap_or(since)
}

fn is_past_the_end(error: &PeerError) -> bool {
    matches!(error, PeerError::Refused(_, status, _) if *status == http::StatusCode::NOT_FOUND)
}
