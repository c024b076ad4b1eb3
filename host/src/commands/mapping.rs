//! `mapping new`: a project to begin with. `mapping test`: tries any component, whatever language it was written in.

mod new;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use component_host::Interface;
use component_host::conformance::Report;
use component_host::trial::Trial;

use super::Source;

#[derive(Subcommand)]
pub enum Mapping {
    /// Write a project in Rust that builds and passes `mapping test`, to begin with
    New(New),
    /// Try a component, or the core module that becomes one, with the contract of the mappings; tells everything it does not keep
    Test(Test),
}

#[derive(Args)]
pub struct New {
    /// Name of the mapping, and of the folder that is written: lower-case letters, digits and -
    name: PathBuf,
    /// Which mapping
    #[arg(long, value_enum, default_value = "feedback")]
    interface: Name,
}

#[derive(Args)]
pub struct Test {
    /// File of the component, or of a core module built for wasm32-unknown-unknown
    component: PathBuf,
    /// Folder with cases of its own: <folder>/<mapping>/<case>/input.json and expected.json or error.txt, or all of them in
    /// <folder>/<mapping>/<case>.txtar. Default: `fixtures` next to the file
    #[arg(long)]
    fixtures: Option<PathBuf>,
    /// Also ask for the answers of the built-in mapping, byte for byte
    #[arg(long)]
    exact: bool,
    /// Write the component there if it passes
    #[arg(long, short)]
    output: Option<PathBuf>,
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

impl From<Name> for Interface {
    fn from(name: Name) -> Self {
        match name {
            Name::ClaimResponse => Self::ClaimResponse,
            Name::Feedback => Self::Feedback,
            Name::Patient => Self::Patient,
        }
    }
}

impl Mapping {
    pub fn run(self, source: &Source) -> anyhow::Result<ExitCode> {
        match self {
            Self::New(New { name, interface }) => new::write(&name, interface.into()),
            Self::Test(test) => test.run(source),
        }
    }
}

impl Test {
    fn run(self, source: &Source) -> anyhow::Result<ExitCode> {
        let config = source.partial_config()?;
        let trial = Trial::load(&self.component, config.components.cache_dir.as_deref(), config.limits())?;
        let fixtures = self.fixtures()?;
        let mut kept = true;
        for (interface, version) in trial.interfaces() {
            out!("{} (interface {version})", interface.name());
            let report = trial.report(interface, fixtures.as_deref(), self.exact)?;
            tell(&report);
            kept &= report.misses.is_empty();
        }
        if !kept {
            return Ok(ExitCode::FAILURE);
        }
        if let Some(output) = &self.output {
            std::fs::write(output, trial.component()).with_context(|| output.display().to_string())?;
            out!("wrote {}: {} bytes", output.display(), trial.component().len());
        }
        Ok(ExitCode::SUCCESS)
    }

    fn fixtures(&self) -> anyhow::Result<Option<PathBuf>> {
        if let Some(folder) = &self.fixtures {
            if !folder.is_dir() {
                bail!("{} is not a folder", folder.display());
            }
            return Ok(Some(folder.clone()));
        }
        let beside = self.component.parent().unwrap_or(Path::new("")).join("fixtures");
        Ok(beside.is_dir().then_some(beside))
    }
}

fn tell(report: &Report) {
    for miss in &report.misses {
        let mut lines = miss.what.trim_end().lines();
        out!("  {}: {}", miss.case, lines.next().unwrap_or_default());
        lines.for_each(|line| out!("    {line}"));
    }
    let exact =
        if report.exact > 0 { format!(", {} compared with the built-in mapping", report.exact) } else { String::new() };
    out!(
        "  {} cases of the contract, {} of its own{exact}: {} not kept",
        report.contract,
        report.own,
        report.misses.len()
    );
    let average = report.took.checked_div(report.calls).unwrap_or_default();
    out!("  {} calls: {average:.1?} each, the slowest {:.1?}", report.calls, report.slowest);
}
