//! Which folder a mapping comes from, and what the cases beside it ask: also while files and cases change.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use component_host::{Country, InUse, Interface, Limits, LoadError, MappingHost, Sources};
use openimis_mediator::config::Config;

use super::*;

fn np(dir: &Path) -> Sources {
    let country = Country { system: "cht".into(), country: "np".into(), interface: "0.1".into() };
    Sources { country: Some(country), ..checked(dir) }
}

/// A case with the answer of the built-in mapping.
fn write_case(fixtures: &Path) {
    let case = fixtures.join("feedback/ours");
    fs::create_dir_all(&case).expect("a folder");
    fs::write(case.join("input.json"), sample_feedback()).expect("a file");
    let expected = mediator_tests::fixtures::text("feedback/documented/expected.json");
    fs::write(case.join("expected.json"), expected).expect("a file");
}

#[test]
fn a_folder_says_with_fixtures_what_its_mappings_must_give() {
    let dir = folder();
    write_case(&dir.path().join("fixtures"));
    let host = open(checked(dir.path()));
    replace(dir.path(), FEEDBACK_FILE, &other_feedback());
    let reloaded = host.reload();
    let [refused] = &reloaded.refused[..] else { panic!("{reloaded:?}") };
    assert!(refused.reason.contains("feedback/ours: not what is expected"), "{}", refused.reason);
    assert!(mapped(&host).contains(WORD));
    let again = MappingHost::open(checked(dir.path()), Limits::default());
    assert!(matches!(again, Err(LoadError::Contract(..))), "a start asks the same");
}

#[test]
fn mappings_of_a_country_go_before_the_others_one_by_one() {
    let dir = folder();
    let Err(error) = MappingHost::open(np(dir.path()), Limits::default()) else { panic!("there is no such folder") };
    assert!(matches!(error, LoadError::Country(_)), "{error}");
    assert!(error.to_string().contains("cht/np is not there"), "{error}");

    let (country, versioned) = (dir.path().join("cht/np"), dir.path().join("cht/np/0.1"));
    fs::create_dir_all(&versioned).expect("folders");
    fs::write(country.join("feedback.wasm"), other_feedback()).expect("a file");
    let host = open(np(dir.path()));
    let files = || {
        let below = |mapping: &InUse| mapping.file.strip_prefix(dir.path()).expect("below it").to_owned();
        host.mappings().iter().map(below).collect::<Vec<PathBuf>>()
    };
    assert_eq!(files(), ["map_claim_response.wasm", "cht/np/feedback.wasm", "map_patient.wasm"].map(PathBuf::from));
    assert!(mapped(&host).contains(OTHER_WORD));
    assert!(mapped(&open(checked(dir.path()))).contains(WORD), "another country has nothing of it");

    // A folder of the interface's version goes before; what is taken away is served by the next folder.
    fs::write(versioned.join("patient.wasm"), marked("map_patient.wasm", b'v')).expect("a file");
    fs::remove_file(country.join("feedback.wasm")).expect("a file");
    let reloaded = host.reload();
    assert_eq!((reloaded.switched.len(), reloaded.refused.len()), (2, 0), "{reloaded:?}");
    assert_eq!(
        files(),
        ["map_claim_response.wasm", FEEDBACK_FILE, "cht/np/0.1/patient.wasm"].map(Into::into) as [PathBuf; 3]
    );
    assert!(mapped(&host).contains(WORD));
}

#[test]
fn a_countrys_mapping_is_not_exchanged_for_everybodys_when_a_bad_one_of_another_name_comes() {
    let dir = folder();
    let country = dir.path().join("cht/np");
    fs::create_dir_all(&country).expect("folders");
    fs::write(country.join("v1.wasm"), other_feedback()).expect("a file");
    let host = open(np(dir.path()));
    fs::write(country.join("v2.wasm"), feedback_component("(unreachable)")).expect("a file");
    fs::remove_file(country.join("v1.wasm")).expect("a file");
    for _ in 0..2 {
        let reloaded = host.reload();
        assert_eq!(reloaded.switched, []);
        let [bad, stays] = &reloaded.refused[..] else { panic!("{reloaded:?}") };
        assert_eq!((&bad.file, &stays.file), (&country.join("v2.wasm"), &country.join("v1.wasm")));
        assert!(stays.reason.starts_with("feedback stays as "), "{}", stays.reason);
        assert!(mapped(&host).contains(OTHER_WORD), "the country's mapping is gone");
    }
    fs::write(country.join("v2.wasm"), other_feedback()).expect("a file");
    let reloaded = host.reload();
    assert_eq!((reloaded.switched.len(), reloaded.refused.len()), (1, 0), "{reloaded:?}");
    assert!(host.mappings()[1].file.ends_with("cht/np/v2.wasm"));
}

