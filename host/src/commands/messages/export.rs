//! `messages export`.

use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use jiff::Timestamp;
use openimis_mediator::shown;
use store::SqlStore;

use super::{Which, actor, bar, with_documents};

/// Messages read at a time.
const PAGE: u32 = 500;

#[derive(Args)]
pub struct Export {
    #[command(flatten)]
    which: Which,
    /// Also the documents as received and as sent: personal data; that they were read goes into the audit trail
    #[arg(long)]
    documents: bool,
    /// Into this file, which must not be there yet and is readable by its owner only; else to standard output
    #[arg(long)]
    output: Option<PathBuf>,
}

impl Export {
    pub async fn run(self, store: &SqlStore) -> anyhow::Result<ExitCode> {
        let mut output: Box<dyn Write> = match &self.output {
            None => Box::new(std::io::stdout()),
            Some(path) => {
                let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
                Box::new(BufWriter::new(file.with_context(|| path.display().to_string())?))
            }
        };
        if self.documents {
            let now = store.now(Timestamp::now()).await?;
            store.audited(&actor(), "export with documents", None, &self.which.described(), now).await?;
        }
        let bar = bar(None, "messages written");
        let (mut before, mut count) = (None, 0);
        loop {
            let page = store.list(&self.which.filter(before, PAGE)).await?;
            let Some(last) = page.last() else { break };
            before = Some(last.id.0);
            for summary in &page {
                let Some(view) = store.view(summary.id).await? else { continue };
                let line = if self.documents { with_documents(&view)? } else { serde_json::to_value(&view)? };
                let line = line.to_string();
                match writeln!(output, "{}", shown::json(&line)) {
                    // As in `messages export | head`.
                    Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
                    written => written?,
                }
                count += 1;
                bar.set_position(count);
            }
        }
        output.flush()?;
        bar.finish_and_clear();
        if let Some(path) = &self.output {
            out!("{count} messages in {}", path.display());
        }
        Ok(ExitCode::SUCCESS)
    }
}
