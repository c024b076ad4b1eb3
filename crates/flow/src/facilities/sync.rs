//! A run over the registry.

use std::collections::{HashMap, HashSet};

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use mapping::facility::Envelope;
use url::Url;

use super::halt::{Halt, RunError};
use super::identity::Identity;
use super::plan::{Item, Plan, with_decisions};
use super::registry::RegistryError;
use super::session::Session;
use super::write::Mutation;
use super::{
    Action, Counts, Event, Ledger, Record, Registry, Run, RunEnd, RunObserver, RunRequest, State, StoredFacility,
};
use crate::Flow;
use crate::peers::PeerError;
use crate::ports::{Clock, Http, Mapper, MapperError, Store, StoreError};

/// Most pages of one run: a registry that says "next" for ever must not keep us for ever.
const PAGES: u32 = 100_000;
/// Facilities that are tried again at a time.
const AGAIN: u32 = 100;
/// Wait after a retry was interrupted.
const WAIT: SignedDuration = SignedDuration::from_mins(1);

impl Counts {
    fn count(&mut self, record: &Record) {
        let counted = match (record.state, record.action) {
            (State::Failed | State::Due, _) => &mut self.failed,
            (State::PossibleDuplicate, _) => &mut self.possible_duplicates,
            (State::Done, Some(Action::Create)) => &mut self.created,
            (State::Done, Some(Action::Update)) => &mut self.updated,
            (State::Done, _) => &mut self.unchanged,
        };
        *counted += 1;
    }
}

impl<H: Http, S: Store + Ledger, C: Clock, M: Mapper> Flow<H, S, C, M> {
    /// Brings the registry's facilities to openIMIS: those that changed since the last run, or all. Takes up a run that was interrupted.
    pub async fn sync_facilities(
        &self,
        registry: &Registry,
        asked: &RunRequest,
        tell: RunObserver<'_>,
    ) -> Result<Counts, RunError> {
        let now = self.clock.now();
        let last = self.store.last_facility_sync().await?;
        let since = last.filter(|_| !asked.whole).map(|last| last.saturating_add(-registry.overlap).unwrap_or(last));
        let mut run = match asked.dry_run {
            true => Run::dry(asked.whole, since, now),
            false => self.store.begin_facility_run(asked, since, now).await?,
        };
        if run.next_page.is_none() {
            run.counts = Counts::default();
        }
        let mut session = self.session(asked.dry_run, run.whole || run.since.is_none()).await?;
        let done = self.all_pages(registry, &mut run, &mut session, tell).await;
        let done = match done {
            Ok(()) => self.again(false, &mut run, &mut session, tell).await,
            halted => halted,
        };
        let unquoted = done.as_ref().err().map(Halt::unquoted).unwrap_or_default();
        let end = match done {
            Ok(()) => RunEnd::Done,
            Err(Halt::Store(error)) => return Err(error.into()),
            Err(halt) => self.interrupted(halt, registry.retry),
        };
        if !asked.dry_run {
            self.store.end_facility_run(&run, &end, self.clock.now()).await?;
        }
        match end {
            RunEnd::Done => Ok(run.counts),
            RunEnd::Interrupted { reason, next_at } => {
                Err(RunError::Interrupted { reason, unquoted, next_at, counts: run.counts })
            }
        }
    }

    /// Tries those again that an admin wants to be tried again.
    pub async fn retry_facilities(&self, tell: RunObserver<'_>) -> Result<Counts, RunError> {
        let mut session = self.session(false, true).await?;
        let mut run = Run::dry(false, None, self.clock.now());
        let done = self.again(true, &mut run, &mut session, tell).await;
        let unquoted = done.as_ref().err().map(Halt::unquoted).unwrap_or_default();
        match done {
            Ok(()) => Ok(run.counts),
            Err(Halt::Store(error)) => Err(error.into()),
            Err(halt) => match self.interrupted(halt, WAIT) {
                RunEnd::Interrupted { reason, next_at } => {
                    Err(RunError::Interrupted { reason, unquoted, next_at, counts: run.counts })
                }
                RunEnd::Done => Ok(run.counts),
            },
        }
    }

    async fn session(&self, is_dry: bool, is_whole: bool) -> Result<Session, StoreError> {
        let settings = with_decisions(&self.settings.mapping.facility, &self.store.facility_decisions().await?);
        Ok(Session::new(settings, is_dry, is_whole))
    }

