//! `serve --sandbox`: the mediator with stand-ins for its peers, and what to try first.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use auth::credential::hash_password;
use clap::Args;
use console::session;
use flow::mapping::codes::CodeRow;
use openimis_mediator::Host;
use openimis_mediator::config::{Config, Log};
use sandbox::{
    CHT_PASSWORD, HOSPITAL_PASSWORD, Hospital, OPENHIM_PASSWORD, OPENHIM_USER, OPENIMIS_PASSWORD, OpenHim, OpenHimAuth,
    REGISTRY_TOKEN, Registry, SAMPLE_BUNDLE, Sandbox, USER,
};

/// As CHT's documentation calls them.
const INBOUND_USER: &str = "interop-client";
const INBOUND_PASSWORD: &str = "interop-password";
const ADMIN_USER: &str = "admin";
/// As which the hospital comes.
const HOSPITAL_USER: &str = "hospital";
const HOSPITAL_OWN_PASSWORD: &str = "hospital-password";
/// How long the stand-in's officers take for each step of a claim.
const OFFICERS: Duration = Duration::from_secs(5);
/// The ClaimResponse of CHT's documentation.
const SAMPLE: &str = include_str!("../../../wit/cases/claim-response/documented-sample.input.json");

/// What `serve` is asked for with its sandbox.
#[derive(Args)]
pub struct Options {
    /// Run with stand-ins for openIMIS and CHT, to try the mediator out. No configuration is needed or read
    #[arg(long)]
    sandbox: bool,
    /// Sandbox: with a stand-in for OpenHIM's core, too
    #[arg(long, requires = "sandbox")]
    openhim: bool,
    /// Sandbox: where messages and the stand-ins' data are kept
    #[arg(long, default_value = "sandbox-data")]
    data: PathBuf,
    /// Sandbox: the mediator's port; openIMIS gets the next one, CHT the one after, the admin API the third, OpenHIM the two after that, the hospital the sixth, the registry of facilities the seventh
    #[arg(long, default_value_t = 8080)]
    port: u16,
}

impl Options {
    /// Whether it is the sandbox that is to be served.
    pub fn is_asked_for(&self) -> bool {
        self.sandbox
    }
}

/// Starts the stand-ins and the mediator, prints what to try, serves.
pub async fn serve(options: Options) -> anyhow::Result<ExitCode> {
    let Options { data, port, openhim: with_openhim, .. } = options;
    super::log::log_to_stderr(&Log::default());
    std::fs::create_dir_all(&data).with_context(|| data.display().to_string())?;
    let data = data.canonicalize()?;
    let sample = data.join("sample-claim-response.json");
    std::fs::write(&sample, SAMPLE).with_context(|| sample.display().to_string())?;
    let bundle = data.join("sample-bahmni-bundle.json");
    std::fs::write(&bundle, SAMPLE_BUNDLE).with_context(|| bundle.display().to_string())?;

    let address = |offset: u16| SocketAddr::from(([127, 0, 0, 1], port.saturating_add(offset)));
    let sandbox = Sandbox::start_in(address(1), address(2), Some(&data)).await.with_context(|| {
        format!("the stand-ins cannot listen on ports {} and {}: choose another --port", port + 1, port + 2)
    })?;
    let mediator = format!("http://{}", address(0));
    let hospital = Hospital::start(address(6)).await;
    let hospital =
        hospital.with_context(|| format!("the hospital cannot listen on {}: choose another --port", address(6)))?;
    hospital.set_mediator(&mediator, HOSPITAL_USER, HOSPITAL_OWN_PASSWORD);
    sandbox.openimis.adjudicate_after(OFFICERS);
    sandbox.cht.set_outbound(
        format!("{mediator}/mediator/claims-feedback"),
        INBOUND_USER.to_owned(),
        INBOUND_PASSWORD.to_owned(),
    );
    // Another one at each start: whoever reads this page of the documentation must not know it.
    let admin_password = random_password()?;
    let mut config = config(&data, address(0), address(3), (&sandbox, &hospital), &admin_password)?;
    let openhim = match with_openhim {
        true => Some(openhim(&mut config, address).await.context("the stand-in for OpenHIM cannot listen")?),
        false => None,
    };
    let registry = registry(&mut config, address(7)).await?;
    let host = Host::build(config).await?;
    println!("{}", welcome(&mediator, (address(3), &admin_password), &sandbox, &sample, &data));
    println!("{}", eclaiming(&mediator, &hospital, &bundle));
    println!("{}", facilities(&registry, address(3)));
    if let Some(openhim) = &openhim {
        println!("{}", beside_openhim(openhim, &sample));
    }
    super::run::serve(host).await
}

