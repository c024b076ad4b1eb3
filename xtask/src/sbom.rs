//! The bill of materials that goes along with the program (`cargo xtask dist`): CycloneDX 1.6 as JSON. What is linked into the program and
//! into its mappings, with versions, licences and the registry's checksums, and what comes of what.
//!
//! `cargo tree` tells what is linked: neither what builds and tests it, nor what procedural macros are made of. There is no time and
//! no random number in it, so the same sources give the same file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::components::{COMPONENTS, TARGET};
use crate::{Done, cargo_command, root, say};

/// Its name beside the program.
pub const FILE: &str = "openimis-mediator.cdx.json";
const PROGRAM: &str = "openimis-mediator";
/// The mappings in the playground.
const PLAYGROUND: &str = "mapping-npm";
/// What is no crate and in the program all the same, as a package URL: the console serves it. Name, version, licence (NOTICE).
const HTMX: (&str, &str, &str) = ("htmx.org", "2.0.11", "0BSD");

/// A crate, as cargo tells of it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Package {
    name: String,
    version: String,
    license: String,
    repository: String,
    /// Of this workspace.
    is_own: bool,
}

/// All packages, by package URL.
#[derive(Debug, Default)]
struct Bill {
    packages: BTreeMap<String, Package>,
    needs: BTreeMap<String, BTreeSet<String>>,
}

/// Writes the bill into a folder.
pub fn write(out: &Path) -> Done {
    let path = out.join(FILE);
    let text = text()?;
    std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    say(&format!("  {FILE}: what is linked into the program and its mappings (CycloneDX)"));
    Ok(())
}

fn text() -> Done<String> {
    let mut bill = Bill::default();
    bill.take(&tree(PROGRAM, None)?)?;
    for component in COMPONENTS.iter().chain([&PLAYGROUND]) {
        bill.take(&tree(component, Some(TARGET))?)?;
    }
    let lock = root().join("Cargo.lock");
    let lock = std::fs::read_to_string(&lock).map_err(|error| format!("{}: {error}", lock.display()))?;
    bill.json(&checksums(&lock))
}

/// What is linked into a package, as `cargo tree` tells it, a line each.
fn tree(package: &str, target: Option<&str>) -> Done<String> {
    let mut cargo = cargo_command();
    cargo.args(["tree", "--quiet", "--locked", "--edges", "normal,no-proc-macro", "--prefix", "depth"]);
    cargo.args(["--format", "|{p}|{l}|{r}|", "--package", package]);
    if let Some(target) = target {
        cargo.args(["--target", target]);
    }
    let told = cargo.output().map_err(|error| format!("cargo tree could not be started: {error}"))?;
    if !told.status.success() {
        return Err(format!("cargo tree --package {package}: {}", String::from_utf8_lossy(&told.stderr).trim()));
    }
    String::from_utf8(told.stdout).map_err(|_| format!("cargo tree --package {package}: not UTF-8"))
}

/// Checksums of what comes from a registry, by package URL.
fn checksums(lock: &str) -> BTreeMap<String, String> {
    let entry = |text: &str| {
        let of = |key: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"'));
            value.map(str::to_owned)
        };
        Some((url(&of("name")?, &of("version")?), of("checksum")?))
    };
    lock.split("[[package]]").filter_map(entry).collect()
}