    fn interrupted(&self, halt: Halt, wait: SignedDuration) -> RunEnd {
        let now = self.clock.now();
        let after = |wait: SignedDuration| now.saturating_add(wait).unwrap_or(Timestamp::MAX);
        let (reason, next_at) = match halt {
            Halt::Registry(error) => (error.to_string(), after(error.wait.unwrap_or(wait))),
            Halt::Peer(PeerError::Paused { peer, until, reason }) => (format!("{peer} is left alone: {reason}"), until),
            Halt::Peer(error @ PeerError::Failed(_, StatusCode::FORBIDDEN, _)) => {
                let rights = "openimis.username needs the rights 121101, 121102 and 121103 (docs/facilities.md)";
                (format!("{error}: {rights}"), after(wait))
            }
            Halt::Peer(error) => (error.to_string(), after(wait)),
            Halt::Mapper(error) => (error.to_string(), after(wait)),
            Halt::Store(error) => (error.to_string(), after(wait)),
        };
        RunEnd::Interrupted { reason, next_at }
    }

    async fn all_pages(
        &self,
        registry: &Registry,
        run: &mut Run,
        session: &mut Session,
        tell: RunObserver<'_>,
    ) -> Result<(), Halt> {
        let first = registry.first_page(run.since);
        let mut url = match &run.next_page {
            Some(next) => registry.follow(&registry.url, next)?,
            None => first.clone(),
        };
        let mut may_begin_anew = run.next_page.is_some();
        for _ in 0..PAGES {
            let answered = match registry.page(&self.http, &url).await {
                // A registry keeps its pages for a while only.
                Err(error) if may_begin_anew && error.unknown_page => {
                    may_begin_anew = false;
                    (url, run.next_page, run.counts) = (first.clone(), None, Counts::default());
                    continue;
                }
                answered => answered?,
            };
            may_begin_anew = false;
            if run.read_up_to.is_none() || run.next_page.is_none() {
                // The registry's clock counts: what it dates before our own would never be found. A clock that runs ahead counts no more than ours.
                let now = self.clock.now();
                run.read_up_to = Some(answered.date.map_or(now, |date| date.min(now)));
            }
            let page = self.mapper.facility_page(&answered.text).await?.map_err(|issues| {
                let issue = issues.first().map(ToString::to_string).unwrap_or_default();
                RegistryError::new(format!("sent a page that cannot be read: {issue}"))
            })?;
            page.warnings.iter().for_each(|issue| tell(Event::Warning(issue)));
            // Of the copy: a page that is not done to its end is read again, and counted again.
            let mut counts = run.counts;
            counts.listed += page.facilities.len() as u64;
            let items: Vec<Item> = page.facilities.into_iter().map(Item::new).collect();
            session.came.extend(items.iter().map(|item| item.source.clone()));
            let records = self.treat(items, session, &mut counts, tell).await?;
            let next = page.next.map(|next| registry.follow(&url, &next)).transpose()?;
            run.counts = counts;
            tell(Event::Page { total: answered.total, counts });
            run.next_page = next.as_ref().map(Url::to_string);
            if !session.is_dry {
                self.store.record_facilities(Some(run), &records, self.clock.now()).await?;
            }
            match next {
                Some(next) if next != url => url = next,
                Some(_) => return Err(RegistryError::new("names a page as its own next one").into()),
                None => return Ok(()),
            }
        }
        Err(RegistryError::new(format!("has more than {PAGES} pages")).into())
    }

    /// Tries those again that are not done and were not treated in this run.
    async fn again(
        &self,
        only_due: bool,
        run: &mut Run,
        session: &mut Session,
        tell: RunObserver<'_>,
    ) -> Result<(), Halt> {
        let mut after = 0;
        loop {
            let unsettled = self.store.unsettled_facilities(only_due, run.started_at, after, AGAIN).await?;
            let Some(last) = unsettled.last() else { return Ok(()) };
            after = last.id;
            let unsettled = unsettled.into_iter().filter(|one| !session.came.contains(&one.source));
            let items: Vec<Item> = unsettled.map(|one| Item::new(one.document)).collect();
            let mut counts = run.counts;
            counts.again += items.len() as u64;
            let records = self.treat(items, session, &mut counts, tell).await?;
            tell(Event::Page { total: None, counts });
            run.counts = counts;
            if !session.is_dry {
                self.store.record_facilities(None, &records, self.clock.now()).await?;
            }
        }
    }

