//! A listener's way from a connection to the routes: TLS, limits, an orderly stop. hyper and rustls do the work; what is ours is who is
//! let in, and for how long.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use futures_util::future::{Either, ready};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use jiff::SignedDuration;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::StartError;
use crate::config::{Config, Server};
use crate::worker::{Stop, asked};
use answer::{sent, throttled};
use auth::credential::Fingerprint;
use auth::limits::{self, Limits};
use auth::refusal_log::Who;
use auth::{Admission, Caller, Listener};
use head::HEAD_LIMIT_BYTES;

pub mod admit;
pub mod answer;
mod body;
pub(crate) mod content;
mod head;
pub(crate) mod layers;
pub mod tls;

/// How much is read of a body that nobody wants, in largest bodies.
const MOST_DISCARDED: usize = 16;

/// What both listeners share.
pub struct Doors {
    /// Who may call, and how much.
    pub admission: Arc<Admission>,
    /// Where the admin API listens, once it does.
    pub admin_address: OnceLock<SocketAddr>,
    /// The mediator's own. None: plain HTTP.
    certificate: Option<tls::Certificate>,
    settings: Server,
}

impl Doors {
    /// As configured; reads the certificate and the keys in files.
    pub fn new(config: &Config) -> Result<Self, StartError> {
        let limits = Limits::new(config.server.requests_per_second, config.server.failed_logins_per_minute);
        Ok(Self {
            admission: Arc::new(Admission::new(&config.auth(), limits)?),
            admin_address: OnceLock::new(),
            certificate: tls::Certificate::load(&config.server.tls)?,
            settings: config.server.clone(),
        })
    }

    /// Whether it speaks TLS itself.
    pub fn has_certificate(&self) -> bool {
        self.certificate.is_some()
    }

    /// Keeps the certificate up to date until asked to stop.
    pub async fn keep_certificate(&self, stop: Stop) {
        let Some(certificate) = &self.certificate else { return };
        if let Err(error) = certificate.keep(std_duration(self.settings.tls.check_interval), stop).await {
            tracing::error!(%error, "a new certificate will be seen after a restart only: no signals");
        }
    }

    /// Tells now and then how many refusals were not told, until asked to stop.
    pub async fn tell_what_was_left_out(self: Arc<Self>, mut stop: Stop) {
        loop {
            tokio::select! {
                () = sleep(Duration::from_secs(60)) => {}
                () = asked(&mut stop) => return,
            }
            self.tell_left_out();
        }
    }

    fn tell_left_out(&self) {
        match self.admission.logged.left_out() {
            0 => {}
            left_out => tracing::warn!(left_out, "refusals like those before are not in the log"),
        }
    }

    /// Serves routes on a listener until asked to stop, then waits up to `drain` for requests that are on their way.
    pub async fn serve(
        self: &Arc<Self>,
        which: Listener,
        listener: TcpListener,
        routes: Router,
        mut stop: Stop,
        drain: Duration,
    ) {
        if let Ok(address) = listener.local_addr()
            && self.certificate.is_none()
            && !address.ip().to_canonical().is_loopback()
        {
            tracing::warn!(%address, "plain HTTP where others may listen: set server.tls, or have TLS in front");
        }
        let places = Arc::new(Semaphore::new(self.settings.max_connections as usize));
        let held = Arc::<Held>::default();
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        loop {
            // Whoever finds no place waits in the system's queue, which costs nothing here.
            let accepted = tokio::select! {
                accepted = async {
                    let place = places.clone().acquire_owned().await;
                    (listener.accept().await, place)
                } => accepted,
                Some(_) = connections.join_next() => continue,
                () = asked(&mut stop) => break,
            };
            match accepted {
                (Ok((stream, peer)), Ok(place)) => {
                    let Some(own) = held.take(peer.ip(), self.settings.max_connections_per_address) else {
                        continue; // closed at once
                    };
                    let (doors, routes) = (self.clone(), routes.clone());
                    let connection = Connection { doors, which, routes, peer: peer.ip() };
                    let watcher = graceful.watcher();
                    connections.spawn(async move {
                        connection.run(stream, watcher).await;
                        drop((place, own));
                    });
                }
                (Err(error), _) => {
                    if let Some(left_out) = self.admission.is_logged("accept", Who::at(Ipv4Addr::UNSPECIFIED.into())) {
                        tracing::warn!(%error, left_out, "a connection could not be accepted");
                    }
                    sleep(Duration::from_millis(50)).await; // no file handles left, perhaps: some will come back
                }
                (_, Err(_)) => break, // nobody closes the semaphore
            }
        }
        drop(listener);
        if timeout(drain, graceful.shutdown()).await.is_err() {
            tracing::warn!("a client kept its connection open; it is closed now");
        }
    }

