//! A workflow in wasmtime: a fresh instance for each step, nothing imported, and the checks that need no word of the component's.

use sha2::{Digest, Sha256};
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, PoolingAllocationConfig, Store};

#[allow(missing_docs)] // generated; the WIT file documents it
mod wit {
    wasmtime::component::bindgen!({ path: "../wit", world: "component", additional_derives: [PartialEq] });
}

pub use wit::exports::proof::workflow::workflow::{Answer, Call, Done, Entry, Kind, Next, RowWrite, State};

/// Instructions that a step may take.
const FUEL: u64 = 1_000_000_000;

/// Why a step gave no result.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// It cannot be used as a workflow.
    #[error("not a workflow: {0}")]
    Unusable(String),
    /// It ended abnormally, or used up its instructions.
    #[error("it ended abnormally: {0}")]
    Trap(String),
}

/// Runs workflows.
pub struct Runtime {
    engine: Engine,
    /// Empty.
    linker: Linker<()>,
    is_counting: bool,
}

/// A component that is ready to be called.
pub struct Workflow {
    /// SHA-256 of the component, in hexadecimal digits.
    pub digest: String,
    pre: wit::ComponentPre<()>,
}

impl Runtime {
    /// An engine that counts instructions, or one that runs at full speed.
    ///
    /// # Errors
    /// The machine has no memory for the pool.
    pub fn new(is_counting: bool) -> Result<Self, RuntimeError> {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(4).total_core_instances(16).total_memories(4).total_tables(8);
        pool.max_memory_size(64 << 20).linear_memory_keep_resident(1 << 20);
        let mut config = Config::new();
        config.allocation_strategy(pool).consume_fuel(is_counting);
        // The same answer on every processor: a message may move to another machine in the middle.
        config.cranelift_nan_canonicalization(true);
        let engine = Engine::new(&config).map_err(unusable)?;
        Ok(Self { linker: Linker::new(&engine), engine, is_counting })
    }

    /// Compiles a component. One that imports anything is refused, since the linker is empty.
    ///
    /// # Errors
    /// No component, or of another contract.
    pub fn load(&self, bytes: &[u8]) -> Result<Workflow, RuntimeError> {
        let component = Component::new(&self.engine, bytes).map_err(unusable)?;
        let pre = self.linker.instantiate_pre(&component).map_err(unusable)?;
        let pre = wit::ComponentPre::new(pre).map_err(unusable)?;
        let digest = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Workflow { digest, pre })
    }

    /// One step, and how many instructions it took (0 when they are not counted).
    ///
    /// # Errors
    /// It trapped.
    pub fn step(
        &self,
        workflow: &Workflow,
        message: &str,
        settings: &str,
        journal: &[Entry],
    ) -> Result<(Next, u64), RuntimeError> {
        let mut store = Store::new(&self.engine, ());
        if self.is_counting {
            store.set_fuel(FUEL).map_err(trap)?;
        }
        let instance = workflow.pre.instantiate(&mut store).map_err(trap)?;
        let next =
            instance.proof_workflow_workflow().call_step(&mut store, message, settings, journal).map_err(trap)?;
        let used = if self.is_counting { FUEL - store.get_fuel().map_err(trap)? } else { 0 };
        Ok((next, used))
    }

    /// One step of a message in the middle, with what the host can check at no cost: a call that was answered is not asked for again, and
    /// no two calls have one name.
    ///
    /// # Errors
    /// It trapped.
    pub fn checked_step(
        &self,
        workflow: &Workflow,
        message: &str,
        settings: &str,
        journal: &[Entry],
    ) -> Result<Next, RuntimeError> {
        let (mut next, _) = self.step(workflow, message, settings, journal)?;
        for (at, call) in next.actions.iter().enumerate() {
            let reason = if journal.iter().any(|entry| entry.call.name == call.name) {
                format!("`{}` was answered and is asked for again", call.name)
            } else if next.actions[..at].iter().any(|before| before.name == call.name) {
                format!("`{}` is asked for twice", call.name)
            } else {
                continue;
            };
            next = Next { actions: Vec::new(), state: State::Mismatch(reason) };
            break;
        }
        Ok(next)
    }

    /// Whether a component would have asked for every call of a journal that another component wrote, at the place where it was asked.
    /// It takes as many steps as the journal has entries, and trusts the component in nothing.
    ///
    /// # Errors
    /// The first entry that does not fit, or a trap.
    pub fn check_prefixes(
        &self,
        workflow: &Workflow,
        message: &str,
        settings: &str,
        journal: &[Entry],
    ) -> Result<(), String> {
        for at in 0..=journal.len() {
            let step = self.checked_step(workflow, message, settings, &journal[..at]);
            let next = step.map_err(|error| error.to_string())?;
            if let State::Mismatch(reason) = next.state {
                return Err(reason);
            }
            let Some(entry) = journal.get(at) else { return Ok(()) };
            if !next.actions.contains(&entry.call) {
                let asked: Vec<&str> = next.actions.iter().map(|call| call.name.as_str()).collect();
                let asked = if asked.is_empty() { "it ends".to_owned() } else { format!("it asks for {asked:?}") };
                return Err(format!(
                    "entry {at}, `{}`, is not what this component asks there: {asked}",
                    entry.call.name
                ));
            }
        }
        Ok(())
    }
}

fn unusable(error: wasmtime::Error) -> RuntimeError {
    RuntimeError::Unusable(format!("{error:#}"))
}

fn trap(error: wasmtime::Error) -> RuntimeError {
    RuntimeError::Trap(format!("{error:?}"))
}
