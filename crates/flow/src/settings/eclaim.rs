//! Hospitals' claims: how long a hospital waits for its answer, how a claim is followed, and where the answers go.

use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

/// Hospitals' eclaim.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Eclaim {
    /// How long a hospital that posts a claim waits for openIMIS's answer. After that it gets 202 and an address at which
    /// the answer will be. One that asks whether a patient is insured waits as long, and then gets 503.
    ///
    /// Default: `"10s"`; never longer than nine tenths of server.answer_timeout.
    pub answer_within: SignedDuration,
    /// Wait before openIMIS is asked for the first time what became of a claim. It grows with the claim's age.
    ///
    /// Default: `"1m"`.
    pub follow_first: SignedDuration,
    /// Longest wait between two such questions, up to a day.
    ///
    /// Default: `"6h"`.
    pub follow_longest: SignedDuration,
    /// A claim that openIMIS has not decided after so long becomes a dead letter, for a person to ask.
    ///
    /// Default: `"4320h"` (180 days).
    pub follow_for: SignedDuration,
    /// Where the hospital takes openIMIS's answers.
    pub callback: Callback,
}

/// The hospital's address for answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Callback {
    /// Where each new ClaimResponse of a claim is posted.
    ///
    /// Optional, for example `"https://bahmni.example.org/openimis/claim-response"`. Without it: nothing is posted, and
    /// the hospital asks at the address that it got with 202.
    pub url: Option<Url>,
    /// User that is shown with HTTP Basic. Set it together with the password.
    ///
    /// Optional, for example `"mediator"`.
    pub username: Option<String>,
    /// Its password.
    ///
    /// Optional, for example `"change-me"`.
    pub password: Option<SecretString>,
    /// Instead of user and password: a token that is shown as `Authorization: Bearer`.
    ///
    /// Optional, for example `"change-me"`.
    pub token: Option<SecretString>,
    /// Longest wait for one answer.
    ///
    /// Default: `"30s"`.
    pub timeout: SignedDuration,
}

impl Default for Eclaim {
    fn default() -> Self {
        Self {
            answer_within: SignedDuration::from_secs(10),
            follow_first: SignedDuration::from_mins(1),
            follow_longest: SignedDuration::from_hours(6),
            follow_for: SignedDuration::from_hours(180 * 24),
            callback: Callback::default(),
        }
    }
}

impl Default for Callback {
    fn default() -> Self {
        let timeout = SignedDuration::from_secs(30);
        Self { url: None, username: None, password: None, token: None, timeout }
    }
}

impl Eclaim {
    /// Everything that is wrong, each with its key.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (key, value) in [
            ("eclaim.answer_within", self.answer_within),
            ("eclaim.follow_first", self.follow_first),
            ("eclaim.follow_longest", self.follow_longest),
            ("eclaim.follow_for", self.follow_for),
            ("eclaim.callback.timeout", self.callback.timeout),
        ] {
            if !value.is_positive() {
                problems.push(format!("{key}: expected a time longer than 0, for example 30s"));
            }
        }
        if self.follow_longest > SignedDuration::from_hours(24) {
            problems.push("eclaim.follow_longest: expected 24h or less".to_owned());
        }
        if self.follow_longest < self.follow_first {
            problems.push("eclaim.follow_longest: expected no less than eclaim.follow_first".to_owned());
        }
        problems.extend(self.callback.problems());
        problems
    }
}

impl Callback {
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        match &self.url {
            Some(url) if !matches!(url.scheme(), "http" | "https") || url.host().is_none() => {
                problems.push("eclaim.callback.url: expected an http or https address".to_owned());
            }
            Some(url) if !url.username().is_empty() || url.password().is_some() => {
                let text = "holds a user or password; set eclaim.callback.username and eclaim.callback.password";
                problems.push(format!("eclaim.callback.url: {text}"));
            }
            None if self.username.is_some() || self.password.is_some() || self.token.is_some() => {
                problems.push("eclaim.callback.url: is missing beside its credentials".to_owned());
            }
            Some(_) | None => {}
        }
        if self.username.is_some() != self.password.is_some() {
            problems.push("eclaim.callback.username and eclaim.callback.password: set both or neither".to_owned());
        }
        if self.username.as_ref().is_some_and(|username| username.is_empty() || username.contains(':')) {
            let text = "is empty or holds a colon, which HTTP Basic cannot carry";
            problems.push(format!("eclaim.callback.username: {text}"));
        }
        if self.token.is_some() && self.username.is_some() {
            problems.push("eclaim.callback.token: set beside a username: keep one of the two".to_owned());
        }
        let sendable = |secret: &SecretString| {
            let secret = secret.expose_secret();
            !secret.is_empty() && secret.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if self.token.as_ref().is_some_and(|token| !sendable(token)) {
            problems.push("eclaim.callback.token: is empty, or holds what a header cannot carry".to_owned());
        }
        problems
    }
}
