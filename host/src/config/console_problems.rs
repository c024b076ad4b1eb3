//! What is wrong with the settings of the console.

use console::ConsoleSettings;

/// What does not fit.
pub(super) fn problems(console: &ConsoleSettings) -> Vec<String> {
    let mut problems = Vec::new();
    if console.zone().is_none() {
        problems
            .push("console.time_zone: no time zone is called so; expected for example \"Asia/Kathmandu\"".to_owned());
    }
    for (key, time) in [("idle_timeout", console.idle_timeout), ("session_timeout", console.session_timeout)] {
        if !time.is_positive() {
            problems.push(format!("console.{key}: expected a time longer than 0, for example 30m"));
        }
    }
    problems
}
