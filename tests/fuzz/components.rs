//! The loader of mapping components: any file is refused with a sentence, or it is a host whose calls end.

use std::cell::OnceCell;
use std::time::Duration;

use component_host::{Limits, MappingHost};
use flow::ports::Mapper;
use mapping::{claim_response, feedback, patient};
use tempfile::TempDir;

use crate::memory::now;

/// Small and short, so that what only takes and takes is soon stopped.
const LIMITS: Limits =
    Limits { memory_bytes: 2 << 20, time: Duration::from_millis(5), instances: 2, compile: Duration::from_secs(60) };

thread_local! {
    /// One folder for all pieces of data: the file in it is written anew.
    static FOLDER: OnceCell<TempDir> = const { OnceCell::new() };
}

/// The file of a component that should hold all three mappings.
pub fn load(data: &[u8]) {
    let loaded = FOLDER.with(|folder| {
        let folder = folder.get_or_init(|| tempfile::tempdir().expect("a folder")).path();
        std::fs::write(folder.join("all.wasm"), data).expect("a file");
        MappingHost::load(folder, LIMITS)
    });
    let host = match loaded {
        Ok(host) => host,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    // Whatever a call gives, it ends, and the next one can be made: there are more of them than instances.
    for _ in 0..2 {
        drop(now(host.claim_response("{}", Some("2025-08-25"), None, &claim_response::Settings::default())));
        drop(now(host.feedback("{}", None, &feedback::Settings::default())));
        drop(now(host.patient("{}", &["R1D1".to_owned()], &patient::Settings::default())));
    }
}
