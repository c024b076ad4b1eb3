//! Compiled components on disk, so that a start does not compile them again. Code that is read here runs outside the sandbox of
//! WebAssembly: nothing is read that somebody else may have written, or that is not whole.

use std::fs::{self, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use rustix::fs::OFlags;
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::LoadError;
use super::hex::hex;

/// What a file begins with. Its number goes up with the layout: beginning, checksum (32 bytes), compiled component.
const BEGINNING: &[u8; 8] = b"oimaot01";
const CHECKSUM_BYTES: usize = 32;
/// Compiled components that are kept: those of a few versions of the mappings and of the program.
const KEPT: usize = 24;

/// A folder of compiled components.
pub(super) struct Cache {
    dir: PathBuf,
    /// Of wasmtime's version and everything in the engine's settings that changes what is compiled.
    engine: [u8; 32],
}

impl Cache {
    /// Makes the folder if it is not there.
    pub fn open(dir: &Path, engine: &Engine) -> Result<Self, LoadError> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|error| LoadError::Cache(dir.to_owned(), error.to_string()))?;
        Self::there(dir, engine)
    }

    /// For who only looks: makes nothing, and goes without a folder that is not there or another user's.
    pub fn find(dir: &Path, engine: &Engine) -> Option<Self> {
        Self::there(dir, engine).ok()
    }

    fn there(dir: &Path, engine: &Engine) -> Result<Self, LoadError> {
        let unusable = |why: String| LoadError::Cache(dir.to_owned(), why);
        // A link is followed now and not again: systemd's CacheDirectory may be one.
        let folder = fs::canonicalize(dir).and_then(|dir| Ok((fs::metadata(&dir)?, dir)));
        let (folder, real) = folder.map_err(|error| unusable(error.to_string()))?;
        if !folder.is_dir() || !is_ours_alone(&folder) {
            return Err(unusable(
                "it is no folder, another user's, or others may write into it (chmod go-w)".to_owned(),
            ));
        }
        let mut hasher = Sha(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Self { dir: real, engine: hasher.0.finalize().into() })
    }

    /// The compiled form of a component that has this digest. None: it is not there, or not to be trusted.
    pub fn load(&self, engine: &Engine, digest: &[u8; 32]) -> Option<Component> {
        let path = self.path(digest);
        let whole = match self.read(&path) {
            Ok(whole) => whole,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "a compiled mapping cannot be used; compiling it again");
                return None;
            }
        };
        let (beginning, compiled) = whole.split_at_checked(BEGINNING.len() + CHECKSUM_BYTES)?;
        if beginning != self.beginning(digest, compiled) {
            tracing::warn!(file = %path.display(), "a compiled mapping is damaged; compiling it again");
            return None;
        }
        // SAFETY: wasmtime asks that the bytes come from `Component::serialize`, unchanged.
        // - Who wrote them: the file that was opened belongs to this user and nobody else may write to it (`read` asks the open
        //   file, not its name), so the writer is a program of this user: `keep`. Another program of this user could as well replace ours.
        // - Unchanged: the checksum over all bytes is right, and it is they, in this process's memory, that are read from here on.
        // - For this component and engine: both are part of the checksum, so a renamed file does not pass; wasmtime checks its version
        //   and settings once more.
        let read = unsafe { Component::deserialize(engine, compiled) };
        read.inspect_err(|error| tracing::warn!(file = %path.display(), %error, "a compiled mapping cannot be used"))
            .ok()
    }

    /// Keeps a compiled component. That it cannot be kept costs the next start some time, and nothing else.
    pub fn keep(&self, component: &Component, digest: &[u8; 32]) {
        let kept = component.serialize().map_err(|error| io::Error::other(format!("{error:#}"))).and_then(|compiled| {
            self.write(&self.path(digest), &[&self.beginning(digest, &compiled), &compiled])?;
            self.prune()
        });
        if let Err(error) = kept {
            tracing::warn!(dir = %self.dir.display(), %error, "a compiled mapping could not be kept");
        }
    }

    fn path(&self, digest: &[u8; 32]) -> PathBuf {
        self.dir.join(format!("{}-{}.cwasm", &hex(digest)[..32], &hex(&self.engine)[..16]))
    }

    fn beginning(&self, digest: &[u8; 32], compiled: &[u8]) -> Vec<u8> {
        let checksum = Sha256::new_with_prefix(BEGINNING).chain_update(digest).chain_update(self.engine);
        [&BEGINNING[..], &checksum.chain_update(compiled).finalize()].concat()
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let mut file = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)?;
        let found = file.metadata()?;
        if !is_ours_alone(&found) || !found.is_file() {
            return Err(io::Error::other("it is no file, another user's, or others may write to it"));
        }
        // Those that are used are pruned last. On a disk that can only be read nothing is pruned.
        drop(file.set_modified(SystemTime::now()));
        let mut whole = Vec::new();
        file.read_to_end(&mut whole)?;
        Ok(whole)
    }

    /// All of it or nothing: under another name first.
    fn write(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let unfinished = path.with_extension(format!("{}-{count}.tmp", std::process::id()));
        let written = (|| {
            let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
            parts.iter().try_for_each(|part| file.write_all(part))?;
            file.sync_all()?;
            fs::rename(&unfinished, path)
        })();
        if written.is_err() {
            drop(fs::remove_file(&unfinished)); // there may be none
        }
        written
    }

    fn prune(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "cwasm" || extension == "tmp") {
                let Ok(file) = fs::metadata(&path) else { continue }; // another process prunes, too
                files.push((file.modified()?, path));
            }
        }
        files.sort();
        let many = files.len().saturating_sub(KEPT);
        files.into_iter().take(many).for_each(|(_, path)| drop(fs::remove_file(path)));
        Ok(())
    }
}

fn is_ours_alone(file: &fs::Metadata) -> bool {
    file.uid() == rustix::process::geteuid().as_raw() && file.mode() & 0o022 == 0
}

/// SHA-256 for what only knows how to hash itself.
struct Sha(Sha256);

impl Hasher for Sha {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0 // the digest is taken instead
    }
}
