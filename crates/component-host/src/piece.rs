//! One component file: read, compiled (or taken from the cache), looked through and tried once.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

use super::cache::Cache;
use super::compile::compile;
use super::engine::{Call, Callable, Runtime};
use super::hex::hex;
use super::{Interface, LoadError, wit};

pub(super) type ClaimResponse = wit::claim_response::GuestIndices;
pub(super) type Feedback = wit::feedback::GuestIndices;
pub(super) type Patient = wit::patient::GuestIndices;
pub(super) type Claim = wit::claim::GuestIndices;
pub(super) type Eligibility = wit::eligibility::GuestIndices;
pub(super) type Facility = wit::facility::GuestIndices;

/// The package whose interfaces are mappings.
const PACKAGE: &str = "openimis-mediator:mapping/";

/// A component that can be used.
pub(super) struct Piece {
    pub path: PathBuf,
    /// Of the file, in hexadecimal digits.
    pub sha256: String,
    /// When it was loaded.
    pub since: Timestamp,
    pub pre: InstancePre<Call>,
    claim_response: Option<(ClaimResponse, String)>,
    feedback: Option<(Feedback, String)>,
    patient: Option<(Patient, String)>,
    claim: Option<(Claim, String)>,
    eligibility: Option<(Eligibility, String)>,
    facility: Option<(Facility, String)>,
}

/// One mapping of a component, ready to be called.
#[derive(Clone)]
pub(super) struct Slot<I> {
    pub interface: Interface,
    pub piece: Arc<Piece>,
    pub indices: I,
    /// Of the interface, as the component has it.
    pub version: String,
    /// Most linear memory that a call has taken.
    pub memory_bytes: Arc<AtomicUsize>,
}

impl<I> Slot<I> {
    /// What a runtime needs to call it.
    pub fn callable(&self) -> Callable<'_, I> {
        let Self { interface, piece, indices, memory_bytes, .. } = self;
        Callable { interface: *interface, pre: &piece.pre, indices, memory_bytes }
    }
}

impl Piece {
    /// Loads a component from the bytes of its file.
    pub fn new(runtime: &Runtime, cache: Option<&Cache>, path: &Path, bytes: &[u8]) -> Result<Arc<Self>, LoadError> {
        let refused = |error: wasmtime::Error| LoadError::Component(path.to_owned(), format!("{error:#}"));
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        let component = match cache.and_then(|cache| cache.load(&runtime.engine, &digest)) {
            Some(component) => component,
            None => {
                let component = compile(&runtime.engine, runtime.limits.compile, &runtime.compiling, &digest, bytes)
                    .map_err(|reason| LoadError::Component(path.to_owned(), reason))?;
                if let Some(cache) = cache {
                    cache.keep(&component, &digest);
                }
                component
            }
        };
        let pre = runtime.linker.instantiate_pre(&component).map_err(refused)?;
        let exported: Vec<String> =
            component.component_type().exports(&runtime.engine).map(|(name, _)| name.to_owned()).collect();
        if let Some(name) =
            exported.iter().find(|name| name.starts_with(PACKAGE) && !has_no_functions(name) && !is_ours(name))
        {
            let text = format!("it exports {name}; this program speaks version {}", Interface::VERSION);
            return Err(LoadError::Component(path.to_owned(), text));
        }
        let version = |interface: Interface| exported_version(&exported, interface);
        let piece = Arc::new(Self {
            path: path.to_owned(),
            sha256: hex(&digest),
            since: Timestamp::now(),
            claim_response: found(version(Interface::ClaimResponse), || ClaimResponse::new(&pre)).map_err(refused)?,
            feedback: found(version(Interface::Feedback), || Feedback::new(&pre)).map_err(refused)?,
            patient: found(version(Interface::Patient), || Patient::new(&pre)).map_err(refused)?,
            claim: found(version(Interface::Claim), || Claim::new(&pre)).map_err(refused)?,
            eligibility: found(version(Interface::Eligibility), || Eligibility::new(&pre)).map_err(refused)?,
            facility: found(version(Interface::Facility), || Facility::new(&pre)).map_err(refused)?,
            pre,
        });
        if piece.interfaces().is_empty() {
            return Err(LoadError::Component(path.to_owned(), "it exports no mapping interface".to_owned()));
        }
        piece.probe(runtime)?;
        Ok(piece)
    }

