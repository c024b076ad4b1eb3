//! Peers on bare sockets, for what no HTTP library would do: answers that break off, that never end, that come from somewhere else.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;

/// What was sent to a peer.
#[derive(Clone, Debug)]
pub struct Request {
    /// Request line and headers.
    pub head: String,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Request {
    /// `METHOD path`, without the query.
    pub fn line(&self) -> String {
        let line = self.head.lines().next().unwrap_or_default();
        line.split(['?', ' ']).take(2).collect::<Vec<_>>().join(" ")
    }
}

/// Head and body of one HTTP request; none when the connection ended before.
pub async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Request> {
    let mut received = Vec::new();
    loop {
        if let Some(end) = received.windows(4).position(|part| part == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&received[..end]).into_owned();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
            let body = &received[end + 4..];
            if body.len() >= length {
                return Some(Request { head, body: body[..length].to_vec() });
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => received.extend_from_slice(&buffer[..count]),
        }
    }
}

/// An answer as it goes over the wire; the connection ends with it.
pub fn http(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

/// A listener on a free port, and its address.
pub async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    (listener, url)
}

/// A server that gives its answers in order, the last one for ever, and keeps what it was sent.
pub struct Scripted {
    /// `http://127.0.0.1:<port>`.
    pub url: String,
    connections: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Scripted {
    /// Starts it.
    pub async fn answering(answers: &[String]) -> Self {
        let (listener, url) = listener().await;
        let scripted = Self { url, connections: Arc::default(), seen: Arc::default() };
        let (connections, seen, answers) = (scripted.connections.clone(), scripted.seen.clone(), answers.to_vec());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let Some(request) = read_request(&mut stream).await else { continue };
                let number = {
                    let mut seen = seen.lock().expect("the log");
                    seen.push(request);
                    seen.len() - 1
                };
                let answer = &answers[number.min(answers.len() - 1)];
                drop(stream.write_all(answer.as_bytes()).await);
            }
        });
        scripted
    }

    /// What it was sent, in order.
    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().expect("the log").clone()
    }

    /// How often somebody connected, whatever was sent then.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// What becomes of an answer on its way back.
#[derive(Clone, Debug)]
pub enum Spoil {
    /// Nothing: it arrives.
    Pass,
    /// It arrives once this is told.
    Hold(Arc<Notify>),
    /// It arrives, and then the connection is closed although nobody said so.
    PassAndClose,
    /// The connection is closed instead.
    Close,
    /// The connection ends in the middle of the answer's body.
    BreakOff,
    /// Half of the answer, then a reset (RST).
    Reset,
    /// It comes in drops, and the headers never end.
    DripHeaders,
    /// Its headers come at once, its body in drops, for ever.
    DripBody,
    /// Something else comes instead.
    Instead(String),
    /// Something else comes, and the request never reaches the stand-in.
    Refuse(String),
}

/// Between two drops.
const DROP: Duration = Duration::from_millis(20);

