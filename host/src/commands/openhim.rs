//! `openhim adopt`: the file's settings or those of OpenHIM's console, where the two differ.

use std::process::ExitCode;

use anyhow::bail;
use clap::{Subcommand, ValueEnum};
use openimis_mediator::openhim::adopt::{adopt_file, as_toml, differences, plainly};

use super::Source;

#[derive(Subcommand)]
pub enum OpenHim {
    /// Settings of which OpenHIM's console and the file say different things: make one of them count
    Adopt {
        /// Whose values count
        whose: Whose,
    },
}

/// Whose values count.
#[derive(Clone, Copy, ValueEnum)]
pub enum Whose {
    /// Those of the file: they are saved in OpenHIM's console
    File,
    /// Those of the console: they stay, and what to write into the file is printed as TOML
    Console,
}

impl OpenHim {
    pub async fn run(self, source: &Source) -> anyhow::Result<ExitCode> {
        let Self::Adopt { whose } = self;
        let config = source.config()?;
        if config.openhim.url.is_none() || !config.openhim.configure {
            bail!("OpenHIM's console decides on nothing: openhim.url is not set, or openhim.configure is off");
        }
        let different = differences(&config).await?;
        match whose {
            Whose::Console if different.is_empty() => out!("# the file and OpenHIM's console say the same"),
            Whose::Console => {
                out!("# as OpenHIM's console has it; write it into the file");
                out!("{}", as_toml(&different).trim_end());
            }
            Whose::File => {
                adopt_file(&config).await?;
                for one in &different {
                    let file = one.file.as_ref().map(plainly).unwrap_or_default();
                    out!("{}: {} -> {file}", one.key, plainly(&one.value));
                }
                out!(
                    "OpenHIM's console has the values of the file now; a mediator that runs takes them over with its next heartbeat"
                );
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
