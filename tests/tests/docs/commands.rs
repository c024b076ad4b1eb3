//! The command lines of the documentation are those of the program.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use mediator_tests::running::{program, workspace};

use super::pages::{page, pages};

/// What a command of the program knows: its commands, or its options.
struct Help {
    commands: BTreeSet<String>,
    options: BTreeSet<String>,
}

/// Asks the program itself.
fn help(path: &[String]) -> Help {
    let ran = Command::new(program()).args(path).arg("--help").env_clear().output().expect("the program runs");
    assert!(ran.status.success(), "{path:?}");
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    let listed = text.split_once("\nCommands:\n").map(|(_, rest)| rest.split("\n\n").next().unwrap_or_default());
    let commands = listed.into_iter().flat_map(str::lines).filter_map(|line| line.split_whitespace().next());
    let options = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-'));
    Help {
        commands: commands.map(str::to_owned).collect(),
        options: options.filter(|word| word.starts_with("--")).map(str::to_owned).collect(),
    }
}

/// The words of a line of shell, as far as examples need it: quotes and redirections.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for letter in line.chars() {
        match (quote, letter) {
            (None, '\'' | '"') => quote = Some(letter),
            (Some(open), letter) if letter == open => quote = None,
            (None, '#') if word.is_empty() => break,
            (None, letter) if letter.is_whitespace() => {
                words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)))
            }
            _ => word.push(letter),
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

/// The commands of a block: in `console` they stand behind a `$`, and what follows is what they print.
fn lines(language: &str, code: &str) -> Vec<String> {
    let joined = code.replace("\\\n", " ");
    match language {
        "sh" => joined.lines().map(str::to_owned).collect(),
        "console" => joined.lines().filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// `NAME=value` before a command.
fn is_variable(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_')
    })
}

/// The arguments that the program gets in a line; it may be called more than once.
fn calls(line: &str) -> Vec<Vec<String>> {
    let words = words(line);
    let ends =
        |word: &str| matches!(word, "|" | "||" | "&&" | ";" | "&") || word.starts_with('>') || word.starts_with('<');
    let is_program = |word: &str| word == "openimis-mediator" || word.ends_with("/openimis-mediator");
    let mut calls = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| words[before].as_str());
        // As a command, not as the name of a user or of a unit.
        let is_command =
            before.is_none_or(|before| ends(before) || is_variable(before) || matches!(before, "mediator" | "sudo"));
        if is_program(word) && is_command {
            calls.push(words[at + 1..].iter().take_while(|word| !ends(word)).cloned().collect());
        }
    }
    calls
}

#[test]
fn every_command_line_of_the_documentation_is_one_of_the_program() {
    let mut known: BTreeMap<Vec<String>, Help> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut checked = 0;
    for path in pages() {
        for (language, code) in page(&path).code {
            for call in lines(&language, &code).iter().flat_map(|line| calls(line)) {
                checked += 1;
                let mut command = Vec::new();
                let mut rest = call.iter().peekable();
                loop {
                    let help = known.entry(command.clone()).or_insert_with(|| help(&command));
                    match rest.peek() {
                        Some(word) if help.commands.contains(*word) => command.extend(rest.next().cloned()),
                        // `--config <file>` may stand before the command.
                        Some(word) if *word == "--config" && command.is_empty() => drop((rest.next(), rest.next())),
                        _ => break,
                    }
                }
                let help = &known[&command];
                let place = path.strip_prefix(workspace()).expect("in the workspace").display().to_string();
                if !help.commands.is_empty() && !call.iter().any(|word| word == "--help" || word == "--version") {
                    wrong.push(format!("{place}: {} is no command", call.join(" ")));
                }
                for option in rest.filter(|word| word.starts_with("--")) {
                    let option = option.split('=').next().unwrap_or_default();
                    if !help.options.contains(option) {
                        wrong.push(format!("{place}: {}: no option {option}", call.join(" ")));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(checked > 20, "only {checked} command lines were found");
}

#[test]
fn every_command_of_xtask_in_the_documentation_is_there() {
    let source = std::fs::read_to_string(workspace().join("xtask/src/main.rs")).expect("xtask");
    let mut wrong = Vec::new();
    for path in pages() {
        for (language, code) in page(&path).code {
            for line in lines(&language, &code) {
                let words = words(&line);
                let Some(at) = words.iter().position(|word| word == "xtask") else { continue };
                let command = words.get(at + 1).map(String::as_str).unwrap_or_default();
                if !source.contains(&format!("Some(\"{command}\")")) {
                    wrong.push(format!("{}: {line}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
