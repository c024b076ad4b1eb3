//! The real openIMIS (FHIR R4 on PostgreSQL, from Debian and PyPI) that the end-to-end tests use: `tests/openimis`.

use std::process::Command;

use crate::{Done, check, root, say};

/// `cargo xtask openimis up|down|wipe`.
pub fn command(what: &str) -> Done {
    match what {
        "up" => up(),
        "down" => script("down.sh", &[]),
        "wipe" => script("down.sh", &["--wipe"]),
        other => Err(format!("openimis {other}: expected up, down or wipe")),
    }
}

/// Installs what is missing and starts it; about a minute the first time. The error says why it can't run here.
pub fn up() -> Done {
    for (tool, why) in [
        ("runuser", "PostgreSQL does not run as root"),
        ("apt-get", "PostgreSQL and Python come from Debian's packages"),
    ] {
        let found = Command::new("sh").args(["-c", &format!("command -v {tool}")]).output();
        if !found.is_ok_and(|output| output.status.success()) {
            return Err(format!("{tool} is not here ({why})"));
        }
    }
    if !Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n") {
        return Err("its set-up installs packages and starts PostgreSQL: run `cargo xtask test` as root, for example in a container".into());
    }
    say("bringing a real openIMIS up (about a minute the first time)");
    script("up.sh", &[])
}

fn script(name: &str, args: &[&str]) -> Done {
    let path = root().join("tests/openimis").join(name);
    check(Command::new("bash").arg(&path).args(args), &format!("tests/openimis/{name}"))
}