/// A stand-in for a registry of facilities: new ones, one that may be a duplicate, one that cannot be mapped.
async fn registry(config: &mut Config, address: SocketAddr) -> anyhow::Result<Registry> {
    let registry = Registry::start(address).await;
    let registry =
        registry.with_context(|| format!("the registry cannot listen on {address}: choose another --port"))?;
    registry.put_facility("hp-1", "North Health Post", "rapta");
    registry.put_facility("hp-2", "South Health Post", "jambero");
    registry.put_facility("hp-3", "Rapta Health Center", "rapta");
    registry.put_facility("hp-4", "Far Health Post", "nowhere");
    config.facilities.url = Some(registry.url().parse()?);
    config.facilities.token = Some(REGISTRY_TOKEN.into());
    let mapping = &mut config.mapping.facility;
    (mapping.default_level, mapping.default_legal_form) = ("D".to_owned(), "G".to_owned());
    let district = |source: &str, openimis: &str| CodeRow { source: source.to_owned(), openimis: openimis.to_owned() };
    mapping.districts = vec![district("Location/rapta", "R1D1"), district("Location/jambero", "R1D2")].into();
    Ok(registry)
}

fn facilities(registry: &Registry, admin: SocketAddr) -> String {
    let url = registry.url();
    format!(
        r#"and with a stand-in for a registry of facilities (Master Facility List), which openIMIS follows

  registry   {url}/Location   asked every night, or at http://{admin}/console/facilities: "Ask for changes now"
"#
    )
}

/// A stand-in for OpenHIM's core, which the mediator registers with.
async fn openhim(config: &mut Config, address: impl Fn(u16) -> SocketAddr) -> anyhow::Result<OpenHim> {
    let openhim = OpenHim::start(address(4), address(5), OpenHimAuth::Basic).await?;
    openhim.install_all_channels();
    config.openhim.url = Some(openhim.api().parse()?);
    config.openhim.username = Some(OPENHIM_USER.to_owned());
    config.openhim.password = Some(OPENHIM_PASSWORD.into());
    config.openhim.endpoint = Some(format!("http://{}", address(0)).parse()?);
    config.openhim.report = true;
    Ok(openhim)
}

fn beside_openhim(openhim: &OpenHim, sample: &Path) -> String {
    let (core, router, sample) = (openhim.api(), openhim.router(), sample.display());
    format!(
        r#"and with a stand-in for OpenHIM

  OpenHIM    {core}   API and page: mediators and transactions
             {router}    router: clients openimis and cht, any password

   curl -u openimis:x -H 'Content-Type: application/json' \
        --data-binary @{sample} {router}/mediator/claim-response
"#
    )
}

/// For the admin, until the process ends.
fn random_password() -> anyhow::Result<String> {
    let random = session::random().ok_or_else(|| anyhow!("the system gives no random numbers"))?;
    let groups: Vec<&str> = (0..4).map(|group| &random[group * 4..][..4]).collect();
    Ok(groups.join("-"))
}

