//! What a stand-in has in memory, kept in a file between two runs of the sandbox.

use axum::{Router, extract::Request, http::Method, middleware};
use serde_json::Value;
use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use super::server::held;

/// A stand-in whose memory can be written down.
pub(super) trait Kept: Clone + Send + Sync + 'static {
    /// All that is worth keeping.
    fn memory(&self) -> Value;
    /// Takes the place of all there is.
    fn recall(&self, memory: Value) -> serde_json::Result<()>;
}

/// Recalls what the file holds, and writes it anew after each request that may change something.
pub(super) fn keep<K: Kept>(router: Router, peer: &K, file: PathBuf) -> io::Result<Router> {
    match std::fs::read(&file) {
        Ok(text) => peer.recall(serde_json::from_slice(&text)?)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    // One at a time: the last that is written is the last that there was.
    let (peer, file) = (peer.clone(), Arc::new(Mutex::new(file)));
    let write_after = move |request: Request, next: middleware::Next| {
        let (peer, file) = (peer.clone(), file.clone());
        async move {
            let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
            let answer = next.run(request).await;
            if changes {
                let file = held(&file);
                if let Err(error) = write(&file, &peer.memory()) {
                    tracing::warn!(%error, "the sandbox's data could not be written to {}", file.display());
                }
            }
            answer
        }
    };
    Ok(router.layer(middleware::from_fn(write_after)))
}

/// Whole or not at all: a kill in the middle leaves the old file.
fn write(file: &std::path::Path, memory: &Value) -> io::Result<()> {
    let new = file.with_extension("new");
    std::fs::write(&new, serde_json::to_vec(memory)?)?;
    std::fs::rename(new, file)
}
