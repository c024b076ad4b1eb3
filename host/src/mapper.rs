//! The mapping components in wasmtime: a fresh instance for every document, so that nothing of one can reach another; a memory cap
//! and a time limit, so that a broken mapping harms its own message only.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flow::ports::MapperError;
use wasmtime::component::{Component, Instance, InstancePre, Linker};
use wasmtime::{
    Config, Enabled, Engine, PoolConcurrencyLimitError, PoolingAllocationConfig, ResourceLimiter, Store, Trap,
};

mod calls;

mod bindings {
    #![allow(missing_docs)] // generated; the WIT files document it
    wasmtime::component::bindgen!({ world: "mappings", path: "../wit/mapping" });
}
use bindings::exports::openimis_mediator::mapping as wit;

/// How often the clock of running mappings ticks.
const TICK: Duration = Duration::from_millis(10);

/// What a mapping may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Linear memory of one call.
    pub memory_bytes: usize,
    /// Time of one call.
    pub time: Duration,
    /// Calls at the same time.
    pub instances: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory_bytes: 64 << 20, time: Duration::from_secs(1), instances: 32 }
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
    /// Two components export one mapping.
    #[error("{0} and {1} both export {2}: remove one")]
    Twice(PathBuf, PathBuf, &'static str),
    /// A mapping is exported by none.
    #[error("no component in {0} exports {1}: run `cargo xtask build`, or set components.dir")]
    Missing(PathBuf, &'static str),
    /// wasmtime cannot run here.
    #[error("wasmtime: {0}")]
    Engine(String),
}

/// The mapping components of a directory, compiled and ready.
pub struct MappingHost {
    engine: Engine,
    limits: Limits,
    claim_response: Loaded<wit::claim_response::GuestIndices>,
    feedback: Loaded<wit::feedback::GuestIndices>,
    patient: Loaded<wit::patient::GuestIndices>,
}

struct Loaded<I> {
    name: String,
    path: PathBuf,
    pre: InstancePre<Call>,
    indices: I,
}

/// What belongs to one call.
struct Call {
    memory_bytes: usize,
}

/// More memory was wanted than is allowed.
#[derive(Debug)]
struct MemoryLimit;

impl fmt::Display for MemoryLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory limit")
    }
}

impl std::error::Error for MemoryLimit {}

impl ResourceLimiter for Call {
    fn memory_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired > self.memory_bytes || maximum.is_some_and(|maximum| desired > maximum) {
            return Err(MemoryLimit.into());
        }
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= 20_000 && maximum.is_none_or(|maximum| desired <= maximum))
    }
}

impl MappingHost {
    /// Loads every `.wasm` file of a directory; which mapping it is, its exports say.
    pub fn load(directory: &Path, limits: Limits) -> Result<Self, LoadError> {
        let engine = engine(limits).map_err(|error| LoadError::Engine(error.to_string()))?;
        let linker = Linker::<Call>::new(&engine); // empty: a mapping imports nothing
        let (mut claim_response, mut feedback, mut patient) = (None, None, None);
        for path in wasm_files(directory)? {
            let pre = Component::from_file(&engine, &path)
                .and_then(|component| linker.instantiate_pre(&component))
                .map_err(|error| LoadError::Component(path.clone(), format!("{error:#}")))?;
            let mut useful =
                keep(&mut claim_response, &path, &pre, "claim-response", wit::claim_response::GuestIndices::new)?;
            useful |= keep(&mut feedback, &path, &pre, "feedback", wit::feedback::GuestIndices::new)?;
            useful |= keep(&mut patient, &path, &pre, "patient", wit::patient::GuestIndices::new)?;
            if !useful {
                return Err(LoadError::Component(path, "it exports no mapping interface".to_owned()));
            }
        }
        let missing = |name| LoadError::Missing(directory.to_owned(), name);
        let host = Self {
            engine,
            limits,
            claim_response: claim_response.ok_or_else(|| missing("claim-response"))?,
            feedback: feedback.ok_or_else(|| missing("feedback"))?,
            patient: patient.ok_or_else(|| missing("patient"))?,
        };
        // Once through, so that a function of another type is told now and not by the first message.
        host.probe(&host.claim_response, |indices, store, instance| indices.load(store, instance).map(drop))?;
        host.probe(&host.feedback, |indices, store, instance| indices.load(store, instance).map(drop))?;
        host.probe(&host.patient, |indices, store, instance| indices.load(store, instance).map(drop))?;
        Ok(host)
    }

