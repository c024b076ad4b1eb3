//! `edge-harness --from spin.toml --listen 127.0.0.1:3000 --state-dir <folder>`: serves the app of a manifest as `spin up` does, with
//! wasmtime and the few interfaces of Spin that the edge asks for. A fresh instance for every request.
//!
//! # Layout
//! - `app`: the manifest's variables and hosts. `state`: what belongs to one request. `spin`: SQLite and variables.

mod app;
mod spin;
mod state;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::net::TcpListener;
use wasmtime::component::{Component, Linker};
use wasmtime::error::Context;
use wasmtime::{Config, Engine, PoolingAllocationConfig, Result, bail};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::io::TokioIo;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use app::App;
use state::State;

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::read()?;
    let app = Arc::new(App::read(&options.from, &options.state_dir)?);
    let engine = engine()?;
    let component = match &options.component {
        Some(file) => std::fs::read(file).with_context(|| file.display().to_string())?,
        None => app.component()?,
    };
    let component = Component::new(&engine, component)?;
    let mut linker = Linker::<State>::new(&engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    spin::add_to_linker(&mut linker)?;
    let pre = ProxyPre::new(linker.instantiate_pre(&component)?)?;

    let listener = TcpListener::bind(options.listen).await?;
    eprintln!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (pre, app) = (pre.clone(), app.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| handle(pre.clone(), app.clone(), request));
            if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
                eprintln!("a connection ended early: {error}");
            }
        });
    }
}

/// As an instance for every request wants it.
fn engine() -> Result<Engine> {
    let mut config = Config::new();
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(1000).total_memories(400).total_tables(800).max_memory_size(256 << 20);
    config.allocation_strategy(pool);
    Engine::new(&config)
}

async fn handle(
    pre: ProxyPre<State>,
    app: Arc<App>,
    request: hyper::Request<hyper::body::Incoming>,
) -> Result<hyper::Response<HyperOutgoingBody>> {
    let mut store = wasmtime::Store::new(pre.engine(), State::new(app));
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let request = store.data_mut().http().new_incoming_request(Scheme::Http, request)?;
    let out = store.data_mut().http().new_response_outparam(sender)?;
    let task = tokio::spawn(async move {
        let proxy = pre.instantiate_async(&mut store).await?;
        proxy.wasi_http_incoming_handler().call_handle(store, request, out).await
    });
    match receiver.await {
        Ok(answer) => Ok(answer?),
        // It trapped before it had answered: 500, as Spin says.
        Err(_) => {
            eprintln!("a request ended without an answer: {:?}", task.await);
            let body = http_body(b"");
            Ok(hyper::Response::builder().status(500).body(body)?)
        }
    }
}

fn http_body(bytes: &'static [u8]) -> HyperOutgoingBody {
    use http_body_util::BodyExt;
    let body = http_body_util::Full::new(hyper::body::Bytes::from_static(bytes));
    HyperOutgoingBody::new(body.map_err(|never| match never {}))
}

struct Options {
    from: PathBuf,
    listen: SocketAddr,
    state_dir: PathBuf,
    component: Option<PathBuf>,
}

impl Options {
    fn read() -> Result<Self> {
        let (mut from, mut listen, mut state_dir, mut component) = (None, None, None, None);
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let value = args.next().with_context(|| format!("{arg} wants a value"))?;
            match arg.as_str() {
                "--from" => from = Some(value.into()),
                "--listen" => listen = Some(value.parse()?),
                "--state-dir" => state_dir = Some(value.into()),
                "--component" => component = Some(value.into()),
                other => bail!("{other}: --from, --listen, --state-dir and --component are what there is"),
            }
        }
        Ok(Self {
            from: from.context("--from names the manifest")?,
            listen: listen.context("--listen names an address")?,
            state_dir: state_dir.context("--state-dir names a folder for the database")?,
            component,
        })
    }
}
