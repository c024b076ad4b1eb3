//! Stand-in peers for trying out and testing: an openIMIS, a CHT and more that live in memory and behave as the real
//! ones were measured to behave, errors included. No part of a production run.

mod cht;
mod hospital;
mod html;
mod keep;
mod openhim;
mod openimis;
mod registry;
mod server;

pub use cht::{Cht, ChtVersion};
pub use hospital::{HOSPITAL_PASSWORD, Hospital, HospitalAnswer, SAMPLE_BUNDLE, sample_question};
pub use openhim::{OPENHIM_PASSWORD, OPENHIM_USER, OpenHim, OpenHimAuth};
pub use openimis::{ClaimStatus, OpenImis};
pub use registry::{REGISTRY_PASSWORD, REGISTRY_TOKEN, Registry};
pub use server::Fault;

use server::Server;
use std::{io, net::SocketAddr, path::Path};
use tokio::net::TcpListener;

/// User name that both stand-ins accept.
pub const USER: &str = "mediator";
/// Password of [`USER`] at the openIMIS stand-in.
pub const OPENIMIS_PASSWORD: &str = "sandbox-openimis";
/// Password of [`USER`] at the CHT stand-in.
pub const CHT_PASSWORD: &str = "sandbox-cht";

/// Both stand-ins, served in background tasks until this is dropped.
pub struct Sandbox {
    /// The openIMIS stand-in: FHIR R4 under `/api/api_fhir_r4/`, a page for people at `/`.
    pub openimis: OpenImis,
    /// The CHT stand-in: its REST API, a page for people at `/`, and `POST /sandbox/feedback`.
    pub cht: Cht,
    _servers: [Server; 2],
}

impl Sandbox {
    /// Binds both addresses (port 0: any free one) and serves.
    ///
    /// # Errors
    /// An address that cannot be bound.
    pub async fn start(openimis: SocketAddr, cht: SocketAddr) -> io::Result<Self> {
        Self::start_in(openimis, cht, None).await
    }

    /// As [`Self::start`]; what the stand-ins hold is kept in a folder and there again at the next start.
    ///
    /// # Errors
    /// An address that cannot be bound, a file that cannot be read.
    pub async fn start_in(openimis: SocketAddr, cht: SocketAddr, folder: Option<&Path>) -> io::Result<Self> {
        let openimis_listener = TcpListener::bind(openimis).await?;
        let cht_listener = TcpListener::bind(cht).await?;
        let http = http_client().map_err(io::Error::other)?;
        let openimis = OpenImis::new(openimis_listener.local_addr()?, http.clone());
        let cht = Cht::new(cht_listener.local_addr()?, http);
        let (mut openimis_router, mut cht_router) = (openimis.router(), cht.router());
        if let Some(folder) = folder {
            openimis_router = keep::keep(openimis_router, &openimis, folder.join("openimis.json"))?;
            cht_router = keep::keep(cht_router, &cht, folder.join("cht.json"))?;
        }
        let servers = [server::serve(openimis_listener, openimis_router), server::serve(cht_listener, cht_router)];
        Ok(Self { openimis, cht, _servers: servers })
    }
}

/// For notifications and pushes, which go to plain http addresses: trusts no certificate, so it needs none installed.
fn http_client() -> reqwest::Result<reqwest::Client> {
    // Fails where a provider is installed already, which is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder().no_proxy().tls_certs_only([]).build()
}