    /// What every request meets first: how much its address may ask, and how long an answer may take. A client that sends its body drop by
    /// drop, or a store that hangs, holds a connection no longer than that.
    async fn guarded(
        &self,
        address: IpAddr,
        answering: impl Future<Output = Result<Response, Infallible>>,
    ) -> Result<Response, Infallible> {
        let mut response = match self.admission.limits.request(address) {
            Ok(()) => match timeout(std_duration(self.settings.answer_timeout), answering).await {
                Ok(response) => response?,
                Err(_) => sent(flow::http_api::time_up()),
            },
            Err(wait) => {
                throttled(wait, "too many requests from your address; nothing was acknowledged, send it again")
            }
        };
        answer::secure(&mut response, self.certificate.is_some());
        Ok(response)
    }
}

/// How many connections each address has: one must not hold all places.
#[derive(Default)]
struct Held(Mutex<HashMap<IpAddr, u32>>);

impl Held {
    fn addresses(&self) -> MutexGuard<'_, HashMap<IpAddr, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(self: &Arc<Self>, address: IpAddr, most: u32) -> Option<HeldPlace> {
        let address = limits::network(address);
        let mut addresses = self.addresses();
        let count = addresses.entry(address).or_default();
        (*count < most).then(|| {
            *count += 1;
            HeldPlace { held: self.clone(), address }
        })
    }
}

/// One of an address's places; free again when dropped.
struct HeldPlace {
    held: Arc<Held>,
    address: IpAddr,
}

impl Drop for HeldPlace {
    fn drop(&mut self) {
        let mut addresses = self.held.addresses();
        if let Entry::Occupied(mut count) = addresses.entry(self.address) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// One connection.
struct Connection {
    doors: Arc<Doors>,
    which: Listener,
    routes: Router,
    peer: IpAddr,
}

impl Connection {
    async fn run(self, stream: TcpStream, watcher: Watcher) {
        let settings = &self.doors.settings;
        // Closes a connection whose client does not take its answers; nothing above TCP would.
        let socket = SockRef::from(&stream);
        let set = socket.set_tcp_user_timeout(Some(std_duration(settings.answer_timeout)));
        if let Err(error) = set.and(socket.set_tcp_nodelay(true)) {
            tracing::debug!(%error, "a connection's options could not be set");
        }
        let Some(certificate) = &self.doors.certificate else { return self.serve(stream, None, watcher).await };
        let acceptor = TlsAcceptor::from(certificate.current());
        match timeout(std_duration(settings.header_timeout), acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
                let certificate = shown.map(|certificate| Fingerprint::of(certificate));
                self.serve(stream, certificate, watcher).await;
            }
            Ok(Err(error)) => tracing::debug!(address = %self.peer, %error, "no TLS connection came about"),
            Err(_) => tracing::debug!(address = %self.peer, "a TLS handshake took too long"),
        }
    }

    async fn serve<S>(&self, stream: S, certificate: Option<Fingerprint>, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let caller = Caller { listener: self.which, address: self.peer, certificate };
        let routes = TowerToHyperService::new(self.routes.clone());
        let rest_bytes = MOST_DISCARDED * self.doors.settings.max_body_bytes;
        let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(caller);
            let refused = head::refusal(&request);
            let (doors, request) = (self.doors.clone(), body::Whole::of(request, rest_bytes));
            let answering = match refused {
                Some(refused) => Either::Left(ready(Ok(sent(refused)))),
                None => Either::Right(routes.call(request)),
            };
            async move { doors.guarded(caller.address, answering).await }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .max_buf_size(HEAD_LIMIT_BYTES)
            .header_read_timeout(std_duration(self.doors.settings.header_timeout))
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(address = %self.peer, %error, "a connection ended early");
        }
    }
}

fn std_duration(duration: SignedDuration) -> Duration {
    Duration::try_from(duration).unwrap_or_default()
}
