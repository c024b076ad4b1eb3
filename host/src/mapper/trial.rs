//! One component by itself, on trial: before it takes its place, and for `openimis-mediator mapping test`.

use std::path::Path;
use std::sync::Arc;

use flow::ports::MapperError;
use mapping::MapResult;
use wit_component::ComponentEncoder;

use super::cache::Cache;
use super::conformance::{Case, CaseError, Report, With};
use super::engine::Runtime;
use super::piece::Piece;
use super::{Interface, Limits, LoadError, patiently};

/// A component with what it needs to run.
pub struct Trial {
    runtime: Runtime,
    piece: Arc<Piece>,
    component: Vec<u8>,
}

impl Trial {
    /// Loads a component, or makes one of a core module that `wit-bindgen` has described. What is compiled is kept in `cache_dir`.
    pub fn load(path: &Path, cache_dir: Option<&Path>, limits: Limits) -> Result<Self, LoadError> {
        let runtime = Runtime::new(limits).map_err(|error| LoadError::Engine(error.to_string()))?;
        let component = component(path, super::piece::read(path)?)?;
        let cache = cache_dir.map(|dir| Cache::open(dir, &runtime.engine)).transpose()?;
        let piece = Piece::new(&runtime, cache.as_ref(), path, &component)?;
        Ok(Self { runtime, piece, component })
    }

    /// Which mappings it holds, in which version of their interface.
    pub fn interfaces(&self) -> Vec<(Interface, String)> {
        self.piece.interfaces()
    }

    /// The component: the file itself, or what was made of it.
    pub fn component(&self) -> &[u8] {
        &self.component
    }

    /// Tries one of its mappings with the contract, with the cases of a folder and, if that is wanted, with the built-in answers.
    pub fn report(&self, interface: Interface, fixtures: Option<&Path>, exact: bool) -> Result<Report, CaseError> {
        let own = fixtures.map_or(Ok(Vec::new()), |folder| Case::in_folder(interface, folder))?;
        let run = |case: &Case| run(&self.runtime, &self.piece, case);
        let mut report = Report::default();
        report.contract(interface, &run);
        report.own(&own, &run);
        if exact {
            report.exact(interface, &run);
        }
        Ok(report)
    }
}

/// A core module begins like a component; the fifth byte tells them apart.
fn component(path: &Path, bytes: Vec<u8>) -> Result<Vec<u8>, LoadError> {
    const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";
    if !bytes.starts_with(CORE_MODULE) {
        return Ok(bytes);
    }
    let encoded = ComponentEncoder::default().validate(true).module(&bytes).and_then(|encoder| encoder.encode());
    encoded.map_err(|error| LoadError::Component(path.to_owned(), format!("{error:#}")))
}

/// Whether a component may be used: the contract, and the cases in the folder `fixtures` beside it.
pub(super) fn must_pass(runtime: &Runtime, piece: &Arc<Piece>) -> Result<(), LoadError> {
    let refused = |text: String| LoadError::Contract(piece.path.clone(), text);
    let fixtures = piece.path.parent().unwrap_or(Path::new("")).join("fixtures");
    let run = |case: &Case| run(runtime, piece, case);
    let mut report = Report::default();
    for (interface, _) in piece.interfaces() {
        let own = Case::in_folder(interface, &fixtures).map_err(|error| refused(error.to_string()))?;
        report.contract(interface, &run);
        report.own(&own, &run);
    }
    match &report.misses[..] {
        [] => Ok(()),
        [miss, more @ ..] => {
            let what = miss.what.lines().next().unwrap_or_default();
            let more = if more.is_empty() { String::new() } else { format!(", and {} more", more.len()) };
            Err(refused(format!("{}: {what}{more}", miss.case)))
        }
    }
}

fn run(runtime: &Runtime, piece: &Arc<Piece>, case: &Case) -> Result<MapResult, MapperError> {
    let input = case.input();
    let gone =
        || MapperError::Unusable(case.interface.name().to_owned(), "the component does not export it".to_owned());
    patiently(|| match &case.with {
        With::ClaimResponse { date, contact, settings } => {
            let slot = piece.claim_response().ok_or_else(gone)?;
            runtime.claim_response(&slot, input, date.as_deref(), contact.as_ref(), settings)
        }
        With::Feedback { insuree, settings } => {
            let slot = piece.feedback().ok_or_else(gone)?;
            runtime.feedback(&slot, input, insuree.as_deref(), settings)
        }
        With::Patient { locations, settings } => {
            let slot = piece.patient().ok_or_else(gone)?;
            runtime.patient(&slot, input, locations, settings)
        }
    })
}
