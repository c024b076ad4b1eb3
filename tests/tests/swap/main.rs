//! Mappings that are exchanged while the mediator runs: what is good takes its place between two messages, what is not is refused and
//! named, and no message is lost or held up by either.

#[allow(dead_code)]
#[path = "../components/written.rs"]
mod written;

mod folders;
mod running;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use component_host::{Interface, Limits, MappingHost, Sources};
use mapping::feedback::Settings;
use mediator_tests::running::{components_dir, sample_feedback};
use tempfile::TempDir;
use written::{component, feedback_component, feedback_module, foreign};

const FEEDBACK_FILE: &str = "map_feedback.wasm";
/// In every Communication that the built-in mapping writes.
const WORD: &str = "communication-payload-type";
/// Of the same length, and in none.
const OTHER_WORD: &str = "communication-payload-typo";

fn built(name: &str) -> Vec<u8> {
    std::fs::read(components_dir().join(name)).expect("a built component")
}

/// The built-in feedback mapping, which writes another word.
fn other_feedback() -> Vec<u8> {
    let mut bytes = built(FEEDBACK_FILE);
    let places: Vec<usize> = bytes
        .windows(WORD.len())
        .enumerate()
        .filter(|(_, window)| *window == WORD.as_bytes())
        .map(|(at, _)| at)
        .collect();
    let [at] = places[..] else { panic!("{WORD} is in the component {} times", places.len()) };
    bytes[at..at + WORD.len()].copy_from_slice(OTHER_WORD.as_bytes());
    bytes
}

/// The same mapping in another file: a section that nobody reads stands at its end.
fn marked(name: &str, mark: u8) -> Vec<u8> {
    let mut bytes = built(name);
    bytes.extend([0, 3, 1, b'm', mark]);
    bytes
}

fn folder() -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for name in ["map_claim_response.wasm", FEEDBACK_FILE, "map_patient.wasm"] {
        std::fs::copy(components_dir().join(name), dir.path().join(name)).expect("a built component");
    }
    dir
}

/// As a careful administrator replaces a file: whole, or not at all.
fn replace(dir: &Path, name: &str, bytes: &[u8]) {
    let unfinished = dir.join(format!("{name}.new"));
    std::fs::write(&unfinished, bytes).expect("a file");
    std::fs::rename(unfinished, dir.join(name)).expect("a file in its place");
}

fn checked(dir: &Path) -> Sources {
    Sources { check: true, ..Sources::folder(dir) }
}

fn open(sources: Sources) -> MappingHost {
    MappingHost::open(sources, Limits::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn mapped(host: &MappingHost) -> String {
    let answer = host.map_feedback(&sample_feedback(), None, &Settings::default()).expect("a mapping");
    answer.expect("a Communication").body
}

/// Ends the calls of the other threads also when an assertion fails: they would be waited for.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn calls_go_on_while_a_mapping_is_exchanged_and_each_gets_the_answer_of_one_of_the_two() {
    let dir = folder();
    let host = open(checked(dir.path()));
    let old = mapped(&host);
    let new = old.replace(WORD, OTHER_WORD);
    let (stop, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let _stop = StopAtEnd(&stop);
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let body = mapped(&host);
                    assert!(body == old || body == new, "{body}");
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for round in 0..4 {
            let (bytes, expected) =
                if round % 2 == 0 { (other_feedback(), &new) } else { (built(FEEDBACK_FILE), &old) };
            replace(dir.path(), FEEDBACK_FILE, &bytes);
            let before = calls.load(Ordering::Relaxed);
            let reloaded = host.reload();
            assert_eq!(reloaded.refused, [], "round {round}");
            assert_eq!(reloaded.switched.len(), 1, "{:?}", reloaded.switched);
            assert_eq!(reloaded.switched[0].mapping, Interface::Feedback);
            assert_eq!(mapped(&host), *expected, "whoever calls after the exchange gets the new one");
            assert!(calls.load(Ordering::Relaxed) > before, "calls went on during the exchange");
        }
    });
}

/// Files that must not take the place of a good one, with what is said of each.
fn bad_files() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let half = built(FEEDBACK_FILE);
    let importing = foreign(
        "package somebody:else@1.0.0; interface clock { now: func() -> u64; } world w { import clock; }",
        r#"(module (import "somebody:else/clock@1.0.0" "now" (func (result i64))))"#,
    );
    let later = foreign(
        "package openimis-mediator:mapping@0.2.0; interface feedback { map-feedback: func(feedback: u32); } world w { export feedback; }",
        r#"(module (func (export "openimis-mediator:mapping/feedback@0.2.0#map-feedback") (param i32)))"#,
    );
    let echo = "(i32.store (i32.const 4) (local.get 0)) (i32.store (i32.const 8) (local.get 1))
        (i32.store (i32.const 12) (local.get 0)) (i32.store (i32.const 16) (local.get 1)) (i32.const 0)";
    let no_issues = written::NO_ISSUES;
    let growing = component("map-feedback-component", &feedback_module(20, "(loop $more (br $more)) (unreachable)"));
    vec![
        ("nothing", Vec::new(), "is not a mapping component"),
        ("text", b"<html>404</html>".to_vec(), "is not a mapping component"),
        ("half", half[..half.len() / 2].to_vec(), "is not a mapping component"),
        ("importing", importing, "somebody:else/clock@1.0.0"),
        ("later", later, "it exports openimis-mediator:mapping/feedback@0.2.0; this program speaks version 0.1"),
        ("trapping", feedback_component("(unreachable)"), "unreachable"),
        ("endless", growing, "ran longer than allowed"),
        ("echo", feedback_component(echo), "does not keep the contract"),
        ("mute", feedback_component(no_issues), "refused without an issue that says why"),
    ]
}

