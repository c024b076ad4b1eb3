//! The mapping components in wasmtime: a fresh instance for every document, so that nothing of one can reach another; a memory cap
//! and a time limit, so that a broken mapping harms its own message only. Files that change are taken over between two calls.
//!
//! Usable by itself: [`MappingHost::load`], then [`MappingHost::map_claim_response`] and its like (docs/embedding.md).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;

mod batch;
mod cache;
mod calls;
mod compile;
pub mod conformance;
mod engine;
mod exchanges;
mod hex;
pub mod metrics;
mod piece;
mod sources;
mod swap;
mod tables;
pub mod trial;

pub use batch::Batch;
pub use flow::ports::MapperError;
pub use sources::{Country, Sources, Stamp, Stamps};
pub use swap::{Refusal, Reloaded, Switched};

mod bindings {
    #![allow(missing_docs)] // generated; the WIT files document it
    wasmtime::component::bindgen!({ world: "all-mappings", path: "../../wit/mapping" });
}
use bindings::exports::openimis_mediator::mapping as wit;

use metrics::MappingFigures;

use cache::Cache;
use engine::Runtime;
use piece::{Claim, ClaimResponse, Eligibility, Facility, Feedback, Patient, Piece, Slot};

/// What a mapping may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Linear memory of one call.
    pub memory_bytes: usize,
    /// Time of one call.
    pub time: Duration,
    /// Calls at the same time.
    pub instances: u32,
    /// Time to compile one component.
    pub compile: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory_bytes: 64 << 20, time: Duration::from_secs(1), instances: 32, compile: Duration::from_secs(120) }
    }
}

/// A WIT interface that holds a mapping.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interface {
    /// openIMIS `ClaimResponse` to CHT record.
    ClaimResponse,
    /// CHT feedback to FHIR `Communication`.
    Feedback,
    /// openIMIS `Patient` to CHT person.
    Patient,
    /// A hospital's claim to openIMIS `Claim`, and its adjudication back.
    Claim,
    /// A hospital's question for coverage to its answer.
    Eligibility,
    /// A registry's facility to openIMIS' health facility.
    Facility,
}

impl Interface {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::ClaimResponse, Self::Feedback, Self::Patient, Self::Claim, Self::Eligibility, Self::Facility];
    /// Without these there is nothing to do. The others may be left out: then what needs them is refused.
    pub const REQUIRED: [Self; 3] = [Self::ClaimResponse, Self::Feedback, Self::Patient];
    /// The version of the interfaces that this program speaks. Additions do not change it.
    pub const VERSION: &str = "0.1";

    /// As WIT spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClaimResponse => "claim-response",
            Self::Feedback => "feedback",
            Self::Patient => "patient",
            Self::Claim => "claim",
            Self::Eligibility => "eligibility",
            Self::Facility => "facility",
        }
    }
}

