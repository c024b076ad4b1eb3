//! What both stand-ins share: listening, faults on demand, and the log of requests.

use axum::{
    Router,
    extract::{ConnectInfo, Query, Request, State, connect_info::Connected},
    http::{Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
    serve::{IncomingStream, Listener},
};
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Requests kept in the log; older ones are forgotten.
const LOG_LIMIT: usize = 50_000;

/// What goes wrong with one request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// Answers with this status and the peer's own kind of error body; does not process the request.
    Status(u16),
    /// Answers 200 with an HTML page, as a proxy or login page would; does not process the request.
    Html,
    /// Keeps silent for so long, then closes the connection; does not process the request.
    Hang(Duration),
    /// Keeps silent for so long, then works as ever.
    Slow(Duration),
    /// Closes the connection without a word; does not process the request.
    Reset,
    /// Does the work, keeps silent for so long, then closes the connection: the sender cannot know.
    ProcessThenHang(Duration),
    /// Does the work only after so long, whether or not somebody still waits for the answer: a database that stalls.
    Stall(Duration),
}

/// Where every request passes: hands out faults and keeps the log.
#[derive(Clone)]
pub(super) struct Gate(Arc<Inner>);

struct Inner {
    faults: Mutex<VecDeque<Pending>>,
    log: Mutex<VecDeque<(String, u16)>>,
    refuse: fn(u16) -> Response,
}

/// A fault to come.
struct Pending {
    /// What the request's path begins with.
    path: &'static str,
    /// How many more times.
    left: usize,
    fault: Fault,
}

impl Gate {
    /// `refuse` makes the error body of [`Fault::Status`].
    pub fn new(refuse: fn(u16) -> Response) -> Self {
        Self(Arc::new(Inner { faults: Mutex::default(), log: Mutex::default(), refuse }))
    }

    /// Appends `count` times `fault` to what is pending; a count of 0 clears what is pending, `usize::MAX` lasts
    /// until then.
    pub fn fail_next(&self, count: usize, fault: Fault) {
        self.fail_next_at("", count, fault);
    }

    /// The same for requests whose path begins with `path`; the first pending fault that fits a request is the one that it meets.
    pub fn fail_next_at(&self, path: &'static str, count: usize, fault: Fault) {
        let mut faults = held(&self.0.faults);
        match count {
            0 => faults.clear(),
            left => faults.push_back(Pending { path, left, fault }),
        }
    }

    /// `METHOD path?query` and status, in order; status 0 where a fault kept the answer back.
    pub fn requests(&self) -> Vec<(String, u16)> {
        held(&self.0.log).iter().cloned().collect()
    }

    fn next_fault(&self, path: &str) -> Option<Fault> {
        let mut faults = held(&self.0.faults);
        let place = faults.iter().position(|pending| path.starts_with(pending.path))?;
        let pending = &mut faults[place];
        let fault = pending.fault;
        pending.left -= 1;
        if pending.left == 0 {
            faults.remove(place);
        }
        Some(fault)
    }

    fn note(&self, line: String, status: u16) {
        let mut log = held(&self.0.log);
        if log.len() == LOG_LIMIT {
            log.pop_front();
        }
        log.push_back((line, status));
    }
}

/// Middleware around everything but the pages: faults, then the log.
pub(super) async fn pass(
    State(gate): State<Gate>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    if matches!(path, "/" | "/favicon.ico") || path.starts_with("/sandbox/") {
        return next.run(request).await;
    }
    let target = request.uri().path_and_query().map_or(path, |target| target.as_str());
    let line = format!("{} {target}", request.method());
    let answer = match gate.next_fault(path) {
        None => next.run(request).await,
        Some(Fault::Slow(pause)) => {
            tokio::time::sleep(pause).await;
            next.run(request).await
        }
        Some(Fault::Stall(pause)) => {
            let late = tokio::spawn(async move {
                tokio::time::sleep(pause).await;
                next.run(request).await
            });
            late.await.unwrap_or_default()
        }
        Some(Fault::Status(status)) => (gate.0.refuse)(status),
        Some(Fault::Html) => {
            ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], "<html><body>Welcome to nginx!</body></html>\n")
                .into_response()
        }
        Some(Fault::Reset) => return silence(&gate, line, &wire, Duration::ZERO).await,
        Some(Fault::Hang(pause)) => return silence(&gate, line, &wire, pause).await,
        Some(Fault::ProcessThenHang(pause)) => {
            next.run(request).await;
            return silence(&gate, line, &wire, pause).await;
        }
    };
    gate.note(line, answer.status().as_u16());
    answer
}

async fn silence(gate: &Gate, line: String, wire: &Wire, pause: Duration) -> Response {
    gate.note(line, 0);
    tokio::time::sleep(pause).await;
    wire.cut();
    Response::default()
}

/// What a page's form sent, as an object of texts.
pub(super) fn form(body: &[u8]) -> Option<Value> {
    let uri: Uri = format!("/?{}", std::str::from_utf8(body).ok()?.trim()).parse().ok()?;
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&uri).ok()?;
    Some(Value::Object(pairs.into_iter().map(|(name, value)| (name, json!(value))).collect()))
}

/// Locks; a panic elsewhere does not make the data unusable here.
pub(super) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A serving task; ends when dropped.
pub(super) struct Server(JoinHandle<()>);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Serves `router` in a background task.
pub(super) fn serve(listener: TcpListener, router: Router) -> Server {
    let service = router.into_make_service_with_connect_info::<Wire>();
    Server(tokio::spawn(async move {
        if let Err(error) = axum::serve(Cuttable(listener), service).await {
            tracing::error!(%error, "a sandbox server ended");
        }
    }))
}

/// One connection's switch: once cut, not a byte more goes out.
#[derive(Clone, Default)]
pub(super) struct Wire(Arc<AtomicBool>);

impl Wire {
    fn cut(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn whole(&self) -> io::Result<()> {
        if self.0.load(Ordering::Acquire) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl Connected<IncomingStream<'_, Cuttable>> for Wire {
    fn connect_info(stream: IncomingStream<'_, Cuttable>) -> Self {
        stream.io().wire.clone()
    }
}

/// A listener whose connections can be cut from within a handler.
struct Cuttable(TcpListener);

impl Listener for Cuttable {
    type Io = Line;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Line, Self::Addr) {
        let (stream, peer) = Listener::accept(&mut self.0).await;
        (Line { stream, wire: Wire::default() }, peer)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

struct Line {
    stream: TcpStream,
    wire: Wire,
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.wire.whole()?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
