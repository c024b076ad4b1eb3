//! A stream cut into chunks of whole lines. A chunk is what one read gives, so that a stream's lines are worked on as they come, and a
//! file's in large pieces.

use std::io::{ErrorKind, Read};
use std::sync::mpsc::Receiver;

use anyhow::ensure;

/// What is read at once.
const BLOCK: usize = 256 << 10;
/// No document is near it; a file without line ends would fill the memory.
const LONGEST_LINE: usize = 64 << 20;

/// Whole lines. Only the last one of a stream may have no end.
pub struct Chunk {
    bytes: Vec<u8>,
    used: usize,
    /// Number of the first line, from 1.
    pub first_line: u64,
}

impl Chunk {
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.used]
    }

    /// Its memory for another chunk.
    pub fn into_spare(self) -> Option<Vec<u8>> {
        (self.bytes.len() <= 4 * BLOCK).then_some(self.bytes)
    }
}

/// The chunks of a stream.
pub struct Chunks<R> {
    input: R,
    /// Begin of a line that the last read has cut.
    rest: Vec<u8>,
    /// Number of the next line.
    line: u64,
    spares: Receiver<Vec<u8>>,
}

impl<R: Read> Chunks<R> {
    /// `spares`: memory of chunks that are done with.
    pub fn new(input: R, spares: Receiver<Vec<u8>>) -> Self {
        Self { input, rest: Vec::new(), line: 1, spares }
    }

    pub fn next(&mut self) -> anyhow::Result<Option<Chunk>> {
        let mut bytes = self.spares.try_recv().unwrap_or_default();
        bytes.resize(bytes.len().max(BLOCK).max(self.rest.len()), 0);
        let mut used = self.rest.len();
        bytes[..used].copy_from_slice(&self.rest);
        self.rest.clear();
        loop {
            if used == bytes.len() {
                ensure!(used < LONGEST_LINE, "line {}: longer than {} MiB", self.line, LONGEST_LINE >> 20);
                bytes.resize(used * 2, 0);
            }
            let read = match self.input.read(&mut bytes[used..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other?,
            };
            if read == 0 {
                return Ok((used > 0).then(|| self.chunk(bytes, used)));
            }
            if let Some(end) = memchr::memrchr(b'\n', &bytes[used..used + read]) {
                let end = used + end + 1;
                self.rest.extend_from_slice(&bytes[end..used + read]);
                return Ok(Some(self.chunk(bytes, end)));
            }
            used += read;
        }
    }

    fn chunk(&mut self, bytes: Vec<u8>, used: usize) -> Chunk {
        let first_line = self.line;
        self.line += memchr::memchr_iter(b'\n', &bytes[..used]).count() as u64;
        Chunk { bytes, used, first_line }
    }
}

/// The lines of a chunk, without their ends.
pub fn lines(chunk: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = chunk;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', rest);
        let (line, others) = rest.split_at(end.unwrap_or(rest.len()));
        rest = others.get(1..).unwrap_or_default();
        Some(line)
    })
}
