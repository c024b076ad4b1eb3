//! No file imports another one that, by whatever detour, imports it.
//!
//! A folder and the file that declares it are one unit: what a file imports of a module above it is not counted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use mediator_tests::running::workspace;
use syn::visit::{self, Visit};

/// A module, by the names on its path from the root of its crate.
type Module = Vec<String>;
/// Which module imports which.
type Imports = BTreeMap<Module, BTreeSet<Module>>;

/// The source folders of all crates that are part of the product or build it.
fn sources() -> Vec<PathBuf> {
    let below = |folder: &str| {
        let entries = std::fs::read_dir(workspace().join(folder)).expect("a folder");
        entries.map(|entry| entry.expect("an entry").path().join("src")).filter(|source| source.is_dir())
    };
    let single = ["host", "npm", "xtask"].map(|name| workspace().join(name).join("src"));
    below("crates").chain(below("components")).chain(single).collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// `server/mod.rs` and `server.rs` are the module `server`; `lib.rs` and `main.rs` are the root.
fn module_of(file: &Path) -> Module {
    let mut names: Module =
        file.with_extension("").iter().map(|name| name.to_str().expect("a name in UTF-8").to_owned()).collect();
    names.pop_if(|last| ["mod", "lib", "main"].contains(&last.as_str()));
    names
}

/// Collects what one file names, relative to the crate's root.
struct Names<'a> {
    /// The module that is being read: that of the file, and those that are written within it.
    module: Module,
    modules: &'a BTreeSet<Module>,
    found: Vec<Module>,
}

impl Names<'_> {
    fn name(&mut self, segments: &[String]) {
        let (mut from, mut rest) = (self.module.clone(), segments);
        match rest.first().map(String::as_str) {
            Some("crate") => (from, rest) = (Module::new(), &rest[1..]),
            Some("self") => rest = &rest[1..],
            Some("super") => {
                while rest.first().is_some_and(|name| name == "super") {
                    from.pop();
                    rest = &rest[1..];
                }
            }
            // A module that is declared here; anything else is another crate, or was imported and so counted.
            Some(first) if self.modules.contains(&[self.module.as_slice(), &[first.to_owned()]].concat()) => {}
            _ => return,
        }
        from.extend_from_slice(rest);
        self.found.push(from);
    }

    fn tree(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.tree(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) => self.name(&with(&name.ident)),
            syn::UseTree::Rename(rename) => self.name(&with(&rename.ident)),
            syn::UseTree::Glob(_) => self.name(before),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.tree(before, item)),
        }
    }

    /// Paths in what a macro is given: `a :: b`.
    fn tokens(&mut self, tokens: &str) {
        let is_name = |word: &str| word.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
        let mut spaced = String::new();
        for letter in tokens.chars() {
            match letter {
                ':' => spaced.push(letter),
                letter if letter.is_alphanumeric() || letter == '_' => spaced.push(letter),
                letter => spaced.extend([' ', letter, ' ']),
            }
        }
        let spaced = spaced.replace("::", " :: ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let mut path: Vec<String> = Vec::new();
        for (position, word) in words.iter().enumerate() {
            let is_continued = words.get(position + 1) == Some(&"::");
            match *word {
                "::" => {}
                name if is_name(name) => {
                    path.push(name.to_owned());
                    if !is_continued {
                        self.name(&std::mem::take(&mut path));
                    }
                }
                _ => path.clear(),
            }
        }
    }
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.content.is_some() && !is_for_tests(&item.attrs) {
            self.module.push(item.ident.to_string());
            visit::visit_item_mod(self, item);
            self.module.pop();
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_for_tests(&item.attrs) {
            self.tree(&[], &item.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 {
            self.name(&segments);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, found: &'ast syn::Macro) {
        self.tokens(&found.tokens.to_string());
        visit::visit_macro(self, found);
    }
}

/// What the files of a crate, by their path below its source folder, import of each other.
fn imports(files: &[(PathBuf, String)]) -> Imports {
    let modules: BTreeSet<Module> = files.iter().map(|(file, _)| module_of(file)).collect();
    let mut imports = Imports::new();
    for (file, text) in files {
        let own = module_of(file);
        let parsed = syn::parse_file(text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let mut names = Names { module: own.clone(), modules: &modules, found: Vec::new() };
        names.visit_file(&parsed);
        for found in names.found {
            let prefixes = (1..=found.len()).rev().map(|length| &found[..length]);
            let target = prefixes.map(<[String]>::to_vec).find(|prefix| modules.contains(prefix));
            if let Some(target) = target.filter(|target| !own.starts_with(target)) {
                imports.entry(own.clone()).or_default().insert(target);
            }
        }
    }
    imports
}

/// The imports that are part of a circle, or lead from one circle to another: modules that import nothing more, or that nobody imports
/// any more, are taken out until none is left.
fn circles(mut imports: Imports) -> Vec<String> {
    loop {
        let imported: BTreeSet<Module> = imports.values().flatten().cloned().collect();
        let before: usize = imports.values().map(BTreeSet::len).sum();
        let importing: BTreeSet<Module> =
            imports.iter().filter(|(_, of)| !of.is_empty()).map(|(module, _)| module.clone()).collect();
        imports.retain(|module, _| imported.contains(module) && importing.contains(module));
        imports.values_mut().for_each(|of| of.retain(|module| importing.contains(module)));
        if imports.values().map(BTreeSet::len).sum::<usize>() == before {
            break;
        }
    }
    let shown = |module: &Module| module.join("/");
    let edges = imports.iter().flat_map(|(module, of)| of.iter().map(move |target| (module, target)));
    edges.map(|(module, target)| format!("{} -> {}", shown(module), shown(target))).collect()
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut wrong = Vec::new();
    let mut counted = 0;
    for source in sources() {
        let files: Vec<(PathBuf, String)> = rust_files(&source)
            .into_iter()
            .map(|file| {
                let text = std::fs::read_to_string(&file).expect("a source file");
                (file.strip_prefix(&source).expect("below the folder").to_owned(), text)
            })
            .collect();
        counted += files.len();
        let name = source.parent().and_then(Path::file_name).expect("a crate").to_string_lossy();
        wrong.extend(circles(imports(&files)).into_iter().map(|edge| format!("{name}: {edge}")));
    }
    assert!(counted > 300, "only {counted} files were read");
    assert!(wrong.is_empty(), "these imports close circles; move what both need into a file below them: {wrong:#?}");
}

#[test]
fn a_circle_is_found_wherever_its_imports_stand() {
    let file = |path: &str, text: &str| (PathBuf::from(path), text.to_owned());
    let circle = [
        file("lib.rs", "mod a; mod b; mod c;"),
        file("a.rs", "use crate::b::{self, Thing};"),
        file("b/mod.rs", "pub mod deep; use super::c::Other;"),
        file("b/deep.rs", "use crate::b::Thing; fn f() {}"),
        file("c.rs", "fn f() { html!(p { (crate::a::g()) }) }"),
    ];
    assert_eq!(circles(imports(&circle)), ["a -> b", "b -> c", "c -> a"]);
    let of_tests = [
        file("a.rs", "use crate::b::Thing;"),
        file("b.rs", "#[cfg(test)] mod tests { use crate::a; }"),
        file("b/deep.rs", "use super::Thing;"),
    ];
    assert_eq!(circles(imports(&of_tests)), [""; 0]);
}
