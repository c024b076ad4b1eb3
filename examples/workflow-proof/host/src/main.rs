//! `workflow-proof`: the proof in words, `workflow-proof measure`: what it costs, `workflow-proof once <folder> <fault> <abort-at>`: one
//! life of a process, which aborts at that point.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use workflow_proof::components;
use workflow_proof::plan::{ORDER, Plan, calm};
use workflow_proof::runtime::{Answer, Call, Entry, Kind, Runtime, Workflow};
use workflow_proof::service::{Fault, Service};
use workflow_proof::store::{Point, Stop, Store};
use workflow_proof::worker::Worker;

type Done = Result<(), Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        [] => prove(),
        ["measure"] => measure(),
        ["once", folder, fault, abort_at] => once(Path::new(folder), fault, abort_at),
        _ => Err("usage: workflow-proof [measure | once <folder> <none|lose-answer|lose-request> <abort-at>]".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("workflow-proof: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Kills one message at each of its points, and says what came of it.
fn prove() -> Done {
    let runtime = Runtime::new(false)?;
    let workflows = [runtime.load(components::PAY)?];
    println!(
        "{:<14} {:>6} {:>6} {:>8} {:>9} {:>7}",
        "the service", "points", "ended", "effects", "payments", "entries"
    );
    for fault in [Fault::None, Fault::LoseAnswer, Fault::LoseRequest, Fault::Refuse] {
        let calm = Plan { faults: vec![fault], ..Plan::default() };
        let points = calm.run(&runtime, &workflows).points;
        let reports: Vec<_> =
            (1..=points).map(|at| Plan { kills: vec![at], ..calm.clone() }.run(&runtime, &workflows)).collect();
        let ended = reports.iter().filter(|report| report.shown.state == "done").count();
        let range = |of: fn(&workflow_proof::plan::Report) -> usize| {
            let (least, most) = (reports.iter().map(of).min(), reports.iter().map(of).max());
            format!("{}-{}", least.unwrap_or_default(), most.unwrap_or_default())
        };
        let (effects, payments) = (range(|report| report.effects), range(|report| report.payments));
        println!(
            "{:<14} {points:>6} {ended:>6} {effects:>8} {payments:>9} {:>7}",
            format!("{fault:?}"),
            range(|report| report.entries)
        );
    }
    Ok(())
}

/// One life of a process on the files of a folder. It ends with the message, or aborts.
fn once(folder: &Path, fault: &str, abort_at: &str) -> Done {
    let fault = match fault {
        "lose-answer" => Fault::LoseAnswer,
        "lose-request" => Fault::LoseRequest,
        _ => Fault::None,
    };
    let abort_at: usize = abort_at.parse()?;
    let passed = Cell::new(0);
    let hook = |_: Point| -> Result<(), Stop> {
        passed.set(passed.get() + 1);
        if passed.get() == abort_at {
            std::process::abort();
        }
        Ok(())
    };
    let file = folder.join("store.db");
    let runtime = Runtime::new(false)?;
    let workflows = [runtime.load(components::PAY)?];
    let service = RefCell::new(Service::open(&folder.join("service.txt"), &[fault])?);
    // The leases of an earlier life have run out.
    let latest =
        "SELECT max(coalesce((SELECT max(at) FROM trail), 1000), coalesce((SELECT max(lease_until) FROM message), 0))";
    let now = Cell::new(Store::open(&file, &calm)?.number(latest, [])? as u64);
    let mut store = Store::open(&file, &hook)?;
    store.accept("m1", &format!("{ORDER} 500 m1"), now.get())?;
    let worker = Worker { runtime: &runtime, workflows: &workflows, settings: "", service: &service, now: &now };
    loop {
        if worker.run_one(&mut store)? {
            continue;
        }
        if store.number("SELECT count(*) FROM waits", [])? > 0 {
            store.signal(&format!("paid/{ORDER}"), "callback-1", "confirmed", now.get())?;
        }
        match store.next_due()? {
            Some(due) => now.set(now.get().max(due)),
            None => break,
        }
    }
    let shown = store.show(1)?;
    println!("{} {} {} {}", passed.get(), shown.state, service.borrow().effects(ORDER), shown.outcome);
    Ok(())
}

fn measure() -> Done {
    for (name, bytes) in [("pay", components::PAY), ("long", components::LONG)] {
        println!("component {name}: {} bytes", bytes.len());
    }
    let (counting, fast) = (Runtime::new(true)?, Runtime::new(false)?);
    let (counted, timed) = (counting.load(components::LONG)?, fast.load(components::LONG)?);
    println!("{:>7} {:>14} {:>12} {:>12} {:>14}", "entries", "instructions", "an entry", "a step", "whole message");
    for entries in [1, 10, 100, 1000] {
        let message = format!("effects {}", entries + 1);
        let journal: Vec<Entry> = (0..entries).map(|number| entry(number, 200)).collect();
        let (_, instructions) = counting.step(&counted, &message, "", &journal)?;
        let step = least(|| fast.step(&timed, &message, "", &journal).map(drop))?;
        let whole = whole(&fast, &timed, &message, &journal)?;
        println!("{entries:>7} {instructions:>14} {:>12} {step:>12.1?} {whole:>14.1?}", instructions / entries);
    }
    let empty = least(|| fast.step(&timed, "effects 1", "", &[]).map(drop))?;
    for entries in [3, 64] {
        let journal: Vec<Entry> = (0..entries).map(|number| entry(number, 4_096)).collect();
        let step = least(|| fast.step(&timed, &format!("effects {}", entries + 1), "", &journal).map(drop))?;
        println!("a step with {entries} answers of 4 kB: {step:.1?}");
    }
    println!("an instance and a step with an empty journal: {empty:.1?}");
    stored()
}

/// A call of 100 bytes with an answer of so many.
fn entry(number: u64, bytes: usize) -> Entry {
    let request = format!("pay order-{number:06} {}", "0".repeat(84));
    let call = Call { name: format!("pay/{number}"), kind: Kind::Once, request, until: None };
    Entry { call, answer: Answer::Text("a".repeat(bytes)) }
}

/// The shortest of many runs.
fn least<E>(run: impl Fn() -> Result<(), E>) -> Result<Duration, E> {
    let (begun, mut least, mut runs) = (Instant::now(), Duration::MAX, 0);
    while runs < 20 || (begun.elapsed() < Duration::from_secs(1) && runs < 5_000) {
        let one = Instant::now();
        run()?;
        least = least.min(one.elapsed());
        runs += 1;
    }
    Ok(least)
}

/// All steps of a message that makes this journal, one step an entry.
fn whole(
    runtime: &Runtime,
    workflow: &Workflow,
    message: &str,
    journal: &[Entry],
) -> Result<Duration, Box<dyn std::error::Error>> {
    let begun = Instant::now();
    for entries in 0..=journal.len() {
        runtime.step(workflow, message, "", &journal[..entries])?;
    }
    Ok(begun.elapsed())
}

/// What a journal takes in the file.
fn stored() -> Done {
    let folder = tempfile::tempdir()?;
    let mut sizes = Vec::new();
    for entries in [0, 1000] {
        let file = folder.path().join(format!("{entries}.db"));
        let mut store = Store::open(&file, &calm)?;
        store.accept("m1", "effects 1000", 0)?;
        let leased = store.lease(0)?.ok_or("a message")?;
        let journal: Vec<Entry> = (0..entries).map(|number| entry(number, 200)).collect();
        store.wait(&leased, &journal, &[], ("component", "settings"), 0)?;
        drop(store);
        sizes.push(std::fs::metadata(&file)?.len());
    }
    println!(
        "a journal entry of 100 + 200 bytes and its name takes {} bytes in the file",
        (sizes[1] - sizes[0]) / 1000
    );
    let file = folder.path().join("commits.db");
    let mut store = Store::open(&file, &calm)?;
    store.accept("m1", "effects 1000", 0)?;
    let leased = store.lease(0)?.ok_or("a message")?;
    let begun = Instant::now();
    for number in 0..200 {
        let Entry { call, answer } = entry(number, 200);
        store.intent(&leased, &[], &call, ("component", "settings"), 0)?;
        store.answer(&leased, &call.name, &answer, 0)?;
    }
    println!("an effect's two commits, flushed to disk: {:.1?}", begun.elapsed() / 200);
    Ok(())
}
