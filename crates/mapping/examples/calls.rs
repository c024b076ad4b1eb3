//! Calls a mapping so many times: `calls <mapping> <times>`. For whoever counts instructions (`cargo xtask instructions`) or profiles.

use std::hint::black_box;
use std::process::ExitCode;

use mapping::{claim_response, feedback, patient};

const CLAIM_RESPONSE: &str = include_str!("../../../wit/cases/claim-response/documented-sample.input.json");
const FEEDBACK: &str = include_str!("../../../wit/cases/feedback/documented.input.json");
const PATIENT: &str = include_str!("../../../wit/cases/patient/recorded.input.json");

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, times] = &arguments[..] else { return ExitCode::from(2) };
    let Ok(times) = times.parse::<u32>() else { return ExitCode::from(2) };
    let claim = claim_response::Settings::default();
    let answers = feedback::Settings::default();
    let person = patient::Settings { default_place: "place".to_owned(), ..patient::Settings::default() };
    for _ in 0..times {
        let mapped = match name.as_str() {
            "claim-response" => claim_response::map(black_box(CLAIM_RESPONSE), None, None, &claim),
            "feedback" => feedback::map(black_box(FEEDBACK), None, &answers),
            "patient" => patient::map(black_box(PATIENT), &[], &person),
            _ => return ExitCode::from(2),
        };
        if black_box(mapped).is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
