//! What every mapping must keep, whatever its country wants of it: the contract in `wit/mapping`, tried with the inputs of the cases, which the
//! program carries with it. And what a mapping must give exactly, where its folder says so.

mod case;
mod contract;
mod expected;
mod people;

pub use case::{Case, CaseError, With};
pub use expected::diff;
pub(super) use expected::shortened;

use std::time::{Duration, Instant};

use flow::ports::MapperError;
use mapping::MapResult;
use people::People;

use super::Interface;

/// One thing that a mapping does not keep.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Miss {
    /// `<mapping>/<case>`.
    pub case: String,
    /// What is wrong; a difference stands on further lines.
    pub what: String,
}

/// What came of trying a mapping.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Cases of the contract that were tried.
    pub contract: usize,
    /// Cases that were compared with the built-in mapping.
    pub exact: usize,
    /// Cases of the mapping's own folder.
    pub own: usize,
    /// Everything that is wrong.
    pub misses: Vec<Miss>,
    /// How many calls were made.
    pub calls: u32,
    /// How long they took together, with a new instance for each.
    pub took: Duration,
    /// The longest of them.
    pub slowest: Duration,
    /// Where the first miss is enough: until when to look for it.
    ends: Option<Instant>,
}

/// What is told of one miss.
const LONGEST_MISS: usize = 20_000;

impl Report {
    /// A report that ends with the first miss, or with one when `time` is over.
    pub(super) fn to_first_miss(time: Duration) -> Self {
        Self { ends: Some(Instant::now() + time), ..Self::default() }
    }

    /// Whether a case needs not be tried any more.
    fn is_over(&mut self, case: &Case) -> bool {
        let Some(end) = self.ends else { return false };
        if self.misses.is_empty() && Instant::now() > end {
            self.miss(case, "not tried: the cases before took too long, all together");
        }
        !self.misses.is_empty()
    }

    fn call(
        &mut self,
        run: &dyn Fn(&Case) -> Result<MapResult, MapperError>,
        case: &Case,
    ) -> Result<MapResult, MapperError> {
        let begun = Instant::now();
        let answer = run(case);
        let took = begun.elapsed();
        self.calls += 1;
        self.took += took;
        self.slowest = self.slowest.max(took);
        answer
    }

    fn miss(&mut self, case: &Case, what: impl Into<String>) {
        self.misses.push(Miss { case: case.name(), what: shortened(&what.into(), LONGEST_MISS) });
    }

    /// The contract, tried with every input that the program carries.
    pub(super) fn contract(&mut self, interface: Interface, run: &dyn Fn(&Case) -> Result<MapResult, MapperError>) {
        let mut people = People::default();
        let inputs = Case::built_in(interface).into_iter().map(|case| (case, false));
        for (case, bad) in inputs.chain(contract::bad_inputs(interface).into_iter().map(|case| (case, true))) {
            if self.is_over(&case) {
                return;
            }
            self.contract += 1;
            let twice = self.call(run, &case).and_then(|first| Ok((first, self.call(run, &case)?)));
            match twice {
                Ok((first, second)) => {
                    for what in contract::broken(&case, &first, &second, bad) {
                        self.miss(&case, what);
                    }
                    if let Some(what) = people.confused(&case, &first) {
                        self.miss(&case, what);
                    }
                }
                Err(error) => self.miss(&case, error.to_string()),
            }
        }
    }

    /// The built-in mapping's answers, byte for byte.
    pub(super) fn exact(&mut self, interface: Interface, run: &dyn Fn(&Case) -> Result<MapResult, MapperError>) {
        for case in Case::built_in(interface) {
            self.exact += 1;
            match self.call(run, &case) {
                Ok(found) => {
                    let built_in = case.built_in_answer();
                    if found != built_in {
                        let what = expected::difference(&expected::shown(&built_in), &expected::shown(&found));
                        self.miss(&case, what);
                    }
                }
                Err(error) => self.miss(&case, error.to_string()),
            }
        }
    }

    /// The cases of a mapping's own folder: `expected.json` or `error.txt`.
    pub(super) fn own(&mut self, cases: &[Case], run: &dyn Fn(&Case) -> Result<MapResult, MapperError>) {
        for case in cases {
            if self.is_over(case) {
                return;
            }
            self.own += 1;
            let expected = match case.expected() {
                Ok(expected) => expected,
                Err(what) => {
                    self.miss(case, what);
                    continue;
                }
            };
            match self.call(run, case) {
                Ok(found) => {
                    let found = expected::shown(&found);
                    if !found.says(&expected, !Interface::REQUIRED.contains(&case.interface)) {
                        self.miss(case, expected::difference(&expected, &found));
                    }
                }
                Err(error) => self.miss(case, error.to_string()),
            }
        }
    }
}
