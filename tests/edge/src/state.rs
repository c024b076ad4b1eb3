//! What belongs to one request: the component's resources, and what it may do.

use std::sync::Arc;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView, default_send_request,
};

use crate::app::App;

/// The data of a store.
pub struct State {
    /// Resources of all interfaces.
    pub table: ResourceTable,
    /// The app.
    pub app: Arc<App>,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: Hooks,
}

impl State {
    /// What a component prints is seen in the harness's log; it gets no files, no environment and no network but HTTP.
    pub fn new(app: Arc<App>) -> Self {
        Self {
            table: ResourceTable::new(),
            wasi: WasiCtx::builder().inherit_stderr().build(),
            http: WasiHttpCtx::new(),
            hooks: Hooks(app.clone()),
            app,
        }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.hooks }
    }
}

struct Hooks(Arc<App>);

type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(http::Response<WasiBody>, Io), Error>;

impl WasiHttpHooks for Hooks {
    /// Sends what the manifest allows.
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Io,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let is_allowed = self.0.allows(request.uri());
        Box::new(async move {
            use http_body_util::BodyExt;
            if !is_allowed {
                return Err(Error::HttpRequestDenied);
            }
            let (answer, io) = default_send_request(request, options).await?;
            Ok((answer.map(BodyExt::boxed_unsync), Box::new(io) as Io))
        })
    }
}
