//! Components that are exchanged while calls go on: files are looked at anew, those that changed are checked, and what is good takes its
//! place between two calls. What is not good is refused, and what was there stays.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::cache::Cache;
use super::engine::Runtime;
use super::piece::{Piece, Slot, hex, read};
use super::{Interface, LoadError, MappingHost, Set, Sources, trial};

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
    /// Of the file that served it until now.
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
    /// By folder; the first goes before the others.
    pub layers: Vec<Vec<Arc<Piece>>>,
    pub pieces: BTreeMap<PathBuf, Arc<Piece>>,
    pub refused: Vec<(PathBuf, Option<String>, LoadError)>,
}

/// Looks at all files. Those that are as they were known are not loaded again; in a bad one's place the known one stays.
pub(super) fn look(
    runtime: &Runtime,
    cache: Option<&Cache>,
    sources: &Sources,
    known: &BTreeMap<PathBuf, Arc<Piece>>,
) -> Result<Found, LoadError> {
    let mut found = Found { layers: Vec::new(), pieces: BTreeMap::new(), refused: Vec::new() };
    for files in sources.files()? {
        let mut layer = Vec::new();
        for path in files {
            let before = known.get(&path);
            let piece = match piece(runtime, cache, sources, &path, before) {
                Ok(piece) => Some(piece),
                Err((sha256, error)) => {
                    found.refused.push((path.clone(), sha256, error));
                    before.cloned()
                }
            };
            if let Some(piece) = piece {
                layer.push(piece.clone());
                found.pieces.insert(path, piece);
            }
        }
        found.layers.push(layer);
    }
    Ok(found)
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
    if let Some(before) = before.filter(|before| before.sha256 == sha256) {
        return Ok(before.clone());
    }
    let loaded = Piece::new(runtime, cache, path, &bytes).and_then(|piece| {
        if sources.check {
            trial::must_pass(runtime, &piece)?;
        }
        Ok(piece)
    });
    loaded.map_err(|error| (Some(sha256), error))
}

/// The component that serves a mapping: of the first folder in which one exports it.
pub(super) fn choose<I>(
    interface: Interface,
    layers: &[Vec<Arc<Piece>>],
    dir: &Path,
    exported: fn(&Arc<Piece>) -> Option<Slot<I>>,
) -> Result<Slot<I>, LoadError> {
    for layer in layers {
        let mut slots = layer.iter().filter_map(exported);
        match (slots.next(), slots.next()) {
            (Some(one), Some(other)) => {
                let (one, other) = (one.piece.path.clone(), other.piece.path.clone());
                return Err(LoadError::Twice(one, other, interface.name()));
            }
            (Some(slot), None) => return Ok(slot),
            _ => {}
        }
    }
    Err(LoadError::Missing(dir.to_owned(), interface.name()))
}

impl MappingHost {
    /// Looks at the directory anew and takes over what changed and is good. Calls that are under way end on the component they began
    /// with. Compiling takes its time: not for a thread that others wait for.
    pub fn reload(&self) -> Reloaded {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.current();
        let mut refused = Vec::new();
        let mut refuse = |file: &Path, sha256: Option<String>, error: &LoadError| {
            refused.push(Refusal { file: file.to_owned(), sha256, reason: error.to_string(), at: Timestamp::now() });
        };
        let dir = &self.sources.dir;
        let mut switched = Vec::new();
        match look(&self.runtime, self.cache.as_ref(), &self.sources, &known.pieces) {
            Err(error) => refuse(dir, None, &error),
            Ok(found) => {
                for (path, sha256, error) in &found.refused {
                    refuse(path, sha256.clone(), error);
                }
                let mut kept = |error: LoadError| refuse(dir, None, &error);
                let layers = &found.layers;
                let new = Set {
                    claim_response: choose(Interface::ClaimResponse, layers, dir, Piece::claim_response)
                        .unwrap_or_else(|error| (kept(error), old.claim_response.clone()).1),
                    feedback: choose(Interface::Feedback, layers, dir, Piece::feedback)
                        .unwrap_or_else(|error| (kept(error), old.feedback.clone()).1),
                    patient: choose(Interface::Patient, layers, dir, Piece::patient)
                        .unwrap_or_else(|error| (kept(error), old.patient.clone()).1),
                };
                switched.extend(difference(&old.claim_response, &new.claim_response));
                switched.extend(difference(&old.feedback, &new.feedback));
                switched.extend(difference(&old.patient, &new.patient));
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
                known.pieces = found.pieces;
            }
        }
        known.refused.clone_from(&refused);
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
