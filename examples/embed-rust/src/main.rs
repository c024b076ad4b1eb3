//! The mappings in a program of your own, without the rest of the mediator:
//! `cargo run -p embed-rust -- target/components wit/cases/claim-response/documented-sample.input.json`

use std::path::Path;
use std::time::Duration;

use component_host::{Limits, MappingHost};
use mapping::claim_response::{Calendar, Settings};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(components), Some(document)) = (arguments.next(), arguments.next()) else {
        return Err("expected the components' folder and a file with a ClaimResponse".into());
    };
    println!("{}", map(Path::new(&components), Path::new(&document))?);
    Ok(())
}

/// Maps one document; what cannot be mapped is reported as a FHIR `OperationOutcome`.
pub fn map(components: &Path, document: &Path) -> Result<String, Box<dyn std::error::Error>> {
    // A mapping that takes more than this is stopped, and only its own call fails.
    let limits = Limits { memory_bytes: 16 << 20, time: Duration::from_millis(200), instances: 4, ..Limits::default() };
    let host = MappingHost::load(components, limits)?;
    let settings = Settings { calendar: Calendar::Gregorian, ..Settings::default() };
    let text = std::fs::read_to_string(document)?;
    Ok(match host.map_claim_response(&text, None, None, &settings)? {
        Ok(mapped) => mapped.body,
        Err(issues) => mapping::outcome::operation_outcome(&issues),
    })
}
