//! `config check`: every problem at once, or what was understood. `config hash-password`: a password for `[[clients]]`.

use std::io::{BufRead, IsTerminal, Read};
use std::process::ExitCode;

use anyhow::{anyhow, bail};
use clap::Subcommand;
use openimis_mediator::clients::{Clients, hash_password};
use openimis_mediator::http::ReqwestHttp;
use openimis_mediator::load_mappings;
use openimis_mediator::server::tls::Certificate;
use openimis_mediator::store::check_key_file;
use secrecy::{ExposeSecret, SecretString};

use super::Source;

#[derive(Subcommand)]
pub enum Config {
    /// Read the configuration and tell every problem of it
    Check,
    /// Read a password from standard input and print its hash, for `password_hash` of a client
    HashPassword,
}

impl Config {
    pub fn run(self, source: &Source) -> anyhow::Result<ExitCode> {
        match self {
            Self::Check => check(source),
            Self::HashPassword => hash(),
        }
    }
}

fn check(source: &Source) -> anyhow::Result<ExitCode> {
    let read = source.config();
    let readable = match &read {
        Ok(config) => Some(config.clone()),
        Err(_) => source.partial_config().ok(),
    };
    let mut problems = read.as_ref().err().map(|error| error.0.clone()).unwrap_or_default();
    if let Some(config) = readable {
        problems.extend(Certificate::load(&config.server.tls).err().map(|error| error.to_string()));
        problems.extend(Clients::new(&config).err().map(|error| error.to_string()));
        problems.extend(check_key_file(config.store.key_file.as_deref()).err().map(|error| error.0));
        problems.extend(load_mappings(&config).err().map(|error| format!("components: {error}")));
        problems.extend(ReqwestHttp::new(config.tls.ca_file.as_deref(), 1).err().map(|error| error.to_string()));
    }
    let Ok(config) = read else { return Ok(report(&problems)) };
    if !problems.is_empty() {
        return Ok(report(&problems));
    }
    let shown = |url: &Option<url::Url>| url.as_ref().map(ToString::to_string).unwrap_or_default();
    out!("The configuration can be used.");
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
    out!("  openIMIS      {} as {}", shown(&config.openimis.url), config.openimis.username);
    out!("  CHT           {} as {}", shown(&config.cht.url), config.cht.username);
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
    Ok(ExitCode::SUCCESS)
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
