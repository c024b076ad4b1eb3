//! Code tables in files: their rows come behind those of the configuration, and everything that is wrong is told with its line.

use std::collections::BTreeMap;
use std::path::Path;

use mapping::eclaim::ItemKind;
use openimis_mediator::config::Config;

const NEEDED: &str = "
    inbound = { username = \"a\", password = \"b\" }
    openimis = { url = \"http://localhost:1\", username = \"a\", password = \"b\" }
    cht = { url = \"http://localhost:2\", username = \"a\", password = \"b\" }
    store = { path = \"mediator.db\" }
";

/// A configuration that names these files of a folder.
fn load(dir: &Path, files: &[(&str, &str, &[u8])], further: &str) -> Result<Config, Vec<String>> {
    let mut text = format!("{NEEDED}{further}\n[tables]\n");
    for (key, name, content) in files {
        let path = dir.join(name);
        std::fs::write(&path, content).expect("a file");
        let path = path.display();
        text.push_str(&if *key == "concept_maps" {
            format!("{key} = [\"{path}\"]\n")
        } else {
            format!("{key} = \"{path}\"\n")
        });
    }
    let loaded = Config::from_toml(&text, &BTreeMap::new());
    let dir = dir.display().to_string();
    loaded.map_err(|error| error.0.iter().map(|problem| problem.replace(&dir, "…")).collect())
}

#[test]
fn rows_of_files_come_behind_those_of_the_configuration() {
    let dir = tempfile::tempdir().expect("a folder");
    let items = "\u{feff}Source;kind;OPENIMIS;price;note\r\n\r\ns|1;item;0004;10.00;x\r\ns|2;service;M1;;\r\ns|3;left-out;;;\r\n;;;;\r\n";
    let map = r#"{"resourceType": "ConceptMap", "status": "active", "group": [{"source": "s", "element": [
        {"code": "7", "target": [{"code": "B54", "equivalence": "equivalent"}]}]}]}"#;
    let files: [(&str, &str, &[u8]); 5] = [
        ("items", "items.csv", items.as_bytes()),
        ("diagnoses", "diagnoses.csv", b"source,openimis\n\"a, b|1\",A02\n"),
        ("concept_maps", "map.json", map.as_bytes()),
        ("facilities", "facilities.csv", b"source\topenimis\tenterer\nLocation/1\tHF001\tCA001\nLocation/2\tHF002\t\n"),
        ("registry_districts", "districts.csv", b"source,openimis\nD-1,R1D1\n"),
    ];
    let further = "[[mapping.eclaim.items]]\nsource = \"s|0\"\nkind = \"item\"\nopenimis = \"0182\"\n";
    let config = load(dir.path(), &files, further).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let claim = &config.settings().mapping.eclaim;
    let items: Vec<_> = claim.items.iter().map(|row| (row.source.as_str(), row.kind, row.price.as_deref())).collect();
    let expected = [
        ("s|0", ItemKind::Item, None),
        ("s|1", ItemKind::Item, Some("10.00")),
        ("s|2", ItemKind::Service, None),
        ("s|3", ItemKind::LeftOut, None),
    ];
    assert_eq!(items, expected);
    let rows = |rows: &[mapping::codes::CodeRow]| {
        rows.iter().map(|row| format!("{} {}", row.source, row.openimis)).collect::<Vec<_>>()
    };
    assert_eq!(rows(&claim.diagnoses), ["a, b|1 A02", "s|7 B54"]);
    let enterers: Vec<_> = claim.facilities.iter().map(|row| row.enterer.as_deref()).collect();
    assert_eq!(enterers, [Some("CA001"), None]);
    assert_eq!(rows(&config.settings().mapping.facility.districts), ["D-1 R1D1"]);
}

