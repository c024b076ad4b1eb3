//! `store backup`: a copy of the store, also while a mediator works on it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;
use openimis_mediator::config::{ConfigError, Place};
use store::backup::back_up;

use super::Source;

#[derive(Subcommand)]
pub enum Store {
    /// Copy the SQLite store into a new file, also while a mediator works on it. For PostgreSQL use pg_dump
    Backup {
        /// The file to write; it must not be there yet
        file: PathBuf,
    },
}

impl Store {
    pub async fn run(self, source: &Source) -> anyhow::Result<ExitCode> {
        let Self::Backup { file } = self;
        let config = source.partial_config()?;
        let problems = config.store_problems();
        if !problems.is_empty() {
            return Err(ConfigError(problems).into());
        }
        let Place::Sqlite(path) = config.store.place()? else {
            bail!("the store is in PostgreSQL: back it up with pg_dump (docs/operations.md)");
        };
        let backup = back_up(&path, &file).await?;
        let (from, to) = (path.display(), file.display());
        out!("{from} was copied into {to}: {} messages, {} bytes.", backup.messages, backup.bytes);
        if config.store.key_file.is_some() {
            out!("Its documents are sealed: without the key (store.key_file), kept elsewhere, they cannot be read.");
        }
        Ok(ExitCode::SUCCESS)
    }
}
