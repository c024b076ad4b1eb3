//! What a run of `send` found.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// Nothing takes longer: a request is given up after a minute.
const AN_HOUR_US: u64 = 3_600_000_000;

/// Counts and times. Only an answer of 202 counts as accepted, and only its time is measured.
#[derive(Debug)]
pub struct Figures {
    /// Answered with 202.
    pub accepted: u64,
    /// Of these: told to have been there before.
    pub duplicates: u64,
    /// All answers, by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without a whole answer, by what went wrong. Whether they were taken is not known.
    pub errors: BTreeMap<String, u64>,
    /// From the first request to the last answer.
    pub lasted: Duration,
    /// Microseconds.
    times: Histogram<u64>,
}

impl Figures {
    /// Nothing yet.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self {
            accepted: 0,
            duplicates: 0,
            statuses: BTreeMap::new(),
            errors: BTreeMap::new(),
            lasted: Duration::ZERO,
            times: Histogram::new_with_bounds(1, AN_HOUR_US, 3)?,
        })
    }

    /// One answer.
    pub fn answered(&mut self, status: u16, duplicate: bool, after: Duration) {
        *self.statuses.entry(status).or_default() += 1;
        if status == 202 {
            self.accepted += 1;
            self.duplicates += u64::from(duplicate);
            self.times.saturating_record(u64::try_from(after.as_micros()).unwrap_or(u64::MAX));
        }
    }

    /// One request that was not answered.
    pub fn failed(&mut self, why: String) {
        *self.errors.entry(why).or_default() += 1;
    }

    /// Adds what another connection saw.
    pub fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.duplicates += other.duplicates;
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        for (why, count) in &other.errors {
            *self.errors.entry(why.clone()).or_default() += count;
        }
        // Both have the same bounds, so nothing is out of range.
        self.times += &other.times;
    }

    /// Whether every request was accepted and new: else it is no figure of what was to be measured.
    pub fn all_accepted(&self) -> bool {
        self.errors.is_empty() && self.statuses.keys().all(|status| *status == 202) && self.duplicates == 0
    }

    /// Accepted in a second.
    pub fn rate(&self) -> f64 {
        self.accepted as f64 / self.lasted.as_secs_f64().max(1e-9)
    }

    /// Milliseconds in which this part of the accepted requests was answered.
    pub fn quantile_ms(&self, part: f64) -> f64 {
        self.times.value_at_quantile(part) as f64 / 1000.0
    }

    /// Milliseconds of the slowest.
    pub fn max_ms(&self) -> f64 {
        self.times.max() as f64 / 1000.0
    }

    /// For other programs.
    pub fn json(&self) -> Value {
        json!({
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "seconds": self.lasted.as_secs_f64(),
            "accepted_per_second": self.rate(),
            "latency_ms": {
                "p50": self.quantile_ms(0.5),
                "p90": self.quantile_ms(0.9),
                "p99": self.quantile_ms(0.99),
                "max": self.max_ms(),
            },
            "statuses": self.statuses,
            "errors": self.errors,
        })
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.lasted.as_secs_f64();
        writeln!(f, "accepted   {} in {seconds:.1} s, {:.0} a second", self.accepted, self.rate())?;
        let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|part| self.quantile_ms(part));
        writeln!(f, "answered   p50 {p50:.1} ms, p90 {p90:.1} ms, p99 {p99:.1} ms, max {:.1} ms", self.max_ms())?;
        let statuses: Vec<String> = self.statuses.iter().map(|(status, count)| format!("{status}: {count}")).collect();
        writeln!(f, "statuses   {}", statuses.join(", "))?;
        if self.duplicates > 0 {
            writeln!(f, "of them    {} had been there before", self.duplicates)?;
        }
        for (why, count) in &self.errors {
            writeln!(f, "error      {count} times: {why}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_202_is_accepted() {
        let mut figures = Figures::new().expect("a histogram");
        for status in [200, 201, 204, 302, 408, 422, 500, 503] {
            figures.answered(status, false, Duration::from_millis(1));
        }
        figures.failed("reset".to_owned());
        assert_eq!((figures.accepted, figures.max_ms()), (0, 0.0));
        assert!(!figures.all_accepted());
    }

    #[test]
    fn connections_add_up() {
        let mut all = Figures::new().expect("a histogram");
        for milliseconds in [1, 3] {
            let mut one = Figures::new().expect("a histogram");
            one.answered(202, milliseconds == 3, Duration::from_millis(milliseconds));
            all.add(&one);
        }
        assert_eq!((all.accepted, all.duplicates, all.statuses[&202]), (2, 1, 2));
        assert!((all.max_ms() - 3.0).abs() < 0.01, "{}", all.max_ms());
        assert!(!all.all_accepted(), "a duplicate is no new message");
    }
}
