//! The program as it runs in the image: as another user, with nothing but its own libraries, where only one folder can be written to.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use mediator_tests::running::{
    Process, components_dir, environment, eventually, post, program, sample_claim, sandbox, skipped,
};
use tempfile::TempDir;
use tokio::process::Command;

use super::{containerfile, deploy, image_environment, image_program, instruction, last_stage};

/// The libraries of the image `distroless/cc` that a Rust program may need.
const LIBRARIES: [&str; 8] = [
    "libc.so.6",
    "libm.so.6",
    "libgcc_s.so.1",
    "libdl.so.2",
    "libpthread.so.0",
    "librt.so.1",
    "ld-linux-x86-64.so.2",
    "ld-linux-aarch64.so.1",
];

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
    std::fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
}

/// Puts together what the image holds.
async fn root_filesystem(root: &Path) {
    let inside = |path: &str| root.join(path.trim_start_matches('/'));
    let folder = PathBuf::from(image_program()).parent().expect("a folder").to_owned();
    copy(program(), &inside(&image_program()));
    for entry in std::fs::read_dir(components_dir()).expect("components") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            let name = folder.join("components").join(path.file_name().expect("a name"));
            copy(&path, &inside(name.to_str().expect("a path")));
        }
    }
    let linked = Command::new("ldd").arg(program()).output().await.expect("ldd runs").stdout;
    for library in String::from_utf8_lossy(&linked).split_whitespace().filter(|word| word.starts_with('/')) {
        let name = Path::new(library).file_name().expect("a name").to_string_lossy().into_owned();
        assert!(LIBRARIES.contains(&name.as_str()), "{name} is not in the image");
        copy(Path::new(library), &inside(library));
    }
    for folder in ["proc", "dev", "etc/openimis-mediator"] {
        std::fs::create_dir_all(root.join(folder)).expect("a folder");
    }
    copy(&deploy("mediator.toml"), &inside("/etc/openimis-mediator/mediator.toml"));
    // The image has the authorities of Debian.
    let authorities = Path::new("/etc/ssl/certs/ca-certificates.crt");
    copy(authorities, &inside(authorities.to_str().expect("a path")));
}

/// A command within the root, as the image's user: `/proc` and `/dev` are mounted for it alone.
fn in_container(root: &Path, arguments: &[&str], env: &BTreeMap<String, String>) -> Command {
    let stage = last_stage();
    let script = r#"set -e
        mount --rbind /proc "$1/proc"; mount --rbind /dev "$1/dev"
        root="$1" user="$2"; shift 2
        exec chroot --userspec="$user" "$root" "$@""#;
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"]).arg(root);
    // chroot begins at `/`: the image's working directory is where its configuration is looked for.
    let config = format!("{}/mediator.toml", instruction(&stage, "WORKDIR"));
    command.arg(instruction(&stage, "USER")).arg(image_program()).args(["--config", &config]).args(arguments);
    command.env_clear().envs(env).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command
}

/// Files below a folder that belong to a user.
fn of_user(user: u32, folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let data = path.symlink_metadata().expect("a file");
        if data.uid() == user {
            found.push(path.clone());
        }
        if data.is_dir() {
            of_user(user, &path, found);
        }
    }
}

#[tokio::test]
async fn the_program_runs_as_in_the_image_and_writes_nowhere_but_to_its_volume() {
    const WHAT: &str = "tests/tests/deploy (the program as in the image)";
    let id = Command::new("id").arg("-u").output().await.expect("id runs").stdout;
    if id != b"0\n" {
        return skipped(WHAT, "only root can change its root and its user");
    }
    let probe = Command::new("unshare").args(["--mount", "--propagation", "private", "true"]).output().await;
    if !probe.is_ok_and(|output| output.status.success()) {
        return skipped(WHAT, "mounts of its own are not allowed here");
    }
    let dir = TempDir::new().expect("a folder");
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode");
    let root = dir.path().join("root");
    root_filesystem(&root).await;
    let stage = last_stage();
    let user: u32 = instruction(&stage, "USER").split(':').next().expect("a user").parse().expect("a number");
    let volume = root.join("var/lib/openimis-mediator");
    std::fs::create_dir_all(&volume).expect("the volume");
    chown(&volume, Some(user), Some(user)).expect("its owner");

    let sandbox = sandbox().await;
    let mut env = image_environment();
    // The peers and their credentials; nothing of where files are, but what the image says.
    let of_tests = environment(&sandbox, &dir, &[("tasks.policy", "all"), ("log.format", "human")]);
    let elsewhere = ["STORE", "COMPONENTS"].map(|section| format!("OPENIMIS_MEDIATOR__{section}__"));
    env.extend(of_tests.into_iter().filter(|(name, _)| !elsewhere.iter().any(|section| name.starts_with(section))));
    let mediator = Process::spawn(in_container(&root, &["serve"], &env), &dir).await;

    let client = reqwest::Client::new();
    let answer = post(&client, &format!("{}/mediator/claim-response", mediator.url), sample_claim()).await;
    assert_eq!(answer.status(), 202);
    eventually("CHT has the record", || async {
        let requests = sandbox.cht.requests();
        requests.iter().any(|(line, status)| line.starts_with("POST /api/v2/records") && *status == 200).then_some(())
    })
    .await;

    // The image's own health check, within the same root.
    env.insert("OPENIMIS_MEDIATOR__LISTEN".to_owned(), mediator.url.trim_start_matches("http://").to_owned());
    let health = in_container(&root, &["health"], &env).output().await.expect("it runs");
    assert!(health.status.success(), "{}", String::from_utf8_lossy(&health.stderr));

    let (status, log) = mediator.terminate().await;
    assert!(status.success(), "{log}");
    let mut written = Vec::new();
    of_user(user, &root.join("var"), &mut written);
    of_user(user, &root.join("etc"), &mut written);
    of_user(user, &root.join("opt"), &mut written);
    assert!(written.iter().any(|path| path.ends_with("mediator.db")), "{written:#?}");
    let beside: Vec<_> = written.iter().filter(|path| !path.starts_with(&volume)).collect();
    assert!(beside.is_empty(), "{beside:#?}");
}

#[test]
fn every_base_image_has_a_version_and_is_pinned_by_digest() {
    let all = containerfile();
    let default_of = |argument: &str| {
        let defaults = all.iter().filter(|(name, _)| name == "ARG").filter_map(|(_, rest)| rest.split_once('='));
        defaults.filter(|(name, _)| *name == argument).map(|(_, value)| value).next()
    };
    let stages: Vec<&str> = all.iter().filter(|(name, _)| name == "FROM").map(|(_, rest)| rest.as_str()).collect();
    assert_eq!(stages.len(), 2, "{stages:?}");
    for stage in stages {
        let image = stage.split(' ').next().expect("an image");
        let argument = image.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        let image =
            argument.map_or(image, |name| default_of(name).unwrap_or_else(|| panic!("ARG {name} has no default")));
        let (name, digest) = image.split_once("@sha256:").unwrap_or_else(|| panic!("{image} is not pinned by digest"));
        assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{image}");
        let (repository, tag) = name.rsplit_once(':').unwrap_or_else(|| panic!("{image} has no version"));
        assert!(tag != "latest" && repository.contains('/'), "{image}");
    }
}
