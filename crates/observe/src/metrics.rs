//! Counters, gauges and histograms for Prometheus. A label is one of few fixed words: no claim, no person, no address ever becomes one.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

/// A metric's labels: names and their words.
pub type Labels<const N: usize> = [(&'static str, &'static str); N];
/// One counter for each combination of words.
pub type Counters<const N: usize> = Family<Labels<N>, Counter>;
/// One gauge for each combination of words.
pub type Gauges<const N: usize> = Family<Labels<N>, Gauge>;
/// Times of the same buckets, one histogram for each combination of words.
pub type Times<const N: usize> = Family<Labels<N>, Histogram, Buckets>;

/// Upper bounds of a histogram's buckets.
#[derive(Clone, Copy, Debug)]
pub struct Buckets(&'static [f64]);

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

/// A family of histograms, in seconds.
pub fn times<const N: usize>(buckets: &'static [f64]) -> Times<N> {
    Family::new_with_constructor(Buckets(buckets))
}
