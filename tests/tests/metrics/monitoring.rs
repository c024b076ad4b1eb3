//! The dashboard, the alert rules and the page on monitoring name what a running mediator tells, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use mediator_tests::running::{eventually, sample_claim, sample_feedback, skipped, workspace};
use serde_json::Value;

use super::{CLAIM, FEEDBACK, Figures, World};

const PREFIX: &str = "openimis_mediator_";

fn read(path: &str) -> String {
    std::fs::read_to_string(workspace().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn dashboard() -> Value {
    serde_json::from_str(&read("deploy/grafana/openimis-mediator.json")).expect("JSON")
}

fn rules() -> Vec<Value> {
    let rules: Value = serde_saphyr::from_str(&read("deploy/prometheus/alerts.yaml")).expect("YAML");
    let groups = rules["groups"].as_array().expect("groups");
    groups.iter().flat_map(|group| group["rules"].as_array().expect("rules").clone()).collect()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} is missing in {value}"))
}

/// What the panels ask for, by their titles.
fn asked_by_panels() -> Vec<(String, String)> {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().expect("panels").iter().filter(|panel| panel["type"] != "row");
    let mut asked = Vec::new();
    for panel in panels {
        for target in panel["targets"].as_array().expect("targets") {
            asked.push((text(panel, "title").to_owned(), text(target, "expr").to_owned()));
        }
    }
    asked
}

fn asked_by_rules() -> Vec<(String, String)> {
    rules().iter().map(|rule| (text(rule, "alert").to_owned(), text(rule, "expr").to_owned())).collect()
}

/// A mediator that has done everything once.
async fn everything() -> Figures {
    let world = World::new(&[
        ("poll.enabled", "true"),
        ("poll.interval", "100ms"),
        ("poll.selected_interval", "100ms"),
        ("subscription.callback", "http://127.0.0.1:9/mediator/claim-response"),
        ("openhim.url", "http://127.0.0.1:9"),
        ("facilities.url", "http://127.0.0.1:9"),
        ("openhim.endpoint", "http://mediator.example.org:8080"),
        ("openhim.username", "root@openhim.org"),
        ("openhim.password", "nobody listens there"),
    ])
    .await;
    world.mediator.post(CLAIM, sample_claim()).await;
    world.mediator.settled().await;
    world.mediator.post(FEEDBACK, sample_feedback()).await;
    world.mediator.settled().await;
    eventually("all has happened", || async {
        let scrape = world.scrape().await;
        let last = ["poll_last_success_timestamp_seconds", "poll_watermark_age_seconds"];
        let happened = scrape.find(last[0], &[("poll", "selected")]).and(scrape.find(last[1], &[("poll", "claims")]));
        happened.and(scrape.find("subscription_in_place", &[])).map(|_| scrape)
    })
    .await
}

/// Names of metrics in a text, as they stand there.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|char: char| !(char.is_ascii_alphanumeric() || char == '_'));
    words.filter(|word| word.starts_with(PREFIX) || word.starts_with("process_")).collect()
}

