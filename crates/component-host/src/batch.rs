//! Many documents of one caller: an instance serves some hundred of them, one after the other.
//!
//! For bulk work, where all documents come out of one hand (a file, a table). Messages of the service never share an instance.

use std::sync::atomic::Ordering;

use flow::ports::MapperError;
use mapping::{MapResult, claim_response, feedback, patient};
use wasmtime::Store;
use wasmtime::component::Instance;

use super::calls::{Answered, call_claim_response, call_feedback, call_patient, from_wit};
use super::engine::{Call, Runtime, failure};
use super::piece::{ClaimResponse, Feedback, Patient, Slot};
use super::{MappingHost, patiently, wit};

/// So many documents share an instance.
const DOCUMENTS: u32 = 256;

/// Maps documents that may share an instance, with the components that were in use when it began. One for each thread.
///
/// The answers are those of [`MappingHost`]. Each document has the whole time limit; the memory limit holds for the instance.
/// A document that fails in an instance that others were in before is tried again in a fresh one, so that none fails for
/// another one's sake.
pub struct Batch {
    host: MappingHost,
    claim_response: Warm<ClaimResponse>,
    feedback: Warm<Feedback>,
    patient: Warm<Patient>,
}

impl MappingHost {
    /// Begins a batch. It takes one of the host's instances for each mapping that it is used for.
    pub fn batch(&self) -> Batch {
        let set = self.current();
        Batch {
            host: self.clone(),
            claim_response: Warm::new(&set.claim_response),
            feedback: Warm::new(&set.feedback),
            patient: Warm::new(&set.patient),
        }
    }
}

impl Batch {
    /// As [`MappingHost::map_claim_response`].
    pub fn claim_response(
        &mut self,
        claim_response: &str,
        claim_date: Option<&str>,
        contact: Option<&claim_response::ContactLink>,
        settings: &claim_response::Settings,
    ) -> Result<MapResult, MapperError> {
        let call = call_claim_response(claim_response, claim_date, contact, settings);
        self.claim_response.call(&self.host, call)
    }

    /// As [`MappingHost::map_feedback`].
    pub fn feedback(
        &mut self,
        feedback: &str,
        insuree_uuid: Option<&str>,
        settings: &feedback::Settings,
    ) -> Result<MapResult, MapperError> {
        self.feedback.call(&self.host, call_feedback(feedback, insuree_uuid, settings))
    }

    /// As [`MappingHost::map_patient`].
    pub fn patient(
        &mut self,
        patient: &str,
        location_codes: &[String],
        settings: &patient::Settings,
    ) -> Result<MapResult, MapperError> {
        self.patient.call(&self.host, call_patient(patient, location_codes, settings))
    }
}

/// What a mapping of a component is called through.
trait Indices {
    type Guest;

    fn guest(&self, store: &mut Store<Call>, instance: &Instance) -> wasmtime::Result<Self::Guest>;
}

macro_rules! indices {
    ($($interface:ident),+) => {$(
        impl Indices for wit::$interface::GuestIndices {
            type Guest = wit::$interface::Guest;

            fn guest(&self, store: &mut Store<Call>, instance: &Instance) -> wasmtime::Result<Self::Guest> {
                self.load(store, instance)
            }
        }
    )+};
}
indices!(claim_response, feedback, patient);

/// A mapping with the instance that it has at the moment.
struct Warm<I: Indices> {
    slot: Slot<I>,
    used: Option<Used<I::Guest>>,
}

struct Used<G> {
    store: Store<Call>,
    guest: G,
    /// How many documents more.
    left: u32,
}

impl<I: Indices + Clone> Warm<I> {
    fn new(slot: &Slot<I>) -> Self {
        Self { slot: slot.clone(), used: None }
    }

    fn call(
        &mut self,
        host: &MappingHost,
        call: impl Fn(&I::Guest, &mut Store<Call>) -> wasmtime::Result<Answered>,
    ) -> Result<MapResult, MapperError> {
        let Self { slot, used } = self;
        let runtime = &host.inner.runtime;
        host.figures().called(slot.interface, &slot.memory_bytes, || {
            if let Some(mut used_before) = used.take().filter(|used| used.left > 0) {
                runtime.begin(&mut used_before.store);
                if let Ok(answered) = used_before.map(slot, &call) {
                    *used = Some(used_before);
                    return Ok(from_wit(answered));
                }
            }
            let mut fresh = patiently(|| Used::new(runtime, slot))?;
            let answered = fresh.map(slot, &call).map_err(|error| failure(slot.interface, &error))?;
            *used = Some(fresh);
            Ok(from_wit(answered))
        })
    }
}

impl<G> Used<G> {
    fn new<I: Indices<Guest = G>>(runtime: &Runtime, slot: &Slot<I>) -> Result<Self, MapperError> {
        let mut store = runtime.store();
        let instance = slot.piece.pre.instantiate(&mut store);
        let guest = instance.and_then(|instance| slot.indices.guest(&mut store, &instance));
        guest.map(|guest| Self { store, guest, left: DOCUMENTS }).map_err(|error| failure(slot.interface, &error))
    }

    fn map<I>(
        &mut self,
        slot: &Slot<I>,
        call: impl Fn(&G, &mut Store<Call>) -> wasmtime::Result<Answered>,
    ) -> wasmtime::Result<Answered> {
        self.left -= 1;
        let answered = call(&self.guest, &mut self.store);
        slot.memory_bytes.fetch_max(self.store.data().taken_bytes, Ordering::Relaxed);
        answered
    }
}
