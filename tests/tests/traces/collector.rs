//! A stand-in collector, and what it was sent.

use std::collections::BTreeMap;

use mediator_tests::raw_peer::{Request, Scripted, http};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
pub use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message;

/// A span as the collector gets it.
#[derive(Clone, Debug)]
pub struct Span {
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub name: String,
    pub kind: SpanKind,
    pub failed: bool,
    pub attributes: BTreeMap<String, String>,
    pub service: String,
}

fn text(value: &Option<AnyValue>) -> String {
    match value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("an attribute of another type: {other:?}"),
    }
}

fn attributes(list: &[KeyValue]) -> BTreeMap<String, String> {
    list.iter().map(|attribute| (attribute.key.clone(), text(&attribute.value))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All spans that a collector has got.
pub fn spans(requests: &[Request]) -> Vec<Span> {
    let mut spans = Vec::new();
    for request in requests {
        assert_eq!(request.line(), "POST /v1/traces");
        assert!(request.head.to_lowercase().contains("content-type: application/x-protobuf"), "{}", request.head);
        let export = ExportTraceServiceRequest::decode(request.body.as_slice()).expect("protobuf");
        for of_resource in export.resource_spans {
            let resource = attributes(&of_resource.resource.expect("a resource").attributes);
            for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                spans.push(Span {
                    trace: hex(&span.trace_id),
                    id: hex(&span.span_id),
                    parent: hex(&span.parent_span_id),
                    kind: span.kind(),
                    failed: span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error),
                    attributes: attributes(&span.attributes),
                    service: resource["service.name"].clone(),
                    name: span.name,
                });
            }
        }
    }
    spans
}

pub fn named<'s>(spans: &'s [Span], name: &str) -> Vec<&'s Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

pub fn only<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    match named(spans, name)[..] {
        [span] => span,
        ref found => panic!("expected one {name}, found {found:#?} in {:#?}", names(spans)),
    }
}

pub fn names(spans: &[Span]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

/// A collector that takes everything.
pub async fn collector() -> Scripted {
    Scripted::answering(&[http("200 OK", "content-type: application/x-protobuf", "")]).await
}
