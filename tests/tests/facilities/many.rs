//! Thousands of facilities in one run: in time, and in no more memory than a page needs.

use std::process::Stdio;
use std::time::{Duration, Instant};

use mediator_tests::running::{environment, program};
use tokio::process::Command;

use crate::world::{World, synced};

/// So many in four districts' worth of areas.
fn fill(world: &World, count: usize) {
    for number in 0..count {
        let area = if number % 2 == 0 { "rapta" } else { "jambero" };
        world.registry.put_facility(&format!("f{number}"), &format!("Health Post number {number}"), area);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_facilities_are_brought_over_in_few_requests() {
    let world = World::new().await;
    let host = world.host(&[]).await;
    fill(&world, 1000);
    let (counts, _) = synced(&host).await;
    assert_eq!((counts.created, counts.failed), (1000, 0));
    assert_eq!(world.sandbox.openimis.health_facilities().len(), 1001);
    // Twenty in a request, and one that asks what became of them; the rest reads what openIMIS has.
    let requests = world.openimis_requests();
    assert!(requests <= 2 * 1000 / 20 + 5, "{requests} requests");
    let before = world.openimis_requests();
    assert_eq!(synced(&host).await.0.unchanged, 1000);
    assert_eq!(world.openimis_requests(), before);
}

/// Prints what docs/facilities.md states.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, minutes long: cargo test --test facilities ten_thousand -- --ignored --nocapture"]
async fn ten_thousand_facilities_by_the_program() {
    let world = World::new().await;
    fill(&world, 10_000);
    let url = world.registry.url();
    let env = environment(&world.sandbox, &world.dir, &world.changes(&url, &[("openimis.timeout", "30s")]));
    for arguments in [&["facilities", "sync"][..], &["facilities", "sync"], &["facilities", "sync", "--full"]] {
        let begun = Instant::now();
        let mut child = Command::new(program())
            .args(arguments)
            .env_clear()
            .envs(&env)
            .current_dir(world.dir.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("the program");
        let (status, mut peak) = (format!("/proc/{}/status", child.id().expect("an id")), 0);
        let ended = loop {
            if let Ok(text) = std::fs::read_to_string(&status) {
                let line = text.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
                let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0);
                peak = peak.max(kib);
            }
            match child.try_wait().expect("a process") {
                Some(ended) => break ended,
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        println!("{arguments:?}: {:.1} s, {} MiB at most, {ended}", begun.elapsed().as_secs_f64(), peak / 1024);
        assert!(ended.success());
    }
    assert_eq!(world.sandbox.openimis.health_facilities().len(), 10_001);
}
