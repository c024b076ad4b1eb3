//! Components that are exchanged while calls go on: files are looked at anew, those that changed are checked, and what is good takes its
//! place between two calls. What is not good is refused, and what was there stays.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::cache::Cache;
use super::engine::Runtime;
use super::hex::hex;
use super::piece::{Piece, Slot, read};
use super::{Inner, Interface, LoadError, MappingHost, Set, Sources, trial};

/// A component that was not taken.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Refusal {
    /// The file, or the folder.
    pub file: PathBuf,
    /// Of the file, in hexadecimal digits.
    pub sha256: Option<String>,
    /// What is wrong with it.
    pub reason: String,
    /// When it was looked at.
    pub at: Timestamp,
}

/// A mapping that another component serves from now on.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Switched {
    /// Which mapping.
    pub mapping: Interface,
    /// The file that it comes from now.
    pub file: PathBuf,
    /// Of the file that served it until now; empty if none did.
    pub from: String,
    /// Of the file that serves it now.
    pub to: String,
}

/// What a look at the directory changed.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Reloaded {
    /// What took its place.
    pub switched: Vec<Switched>,
    /// What did not.
    pub refused: Vec<Refusal>,
}

/// The components of a directory.
pub(super) struct Found {
    /// The first goes before the others.
    pub layers: Vec<Layer>,
    pub pieces: BTreeMap<PathBuf, Arc<Piece>>,
    pub refused: Vec<(PathBuf, Option<String>, LoadError)>,
}

/// The components of one folder.
pub(super) struct Layer {
    folder: PathBuf,
    pieces: Vec<Arc<Piece>>,
    /// A file in it that was not taken.
    refused: Option<PathBuf>,
}

/// Looks at all files. Those that are as they were known are not loaded again; in a bad one's place the known one stays.
pub(super) fn look(
    runtime: &Runtime,
    cache: Option<&Cache>,
    sources: &Sources,
    known: &BTreeMap<PathBuf, Arc<Piece>>,
) -> Result<Found, LoadError> {
    let mut found = Found { layers: Vec::new(), pieces: BTreeMap::new(), refused: Vec::new() };
    for (folder, files) in sources.files()? {
        let mut layer = Layer { folder, pieces: Vec::new(), refused: None };
        let tried = side_by_side(&files, |path| piece(runtime, cache, sources, path, known.get(path)));
        for (path, tried) in files.into_iter().zip(tried) {
            let before = known.get(&path);
            let piece = match tried {
                Ok(piece) => Some(piece),
                Err((sha256, error)) => {
                    found.refused.push((path.clone(), sha256, error));
                    layer.refused = Some(path.clone());
                    before.cloned()
                }
            };
            if let Some(piece) = piece {
                layer.pieces.push(piece.clone());
                found.pieces.insert(path, piece);
            }
        }
        found.layers.push(layer);
    }
    Ok(found)
}

