//! One message: from its lease to its end, its next wait, or a person's desk.

use std::cell::{Cell, RefCell};

use crate::runtime::{Answer, Call, Entry, Kind, Next, Runtime, State, Workflow};
use crate::service::{Sent, Service};
use crate::store::{Ended, Leased, Point, Stop, Store, TIMEOUT};

/// How long a message waits after a refusal.
const BACK_OFF: u64 = 60;

/// What a worker works with.
pub struct Worker<'a> {
    /// Runs the components.
    pub runtime: &'a Runtime,
    /// The first is the one for new messages; the others are kept for those that began with them.
    pub workflows: &'a [Workflow],
    /// For new messages.
    pub settings: &'a str,
    /// The peer.
    pub service: &'a RefCell<Service>,
    /// The clock, in seconds.
    pub now: &'a Cell<u64>,
}

/// A message in a worker's hands.
struct Attempt<'a> {
    message: Leased,
    workflow: &'a Workflow,
    settings: String,
    /// Answers so far; those from `committed` on are in memory only.
    journal: Vec<Entry>,
    committed: usize,
}

impl Attempt<'_> {
    fn since(&self) -> &[Entry] {
        &self.journal[self.committed..]
    }

    fn pinned(&self) -> (&str, &str) {
        (&self.workflow.digest, &self.settings)
    }

    /// All that was answered is on disk.
    fn is_committed(&mut self, also: impl IntoIterator<Item = Entry>) {
        self.journal.extend(also);
        self.committed = self.journal.len();
    }
}

impl Worker<'_> {
    /// Does what is due of one message. False: nothing is due.
    ///
    /// # Errors
    /// The process was killed, the lease is lost, or SQLite's.
    pub fn run_one(&self, store: &mut Store<'_>) -> Result<bool, Stop> {
        let Some(mut message) = store.lease(self.now.get())? else { return Ok(false) };
        let journal = std::mem::take(&mut message.journal);
        let (workflow, settings, journal) = match message.pinned.clone() {
            None => (&self.workflows[0], self.settings.to_owned(), journal),
            Some((digest, settings)) => match self.workflows.iter().find(|workflow| workflow.digest == digest) {
                Some(workflow) => (workflow, settings, journal),
                None if journal.iter().all(|entry| is_repeatable(entry.call.kind)) => {
                    store.restart(&message, self.now.get())?;
                    (&self.workflows[0], self.settings.to_owned(), Vec::new())
                }
                None => {
                    let reason = format!(
                        "it began with component {} and has had effects; here is {}",
                        &digest[..12],
                        &self.workflows[0].digest[..12]
                    );
                    store.park(&message, &reason, self.now.get())?;
                    return Ok(true);
                }
            },
        };
        let committed = journal.len();
        self.attempt(store, Attempt { message, workflow, settings, journal, committed })?;
        Ok(true)
    }

    fn attempt(&self, store: &mut Store<'_>, mut attempt: Attempt<'_>) -> Result<(), Stop> {
        loop {
            let Attempt { message, workflow, settings, journal, .. } = &attempt;
            let step = self.runtime.checked_step(workflow, &message.body, settings, journal);
            let next = step.unwrap_or_else(|error| Next { actions: vec![], state: State::Stuck(error.to_string()) });
            let now = self.now.get();
            match next.state {
                State::Running => {
                    if self.act(store, &mut attempt, &next.actions)? {
                        return Ok(());
                    }
                }
                State::Done(done) => match store.end(message, attempt.since(), attempt.pinned(), &done, now)? {
                    Ended::Written => return Ok(()),
                    // What was read since the last commit is read again; what is in the journal stays as it was.
                    Ended::Conflict(_) if attempt.since().iter().any(|entry| entry.call.kind == Kind::Row) => {
                        attempt.journal.truncate(attempt.committed);
                    }
                    Ended::Conflict(key) => {
                        let reason = format!("row {key} changed after it was read, and it was read before a commit");
                        return store.park(message, &reason, now);
                    }
                },
                State::Stuck(reason) => return store.park(message, &reason, now),
                State::Mismatch(reason) => {
                    return store.park(message, &format!("the journal does not fit the component: {reason}"), now);
                }
                State::Checkpoint(body) => return store.checkpoint(message, &body, now),
            }
        }
    }

    /// Answers what is asked. True: the message is out of hand.
    fn act(&self, store: &mut Store<'_>, attempt: &mut Attempt<'_>, actions: &[Call]) -> Result<bool, Stop> {
        let mut is_read = false;
        for call in actions {
            let found = match call.kind {
                Kind::Read => self.service.borrow_mut().read(&call.request, self.now.get()),
                Kind::Row => store.row(&call.request)?,
                Kind::Time => Some(self.now.get().to_string()),
                _ => continue,
            };
            let answer = found.map_or(Answer::Nothing, Answer::Text);
            attempt.journal.push(Entry { call: call.clone(), answer });
            is_read = true;
        }
        if is_read {
            return Ok(false);
        }
        if let Some(call) = actions.iter().find(|call| call.kind == Kind::Link) {
            let answer = store.link(&attempt.message, attempt.since(), call, attempt.pinned())?;
            attempt.is_committed([Entry { call: call.clone(), answer }]);
            return Ok(false);
        }
        if let Some(call) = actions.iter().find(|call| call.kind == Kind::Once) {
            return self.once(store, attempt, call);
        }
        let answered = store.wait(&attempt.message, attempt.since(), actions, attempt.pinned(), self.now.get())?;
        let is_waiting = answered.is_empty();
        attempt.is_committed(answered);
        Ok(is_waiting)
    }

    fn once(&self, store: &mut Store<'_>, attempt: &mut Attempt<'_>, call: &Call) -> Result<bool, Stop> {
        let until = store.intent(&attempt.message, attempt.since(), call, attempt.pinned(), self.now.get())?;
        attempt.message.until = until;
        // Not enough of the lease is left: whoever has the message next finds an unknown outcome, which is true enough.
        if self.now.get() + TIMEOUT > until {
            return Err(Stop::LeaseLost);
        }
        store.point(Point::Send)?;
        let sent = self.service.borrow_mut().pay(&call.request);
        store.point(Point::Sent)?;
        let answer = match sent {
            Sent::Answer(text) => Answer::Text(text),
            Sent::Unknown => Answer::Unknown,
            Sent::NotDone => {
                let now = self.now.get();
                store.clear(&attempt.message, &call.name, now + BACK_OFF, now)?;
                return Ok(true);
            }
        };
        store.answer(&attempt.message, &call.name, &answer, self.now.get())?;
        attempt.is_committed([Entry { call: call.clone(), answer }]);
        Ok(false)
    }
}

/// Asked again, it has no effect that another component would have to know of.
fn is_repeatable(kind: Kind) -> bool {
    matches!(kind, Kind::Read | Kind::Row | Kind::Time | Kind::Sleep)
}
