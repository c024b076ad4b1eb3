//! A request's body. What nobody wants of it is read all the same: a connection that is closed while its client still sends is reset, and
//! the answer is lost with it.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// How long a client that was answered already may go on sending.
const REST_TIME: Duration = Duration::from_secs(5);

/// A body as it comes in; its rest is read and thrown away, up to a limit, when it is dropped early.
pub struct Whole {
    incoming: Option<Incoming>,
    limit_bytes: usize,
}

impl Whole {
    /// Of a request. One who asks before sending ("Expect: 100-continue") is spared the sending.
    pub fn of(request: hyper::Request<Incoming>, limit_bytes: usize) -> hyper::Request<Self> {
        let asks = request.headers().contains_key(http::header::EXPECT);
        request.map(|incoming| Self { incoming: Some(incoming), limit_bytes: if asks { 0 } else { limit_bytes } })
    }
}

impl Body for Whole {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        let polled = Pin::new(incoming).poll_frame(context);
        if let Poll::Ready(None | Some(Err(_))) = polled {
            self.incoming = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        let Some(incoming) = self.incoming.take() else { return };
        if incoming.is_end_stream() || self.limit_bytes == 0 {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(timeout(REST_TIME, discard(incoming, self.limit_bytes)));
        }
    }
}

async fn discard(mut incoming: Incoming, limit_bytes: usize) {
    let mut left = limit_bytes;
    while let Some(Ok(frame)) = std::future::poll_fn(|context| Pin::new(&mut incoming).poll_frame(context)).await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        if length > left {
            return;
        }
        left -= length;
    }
}
