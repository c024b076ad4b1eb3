//! A mapping in another language: `examples/mapping-js`, built with ComponentizeJS and tried like any other.

use std::fs;
use std::path::Path;
use std::process::Command;

use component_host::{Country, Limits, MappingHost, Sources};
use mapping::feedback::Settings;
use mediator_tests::running::{components_dir, skipped, workspace};

use super::{cache, run, target};

const WIT: [&str; 3] = ["types.wit", "feedback.wit", "worlds.wit"];
const FILES: [&str; 4] = ["package.json", "package-lock.json", "build.mjs", "mapping.js"];

/// Installs what the example needs and builds it, away from the sources. The error says why that cannot be done here.
fn build(example: &Path, dir: &Path) -> Result<(), String> {
    fs::create_dir_all(dir).expect("a folder");
    let wit = workspace().join("wit/mapping");
    let mut same = dir.join("mapping-js.wasm").is_file();
    let files = FILES.map(|file| example.join(file)).into_iter().chain(WIT.map(|file| wit.join(file)));
    for from in files {
        let to = dir.join(from.file_name().expect("a name"));
        let new = fs::read(&from).expect("a file of the example");
        same &= fs::read(&to).is_ok_and(|old| old == new);
        fs::write(to, new).expect("a copy");
    }
    if same {
        return Ok(()); // built of the same by an earlier run
    }
    drop(fs::remove_file(dir.join("mapping-js.wasm"))); // it may not be there yet
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(dir);
    match npm.output() {
        Err(error) => return Err(format!("npm: {error}")),
        Ok(ran) if !ran.status.success() => {
            let told = String::from_utf8_lossy(&ran.stderr);
            let ours = ["EUSAGE", "EINTEGRITY", "EBADENGINE"].iter().find(|code| told.contains(**code));
            assert_eq!(ours, None, "not for want of a network: {told}");
            return Err(format!("npm ci: {}", told.lines().next().unwrap_or_default()));
        }
        Ok(_) => {}
    }
    let built = Command::new("node").arg("build.mjs").arg(wit).arg("mapping-js.wasm").current_dir(dir).output();
    let built = built.expect("node runs");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    fs::remove_dir_all(dir.join("node_modules")).expect("200 MB that are not needed again");
    Ok(())
}

#[test]
fn a_mapping_in_javascript_imports_nothing_passes_and_serves_a_country() {
    let (example, dir) = (workspace().join("examples/mapping-js"), target("mapping-js"));
    if let Err(why) = build(&example, &dir) {
        return skipped("mapping_command: the mapping in JavaScript", &why);
    }
    let fixtures = example.join("fixtures").display().to_string();
    let ran = run(&dir, &["mapping", "test", "mapping-js.wasm", "--fixtures", &fixtures]);
    assert_eq!(ran.code, Some(0), "{}", ran.told);
    assert!(ran.told.contains("2 of its own: 0 not kept"), "{}", ran.told);

    // In the folder of a country, beside the mappings that the country shares with all; compiled once.
    let components = tempfile::tempdir().expect("a folder");
    for name in ["map_claim_response.wasm", "map_feedback.wasm", "map_patient.wasm"] {
        fs::copy(components_dir().join(name), components.path().join(name)).expect("a built component");
    }
    let country = components.path().join("cht/cm");
    fs::create_dir_all(&country).expect("a folder");
    fs::copy(dir.join("mapping-js.wasm"), country.join("mapping-js.wasm")).expect("a component");
    let sources = Sources {
        country: Some(Country { system: "cht".into(), country: "cm".into(), interface: "0.1".into() }),
        cache_dir: Some(cache()),
        check: true,
        ..Sources::folder(components.path())
    };
    // What a pool holds for one call is enough for an engine of JavaScript, too.
    let limits = Limits { instances: 1, ..Limits::default() };
    for _ in 0..2 {
        let host = MappingHost::open(sources.clone(), limits).unwrap_or_else(|error| panic!("{error}"));
        let input = fs::read_to_string(example.join("fixtures/feedback/documented/input.json")).expect("a fixture");
        let answer = host.map_feedback(&input, None, &Settings::default()).expect("a mapping");
        assert_eq!(answer.expect("a Communication").idempotency_key, "feedback/report-1");
        assert!(host.mappings()[1].file.ends_with("cht/cm/mapping-js.wasm"));
    }
}
