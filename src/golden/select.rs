//! Which tests a golden file of the committed set has: those that see something, as few as do.
//!
//! The rule, for one loss and format:
//!
//! 1. Every trigger of a bug that shipped (KNOWN_BUGS.md) for the loss, those of the mutants included.
//! 2. The regimes take turns. In its turn a regime adds, of its first [`CANDIDATES`] drawn cases, the one that convicts the
//!    most wrong kernels for each byte that it takes, counting only kernels and outputs that no test of the regime convicts
//!    already; of equal ones the first. The wrong kernels are those of [`super::rivals`]: the trivial ones, distortions of
//!    the truth, kernels that ignore a parameter or an input or follow another convention, and the mutants.
//! 3. A test that convicts a kernel which follows another convention brings the same case under that convention along,
//!    so that a replay can tell a convention from an error. Once for each choice.
//! 4. A regime is done when nothing that is left convicts anybody new; the file when every regime is done, or when
//!    the next test would take it over [`FILE_BUDGET`]. Every regime has one test in any case.
//!
//! Cases with an undecided element are left out: golden files hold proved answers alone.

use super::Test;
use super::convert::Answered;
use super::rivals::{self, Conviction};
use crate::case::Case;
use crate::case::regime::{Regime, Taken, generate, trigger_cases};
use crate::format::Format;
use crate::judge::Machine;
use crate::kernel::mutants;
use crate::loss::LossEntry;
use crate::oracle;
use crate::tensor::{Tensor, Values};
use rayon::prelude::*;
use std::collections::BTreeSet;

/// What the tests of one file take at most, in bytes: four formats of 30 KiB are 120 KiB a loss, some of it for header and notes.
pub const FILE_BUDGET: usize = 24 << 10;

/// Drawn cases of a regime among which the tests are chosen.
const CANDIDATES: usize = 24;

/// The largest test that is chosen, in bytes; triggers may be larger.
const LARGEST_TEST: usize = 3 << 10;

/// Input elements from which on a case is no candidate, but in runs.
const LARGEST_CASE: usize = 80;

/// The largest trigger, in bytes: those that do not repeat one value go into the full set alone.
const LARGEST_TRIGGER: usize = 12 << 10;

/// The long axis of triggers: what the longest of them asks for.
const LONG_TRIGGERS: usize = 100_000;

/// The long axis of drawn cases that are written as runs, and the length of a run: two tiles of 1024, four runs.
const LONG: usize = 2048;
const RUN: usize = 512;

/// A case that may become a test.
struct Candidate {
    test: Test,
    params: crate::loss::Params,
    bytes: usize,
    convictions: BTreeSet<Conviction>,
    alternatives: Vec<(String, Case)>,
}

/// A test with the parameters of its group.
pub type Chosen = (crate::loss::Params, Test);

/// Proves a case and lets the wrong kernels answer it. None where it is refused or undecided.
fn candidate(case: Case, regime: Regime, flags: Vec<String>) -> Option<Candidate> {
    let verified = oracle::verify(&case, &Machine::of(case.format)).ok()?;
    let convicted = rivals::convict(&case, &verified);
    let ignoring = convicted.ignoring.iter().map(|fares| fares.map(super::Ignoring::from)).collect();
    let params = case.params.clone();
    let test = Answered { id: 0, regime, flags, case, verified, ignoring }.to_test()?;
    let bytes = serde_json::to_string(&test).unwrap_or_default().len();
    let (convictions, alternatives) = (convicted.convictions, convicted.alternatives);
    Some(Candidate { test, params, bytes, convictions, alternatives })
}

/// A proved test without asking the wrong kernels, but for the one that ignores the upstream, of which a file tells.
pub fn proved(case: Case, regime: Regime, flags: Vec<String>) -> Option<Chosen> {
    let verified = oracle::verify(&case, &Machine::of(case.format)).ok()?;
    let ignoring = rivals::ignoring_upstream(&case, &verified);
    let params = case.params.clone();
    Some((params, Answered { id: 0, regime, flags, case, verified, ignoring }.to_test()?))
}

/// Every trigger of the loss, each once, with the entries whose trigger it is: those of the regimes, and of the mutants
/// whose entries have none there.
pub fn triggers(entry: &dyn LossEntry, format: Format, long: usize) -> Vec<(Vec<String>, Regime, Case)> {
    let mut triggers: Vec<(Vec<String>, Regime, Case)> = Vec::new();
    for (id, regime, case) in trigger_cases(entry, format, &Taken::all(entry), long) {
        match triggers.iter_mut().find(|(_, known, other)| *known == regime && *other == case) {
            Some((ids, ..)) if ids.iter().any(|known| known == id) => {}
            Some((ids, ..)) => ids.push(id.to_owned()),
            None => triggers.push((vec![id.to_owned()], regime, case)),
        }
    }
    for mutant in mutants().iter().filter(|mutant| mutant.formats().contains(&format)) {
        let (id, case) = (mutant.about.entry, mutant.trigger(format));
        if case.loss != entry.spec().id
            || triggers.iter().any(|(ids, ..)| ids.iter().any(|known| known == id))
        {
            continue;
        }
        // It asks for what the mutant gives; a golden test has every gradient.
        let Case { upstream, params, inputs, .. } = case;
        if let Ok(whole) = Case::new(entry.spec().id, format, params, inputs) {
            triggers.push((vec![id.to_owned()], Regime::Typical, Case { upstream, ..whole }));
        }
    }
    triggers
}

