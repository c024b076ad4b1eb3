//! `map`: a mapping by hand. One document, or NDJSON in bulk: a line out for a line in.

mod bulk;
mod lines;

use std::io::Read;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, ValueEnum};
use flow::ports::MapperError;
use mapping::MapResult;
use mapping::claim_response::ContactLink;
use mapping::issue::operation_outcome;
use openimis_mediator::load_mappings;
use openimis_mediator::mapper::{Batch, MappingHost};

use super::Source;

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
        let mut input: Box<dyn Read + Send> = if standard_input {
            Box::new(std::io::stdin())
        } else {
            let file = std::fs::File::open(&self.file).with_context(|| self.file.display().to_string())?;
            Box::new(file)
        };
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
            let jobs = self.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
            let file = if standard_input { None } else { Some(self.file.as_path()) };
            return bulk::run(Arc::new(job), input, file, self.issues.as_deref(), jobs.min(most_jobs));
        }
        let mut text = String::new();
        input.read_to_string(&mut text).context("the input is not UTF-8 text")?;
        match job.map(&mut job.mapper.batch(), &text)? {
            Ok(mapped) => {
                out!("{}", mapped.body);
                for warning in &mapped.warnings {
                    eprintln!("{warning}");
                }
                Ok(ExitCode::SUCCESS)
            }
            Err(issues) => {
                out!("{}", operation_outcome(&issues));
                Ok(ExitCode::FAILURE)
            }
        }
    }
}

impl Job {
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
