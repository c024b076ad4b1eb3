//! NDJSON in bulk: chunks of lines go to the workers in turn and their answers come back in turn, so that the order of the lines is
//! kept without sorting, and what is under way is bounded however long the file is.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use anyhow::{Context, ensure};
use component_host::Batch;
use flow::ports::MapperError;
use indicatif::{ProgressBar, ProgressStyle};
use mapping::outcome::operation_outcome;
use mapping::{Issue, MapResult};
use openimis_mediator::shown;

use super::Job;
use super::lines::{Chunk, Chunks, lines};

/// Chunks that wait for a worker, and answers of a worker that wait to be written.
const AHEAD: usize = 2;

/// What became of documents.
#[derive(Clone, Copy, Default)]
struct Counts {
    mapped: u64,
    warned: u64,
    failed: u64,
}

/// The answers to a chunk.
struct Answers {
    text: Vec<u8>,
    /// The lines of `--issues`, if they are wanted.
    issues: Vec<u8>,
    counts: Counts,
    chunk: Chunk,
}

type Work = anyhow::Result<Chunk>;
type Done = anyhow::Result<Answers>;

/// Maps all lines of `input` to standard output. The threads are left to end by themselves: one that waits for a terminal's next line
/// must not keep a command alive whose output nobody takes.
pub fn run(
    job: Arc<Job>,
    input: Box<dyn Read + Send>,
    file: Option<&Path>,
    issues: Option<&Path>,
    jobs: usize,
) -> anyhow::Result<ExitCode> {
    let mut told = match issues {
        Some(path) => Some(BufWriter::new(File::create(path).with_context(|| path.display().to_string())?)),
        None => None,
    };
    let (spare, spares) = channel();
    let (to_workers, from_workers): (Vec<_>, Vec<_>) = (0..jobs).map(|_| worker(job.clone(), told.is_some())).unzip();
    let dealer = thread::spawn(move || deal(Chunks::new(input, spares), &to_workers));

    let progress = progress(file);
    let (mut counts, mut written) = (Counts::default(), 0_u64);
    let mut output = io::stdout().lock();
    let for_people = output.is_terminal();
    for worker in (0..jobs).cycle() {
        let Ok(answers) = from_workers[worker].recv() else { break };
        let answers = answers?;
        let put = match for_people {
            true => output.write_all(shown::json(&String::from_utf8_lossy(&answers.text)).as_bytes()),
            false => output.write_all(&answers.text),
        };
        match put {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS), // as in `map … | head`
            done => done?,
        }
        if let Some(told) = &mut told {
            told.write_all(&answers.issues)?;
        }
        written += 1;
        progress.inc(answers.chunk.bytes().len() as u64);
        counts.add(answers.counts);
        give_back(&spare, answers.chunk);
    }
    // Here it has ended, unless a worker did so by itself: then lines are missing.
    ensure!(dealer.join().is_ok_and(|dealt| dealt == written), "a thread ended before its lines were mapped");
    output.flush()?;
    if let Some(told) = &mut told {
        told.flush()?;
    }
    progress.finish_and_clear();
    let Counts { mapped, warned, failed } = counts;
    eprintln!(
        "{mapped} mapped ({warned} with warnings), {failed} could not be mapped (an OperationOutcome in their place)"
    );
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// To each worker in turn, until there is no more or nobody takes it. Returns how many chunks there were.
fn deal(mut chunks: Chunks<Box<dyn Read + Send>>, workers: &[SyncSender<Work>]) -> u64 {
    let mut dealt = 0;
    for worker in workers.iter().cycle() {
        let Some(work) = chunks.next().transpose() else { break };
        dealt += 1;
        let last = work.is_err();
        if worker.send(work).is_err() || last {
            break;
        }
    }
    dealt
}

fn give_back(spare: &Sender<Vec<u8>>, chunk: Chunk) {
    if let Some(bytes) = chunk.into_spare() {
        spare.send(bytes).ok(); // the reader may have ended
    }
}

fn worker(job: Arc<Job>, with_issues: bool) -> (SyncSender<Work>, Receiver<Done>) {
    let (to, work) = sync_channel::<Work>(AHEAD);
    let (done, from) = sync_channel::<Done>(AHEAD);
    thread::spawn(move || {
        let mut batch = job.mapper.batch();
        for chunk in work {
            let answers = chunk.and_then(|chunk| answer(&job, &mut batch, chunk, with_issues));
            let last = answers.is_err();
            if done.send(answers).is_err() || last {
                return;
            }
        }
    });
    (to, from)
}

fn answer(job: &Job, batch: &mut Batch, chunk: Chunk, with_issues: bool) -> anyhow::Result<Answers> {
    let mut counts = Counts::default();
    let (mut text, mut told) = (Vec::with_capacity(chunk.bytes().len() / 2), Vec::new());
    for (number, line) in (chunk.first_line..).zip(lines(chunk.bytes())) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let result = map(job, batch, line).with_context(|| format!("line {number}"))?;
        let issues = match &result {
            Ok(mapped) => {
                counts.mapped += 1;
                counts.warned += u64::from(!mapped.warnings.is_empty());
                put_line(&mut text, &mapped.body);
                &mapped.warnings
            }
            Err(issues) => {
                counts.failed += 1;
                put_line(&mut text, &operation_outcome(issues));
                issues
            }
        };
        if with_issues && !issues.is_empty() {
            let outcome = operation_outcome(issues);
            let members = outcome.strip_prefix('{').unwrap_or_default();
            writeln!(told, r#"{{"line":{number},"mapped":{},{members}"#, result.is_ok())?;
        }
    }
    Ok(Answers { text, issues: told, counts, chunk })
}

/// A mapping that breaks on a document breaks this line only; one that cannot run at all ends the command.
fn map(job: &Job, batch: &mut Batch, line: &[u8]) -> Result<MapResult, MapperError> {
    match job.map_bytes(batch, line) {
        Err(error @ (MapperError::Deadline(_) | MapperError::Memory(_) | MapperError::Trap(..))) => {
            Ok(Err(vec![Issue::fatal("", error.to_string())]))
        }
        result => result,
    }
}

/// JSON may hold line ends between its tokens, and a country's mapping may write them: one document is one line.
fn put_line(text: &mut Vec<u8>, document: &str) {
    let begun = text.len();
    text.extend_from_slice(document.as_bytes());
    if memchr::memchr2(b'\n', b'\r', document.as_bytes()).is_some() {
        text[begun..].iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    }
    text.push(b'\n');
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.mapped += other.mapped;
        self.warned += other.warned;
        self.failed += other.failed;
    }
}

/// A bar over a file's bytes on a terminal, a counter for a stream, nothing where nobody looks.
fn progress(file: Option<&Path>) -> ProgressBar {
    if !io::stderr().is_terminal() {
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