fn config(
    data: &Path,
    listen: SocketAddr,
    admin: SocketAddr,
    (sandbox, hospital): (&Sandbox, &Hospital),
    admin_password: &str,
) -> anyhow::Result<Config> {
    let hash = |password: &str| hash_password(&password.into()).map_err(|error| anyhow!("a password: {error}"));
    let toml = format!(
        r#"
        listen = "{listen}"
        inbound = {{ username = "{INBOUND_USER}", password = "{INBOUND_PASSWORD}" }}
        store.path = {store:?}
        openimis = {{ url = "{openimis}", username = "{USER}", password = "{OPENIMIS_PASSWORD}" }}
        cht = {{ url = "{cht}", username = "{USER}", password = "{CHT_PASSWORD}" }}
        poll = {{ interval = "5s", selected_interval = "5s" }}
        subscription.callback = "http://{listen}/mediator/claim-response"
        metrics.public = true
        admin.listen = "{admin}"
        clients = [
            {{ name = "admin", username = "{ADMIN_USER}", password_hash = "{admin_hash}", scopes = ["admin"] }},
            {{ name = "hospital", username = "{HOSPITAL_USER}", password_hash = "{hospital_hash}", scopes = ["eclaim", "eligibility"] }},
        ]
        mapping.patient = {{ default_place = "sandbox-village", phone_prefix = "+977" }}
        eclaim.follow_first = "2s"
        eclaim.follow_longest = "2s"
        eclaim.callback = {{ url = "{callback}", username = "{USER}", password = "{HOSPITAL_PASSWORD}" }}
        {CLAIM_TABLES}
        "#,
        store = data.join("mediator.db"),
        openimis = sandbox.openimis.url(),
        cht = sandbox.cht.url(),
        callback = hospital.callback(),
        admin_hash = hash(admin_password)?,
        hospital_hash = hash(HOSPITAL_OWN_PASSWORD)?,
    );
    Ok(Config::from_toml(&toml, &BTreeMap::new())?)
}

/// Which of the sample hospital's codes are which of openIMIS.
const CLAIM_TABLES: &str = r#"
        [mapping.eclaim]
        currency = "$"
        items = [
            { source = "https://cielterminology.org|70116", kind = "item", openimis = "0004" },
            { source = "https://cielterminology.org|160542", kind = "service", openimis = "M1" },
        ]
        facilities = [
            { source = "Location/2b6f6f4e-2f0c-4a6b-9a43-8c1d7a2f0001", openimis = "HF001", enterer = "CA001" },
        ]
"#;

fn eclaiming(mediator: &str, hospital: &Hospital, bundle: &Path) -> String {
    let (page, bundle) = (hospital.url(), bundle.display());
    format!(
        r#"and with a stand-in for a hospital's system (Bahmni), whose claims go to openIMIS

  hospital   {page}   what it sent and what came back: open it in a browser

   A patient's visit, as Bahmni tells it, becomes a claim in openIMIS. It is answered at once, and decided some ten seconds later:

   curl -u {HOSPITAL_USER}:{HOSPITAL_OWN_PASSWORD} -H 'Content-Type: application/fhir+json' --data-binary @'{bundle}' {mediator}/mediator/claim
"#
    )
}

fn welcome(
    mediator: &str,
    (admin, admin_password): (SocketAddr, &str),
    sandbox: &Sandbox,
    sample: &Path,
    data: &Path,
) -> String {
    let cht = sandbox.cht.url();
    let openimis = sandbox.openimis.url().replace("api/api_fhir_r4/", "");
    let sample = sample.display();
    let data = data.display();
    format!(
        r#"
openimis-mediator with sandbox peers (stand-ins that behave as the real ones, people are invented)

  mediator   {mediator}   user {INBOUND_USER}, password {INBOUND_PASSWORD}
  console    http://{admin}/console   what became of every message: open it in a browser
             user {ADMIN_USER}, password {admin_password} (a new one at each start; also for the admin API, http://{admin}/admin/messages)
  openIMIS   {openimis}   claims and the feedback on them: open it in a browser
  CHT        {cht}   people, and tasks for the health worker: open it in a browser
  playground {mediator}/playground/   what becomes of a document, and all that is wrong with it: open it in a browser

Try the loop: paste these two commands into another terminal.

1. A claim comes in from openIMIS (the sample of CHT's documentation) and becomes a task in CHT:

   curl -u {INBOUND_USER}:{INBOUND_PASSWORD} -H 'Content-Type: application/json' --data-binary @'{sample}' {mediator}/mediator/claim-response

2. The health worker asks the patient and sends the form; the answers come back to the claim in openIMIS:

   curl -H 'Content-Type: application/json' --data '{{"claim": "CHT979"}}' {cht}sandbox/feedback

Then look: the pages above, or   openimis-mediator messages list   with OPENIMIS_MEDIATOR__STORE__PATH={data}/mediator.db
Stop with Ctrl-C. Data is kept in {data}; remove it to begin anew.
"#
    )
}
