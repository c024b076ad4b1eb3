//! Compiled components on disk: a start takes them from there, and nothing else.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use component_host::{Limits, LoadError, MappingHost, Sources};
use mapping::feedback::Settings;
use mediator_tests::running::{components_dir, sample_feedback, skipped};

fn open(cache: &Path) -> Result<MappingHost, LoadError> {
    open_with(cache, Limits::default())
}

fn open_with(cache: &Path, limits: Limits) -> Result<MappingHost, LoadError> {
    let sources = Sources { cache_dir: Some(cache.to_owned()), ..Sources::folder(components_dir()) };
    MappingHost::open(sources, limits)
}

fn works(host: Result<MappingHost, LoadError>) {
    let host = host.unwrap_or_else(|error| panic!("{error}"));
    let body =
        host.map_feedback(&sample_feedback(), None, &Settings::default()).expect("a mapping").expect("a document");
    assert!(body.body.contains("Communication"), "{}", body.body);
}

fn files(cache: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(cache).expect("a folder").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    files
}

/// A filled cache: a folder of this user's in a temporary one.
fn filled() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a folder");
    let cache = dir.path().join("compiled");
    works(open(&cache));
    (dir, cache)
}

const LONG_AGO: Duration = Duration::from_secs(1_000_000);

/// How many the build makes.
const COMPONENTS: usize = 6;

fn make_old(path: &Path) {
    let file = fs::File::options().append(true).open(path).expect("a file");
    file.set_modified(SystemTime::UNIX_EPOCH + LONG_AGO).expect("a time");
}

fn is_old(path: &Path) -> bool {
    fs::metadata(path).expect("a file").modified().expect("a time") == SystemTime::UNIX_EPOCH + LONG_AGO
}

#[test]
fn a_second_start_takes_what_the_first_one_compiled() {
    let (_dir, cache) = filled();
    let kept = files(&cache);
    assert_eq!(kept.len(), COMPONENTS, "{kept:?}");
    for file in &kept {
        assert_eq!(fs::metadata(file).expect("a file").permissions().mode() & 0o777, 0o600);
        make_old(file);
    }
    let before: Vec<Vec<u8>> = kept.iter().map(|file| fs::read(file).expect("a file")).collect();
    works(open(&cache));
    assert_eq!(files(&cache), kept);
    // What is used counts as new; what is written has another name first, and would be another file.
    assert!(kept.iter().all(|file| !is_old(file)), "all three were read");
    assert_eq!(kept.iter().map(|file| fs::read(file).expect("a file")).collect::<Vec<_>>(), before);
}

#[test]
fn a_damaged_file_is_never_run_and_is_written_anew() {
    let (_dir, cache) = filled();
    let kept = files(&cache);
    let whole = fs::read(&kept[0]).expect("a file");
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    let last = whole.len() - 1;
    let damaged = [
        Vec::new(),
        whole[..7].to_vec(),
        whole[..last].to_vec(),
        flipped(0),
        flipped(8),
        flipped(40),
        flipped(whole.len() / 2),
        flipped(last),
        [whole.clone(), vec![0]].concat(),
        fs::read(&kept[1]).expect("a file"), // whole, but another component
    ];
    for (number, bytes) in damaged.into_iter().enumerate() {
        fs::write(&kept[0], &bytes).expect("a file");
        works(open(&cache));
        let written = fs::read(&kept[0]).expect("a file");
        assert!(written != bytes, "{number}: the damaged file is still there");
        make_old(&kept[0]);
        works(open(&cache));
        assert!(!is_old(&kept[0]), "{number}: the file that was written anew is not used");
    }
}

#[test]
fn other_settings_of_the_engine_have_files_of_their_own() {
    let (_dir, cache) = filled();
    let kept = files(&cache);
    kept.iter().for_each(|file| make_old(file));
    works(open_with(&cache, Limits { memory_bytes: 8 << 20, ..Limits::default() }));
    let (all, used) = (files(&cache).len(), kept.iter().filter(|file| !is_old(file)).count());
    // wasmtime decides whether a smaller memory changes what is compiled: then there are new files, and the others are not touched.
    assert!([(2 * COMPONENTS, 0), (COMPONENTS, COMPONENTS)].contains(&(all, used)), "{all} files, {used} used");
}

#[test]
fn what_somebody_else_could_have_written_is_not_used() {
    let (dir, cache) = filled();
    let kept = files(&cache);
    fs::set_permissions(&kept[0], fs::Permissions::from_mode(0o620)).expect("a mode");
    make_old(&kept[0]);
    let elsewhere = dir.path().join("elsewhere");
    fs::rename(&kept[1], &elsewhere).expect("a move");
    symlink(&elsewhere, &kept[1]).expect("a link");
    make_old(&elsewhere);
    works(open(&cache));
    assert!(is_old(&elsewhere), "a symbolic link was followed");
    assert_eq!(fs::metadata(&kept[0]).expect("a file").permissions().mode() & 0o777, 0o600, "it is written anew");
    assert!(fs::symlink_metadata(&kept[1]).expect("a file").is_file(), "a file of our own is in the link's place");

    let refused = |why: &str| {
        let Err(error) = open(&cache) else { panic!("a cache that others may write to was used") };
        assert!(matches!(error, LoadError::Cache(..)) && error.to_string().contains(why), "{error}");
    };
    for mode in [0o770, 0o702, 0o777] {
        fs::set_permissions(&cache, fs::Permissions::from_mode(mode)).expect("a mode");
        refused("others may write into it");
    }
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o755)).expect("a mode"); // systemd's CacheDirectory
    works(open(&cache));

    match chown(&kept[2], Some(65534), None) {
        Ok(()) => {
            works(open(&cache));
            let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(&kept[2]).expect("a file"));
            assert_ne!(owner, 65534, "it is written anew");
            chown(&cache, Some(65534), None).expect("another owner");
            refused("another user's");
        }
        Err(error) => skipped("components: a compiled component of another user", &format!("chown: {error}")),
    }
}

#[test]
fn a_cache_that_cannot_be_made_is_told() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("file"), "").expect("a file");
    let Err(error) = open(&dir.path().join("file")) else { panic!("a file was used as a folder") };
    assert!(matches!(error, LoadError::Cache(..)), "{error}");
}

/// systemd's `CacheDirectory=` is one for a service with a user of its own.
#[test]
fn a_folder_that_is_reached_by_a_link_is_used() {
    let (dir, cache) = filled();
    let kept = files(&cache);
    kept.iter().for_each(|file| make_old(file));
    let link = dir.path().join("link");
    symlink(&cache, &link).expect("a link");
    works(open(&link));
    assert!(kept.iter().all(|file| !is_old(file)), "all three were read");
}
