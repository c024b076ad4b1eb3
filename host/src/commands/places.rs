//! `places`: which CHT place is which openIMIS location.

mod table;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use flow::peers::cht_check::AtCht;
use jiff::Timestamp;
use mapping::patient::PlaceLink;
use openimis_mediator::config::Config;
use store::SqlStore;

use super::cht::flow;
use super::messages::{actor, bar};
use super::{Source, print_json};

#[derive(Subcommand)]
pub enum Places {
    /// Read a table (CSV with the columns location_code and place_id) into the store; a running mediator uses it at once
    Import(Import),
    /// List the table: the settings' rows, which win, and the imported ones
    List(List),
    /// Ask CHT whether it has every place, and openIMIS whether it has every location
    Check,
}

#[derive(Args)]
pub struct Import {
    /// The table; `-` reads standard input
    file: PathBuf,
    /// Only say what would change
    #[arg(long)]
    dry_run: bool,
    /// Rows of earlier imports whose codes are not in this table go
    #[arg(long)]
    replace: bool,
    /// Import only if CHT has every place
    #[arg(long)]
    check: bool,
}

#[derive(Args)]
pub struct List {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl Places {
    pub async fn run(self, source: &Source) -> anyhow::Result<ExitCode> {
        match self {
            Self::Import(import) => import.run(source).await,
            Self::List(list) => list.run(source).await,
            Self::Check => check(source).await,
        }
    }
}

/// Tells many mistakes, the first ones by themselves.
fn mistakes(what: &str, problems: &[String]) -> ExitCode {
    const TOLD: usize = 100;
    note!("openimis-mediator: {what}: {} mistake(s), nothing was imported", problems.len());
    for problem in problems.iter().take(TOLD) {
        note!("  - {problem}");
    }
    if problems.len() > TOLD {
        note!("  … and {} more", problems.len() - TOLD);
    }
    ExitCode::FAILURE
}

impl Import {
    async fn run(self, source: &Source) -> anyhow::Result<ExitCode> {
        let config = source.partial_config()?;
        let shown = self.file.display().to_string();
        let bytes = match shown.as_str() {
            "-" => files::whole(std::io::stdin(), files::LARGE),
            _ => files::read(&self.file, files::LARGE),
        };
        let bytes = bytes.with_context(|| shown.clone())?;
        let rows = match table::read(&bytes) {
            Ok(rows) => rows,
            Err(problems) => return Ok(mistakes(&shown, &problems)),
        };
        if self.check {
            let (_, unknown) = at_cht(source, &rows).await?;
            if !unknown.is_empty() {
                return Ok(mistakes(&shown, &unknown));
            }
        }
        let store = SqlStore::open(&config.store).await?;
        let own = config.mapping.patient.places.iter();
        let hidden: Vec<&str> = own
            .filter(|own| rows.iter().any(|row| row.location_code == own.location_code && row.place_id != own.place_id))
            .map(|own| own.location_code.as_str())
            .collect();
        if !hidden.is_empty() {
            note!("note: mapping.patient.places of the settings wins for {}", hidden.join(", "));
        }
        let told = if self.dry_run {
            store.compare_places(&rows, self.replace).await?
        } else {
            let bar = bar(Some(rows.len() as u64), "places");
            let now = store.now(Timestamp::now()).await?;
            let told = store.import_places(&rows, self.replace, &actor(), now, |done| bar.set_position(done)).await?;
            bar.finish_and_clear();
            told
        };
        let would = if self.dry_run { "would be " } else { "" };
        let rows = format!("{} {would}new, {} {would}changed, {} unchanged", told.new, told.changed, told.unchanged);
        out!("{rows}{}", if self.replace { format!(", {} {would}removed", told.removed) } else { String::new() });
        Ok(ExitCode::SUCCESS)
    }
}

impl List {
    async fn run(self, source: &Source) -> anyhow::Result<ExitCode> {
        let config = source.partial_config()?;
        let store = SqlStore::open(&config.store).await?;
        for (code, (place, from)) in merged(&config, &store).await? {
            match self.json {
                true => print_json(&serde_json::json!({"location_code": code, "place_id": place, "from": from}))?,
                false => out!("{code:<20}{place:<40}{from}"),
            }
        }
        let default = &config.mapping.patient.default_place;
        if !self.json {
            out!("{:<20}{:<40}settings", "(all others)", if default.is_empty() { "-" } else { default });
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Code to place, and where that is from: as a running mediator sees it.
async fn merged(config: &Config, store: &SqlStore) -> anyhow::Result<BTreeMap<String, (String, &'static str)>> {
    let imported = store.all_places().await?.into_iter().map(|row| (row.location_code, (row.place_id, "import")));
    let own = config.mapping.patient.places.iter();
    let own = own.map(|row| (row.location_code.clone(), (row.place_id.clone(), "settings")));
    Ok(imported.chain(own).collect())
}

/// How many places CHT has, and a sentence on each row whose place it has not.
async fn at_cht(source: &Source, rows: &[PlaceLink]) -> anyhow::Result<(usize, Vec<String>)> {
    let (_, flow) = flow(source).await?;
    let mut ids: Vec<String> = rows.iter().map(|row| row.place_id.clone()).collect();
    ids.sort();
    ids.dedup();
    let bar = bar(Some(ids.len() as u64), "places asked for");
    let found = flow.places_at_cht(&ids, |done| bar.set_position(done)).await.map_err(|why| anyhow!(why))?;
    bar.finish_and_clear();
    let found: BTreeMap<&str, &AtCht> = found.iter().map(|place| (place.id.as_str(), &place.at_cht)).collect();
    let unknown = rows.iter().filter_map(|PlaceLink { location_code, place_id }| {
        let what = match found.get(place_id.as_str())? {
            AtCht::Place { .. } => return None,
            AtCht::Missing => "CHT has no such contact".to_owned(),
            AtCht::Other(kind) => format!("it is no place but a {kind}"),
        };
        Some(format!("{location_code}: {place_id}: {what}"))
    });
    Ok((ids.len(), unknown.collect()))
}

async fn check(source: &Source) -> anyhow::Result<ExitCode> {
    let (config, flow) = flow(source).await?;
    let rows = merged(&config, &flow.store).await?;
    let mut rows: Vec<PlaceLink> =
        rows.into_iter().map(|(location_code, (place_id, _))| PlaceLink { location_code, place_id }).collect();
    let codes = flow.known_location_codes().await.context("openIMIS cannot be asked for its locations")?;
    let mut problems: Vec<String> = rows
        .iter()
        .filter(|row| !codes.contains(&row.location_code))
        .map(|row| format!("{}: openIMIS has no such location or health facility", row.location_code))
        .collect();
    let default = config.mapping.patient.default_place.clone();
    if !default.is_empty() {
        rows.push(PlaceLink { location_code: "(default place)".to_owned(), place_id: default });
    }
    let (places, unknown) = at_cht(source, &rows).await?;
    problems.extend(unknown);
    for problem in &problems {
        out!("  - {problem}");
    }
    out!(
        "{} row(s), {places} place(s), {} location(s) in openIMIS: {} mistake(s)",
        rows.len(),
        codes.len(),
        problems.len()
    );
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
