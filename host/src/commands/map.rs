//! `map`: a mapping by hand. One document, or NDJSON in bulk: a line out for a line in.

use std::io::{BufRead, BufReader, BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};
use flow::ports::Mapper;
use indicatif::{ProgressBar, ProgressStyle};
use mapping::MapResult;
use mapping::claim_response::ContactLink;
use mapping::issue::operation_outcome;
use openimis_mediator::load_mappings;
use openimis_mediator::mapper::MappingHost;

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

impl Map {
    pub async fn run(self, source: &Source) -> anyhow::Result<ExitCode> {
        let config = source.partial_config()?;
        let mapper = load_mappings(&config)?;
        let settings = config.mapping;
        let standard_input = self.file.as_os_str() == "-";
        let bulk = self.ndjson || self.file.extension().is_some_and(|extension| extension == "ndjson");
        let mut input: Box<dyn Read> = if standard_input {
            Box::new(std::io::stdin())
        } else {
            let file = std::fs::File::open(&self.file).with_context(|| self.file.display().to_string())?;
            Box::new(file)
        };
        if bulk {
            return self.bulk(&mapper, &settings, input, standard_input).await;
        }
        let mut text = String::new();
        input.read_to_string(&mut text).context("the input is not UTF-8 text")?;
        match self.map(&mapper, &settings, &text).await? {
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

    async fn map(
        &self,
        mapper: &MappingHost,
        settings: &flow::settings::Mapping,
        text: &str,
    ) -> anyhow::Result<MapResult> {
        let contact = self.contact.as_ref().map(|contact_id| ContactLink { contact_id: contact_id.clone() });
        Ok(match self.mapping {
            Name::ClaimResponse => {
                let date = self.claim_date.as_deref();
                mapper.claim_response(text, date, contact.as_ref(), &settings.claim_response).await?
            }
            Name::Feedback => mapper.feedback(text, self.insuree.as_deref(), &settings.feedback).await?,
            Name::Patient => mapper.patient(text, &self.locations, &settings.patient).await?,
        })
    }

    async fn bulk(
        &self,
        mapper: &MappingHost,
        settings: &flow::settings::Mapping,
        input: Box<dyn Read>,
        standard_input: bool,
    ) -> anyhow::Result<ExitCode> {
        let progress = progress(if standard_input { None } else { Some(&self.file) });
        let mut output = BufWriter::new(std::io::stdout().lock());
        let (mut mapped, mut failed, mut warned) = (0_u64, 0_u64, 0_u64);
        let mut input = BufReader::with_capacity(1 << 20, input);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = input.read_until(b'\n', &mut line)?;
            if read == 0 {
                break;
            }
            progress.inc(read as u64);
            let text = String::from_utf8_lossy(&line);
            if text.trim().is_empty() {
                continue;
            }
            match self.map(mapper, settings, &text).await? {
                Ok(document) => {
                    mapped += 1;
                    warned += u64::from(!document.warnings.is_empty());
                    writeln!(output, "{}", document.body)?;
                }
                Err(issues) => {
                    failed += 1;
                    writeln!(output, "{}", operation_outcome(&issues))?;
                }
            }
        }
        output.flush()?;
        progress.finish_and_clear();
        eprintln!(
            "{mapped} mapped ({warned} with warnings), {failed} could not be mapped (an OperationOutcome in their place)"
        );
        Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// A bar over a file's bytes on a terminal, a counter for a stream, nothing where nobody looks.
fn progress(file: Option<&Path>) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    match file.and_then(|path| path.metadata().ok()) {
        Some(metadata) => ProgressBar::new(metadata.len()).with_style(
            ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}")
                .unwrap_or_else(|_| ProgressStyle::default_bar()),
        ),
        None => ProgressBar::new_spinner(),
    }
}
