//! A stand-in for a payment service. It counts effects by order, never recognises a repetition unless it is made to, and loses answers.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

/// What goes wrong with a payment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// Nothing.
    None,
    /// It is done, and the answer is lost.
    LoseAnswer,
    /// The request is lost.
    LoseRequest,
    /// It is refused before it is read: surely not done.
    Refuse,
    /// The answer is lost, and the service does it only when everybody has stopped looking.
    Late,
}

/// What the host sees of a payment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Sent {
    /// The service's answer.
    Answer(String),
    /// Surely not done.
    NotDone,
    /// Time-out, or the connection broke.
    Unknown,
}

/// The service.
#[derive(Default)]
pub struct Service {
    effects: Vec<String>,
    late: Vec<String>,
    /// Faults of the next payments; afterwards there are none.
    pub faults: VecDeque<Fault>,
    /// It knows a repetition by its order and answers as before.
    pub is_idempotent: bool,
    /// When `status` is answered.
    pub ready_at: u64,
    /// Look-ups that it has answered.
    pub reads: usize,
    /// Payments that it was asked for, whatever became of them.
    pub payments: usize,
    log: Option<File>,
}

impl Service {
    /// A service whose effects outlive the process: a line for each payment that it was asked for, and one for each effect.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn open(path: &Path, faults: &[Fault]) -> io::Result<Self> {
        let mut log = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        let mut text = String::new();
        log.read_to_string(&mut text)?;
        let payments = text.lines().filter(|line| *line == "asked").count();
        let effects = text.lines().filter(|line| *line != "asked").map(str::to_owned).collect();
        let faults = faults.iter().copied().skip(payments).collect();
        Ok(Self { effects, faults, payments, log: Some(log), ..Self::default() })
    }

    /// A payment: `pay <order> <amount>`.
    pub fn pay(&mut self, request: &str) -> Sent {
        self.payments += 1;
        self.write("asked");
        let order = request.split(' ').nth(1).unwrap_or_default().to_owned();
        match self.faults.pop_front().unwrap_or(Fault::None) {
            Fault::None => {
                self.effect(&order);
                Sent::Answer(receipt(&order))
            }
            Fault::LoseAnswer => {
                self.effect(&order);
                Sent::Unknown
            }
            Fault::LoseRequest => Sent::Unknown,
            Fault::Refuse => Sent::NotDone,
            Fault::Late => {
                self.late.push(order);
                Sent::Unknown
            }
        }
    }

    /// A look-up: `find <order>`, or `status`.
    pub fn read(&mut self, request: &str, now: u64) -> Option<String> {
        self.reads += 1;
        match request.split_once(' ') {
            Some(("find", order)) => self.effects.iter().any(|effect| effect == order).then(|| receipt(order)),
            _ => (now >= self.ready_at).then(|| "ready".to_owned()),
        }
    }

    /// What it did not do in time it does now.
    pub fn wake(&mut self) {
        for order in std::mem::take(&mut self.late) {
            self.effect(&order);
        }
    }

    /// How often an order was paid.
    pub fn effects(&self, order: &str) -> usize {
        self.effects.iter().filter(|effect| *effect == order).count()
    }

    fn effect(&mut self, order: &str) {
        if !(self.is_idempotent && self.effects(order) > 0) {
            self.effects.push(order.to_owned());
            self.write(order);
        }
    }

    fn write(&mut self, line: &str) {
        if let Some(log) = &mut self.log {
            log.write_all(format!("{line}\n").as_bytes()).expect("the stand-in's file can be written");
        }
    }
}

fn receipt(order: &str) -> String {
    format!("receipt-{order}")
}
