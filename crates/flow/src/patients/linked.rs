//! Whether CHT still has the contact that an insuree is linked to. A report for a contact that was deleted is taken with 200 and shown to
//! nobody, so CHT is asked before a claim is sent: for all claims that wait at the same time in one request, and for a contact that was
//! seen some minutes ago not at all. Reports that were sent are looked at once along with that.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Mutex;

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::deliver::{Attempt, Interruption};
use crate::message::{Message, MessageId, Outcome, Trail, TrailEntry};
use crate::peers::{Peer, PeerError, Turnstile};
use crate::ports::{Clock, Http, Mapper, Store};
use crate::settings::ContactGone;
use crate::{Flow, held};

/// With this the reason of a claim begins whose insuree's contact cannot be used.
pub const CONTACT: &str = "the CHT contact ";
/// Contacts and reports a request: their ids stand in its address.
const CONTACTS: usize = 50;
const REPORTS: usize = 20;
/// CHT's transitions have seen a report by then.
const REST: SignedDuration = SignedDuration::from_secs(30);
/// Reports that wait for a second look, and contacts that are remembered.
const MOST_REPORTS: usize = 200;
const MOST_CONTACTS: usize = 20_000;

/// How a contact stands at CHT.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Standing {
    /// Somebody's; and what should be known of it.
    Here(Option<&'static str>),
    /// Without a place: it is on no health worker's list.
    Nowhere,
    /// CHT does not have it.
    Gone,
}

/// A report that was sent.
struct SentReport {
    message: MessageId,
    report: String,
    contact: String,
    at: Timestamp,
}

/// What is known of linked contacts, and who waits to know.
#[derive(Default)]
pub(crate) struct LinkChecks {
    turn: Turnstile,
    known: Mutex<LinkedContacts>,
}

#[derive(Default)]
struct LinkedContacts {
    seen: HashMap<String, (Timestamp, Standing)>,
    wanted: BTreeSet<String>,
    sent: VecDeque<SentReport>,
}

impl LinkedContacts {
    /// What CHT said at this moment or later.
    fn said_since(&self, contact: &str, moment: Timestamp) -> Option<Standing> {
        self.seen.get(contact).filter(|(at, _)| *at >= moment).map(|(_, standing)| standing.clone())
    }

    fn learn(&mut self, contact: String, standing: Standing, now: Timestamp) {
        if self.seen.len() >= MOST_CONTACTS {
            self.seen.clear();
        }
        self.seen.insert(contact, (now, standing));
    }

    /// Ids that the next request asks for, this one among them, and the reports that it looks at.
    fn next(&mut self, contact: &str, now: Timestamp, rest: SignedDuration) -> (Vec<String>, Vec<SentReport>) {
        let mut ids = vec![contact.to_owned()];
        self.wanted.remove(contact);
        while ids.len() < CONTACTS
            && let Some(id) = self.wanted.pop_first()
        {
            ids.push(id);
        }
        let due = self.sent.iter().take_while(|sent| now.duration_since(sent.at) >= rest).count().min(REPORTS);
        (ids, self.sent.drain(..due).collect())
    }
}

impl<H: Http, S: Store, C: Clock, M: Mapper> Flow<H, S, C, M> {
    /// The linked contact if a claim can go to it; none if CHT no longer has it and another one is to be looked for.
    pub(super) async fn still_linked(
        &self,
        contact: &str,
        insuree: &str,
        message: &Message,
        attempt: &mut Attempt,
    ) -> Result<bool, Interruption> {
        let standing = self.standing(contact, &mut attempt.trail).await;
        match standing.map_err(|error| self.stop(&error, false, message))? {
            Standing::Here(remark) => {
                if let Some(remark) = remark {
                    attempt.trail.note(self.clock.now(), "contact", format!("CHT contact {contact}: {remark}"));
                }
                attempt.remark = remark.map(str::to_owned);
                Ok(true)
            }
            Standing::Nowhere => {
                let next = "so no health worker gets its tasks: give it a place in CHT, then retry";
                Err(Outcome::dead(format!("the CHT contact {contact} of the insuree has no place, {next}")).into())
            }
            Standing::Gone if self.settings.cht.contact_gone == ContactGone::Hold => Err(gone(contact, insuree, "")),
            Standing::Gone => {
                let what = format!("CHT contact {contact} is gone, deleted or merged: the insuree is looked for again");
                attempt.trail.note(self.clock.now(), "contact gone", what);
                Ok(false)
            }
        }
    }

