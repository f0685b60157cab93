//! Which tests a golden file of the committed set has: those that see something, as few as do.
//!
//! The rule, for one loss and format:
//!
//! 1. Every trigger of a bug that shipped (KNOWN_BUGS.md) for the loss, and a mutant's own where those do not convict it.
//! 2. For each known choice of a convention that a case can tell from the others, the smallest that does, where anything is
//!    demanded.
//! 3. The regimes take turns. In its turn a regime adds, of its first [`CANDIDATES`] drawn cases, the one that convicts the
//!    most wrong kernels for each byte that it takes, counting only kernels and outputs that no test of the regime convicts
//!    already; of equal ones the first. The wrong kernels are those of [`super::rivals`]: the trivial ones, distortions of
//!    the truth, kernels that ignore a parameter or an input or follow another convention, and the mutants.
//! 4. A regime is done when nothing that is left convicts anybody new; the file when every regime is done. A test that
//!    would take the file over [`FILE_BUDGET`] is left out; but a regime that has none yet gets the smallest that convicts
//!    anybody, or its first where none does.
//!
//! Cases with an undecided element are left out: golden files hold proved answers alone.

use super::convert::Answered;
use super::rivals::{self, Conviction};
use super::{Note, Test, conventions};
use crate::case::Case;
use crate::case::regime::{Regime, Taken, generate, trigger_cases};
use crate::format::Format;
use crate::judge::Machine;
use crate::kernel::{Mutant, mutants};
use crate::loss::LossEntry;
use crate::oracle;
use crate::tensor::{Tensor, Values};
use rayon::prelude::*;
use std::collections::BTreeSet;

/// What one file takes at most, in bytes, unless its triggers and a test for each regime take more: four formats are then under
/// 120 KiB a loss, with some to spare for the few that do.
pub const FILE_BUDGET: usize = 22 << 10;

/// Drawn cases of a regime among which the tests are chosen.
const CANDIDATES: usize = 24;

/// The largest test that is chosen, in bytes; triggers may be larger.
const LARGEST_TEST: usize = 3 << 10;

/// Input elements from which on a case is no candidate, but in runs.
const LARGEST_CASE: usize = 80;

/// What a file has besides its tests, groups and notes, and what a group and a note have besides theirs, in bytes.
const HEADER: usize = 320;
const GROUP: usize = 27;
const NOTE: usize = 5;

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
}

/// A test with the parameters of its group.
pub type Chosen = (crate::loss::Params, Test);

/// Proves a case and lets the wrong kernels answer it. None where it is refused or undecided.
fn candidate(case: Case, regime: Regime, flags: Vec<String>) -> Option<Candidate> {
    let verified = oracle::verify(&case, &Machine::of(case.format)).ok()?;
    let convicted = rivals::convict(&case, &verified);
    let ignoring = convicted.ignoring.iter().map(|fares| fares.map(super::Ignoring::from)).collect();
    let params = case.params.clone();
    let conventions = conventions::proved(&case, &verified, regime);
    let test = Answered { id: 0, regime, flags, case, verified, ignoring, conventions }.to_test()?;
    let bytes = serde_json::to_string(&test).unwrap_or_default().len();
    Some(Candidate { test, params, bytes, convictions: convicted.convictions })
}

/// A proved test without asking the wrong kernels, but for the one that ignores the upstream, of which a file tells.
pub fn proved(case: Case, regime: Regime, flags: Vec<String>) -> Option<Chosen> {
    let verified = oracle::verify(&case, &Machine::of(case.format)).ok()?;
    let ignoring = rivals::ignoring_upstream(&case, &verified);
    let conventions = conventions::proved(&case, &verified, regime);
    let params = case.params.clone();
    Some((params, Answered { id: 0, regime, flags, case, verified, ignoring, conventions }.to_test()?))
}

/// A case that shows a bug which shipped, with the entries whose trigger it is.
pub type Trigger = (Vec<String>, Regime, Case);

/// Every trigger of the loss, each once: those of the regimes, and those of the mutants.
pub fn triggers(entry: &dyn LossEntry, format: Format, long: usize) -> Vec<Trigger> {
    let mut triggers = of_regimes(entry, format, long);
    for (mutant, trigger) in of_mutants(entry, format) {
        add(&mut triggers, mutant.about.entry, trigger.1, trigger.2);
    }
    triggers
}

