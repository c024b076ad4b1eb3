//! Folders that cannot be used: told at the start, with the file and the reason.

use std::path::{Path, PathBuf};

use component_host::{Limits, LoadError, MappingHost, Sources};

use crate::broken::LIMITS;
use crate::written::{
    CLAIM_RESPONSE, FEEDBACK, FEEDBACK_TYPE, NO_ISSUES, PATIENT, component, feedback_component, feedback_module,
    folder, foreign, with_feedback,
};

fn load_error(dir: &Path) -> (LoadError, String) {
    let Err(error) = MappingHost::load(dir, LIMITS) else { panic!("a folder that cannot be used was loaded") };
    let text = error.to_string().replace(&dir.display().to_string(), "…");
    (error, text)
}

/// A module for all three mappings, each of which traps.
fn trapping_module() -> String {
    format!(
        r#"(module
            (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (unreachable))
            (func (export "{CLAIM_RESPONSE}") (param i32) (result i32) (unreachable))
            (func (export "{FEEDBACK}") {FEEDBACK_TYPE} (unreachable))
            (func (export "{PATIENT}") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (unreachable)))"#
    )
}

#[test]
fn one_component_may_hold_all_mappings() {
    let dir = folder(&[("all.wasm", &component("mappings", &trapping_module()))]);
    let host = MappingHost::load(dir.path(), LIMITS).unwrap_or_else(|error| panic!("{error}"));
    let all = dir.path().join("all.wasm");
    let told = host.mappings().into_iter().map(|mapping| (mapping.mapping.name(), mapping.file, mapping.interface));
    assert_eq!(
        told.collect::<Vec<_>>(),
        ["claim-response", "feedback", "patient"].map(|name| (name, all.clone(), "0.1.0".to_owned()))
    );
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let dir = PathBuf::from("/no/such/folder");
    let (error, text) = load_error(&dir);
    assert!(matches!(error, LoadError::File(..)), "{error:?}");
    assert!(text.starts_with("…: No such file"), "{text}");
}

#[test]
fn a_missing_mapping_is_named_with_what_to_do() {
    let dir = folder(&[("README.txt", b"not a component, and not looked at")]);
    let (error, text) = load_error(dir.path());
    assert!(matches!(error, LoadError::Missing(..)), "{error:?}");
    assert_eq!(text, "no component in … exports claim-response: run `cargo xtask build`, or set components.dir");
}

#[test]
fn a_mapping_that_is_there_twice_is_named_with_both_files() {
    let all = component("mappings", &trapping_module());
    let one = feedback_component(NO_ISSUES);
    let dir = folder(&[("all.wasm", &all), ("one.wasm", &one)]);
    let (error, text) = load_error(dir.path());
    assert!(matches!(error, LoadError::Twice(..)), "{error:?}");
    assert_eq!(text, "…/all.wasm and …/one.wasm both export feedback: remove one");
}

#[test]
fn a_file_that_is_no_mapping_component_is_named_with_the_reason() {
    let module = wat::parse_str("(module)").expect("WAT");
    let empty = wat::parse_str("(component)").expect("WAT");
    let importing = foreign(
        "package somebody:else@1.0.0; interface clock { now: func() -> u64; } world w { import clock; }",
        r#"(module (import "somebody:else/clock@1.0.0" "now" (func (result i64))))"#,
    );
    let other_function = foreign(
        "package openimis-mediator:mapping@0.1.0; interface feedback { other: func(feedback: u32); } world w { export feedback; }",
        r#"(module (func (export "openimis-mediator:mapping/feedback@0.1.0#other") (param i32)))"#,
    );
    let other_version = foreign(
        "package openimis-mediator:mapping@0.2.0; interface feedback { map-feedback: func(feedback: u32); } world w { export feedback; }",
        r#"(module (func (export "openimis-mediator:mapping/feedback@0.2.0#map-feedback") (param i32)))"#,
    );
    let too_large = component("map-feedback-component", &feedback_module(1000, NO_ISSUES));
    let files: [(&str, &[u8], &str); 7] = [
        ("text", b"Not found", "failed to parse WebAssembly"),
        ("module", &module, "a wasm module"),
        ("empty", &empty, "it exports no mapping interface"),
        ("importing", &importing, "component imports instance `somebody:else/clock@1.0.0`"),
        ("other function", &other_function, "map-feedback"),
        ("other version", &other_version, "mapping/feedback@0.2.0; this program speaks version 0.1"),
        ("too large", &too_large, "exceeds the limit of 0x800000 bytes"),
    ];
    for (name, bytes, reason) in files {
        let dir = with_feedback(bytes);
        let (error, text) = load_error(dir.path());
        assert!(matches!(error, LoadError::Component(..)), "{name}: {error:?}");
        assert!(text.starts_with("…/map_feedback.wasm is not a mapping component: "), "{name}: {text}");
        assert!(text.contains(reason), "{name}: {text}");
    }
}

#[test]
fn a_mapping_with_other_types_is_refused_at_load() {
    let other_type = foreign(
        "package openimis-mediator:mapping@0.1.0; interface feedback { map-feedback: func(feedback: string) -> string; }
         world w { export feedback; }",
        &feedback_module(1, "(unreachable)").replace(FEEDBACK_TYPE, "(param i32 i32) (result i32)"),
    );
    let dir = with_feedback(&other_type);
    let (error, told) = load_error(dir.path());
    assert!(matches!(error, LoadError::Component(..)), "{error:?}");
    assert!(told.contains("type mismatch"), "{told}");
}