/// The tests of a loss and format, in the order in which they are written.
pub fn select(entry: &dyn LossEntry, format: Format, seed: u64) -> Vec<Chosen> {
    let triggers = triggers(entry, format, LONG_TRIGGERS).into_par_iter();
    let triggers = triggers.filter_map(|(flags, regime, case)| candidate(case, regime, flags));
    let triggers: Vec<Candidate> = triggers.filter(|trigger| trigger.bytes <= LARGEST_TRIGGER).collect();
    let turns = Regime::ALL.into_par_iter().map(|regime| Turn::new(entry, format, regime, seed));
    let mut turns: Vec<Turn> = turns.collect();
    let mut size = 0;
    for trigger in triggers {
        size += trigger.bytes;
        if let Some(turn) = turns.iter_mut().find(|turn| turn.regime == trigger.test.regime) {
            turn.take(trigger, false);
        }
    }
    let mut conventions = BTreeSet::new();
    loop {
        let mut added = false;
        for turn in &mut turns {
            let Some(mut best) = turn.best() else { continue };
            let partners = partners(&mut best, turn.regime, &mut conventions);
            let bytes = best.bytes + partners.iter().map(|partner| partner.bytes).sum::<usize>();
            if size + bytes > FILE_BUDGET && !turn.tests.is_empty() {
                continue;
            }
            size += bytes;
            added = true;
            turn.take(best, true);
            partners.into_iter().for_each(|partner| turn.take(partner, false));
        }
        if !added {
            return turns.into_iter().flat_map(|turn| turn.tests).collect();
        }
    }
}

/// The same case under conventions that nobody has shown yet.
fn partners(best: &mut Candidate, regime: Regime, conventions: &mut BTreeSet<String>) -> Vec<Candidate> {
    let mut partners = Vec::new();
    for (name, case) in std::mem::take(&mut best.alternatives) {
        if conventions.insert(name.clone()) {
            partners.extend(candidate(case, regime, vec![name]));
        }
    }
    partners
}

/// A regime whose turn it is again and again.
struct Turn {
    regime: Regime,
    candidates: Vec<Candidate>,
    convicted: BTreeSet<Conviction>,
    tests: Vec<Chosen>,
}

impl Turn {
    fn new(entry: &dyn LossEntry, format: Format, regime: Regime, seed: u64) -> Turn {
        let taken = Taken::all(entry);
        // The triggers come first, and are tests already.
        let triggers =
            trigger_cases(entry, format, &taken, LONG).into_iter().filter(|(_, of, _)| *of == regime);
        let triggers = triggers.count();
        let cases = generate(entry, format, regime, &taken, seed, triggers + CANDIDATES, LONG);
        let cases = cases.into_par_iter().skip(triggers).filter_map(|case| match regime {
            Regime::Long => in_runs(case),
            _ => (case.elements() <= LARGEST_CASE).then_some(case),
        });
        let candidates = cases.filter_map(|case| candidate(case, regime, Vec::new()));
        let candidates = candidates.filter(|candidate| candidate.bytes <= LARGEST_TEST).collect();
        Turn { regime, candidates, convicted: BTreeSet::new(), tests: Vec::new() }
    }

    /// Takes out the candidate that convicts the most for each byte; none where nobody new is convicted.
    fn best(&mut self) -> Option<Candidate> {
        let mut best: Option<(usize, usize)> = None;
        for (at, candidate) in self.candidates.iter().enumerate() {
            let new = candidate.convictions.difference(&self.convicted).count();
            // Compared crosswise: no quotient, no rounding.
            let better = |&(first, other): &(usize, usize)| {
                new * self.candidates[first].bytes > other * candidate.bytes
            };
            if new > 0 && best.as_ref().is_none_or(better) {
                best = Some((at, new));
            }
        }
        best.map(|(at, _)| self.candidates.remove(at))
    }

    /// Makes a candidate a test; flagged by those whom it is the first to convict, or as it came.
    fn take(&mut self, mut candidate: Candidate, flagged: bool) {
        if flagged {
            let new = candidate.convictions.difference(&self.convicted).map(|(name, _)| name);
            let telling: BTreeSet<&String> = new.filter(|name| !rivals::is_everyday(name)).collect();
            candidate.test.flags = telling.into_iter().cloned().collect();
        }
        self.convicted.extend(candidate.convictions);
        self.tests.push((candidate.params, candidate.test));
    }
}

/// A long case with values that change every [`RUN`] elements alone, so that it is written as runs. None where it is none
/// any more.
fn in_runs(mut case: Case) -> Option<Case> {
    let mut tensors: Vec<&mut Tensor> = case.inputs.values_mut().collect();
    tensors.push(&mut case.upstream);
    for tensor in tensors {
        match &mut tensor.values {
            Values::Float(values) => repeat(values),
            Values::I64(values) => repeat(values),
            Values::Bool(values) => repeat(values),
        }
    }
    case.checked().ok()
}

fn repeat<T: Copy>(values: &mut [T]) {
    for run in values.chunks_mut(RUN) {
        let first = run[0];
        run.fill(first);
    }
}