/// A proxy in front of a stand-in: a request reaches the stand-in and is done there; then its answer may be spoilt.
pub struct Gateway {
    /// `http://127.0.0.1:<port>/`.
    pub url: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Gateway {
    /// Starts one before `target`, an address as the stand-ins give it. `spoil` gets each request and whether `METHOD path` comes for
    /// the first time.
    pub async fn before(target: &str, spoil: impl Fn(&Request, bool) -> Spoil + Send + Sync + 'static) -> Self {
        Self::on(listener().await.0, target, spoil)
    }

    /// The same on a listener, for tests that have to know the port before.
    pub fn on(
        listener: TcpListener,
        target: &str,
        spoil: impl Fn(&Request, bool) -> Spoil + Send + Sync + 'static,
    ) -> Self {
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let address = target.trim_start_matches("http://").split('/').next().expect("an address").to_owned();
        let path = target.trim_start_matches("http://").trim_start_matches(&address);
        let seen = Arc::new(Mutex::new(Vec::<Request>::new()));
        let (log, spoil) = (seen.clone(), Arc::new(spoil));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (address, log, spoil) = (address.clone(), log.clone(), spoil.clone());
                tokio::spawn(async move {
                    while let Some(request) = read_request(&mut stream).await {
                        let first = {
                            let mut log = log.lock().expect("the log");
                            log.push(request.clone());
                            log.iter().filter(|earlier| earlier.line() == request.line()).count() == 1
                        };
                        let spoil = spoil(&request, first);
                        let answer = match &spoil {
                            Spoil::Refuse(answer) => answer.clone(),
                            _ => forward(&address, &request).await,
                        };
                        if give(&mut stream, &answer, spoil).await.is_none() {
                            return;
                        }
                    }
                });
            }
        });
        Self { url: format!("{url}{path}"), seen }
    }

    /// What reached it, in order.
    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().expect("the log").clone()
    }

    /// How many requests came that begin so, for example `POST /api/v2/records`.
    pub fn count(&self, beginning: &str) -> usize {
        self.seen().iter().filter(|request| request.line().starts_with(beginning)).count()
    }
}

/// The target's whole answer, without its word that it closes the connection to the gateway.
async fn forward(address: &str, request: &Request) -> String {
    let mut stream = TcpStream::connect(address).await.expect("the stand-in");
    let head = format!("{}\r\nconnection: close\r\n\r\n", request.head);
    stream.write_all(&[head.as_bytes(), &request.body].concat()).await.expect("the stand-in reads");
    let mut answer = Vec::new();
    // A stand-in that fails on purpose cuts the connection: that is its answer.
    drop(stream.read_to_end(&mut answer).await);
    String::from_utf8(answer).expect("text").replacen("connection: close\r\n", "", 1)
}

/// Gives an answer as `spoil` wants it. None: the connection is at its end.
async fn give(stream: &mut TcpStream, answer: &str, spoil: Spoil) -> Option<()> {
    let body = answer.find("\r\n\r\n")? + 4;
    match spoil {
        Spoil::Pass => return stream.write_all(answer.as_bytes()).await.ok(),
        Spoil::Hold(release) => {
            release.notified().await;
            return stream.write_all(answer.as_bytes()).await.ok();
        }
        Spoil::PassAndClose => stream.write_all(answer.as_bytes()).await.ok()?,
        Spoil::Close => {}
        Spoil::BreakOff => stream.write_all(&answer.as_bytes()[..body + (answer.len() - body) / 2]).await.ok()?,
        Spoil::Reset => {
            stream.write_all(&answer.as_bytes()[..body + (answer.len() - body) / 2]).await.ok()?;
            stream.set_zero_linger().ok()?;
        }
        Spoil::DripHeaders => drip(stream, "HTTP/1.1 200 OK\r\nx-slow: ").await,
        Spoil::DripBody => drip(stream, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n").await,
        Spoil::Instead(other) | Spoil::Refuse(other) => stream.write_all(other.as_bytes()).await.ok()?,
    }
    None
}

/// The beginning at once, then a byte at a time until nobody listens any more.
pub async fn drip(stream: &mut TcpStream, beginning: &str) {
    let mut next = beginning.as_bytes();
    while stream.write_all(next).await.is_ok() {
        next = b" ";
        tokio::time::sleep(DROP).await;
    }
}

/// A port that swallows packets: its queue of connections is full and nobody takes one out, so the system drops what comes.
pub struct Swallowing {
    /// `http://127.0.0.1:<port>`.
    pub url: String,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Swallowing {
    /// Opens it.
    pub async fn open() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let listener = socket.listen(1).expect("a listener");
        let address = listener.local_addr().expect("an address");
        let mut waiting = Vec::new();
        while let Ok(connected) = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
            waiting.push(connected.expect("a connection"));
            assert!(waiting.len() < 100, "the system takes any number of connections");
        }
        Self { url: format!("http://{address}"), _listener: listener, _waiting: waiting }
    }
}
