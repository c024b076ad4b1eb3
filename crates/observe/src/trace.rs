//! OpenTelemetry traces, from a notification to its delivery, and W3C trace context handed on to the peers.
//!
//! A piece of [`Work`] begins where something comes in or is taken up; its [`step`]s find it in the task's context. Where no collector is
//! set no span is made, and a caller's trace context is handed on as it came. Attributes are numbers, fixed words and hosts: no
//! document, no path, no name of a person.

use std::borrow::Cow;
use std::collections::HashMap;

use http::{HeaderMap, StatusCode};
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{FutureExt, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

mod export;

pub use export::{Collector, CollectorError, ExportFigures};
pub use opentelemetry::trace::SpanKind;

/// Number of a message.
pub const MESSAGE_ID: &str = "openimis_mediator.message.id";
/// Kind of a message.
pub const MESSAGE_KIND: &str = "openimis_mediator.message.kind";
/// Which attempt it is.
pub const ATTEMPT: &str = "openimis_mediator.attempt";
/// What came of it.
pub const OUTCOME: &str = "openimis_mediator.outcome";
/// Which mapping.
pub const MAPPING: &str = "openimis_mediator.mapping";
/// Which peer.
pub const PEER: &str = "openimis_mediator.peer";

/// Makes traces, or nothing.
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
    tracer: Option<SdkTracer>,
    figures: ExportFigures,
}

/// In a context: what makes spans of the work that runs in it.
struct Ours(SdkTracer);

/// Whose trace a piece of work belongs to.
pub enum Parent<'a> {
    /// Nobody's: a trace may begin here.
    Nobody,
    /// A request.
    Request(&'a HeaderMap),
    /// What the store has kept of it.
    Kept(Option<&'a str>),
}

impl Telemetry {
    /// With a collector, or making no spans.
    ///
    /// # Errors
    /// A collector whose address cannot be used.
    pub fn new(collector: Option<Collector>) -> Result<Self, CollectorError> {
        let figures = ExportFigures::default();
        let provider = collector.map(|collector| collector.provider(&figures)).transpose()?;
        let tracer = provider.as_ref().map(|provider| provider.tracer("openimis-mediator"));
        Ok(Self { provider, tracer, figures })
    }

    /// What becomes of the traces.
    pub fn figures(&self) -> &ExportFigures {
        &self.figures
    }

    /// Begins a piece of work, in the trace that it came from.
    pub fn begin(
        &self,
        name: impl Into<Cow<'static, str>>,
        kind: SpanKind,
        parent: Parent<'_>,
        attributes: impl FnOnce() -> Vec<KeyValue>,
    ) -> Work {
        let parent = parent.context();
        let Some(tracer) = &self.tracer else { return Work(parent) };
        let builder = tracer.span_builder(name).with_kind(kind).with_attributes(attributes());
        let parent = parent.unwrap_or_default();
        let span = tracer.build_with_context(builder, &parent);
        Work(Some(parent.with_value(Ours(tracer.clone())).with_span(span)))
    }

    /// Hands over what is left, for a few seconds at most.
    pub async fn end(&self) {
        let Some(provider) = self.provider.clone() else { return };
        let ended = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(export::TIMEOUT)).await;
        if !matches!(ended, Ok(Ok(()))) {
            tracing::warn!("the last traces did not reach the collector");
        }
    }
}

