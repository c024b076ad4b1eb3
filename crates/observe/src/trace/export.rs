//! How traces reach a collector: gathered in a bounded queue by a thread of their own, sent over our HTTP client. A collector that is
//! away costs the traces, a line in the log when it goes and one when it is back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use http::{Request, Response};
use opentelemetry::KeyValue;
use opentelemetry_http::{Bytes, HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use prometheus_client::metrics::family::Family;
use tokio::runtime::Handle;
use url::Url;
use uuid::Uuid;

use crate::metrics::Counters;

/// Longest wait for the collector.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);
/// Longest answer of a collector that is read.
const ANSWER_LIMIT_BYTES: usize = 64 << 10;

/// What becomes of the traces.
#[derive(Clone)]
pub struct ExportFigures {
    /// Requests to the collector.
    pub exports: Counters<1>,
}

impl Default for ExportFigures {
    fn default() -> Self {
        let exports: Counters<1> = Family::default();
        for outcome in ["ok", "failed"] {
            drop(exports.get_or_create(&[("outcome", outcome)]));
        }
        Self { exports }
    }
}

/// Where traces go, and what they say of this program.
#[derive(Clone, Debug)]
pub struct Collector {
    /// Address of the collector; `/v1/traces` is added.
    pub endpoint: Url,
    /// Name of the service (`service.name`).
    pub service_name: String,
    /// Version of the service (`service.version`).
    pub service_version: &'static str,
    /// Share of the traces that begin here and are recorded, 0.0 to 1.0. A caller's decision for its own trace is kept.
    pub sample_ratio: f64,
    /// Sends the traces. It decides which certificates are trusted.
    pub client: reqwest::Client,
}

/// The collector cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CollectorError(String);

impl Collector {
    /// Makes spans and hands them over.
    pub(super) fn provider(self, figures: &ExportFigures) -> Result<SdkTracerProvider, CollectorError> {
        let connection = Connection {
            client: self.client,
            runtime: Handle::current(),
            away: AtomicBool::new(false),
            figures: figures.clone(),
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(connection)
            .with_endpoint(format!("{}/v1/traces", self.endpoint.as_str().trim_end_matches('/')))
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(TIMEOUT)
            .with_retry_policy(RetryPolicy::disabled())
            .build()
            .map_err(|error| CollectorError(error.to_string()))?;
        let resource = Resource::builder()
            .with_service_name(self.service_name)
            .with_attribute(KeyValue::new("service.version", self.service_version))
            .with_attribute(KeyValue::new("service.instance.id", Uuid::new_v4().to_string()))
            .build();
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(self.sample_ratio)));
        let provider = SdkTracerProvider::builder()
            .with_sampler(sampler)
            .with_resource(resource)
            .with_batch_exporter(exporter)
            .build();
        Ok(provider)
    }
}

/// The collector, over our HTTP client. The exporter's thread is none of the runtime's, which therefore does the sending.
#[derive(Debug)]
struct Connection {
    client: reqwest::Client,
    runtime: Handle,
    away: AtomicBool,
    figures: ExportFigures,
}

impl std::fmt::Debug for ExportFigures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ExportFigures")
    }
}

#[async_trait]
impl HttpClient for Connection {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = self.runtime.spawn(exchange(self.client.clone(), request)).await;
        let answer = sent.map_err(HttpError::from).flatten();
        self.tell(&answer);
        answer
    }
}

impl Connection {
    fn tell(&self, answer: &Result<Response<Bytes>, HttpError>) {
        let worked = answer.as_ref().is_ok_and(|answer| answer.status().is_success());
        self.figures.exports.get_or_create(&[("outcome", if worked { "ok" } else { "failed" })]).inc();
        let was_away = self.away.swap(!worked, Ordering::Relaxed);
        match answer {
            Ok(answer) if !worked && !was_away => {
                let status = answer.status().as_u16();
                tracing::warn!(status, "the collector (telemetry.otlp_endpoint) refuses traces; they are dropped");
            }
            Err(error) if !was_away => {
                tracing::warn!(%error, "no traces reach the collector (telemetry.otlp_endpoint); they are dropped");
            }
            Ok(_) if worked && was_away => tracing::info!("traces reach the collector again"),
            _ => {}
        }
    }
}

async fn exchange(client: reqwest::Client, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let (parts, body) = request.into_parts();
    let asked = client.request(parts.method, parts.uri.to_string()).headers(parts.headers);
    let mut answer = asked.timeout(TIMEOUT).body(body).send().await?;
    let mut read = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if read.len() + chunk.len() > ANSWER_LIMIT_BYTES {
            break; // what it says beyond that nobody reads
        }
        read.extend_from_slice(&chunk);
    }
    let mut response = Response::new(Bytes::from(read));
    *response.status_mut() = answer.status();
    Ok(response)
}