#[test]
fn cases_that_change_are_tried_and_a_mapping_that_does_not_give_them_stays_and_is_named() {
    let dir = folder();
    write_case(&dir.path().join("fixtures"));
    let host = open(checked(dir.path()));
    let before = host.sources().stamps();
    let expected = dir.path().join("fixtures/feedback/ours/expected.json");
    let good = fs::read_to_string(&expected).expect("a case");
    fs::write(&expected, good.replace(WORD, OTHER_WORD)).expect("a case");
    assert_ne!(host.sources().stamps(), before, "who looks at the files sees it");
    let reloaded = host.reload();
    assert_eq!(reloaded.switched, []);
    let [refused] = &reloaded.refused[..] else { panic!("{reloaded:?}") };
    assert_eq!(refused.file, dir.path().join(FEEDBACK_FILE));
    assert!(refused.reason.contains("feedback/ours: not what is expected"), "{}", refused.reason);
    assert!(mapped(&host).contains(WORD), "it serves all the same");
    fs::write(&expected, good).expect("a case");
    assert_eq!(host.reload(), Default::default());
}

#[test]
fn a_case_in_one_file_is_checked_and_watched_like_a_folder() {
    let dir = folder();
    let cases = dir.path().join("fixtures/feedback");
    fs::create_dir_all(&cases).expect("a folder");
    let expected = mediator_tests::fixtures::text("feedback/documented/expected.json");
    let write = |expected: &str| {
        let text = format!("-- input.json --\n{}\n-- expected.json --\n{expected}", sample_feedback());
        fs::write(cases.join("ours.txtar"), text).expect("a case");
    };
    write(&expected);
    let host = open(checked(dir.path()));
    let before = host.sources().stamps();
    write(&expected.replace(WORD, OTHER_WORD));
    assert_ne!(host.sources().stamps(), before, "a change of the file is noticed");
    let reloaded = host.reload();
    let [refused] = &reloaded.refused[..] else { panic!("{reloaded:?}") };
    assert!(refused.reason.contains("feedback/ours: not what is expected"), "{}", refused.reason);
    write(&expected);
    assert_eq!(host.reload(), Default::default());
}

#[test]
fn a_countrys_cases_are_asked_of_its_mappings_for_one_version_too() {
    let dir = folder();
    let versioned = dir.path().join("cht/np/0.1");
    fs::create_dir_all(&versioned).expect("folders");
    write_case(&dir.path().join("cht/np/fixtures"));
    fs::write(versioned.join("feedback.wasm"), other_feedback()).expect("a file");
    let Err(error) = MappingHost::open(np(dir.path()), Limits::default()) else { panic!("the case was not asked") };
    assert!(error.to_string().contains("feedback/ours: not what is expected"), "{error}");
}

#[test]
fn the_least_memory_that_can_be_set_is_enough_for_the_checks() {
    let told = |bytes: usize| {
        let read = Config::from_toml(&format!("components.memory_limit_bytes = {bytes}"), &Default::default());
        let problems = read.err().map(|error| error.0).unwrap_or_default();
        problems.into_iter().find(|problem| problem.starts_with("components."))
    };
    let least = 4 << 20;
    assert_eq!(told(least), None);
    assert_eq!(told(least - 1).as_deref(), Some("components.memory_limit_bytes: expected at least 4194304"));
    let limits = Limits { memory_bytes: least, ..Limits::default() };
    let opened = MappingHost::open(checked(&components_dir()), limits);
    assert!(mapped(&opened.unwrap_or_else(|error| panic!("{error}"))).contains(WORD));
}

#[test]
fn a_link_that_leads_nowhere_hides_no_change_of_another_file() {
    let dir = folder();
    let host = open(checked(dir.path()));
    symlink("nowhere.wasm", dir.path().join("link.wasm")).expect("a link");
    let before = host.sources().stamps();
    assert_ne!(before, host.first_seen());
    replace(dir.path(), FEEDBACK_FILE, &other_feedback());
    assert_ne!(host.sources().stamps(), before);
    let reloaded = host.reload();
    let [refused] = &reloaded.refused[..] else { panic!("{reloaded:?}") };
    assert_eq!(refused.file, dir.path().join("link.wasm"));
    assert_eq!(reloaded.switched.len(), 1, "{reloaded:?}");
}

/// As after an upgrade that forgot a file.
#[test]
fn a_mapping_that_may_be_missing_is_taken_when_it_comes_and_kept_when_it_goes() {
    let dir = folder();
    let host = open(checked(dir.path()));
    assert_eq!(host.without(), [Interface::Claim, Interface::Eligibility, Interface::Facility]);
    let missing = host.claim_code("{}", &mapping::eclaim::Settings::default()).expect_err("no component has it");
    assert!(missing.to_string().contains("no component exports it"), "{missing}");

    replace(dir.path(), "map_claim.wasm", &built("map_claim.wasm"));
    let reloaded = host.reload();
    assert_eq!((reloaded.switched.len(), reloaded.refused.len()), (1, 0), "{reloaded:?}");
    assert_eq!((reloaded.switched[0].mapping, reloaded.switched[0].from.as_str()), (Interface::Claim, ""));
    assert_eq!(host.without(), [Interface::Eligibility, Interface::Facility]);

    fs::remove_file(dir.path().join("map_claim.wasm")).expect("a file to remove");
    let reloaded = host.reload();
    assert_eq!((reloaded.switched.len(), reloaded.refused.len()), (0, 1), "{reloaded:?}");
    assert_eq!(host.claim_code("{}", &mapping::eclaim::Settings::default()).expect("it is still there"), None);
}