impl Parent<'_> {
    /// The caller's trace, if it names one.
    fn context(&self) -> Option<Context> {
        let read = |carrier: &dyn Extractor| {
            let context = TraceContextPropagator::new().extract_with_context(&Context::new(), carrier);
            context.span().span_context().is_valid().then_some(context)
        };
        match self {
            Self::Nobody | Self::Kept(None) => None,
            Self::Request(headers) => {
                let mut named = headers.get_all(TRACEPARENT).iter();
                let only = named.next().filter(|_| named.next().is_none())?;
                is_well_formed(only.as_bytes()).then(|| read(&HeaderExtractor(headers)))?
            }
            Self::Kept(Some(kept)) => read(&HashMap::from([(TRACEPARENT.to_owned(), (*kept).to_owned())])),
        }
    }
}

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// As W3C spells it, to the digit: the library also reads shorter numbers, and two of those would be one trace.
fn is_well_formed(header: &[u8]) -> bool {
    let hex = |part: &[u8], digits| {
        part.len() == digits && part.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
    };
    let parts: Vec<&[u8]> = header.splitn(5, |byte| *byte == b'-').collect();
    let [version, trace, span, flags, later @ ..] = &parts[..] else { return false };
    hex(version, 2)
        && *version != b"ff"
        && (later.is_empty() || *version != b"00")
        && hex(trace, 32)
        && hex(span, 16)
        && hex(flags, 2)
}

/// A piece of work, or a step of one; its span ends when it is dropped.
#[must_use]
pub struct Work(Option<Context>);

impl Work {
    /// Does it: what happens meanwhile is part of it.
    pub async fn run<F: Future>(&self, work: F) -> F::Output {
        match &self.0 {
            Some(context) => work.with_context(context.clone()).await,
            None => work.await,
        }
    }

    /// Says more of it.
    pub fn attribute(&self, name: &'static str, value: impl Into<Value>) {
        if let Some(context) = &self.0 {
            context.span().set_attribute(KeyValue::new(name, value));
        }
    }

    /// It failed; `why` is a fixed word or two.
    pub fn failed(&self, why: &'static str) {
        if let Some(context) = &self.0 {
            context.span().set_status(Status::error(why));
        }
    }

    /// The status of its answer.
    pub fn answered(&self, status: StatusCode) {
        self.attribute("http.response.status_code", i64::from(status.as_u16()));
        if status.is_server_error() {
            self.failed("an answer of 5xx");
        }
    }

    /// The number of its trace, for the log.
    pub fn trace_id(&self) -> Option<String> {
        self.0.as_ref().and_then(trace_id_of)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Some(context) = &self.0 {
            context.span().end();
        }
    }
}

/// Begins a step of the work that this task is at; nothing where that is not traced.
pub fn step(name: impl Into<Cow<'static, str>>, kind: SpanKind, attributes: impl FnOnce() -> Vec<KeyValue>) -> Work {
    Context::map_current(|current| {
        let Some(Ours(tracer)) = current.get() else { return Work(None) };
        let builder = tracer.span_builder(name).with_kind(kind).with_attributes(attributes());
        let span = tracer.build_with_context(builder, current);
        Work(Some(current.with_span(span)))
    })
}

/// Writes the trace that this task is at into the headers of a request.
pub fn inject(headers: &mut HeaderMap) {
    Context::map_current(|current| {
        if current.span().span_context().is_valid() {
            TraceContextPropagator::new().inject_context(current, &mut HeaderInjector(headers));
            if headers.get(TRACESTATE).is_some_and(|state| state.is_empty()) {
                headers.remove(TRACESTATE);
            }
        }
    });
}

/// The trace that this task is at, to be kept.
pub fn traceparent() -> Option<String> {
    Context::map_current(|current| {
        let span = current.span();
        let context = span.span_context();
        let flags = context.trace_flags().to_u8();
        context.is_valid().then(|| format!("00-{}-{}-{flags:02x}", context.trace_id(), context.span_id()))
    })
}

/// The number of a trace that was kept.
pub fn kept_trace_id(traceparent: &str) -> Option<&str> {
    traceparent.split('-').nth(1)
}

/// The number of the trace that this task is at, for the log.
pub fn trace_id() -> Option<String> {
    Context::map_current(trace_id_of)
}

fn trace_id_of(context: &Context) -> Option<String> {
    let span = context.span();
    let context = span.span_context();
    context.is_valid().then(|| context.trace_id().to_string())
}
