//! What the requests to the peers count. A clone counts into the same figures.

use std::sync::Arc;
use std::time::Duration;

use flow::ports::HttpError;
use http::{Method, StatusCode, Uri};
use observe::metrics::{Times, times};
use prometheus_client::registry::{Registry, Unit};
use url::Url;

/// A request to a peer, up to its usual timeout.
const REQUEST_BUCKETS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// What the requests to the peers count.
#[derive(Clone)]
pub struct PeerFigures {
    peers: Arc<Vec<(&'static str, Url)>>,
    duration: Times<3>,
}

impl Default for PeerFigures {
    fn default() -> Self {
        Self::of(Vec::new())
    }
}

/// What is asked of the peers, as their addresses name it. Anything else is "other".
const OPERATIONS: &[&str] = &[
    "login",
    "Claim",
    "ClaimResponse",
    "Communication",
    "CommunicationRequest",
    "Location",
    "Patient",
    "Subscription",
    "graphql",
    "records",
    "reports_by_subject",
    "contact",
    "contacts-by-phone",
    "people",
    "person",
    "places",
    "settings",
    "forms",
];

impl PeerFigures {
    /// Of these peers, by name and address. Where two share a server, the longer address counts first.
    pub fn of(mut peers: Vec<(&'static str, Url)>) -> Self {
        peers.sort_by_key(|(_, url)| std::cmp::Reverse(url.path().len()));
        Self { peers: Arc::new(peers), duration: times(REQUEST_BUCKETS) }
    }

    /// Names them to Prometheus.
    pub fn register(&self, registry: &mut Registry) {
        let help = "Requests to openIMIS and CHT, by how they ended";
        registry.register_with_unit("peer_request_duration", help, Unit::Seconds, self.duration.clone());
    }

    /// Which peer an address is of, and what is asked of it.
    pub fn operation(&self, method: &Method, uri: &Uri) -> Operation {
        let at = |url: &Url| {
            let port = uri.port_u16().or_else(|| (uri.scheme_str() == Some("https")).then_some(443)).unwrap_or(80);
            uri.host() == url.host_str()
                && Some(port) == url.port_or_known_default()
                && uri.path().starts_with(url.path().trim_end_matches('/'))
        };
        let peer = self.peers.iter().find(|(_, url)| at(url)).map_or("other", |(name, _)| *name);
        let known = |segment: &str| OPERATIONS.iter().find(|known| **known == segment).copied();
        let what = uri.path().split('/').filter_map(known).next_back().unwrap_or("other");
        Operation { peer, what, method: method_word(method) }
    }

    /// A request ended.
    pub fn asked(&self, operation: Operation, took: Duration, answer: Result<StatusCode, &HttpError>) {
        let status = match answer {
            Ok(status) => class(status),
            Err(HttpError::NotSent(_)) => "not-sent",
            Err(HttpError::NoAnswer(_)) => "no-answer",
        };
        let labels = [("peer", operation.peer), ("operation", operation.what), ("status", status)];
        self.duration.get_or_create(&labels).observe(took.as_secs_f64());
    }
}

/// A kind of request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Operation {
    /// Of whom.
    pub peer: &'static str,
    /// What.
    pub what: &'static str,
    /// How.
    pub method: &'static str,
}

fn method_word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}
