//! Answers every request with a few words, with the same interfaces of WASI as the edge: what any request costs under the same Spin.
#![allow(missing_docs)] // a component's exports

use wasi::exports::http::incoming_handler::Guest;
use wasi::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

struct Hello;
wasi::http::proxy::export!(Hello);

impl Guest for Hello {
    fn handle(_: IncomingRequest, out: ResponseOutparam) {
        let response = OutgoingResponse::new(Fields::new());
        let body = response.body();
        ResponseOutparam::set(out, Ok(response));
        let Ok(body) = body else { return };
        let Ok(stream) = body.write() else { return };
        stream.blocking_write_and_flush(b"hello world\n").ok(); // whoever asked may be gone
        drop(stream);
        OutgoingBody::finish(body, None).ok();
    }
}
