//! The settings as files: the example, the reference for people, the schema for editors.

use openimis_mediator::config::NAMED;
use serde_json::{Map, Value, json};

use super::source::{Fact, Key, Kind, Section};

const WIDTH: usize = 119;

const EXAMPLE_HEAD: &str = "\
openimis-mediator: every setting, with its meaning, unit and default.

Copy this file to `mediator.toml` and set what has no default. Lines that begin with `#` and a key are defaults, or
examples of what is optional: take the `#` away to change them.

- It is read from `--config <file>`, else from the file that OPENIMIS_MEDIATOR_CONFIG names, else from `mediator.toml`
  in the working directory.
- The environment wins over the file. Every key has a variable: `cht.timeout` is OPENIMIS_MEDIATOR__CHT__TIMEOUT.
  The names of CHT's documentation work too (OPENIMIS_API_URL, CHT_URL and so on); they are given at their keys.
- Keep passwords out of this file: give them by an environment variable, or by a file that OPENIMIS_PASSWORD_FILE,
  CHT_PASSWORD_FILE or MEDIATOR_PASSWORD_FILE names.
- Times are written as \"30s\", \"10m\", \"24h\" or \"500ms\". Hours are the largest unit: a week is \"168h\".
- `openimis-mediator --config <file> config check` tells every mistake at once.

This file is made from the program's sources: `cargo xtask docs`.";

/// `config.example.toml`.
pub fn example(settings: &Section) -> String {
    let mut out = String::new();
    for line in EXAMPLE_HEAD.lines() {
        out.push_str(format!("# {line}").trim_end());
        out.push('\n');
    }
    example_of(settings, &mut out);
    out
}

fn example_of(section: &Section, out: &mut String) {
    let is_inner = |key: &&Key| matches!(key.kind, Kind::Section(_) | Kind::Sections(_));
    for key in section.keys.iter().filter(|key| !is_inner(key)) {
        if section.path.is_empty() {
            out.push('\n');
        }
        comment(&explained(key), out);
        let (mark, value) = match &key.fact {
            Fact::Required(value, _) => ("", value),
            Fact::Default(value, _) | Fact::Optional(value, _) => ("#", value),
            Fact::None => panic!("{}: its doc comment says neither Default:, nor Required, nor Optional", key.path),
        };
        out.push_str(&format!("{mark}{} = {value}\n", key.name));
    }
    for key in section.keys.iter().filter(is_inner) {
        out.push('\n');
        match (&key.kind, &key.fact) {
            (Kind::Sections(inner), Fact::Optional(block, _)) => blocks(key, inner, block, out),
            (Kind::Section(inner), Fact::None) => {
                comment(&key.text, out);
                out.push_str(&format!("[{}]\n", key.path));
                example_of(inner, out);
            }
            _ => panic!(
                "{}: a section has no default; a list of sections has `Optional, for example` and TOML",
                key.path
            ),
        }
    }
}

/// A list of sections, as an example: each field is explained where it is met first.
fn blocks(key: &Key, inner: &Section, block: &str, out: &mut String) {
    comment(&explained(key), out);
    let mut told = Vec::new();
    for line in block.lines() {
        if let Some((name, _)) = line.split_once(" = ") {
            let field = inner.keys.iter().find(|field| field.name == name);
            let field = field.unwrap_or_else(|| panic!("{}: {name} of the example is no field", key.path));
            if !told.contains(&name) {
                comment(&field.text, out);
                told.push(name);
            }
        }
        out.push_str(&format!("#{line}\n"));
    }
}

/// All that is said of a key, as plain text.
fn explained(key: &Key) -> String {
    let mut parts = vec![key.text.clone()];
    match &key.fact {
        Fact::Default(value, more) => parts.push(format!("Default {value}{more}.")),
        Fact::Required(_, more) => parts.extend(["No default.".to_owned(), sentence(more)]),
        Fact::Optional(_, more) => parts.extend(["Optional.".to_owned(), sentence(more)]),
        Fact::None => {}
    }
    parts.extend(variable(key).map(|name| format!("Variable: {name} or {name}_FILE.")));
    parts.retain(|part| !part.is_empty());
    parts.join(" ")
}

