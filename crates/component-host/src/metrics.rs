//! What the calls of the mappings count. A clone counts into the same figures.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use flow::ports::MapperError;
use observe::metrics::{Counters, Labels, Times, times};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::Interface;

/// A mapping call, up to its usual limit, or as long as it waits for its turn.
const MAPPING_BUCKETS: &[f64] = &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 10.0];

/// What the mappings count.
#[derive(Clone)]
pub struct MappingFigures {
    duration: Times<2>,
    failures: Counters<2>,
    running: Gauge,
    memory: Family<Labels<1>, Gauge>,
    instances: Gauge,
    /// What nearly every call touches, found once: looking it up by its labels costs more than counting.
    answered: [OnceLock<Histogram>; Interface::ALL.len()],
    peaks: [OnceLock<Gauge>; Interface::ALL.len()],
}

impl Default for MappingFigures {
    fn default() -> Self {
        let figures = Self {
            duration: times(MAPPING_BUCKETS),
            failures: Family::default(),
            running: Gauge::default(),
            memory: Family::default(),
            instances: Gauge::default(),
            answered: Default::default(),
            peaks: Default::default(),
        };
        for interface in Interface::ALL {
            drop(figures.memory.get_or_create(&[("mapping", interface.name())]));
            for outcome in ["deadline", "memory", "trap", "busy", "unusable"] {
                drop(figures.failures.get_or_create(&[("mapping", interface.name()), ("outcome", outcome)]));
            }
        }
        figures
    }
}

impl MappingFigures {
    /// With room for so many calls at a time.
    pub fn with_instances(self, instances: u32) -> Self {
        self.instances.set(i64::from(instances));
        self
    }

    /// Names them to Prometheus.
    pub fn register(&self, registry: &mut Registry) {
        let help = "Calls of a mapping component, by how they ended";
        registry.register_with_unit("mapping_duration", help, Unit::Seconds, self.duration.clone());
        registry.register("mapping_failures", "Calls of a mapping that failed by itself", self.failures.clone());
        registry.register("mapping_calls_running", "Calls that run or wait for their turn", self.running.clone());
        registry.register("mapping_calls_limit", "Calls that can run at the same time", self.instances.clone());
        let help = "Most linear memory that one call has taken since the start";
        registry.register_with_unit("mapping_memory_peak", help, Unit::Bytes, self.memory.clone());
    }

    /// Runs a call and counts it; `memory_bytes` is what the mapping's calls have taken at most.
    pub fn called<T>(
        &self,
        interface: Interface,
        memory_bytes: &AtomicUsize,
        call: impl FnOnce() -> Result<T, MapperError>,
    ) -> Result<T, MapperError> {
        let (running, begun) = (Running::one_more(&self.running), Instant::now());
        let result = call();
        drop(running);
        let (name, lasted) = (interface.name(), begun.elapsed().as_secs_f64());
        let outcome = match &result {
            Ok(_) => "answered",
            Err(MapperError::Deadline(_)) => "deadline",
            Err(MapperError::Memory(_)) => "memory",
            Err(MapperError::Trap(..)) => "trap",
            Err(MapperError::Busy(_)) => "busy",
            Err(MapperError::Unusable(..)) => "unusable",
        };
        let labels = [("mapping", name), ("outcome", outcome)];
        if result.is_ok() {
            let found = || self.duration.get_or_create(&labels).clone();
            self.answered[interface as usize].get_or_init(found).observe(lasted);
        } else {
            self.duration.get_or_create(&labels).observe(lasted);
            self.failures.get_or_create(&labels).inc();
        }
        let found = || self.memory.get_or_create(&[("mapping", name)]).clone();
        let peak = self.peaks[interface as usize].get_or_init(found);
        peak.inner().fetch_max(memory_bytes.load(Ordering::Relaxed) as i64, Ordering::Relaxed);
        result
    }
}

/// A call that runs; counted no longer when dropped, also by a panic.
struct Running<'g>(&'g Gauge);

impl<'g> Running<'g> {
    fn one_more(gauge: &'g Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