fn add(triggers: &mut Vec<Trigger>, id: &str, regime: Regime, case: Case) {
    match triggers.iter_mut().find(|(_, _, other)| *other == case) {
        Some((ids, ..)) if ids.iter().any(|known| known == id) => {}
        Some((ids, ..)) => ids.push(id.to_owned()),
        None => triggers.push((vec![id.to_owned()], regime, case)),
    }
}

fn of_regimes(entry: &dyn LossEntry, format: Format, long: usize) -> Vec<Trigger> {
    let mut triggers = Vec::new();
    for (id, regime, case) in trigger_cases(entry, format, &Taken::all(entry), long) {
        add(&mut triggers, id, regime, case);
    }
    triggers
}

/// The mutants' own triggers, which have the parameters that their kernels pin.
fn of_mutants(entry: &dyn LossEntry, format: Format) -> Vec<(&'static Mutant, Trigger)> {
    let of_format = mutants().iter().filter(|mutant| mutant.formats().contains(&format));
    let triggers = of_format.filter_map(|mutant| {
        // It asks for what the mutant gives; a golden test has every gradient.
        let Case { loss, upstream, params, inputs, .. } = mutant.trigger(format);
        let whole =
            Case::new(&loss, format, params, inputs).ok().filter(|case| case.loss == entry.spec().id)?;
        let flags = vec![mutant.about.entry.to_owned()];
        Some((mutant, (flags, Regime::Typical, Case { upstream, ..whole })))
    });
    triggers.collect()
}

/// The triggers that are tests: those of the regimes, and of a mutant that none of its entry's convicts its own.
fn chosen_triggers(entry: &dyn LossEntry, format: Format) -> Vec<Candidate> {
    let prove = |triggers: Vec<Trigger>| {
        let proved =
            triggers.into_par_iter().filter_map(|(flags, regime, case)| candidate(case, regime, flags));
        proved.filter(|trigger| trigger.bytes <= LARGEST_TRIGGER).collect::<Vec<Candidate>>()
    };
    let mut chosen = prove(of_regimes(entry, format, LONG_TRIGGERS));
    let of_mutants = of_mutants(entry, format).into_iter().filter(|(mutant, _)| {
        let id = mutant.about.entry;
        let shows = |trigger: &Candidate| {
            trigger.test.flags.iter().any(|flag| flag == id)
                && trigger.convictions.iter().any(|(name, _)| name == id)
        };
        !chosen.iter().any(shows)
    });
    let of_mutants = of_mutants.map(|(_, trigger)| trigger).collect();
    chosen.extend(prove(of_mutants));
    chosen
}

/// The tests of a loss and format, in the order in which they are written.
pub fn select(entry: &dyn LossEntry, format: Format, seed: u64) -> Vec<Chosen> {
    let triggers = chosen_triggers(entry, format);
    let turns = Regime::ALL.into_par_iter().map(|regime| Turn::new(entry, format, regime, seed));
    let mut turns: Vec<Turn> = turns.collect();
    let mut size = Size::of_header();
    for trigger in triggers {
        if let Some(turn) = turns.iter_mut().find(|turn| turn.regime == trigger.test.regime) {
            size.add(&trigger);
            turn.take(trigger);
        }
    }
    for name in conventions_told(&turns) {
        let convicts =
            |convictions: &BTreeSet<Conviction>| convictions.iter().any(|(known, _)| *known == name);
        let demanding = |turn: &Turn| turn.regime != Regime::Overflowing;
        if turns.iter().filter(|turn| demanding(turn)).any(|turn| convicts(&turn.convicted)) {
            continue;
        }
        let all = turns.iter().enumerate().filter(|(_, turn)| demanding(turn)).flat_map(
            |(turn, Turn { candidates, .. })| {
                candidates.iter().enumerate().map(move |(at, candidate)| (turn, at, candidate))
            },
        );
        let least = all.filter(|(_, _, candidate)| convicts(&candidate.convictions));
        let least = least.min_by_key(|(_, _, candidate)| candidate.bytes).map(|(turn, at, _)| (turn, at));
        if let Some((turn, at)) = least {
            let candidate = turns[turn].take_out(at);
            size.add(&candidate);
            turns[turn].take(candidate);
        }
    }
    loop {
        let mut done = true;
        for turn in &mut turns {
            let Some(mut next) = turn.best() else { continue };
            done = false;
            if size.with(&next) > FILE_BUDGET {
                if !turn.tests.is_empty() {
                    continue;
                }
                next = turn.smaller_than(next);
            }
            size.add(&next);
            turn.take(next);
        }
        if done {
            return turns.into_iter().flat_map(|turn| turn.tests).collect();
        }
    }
}

