//! `patients`: contacts of CHT that may be an insuree, and the word of a person on them.

use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use mapping::ids::InsureeUuid;
use serde_json::Value;
use store::{Decided, PROPOSAL_STATES, Proposal, ProposalFilter, ProposalView, SqlStore, Unlinked};

use super::messages::{actor, open_store};
use super::{Source, print_json, print_pretty};

#[derive(Subcommand)]
pub enum Patients {
    /// List possible matches, newest first; without personal data
    List(List),
    /// Show one with what openIMIS and CHT say of the person: personal data; that it was read goes into the audit trail
    Show(Show),
    /// The contact is the insuree: they are linked, and the claims that wait go on
    Confirm(One),
    /// The contact is somebody else: it is not proposed again, and the claims that wait go on
    Refuse(One),
    /// Take a link back: with the next claim the insuree is looked for in CHT again. What waits because of the contact goes on
    Unlink(Unlink),
}

#[derive(Args)]
pub struct List {
    /// Only in this state: open, confirmed, refused or closed (settled without a decision)
    #[arg(long, value_parser = PROPOSAL_STATES, default_value = "open", conflicts_with = "all")]
    state: String,
    /// In any state
    #[arg(long)]
    all: bool,
    /// Only with a smaller number than this: the next page
    #[arg(long)]
    before: Option<i64>,
    /// At most so many
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub struct Show {
    /// Number of the possible match
    id: i64,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub struct One {
    /// Number of the possible match
    id: i64,
}

#[derive(Args)]
pub struct Unlink {
    /// openIMIS' uuid of the insuree
    insuree: String,
    /// The contact is somebody else: it is not taken for this insuree again
    #[arg(long)]
    refuse: bool,
}

impl Patients {
    pub async fn run(self, source: &Source) -> anyhow::Result<ExitCode> {
        let store = open_store(&source.partial_config()?).await?;
        let now = store.now(Timestamp::now()).await?;
        match self {
            Self::List(list) => list.run(&store).await,
            Self::Show(show) => show.run(&store, now).await,
            Self::Confirm(One { id }) => told(id, "linked", store.confirm_match(id, &actor(), now).await?),
            Self::Unlink(unlink) => unlink.run(&store, now).await,
            Self::Refuse(One { id }) => told(id, "refused", store.refuse_match(id, &actor(), now).await?),
        }
    }
}

fn told(id: i64, what: &str, decided: Decided) -> anyhow::Result<ExitCode> {
    match decided {
        Decided::Done { put_back } => {
            out!("possible match {id} is {what}; {put_back} message(s) are due now");
            Ok(ExitCode::SUCCESS)
        }
        Decided::NotOpen(state) => bail!("possible match {id} is {state}: there is nothing to decide"),
        Decided::NotFound => bail!("there is no possible match {id}"),
    }
}

impl List {
    async fn run(self, store: &SqlStore) -> anyhow::Result<ExitCode> {
        let state = (!self.all).then_some(self.state);
        let proposals = store.proposals(&ProposalFilter { state, before: self.before, limit: self.limit }).await?;
        if self.json {
            for proposal in &proposals {
                print_json(proposal)?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        let (id, fit) = ("id", "fit");
        out!("{id:>6}  {:<11}{fit:>4}  {:<38}{:<38}{:>5}  why", "state", "insuree", "CHT contact", "waits");
        for Proposal { id, state, score, insuree_uuid, contact_id, waiting, why, .. } in &proposals {
            let fit = format!("{:.0}%", score * 100.0);
            out!("{id:>6}  {state:<11}{fit:>4}  {insuree_uuid:<38}{contact_id:<38}{waiting:>5}  {why}");
        }
        if proposals.is_empty() {
            out!("");
            out!("nobody has to decide anything");
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Show {
    async fn run(self, store: &SqlStore, now: Timestamp) -> anyhow::Result<ExitCode> {
        let Some(view) = store.proposal(self.id).await? else { bail!("there is no possible match {}", self.id) };
        let what = format!("possible match {}", self.id);
        store.audited(&actor(), "read patient", None, &what, now).await?;
        if self.json {
            print_pretty(&view)?;
            return Ok(ExitCode::SUCCESS);
        }
        let ProposalView { proposal, insuree, contact, messages } = &view;
        out!("possible match {} ({}): {}", proposal.id, proposal.state, proposal.why);
        if let (Some(at), Some(by)) = (proposal.decided_at, &proposal.decided_by) {
            out!("decided        {at} by {by}");
        }
        out!("");
        out!("{:<15}{:<40}CHT", "", "openIMIS");
        out!("{:<15}{:<40}{}", "id", proposal.insuree_uuid, proposal.contact_id);
        for name in ["name", "date_of_birth", "phone", "sex", "chf_id", "place"] {
            let side = |side: &Value| side[name].as_str().unwrap_or("-").to_owned();
            out!("{name:<15}{:<40}{}", side(insuree), side(contact));
        }
        let waiting: Vec<String> = messages.iter().map(ToString::to_string).collect();
        out!("");
        out!("waiting        {}", if waiting.is_empty() { "-".to_owned() } else { waiting.join(", ") });
        Ok(ExitCode::SUCCESS)
    }
}

impl Unlink {
    async fn run(self, store: &SqlStore, now: Timestamp) -> anyhow::Result<ExitCode> {
        let Some(insuree) = InsureeUuid::parse(&self.insuree) else { bail!("expected openIMIS' uuid of an insuree") };
        let unlinked = store.unlink_patient(&insuree.to_string(), self.refuse, &actor(), now).await?;
        let Some(Unlinked { contact_id, put_back }) = unlinked else { bail!("insuree {insuree} has no link") };
        out!("insuree {insuree} is no longer linked to CHT contact {contact_id}; {put_back} message(s) are due now");
        Ok(ExitCode::SUCCESS)
    }
}