/// Label matchers of an expression: the metric, the label, and the words that are asked for.
fn matchers(expr: &str) -> Vec<(String, String, Vec<String>)> {
    let mut found = Vec::new();
    for (start, _) in expr.match_indices('{') {
        let name = expr[..start].rsplit(|char: char| !(char.is_ascii_alphanumeric() || char == '_')).next();
        let inside = expr[start + 1..].split('}').next().expect("an end");
        for matcher in inside.split(',') {
            let (label, words) = matcher.split_once('=').unwrap_or_else(|| panic!("{matcher} in {expr}"));
            let words = words.trim_start_matches('~').trim_matches('"').split('|').map(str::to_owned).collect();
            found.push((name.expect("a name").to_owned(), label.trim().to_owned(), words));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_panels_and_rules_ask_for_is_there() {
    let scrape = everything().await;
    let there: BTreeMap<&str, BTreeSet<&str>> =
        scrape.samples().map(|(name, labels, _)| (name, labels.into_keys().collect())).collect();
    let page = read("docs/monitoring.md");
    let asked = asked_by_panels().into_iter().chain(asked_by_rules());
    let mut asked_for = BTreeSet::new();
    for (who, expr) in asked {
        let named = names(&expr);
        assert!(!named.is_empty() || expr.starts_with("up{"), "{who} asks for nothing of ours: {expr}");
        for name in &named {
            assert!(there.contains_key(name), "{who} asks for {name}, which no scrape has");
            asked_for.insert((*name).to_owned());
        }
        for (name, label, words) in matchers(&expr) {
            if ["job", "instance"].contains(&label.as_str()) {
                continue;
            }
            assert!(there[name.as_str()].contains(label.as_str()), "{who}: {name} has no label {label}");
            for word in words {
                assert!(page.contains(&format!("`{word}`")), "{who}: docs/monitoring.md knows no {label} {word}");
            }
        }
    }
    // The other way round: nothing is told that nobody sees.
    let family = |name: &str| {
        let suffixes = ["_bucket", "_count", "_sum"];
        suffixes.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name).to_owned()
    };
    let seen: BTreeSet<String> = asked_for.iter().map(|name| family(name)).collect();
    let unseen: Vec<&str> = there.keys().copied().filter(|name| !seen.contains(&family(name))).collect();
    let known = ["process_threads", "process_virtual_memory_bytes"];
    assert_eq!(unseen, known, "no panel shows these");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_names_every_metric_and_no_other() {
    let scrape = everything().await;
    let told: BTreeSet<String> = scrape
        .0
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(|line| {
            let (name, kind) = line.split_once(' ').expect("a type");
            let suffix = if kind == "counter" {
                "_total"
            } else if kind == "info" {
                "_info"
            } else {
                ""
            };
            format!("{}{suffix}", name.trim_start_matches(PREFIX))
        })
        .collect();
    let page = read("docs/monitoring.md");
    let (_, tables) = page.split_once("## The metrics").expect("the chapter");
    let (tables, _) = tables.split_once("\n## ").expect("its end");
    let firsts =
        tables.lines().filter(|line| line.starts_with("| `")).map(|line| line.split('|').nth(1).expect("a name"));
    let process = tables.lines().filter(|line| line.contains("`process_"));
    let named: BTreeSet<String> = firsts
        .chain(process)
        .flat_map(|text| text.split('`').skip(1).step_by(2))
        .filter(|word| word.contains('_') && !word.starts_with(PREFIX))
        .map(str::to_owned)
        .collect();
    assert_eq!(named, told);
}

#[test]
fn each_alert_says_what_to_do_and_where_to_read_on() {
    let page = read("docs/monitoring.md");
    let rules = rules();
    assert!(rules.len() >= 10);
    for rule in &rules {
        let alert = text(rule, "alert");
        assert!(page.contains(&format!("| `{alert}` |")), "docs/monitoring.md does not list {alert}");
        assert!(["critical", "warning"].contains(&text(&rule["labels"], "severity")), "{alert}");
        let annotations = &rule["annotations"];
        assert!(text(annotations, "summary").len() > 20 && text(annotations, "description").len() > 60, "{alert}");
        let link = text(annotations, "runbook_url");
        let (_, path) = link.split_once("/blob/main/").unwrap_or_else(|| panic!("{alert}: {link}"));
        let (file, anchor) = path.split_once('#').unwrap_or((path, ""));
        let target = read(file);
        let heading = |line: &str| -> Option<String> {
            let title = line.strip_prefix('#')?.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter(|char| char.is_alphanumeric() || " -_".contains(*char));
            Some(kept.collect::<String>().replace(' ', "-"))
        };
        assert!(
            anchor.is_empty() || target.lines().filter_map(heading).any(|heading| heading == anchor),
            "{alert}: {file} has no #{anchor}"
        );
    }
    let listed = page.lines().filter(|line| line.starts_with("| `Mediator")).count();
    assert_eq!(listed, rules.len(), "docs/monitoring.md lists alerts that are not there");
}

#[test]
fn the_dashboard_can_be_imported() {
    let dashboard = dashboard();
    assert!(dashboard["schemaVersion"].as_i64().expect("a version") >= 39);
    assert!(dashboard["id"].is_null() && text(&dashboard, "uid") == "openimis-mediator");
    let variables: Vec<&str> =
        dashboard["templating"]["list"].as_array().expect("variables").iter().map(|it| text(it, "name")).collect();
    assert_eq!(variables, ["datasource", "job"]);
    let mut ids = BTreeSet::new();
    let mut cells = BTreeSet::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        let title = text(panel, "title");
        assert!(ids.insert(panel["id"].as_i64().expect("an id")), "{title}");
        let of = |key: &str| panel["gridPos"][key].as_u64().expect("a number");
        for (x, y) in (0..of("w")).flat_map(|x| (0..of("h")).map(move |y| (x, y))) {
            assert!(of("x") + x < 24 && cells.insert((of("x") + x, of("y") + y)), "{title} lies on another panel");
        }
        if panel["type"] == "row" {
            continue;
        }
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        for target in panel["targets"].as_array().expect("targets") {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            assert!(text(target, "expr").contains(r#"job="$job""#), "{title} mixes jobs");
        }
    }
}

/// Prometheus' own tool, where it is: on the PATH, as `PROMTOOL`, or where `cargo xtask test` puts it.
fn promtool() -> Option<PathBuf> {
    let fetched = workspace().join("target/prometheus/usr/bin/promtool");
    let on_path = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let on_path = on_path.unwrap_or_default().into_iter().map(|folder| folder.join("promtool"));
    std::env::var_os("PROMTOOL").map(PathBuf::from).into_iter().chain(on_path).chain([fetched]).find(|it| it.is_file())
}

fn passes(promtool: &Path, folder: &Path, args: &[&str]) {
    let output = Command::new(promtool).args(args).current_dir(folder).output().expect("promtool runs");
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {args:?}:\n{told}");
}

#[test]
fn prometheus_reads_the_rules_and_they_fire_as_their_tests_say() {
    let Some(promtool) = promtool() else {
        return skipped("the alert rules in Prometheus", "promtool is not here (Debian: in the package prometheus)");
    };
    let folder = workspace().join("deploy/prometheus");
    passes(&promtool, &folder, &["check", "config", "--syntax-only", "prometheus.yaml"]);
    passes(&promtool, &folder, &["check", "rules", "alerts.yaml"]);
    passes(&promtool, &folder, &["test", "rules", "alerts.test.yaml"]);
    let tested = read("deploy/prometheus/alerts.test.yaml");
    for (alert, _) in asked_by_rules() {
        assert!(tested.matches(&alert).count() >= 2, "{alert} is not seen to fire and to stay silent");
    }

    // What the panels ask, as rules that record it: the same language.
    let dir = tempfile::tempdir().expect("a folder");
    let mut records = "groups:\n  - name: panels\n    rules:\n".to_owned();
    for (number, (_, expr)) in asked_by_panels().into_iter().enumerate() {
        let expr = expr.replace("$job", "openimis-mediator").replace("$__rate_interval", "1m");
        records.push_str(&format!("      - record: panel:{number}\n        expr: {}\n", Value::from(expr)));
    }
    std::fs::write(dir.path().join("panels.yaml"), records).expect("a file");
    passes(&promtool, dir.path(), &["check", "rules", "panels.yaml"]);
}
