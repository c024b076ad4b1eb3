//! From a component's bytes to machine code. Compiling is work that a file decides on: what would take out of proportion is refused before,
//! and what takes too long is waited for no longer.

use std::collections::HashMap;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use wasmparser::{FunctionBody, Operator, Parser, Payload};
use wasmtime::Engine;
use wasmtime::component::Component;

/// Blocks inside each other in one function: compiling takes the square of it. Rust's and C's compilers reach some hundreds.
const DEEPEST: u32 = 5_000;
/// Longest function. Interpreters of JavaScript have some of 200 kB.
const LONGEST_FUNCTION: u64 = 2 << 20;
const MOST_FUNCTIONS: usize = 200_000;
/// Modules and components inside a component; those of a mapping are some five.
const MOST_PARTS: usize = 100;
/// Components that are still being compiled after they were refused.
const MOST_OVERDUE: usize = 2;

/// What is being compiled, by its digest, and whether anybody still waits for it.
#[derive(Clone, Default)]
pub(super) struct Compiling(Arc<Mutex<HashMap<[u8; 32], bool>>>);

impl Compiling {
    fn all(&self) -> MutexGuard<'_, HashMap<[u8; 32], bool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Compiles a component on a thread of its own, which nobody can stop: after `limit` it is left alone, and the component refused.
pub(super) fn compile(
    engine: &Engine,
    limit: Duration,
    compiling: &Compiling,
    digest: &[u8; 32],
    bytes: &[u8],
) -> Result<Component, String> {
    proportionate(bytes)?;
    let digest = *digest;
    let overdue = {
        let mut all = compiling.all();
        let overdue = all.values().filter(|is_waited_for| !**is_waited_for).count();
        if all.get(&digest) == Some(&false) {
            return Err("it is still being compiled, which takes longer than components.compile_limit".to_owned());
        }
        all.insert(digest, true);
        overdue
    };
    if overdue >= MOST_OVERDUE {
        compiling.all().remove(&digest);
        return Err("others that were refused are still being compiled; remove them, and look again later".to_owned());
    }
    let (done, waited) = sync_channel(1);
    let (engine, bytes, of_thread) = (engine.clone(), bytes.to_vec(), compiling.clone());
    let work = move || {
        let compiled = Component::new(&engine, &bytes).map_err(|error| format!("{error:#}"));
        of_thread.all().remove(&digest);
        done.send(compiled).ok(); // nobody may wait for it any more
    };
    let started = thread::Builder::new().name("mapping-compiler".to_owned()).spawn(work);
    if let Err(error) = started {
        compiling.all().remove(&digest);
        return Err(format!("no thread to compile it: {error}"));
    }
    match waited.recv_timeout(limit) {
        Ok(compiled) => compiled,
        Err(RecvTimeoutError::Timeout) => {
            if let Some(is_waited_for) = compiling.all().get_mut(&digest) {
                *is_waited_for = false;
            }
            Err(format!("compiling it takes longer than {limit:?} (components.compile_limit)"))
        }
        Err(RecvTimeoutError::Disconnected) => {
            compiling.all().remove(&digest);
            Err("compiling it ended unexpectedly".to_owned())
        }
    }
}

/// Whether it can be compiled in a time that its size lets expect. What is no WebAssembly is told by the compiler.
fn proportionate(bytes: &[u8]) -> Result<(), String> {
    let (mut functions, mut parts) = (0, 0);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload {
            Ok(Payload::CodeSectionEntry(body)) => {
                functions += 1;
                if functions > MOST_FUNCTIONS {
                    return Err(format!("it has more than {MOST_FUNCTIONS} functions"));
                }
                let range = body.range();
                if range.end - range.start > LONGEST_FUNCTION {
                    return Err(format!("it has a function of more than {LONGEST_FUNCTION} bytes"));
                }
                if is_too_deep(&body) {
                    return Err(format!("it has a function with more than {DEEPEST} blocks inside each other"));
                }
            }
            Ok(Payload::ModuleSection { .. } | Payload::ComponentSection { .. }) => {
                parts += 1;
                if parts > MOST_PARTS {
                    return Err(format!("it has more than {MOST_PARTS} modules and components inside"));
                }
            }
            Ok(_) => {}
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

fn is_too_deep(body: &FunctionBody) -> bool {
    let Ok(mut operators) = body.get_operators_reader() else { return false };
    let mut depth = 0_u32;
    while !operators.eof() {
        depth = match operators.read() {
            Ok(
                Operator::Block { .. }
                | Operator::Loop { .. }
                | Operator::If { .. }
                | Operator::Try { .. }
                | Operator::TryTable { .. },
            ) => depth + 1,
            Ok(Operator::End) => depth.saturating_sub(1),
            Ok(_) => depth,
            Err(_) => return false,
        };
        if depth > DEEPEST {
            return true;
        }
    }
    false
}