    /// Facilities, to openIMIS. Returns what became of those that the ledger does not have so already.
    async fn treat(
        &self,
        mut items: Vec<Item>,
        session: &mut Session,
        counts: &mut Counts,
        tell: RunObserver<'_>,
    ) -> Result<Vec<Record>, Halt> {
        let mut records = Vec::new();
        while !items.is_empty() {
            // One after the other where a facility is there twice: what became of the first is known by then.
            let mut sources = HashSet::new();
            let (first, again) = items.into_iter().partition(|item| sources.insert(item.source.clone()));
            records.extend(self.treat_each(first, session, counts, tell).await?);
            items = again;
        }
        Ok(records)
    }

    /// As [`Self::treat`], of facilities that are there once.
    async fn treat_each(
        &self,
        items: Vec<Item>,
        session: &mut Session,
        counts: &mut Counts,
        tell: RunObserver<'_>,
    ) -> Result<Vec<Record>, Halt> {
        let sources: Vec<String> = items.iter().map(|item| item.source.clone()).collect();
        let kept: HashMap<String, StoredFacility> =
            self.store.kept_facilities(&sources).await?.into_iter().map(|kept| (kept.source.clone(), kept)).collect();
        let (mut records, mut writes) = (Vec::new(), Vec::new());
        for item in &items {
            match self.treat_one(item, kept.get(&item.source), session, counts, tell).await? {
                Some(Plan::Settled(record)) => records.push(record),
                Some(Plan::Write { mutation, record }) => writes.push((mutation, record)),
                None => {}
            }
        }
        records.extend(self.written(writes, session, tell).await?);
        for record in &records {
            if record.state == State::Done {
                session.settle(&record.source);
            }
            counts.count(record);
            tell(Event::Facility(record));
        }
        Ok(records)
    }

    /// What is to become of one of them; none: it is as it was.
    async fn treat_one(
        &self,
        item: &Item,
        kept: Option<&StoredFacility>,
        session: &mut Session,
        counts: &mut Counts,
        tell: RunObserver<'_>,
    ) -> Result<Option<Plan>, Halt> {
        let failed = |envelope: &Envelope, reason| Ok(Some(Plan::Settled(item.failed(envelope, reason))));
        let envelope = match self.facility_envelope(&item.document, &session.settings).await {
            Err(error @ MapperError::Unusable(..)) => return Err(error.into()),
            Err(error) => return failed(&Envelope::default(), error.to_string()),
            Ok(envelope) => envelope,
        };
        if let Some(reason) = session.takes_code(&item.source, envelope.code.as_deref()) {
            return failed(&envelope, reason);
        }
        let before = session.treat(&item.source, &envelope);
        if let Some(before) = before.as_ref().filter(|before| before.is_so(&envelope)) {
            match before.is_done {
                true => counts.unchanged += 1,
                false => counts.listed = counts.listed.saturating_sub(1), // it is counted as what it is
            }
            return Ok(None);
        }
        let identity = Identity::of(item, &session.settings);
        if let Some(record) = self.in_the_way(item, kept, &envelope, &identity, session.is_whole).await? {
            return Ok(Some(Plan::Settled(record)));
        }
        if !session.is_whole && before.is_none() && kept.is_some_and(|kept| kept.is_so(&envelope)) {
            session.settle(&item.source);
            counts.unchanged += 1;
            return Ok(None);
        }
        let known = match &mut session.known {
            Some(known) => known,
            none => none.insert(self.known_facilities(tell).await?),
        };
        if let (Some(_), Some(code)) = (&before, &envelope.code) {
            self.know_again(code, known).await?;
        }
        Ok(Some(self.plan_facility(item, &envelope, known, &session.settings).await?.numbered(identity)))
    }

    async fn written(
        &self,
        writes: Vec<(Mutation, Record)>,
        session: &mut Session,
        tell: RunObserver<'_>,
    ) -> Result<Vec<Record>, Halt> {
        let (mutations, mut records): (Vec<Mutation>, Vec<Record>) = writes.into_iter().unzip();
        if session.is_dry || mutations.is_empty() {
            return Ok(records);
        }
        let written = self.write_facilities(&mutations, tell).await?;
        for (record, written) in records.iter_mut().zip(written) {
            let Err(reason) = written else { continue };
            if let (Some(known), Some(code), Some(Action::Create)) = (&mut session.known, &record.code, record.action) {
                known.take_away(code);
            }
            (record.state, record.action, record.reason) = (State::Failed, None, Some(reason));
        }
        Ok(records)
    }
}

impl Run {
    fn dry(whole: bool, since: Option<Timestamp>, started_at: Timestamp) -> Self {
        Self {
            id: 0,
            whole,
            since,
            read_up_to: None,
            next_page: None,
            counts: Counts::default(),
            started_at,
            resumed: false,
        }
    }
}
