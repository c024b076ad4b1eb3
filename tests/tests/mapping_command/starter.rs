//! What `mapping new` writes, built as its README says, with the crates that are there.

use std::process::Command;

use mediator_tests::running::workspace;

use super::{run, target};

#[test]
fn each_starter_builds_and_passes_and_is_used() {
    let dir = tempfile::tempdir().expect("a folder");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    for mapping in ["claim-response", "feedback", "patient"] {
        let name = format!("our-{mapping}");
        let ran = run(dir.path(), &["mapping", "new", &name, "--interface", mapping]);
        assert_eq!(ran.code, Some(0), "{}", ran.told);
        let project = dir.path().join(&name);
        // The versions that are there already.
        std::fs::copy(workspace().join("Cargo.lock"), project.join("Cargo.lock")).expect("the lock file");
        let mut build = Command::new(&cargo);
        build.args(["build", "--quiet", "--offline", "--release", "--target", "wasm32-unknown-unknown"]);
        build.current_dir(&project).env("CARGO_TARGET_DIR", target("starter"));
        let built = build.output().expect("cargo runs");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));

        let module = target("starter")
            .join("wasm32-unknown-unknown/release")
            .join(format!("our_{}.wasm", mapping.replace('-', "_")));
        let (module, component) = (module.display().to_string(), format!("{name}.wasm"));
        let readme = std::fs::read_to_string(project.join("README.md")).expect("a README");
        assert!(readme.contains(&format!("--fixtures fixtures --output {component}")), "{readme}");
        let ran = run(&project, &["mapping", "test", &module, "--fixtures", "fixtures", "--output", &component]);
        assert_eq!(ran.code, Some(0), "{}", ran.told);
        assert!(ran.told.contains("1 of its own: 0 not kept"), "{}", ran.told);
        // What was written is the component itself.
        let ran = run(&project, &["mapping", "test", &component]);
        assert_eq!(ran.code, Some(0), "{}", ran.told);
        assert!(ran.told.contains("1 of its own: 0 not kept"), "fixtures beside the file are found: {}", ran.told);
        if mapping == "claim-response" {
            // With the default settings: it must not write another calendar's date.
            std::fs::remove_file(project.join("fixtures/claim-response/first/settings.json")).expect("the settings");
            let ran = run(&project, &["mapping", "test", &component]);
            assert!(ran.told.contains("expected the setting calendar to be gregorian"), "{}", ran.told);
            assert!(readme.contains("`calendar` must be `gregorian`"), "{readme}");
        }
    }
}

#[test]
fn a_starter_takes_no_name_that_cargo_would_not_and_writes_over_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    for name in ["Feedback", "1st", "über", "a b", "a_b"] {
        let ran = run(dir.path(), &["mapping", "new", name]);
        assert_eq!(ran.code, Some(1), "{name}: {}", ran.told);
        assert!(!dir.path().join(name).exists(), "{name}");
    }
    std::fs::create_dir(dir.path().join("there")).expect("a folder");
    let ran = run(dir.path(), &["mapping", "new", "there"]);
    assert_eq!(ran.code, Some(1), "{}", ran.told);
    assert!(ran.told.contains("there is there already"), "{}", ran.told);
}
