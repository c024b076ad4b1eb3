//! The same with real processes: each aborts at its point, and the next one goes on with the files.

use std::process::{Command, Output};

fn live(folder: &std::path::Path, fault: &str, abort_at: usize) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_workflow-proof"));
    program.arg("once").arg(folder).args([fault, &abort_at.to_string()]);
    program.output().expect("the program starts")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn one_effect_at_every_point_where_a_process_dies() {
    for fault in ["none", "lose-answer"] {
        let folder = tempfile::tempdir().expect("a folder");
        let calm = text(&live(folder.path(), fault, 0));
        let points: usize = calm.split(' ').next().and_then(|points| points.parse().ok()).expect("a number of points");
        assert!(points > 20, "{calm}");
        for point in 1..=points {
            let folder = tempfile::tempdir().expect("a folder");
            let died = live(folder.path(), fault, point);
            assert!(!died.status.success(), "it lived at {point} with {fault}: {}", text(&died));
            let lived = live(folder.path(), fault, 0);
            assert!(lived.status.success(), "{}", String::from_utf8_lossy(&lived.stderr));
            let said = text(&lived);
            assert!(said.ends_with(" done 1 receipt-order-1, confirmed\n"), "at {point} with {fault}: {said}");
        }
    }
}