    /// Nobody fits an insuree whose contact is gone: whether one may be created.
    pub(super) fn may_create_again(&self, contact: &str, insuree: &str) -> Result<(), Interruption> {
        match self.settings.cht.contact_gone {
            ContactGone::MatchOrCreate => Ok(()),
            ContactGone::Match | ContactGone::Hold => Err(gone(contact, insuree, ", and no other contact fits")),
        }
    }

    async fn standing(&self, contact: &str, trail: &mut Trail) -> Result<Standing, PeerError> {
        let came = self.clock.now();
        let fresh = came.saturating_sub(self.settings.cht.contact_check).unwrap_or(Timestamp::MIN);
        {
            let mut known = held(&self.linked.known);
            let is_here = |standing: &Standing| matches!(standing, Standing::Here(_));
            let is_past = known.seen.get(contact).is_some_and(|(at, _)| *at <= came);
            if let Some(standing) = known.said_since(contact, fresh).filter(|it| is_past && is_here(it))
                && self.settings.cht.contact_check.is_positive()
            {
                return Ok(standing);
            }
            known.wanted.insert(contact.to_owned());
        }
        let mut turn = self.linked.turn.turn(Peer::Cht, &self.clock).await?;
        if let Some(standing) = held(&self.linked.known).said_since(contact, came) {
            trail.note(self.clock.now(), "contact", "CHT told of it along with others");
            return Ok(standing);
        }
        let rest = REST.min(self.settings.cht.contact_check);
        let (ids, sent) = held(&self.linked.known).next(contact, came, rest);
        let asked = self.ask_for_contacts(&ids, sent, trail).await;
        if let Err(error) = &asked {
            turn.failed(error, self.clock.now());
        }
        asked?;
        let known = held(&self.linked.known);
        Ok(known.seen.get(contact).map_or(Standing::Gone, |(_, standing)| standing.clone()))
    }

    /// Asks CHT for contacts and learns how they stand; looks at reports along with that.
    async fn ask_for_contacts(
        &self,
        ids: &[String],
        sent: Vec<SentReport>,
        trail: &mut Trail,
    ) -> Result<(), PeerError> {
        let also = sent.iter().flat_map(|sent| [&sent.report, &sent.contact]);
        let all: Vec<String> = ids.iter().chain(also).cloned().collect::<BTreeSet<_>>().into_iter().collect();
        let documents = match self.cht_documents(&all, trail).await {
            Ok(documents) => documents,
            // The user may write records and not read contacts: what worked before the question goes on.
            Err(PeerError::Failed(_, StatusCode::FORBIDDEN, _) | PeerError::Refused(..)) => {
                let now = self.clock.now();
                trail.note(now, "contact", "CHT does not let the mediator's user see whether it still has the contact");
                let mut known = held(&self.linked.known);
                ids.iter().for_each(|id| known.learn(id.clone(), Standing::Here(None), now));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let there: HashMap<&str, &Value> =
            documents.iter().filter_map(|document| Some((document["_id"].as_str()?, document))).collect();
        let now = self.clock.now();
        {
            let mut known = held(&self.linked.known);
            for id in ids {
                known.learn(id.clone(), there.get(id.as_str()).map_or(Standing::Gone, |one| standing_of(one)), now);
            }
        }
        for sent in sent {
            if let Some(detail) = what_is_wrong(&sent, &there) {
                self.tell_of_report(sent.message, detail).await;
            }
        }
        Ok(())
    }

    /// A contact that CHT told of just now.
    pub(super) fn seen(&self, contact: &str) {
        let now = self.clock.now();
        held(&self.linked.known).learn(contact.to_owned(), Standing::Here(None), now);
    }

    /// A report that is to be looked at once more when CHT is asked for contacts.
    pub(crate) fn look_later(&self, message: MessageId, report: &str, contact: &str) {
        let mut known = held(&self.linked.known);
        if known.sent.len() >= MOST_REPORTS {
            known.sent.pop_front();
        }
        let (report, contact, at) = (report.to_owned(), contact.to_owned(), self.clock.now());
        known.sent.push_back(SentReport { message, report, contact, at });
    }

    /// What is found too late to change the outcome. That the line is not stored harms nothing.
    async fn tell_of_report(&self, message: MessageId, detail: String) {
        let at = self.clock.now();
        let line = TrailEntry { at, event: "report".to_owned(), detail, status: None, duration_ms: None };
        drop(self.store.add_remark(message, &line).await);
    }
}

fn gone(contact: &str, insuree: &str, more: &str) -> Interruption {
    let next = format!("`patients unlink {insuree}` lets the insuree be looked for and created again");
    Outcome::dead(format!("the CHT contact {contact} of the insuree is gone, deleted or merged{more}: {next}")).into()
}

/// A person's document: whose it is, and whether somebody still gets tasks for it.
fn standing_of(contact: &Value) -> Standing {
    let is_set = |name: &str| {
        contact.get(name).is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false)) && *value != "")
    };
    let parent = contact["parent"]["_id"].as_str().or_else(|| contact["parent"].as_str());
    if parent.is_none_or(str::is_empty) {
        return Standing::Nowhere;
    }
    Standing::Here(match (is_set("date_of_death"), is_set("muted")) {
        (true, _) => Some("CHT says that this person has died"),
        (false, true) => Some("the contact is muted in CHT, which may show its tasks to nobody"),
        (false, false) => None,
    })
}