fn url(name: &str, version: &str) -> String {
    // A version may hold build metadata, `0.12.3+spec-1.1.0`.
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

impl Package {
    fn url(&self) -> String {
        url(&self.name, &self.version)
    }

    /// The depth, and the package of a line such as `2|mapping v0.1.0 (/a/path)|Apache-2.0||`.
    fn read(line: &str) -> Option<(usize, Self)> {
        let mut columns = line.split('|');
        let depth = columns.next()?.parse().ok()?;
        let mut words = columns.next()?.split(' ');
        let (name, version) = (words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned());
        // Cargo's former way to write "or".
        let license = columns.next()?.split('/').map(str::trim).collect::<Vec<_>>().join(" OR ");
        let repository = columns.next()?.to_owned();
        let is_own = words.next().is_some_and(|word| word.starts_with("(/"));
        Some((depth, Self { name, version, license, repository, is_own }))
    }

    fn json(&self, checksum: Option<&String>) -> String {
        let url = self.url();
        let mut members = vec![
            ("type", quoted("library")),
            ("bom-ref", quoted(&url)),
            ("name", quoted(&self.name)),
            ("version", quoted(&self.version)),
            ("scope", quoted("required")),
        ];
        if let Some(checksum) = checksum {
            members.push(("hashes", format!(r#"[{{"alg": "SHA-256", "content": {}}}]"#, quoted(checksum))));
        }
        if !self.license.is_empty() {
            members.push(("licenses", licenses(&self.license)));
        }
        members.push(("purl", quoted(&url)));
        if self.repository.starts_with("https://") {
            let reference = format!(r#"[{{"type": "vcs", "url": {}}}]"#, quoted(&self.repository));
            members.push(("externalReferences", reference));
        }
        object(&members)
    }
}

impl Bill {
    /// Takes a tree over: a line's parent is the last one before it that is less deep.
    fn take(&mut self, tree: &str) -> Done {
        let mut parents: Vec<String> = Vec::new();
        for line in tree.lines().filter(|line| !line.is_empty()) {
            let (depth, package) = Package::read(line).ok_or_else(|| format!("cargo tree wrote {line:?}"))?;
            let url = package.url();
            parents.truncate(depth);
            if let Some(parent) = parents.last() {
                self.needs.entry(parent.clone()).or_default().insert(url.clone());
            }
            self.needs.entry(url.clone()).or_default();
            self.packages.insert(url.clone(), package);
            parents.push(url);
        }
        Ok(())
    }

    /// The program is what the bill is of; its mappings and the playground's are passed on with it.
    fn json(mut self, checksums: &BTreeMap<String, String>) -> Done<String> {
        let of = |name: &str| self.packages.values().find(|package| package.is_own && package.name == name);
        let program = of(PROGRAM).ok_or("cargo tree did not name the program")?.clone();
        let beside: Vec<String> =
            COMPONENTS.iter().chain([&PLAYGROUND]).filter_map(|name| Some(of(name)?.url())).collect();
        let (name, version, license) = HTMX;
        let htmx = format!("pkg:npm/{name}@{version}");
        let needs = self.needs.entry(program.url()).or_default();
        needs.extend(beside);
        needs.insert(htmx.clone());
        self.needs.entry(htmx.clone()).or_default();
        self.packages.remove(&program.url());

        let mut components: Vec<String> =
            self.packages.iter().map(|(url, package)| package.json(checksums.get(url))).collect();
        components.push(object(&[
            ("type", quoted("library")),
            ("bom-ref", quoted(&htmx)),
            ("name", quoted(name)),
            ("version", quoted(version)),
            ("scope", quoted("required")),
            ("licenses", licenses(license)),
            ("purl", quoted(&htmx)),
        ]));
        let needs = self.needs.iter().map(|(url, needs)| {
            let needs: Vec<String> = needs.iter().map(|url| quoted(url)).collect();
            object(&[("ref", quoted(url)), ("dependsOn", format!("[{}]", needs.join(", ")))])
        });
        let subject = object(&[
            ("type", quoted("application")),
            ("bom-ref", quoted(&program.url())),
            ("name", quoted(&program.name)),
            ("version", quoted(&program.version)),
            ("licenses", licenses(&program.license)),
            ("purl", quoted(&program.url())),
        ]);
        let text = object(&[
            ("$schema", quoted("http://cyclonedx.org/schema/bom-1.6.schema.json")),
            ("bomFormat", quoted("CycloneDX")),
            ("specVersion", quoted("1.6")),
            ("version", "1".to_owned()),
            ("metadata", object(&[("component", subject)])),
            ("components", list(components)),
            ("dependencies", list(needs)),
        ]);
        Ok(text + "\n")
    }
}

fn licenses(expression: &str) -> String {
    format!(r#"[{{"expression": {}}}]"#, quoted(expression))
}

fn object(members: &[(&str, String)]) -> String {
    let members: Vec<String> = members.iter().map(|(name, value)| format!("{}: {value}", quoted(name))).collect();
    format!("{{{}}}", members.join(", "))
}

fn list(items: impl IntoIterator<Item = String>) -> String {
    format!("[\n{}\n]", items.into_iter().collect::<Vec<_>>().join(",\n"))
}

/// A text in JSON.
fn quoted(text: &str) -> String {
    let mut json = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => json.extend(['\\', letter]),
            control if control < ' ' => json.push_str(&format!("\\u{:04x}", u32::from(control))),
            letter => json.push(letter),
        }
    }
    json + "\""
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn bill(text: &str) -> Value {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    fn all<'v>(value: &'v Value, key: &str) -> Vec<&'v str> {
        value.as_array().expect("a list").iter().map(|item| item[key].as_str().expect("a text")).collect()
    }

    const TREE: &str = "0|openimis-mediator v0.1.0 (/a/path)|Apache-2.0||\n\
        1|old v1.0.0+spec-1.1|MIT/Apache-2.0|https://example.org/\"old\"|\n\
        2|deep v2.0.0|MIT|git://example.org|\n\
        1|deep v2.0.0|MIT|git://example.org|\n\
        1|map-patient v0.1.0 (/a/path/map)|Apache-2.0||\n\
        2|old v1.0.0+spec-1.1|MIT/Apache-2.0|https://example.org/\"old\"| (*)\n";

    #[test]
    fn what_cargo_tells_becomes_components_and_what_they_need() {
        let mut read = Bill::default();
        read.take(TREE).expect("a tree");
        read.take("no tree").expect_err("another line");
        let lock =
            "[[package]]\nname = \"old\"\nversion = \"1.0.0+spec-1.1\"\nsource = \"registry\"\nchecksum = \"00ff\"\n";
        let bill = bill(&read.json(&checksums(lock)).expect("a bill"));
        assert_eq!(bill["metadata"]["component"]["name"], "openimis-mediator");
        assert_eq!(all(&bill["components"], "name"), ["deep", "map-patient", "old", "htmx.org"]);
        let old = &bill["components"][2];
        assert_eq!(old["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(old["purl"], "pkg:cargo/old@1.0.0%2Bspec-1.1");
        assert_eq!(old["hashes"][0]["content"], "00ff");
        assert_eq!(old["externalReferences"][0]["url"], "https://example.org/\"old\"");
        assert!(
            bill["components"][0].get("externalReferences").is_none() && bill["components"][0].get("hashes").is_none()
        );
        let needs = |name: &str| {
            let of = bill["dependencies"].as_array().expect("a list").iter().find(|item| item["ref"] == name);
            of.unwrap_or_else(|| panic!("{name}"))["dependsOn"].clone()
        };
        let (old, deep) = ("pkg:cargo/old@1.0.0%2Bspec-1.1", "pkg:cargo/deep@2.0.0");
        let program = [deep, "pkg:cargo/map-patient@0.1.0", old, "pkg:npm/htmx.org@2.0.11"];
        assert_eq!(needs("pkg:cargo/openimis-mediator@0.1.0"), Value::from(program.to_vec()));
        assert_eq!(needs(old), Value::from(vec![deep]));
        assert_eq!(needs("pkg:cargo/map-patient@0.1.0"), Value::from(vec![old]));
    }

    #[test]
    fn the_bill_of_the_program_is_whole() {
        let text = text().expect("a bill");
        assert_eq!(text, super::text().expect("a bill"), "the same sources, another bill");
        let bill = bill(&text);
        assert_eq!((bill["bomFormat"].as_str(), bill["specVersion"].as_str()), (Some("CycloneDX"), Some("1.6")));
        let components = bill["components"].as_array().expect("components");
        let mut known: BTreeSet<&str> = all(&bill["components"], "bom-ref").into_iter().collect();
        assert_eq!(known.len(), components.len(), "a reference is there twice");
        assert!(components.len() > 200, "{}", components.len());
        known.insert(bill["metadata"]["component"]["bom-ref"].as_str().expect("a reference"));
        for name in ["sqlx", "rustls", "wasmtime", "mapping", "map-claim", "mapping-npm", "htmx.org"] {
            assert!(components.iter().any(|component| component["name"] == name), "{name} is missing");
        }
        for name in ["mediator-tests", "proptest", "syn", "xtask", "cc"] {
            assert!(components.iter().all(|component| component["name"] != name), "{name} is not linked");
        }
        for component in components {
            let license = component["licenses"][0]["expression"].as_str().unwrap_or_default();
            assert!(!license.is_empty() && !license.contains('/'), "{component}");
            let path = component["purl"].as_str().expect("a package URL");
            assert!(path.starts_with("pkg:cargo/") || path.starts_with("pkg:npm/"), "{component}");
            let checksum = component["hashes"][0]["content"].as_str();
            assert!(checksum.is_none_or(|sum| sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit())));
        }
        let with_checksum = components.iter().filter(|component| component.get("hashes").is_some()).count();
        assert!(with_checksum + 20 > components.len(), "only ours have none: {with_checksum} of {}", components.len());
        let dependencies = bill["dependencies"].as_array().expect("dependencies");
        assert_eq!(dependencies.len(), known.len());
        for dependency in dependencies {
            let needs = dependency["dependsOn"].as_array().expect("a list").iter();
            let missing: Vec<_> = needs.filter(|url| !known.contains(url.as_str().unwrap_or_default())).collect();
            assert!(
                known.contains(dependency["ref"].as_str().unwrap_or_default()) && missing.is_empty(),
                "{dependency}"
            );
        }
    }
}
