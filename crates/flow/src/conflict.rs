//! Whether a document that comes with the key of a stored message is another document.
//!
//! [`crate::agreement`] says in which facts two documents differ; here is which of these matter, by what became of the first one.

use crate::message::{Kind, MessageId, NewMessage, Origin, State};

/// The message that has the key.
#[derive(Clone, Copy, Debug)]
pub struct Original {
    /// Its state.
    pub state: State,
    /// Whether it could not be mapped.
    pub has_issues: bool,
}

/// Which of the facts that differ make a document another one than the message that has its key. Empty: it is the same document, or
/// corrects it.
pub fn differences(original: Original, new: &NewMessage, differing: Vec<&'static str>) -> Vec<&'static str> {
    let matters = |name: &&'static str| match new.kind {
        // The hospital was answered with what is wrong with it: whatever it corrects is welcome.
        Kind::Eclaim => !(original.state == State::Dead && original.has_issues),
        // A report may be corrected as long as openIMIS has not got it and nobody decided on it.
        Kind::Feedback => *name == "claim" || !matches!(original.state, State::Dead | State::Skipped),
        // openIMIS may correct a code as long as nothing was done with the claim, and says itself whose a claim is that was left out.
        Kind::ClaimResponse if *name == "code" => {
            matches!(original.state, State::Pending | State::Leased | State::Delivered)
        }
        Kind::ClaimResponse => !(original.state == State::Skipped && new.origin != Origin::Push),
        Kind::Adjudication | Kind::EclaimAnswer => false,
    };
    let mut shown: Vec<&'static str> = Vec::new();
    for name in differing.into_iter().filter(matters) {
        let name = name.split('.').next().unwrap_or(name);
        if !shown.contains(&name) {
            shown.push(name);
        }
    }
    shown
}

/// Why a document is a dead letter that came with the key of another message.
pub fn reason(first: MessageId, differs: &[&'static str]) -> String {
    format!("another document came as message {first}: they differ in {}", listed(differs))
}

/// `insuree, facility and day`.
pub fn listed(names: &[&'static str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    }
}
