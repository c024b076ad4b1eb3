//! What an operator decides about peers, tasks, polling and retries. The host's configuration file and the edge app both hold it.

use std::time::Duration;

use jiff::SignedDuration;
use serde::Deserialize;

mod eclaim;
mod peers;
mod subscription;

pub use eclaim::{Callback, Eclaim};
pub use peers::{Cht, ContactGone, MatchBy, OpenImis, Records};
pub use subscription::{Subscription, check_callback};

/// All of it. Addresses, users and secrets have no defaults; times, sizes and policies do.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The insurer.
    pub openimis: OpenImis,
    /// Where community health workers get their tasks.
    pub cht: Cht,
    /// Which claims become a task.
    pub tasks: Tasks,
    /// Looking for claims that openIMIS does not tell about.
    pub poll: Poll,
    /// Being told about claims.
    pub subscription: Subscription,
    /// Hospitals' claims.
    pub eclaim: Eclaim,
    /// When to try again.
    pub retry: Retry,
    /// How documents are written.
    pub mapping: Mapping,
}

/// Which claims become a task.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tasks {
    /// "all" (every claim), "submitted" (from its submission on) or "selected" (an officer selected it for feedback).
    ///
    /// Default: `"all"`, as CHT's documentation has it; "selected" is our advice for a national scheme.
    pub policy: Policy,
    /// Also claims that openIMIS rejected.
    ///
    /// Default: `false`.
    pub include_rejected: bool,
}

/// Task policy.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// Every claim, as soon as openIMIS knows it.
    #[default]
    All,
    /// Claims from their submission on.
    Submitted,
    /// Claims that an officer selected for feedback.
    Selected,
}

/// Polling of openIMIS.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Poll {
    /// Whether openIMIS is asked. Leave it on: it tells by itself only of claims that come in through FHIR.
    ///
    /// Default: `true`.
    pub enabled: bool,
    /// Time between two polls for new claims.
    ///
    /// Default: `"1m"`.
    pub interval: SignedDuration,
    /// How far each poll reaches back behind the last one.
    ///
    /// Default: `"10m"`; do not set less.
    pub overlap: SignedDuration,
    /// How far the very first poll reaches back.
    ///
    /// Default: `"24h"`.
    pub lookback: SignedDuration,
    /// Time between two looks at the claims that officers selected for feedback. openIMIS lists all of them each time.
    ///
    /// Default: `"5m"`.
    pub selected_interval: SignedDuration,
    /// How old a claim may be to be found when it is selected. What is older makes every look longer.
    ///
    /// Default: `"4320h"` (180 days).
    pub selected_horizon: SignedDuration,
    /// Claims a page, 1 to 1000. openIMIS needs about 5 ms for each.
    ///
    /// Default: `100`.
    pub page_size: u32,
}

/// Retries.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retry {
    /// Wait after the first failure; doubled with each further one.
    ///
    /// Default: `"5s"`.
    pub first: SignedDuration,
    /// Longest wait between two tries.
    ///
    /// Default: `"1h"`.
    pub longest: SignedDuration,
    /// A message that could not be delivered for so long becomes a dead letter.
    ///
    /// Default: `"336h"` (14 days).
    pub give_up_after: SignedDuration,
    /// How long openIMIS or CHT is left alone after it refused the mediator's credentials or redirected it.
    ///
    /// Default: `"5m"`.
    pub pause: SignedDuration,
    /// After so many failed requests in a row openIMIS or CHT is left alone, first for `first`, then for longer and
    /// longer; single requests probe whether it is back. 1 to 1000.
    ///
    /// Default: `5`.
    pub trip_after: u32,
    /// Longest time between two probes.
    ///
    /// Default: `"1m"`.
    pub probe_longest: SignedDuration,
    /// A delivery that takes longer is taken for dead and begun again. More than five times the longest timeout.
    ///
    /// Default: `"5m"`.
    pub lease: SignedDuration,
    /// Policy "submitted": first wait before a claim that is not submitted yet is looked at again. It grows to a day.
    ///
    /// Default: `"10m"`.
    pub recheck: SignedDuration,
}

/// Settings of the mappings.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mapping {
    /// openIMIS claim to CHT record: docs/mapping.md.
    pub claim_response: mapping::claim_response::Settings,
    /// CHT feedback to openIMIS Communication: docs/mapping.md.
    pub feedback: mapping::feedback::Settings,
    /// openIMIS insuree to CHT person: docs/mapping.md and docs/cht.md.
    pub patient: mapping::patient::Settings,
    /// Hospitals' claims to openIMIS, and its answers: docs/mapping-eclaim.md. Its tables may stand in files of their own:
    /// `[tables]`.
    pub eclaim: mapping::eclaim::Settings,
    /// Questions for an insuree's coverage: docs/mapping-eclaim.md.
    pub eligibility: mapping::eligibility::Settings,
    /// Facilities of a registry to openIMIS: docs/mapping-facility.md. Its tables may stand in files of their own: `[tables]`.
    pub facility: mapping::facility::Settings,
}

