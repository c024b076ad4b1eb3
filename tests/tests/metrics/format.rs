//! The text keeps the format of OpenMetrics, and its labels stay few.

use std::collections::{BTreeMap, BTreeSet};

use mediator_tests::running::{notification, sample_claim, sample_feedback};

use super::{CLAIM, FEEDBACK, Figures, World, scrape};

/// What a sample's name may add to its family's, by type.
fn suffixes(kind: &str) -> &'static [&'static str] {
    match kind {
        "counter" => &["_total"],
        "histogram" => &["_bucket", "_count", "_sum"],
        "info" => &["_info"],
        "gauge" => &[""],
        other => panic!("no type of ours: {other}"),
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.chars().all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_')
}

async fn busy() -> World {
    let world = World::new(&[]).await;
    world.mediator.post(CLAIM, sample_claim()).await;
    world.mediator.post(CLAIM, "{").await;
    world.mediator.settled().await;
    world.mediator.post(FEEDBACK, sample_feedback()).await;
    world.mediator.settled().await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_keeps_its_format() {
    let world = busy().await;
    let answer = scrape(&world.mediator).await;
    let content_type = answer.headers()["content-type"].to_str().expect("text").to_owned();
    assert_eq!(content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let text = answer.text().await.expect("text");
    assert!(text.ends_with("\n# EOF\n") && text.matches("# EOF").count() == 1);

    let mut families = BTreeMap::new();
    let mut family: Option<(String, String)> = None;
    let mut series = BTreeSet::new();
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(of) = line.strip_prefix("# ") {
            let [what, name, said] = of.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            assert!(is_name(name) && !said.is_empty(), "{line}");
            match what {
                "HELP" => assert!(said.ends_with('.') && !families.contains_key(name), "{line}"),
                "TYPE" => {
                    assert!(families.insert(name.to_owned(), said.to_owned()).is_none(), "{name} is there twice");
                    family = Some((name.to_owned(), said.to_owned()));
                }
                "UNIT" => assert!(name.ends_with(&format!("_{said}")), "{line}"),
                other => panic!("{other}: {line}"),
            }
            continue;
        }
        let (name, kind) = family.as_ref().expect("HELP and TYPE come before");
        let sample = line.split(['{', ' ']).next().expect("a name");
        let suffix = sample.strip_prefix(name.as_str()).unwrap_or_else(|| panic!("{sample} stands below {name}"));
        assert!(suffixes(kind).contains(&suffix), "{sample} of a {kind}");
        assert!(series.insert(line.rsplit_once(' ').expect("a value").0.to_owned()), "twice: {line}");
    }
    assert!(families.len() > 25, "{families:?}");
    for (name, kind) in &families {
        assert!(name.starts_with("openimis_mediator_") || name.starts_with("process_"), "{name}");
        let times = name.ends_with("_duration_seconds");
        assert_eq!(times, kind == "histogram" && name != "openimis_mediator_store_commit_messages", "{name}: {kind}");
    }
    histograms_are_cumulative(&Figures(text));
}

fn histograms_are_cumulative(figures: &Figures) {
    let mut buckets: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    let mut counts = BTreeMap::new();
    for (name, mut labels, value) in figures.samples() {
        if let Some(name) = name.strip_suffix("_bucket") {
            let bound = labels.remove("le").expect("a bound");
            let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().expect("a number") };
            buckets.entry(format!("{name}{labels:?}")).or_default().push((bound, value));
        } else if let Some(name) = name.strip_suffix("_count") {
            counts.insert(format!("{name}{labels:?}"), value);
        }
    }
    assert_eq!(buckets.keys().collect::<Vec<_>>(), counts.keys().collect::<Vec<_>>());
    assert!(counts.values().any(|count| *count > 0.0));
    for (of, buckets) in buckets {
        assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{of}: {buckets:?}");
        assert_eq!(buckets.last(), Some(&(f64::INFINITY, counts[&of])), "{of}");
    }
}

/// However many claims go through, there are no more series: no label is made of what they hold.
#[tokio::test(flavor = "multi_thread")]
async fn more_messages_make_no_more_series() {
    let world = busy().await;
    let series = |figures: &Figures| -> BTreeSet<String> {
        figures.0.lines().filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
    };
    let before = series(&world.scrape().await);
    for number in 0..20 {
        let claim = notification(&world.sandbox, world.sandbox.openimis.enter_claim(&format!("MANY{number}"))).await;
        assert_eq!(world.mediator.post(CLAIM, claim).await.status(), 202);
    }
    world.mediator.settled().await;
    let after = world.scrape().await;
    assert_eq!(series(&after), before);
    let messages = world.mediator.messages().await;
    let uuids = messages.iter().filter_map(|message| message.summary.claim_uuid.clone());
    for word in uuids.chain(["CHT979", "MANY1", "Kalpana", "127.0.0.1"].map(str::to_owned)) {
        assert!(!after.0.contains(&word), "{word}");
    }
}
