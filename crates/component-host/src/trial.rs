//! One component by itself, on trial: before it takes its place, and for `openimis-mediator mapping test`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use flow::ports::MapperError;
use mapping::MapResult;
use wit_component::ComponentEncoder;

use super::cache::Cache;
use super::conformance::{Case, CaseError, Report, With, shortened};
use super::engine::Runtime;
use super::piece::Piece;
use super::{Interface, Limits, LoadError, Sources, patiently};

/// Time for all that a component must pass before it is used. A good one needs less than a second.
const LONGEST_CHECK: Duration = Duration::from_secs(60);
/// What is told of the first thing that is wrong.
const LONGEST_REASON: usize = 500;

/// A component with what it needs to run.
pub struct Trial {
    runtime: Runtime,
    piece: Arc<Piece>,
    component: Vec<u8>,
}

impl Trial {
    /// Loads a component, or makes one of a core module that `wit-bindgen` has described. `cache_dir` is used if it is there.
    pub fn load(path: &Path, cache_dir: Option<&Path>, limits: Limits) -> Result<Self, LoadError> {
        let runtime = Runtime::new(limits).map_err(|error| LoadError::Engine(error.to_string()))?;
        let component = component(path, super::piece::read(path)?)?;
        let cache = cache_dir.and_then(|dir| Cache::find(dir, &runtime.engine));
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

/// Whether a component may be used: the contract where it is new, and its own cases. Ends with the first thing that is wrong, since the
/// next look waits for this one; `mapping test` tells all.
pub(super) fn must_pass(
    runtime: &Runtime,
    sources: &Sources,
    piece: &Arc<Piece>,
    is_new: bool,
) -> Result<(), LoadError> {
    let refused = |text: String| LoadError::Contract(piece.path.clone(), text);
    let run = |case: &Case| run(runtime, piece, case);
    let mut report = Report::to_first_miss(LONGEST_CHECK);
    for (interface, _) in piece.interfaces() {
        if is_new {
            report.contract(interface, &run);
        }
        for folder in sources.fixtures(&piece.path) {
            let own = Case::in_folder(interface, &folder).map_err(|error| refused(error.to_string()))?;
            report.own(&own, &run);
        }
    }
    match report.misses.first() {
        None => Ok(()),
        Some(miss) => {
            let what = miss.what.lines().next().unwrap_or_default();
            Err(refused(format!("{}: {}", miss.case, shortened(what, LONGEST_REASON))))
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
        With::Claim { received, known, settings } => {
            let slot = piece.claim().ok_or_else(gone)?;
            runtime.claim_code(&slot, input, settings)?;
            case.drive(known, |known| runtime.claim(&slot, input, received.as_deref(), known, settings))
        }
        With::ClaimAnswer { sent, original, valuated, settings } => {
            let slot = piece.claim().ok_or_else(gone)?;
            runtime.claim_answer(&slot, input, sent, original, valuated.as_deref(), settings)
        }
        With::Eligibility { received, known, settings } => {
            let slot = piece.eligibility().ok_or_else(gone)?;
            case.drive(known, |known| runtime.eligibility(&slot, input, received.as_deref(), known, settings))
        }
        With::Facility { known, settings } => {
            let slot = piece.facility().ok_or_else(gone)?;
            // Whatever the input is, none of its functions may fail.
            drop(runtime.facility_page(&slot, input)?);
            runtime.facility_envelope(&slot, input, settings)?;
            case.drive(known, |known| runtime.facility(&slot, input, known, settings))
        }
    })
}