/// Why nobody gets a task of a report that CHT took.
fn what_is_wrong(sent: &SentReport, there: &HashMap<&str, &Value>) -> Option<String> {
    let SentReport { report, contact, .. } = sent;
    let Some(document) = there.get(report.as_str()) else {
        return Some(format!("CHT no longer has report {report}"));
    };
    let code = |error: &Value| error["code"].as_str().map(|code| code.chars().take(60).collect::<String>());
    let codes: Vec<String> = document["errors"].as_array().into_iter().flatten().filter_map(code).collect();
    if !codes.is_empty() {
        return Some(format!("CHT keeps report {report} with errors: {}", codes.join(", ")));
    }
    (!there.contains_key(contact.as_str()))
        .then(|| format!("CHT contact {contact} of report {report} is gone: no health worker gets its task"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_contact_is_somebodys_if_it_has_a_place() {
        for (contact, standing) in [
            (json!({"parent": {"_id": "village"}}), Standing::Here(None)),
            (json!({"parent": "village", "muted": null, "date_of_death": ""}), Standing::Here(None)),
            (json!({}), Standing::Nowhere),
            (json!({"parent": null}), Standing::Nowhere),
            (json!({"parent": {"_id": ""}}), Standing::Nowhere),
        ] {
            assert_eq!(standing_of(&contact), standing, "{contact}");
        }
        let died = standing_of(&json!({"parent": {"_id": "v"}, "date_of_death": "2026-01-02", "muted": "2026-01-03"}));
        assert!(matches!(died, Standing::Here(Some(remark)) if remark.contains("died")), "{died:?}");
        let muted = standing_of(&json!({"parent": {"_id": "v"}, "muted": 1_790_000_000_000_i64}));
        assert!(matches!(muted, Standing::Here(Some(remark)) if remark.contains("muted")), "{muted:?}");
    }

    #[test]
    fn a_report_that_reaches_nobody_is_noticed() {
        let sent = SentReport {
            message: MessageId(1),
            report: "report".to_owned(),
            contact: "contact".to_owned(),
            at: Timestamp::UNIX_EPOCH,
        };
        let wrong = |report: Option<Value>, contact: Option<Value>| {
            let all = [("report", report), ("contact", contact)];
            let there = all.iter().filter_map(|(id, one)| Some((*id, one.as_ref()?))).collect();
            what_is_wrong(&sent, &there).unwrap_or_default()
        };
        assert_eq!(wrong(Some(json!({"errors": []})), Some(json!({}))), "");
        assert!(wrong(None, Some(json!({}))).contains("no longer has report"));
        assert!(wrong(Some(json!({})), None).contains("is gone"));
        let refused = json!({"errors": [{"code": "registration_not_found", "message": "No person with ID …"}]});
        assert!(wrong(Some(refused), Some(json!({}))).ends_with("with errors: registration_not_found"));
    }
}
