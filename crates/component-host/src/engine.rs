//! The engine that all mappings share: a pool of instances, a clock that ends calls, and the call itself.

use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use flow::ports::MapperError;
use wasmtime::component::{Instance, InstancePre, Linker};
use wasmtime::{
    Config, Enabled, Engine, PoolConcurrencyLimitError, PoolingAllocationConfig, ResourceLimiter, Store, Trap,
};

use super::compile::Compiling;
use super::{Interface, Limits};

/// How often the clock of running mappings ticks.
const TICK: Duration = Duration::from_millis(10);

/// A call that takes longer than this is long for those who wait for the thread.
const LONG: Duration = Duration::from_millis(5);
/// So many calls after a long one are run beside the runtime's other work from the beginning.
const WARY_FOR: u32 = 1000;
/// How long a call may take in between: one to two ticks.
const FIRST_TICKS: u64 = 2;

/// Runs components.
pub(super) struct Runtime {
    pub engine: Engine,
    /// Empty: a mapping imports nothing.
    pub linker: Linker<Call>,
    pub limits: Limits,
    pub compiling: Compiling,
}

/// What belongs to one call.
pub(super) struct Call {
    memory_bytes: usize,
    /// What it has.
    pub taken_bytes: usize,
}

/// One mapping of a component, as a call needs it.
pub(super) struct Callable<'a, I> {
    pub interface: Interface,
    pub pre: &'a InstancePre<Call>,
    pub indices: &'a I,
    /// Most linear memory that a call has taken.
    pub memory_bytes: &'a AtomicUsize,
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
        self.taken_bytes = self.taken_bytes.max(desired);
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= 20_000 && maximum.is_none_or(|maximum| desired <= maximum))
    }
}

impl Runtime {
    pub fn new(limits: Limits) -> wasmtime::Result<Self> {
        let engine = engine(limits)?;
        Ok(Self { linker: Linker::new(&engine), engine, limits, compiling: Compiling::default() })
    }

    /// Runs a call in an instance of its own, so that the runtime's other work goes on meanwhile if it takes its time. The usual call takes
    /// less than handing that work to another thread would: it is done in between, and begun anew beside it if it is not.
    pub fn call<I, T>(
        &self,
        callable: Callable<'_, I>,
        call: impl Fn(&I, &mut Store<Call>, &Instance) -> wasmtime::Result<T>,
    ) -> Result<T, MapperError> {
        static WARY: AtomicU32 = AtomicU32::new(0);
        let whole = || self.once(&callable, self.ticks(), &call);
        let begun = Instant::now();
        let result = if !serves_others() {
            whole()
        } else if WARY.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
            tokio::task::block_in_place(whole)
        } else {
            let first = self.once(&callable, FIRST_TICKS.min(self.ticks()), &call);
            if begun.elapsed() > LONG {
                WARY.store(WARY_FOR, Ordering::Relaxed);
            }
            match first {
                // A mapping has no effects, so it may be called twice.
                Err(error) if is_over(&error) && FIRST_TICKS < self.ticks() => tokio::task::block_in_place(whole),
                first => first,
            }
        };
        result.map_err(|error| failure(callable.interface, &error))
    }

    fn once<I, T>(
        &self,
        callable: &Callable<'_, I>,
        ticks: u64,
        call: impl Fn(&I, &mut Store<Call>, &Instance) -> wasmtime::Result<T>,
    ) -> wasmtime::Result<T> {
        let mut store = self.store();
        store.set_epoch_deadline(ticks);
        let instance = callable.pre.instantiate(&mut store);
        let result = instance.and_then(|instance| call(callable.indices, &mut store, &instance));
        callable.memory_bytes.fetch_max(store.data().taken_bytes, Ordering::Relaxed);
        result
    }

    /// What an instance lives in, for a call that begins now.
    pub fn store(&self) -> Store<Call> {
        let mut store = Store::new(&self.engine, Call { memory_bytes: self.limits.memory_bytes, taken_bytes: 0 });
        store.limiter(|call| call);
        self.begin(&mut store);
        store
    }

    /// From now on a call may take its time.
    pub fn begin(&self, store: &mut Store<Call>) {
        store.set_epoch_deadline(self.ticks());
    }

    /// How long a call may take: the tick that comes next may come at once.
    fn ticks(&self) -> u64 {
        self.limits.time.as_millis().div_ceil(TICK.as_millis()) as u64 + 1
    }
}

fn is_over(error: &wasmtime::Error) -> bool {
    matches!(error.downcast_ref(), Some(Trap::Interrupt))
}

/// Why a call did not end well.
pub(super) fn failure(interface: Interface, error: &wasmtime::Error) -> MapperError {
    let name = interface.name().to_owned();
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => MapperError::Deadline(name),
        _ if error.is::<MemoryLimit>() => MapperError::Memory(name),
        _ if error.is::<PoolConcurrencyLimitError>() => MapperError::Busy(name),
        Some(trap) => MapperError::Trap(name, trap.to_string()),
        None => MapperError::Unusable(name, format!("{error:#}")),
    }
}

/// Whether this thread is one of those on which everything else runs, too.
fn serves_others() -> bool {
    use tokio::runtime::{Handle, RuntimeFlavor};
    Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread)
}

fn engine(limits: Limits) -> wasmtime::Result<Engine> {
    let instances = limits.instances;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances * 4)
        .total_memories(instances)
        .total_tables(instances * 2)
        .max_memory_size(limits.memory_bytes)
        // What a call has written is written over, not given back to the system: that would cost more than the call.
        // Which pages those are, the system tells (Linux 6.7 and later).
        .linear_memory_keep_resident(1 << 20)
        .table_keep_resident(1 << 16)
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