#[test]
fn a_bad_file_is_refused_and_named_and_the_old_mapping_stays() {
    let dir = folder();
    let host = open(checked(dir.path()));
    let (before, old) = (host.mappings(), mapped(&host));
    for (name, bytes, why) in bad_files() {
        replace(dir.path(), FEEDBACK_FILE, &bytes);
        let reloaded = host.reload();
        assert_eq!(reloaded.switched, [], "{name}");
        let [refused] = &reloaded.refused[..] else { panic!("{name}: {:?}", reloaded.refused) };
        assert_eq!(refused.file, dir.path().join(FEEDBACK_FILE), "{name}");
        assert!(refused.reason.contains(why), "{name}: {}", refused.reason);
        assert_eq!(refused.sha256.as_ref().map(String::len), Some(64), "{name}");
        assert_eq!(host.refused(), reloaded.refused, "{name}");
        assert_eq!(host.mappings(), before, "{name}");
        assert_eq!(mapped(&host), old, "{name}");
    }
    // Once it is repaired nothing is refused any more.
    replace(dir.path(), FEEDBACK_FILE, &other_feedback());
    assert_eq!(host.reload().switched.len(), 1);
    assert_eq!(host.refused(), []);
    assert_ne!(mapped(&host), old);
}

#[test]
fn a_mapping_that_is_taken_away_or_there_twice_stays_as_it_was() {
    let dir = folder();
    let host = open(checked(dir.path()));
    let old = mapped(&host);
    std::fs::copy(dir.path().join(FEEDBACK_FILE), dir.path().join("another.wasm")).expect("a copy");
    let reloaded = host.reload();
    assert!(reloaded.refused[0].reason.contains("both export feedback"), "{:?}", reloaded.refused);
    std::fs::remove_file(dir.path().join("another.wasm")).expect("a copy");
    std::fs::remove_file(dir.path().join(FEEDBACK_FILE)).expect("a file");
    let reloaded = host.reload();
    assert!(reloaded.refused[0].reason.contains("exports feedback"), "{:?}", reloaded.refused);
    assert_eq!(mapped(&host), old);
    std::fs::remove_dir_all(dir.path()).expect("a folder");
    let reloaded = host.reload();
    assert_eq!((reloaded.switched.len(), reloaded.refused.len()), (0, 1), "{reloaded:?}");
    assert_eq!(mapped(&host), old);
}

#[test]
fn mistakes_in_what_chooses_the_components_are_told_with_their_keys() {
    let told = |text: &str| {
        let read = openimis_mediator::config::Config::from_toml(text, &Default::default());
        let problems = read.err().map(|error| error.0).unwrap_or_default();
        problems.into_iter().filter(|problem| problem.starts_with("components.")).collect::<Vec<_>>()
    };
    assert_eq!(told("components = { country = 'np', interface = '0.1.4', watch = '0s' }"), [""; 0]);
    let wrong = told("components = { country = '../np', system = '', interface = '0.2', watch = '-1s' }");
    assert_eq!(
        wrong,
        [
            "components.system: expected letters, digits, - and _: it names a folder",
            "components.country: expected letters, digits, - and _: it names a folder",
            "components.interface: this program speaks 0.1 only",
            "components.watch: expected a time of 0s or longer",
        ]
    );
}

#[test]
fn a_later_interface_of_the_same_version_is_taken() {
    let dir = folder();
    let wit = ["types", "feedback"].map(|name| {
        let path = mediator_tests::running::workspace().join(format!("wit/mapping/{name}.wit"));
        std::fs::read_to_string(path).expect("WIT").replace("package openimis-mediator:mapping@0.1.0;", "")
    });
    let world = "world w { export types; export feedback; }";
    let wit = format!(
        "package openimis-mediator:mapping@0.1.7; {} {world}",
        wit.concat().replace("/// What every", "// What every")
    );
    let module = feedback_module(20, written::NO_ISSUES).replace("@0.1.0", "@0.1.7");
    replace(dir.path(), FEEDBACK_FILE, &foreign(&wit, &module));
    let host = open(Sources::folder(dir.path()));
    assert_eq!(host.mappings()[1].interface, "0.1.7");
    let answer = host.map_feedback("{}", None, &Settings::default()).expect("a mapping that can be called");
    assert_eq!(answer, Err(Vec::new()));
}
