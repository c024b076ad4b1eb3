//! What each problem means and what to do about it: one table for docs/errors.md, which is made from it, for the console and for whoever
//! embeds the mediator. The test `docs` looks through the sources for a problem that is missing here.

mod issues;
mod reasons;
mod refusals;

use http::StatusCode;
use mapping::issue::{Issue, IssueType};

/// A problem.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its name, which stays: the anchor in docs/errors.md.
    pub id: &'static str,
    /// How it is recognised.
    pub sign: Sign,
    /// What it means.
    pub meaning: &'static str,
    /// What to do.
    pub action: &'static str,
}

/// By what a problem is recognised.
#[derive(Clone, Copy, Debug)]
pub enum Sign {
    /// An issue of a document: its type, the elements that it may be about (`*` stands for any text), and what its text holds.
    Issue(IssueType, &'static [&'static str], &'static str),
    /// A message's reason: pieces that it holds in this order; the first one begins it.
    Reason(Stage, &'static [&'static str]),
    /// An answer of the mediator: its status, the type of its issue, what the text holds.
    Refusal(StatusCode, &'static str, &'static str),
}

/// What a reason leads to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// Somebody has to change something.
    Dead,
    /// It was left out.
    Skipped,
    /// It is tried again by itself.
    Waiting,
}

/// All of them, in the order of the documentation. Of several that fit the first one counts.
pub fn entries() -> impl Iterator<Item = &'static Entry> {
    issues::ISSUES.iter().chain(reasons::REASONS).chain(refusals::REFUSALS)
}

/// What is known of an issue.
pub fn issue(issue: &Issue) -> Option<&'static Entry> {
    issues::ISSUES.iter().find(|entry| match entry.sign {
        Sign::Issue(code, elements, says) => {
            code == issue.code
                && issue.diagnostics.contains(says)
                && elements.iter().any(|element| fits(element, &issue.expression))
        }
        _ => false,
    })
}

/// What is known of the reason of a message.
pub fn reason(text: &str) -> Option<&'static Entry> {
    reasons::REASONS.iter().find(|entry| match entry.sign {
        Sign::Reason(_, pieces) => holds(text, pieces),
        _ => false,
    })
}

/// What is known of a refusal.
pub fn refusal(status: StatusCode, code: &str, text: &str) -> Option<&'static Entry> {
    refusals::REFUSALS.iter().find(|entry| match entry.sign {
        Sign::Refusal(of, issue, says) => of == status && issue == code && text.contains(says),
        _ => false,
    })
}

fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((begin, end)) => text.len() >= begin.len() + end.len() && text.starts_with(begin) && text.ends_with(end),
    }
}

fn holds(text: &str, pieces: &[&str]) -> bool {
    let mut rest = text;
    pieces.iter().enumerate().all(|(number, piece)| match rest.find(piece) {
        Some(at) if number > 0 || at == 0 => {
            rest = &rest[at + piece.len()..];
            true
        }
        _ => false,
    })
}
