//! The process itself, by the names that every Prometheus client uses. Read from `/proc` at a scrape.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// Reads `/proc/self`.
#[derive(Debug)]
pub(super) struct Process {
    started: f64,
}

impl Process {
    /// Of a process that starts now.
    pub fn new() -> Self {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        Self { started }
    }
}

/// What `/proc/self/stat` tells.
struct Stat {
    cpu_seconds: f64,
    threads: i64,
    virtual_bytes: i64,
    resident_bytes: i64,
}

impl Stat {
    fn read() -> Option<Self> {
        let text = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The second field is the program's name in brackets, and may hold anything.
        let (_, fields) = text.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        // Numbers as in proc(5), where the state is field 3.
        let field = |number: usize| fields.get(number - 3)?.parse::<i64>().ok();
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        Some(Self {
            cpu_seconds: (field(14)? + field(15)?) as f64 / ticks,
            threads: field(20)?,
            virtual_bytes: field(23)?,
            resident_bytes: field(24)? * rustix::param::page_size() as i64,
        })
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut tell = |name: &str, help: &str, unit: Option<&Unit>, metric: &dyn Told| {
            let metric_encoder = encoder.encode_descriptor(name, help, unit, metric.kind())?;
            metric.tell(metric_encoder)
        };
        let (seconds, bytes) = (Some(&Unit::Seconds), Some(&Unit::Bytes));
        tell("process_start_time", "When the process started.", seconds, &ConstGauge::new(self.started))?;
        if let Some(stat) = Stat::read() {
            tell("process_cpu", "Time of processors that was used.", seconds, &ConstCounter::new(stat.cpu_seconds))?;
            tell("process_threads", "Threads.", None, &ConstGauge::new(stat.threads))?;
            tell("process_virtual_memory", "Address space.", bytes, &ConstGauge::new(stat.virtual_bytes))?;
            tell("process_resident_memory", "Memory in use.", bytes, &ConstGauge::new(stat.resident_bytes))?;
        }
        if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
            tell("process_open_fds", "Open files.", None, &ConstGauge::new(files.count() as i64))?;
        }
        let allowed = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        if let Some(allowed) = allowed.and_then(|allowed| i64::try_from(allowed).ok()) {
            tell("process_max_fds", "Files that may be open.", None, &ConstGauge::new(allowed))?;
        }
        Ok(())
    }
}

/// A metric whatever its number.
trait Told {
    fn kind(&self) -> prometheus_client::metrics::MetricType;
    fn tell(&self, encoder: prometheus_client::encoding::MetricEncoder<'_>) -> Result<(), std::fmt::Error>;
}

impl<M: EncodeMetric> Told for M {
    fn kind(&self) -> prometheus_client::metrics::MetricType {
        self.metric_type()
    }

    fn tell(&self, encoder: prometheus_client::encoding::MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.encode(encoder)
    }
}