    /// Once through, so that a function of another type is told now and not by the first message.
    fn probe(self: &Arc<Self>, runtime: &Runtime) -> Result<(), LoadError> {
        fn once<I>(
            runtime: &Runtime,
            slot: Option<Slot<I>>,
            load: impl Fn(&I, &mut Store<Call>, &Instance) -> wasmtime::Result<()>,
        ) -> Result<(), LoadError> {
            let Some(slot) = slot else { return Ok(()) };
            let failed =
                |error: flow::ports::MapperError| LoadError::Component(slot.piece.path.clone(), error.to_string());
            super::patiently(|| runtime.call(slot.callable(), &load)).map_err(failed)
        }
        once(runtime, self.claim_response(), |it, store, instance| it.load(store, instance).map(drop))?;
        once(runtime, self.feedback(), |it, store, instance| it.load(store, instance).map(drop))?;
        once(runtime, self.patient(), |it, store, instance| it.load(store, instance).map(drop))?;
        once(runtime, self.claim(), |it, store, instance| it.load(store, instance).map(drop))?;
        once(runtime, self.eligibility(), |it, store, instance| it.load(store, instance).map(drop))?;
        once(runtime, self.facility(), |it, store, instance| it.load(store, instance).map(drop))
    }

    pub fn interfaces(self: &Arc<Self>) -> Vec<(Interface, String)> {
        fn listed<I>(slot: Slot<I>) -> (Interface, String) {
            (slot.interface, slot.version)
        }
        let all = [
            self.claim_response().map(listed),
            self.feedback().map(listed),
            self.patient().map(listed),
            self.claim().map(listed),
            self.eligibility().map(listed),
            self.facility().map(listed),
        ];
        all.into_iter().flatten().collect()
    }

    pub fn claim_response(self: &Arc<Self>) -> Option<Slot<ClaimResponse>> {
        self.slot(Interface::ClaimResponse, &self.claim_response)
    }

    pub fn feedback(self: &Arc<Self>) -> Option<Slot<Feedback>> {
        self.slot(Interface::Feedback, &self.feedback)
    }

    pub fn patient(self: &Arc<Self>) -> Option<Slot<Patient>> {
        self.slot(Interface::Patient, &self.patient)
    }

    pub fn claim(self: &Arc<Self>) -> Option<Slot<Claim>> {
        self.slot(Interface::Claim, &self.claim)
    }

    pub fn eligibility(self: &Arc<Self>) -> Option<Slot<Eligibility>> {
        self.slot(Interface::Eligibility, &self.eligibility)
    }

    pub fn facility(self: &Arc<Self>) -> Option<Slot<Facility>> {
        self.slot(Interface::Facility, &self.facility)
    }

    fn slot<I: Clone>(self: &Arc<Self>, interface: Interface, found: &Option<(I, String)>) -> Option<Slot<I>> {
        let (indices, version) = found.clone()?;
        Some(Slot { interface, piece: self.clone(), indices, version, memory_bytes: Arc::default() })
    }
}

/// What an interface is called by, if it is exported. One that is and cannot be called is a mistake.
fn found<I>(
    version: Option<&str>,
    indices: impl FnOnce() -> wasmtime::Result<I>,
) -> wasmtime::Result<Option<(I, String)>> {
    version.map(|version| Ok((indices()?, version.to_owned()))).transpose()
}

/// The whole of a file that nobody is writing at this moment.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    let failed = |error| LoadError::File(path.to_owned(), error);
    let before = super::sources::Stamp::of(path).map_err(failed)?;
    let bytes = files::read(path, files::LARGE).map_err(failed)?;
    if super::sources::Stamp::of(path).map_err(failed)? != before || bytes.len() as u64 != before.bytes {
        return Err(failed(io::Error::other("it is still being written")));
    }
    Ok(bytes)
}

fn exported_version(exported: &[String], interface: Interface) -> Option<&str> {
    exported.iter().find_map(|name| {
        let (found, version) = name.strip_prefix(PACKAGE)?.split_once('@')?;
        (found == interface.name() && speaks(version)).then_some(version)
    })
}

/// Whether the interface's version is one that this program speaks: additions raise the third number only.
fn speaks(version: &str) -> bool {
    version.strip_prefix(Interface::VERSION).is_some_and(|rest| rest.starts_with('.'))
}

fn has_no_functions(name: &str) -> bool {
    name.strip_prefix(PACKAGE).is_some_and(|rest| rest.starts_with("types@") || rest.starts_with("lookups@"))
}

/// An interface in a version of ours; one that was added later is passed over.
fn is_ours(name: &str) -> bool {
    name.rsplit_once('@').is_some_and(|(_, version)| speaks(version))
}
