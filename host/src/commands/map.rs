//! `map`: a mapping by hand. One document, or NDJSON in bulk: a line out for a line in.

mod bulk;
mod lines;

use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};
use component_host::{Batch, MappingHost};
use flow::ports::MapperError;
use mapping::claim_response::ContactLink;
use mapping::outcome::operation_outcome;
use mapping::{MapResult, Severity, encoding};
use openimis_mediator::load_mappings;
use openimis_mediator::shown;

use super::{Source, print};

#[derive(Args)]
pub struct Map {
    /// Which mapping
    #[arg(value_enum)]
    mapping: Name,
    /// File to read; `-` or nothing: standard input
    #[arg(default_value = "-")]
    file: PathBuf,
    /// One document a line, even if the file is not called .ndjson. Prints a line for each: the mapped document or an OperationOutcome
    #[arg(long)]
    ndjson: bool,
    /// claim-response: CHT contact of the patient
    #[arg(long)]
    contact: Option<String>,
    /// claim-response: the claim's date, if it is not `created`
    #[arg(long)]
    claim_date: Option<String>,
    /// feedback: openIMIS' uuid of the claim's patient, for a feedback that carries none
    #[arg(long)]
    insuree: Option<String>,
    /// patient: code of the insuree's openIMIS location, then of what it is part of (repeat)
    #[arg(long = "location")]
    locations: Vec<String>,
    /// NDJSON: threads that map; without: one for each processor
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    /// NDJSON: file to write a line to for each document with issues or warnings: an OperationOutcome with the number of its line
    #[arg(long)]
    issues: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Name {
    /// openIMIS ClaimResponse to CHT record
    ClaimResponse,
    /// CHT feedback to FHIR Communication
    Feedback,
    /// openIMIS Patient to CHT person
    Patient,
}

/// What is done to each document.
struct Job {
    mapper: MappingHost,
    mapping: Name,
    settings: flow::settings::Mapping,
    contact: Option<ContactLink>,
    claim_date: Option<String>,
    insuree: Option<String>,
    locations: Vec<String>,
}

impl Map {
    pub async fn run(self, source: &Source) -> anyhow::Result<ExitCode> {
        let config = source.partial_config()?;
        let mapper = load_mappings(&config)?;
        let standard_input = self.file.as_os_str() == "-";
        let in_bulk = self.ndjson || self.file.extension().is_some_and(|extension| extension == "ndjson");
        let input: Box<dyn Read + Send> = if standard_input {
            Box::new(std::io::stdin())
        } else {
            let file = std::fs::File::open(&self.file).with_context(|| self.file.display().to_string())?;
            ensure!(!file.metadata()?.is_dir(), "{}: is a directory; give one of its files", self.file.display());
            Box::new(file)
        };
        let (begin, input) = begun(input)?;
        let most_jobs = config.components.instances as usize;
        let job = Job {
            mapper,
            mapping: self.mapping,
            settings: config.mapping,
            contact: self.contact.map(|contact_id| ContactLink { contact_id }),
            claim_date: self.claim_date,
            insuree: self.insuree,
            locations: self.locations,
        };
        if in_bulk {
            // Of all lines, and told once: what another encoding has for the end of a line is none of ours.
            if let Some(other) = encoding::other_than_utf8(&begin) {
                bail!("the input is {other}; expected lines of JSON in UTF-8");
            }
            let jobs = self.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
            let file = if standard_input { None } else { Some(self.file.as_path()) };
            return bulk::run(Arc::new(job), input, file, self.issues.as_deref(), jobs.min(most_jobs));
        }
        let bytes = files::whole(input, files::LARGE).with_context(|| self.file.display().to_string())?;
        match job.map_bytes(&mut job.mapper.batch(), &bytes)? {
            Ok(mapped) => {
                print(&shown::json(&mapped.body));
                for warning in &mapped.warnings {
                    note!("{warning}");
                }
                Ok(ExitCode::SUCCESS)
            }
            Err(issues) => {
                print(&shown::json(&operation_outcome(&issues)));
                Ok(ExitCode::FAILURE)
            }
        }
    }
}

/// The first bytes of an input, as many as come at once, and all of it.
fn begun(mut input: Box<dyn Read + Send>) -> io::Result<(Vec<u8>, Box<dyn Read + Send>)> {
    let mut begin = vec![0; 4];
    let read = loop {
        match input.read(&mut begin) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read?,
        }
    };
    begin.truncate(read);
    let whole = Box::new(io::Cursor::new(begin.clone()).chain(input));
    Ok((begin, whole))
}

impl Job {
    /// Of a document as it is stored. Why it is no JSON is told by the host: a mapping may know less of it.
    fn map_bytes(&self, batch: &mut Batch, bytes: &[u8]) -> Result<MapResult, MapperError> {
        let text = match encoding::text(bytes) {
            Ok(text) => text,
            Err(issue) => return Ok(Err(vec![issue])),
        };
        let mut result = self.map(batch, text)?;
        if let Err(issues) = &mut result
            && let [issue] = issues.as_mut_slice()
            && issue.severity == Severity::Fatal
            && let Err(told) = encoding::json_text(bytes)
        {
            issue.diagnostics = told.diagnostics;
        }
        Ok(result)
    }

    fn map(&self, batch: &mut Batch, text: &str) -> Result<MapResult, MapperError> {
        let settings = &self.settings;
        match self.mapping {
            Name::ClaimResponse => {
                let date = self.claim_date.as_deref();
                batch.claim_response(text, date, self.contact.as_ref(), &settings.claim_response)
            }
            Name::Feedback => batch.feedback(text, self.insuree.as_deref(), &settings.feedback),
            Name::Patient => batch.patient(text, &self.locations, &settings.patient),
        }
    }
}
