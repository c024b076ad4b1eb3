//! A PostgreSQL of its own for a test process: a fresh cluster in a temporary folder, on 127.0.0.1 only, durable as in production
//! (fsync stays on). Everybody on this machine may connect to it, so nothing but invented data belongs in it.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// How a server is stopped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stop {
    /// Sessions are cut, what they had not committed is undone.
    Fast,
    /// As if it had crashed: the next start recovers from the log.
    Immediate,
}

impl Stop {
    fn mode(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Immediate => "immediate",
        }
    }
}

/// A running cluster. Stopped and removed when this is dropped, and also when the test process just dies.
pub struct Cluster {
    tools: PathBuf,
    folder: PathBuf,
    port: u16,
    keeper: Child,
    databases: AtomicU32,
}

/// Waits until its standard input ends, which happens however the test process ends; then cleans up.
const KEEPER: &str = r#"
trap '' INT TERM HUP
cat > /dev/null
cd /
as=; [ -z "$3" ] || as="runuser -u $3 --"
# More than once, for a server that was just about to start.
for try in 1 2 3 4 5; do
  $as "$1/pg_ctl" stop -D "$2/data" -m immediate
  rm -rf "$2" && break
  sleep 1
done
"#;

/// PostgreSQL refuses to run as root; Debian's package has this user for it.
const USER: &str = "postgres";

impl Cluster {
    /// The cluster that tests of one binary share: each takes databases of its own. Not for tests that restart it.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Makes a cluster and starts it, in about two seconds.
    pub fn start() -> Self {
        let tools = tools().expect("PostgreSQL's server programs: `cargo xtask test` installs them");
        let folder = tempfile::Builder::new().prefix("postgres-").tempdir().expect("a folder").keep();
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "keeper"]).args([&tools, &folder]).arg(if is_root() { USER } else { "" });
        keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let keeper = keeper.spawn().expect("a shell");
        if is_root() {
            let given = Command::new("chown").arg(USER).arg(&folder).status();
            assert!(given.is_ok_and(|status| status.success()), "the user {USER} is not there");
        }
        let mut cluster = Self { tools, folder, port: 0, keeper, databases: AtomicU32::new(0) };
        let init = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"];
        cluster.run("initdb", init.map(OsStr::new).into_iter().chain(["-D".as_ref(), cluster.data().as_os_str()]));
        cluster.port = free_port();
        let settings = format!(
            "\nlisten_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = ''\nmax_connections = 100\n",
            cluster.port
        );
        let path = cluster.data().join("postgresql.conf");
        let defaults = std::fs::read_to_string(&path).expect("initdb wrote it");
        std::fs::write(&path, defaults + &settings).expect("a file that can be written");
        cluster.start_again();
        cluster
    }

    /// The address of a new, empty database.
    pub fn database(&self) -> String {
        let name = format!("mediator_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let port = self.port.to_string();
        self.run("createdb", ["-h", "127.0.0.1", "-p", &port, "-U", "postgres", &name]);
        format!("postgres://postgres@127.0.0.1:{port}/{name}")
    }

    /// What a statement gives in a database of this cluster: a line for each row, `|` between columns.
    pub fn sql(&self, url: &str, statement: &str) -> String {
        self.run("psql", ["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", statement]).trim().to_owned()
    }

    /// Stops it and starts it again; returns when it takes connections.
    pub fn restart(&self, how: Stop) {
        self.stop(how);
        self.start_again();
    }

    /// Stops it.
    pub fn stop(&self, how: Stop) {
        self.pg_ctl(&["stop", "-m", how.mode()]);
    }

    /// Starts what was stopped.
    pub fn start_again(&self) {
        self.pg_ctl(&["start"]);
    }

    fn pg_ctl(&self, what: &[&str]) {
        let log = self.folder.join("data/server.log");
        let data = self.data();
        let place = ["-w", "-t", "60", "-s", "-D"].map(OsStr::new).into_iter().chain([data.as_os_str()]);
        let log = ["-l".as_ref(), log.as_os_str()];
        self.run("pg_ctl", what.iter().map(OsStr::new).chain(place).chain(log));
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Runs one of PostgreSQL's programs to its end; returns what it printed.
    fn run<S: AsRef<OsStr>>(&self, program: &str, args: impl IntoIterator<Item = S>) -> String {
        let path = self.tools.join(program);
        let mut command = if is_root() { Command::new("runuser") } else { Command::new(&path) };
        if is_root() {
            command.args(["-u", USER, "--"]).arg(&path);
        }
        // A file, not a pipe: the server would inherit the pipe and keep it open.
        let (file, printed) = tempfile::NamedTempFile::new_in(&self.folder).expect("a file").into_parts();
        let errors = file.try_clone().expect("a file");
        command.args(args).current_dir(&self.folder).env_clear().env("LC_ALL", "C");
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let status = command.stdin(Stdio::null()).stdout(file).stderr(errors).status();
        let printed = std::fs::read_to_string(printed).expect("what it printed");
        let log = || std::fs::read_to_string(self.data().join("server.log")).unwrap_or_default();
        assert!(status.is_ok_and(|status| status.success()), "{program} failed:\n{printed}\n{}", log());
        printed
    }

    /// Where it is kept.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        if let Err(error) = self.keeper.wait() {
            eprintln!("PostgreSQL in {} may still run: {error}", self.folder.display());
        }
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// The newest server programs of Debian's packages, else those that are on the path.
pub fn tools() -> Option<PathBuf> {
    let has_server = |folder: &PathBuf| ["initdb", "pg_ctl", "postgres"].iter().all(|name| folder.join(name).is_file());
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin"))))
        .filter(|(_, folder)| has_server(folder))
        .max();
    newest.map(|(_, folder)| folder).or_else(|| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).find(has_server)
    })
}

/// Below the ports that outgoing connections take: nobody grabs it while the server restarts.
fn free_port() -> u16 {
    let mut random = fastrand::Rng::new();
    let mut candidates = (0..1000).map(|_| random.u16(15_000..32_000));
    candidates.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}
