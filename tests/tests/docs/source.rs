//! The settings as their types tell them: names, kinds and doc comments, read from the sources. So the doc comment of a field is
//! the one place where a setting is explained.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mediator_tests::running::workspace;
use syn::{Attribute, Expr, Fields, Item, Lit, Meta, Type};

/// Where settings may be defined.
const PLACES: [&str; 8] = [
    "crates/console/src/settings.rs",
    "crates/auth/src/settings.rs",
    "crates/store/src/settings.rs",
    "host/src/config.rs",
    "host/src/config",
    "crates/flow/src/settings.rs",
    "crates/flow/src/settings",
    "crates/mapping/src",
];

/// A table of the configuration.
#[derive(Clone, Debug)]
pub struct Section {
    /// With dots; empty for the whole.
    pub path: String,
    pub keys: Vec<Key>,
}

/// A key and all that is said of it.
#[derive(Clone, Debug)]
pub struct Key {
    pub path: String,
    pub name: String,
    /// What it is, as one line.
    pub text: String,
    pub fact: Fact,
    pub kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum Kind {
    Text,
    Secret,
    Boolean,
    Number,
    Duration,
    File,
    Address,
    Socket,
    /// One of these, each with what it means.
    Word(Vec<(String, String)>),
    List(Box<Kind>),
    Section(Section),
    Sections(Section),
}

/// Whether it must be set, and what holds if it is not. The first text is TOML, the second what is said further.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fact {
    Default(String, String),
    Required(String, String),
    Optional(String, String),
    /// Of sections and of the fields of a list's elements.
    None,
}

/// The whole configuration.
pub fn settings() -> Section {
    let sources = Sources::read();
    sources.section("", "Config", None, &workspace().join("host/src/config.rs"))
}

struct Sources(BTreeMap<String, Vec<(PathBuf, Item)>>);

impl Sources {
    fn read() -> Self {
        let mut types: BTreeMap<String, Vec<(PathBuf, Item)>> = BTreeMap::new();
        for file in PLACES.iter().flat_map(|place| rust_files(&workspace().join(place))) {
            let text = std::fs::read_to_string(&file).expect("a source file");
            let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            for item in parsed.items {
                let name = match &item {
                    Item::Struct(item) => item.ident.to_string(),
                    Item::Enum(item) => item.ident.to_string(),
                    _ => continue,
                };
                types.entry(name).or_default().push((file.clone(), item));
            }
        }
        Self(types)
    }

    /// A type by its name, and the module that is written before it; of several the one of the same file.
    fn find(&self, name: &str, module: Option<&str>, from: &Path) -> Option<&(PathBuf, Item)> {
        let found = self.0.get(name)?;
        let in_module = |file: &Path| {
            let parts = file.with_extension("");
            module.is_some_and(|module| parts.iter().any(|part| part == module))
        };
        let mut ways = [
            found.iter().find(|(file, _)| in_module(file)),
            found.iter().find(|(file, _)| module.is_none() && file == from),
            (found.len() == 1).then(|| &found[0]),
        ];
        ways.iter_mut().find_map(Option::take)
    }

    fn section(&self, path: &str, name: &str, module: Option<&str>, from: &Path) -> Section {
        let Some((file, Item::Struct(item))) = self.find(name, module, from) else {
            panic!("{path}: no struct {name}")
        };
        let Fields::Named(fields) = &item.fields else { panic!("{name} has fields without names") };
        let mut keys = Vec::new();
        for field in &fields.named {
            let ident = field.ident.as_ref().expect("a name").to_string();
            let name = serde_word(&field.attrs, "rename").unwrap_or(ident);
            let key = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let (text, fact) = told(&key, &doc(&field.attrs));
            let kind = self.kind(&key, &field.ty, file);
            keys.push(Key { path: key, name, text, fact, kind });
        }
        Section { path: path.to_owned(), keys }
    }

