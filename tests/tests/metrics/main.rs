//! What Prometheus reads: exact counts after what came through the doors, a text that keeps its format, who may read it, and that the
//! dashboard and the alert rules ask for nothing else.

mod counted;
mod format;
mod monitoring;
mod scopes;

use std::collections::BTreeMap;

use mediator_tests::running::{Mediator, config, eventually, sandbox};
use reqwest::{Response, StatusCode};
use sandbox::Sandbox;
use tempfile::TempDir;

const CLAIM: &str = "/mediator/claim-response";
const FEEDBACK: &str = "/mediator/claims-feedback";

/// A mediator whose metrics anybody may read.
struct World {
    mediator: Mediator,
    sandbox: Sandbox,
    _dir: TempDir,
}

impl World {
    async fn new(changes: &[(&str, &str)]) -> Self {
        let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
        let open = [
            ("metrics.public", "true"),
            ("metrics.cache", "0s"),
            ("admin.listen", "127.0.0.1:0"),
            ("cht.match_by", "[]"),
        ];
        let changes: Vec<_> = open.iter().chain(changes).copied().collect();
        let mediator = Mediator::start(config(&sandbox, &dir, &changes)).await;
        Self { mediator, sandbox, _dir: dir }
    }

    async fn scrape(&self) -> Figures {
        let answer = scrape(&self.mediator).await;
        assert_eq!(answer.status(), StatusCode::OK);
        Figures(answer.text().await.expect("text"))
    }
}

async fn admin_url(mediator: &Mediator) -> String {
    let address = eventually("the admin listener is there", || async { mediator.host.doors.admin_address.get() }).await;
    format!("http://{address}")
}

async fn scrape(mediator: &Mediator) -> Response {
    let url = format!("{}/metrics", admin_url(mediator).await);
    mediator.client.get(url).send().await.expect("an answer")
}

/// A scrape.
struct Figures(String);

impl Figures {
    /// Name, labels and value of all samples.
    fn samples(&self) -> impl Iterator<Item = (&str, BTreeMap<&str, &str>, f64)> {
        self.0.lines().filter(|line| !line.starts_with('#')).map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let labels = labels.trim_end_matches('}').split("\",").filter(|label| !label.is_empty());
            let labels = labels.map(|label| label.trim_end_matches('"').split_once("=\"").expect("a label")).collect();
            (name, labels, value.parse().expect("a number"))
        })
    }

    /// The value of the only sample with these labels, whatever others it has; none if there is no sample.
    fn find(&self, name: &str, wanted: &[(&str, &str)]) -> Option<f64> {
        let fits = |labels: &BTreeMap<&str, &str>| wanted.iter().all(|(key, word)| labels.get(key) == Some(word));
        let name = full(name);
        let found: Vec<f64> =
            self.samples().filter(|(it, labels, _)| *it == name && fits(labels)).map(|(.., value)| value).collect();
        assert!(found.len() < 2, "several samples of {name} have {wanted:?}: {found:?}");
        found.first().copied()
    }

    fn get(&self, name: &str, wanted: &[(&str, &str)]) -> f64 {
        self.find(name, wanted).unwrap_or_else(|| panic!("no sample of {name} has {wanted:?} in\n{}", self.0))
    }

    /// All samples of a name, with their labels as `a, b`.
    fn all(&self, name: &str) -> BTreeMap<String, f64> {
        let name = full(name);
        let of = |labels: BTreeMap<&str, &str>| labels.into_values().collect::<Vec<_>>().join(", ");
        self.samples().filter(|(it, ..)| *it == name).map(|(_, labels, value)| (of(labels), value)).collect()
    }

    /// Those that are not 0.
    fn counted(&self, name: &str) -> BTreeMap<String, f64> {
        self.all(name).into_iter().filter(|(_, value)| *value != 0.0).collect()
    }
}

fn full(name: &str) -> String {
    if name.starts_with("process_") { name.to_owned() } else { format!("openimis_mediator_{name}") }
}

/// What is expected of a name.
fn figures<const N: usize>(expected: [(&str, f64); N]) -> BTreeMap<String, f64> {
    expected.into_iter().map(|(labels, value)| (labels.to_owned(), value)).collect()
}