fn sentence(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{text}.") }
}

fn variable(key: &Key) -> Option<&'static str> {
    NAMED.iter().find(|(_, path)| *path == key.path).map(|(name, _)| *name)
}

fn comment(text: &str, out: &mut String) {
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH && line != "#" {
            out.push_str(&line);
            out.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    if line != "#" {
        out.push_str(&line);
        out.push('\n');
    }
}

const REFERENCE_HEAD: &str = "\
# Configuration

Every setting, with its meaning and default. This page and [config.example.toml](../config.example.toml), the file to
begin with, are made from the program's sources; an editor that knows JSON Schema helps with
[config.schema.json](../config.schema.json). Where settings come from, and how secrets are given, is told in
[operations.md](operations.md#configuration).

Every key has a variable that wins over the file: `cht.timeout` is `OPENIMIS_MEDIATOR__CHT__TIMEOUT`. Where a second
name is given, it works as well, and with `_FILE` it names a file that holds the value. Times are written as `\"30s\"`,
`\"10m\"`, `\"24h\"` or `\"500ms\"`; hours are the largest unit.
";

/// `docs/configuration.md`.
pub fn reference(settings: &Section) -> String {
    let mut out = REFERENCE_HEAD.to_owned();
    let top = Section { path: String::new(), keys: leaves(settings).cloned().collect() };
    out.push_str("\n## Top\n");
    table(&top, &mut out);
    sections(settings, &mut out);
    out
}

fn leaves(section: &Section) -> impl Iterator<Item = &Key> {
    section.keys.iter().filter(|key| !matches!(key.kind, Kind::Section(_) | Kind::Sections(_)))
}

fn sections(section: &Section, out: &mut String) {
    for key in &section.keys {
        let (inner, brackets) = match &key.kind {
            Kind::Section(inner) => (inner, ("[", "]")),
            Kind::Sections(inner) => (inner, ("[[", "]]")),
            _ => continue,
        };
        out.push_str(&format!("\n## `{}{}{}`\n\n{}\n", brackets.0, key.path, brackets.1, linked(&key.text)));
        table(inner, out);
        if let Fact::Optional(block, _) = &key.fact {
            out.push_str(&format!("\n```toml\n{block}\n```\n"));
        }
        sections(inner, out);
    }
}

fn table(section: &Section, out: &mut String) {
    if leaves(section).next().is_none() {
        return;
    }
    out.push_str("\n| Key | Value | Default | Meaning |\n| --- | --- | --- | --- |\n");
    for key in leaves(section) {
        let (default, more) = match &key.fact {
            Fact::Default(value, more) => (format!("`{value}`{}", linked(more)), String::new()),
            Fact::Required(_, more) => ("must be set".to_owned(), sentence(more)),
            Fact::Optional(_, more) => ("none".to_owned(), sentence(more)),
            Fact::None => ("–".to_owned(), String::new()),
        };
        let example = match &key.fact {
            Fact::Required(value, _) | Fact::Optional(value, _) if value != "\"change-me\"" => {
                format!("Example: `{value}`.")
            }
            _ => String::new(),
        };
        let name = variable(key).map(|name| format!("Variable: `{name}`.")).unwrap_or_default();
        let parts = [linked(&key.text), linked(&more), words(key), example, name];
        let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        let (path, text) = (&key.path, parts.join(" ").replace('|', "\\|"));
        out.push_str(&format!(
            "| <a id=\"{path}\"></a>`{}` | {} | {default} | {text} |\n",
            key.name,
            kind_in_words(&key.kind)
        ));
    }
}

/// Words and their meanings, where the text does not tell them.
fn words(key: &Key) -> String {
    let kind = if let Kind::List(inner) = &key.kind { inner } else { &key.kind };
    let Kind::Word(words) = kind else { return String::new() };
    if words.iter().all(|(word, _)| key.text.contains(&format!("\"{word}\""))) {
        return String::new();
    }
    let told = |(word, meaning): &(String, String)| match meaning.is_empty() {
        true => format!("`\"{word}\"`"),
        false => format!("`\"{word}\"`: {}", meaning.trim_end_matches('.')),
    };
    format!("Values: {}.", words.iter().map(told).collect::<Vec<_>>().join("; "))
}

fn kind_in_words(kind: &Kind) -> String {
    match kind {
        Kind::Text => "text".to_owned(),
        Kind::Secret => "secret text".to_owned(),
        Kind::Boolean => "`true`, `false`".to_owned(),
        Kind::Number => "number".to_owned(),
        Kind::Duration => "time".to_owned(),
        Kind::File => "path".to_owned(),
        Kind::Address => "address (URL)".to_owned(),
        Kind::Socket => "address and port".to_owned(),
        Kind::Word(_) => "word".to_owned(),
        Kind::List(inner) => format!("list: {}", kind_in_words(inner)),
        Kind::Section(_) | Kind::Sections(_) => "table".to_owned(),
    }
}

/// `docs/x.md` in a text becomes a link to the page beside.
pub fn linked(text: &str) -> String {
    let link = |word: &str| {
        let begin = word.find("docs/")?;
        let end = word[begin..].find(".md")? + begin + 3;
        let page = &word[begin + 5..end];
        Some(format!("{}[{page}]({page}){}", &word[..begin], &word[end..]))
    };
    text.split(' ').map(|word| link(word).unwrap_or_else(|| escaped(word))).collect::<Vec<_>>().join(" ")
}

/// A word that Markdown would take for a tag or for a link.
fn escaped(word: &str) -> String {
    if word.contains('`') { word.to_owned() } else { word.replace('<', "&lt;").replace("[[", "\\[\\[") }
}

/// `config.schema.json`.
pub fn schema(settings: &Section) -> String {
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!("Configuration of openimis-mediator"));
    schema.extend(schema_of_section(settings));
    let mut text = serde_json::to_string_pretty(&Value::Object(schema)).expect("JSON");
    text.push('\n');
    text
}

fn schema_of_section(section: &Section) -> Map<String, Value> {
    let properties = section.keys.iter().map(|key| (key.name.clone(), schema_of_key(key))).collect::<Map<_, _>>();
    let section = json!({"type": "object", "additionalProperties": false, "properties": properties});
    section.as_object().expect("an object").clone()
}

fn schema_of_key(key: &Key) -> Value {
    let mut schema = schema_of(&key.kind);
    schema.insert("description".to_owned(), json!(explained(key)));
    if let Fact::Default(value, _) = &key.fact {
        let table: toml::Table =
            format!("value = {value}").parse().unwrap_or_else(|error| panic!("{}: {error}", key.path));
        schema.insert("default".to_owned(), serde_json::to_value(&table["value"]).expect("JSON"));
    }
    Value::Object(schema)
}

fn schema_of(kind: &Kind) -> Map<String, Value> {
    let schema = match kind {
        Kind::Text | Kind::Secret | Kind::File | Kind::Socket => json!({"type": "string"}),
        Kind::Boolean => json!({"type": "boolean"}),
        Kind::Number => json!({"type": "number"}),
        Kind::Duration => json!({"type": "string", "pattern": "^[0-9]"}),
        Kind::Address => json!({"type": "string", "format": "uri"}),
        Kind::Word(words) => json!({"enum": words.iter().map(|(word, _)| word).collect::<Vec<_>>()}),
        Kind::List(inner) => json!({"type": "array", "items": schema_of(inner)}),
        Kind::Section(inner) => return schema_of_section(inner),
        Kind::Sections(inner) => json!({"type": "array", "items": schema_of_section(inner)}),
    };
    schema.as_object().expect("an object").clone()
}
