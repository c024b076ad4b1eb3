//! `config check`: every problem at once, or what was understood. `config hash-password`: a password for `[[clients]]`.

use std::io::{BufRead, IsTerminal, Read};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{anyhow, bail};
use auth::{Clients, credential::hash_password};
use clap::Subcommand;
use flow::ports::Http;
use futures_util::future::join_all;
use openimis_mediator::config::Config as Settings;
use openimis_mediator::http::ReqwestHttp;
use openimis_mediator::load_mappings;
use openimis_mediator::openhim::adopt::{differences, plainly};
use openimis_mediator::server::tls::Certificate;
use secrecy::{ExposeSecret, SecretString};
use store::check_key_file;

use super::Source;

#[derive(Subcommand)]
pub enum Config {
    /// Read the configuration and tell every problem of it; else what it says, and which servers answer
    Check {
        /// Ask no server whether it answers
        #[arg(long)]
        offline: bool,
    },
    /// Read a password from standard input and print its hash, for `password_hash` of a client
    HashPassword,
}

impl Config {
    pub async fn run(self, source: &Source) -> anyhow::Result<ExitCode> {
        match self {
            Self::Check { offline } => check(source, offline).await,
            Self::HashPassword => hash(),
        }
    }
}

async fn check(source: &Source, offline: bool) -> anyhow::Result<ExitCode> {
    let read = source.config();
    let readable = match &read {
        Ok(config) => Some(config.clone()),
        Err(_) => source.partial_config().ok(),
    };
    let mut problems = read.as_ref().err().map(|error| error.0.clone()).unwrap_or_default();
    if let Some(config) = readable {
        problems.extend(Certificate::load(&config.server.tls).err().map(|error| error.to_string()));
        problems.extend(Clients::new(&config.auth()).err().map(|error| error.to_string()));
        problems.extend(check_key_file(config.store.key_file.as_deref()).err().map(|error| error.0));
        problems.extend(load_mappings(&config).err().map(|error| format!("components: {error}")));
        problems.extend(ReqwestHttp::new(config.tls.ca_file.as_deref(), 1).err().map(|error| error.to_string()));
    }
    let Ok(config) = read else { return Ok(report(&problems)) };
    if !problems.is_empty() {
        return Ok(report(&problems));
    }
    out!("The configuration can be used.");
    doors(&config);
    peers(&config, offline).await?;
    out!("  tasks for     {:?} claims", config.tasks.policy);
    match &config.subscription.callback {
        Some(url) => out!("  subscription  {url}"),
        None => out!("  subscription  none: claims are found by polling only (subscription.callback)"),
    }
    out!("  messages in   {}", config.store.shown());
    out!("  components    {}", config.components_dir().display());
    for warning in source.warnings(&config) {
        out!("  warning       {warning}");
    }
    openhim_differs(&config).await;
    Ok(ExitCode::SUCCESS)
}

/// Who may come in, and where.
fn doors(config: &Settings) {
    out!("  listens on    {}", config.listen);
    out!(
        "  TLS           {}",
        if config.server.tls.cert_file.is_some() { "yes" } else { "no: plain HTTP (server.tls)" }
    );
    match config.has_admin() {
        true => out!("  admin API     {}", config.admin.listen),
        false => out!("  admin API     none: no client has the scope admin"),
    }
    if config.serves_metrics() {
        let who = if config.metrics.public { "to anybody" } else { "to clients with the scope metrics" };
        out!("  metrics       {}/metrics, {who}", config.admin.listen);
    }
    for client in &config.clients {
        let scopes: Vec<&str> = client.scopes.iter().map(|scope| scope.word()).collect();
        out!("  client        {} for {}", client.name, scopes.join(", "));
    }
}

/// Longest wait for a server.
const PATIENCE: Duration = Duration::from_secs(3);

/// Which servers the mediator speaks to, and whether they answer. One that does not is no fault of the configuration: it may be down.
async fn peers(config: &Settings, offline: bool) -> anyhow::Result<()> {
    let http = ReqwestHttp::new(config.tls.ca_file.as_deref(), 1)?;
    let callback = &config.eclaim.callback;
    let anonymous = "nobody".to_owned();
    let user = |name: &Option<String>| name.clone().unwrap_or_else(|| anonymous.clone());
    let registry = &config.facilities;
    let all = [
        ("openIMIS", &config.openimis.url, config.openimis.username.clone(), ""),
        ("CHT", &config.cht.url, config.cht.username.clone(), ""),
        ("OpenHIM", &config.openhim.url, user(&config.openhim.username), "openhim.url"),
        (
            "facilities",
            &registry.url,
            if registry.token.is_some() { "a token".to_owned() } else { user(&registry.username) },
            "facilities.url",
        ),
        (
            "callback",
            &callback.url,
            if callback.token.is_some() { "a token".to_owned() } else { user(&callback.username) },
            "eclaim.callback.url",
        ),
    ];
    let answers = join_all(all.iter().map(async |(_, url, ..)| match url {
        Some(url) if !offline => answers(&http, url).await,
        _ => String::new(),
    }));
    for ((name, url, user, key), answers) in all.iter().zip(answers.await) {
        match url {
            Some(url) => out!("  {name:<14}{url} as {user}{answers}"),
            None => out!("  {name:<14}none ({key})"),
        }
    }
    Ok(())
}

/// Whether a server says anything at all; without credentials, for those are shown to it when there is work.
async fn answers(http: &ReqwestHttp, url: &url::Url) -> String {
    let Ok(request) = http::Request::get(url.as_str()).header("accept", "application/json").body(Vec::new()) else {
        return String::new();
    };
    match http.send(request, PATIENCE).await {
        Ok(_) => ": it answers".to_owned(),
        Err(error) => format!(": not reachable now ({error})"),
    }
}

/// Settings on which OpenHIM's console decides, and not the file.
async fn openhim_differs(config: &Settings) {
    match differences(config).await {
        Ok(different) if different.is_empty() => {}
        Ok(different) => {
            out!(
                "\nOpenHIM's console says something else than the file, and counts (`openhim adopt file` or `console`):"
            );
            for one in &different {
                let file = one.file.as_ref().map(plainly).unwrap_or_default();
                out!("  {} = {}, in the file {file}", one.key, plainly(&one.value));
            }
        }
        Err(error) => out!("\nWhether OpenHIM's console says something else than the file is not known: {error}"),
    }
}

/// A password is long or it is none: anybody on the way may try millions.
const SHORTEST: usize = 8;
/// What is longer is no password but a wrong file.
const LONGEST: u64 = 64 << 10;

fn hash() -> anyhow::Result<ExitCode> {
    let password = if std::io::stdin().is_terminal() {
        let password = rpassword::prompt_password("Password: ")?;
        if rpassword::prompt_password("Again: ")? != password {
            bail!("the two are not the same");
        }
        SecretString::from(password)
    } else {
        let mut text = String::new();
        std::io::stdin().lock().take(LONGEST).read_line(&mut text)?;
        SecretString::from(text.trim_end_matches(['\r', '\n']))
    };
    if password.expose_secret().chars().count() < SHORTEST {
        bail!("a password has at least {SHORTEST} characters");
    }
    out!("{}", hash_password(&password).map_err(|error| anyhow!("the password cannot be hashed: {error}"))?);
    Ok(ExitCode::SUCCESS)
}

fn report(problems: &[String]) -> ExitCode {
    out!("{} problem(s) in the configuration:", problems.len());
    for problem in problems {
        out!("  - {problem}");
    }
    ExitCode::FAILURE
}
