//! `bare`: the same HTTP library, no mapping, no store. What is above its figures cannot be reached, what is below is the mediator's work.

use std::net::SocketAddr;
use std::process::ExitCode;

use axum::Router;
use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::any;
use clap::Args;
use tokio::net::TcpListener;

/// Where.
#[derive(Args, Debug)]
pub struct Options {
    /// Address and port
    #[arg(long, default_value = "127.0.0.1:8093")]
    listen: SocketAddr,
}

/// Serves until it is ended.
pub async fn command(options: Options) -> anyhow::Result<ExitCode> {
    let listener = TcpListener::bind(options.listen).await?;
    println!("bare: http://{}", listener.local_addr()?);
    axum::serve(listener, Router::new().fallback(any(answer))).await?;
    Ok(ExitCode::SUCCESS)
}

/// Reads the body, as the mediator has to.
async fn answer(_body: Bytes) -> impl IntoResponse {
    const ANSWER: &str = r#"{"status":"accepted","id":1,"duplicate":false}"#;
    (StatusCode::ACCEPTED, [(header::CONTENT_TYPE, "application/json")], ANSWER)
}
