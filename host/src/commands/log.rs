//! Logs on standard error, for people or as JSON. What they show of others' words is escaped: a line is one line.

use std::io::{self, IsTerminal, Write};

use openimis_mediator::config::{Log, LogFormat, LogLevel};
use openimis_mediator::shown;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::debug_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Logs to standard error.
pub fn log_to_stderr(log: &Log) {
    let level = match log.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    // Of libraries, warnings only: what they tell of requests may hold personal data or credentials.
    let targets = Targets::new()
        .with_default(LevelFilter::WARN.min(level))
        .with_target("openimis_mediator", level)
        .with_target("flow", level);
    let registry = tracing_subscriber::registry().with(targets);
    let lines = tracing_subscriber::fmt::layer().with_target(false);
    match log.format {
        LogFormat::Human => {
            let fields = debug_fn(|out, field, value| {
                let value = format!("{value:?}");
                let value = shown::line(&value);
                match (field.name(), out.has_ansi_escapes()) {
                    ("message", _) => write!(out, "{value}"),
                    (name, false) => write!(out, "{name}={value}"),
                    (name, true) => write!(out, "\u{1b}[3m{name}\u{1b}[0m\u{1b}[2m=\u{1b}[0m{value}"),
                }
            });
            let lines = lines.with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
            registry.with(lines.fmt_fields(fields.delimited(" "))).init();
        }
        LogFormat::Json => registry.with(lines.json().with_writer(|| Escaping(io::stderr()))).init(),
    }
}

/// Writes JSON; gets a whole line at a time.
struct Escaping<W>(W);

impl<W: Write> Write for Escaping<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let escaped = std::str::from_utf8(bytes).map(|text| shown::json(text));
        self.0.write_all(escaped.as_ref().map_or(bytes, |text| text.as_bytes()))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