impl Default for Poll {
    fn default() -> Self {
        Self {
            enabled: true,
            interval: SignedDuration::from_mins(1),
            overlap: SignedDuration::from_mins(10),
            lookback: SignedDuration::from_hours(24),
            selected_interval: SignedDuration::from_mins(5),
            selected_horizon: SignedDuration::from_hours(180 * 24),
            page_size: 100,
        }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            first: SignedDuration::from_secs(5),
            longest: SignedDuration::from_hours(1),
            give_up_after: SignedDuration::from_hours(14 * 24),
            pause: SignedDuration::from_mins(5),
            trip_after: 5,
            probe_longest: SignedDuration::from_mins(1),
            lease: SignedDuration::from_mins(5),
            recheck: SignedDuration::from_mins(10),
        }
    }
}

impl Settings {
    /// Everything that is wrong, each with its key. Empty: the mediator can work.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        peers::peer_problems(
            "openimis",
            &self.openimis.url,
            &self.openimis.username,
            &self.openimis.password,
            &mut problems,
        );
        peers::peer_problems("cht", &self.cht.url, &self.cht.username, &self.cht.password, &mut problems);
        if !(-1080..=1080).contains(&self.openimis.utc_offset_minutes) {
            problems.push("openimis.utc_offset_minutes: expected -1080 to 1080".to_owned());
        }
        if let Some(callback) = &self.subscription.callback
            && let Err(reason) = check_callback(callback)
        {
            problems.push(format!("subscription.callback: {reason}"));
        }
        for (key, value) in [
            ("openimis.timeout", self.openimis.timeout),
            ("cht.timeout", self.cht.timeout),
            ("poll.interval", self.poll.interval),
            ("poll.selected_interval", self.poll.selected_interval),
            ("poll.selected_horizon", self.poll.selected_horizon),
            ("subscription.lifetime", self.subscription.lifetime),
            ("subscription.check_interval", self.subscription.check_interval),
            ("retry.first", self.retry.first),
            ("retry.longest", self.retry.longest),
            ("retry.give_up_after", self.retry.give_up_after),
            ("retry.pause", self.retry.pause),
            ("retry.probe_longest", self.retry.probe_longest),
            ("retry.lease", self.retry.lease),
            ("retry.recheck", self.retry.recheck),
        ] {
            if !value.is_positive() {
                problems.push(format!("{key}: expected a time longer than 0, for example 30s"));
            }
        }
        for (key, value) in [
            ("poll.overlap", self.poll.overlap),
            ("poll.lookback", self.poll.lookback),
            ("cht.contact_check", self.cht.contact_check),
            ("cht.resend_after", self.cht.resend_after),
        ] {
            if value.is_negative() {
                problems.push(format!("{key}: expected a time, for example 10m"));
            }
        }
        let callback = &self.eclaim.callback;
        let of_hospital = callback.url.as_ref().map_or(SignedDuration::ZERO, |_| callback.timeout);
        if self.retry.lease <= self.openimis.timeout.max(self.cht.timeout).max(of_hospital) * 5 {
            problems.push("retry.lease: expected more than five times the longest peer timeout".to_owned());
        }
        let field = &self.cht.insurance_number_field;
        if field.is_empty() || !field.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            problems.push("cht.insurance_number_field: expected a name of letters, digits and _".to_owned());
        }
        if !(1..=1000).contains(&self.retry.trip_after) {
            problems.push("retry.trip_after: expected 1 to 1000".to_owned());
        }
        if !(1..=1000).contains(&self.poll.page_size) {
            problems.push("poll.page_size: expected 1 to 1000".to_owned());
        }
        let mapping = &self.mapping;
        problems.extend(mapping.claim_response.problems().into_iter().map(|p| format!("mapping.claim_response.{p}")));
        problems.extend(mapping.patient.problems().into_iter().map(|p| format!("mapping.patient.{p}")));
        problems.extend(mapping.eclaim.problems().into_iter().map(|p| format!("mapping.eclaim.{p}")));
        problems.extend(mapping.eligibility.problems().into_iter().map(|p| format!("mapping.eligibility.{p}")));
        problems.extend(mapping.facility.problems().into_iter().map(|p| format!("mapping.facility.{p}")));
        problems.extend(self.eclaim.problems());
        if mapping.feedback.rating_min > mapping.feedback.rating_max {
            problems.push("mapping.feedback.rating_max: expected no less than rating_min".to_owned());
        }
        problems
    }
}

/// A setting as the standard library's duration; a negative one is none at all.
pub(crate) fn std_duration(duration: SignedDuration) -> Duration {
    Duration::try_from(duration).unwrap_or_default()
}
