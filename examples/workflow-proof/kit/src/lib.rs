//! The author's side: a workflow is one async function, and each step runs it from its beginning over the answers recorded so far.
//!
//! There is no executor. A step polls the function once; a call that the journal answers goes on at once, any other call is noted and stays
//! pending. What was noted is the step's result.

#[allow(missing_docs, clippy::all)] // generated; the WIT file documents it
pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "component",
        additional_derives: [PartialEq],
        pub_export_macro: true,
        default_bindings_module: "workflow_kit::bindings",
    });
}

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

pub use bindings::exports::proof::workflow::workflow::{Answer, Call, Done, Entry, Guest, Kind, Next, RowWrite, State};

/// How a workflow ends.
pub enum End {
    /// It has done what it had to.
    Done(Done),
    /// A person has to decide: why.
    Stuck(String),
    /// Begin again with this message and an empty journal.
    Checkpoint(String),
}

/// What came of an effect.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// It happened; the service's answer.
    Answer(String),
    /// It may have happened or not.
    Unknown,
}

/// A row of the host's table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Goes up by one with each write. 0: there is no such row.
    pub version: u64,
    /// What it holds.
    pub document: String,
}

/// What a workflow asks with.
#[derive(Default)]
pub struct Ask(RefCell<Replay>);

#[derive(Default)]
struct Replay {
    journal: Vec<Entry>,
    is_used: Vec<bool>,
    /// All before it are used.
    first_unused: usize,
    /// How often a name was asked for.
    asked: BTreeMap<String, u32>,
    actions: Vec<Call>,
    mismatch: Option<String>,
}

impl Ask {
    /// An effect at the service, sent at most once for this name. The name is the author's; it must not depend on the order of answers.
    pub fn once(&self, name: &str, request: &str) -> impl Future<Output = Reply> {
        let times = self.count(name);
        if times > 0 {
            self.0.borrow_mut().mismatch.get_or_insert(format!("`{name}` is asked for twice"));
        }
        let asking = self.asking(name.to_owned(), Kind::Once, request, None);
        async move {
            match asking.await {
                Answer::Text(answer) => Reply::Answer(answer),
                _ => Reply::Unknown,
            }
        }
    }

    /// Asks the service something that changes nothing there.
    pub fn read(&self, name: &str, request: &str) -> impl Future<Output = Option<String>> {
        let asking = self.asking(self.numbered(name), Kind::Read, request, None);
        async move { text(asking.await) }
    }

    /// Reads a row of the host's table.
    pub fn row(&self, key: &str) -> impl Future<Output = Row> {
        let asking = self.asking(self.numbered("row"), Kind::Row, key, None);
        async move {
            let found = text(asking.await).unwrap_or_default();
            let (version, document) = found.split_once(' ').unwrap_or(("0", ""));
            Row { version: version.parse().unwrap_or_default(), document: document.to_owned() }
        }
    }

    /// Claims a pair; answers the right side that counts.
    pub fn link(&self, left: &str, right: &str) -> impl Future<Output = String> {
        let asking = self.asking(format!("link {left}"), Kind::Link, &format!("{left} {right}"), None);
        async move { text(asking.await).unwrap_or_default() }
    }

    /// What time it is, in seconds.
    pub fn time(&self) -> impl Future<Output = u64> {
        let asking = self.asking(self.numbered("time"), Kind::Time, "", None);
        async move { text(asking.await).and_then(|text| text.parse().ok()).unwrap_or_default() }
    }

    /// Waits for a signal; nothing when it did not come in time.
    pub fn signal(&self, name: &str, until: u64) -> impl Future<Output = Option<String>> {
        let asking = self.asking(self.numbered("signal"), Kind::Signal, name, Some(until));
        async move { text(asking.await) }
    }

    /// Waits.
    pub fn sleep_until(&self, until: u64) -> impl Future<Output = ()> {
        let asking = self.asking(self.numbered("sleep"), Kind::Sleep, "", Some(until));
        async move { drop(asking.await) }
    }

    /// Finds, else creates. After an unknown outcome it waits and looks again before it creates again, at most twice.
    ///
    /// # Errors
    /// Three attempts of unknown outcome, and nothing is found: a person decides.
    pub async fn ensure(&self, name: &str, find: &str, create: &str) -> Result<String, String> {
        let looked = format!("{name}/find");
        for attempt in 0..3_u32 {
            if let Some(found) = self.read(&looked, find).await {
                return Ok(found);
            }
            if let Reply::Answer(created) = self.once(&format!("{name}/{attempt}"), create).await {
                return Ok(created);
            }
            let now = self.time().await;
            self.sleep_until(now + (30 << attempt)).await;
        }
        self.read(&looked, find)
            .await
            .ok_or_else(|| format!("{name}: three attempts of unknown outcome, nothing is found"))
    }

