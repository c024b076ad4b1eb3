//! A starter project: it builds, it passes `mapping test`, and what a country changes in it is plain to see.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use component_host::Interface;

/// The contract, as this program knows it.
const WIT: [(&str, &str); 9] = [
    ("types.wit", include_str!("../../../../wit/mapping/types.wit")),
    ("claim-response.wit", include_str!("../../../../wit/mapping/claim-response.wit")),
    ("feedback.wit", include_str!("../../../../wit/mapping/feedback.wit")),
    ("patient.wit", include_str!("../../../../wit/mapping/patient.wit")),
    ("lookups.wit", include_str!("../../../../wit/mapping/lookups.wit")),
    ("claim.wit", include_str!("../../../../wit/mapping/claim.wit")),
    ("eligibility.wit", include_str!("../../../../wit/mapping/eligibility.wit")),
    ("facility.wit", include_str!("../../../../wit/mapping/facility.wit")),
    ("worlds.wit", include_str!("../../../../wit/mapping/worlds.wit")),
];
const CARGO_TOML: &str = include_str!("starter/Cargo.toml.txt");
const README: &str = include_str!("starter/README.md");

/// What differs from mapping to mapping.
struct Starter {
    code: &'static str,
    input: &'static str,
    expected: &'static str,
    /// Where the mapping needs other settings than the default.
    settings: Option<&'static str>,
    /// What the README says of this one.
    note: &'static str,
}

/// What the small mapping leaves to who takes it over.
const CALENDAR: &str = "

Of its settings it follows the form, the names of the fields and the locale. It writes the civil date as it stands in the
document: `calendar` must be `gregorian` (the mediator's default is `bikram-sambat`: set
`mapping.claim_response.calendar`), `utc-offset-minutes` is not used, and the field `date` is not written.";

impl Starter {
    /// None: a mapping that asks for look-ups is no first project.
    fn of(interface: Interface) -> Option<Self> {
        macro_rules! starter {
            ($name:literal, $settings:expr, $note:expr) => {
                Self {
                    code: include_str!(concat!("starter/", $name, ".rs.txt")),
                    input: include_str!(concat!("starter/", $name, ".input.json")),
                    expected: include_str!(concat!("starter/", $name, ".expected.json")),
                    settings: $settings,
                    note: $note,
                }
            };
        }
        Some(match interface {
            Interface::ClaimResponse => {
                starter!("claim-response", Some(include_str!("starter/claim-response.settings.json")), CALENDAR)
            }
            Interface::Feedback => starter!("feedback", None, ""),
            Interface::Patient => starter!("patient", Some(include_str!("starter/patient.settings.json")), ""),
            Interface::Claim | Interface::Eligibility | Interface::Facility => return None,
        })
    }
}

pub fn write(folder: &Path, interface: Interface) -> anyhow::Result<ExitCode> {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let fits = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) || !name.chars().all(fits) {
        bail!("the name of a mapping begins with a lower-case letter and has lower-case letters, digits and - only");
    }
    if folder.exists() {
        bail!("{} is there already", folder.display());
    }
    let Some(Starter { code, input, expected, settings, note }) = Starter::of(interface) else {
        bail!("there is no starter for {}: wit/mapping and components/ show how it is written", interface.name());
    };
    let filled = |text: &str| {
        let file = name.replace('-', "_");
        text.replace("{{name}}", name)
            .replace("{{file}}", &file)
            .replace("{{mapping}}", interface.name())
            .replace("{{note}}", note)
    };
    let case = format!("fixtures/{}/first", interface.name());
    let mut files = vec![
        ("Cargo.toml".to_owned(), filled(CARGO_TOML)),
        ("README.md".to_owned(), filled(README)),
        (".gitignore".to_owned(), "target/\n".to_owned()),
        ("src/lib.rs".to_owned(), filled(code)),
        (format!("{case}/input.json"), input.to_owned()),
        (format!("{case}/expected.json"), expected.to_owned()),
    ];
    files.extend(settings.map(|text| (format!("{case}/settings.json"), text.to_owned())));
    files.extend(WIT.map(|(file, text)| (format!("wit/{file}"), text.to_owned())));
    for (file, text) in files {
        let path = folder.join(file);
        let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, text));
        written.with_context(|| path.display().to_string())?;
    }
    out!("wrote {}: its README.md has the two commands that build and try it", folder.display());
    Ok(ExitCode::SUCCESS)
}