/// The kernels that follow another convention and are convicted by some candidate. In a regime where nothing is demanded
/// none of them fails.
fn conventions_told(turns: &[Turn]) -> BTreeSet<String> {
    let candidates = turns.iter().flat_map(|turn| &turn.candidates);
    let names = candidates.flat_map(|candidate| candidate.convictions.iter().map(|(name, _)| name));
    names.filter(|name| rivals::is_convention(name)).cloned().collect()
}

/// How large a file gets, but for a few bytes.
struct Size {
    bytes: usize,
    params: Vec<crate::loss::Params>,
    notes: BTreeSet<String>,
}

impl Size {
    /// A file without a test.
    fn of_header() -> Size {
        Size { bytes: HEADER, params: Vec::new(), notes: BTreeSet::new() }
    }

    fn names(candidate: &Candidate) -> impl Iterator<Item = &str> {
        candidate.test.flags.iter().map(String::as_str).chain([candidate.test.regime.name()])
    }

    /// With one more test: its text, the group where it is the first with its parameters, notes that are not there yet.
    fn with(&self, candidate: &Candidate) -> usize {
        let group = match self.params.contains(&candidate.params) {
            true => 0,
            false => serde_json::to_string(&candidate.params).unwrap_or_default().len() + GROUP,
        };
        let notes = Size::names(candidate).filter(|name| !self.notes.contains(*name)).map(|name| {
            let note = rivals::note(name)
                .unwrap_or_else(|| Note { aim: candidate.test.regime.aim().to_owned(), links: Vec::new() });
            name.len() + serde_json::to_string(&note).unwrap_or_default().len() + NOTE
        });
        self.bytes + candidate.bytes + group + notes.sum::<usize>()
    }

    fn add(&mut self, candidate: &Candidate) {
        self.bytes = self.with(candidate);
        self.notes.extend(Size::names(candidate).map(str::to_owned));
        if !self.params.contains(&candidate.params) {
            self.params.push(candidate.params.clone());
        }
    }
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
        let mut candidates: Vec<Candidate> = candidates.collect();
        // Where all are too large, the smallest of them.
        let least = candidates.iter().map(|candidate| candidate.bytes).min().unwrap_or(0);
        candidates.retain(|candidate| candidate.bytes <= LARGEST_TEST.max(least));
        Turn { regime, candidates, convicted: BTreeSet::new(), tests: Vec::new() }
    }

    /// Takes out the candidate that convicts the most for each byte, flagged by those whom it is the first to convict; none
    /// where nobody new is convicted, but that the regime has one test in any case.
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
        let any = || (self.tests.is_empty() && !self.candidates.is_empty()).then_some(0);
        best.map(|(at, _)| at).or_else(any).map(|at| self.take_out(at))
    }

    /// The smallest candidate that convicts somebody new, if it is smaller than that one.
    fn smaller_than(&mut self, best: Candidate) -> Candidate {
        let convicts = |candidate: &Candidate| !candidate.convictions.is_subset(&self.convicted);
        let all = self.candidates.iter().enumerate().filter(|(_, candidate)| convicts(candidate));
        match all.min_by_key(|(_, candidate)| candidate.bytes) {
            Some((at, smallest)) if smallest.bytes < best.bytes => self.take_out(at),
            _ => best,
        }
    }

    fn take_out(&mut self, at: usize) -> Candidate {
        let mut candidate = self.candidates.remove(at);
        let new = candidate.convictions.difference(&self.convicted).map(|(name, _)| name);
        let telling: BTreeSet<&String> = new.filter(|name| !rivals::is_everyday(name)).collect();
        candidate.test.flags = telling.into_iter().cloned().collect();
        // The flags are part of the text.
        candidate.bytes = serde_json::to_string(&candidate.test).unwrap_or_default().len();
        candidate
    }

    /// Makes a candidate a test.
    fn take(&mut self, candidate: Candidate) {
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
