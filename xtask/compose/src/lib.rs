//! Composes a component with the components that provide its imports. Each dependency provides the interface that it is named for, and
//! nothing else. The host would provide a dependency's own imports, with the edge's passwords and its network: one that imports more than
//! the contract's types is refused. (Spin loads such a dependency, and hides the app's configuration from it.)

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use wac_graph::types::{ItemKind, Package, Types};
use wac_graph::{CompositionGraph, EncodeOptions};

/// What a manifest says of the edge component, as far as it matters here.
#[derive(Debug, Deserialize)]
pub struct Manifest {
    /// By name.
    pub variables: BTreeMap<String, Variable>,
    component: BTreeMap<String, Component>,
}

/// A variable of the app.
#[derive(Debug, Deserialize)]
pub struct Variable {
    /// Its value, unless it is set.
    pub default: Option<String>,
}

/// A component of the app; its paths are relative to the manifest.
#[derive(Debug, Deserialize)]
pub struct Component {
    /// The file.
    pub source: PathBuf,
    /// Hosts that it may ask, as templates.
    pub allowed_outbound_hosts: Vec<String>,
    /// Its variables, as templates.
    pub variables: BTreeMap<String, String>,
    /// Which file supplies which interface.
    pub dependencies: BTreeMap<String, Dependency>,
}

/// Where an interface comes from.
#[derive(Debug, Deserialize)]
pub struct Dependency {
    /// The file.
    pub path: PathBuf,
    /// The name under which it exports the interface; by default the name of the import.
    pub export: Option<String>,
}

impl Manifest {
    /// Reads `spin.toml`.
    pub fn read(path: &Path) -> Result<Self, String> {
        toml::from_str(&String::from_utf8_lossy(&bytes(path)?)).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// The one component that there is.
    pub fn edge(&self) -> Result<&Component, String> {
        self.component.get("edge").ok_or_else(|| "the manifest has no [component.edge]".to_owned())
    }
}

impl Component {
    /// The component with its dependencies in it. `dir` is where its paths begin.
    pub fn composed(&self, dir: &Path) -> Result<Vec<u8>, String> {
        let mut graph = CompositionGraph::new();
        let edge = register(&mut graph, "edge", &place(dir, &self.source))?;
        let edge = graph.instantiate(edge);
        for (import, dependency) in &self.dependencies {
            let failed =
                |error: &dyn std::fmt::Display| format!("{import} from {}: {error}", dependency.path.display());
            // Spin tells dependencies apart by this name: two of one package are refused here as there.
            let package = import.split('/').next().unwrap_or_default();
            let plug = register(&mut graph, package, &place(dir, &dependency.path))?;
            let wants = imports(graph.types(), &graph[plug]).find(|(_, is_of_types)| !is_of_types);
            if let Some((name, _)) = wants {
                return Err(failed(&format!("it imports {name}; a mapping gets nothing but the contract's types")));
            }
            let plug = graph.instantiate(plug);
            let export = dependency.export.as_ref().unwrap_or(import);
            let export = graph.alias_instance_export(plug, export).map_err(|error| failed(&error))?;
            graph.set_instantiation_argument(edge, import, export).map_err(|error| failed(&error))?;
        }
        let handler = "wasi:http/incoming-handler@0.2.0";
        let export = graph.alias_instance_export(edge, handler).map_err(|error| format!("{handler}: {error}"))?;
        graph.export(export, handler).map_err(|error| format!("{handler}: {error}"))?;
        graph.encode(EncodeOptions::default()).map_err(|error| format!("{error}"))
    }
}

/// What a component imports, and whether that is one of the contract's interfaces with nothing but types in it.
fn imports<'t>(types: &'t Types, package: &'t Package) -> impl Iterator<Item = (&'t str, bool)> {
    types[package.ty()].imports.iter().map(|(name, item)| {
        let is_of_types = matches!(item, ItemKind::Instance(interface)
            if types[*interface].exports.values().all(|export| matches!(export, ItemKind::Type(_))));
        (name.as_str(), is_of_types && name.starts_with("openimis-mediator:mapping/"))
    })
}

/// The packages whose interfaces a component needs from its host, for who looks for a host.
pub fn needs(component: Vec<u8>) -> Result<Vec<String>, String> {
    let mut types = Types::default();
    let package = Package::from_bytes("composed", None, component, &mut types).map_err(|error| format!("{error:#}"))?;
    let needed = imports(&types, &package).filter(|(_, is_of_types)| !is_of_types).map(|(name, _)| name);
    let without_interface = |name: &str| match (name.split_once('/'), name.split_once('@')) {
        (Some((package, _)), Some((_, version))) => format!("{package}@{version}"),
        _ => name.to_owned(),
    };
    Ok(needed.map(without_interface).collect::<BTreeSet<_>>().into_iter().collect())
}

/// The folder into which cargo builds: `target`, or the one that `CARGO_TARGET_DIR` names.
fn place(dir: &Path, path: &Path) -> PathBuf {
    match (path.strip_prefix("target"), std::env::var_os("CARGO_TARGET_DIR")) {
        (Ok(below), Some(target)) => dir.join(target).join(below),
        _ => dir.join(path),
    }
}

fn register(graph: &mut CompositionGraph, name: &str, path: &Path) -> Result<wac_graph::PackageId, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let package = Package::from_bytes(name, None, bytes(path)?, graph.types_mut());
    let package = package.map_err(|error| failed(&format!("{error:#}")))?;
    graph.register_package(package).map_err(|error| failed(&error))
}

fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}