/// Whoever put it there expects both of its mappings to serve.
#[test]
fn an_interface_of_another_version_is_refused_also_beside_one_that_could_be_used() {
    let ours = ["types", "feedback"].map(|name| {
        let path = mediator_tests::running::workspace().join(format!("wit/mapping/{name}.wit"));
        let text = std::fs::read_to_string(path).expect("WIT").replace("package openimis-mediator:mapping@0.1.0;", "");
        text.replace("/// What every", "// What every")
    });
    let wit = format!(
        "package a:test; package openimis-mediator:mapping@0.1.0 {{ {} }}
         package openimis-mediator:mapping@0.2.0 {{ interface patient {{ other: func(text: u32); }} }}
         world w {{ export openimis-mediator:mapping/feedback@0.1.0; export openimis-mediator:mapping/patient@0.2.0; }}",
        ours.concat()
    );
    let other = r#"(func (export "openimis-mediator:mapping/patient@0.2.0#other") (param i32)))"#;
    let module = feedback_module(20, NO_ISSUES);
    let module = format!("{}{other}", module.strip_suffix(')').expect("a module"));
    let dir = with_feedback(&foreign(&wit, &module));
    let (error, told) = load_error(dir.path());
    assert!(matches!(error, LoadError::Component(..)), "{error:?}");
    assert!(
        told.contains("it exports openimis-mediator:mapping/patient@0.2.0; this program speaks version 0.1"),
        "{told}"
    );
}

#[test]
fn only_a_file_of_a_sensible_length_is_read() {
    let dir = with_feedback(&feedback_component(NO_ISSUES));
    let zz = dir.path().join("zz.wasm");
    assert!(std::process::Command::new("mkfifo").arg(&zz).status().expect("mkfifo runs").success());
    assert_eq!(load_error(dir.path()).1, "…/zz.wasm: is a pipe, a socket or a device, not a file");
    std::fs::remove_file(&zz).expect("it goes");
    std::os::unix::fs::symlink("/dev/zero", &zz).expect("a link");
    assert_eq!(load_error(dir.path()).1, "…/zz.wasm: is a pipe, a socket or a device, not a file");
    std::fs::remove_file(&zz).expect("it goes");
    std::fs::create_dir(&zz).expect("a folder");
    assert_eq!(load_error(dir.path()).1, "…/zz.wasm: is a folder, not a file");
    std::fs::remove_dir(&zz).expect("it goes");
    std::fs::File::create(&zz).and_then(|file| file.set_len((64 << 20) + 1)).expect("a long file");
    assert_eq!(load_error(dir.path()).1, "…/zz.wasm: is longer than 67108864 bytes");
}

/// 200,000 blocks inside each other kept a core busy for a minute and a half.
#[test]
fn what_compiling_would_take_out_of_proportion_is_refused_before() {
    let nested = |depth: usize| format!("{}{}{NO_ISSUES}", "block ".repeat(depth), "end ".repeat(depth));
    let begun = std::time::Instant::now();
    for (body, told) in [
        (nested(6_000), "more than 5000 blocks inside each other"),
        ("(drop (i64.const 9223372036854775807))".repeat(200_000) + NO_ISSUES, "a function of more than 2097152 bytes"),
    ] {
        let dir = with_feedback(&feedback_component(&body));
        let text = load_error(dir.path()).1;
        assert!(text.contains("map_feedback.wasm is not a mapping component") && text.contains(told), "{text}");
    }
    assert!(begun.elapsed() < std::time::Duration::from_secs(60), "{:?}", begun.elapsed());
    let dir = with_feedback(&feedback_component(&nested(300)));
    MappingHost::load(dir.path(), LIMITS).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_component_that_takes_too_long_to_compile_is_refused_and_keeps_no_other_from_its_place() {
    let cache = tempfile::tempdir().expect("a folder");
    let dir = with_feedback(&feedback_component(NO_ISSUES));
    let sources = || Sources { cache_dir: Some(cache.path().join("compiled")), ..Sources::folder(dir.path()) };
    let other = feedback_component("(unreachable)");
    // All of them are compiled before, the other one, too: then a millisecond is enough for them.
    let map = dir.path().join("map_feedback.wasm");
    let first = std::fs::read(&map).expect("a component");
    for component in [&other, &first] {
        std::fs::write(&map, component).expect("a component");
        MappingHost::open(sources(), LIMITS).unwrap_or_else(|error| panic!("{error}"));
    }
    let hasty = Limits { compile: std::time::Duration::from_millis(1), ..LIMITS };
    let host = MappingHost::open(sources(), hasty).unwrap_or_else(|error| panic!("{error}"));
    let functions: String =
        (0..2000).map(|_| "(func (local i64) (local.set 0 (i64.mul (local.get 0) (i64.const 3))))").collect();
    let slow = feedback_module(20, NO_ISSUES).replacen("(module", &format!("(module {functions}"), 1);
    std::fs::write(dir.path().join("slow.wasm"), component("map-feedback-component", &slow)).expect("a component");
    std::fs::write(&map, &other).expect("a component");
    let reloaded = host.reload();
    let refused: Vec<_> = reloaded.refused.iter().map(|refused| refused.reason.as_str()).collect();
    assert!(refused.len() == 1 && refused[0].contains("compiling it takes longer than 1ms"), "{refused:?}");
    let switched: Vec<_> = reloaded.switched.iter().map(|switched| switched.mapping.name()).collect();
    assert_eq!(switched, ["feedback"]);
}