#[test]
fn everything_that_is_wrong_is_told_with_its_file_and_line() {
    let dir = tempfile::tempdir().expect("a folder");
    let items = "source,kind,openimis,uuid,price\ns|1,drug,0004,,\ns|2,item,,,\n\ns|3,item,0004,no,1.234\ns|3,item,0004,,\ns|4,item\n,item,0004,,\n";
    let files: [(&str, &str, &[u8]); 5] = [
        ("items", "items.csv", items.as_bytes()),
        ("practitioners", "practitioners.csv", b"name,code\nRam,CA001\n"),
        ("visit_types", "visits.csv", b"source,openimis\nv,X\n"),
        ("registry_codes", "codes.csv", b"source,openimis\n1,123456789\n\xff,2\n"),
        ("concept_maps", "map.json", b"[]"),
    ];
    let further = "\n";
    let mut problems = load(dir.path(), &files, further).expect_err("problems");
    problems.extend(load(dir.path(), &[], "").map(drop).err().unwrap_or_default());
    let told =
        |text: &str| assert!(problems.iter().any(|problem| problem == text), "{text} is not among {problems:#?}");
    told("tables.items: …/items.csv: line 2: kind: expected item, service or left-out");
    told("tables.items: …/items.csv: line 3: openimis: is empty; expected openIMIS' code");
    told("tables.items: …/items.csv: line 5: uuid: expected a uuid");
    told("tables.items: …/items.csv: line 5: price: expected a number from 0, with at most 2 decimals, as text");
    told("tables.items: …/items.csv: line 6: source: is there already, in line 5");
    told("tables.items: …/items.csv: line 7: 2 values, but 5 columns");
    told("tables.items: …/items.csv: line 8: source: expected system|code, or a code");
    told(
        "tables.practitioners: …/practitioners.csv: line 1: expected the names of the columns, source and openimis among them",
    );
    told("tables.visit_types: …/visits.csv: line 2: openimis: expected O, E or R");
    told("tables.registry_codes: …/codes.csv: line 3: not UTF-8; save the table as \"CSV UTF-8\"");
    assert!(
        problems.iter().any(|problem| problem.starts_with("tables.concept_maps: …/map.json: fatal")),
        "{problems:#?}"
    );

    let missing = format!("{NEEDED}[tables]\nitems = \"/no/such/file.csv\"\n");
    let error = Config::from_toml(&missing, &BTreeMap::new()).expect_err("no such file").0;
    assert!(error[0].starts_with("tables.items: /no/such/file.csv: No such file"), "{error:?}");
}

#[test]
fn a_table_in_another_encoding_is_told_by_its_name() {
    let dir = tempfile::tempdir().expect("a folder");
    for (table, name) in [("\u{feff}source,openimis\n1,2\n", "UTF-16"), ("source,openimis\n1,2\n", "UTF-16")] {
        let bytes: Vec<u8> = table.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let problems = load(dir.path(), &[("diagnoses", "diagnoses.csv", &bytes)], "").expect_err("problems");
        assert!(problems[0].contains(&format!("diagnoses.csv: is {name} (little endian)")), "{problems:?}");
    }
}

#[test]
fn a_table_of_another_shape_does_not_fill_the_screen() {
    let dir = tempfile::tempdir().expect("a folder");
    let rows: String = (0..10_000).map(|number| format!("{number},\n")).collect();
    let table = format!("source,openimis\n{rows}");
    let problems = load(dir.path(), &[("diagnoses", "diagnoses.csv", table.as_bytes())], "").expect_err("problems");
    assert_eq!(problems.len(), 51, "{problems:#?}");
    assert_eq!(problems[50], "tables.diagnoses: …/diagnoses.csv: and 9950 more");
}

#[test]
fn what_does_not_fit_in_claims_is_told() {
    let text = format!(
        "{NEEDED}\n[eclaim]\nanswer_within = \"0s\"\nfollow_first = \"2h\"\nfollow_longest = \"1h\"\nfollow_for = \"0s\"
        [eclaim.callback]\nusername = \"a:b\"\ntoken = \"no blank\"\n"
    );
    let problems = Config::from_toml(&text, &BTreeMap::new()).expect_err("problems").0;
    for key in [
        "eclaim.answer_within: expected a time longer than 0",
        "eclaim.follow_longest: expected no less than eclaim.follow_first",
        "eclaim.follow_for: expected a time longer than 0",
        "eclaim.callback.url: is missing beside its credentials",
        "eclaim.callback.username and eclaim.callback.password: set both or neither",
        "eclaim.callback.username: is empty or holds a colon",
        "eclaim.callback.token: set beside a username",
        "eclaim.callback.token: is empty, or holds what a header cannot carry",
    ] {
        assert!(problems.iter().any(|problem| problem.starts_with(key)), "{key} is not told: {problems:#?}");
    }
}

#[test]
fn nobody_waits_longer_than_the_server_answers() {
    let text = format!("{NEEDED}\n[server]\nanswer_timeout = \"5s\"\n");
    let config = Config::from_toml(&text, &BTreeMap::new()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.settings().eclaim.answer_within, jiff::SignedDuration::from_millis(4500));
}