/// A component directory that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No such directory, or a file that cannot be read.
    #[error("{0}: {1}")]
    File(PathBuf, std::io::Error),
    /// Not a component, or one that imports something.
    #[error("{0} is not a mapping component: {1}")]
    Component(PathBuf, String),
    /// It does not keep the contract.
    #[error("{0} does not keep the contract of the mappings: {1} (`openimis-mediator mapping test` tells all)")]
    Contract(PathBuf, String),
    /// What could take a mapping's place comes from further behind, and something nearer was refused.
    #[error("{1} stays as {0} had it: {2} was refused, and may be meant to take its place")]
    Stays(PathBuf, &'static str, PathBuf),
    /// Two components export one mapping.
    #[error("{0} and {1} both export {2}: remove one")]
    Twice(PathBuf, PathBuf, &'static str),
    /// A mapping is exported by none.
    #[error("no component in {0} exports {1}: run `cargo xtask build`, or set components.dir")]
    Missing(PathBuf, &'static str),
    /// No components of the country that is set.
    #[error("{0} is not there: components.country and components.system name a folder in components.dir")]
    Country(PathBuf),
    /// A cache that cannot be used, or must not be.
    #[error("{0} cannot hold compiled components: {1}")]
    Cache(PathBuf, String),
    /// wasmtime cannot run here.
    #[error("wasmtime: {0}")]
    Engine(String),
}

/// The mapping components of a directory, compiled and ready. A clone is the same host.
#[derive(Clone)]
pub struct MappingHost {
    inner: Arc<Inner>,
}

struct Inner {
    runtime: Runtime,
    figures: MappingFigures,
    cache: Option<Cache>,
    sources: Sources,
    first_seen: Stamps,
    current: RwLock<Arc<Set>>,
    /// Held for a whole look at the directory, by nobody else.
    known: Mutex<BTreeMap<PathBuf, Arc<Piece>>>,
    /// By the last look. Held to copy it.
    refused: Mutex<Vec<Refusal>>,
}

/// Which component does what. Exchanged as a whole; a call keeps the one that it began with.
struct Set {
    claim_response: Slot<ClaimResponse>,
    feedback: Slot<Feedback>,
    patient: Slot<Patient>,
    claim: Option<Slot<Claim>>,
    eligibility: Option<Slot<Eligibility>>,
    facility: Option<Slot<Facility>>,
}

/// A mapping that is in use.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct InUse {
    /// Which mapping.
    pub mapping: Interface,
    /// The file that it came from.
    pub file: PathBuf,
    /// Of the file, in hexadecimal digits.
    pub sha256: String,
    /// Version of the interface that the component exports.
    pub interface: String,
    /// Since when it is in use.
    pub since: Timestamp,
}

impl MappingHost {
    /// Loads every `.wasm` file of a directory; which mapping it is, its exports say.
    pub fn load(directory: &Path, limits: Limits) -> Result<Self, LoadError> {
        Self::open(Sources::folder(directory), limits)
    }

    /// The same with a country's mappings, a cache of compiled components, and checks.
    pub fn open(sources: Sources, limits: Limits) -> Result<Self, LoadError> {
        let runtime = Runtime::new(limits).map_err(|error| LoadError::Engine(error.to_string()))?;
        let cache = sources.cache_dir.as_deref().map(|dir| Cache::open(dir, &runtime.engine)).transpose()?;
        Self::with(runtime, cache, sources)
    }

    /// The same for who only looks: a cache is used if it is there, and never made.
    pub fn open_to_look(sources: Sources, limits: Limits) -> Result<Self, LoadError> {
        let runtime = Runtime::new(limits).map_err(|error| LoadError::Engine(error.to_string()))?;
        let cache = sources.cache_dir.as_deref().and_then(|dir| Cache::find(dir, &runtime.engine));
        Self::with(runtime, cache, sources)
    }

    fn with(runtime: Runtime, cache: Option<Cache>, sources: Sources) -> Result<Self, LoadError> {
        let first_seen = sources.stamps();
        let found = swap::look(&runtime, cache.as_ref(), &sources, &BTreeMap::new())?;
        if let Some((_, _, error)) = found.refused.into_iter().next() {
            return Err(error);
        }
        let (layers, dir) = (&found.layers, &sources.dir);
        let set = Set {
            claim_response: swap::choose(Interface::ClaimResponse, layers, dir, Piece::claim_response)?,
            feedback: swap::choose(Interface::Feedback, layers, dir, Piece::feedback)?,
            patient: swap::choose(Interface::Patient, layers, dir, Piece::patient)?,
            claim: swap::choose_any(Interface::Claim, layers, Piece::claim)?,
            eligibility: swap::choose_any(Interface::Eligibility, layers, Piece::eligibility)?,
            facility: swap::choose_any(Interface::Facility, layers, Piece::facility)?,
        };
        let (current, known) = (RwLock::new(Arc::new(set)), Mutex::new(found.pieces));
        let figures = MappingFigures::default().with_instances(runtime.limits.instances);
        let inner = Inner { runtime, figures, cache, sources, first_seen, current, known, refused: Mutex::default() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// What the calls count.
    pub fn figures(&self) -> &MappingFigures {
        &self.inner.figures
    }

    /// Where the components come from.
    pub fn sources(&self) -> &Sources {
        &self.inner.sources
    }

    /// What the files looked like when they were loaded.
    pub fn first_seen(&self) -> Stamps {
        self.inner.first_seen.clone()
    }

    /// Which component serves which mapping.
    pub fn mappings(&self) -> Vec<InUse> {
        fn told<I>(slot: &Slot<I>) -> InUse {
            InUse {
                mapping: slot.interface,
                file: slot.piece.path.clone(),
                sha256: slot.piece.sha256.clone(),
                interface: slot.version.clone(),
                since: slot.piece.since,
            }
        }
        let set = self.current();
        let mut used = vec![told(&set.claim_response), told(&set.feedback), told(&set.patient)];
        used.extend(set.claim.as_ref().map(told));
        used.extend(set.eligibility.as_ref().map(told));
        used.extend(set.facility.as_ref().map(told));
        used
    }

    /// Mappings that no component serves: what needs them is refused.
    pub fn without(&self) -> Vec<Interface> {
        let used = self.mappings();
        Interface::ALL.into_iter().filter(|interface| used.iter().all(|it| it.mapping != *interface)).collect()
    }

    /// Components that the last look refused, and why.
    pub fn refused(&self) -> Vec<Refusal> {
        self.inner.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn current(&self) -> Arc<Set> {
        self.inner.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Tries again for a while when all instances are at work.
fn patiently<T>(mut call: impl FnMut() -> Result<T, MapperError>) -> Result<T, MapperError> {
    let begun = Instant::now();
    loop {
        match call() {
            Err(MapperError::Busy(_)) if begun.elapsed() < Duration::from_secs(10) => {
                std::thread::sleep(Duration::from_millis(5));
            }
            answer => return answer,
        }
    }
}
