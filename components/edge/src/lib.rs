//! The mediator at the edge: the same routes, answers and ways as the native host, as one WASI 0.2 component under Spin.
//!
//! Adapters only; what happens to a message is `flow`'s, what a document becomes is in the mapping components that are plugged in.
//!
//! # Layout
//! - `app`: one request from its route to its answer. `config`: Spin's variables. `drain`: what waits is delivered.
//! - `inbound`, `outbound`: HTTP in and out. `store`: Spin's SQLite. `mapper`: the imported mappings. `dry_run`: mapping and nothing else.
#![allow(missing_docs)] // a component's exports; docs/edge.md documents them

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use wasi::exports::http::incoming_handler::Guest;
use wasi::http::types::{IncomingRequest, ResponseOutparam};

mod app;
mod config;
mod drain;
mod dry_run;
mod inbound;
mod mapper;
mod outbound;
mod runtime;
mod store;

struct Edge;
wasi::http::proxy::export!(Edge);

impl Guest for Edge {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let answer = run(app::answer(&request));
        let is_head = matches!(request.method(), wasi::http::types::Method::Head);
        inbound::respond(out, answer, is_head);
    }
}

/// Runs a future to its end. An instance serves one request, and its adapters wait in WASI's own polls: nothing is ever pending here.
fn run<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}