    fn kind(&self, path: &str, of: &Type, from: &Path) -> Kind {
        let Type::Path(of) = of else { panic!("{path}: a type that the documentation's generator does not know") };
        let segments: Vec<String> = of.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let name = segments.last().expect("a name").as_str();
        let inner = || match &of.path.segments.last().expect("a name").arguments {
            syn::PathArguments::AngleBracketed(arguments) => {
                arguments.args.iter().find_map(|argument| match argument {
                    syn::GenericArgument::Type(inner) => Some(inner.clone()),
                    _ => None,
                })
            }
            _ => None,
        };
        match name {
            "Option" => self.kind(path, &inner().expect("an inner type"), from),
            "Vec" | "BTreeSet" | "Table" => match self.kind(path, &inner().expect("an inner type"), from) {
                Kind::Section(section) => Kind::Sections(section),
                kind => Kind::List(Box::new(kind)),
            },
            "String" => Kind::Text,
            "SecretString" => Kind::Secret,
            "bool" => Kind::Boolean,
            "u8" | "u16" | "u32" | "u64" | "usize" | "i16" | "i32" | "i64" | "f32" | "f64" | "NonZeroU32" => {
                Kind::Number
            }
            "SignedDuration" => Kind::Duration,
            "PathBuf" => Kind::File,
            "Url" => Kind::Address,
            "SocketAddr" => Kind::Socket,
            _ => {
                let module = segments.len().checked_sub(2).map(|at| segments[at].as_str());
                // `use flow::settings as peers`.
                let module = module.map(|module| if module == "peers" { "settings" } else { module });
                match self.find(name, module, from) {
                    Some((_, Item::Enum(item))) => Kind::Word(words(item)),
                    Some((_, Item::Struct(_))) => Kind::Section(self.section(path, name, module, from)),
                    _ => panic!(
                        "{path}: the documentation's generator (tests/tests/docs/source.rs) does not know {name}"
                    ),
                }
            }
        }
    }
}

fn words(item: &syn::ItemEnum) -> Vec<(String, String)> {
    let style = serde_word(&item.attrs, "rename_all").unwrap_or_default();
    let word = |variant: &syn::Variant| {
        serde_word(&variant.attrs, "rename").unwrap_or_else(|| in_style(&variant.ident.to_string(), &style))
    };
    item.variants.iter().map(|variant| (word(variant), doc(&variant.attrs).join(" "))).collect()
}

fn in_style(name: &str, style: &str) -> String {
    let between = match style {
        "kebab-case" => "-",
        "snake_case" => "_",
        "lowercase" => "",
        other => panic!("{name}: serde's {other:?} is not known here"),
    };
    let mut word = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !word.is_empty() {
            word.push_str(between);
        }
        word.extend(letter.to_lowercase());
    }
    word
}

/// The word that `#[serde(<name> = "word")]` says.
fn serde_word(attributes: &[Attribute], name: &str) -> Option<String> {
    let mut word = None;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        attribute
            .parse_nested_meta(|meta| {
                if let Ok(value) = meta.value() {
                    let value: Lit = value.parse()?;
                    if let (true, Lit::Str(text)) = (meta.path.is_ident(name), value) {
                        word = Some(text.value());
                    }
                }
                Ok(())
            })
            .expect("an attribute of serde");
    }
    word
}

/// The lines of a doc comment.
fn doc(attributes: &[Attribute]) -> Vec<String> {
    let text = |attribute: &Attribute| match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    };
    attributes.iter().filter_map(text).map(|line| line.trim().to_owned()).collect()
}

/// What a doc comment says of a key: its text, and the fact that its last paragraph holds.
fn told(path: &str, lines: &[String]) -> (String, Fact) {
    let last = lines.iter().rposition(|line| {
        ["Default: ", "Required, for example", "Optional, for example"].iter().any(|word| line.starts_with(word))
    });
    let Some(last) = last else { return (flat(lines), Fact::None) };
    let (text, fact) = (flat(&lines[..last]), &lines[last..]);
    let fact = match fact {
        [head, fence, block @ .., end] if fence == "```toml" && end == "```" => {
            assert_eq!(head, "Optional, for example", "{path}");
            Fact::Optional(block.join("\n"), String::new())
        }
        _ => {
            let fact = flat(fact);
            let (word, rest) = fact.split_once('`').unwrap_or_else(|| panic!("{path}: no value in `` after {fact}"));
            let (value, more) = rest.split_once('`').unwrap_or_else(|| panic!("{path}: {fact}"));
            let (value, more) = (value.to_owned(), more.trim_end_matches('.').to_owned());
            match word.split([':', ',']).next() {
                Some("Default") => Fact::Default(value, more),
                Some("Required") => Fact::Required(value, more.trim_start_matches(['.', ' ']).to_owned()),
                _ => Fact::Optional(value, more.trim_start_matches(['.', ' ']).to_owned()),
            }
        }
    };
    (text, fact)
}

fn flat(lines: &[String]) -> String {
    lines.iter().map(String::as_str).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The files of a place.
pub fn rust_files(place: &Path) -> Vec<PathBuf> {
    if place.is_file() {
        return vec![place.to_owned()];
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(place).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() || path.extension().is_some_and(|extension| extension == "rs") {
            files.extend(rust_files(&path));
        }
    }
    files.sort();
    files
}