/// The work of each, in their order; as many at a time as there are cores.
fn side_by_side<T: Sync, R: Send>(all: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(all.len()));
    let next = AtomicUsize::new(0);
    let some = || {
        let mut done = Vec::new();
        while let at = next.fetch_add(1, Ordering::Relaxed)
            && let Some(one) = all.get(at)
        {
            done.push((at, work(one)));
        }
        done
    };
    let mut done = std::thread::scope(|scope| {
        let others: Vec<_> = (1..cores).map(|_| scope.spawn(some)).collect();
        let mut done = some();
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        done
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

fn piece(
    runtime: &Runtime,
    cache: Option<&Cache>,
    sources: &Sources,
    path: &Path,
    before: Option<&Arc<Piece>>,
) -> Result<Arc<Piece>, (Option<String>, LoadError)> {
    let bytes = read(path).map_err(|error| (None, error))?;
    let sha256 = hex(&Sha256::digest(&bytes));
    let before = before.filter(|before| before.sha256 == sha256);
    let found = match before {
        Some(before) => Ok(before.clone()),
        None => Piece::new(runtime, cache, path, &bytes),
    };
    let found = found.and_then(|piece| {
        if sources.check {
            // The contract does not change while the program runs; a component's own cases may.
            trial::must_pass(runtime, sources, &piece, before.is_none())?;
        }
        Ok(piece)
    });
    found.map_err(|error| (Some(sha256), error))
}

/// The component that serves a mapping: of the first folder in which one exports it.
pub(super) fn choose<I>(
    interface: Interface,
    layers: &[Layer],
    dir: &Path,
    exported: fn(&Arc<Piece>) -> Option<Slot<I>>,
) -> Result<Slot<I>, LoadError> {
    choose_any(interface, layers, exported)?.ok_or_else(|| LoadError::Missing(dir.to_owned(), interface.name()))
}

/// The same for a mapping that may be missing.
pub(super) fn choose_any<I>(
    interface: Interface,
    layers: &[Layer],
    exported: fn(&Arc<Piece>) -> Option<Slot<I>>,
) -> Result<Option<Slot<I>>, LoadError> {
    for layer in layers {
        let mut slots = layer.pieces.iter().filter_map(exported);
        match (slots.next(), slots.next()) {
            (Some(one), Some(other)) => {
                let (one, other) = (one.piece.path.clone(), other.piece.path.clone());
                return Err(LoadError::Twice(one, other, interface.name()));
            }
            (Some(slot), None) => return Ok(Some(slot)),
            _ => {}
        }
    }
    Ok(None)
}

/// What takes the place of a mapping that may be missing. One that was there does not go away while messages count on it.
fn replacement_any<I>(
    interface: Interface,
    old: &Option<Slot<I>>,
    layers: &[Layer],
    dir: &Path,
    exported: fn(&Arc<Piece>) -> Option<Slot<I>>,
) -> Result<Option<Slot<I>>, LoadError> {
    match old {
        Some(old) => replacement(old, layers, dir, exported).map(Some),
        None => choose_any(interface, layers, exported),
    }
}

/// What takes a mapping's place. A country's mapping that is exchanged for a bad one of another name must not become everybody's.
fn replacement<I>(
    old: &Slot<I>,
    layers: &[Layer],
    dir: &Path,
    exported: fn(&Arc<Piece>) -> Option<Slot<I>>,
) -> Result<Slot<I>, LoadError> {
    let new = choose(old.interface, layers, dir, exported)?;
    let place =
        |slot: &Slot<I>| layers.iter().position(|layer| slot.piece.path.parent() == Some(layer.folder.as_path()));
    let (was, is) = (place(old).unwrap_or(0), place(&new).unwrap_or(0));
    let refused = layers.iter().take(was + 1).find_map(|layer| layer.refused.as_ref());
    match refused {
        Some(refused) if is > was => {
            Err(LoadError::Stays(old.piece.path.clone(), old.interface.name(), refused.clone()))
        }
        _ => Ok(new),
    }
}

impl MappingHost {
    /// Looks at the directory anew and takes over what changed and is good. Calls that are under way end on the component they began
    /// with. Compiling and trying take their time (of a bad component a minute at most): not for a thread that others wait for.
    pub fn reload(&self) -> Reloaded {
        let Inner { runtime, cache, sources, current, known, .. } = &*self.inner;
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.current();
        let mut refused = Vec::new();
        let mut refuse = |file: &Path, sha256: Option<String>, error: &LoadError| {
            refused.push(Refusal { file: file.to_owned(), sha256, reason: error.to_string(), at: Timestamp::now() });
        };
        let dir = &sources.dir;
        let mut switched = Vec::new();
        match look(runtime, cache.as_ref(), sources, &known) {
            Err(error) => refuse(dir, None, &error),
            Ok(found) => {
                for (path, sha256, error) in &found.refused {
                    refuse(path, sha256.clone(), error);
                }
                let mut kept = |error: LoadError| match &error {
                    LoadError::Stays(file, ..) => refuse(file, None, &error),
                    _ => refuse(dir, None, &error),
                };
                let layers = &found.layers;
                let new = Set {
                    claim_response: replacement(&old.claim_response, layers, dir, Piece::claim_response)
                        .unwrap_or_else(|error| (kept(error), old.claim_response.clone()).1),
                    feedback: replacement(&old.feedback, layers, dir, Piece::feedback)
                        .unwrap_or_else(|error| (kept(error), old.feedback.clone()).1),
                    patient: replacement(&old.patient, layers, dir, Piece::patient)
                        .unwrap_or_else(|error| (kept(error), old.patient.clone()).1),
                    claim: replacement_any(Interface::Claim, &old.claim, layers, dir, Piece::claim)
                        .unwrap_or_else(|error| (kept(error), old.claim.clone()).1),
                    eligibility: replacement_any(
                        Interface::Eligibility,
                        &old.eligibility,
                        layers,
                        dir,
                        Piece::eligibility,
                    )
                    .unwrap_or_else(|error| (kept(error), old.eligibility.clone()).1),
                    facility: replacement_any(Interface::Facility, &old.facility, layers, dir, Piece::facility)
                        .unwrap_or_else(|error| (kept(error), old.facility.clone()).1),
                };
                switched.extend(difference(&old.claim_response, &new.claim_response));
                switched.extend(difference(&old.feedback, &new.feedback));
                switched.extend(difference(&old.patient, &new.patient));
                switched.extend(difference_any(&old.claim, &new.claim));
                switched.extend(difference_any(&old.eligibility, &new.eligibility));
                switched.extend(difference_any(&old.facility, &new.facility));
                *current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
                *known = found.pieces;
            }
        }
        self.inner.refused.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&refused);
        Reloaded { switched, refused }
    }
}

fn difference<I>(old: &Slot<I>, new: &Slot<I>) -> Option<Switched> {
    let (from, to) = (&old.piece, &new.piece);
    (from.sha256 != to.sha256 || from.path != to.path).then(|| Switched {
        mapping: new.interface,
        file: to.path.clone(),
        from: from.sha256.clone(),
        to: to.sha256.clone(),
    })
}

fn difference_any<I>(old: &Option<Slot<I>>, new: &Option<Slot<I>>) -> Option<Switched> {
    match (old, new) {
        (Some(old), Some(new)) => difference(old, new),
        (None, Some(new)) => Some(Switched {
            mapping: new.interface,
            file: new.piece.path.clone(),
            from: String::new(),
            to: new.piece.sha256.clone(),
        }),
        (_, None) => None,
    }
}