    fn probe<I>(
        &self,
        loaded: &Loaded<I>,
        load: impl FnOnce(&I, &mut Store<Call>, &Instance) -> wasmtime::Result<()>,
    ) -> Result<(), LoadError> {
        self.call(loaded, load).map_err(|error| LoadError::Component(loaded.path.clone(), error.to_string()))
    }

    /// Which file serves which mapping.
    pub fn files(&self) -> [(&str, &Path); 3] {
        [
            (&self.claim_response.name, &self.claim_response.path),
            (&self.feedback.name, &self.feedback.path),
            (&self.patient.name, &self.patient.path),
        ]
    }

    /// Runs one call in an instance of its own.
    fn call<I, T>(
        &self,
        loaded: &Loaded<I>,
        call: impl FnOnce(&I, &mut Store<Call>, &Instance) -> wasmtime::Result<T>,
    ) -> Result<T, MapperError> {
        let mut store = Store::new(&self.engine, Call { memory_bytes: self.limits.memory_bytes });
        store.limiter(|call| call);
        let ticks = self.limits.time.as_millis().div_ceil(TICK.as_millis()) as u64;
        store.set_epoch_deadline(ticks + 1);
        let result = beside_the_runtime(|| {
            loaded.pre.instantiate(&mut store).and_then(|instance| call(&loaded.indices, &mut store, &instance))
        });
        result.map_err(|error| {
            let name = loaded.name.clone();
            match error.downcast_ref::<Trap>() {
                Some(Trap::Interrupt) => MapperError::Deadline(name),
                _ if error.is::<MemoryLimit>() => MapperError::Memory(name),
                _ if error.is::<PoolConcurrencyLimitError>() => MapperError::Busy(name),
                Some(trap) => MapperError::Trap(name, trap.to_string()),
                None => MapperError::Unusable(name, format!("{error:#}")),
            }
        })
    }
}

/// Runs what may take its time so that the runtime's other work goes on meanwhile.
fn beside_the_runtime<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

fn engine(limits: Limits) -> wasmtime::Result<Engine> {
    let instances = limits.instances;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances * 4)
        .total_memories(instances)
        .total_tables(instances * 2)
        .max_memory_size(limits.memory_bytes)
        .linear_memory_keep_resident(1 << 20)
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config.epoch_interruption(true).allocation_strategy(pool);
    let engine = Engine::new(&config)?;
    let weak = engine.weak(); // the ticker ends with the engine
    std::thread::Builder::new().name("mapping-clock".to_owned()).spawn(move || {
        while let Some(engine) = weak.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    })?;
    Ok(engine)
}

fn wasm_files(directory: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let named = |error| LoadError::File(directory.to_owned(), error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(named)? {
        let path = entry.map_err(named)?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Keeps a component for a mapping that it exports.
fn keep<I>(
    slot: &mut Option<Loaded<I>>,
    path: &Path,
    pre: &InstancePre<Call>,
    name: &'static str,
    find: fn(&InstancePre<Call>) -> wasmtime::Result<I>,
) -> Result<bool, LoadError> {
    let Ok(indices) = find(pre) else { return Ok(false) };
    if let Some(other) = slot {
        return Err(LoadError::Twice(other.path.clone(), path.to_owned(), name));
    }
    *slot = Some(Loaded { name: name.to_owned(), path: path.to_owned(), pre: pre.clone(), indices });
    Ok(true)
}