    fn asking(&self, name: String, kind: Kind, request: &str, until: Option<u64>) -> Asking<'_> {
        Asking { ask: self, call: Call { name, kind, request: request.to_owned(), until } }
    }

    fn count(&self, name: &str) -> u32 {
        let mut replay = self.0.borrow_mut();
        let times = replay.asked.entry(name.to_owned()).or_default();
        *times += 1;
        *times - 1
    }

    /// Calls that may be repeated are numbered when they are made.
    fn numbered(&self, name: &str) -> String {
        format!("{name}#{}", self.count(name))
    }
}

fn text(answer: Answer) -> Option<String> {
    match answer {
        Answer::Text(text) => Some(text),
        _ => None,
    }
}

struct Asking<'a> {
    ask: &'a Ask,
    call: Call,
}

impl Future for Asking<'_> {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Answer> {
        self.ask.0.borrow_mut().poll(&self.call)
    }
}

impl Replay {
    fn poll(&mut self, call: &Call) -> Poll<Answer> {
        if self.mismatch.is_some() {
            return Poll::Pending;
        }
        let unused = self.first_unused..self.journal.len();
        let Some(index) = unused.into_iter().find(|at| !self.is_used[*at] && self.journal[*at].call.name == call.name)
        else {
            if !self.actions.iter().any(|action| action.name == call.name) {
                self.actions.push(call.clone());
            }
            return Poll::Pending;
        };
        if self.journal[index].call != *call {
            self.mismatch = Some(format!("`{}` was answered for another request than it now has", call.name));
            return Poll::Pending;
        }
        self.is_used[index] = true;
        while self.is_used.get(self.first_unused) == Some(&true) {
            self.first_unused += 1;
        }
        Poll::Ready(std::mem::replace(&mut self.journal[index].answer, Answer::Nothing))
    }

    /// Why the journal and the code do not fit.
    fn mismatch(&mut self) -> Option<String> {
        self.mismatch.take().or_else(|| {
            let unused = self.journal.get(self.first_unused)?;
            Some(format!("`{}` was answered and is no longer asked for", unused.call.name))
        })
    }
}

/// One step of a workflow.
pub fn step(journal: Vec<Entry>, author: impl AsyncFnOnce(&Ask) -> End) -> Next {
    run(journal, author, true)
}

/// As [`step`], by an author who looks after the journal himself and forgets to. For the proof only: the host must notice.
pub fn step_unchecked(journal: Vec<Entry>, author: impl AsyncFnOnce(&Ask) -> End) -> Next {
    run(journal, author, false)
}

fn run(journal: Vec<Entry>, author: impl AsyncFnOnce(&Ask) -> End, is_checked: bool) -> Next {
    let ask = Ask(RefCell::new(Replay { is_used: vec![false; journal.len()], journal, ..Replay::default() }));
    let polled = pin!(author(&ask)).poll(&mut Context::from_waker(Waker::noop()));
    let mut replay = ask.0.into_inner();
    if is_checked && let Some(reason) = replay.mismatch() {
        return Next { actions: Vec::new(), state: State::Mismatch(reason) };
    }
    let state = match polled {
        Poll::Ready(End::Done(done)) => State::Done(done),
        Poll::Ready(End::Stuck(reason)) => State::Stuck(reason),
        Poll::Ready(End::Checkpoint(message)) => State::Checkpoint(message),
        Poll::Pending if replay.actions.is_empty() => {
            State::Stuck("it waits for something that it did not ask for".into())
        }
        Poll::Pending => return Next { actions: replay.actions, state: State::Running },
    };
    Next { actions: Vec::new(), state }
}

/// Makes a component of `async fn(&Ask, &str, &str) -> End`: message, settings.
#[macro_export]
macro_rules! workflow {
    ($author:path) => {
        $crate::workflow!($author, step);
    };
    ($author:path, $step:ident) => {
        struct Component;

        impl $crate::Guest for Component {
            fn step(message: String, settings: String, journal: Vec<$crate::Entry>) -> $crate::Next {
                $crate::$step(journal, async |ask: &$crate::Ask| $author(ask, &message, &settings).await)
            }
        }

        $crate::bindings::export!(Component with_types_in $crate::bindings);
    };
}
