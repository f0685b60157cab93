//! The judge: outputs and truth in, verdict out. It knows neither MPFR nor the graph.

mod convention;
mod element;
#[cfg(test)]
mod tests;
mod vacuity;

pub use convention::{Declaration, alternatives};
pub use vacuity::{Fares, Trivial, Vacuity, fares};

use crate::case::{Case, LOSS, Tensors};
use crate::format::Format;
use crate::tensor::{Dtype, Tensor, unravel};
use crate::truth::{OutputTruth, Tolerance, Verified};
use element::{Judge, Outcome};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a kernel adds up many terms, as its contract names it.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Summation {
    /// Blocks of 1024, each pairwise: h = ⌈log₂ min(n, 1024)⌉ + ⌈n/1024⌉ − 1.
    #[default]
    Blocked,
    /// h = ⌈log₂ n⌉.
    Pairwise,
    /// h = n − 1.
    Sequential,
}

/// The machine that a kernel is assumed to compute on.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// The format in which it computes.
    pub compute: Format,
    /// Whether it may take subnormals for 0.
    pub flush_to_zero: bool,
    /// How it sums.
    pub summation: Summation,
}

impl Machine {
    /// The default machine of kernels of a format.
    pub fn of(format: Format) -> Machine {
        Machine { compute: format.compute(), flush_to_zero: false, summation: Summation::Blocked }
    }
}

/// How stable an output is, best first.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The bits of the correctly rounded truth.
    Correct,
    /// One of the two floats around the truth.
    Faithful,
    /// High relative accuracy.
    Accurate,
    /// Within the budget.
    Stable,
    /// The right answer to a slightly wrong question.
    Backward,
    /// Finite, infinite or NaN as the truth is, its sign right.
    Sane,
    /// None of these.
    Broken,
}

/// What is wrong.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// NaN where there is a value.
    SpuriousNan,
    /// A value where NaN is owed.
    MissingNan,
    /// Infinite where the truth is finite.
    SpuriousInfinity,
    /// Finite where the truth is infinite.
    MissingInfinity,
    /// Zero where the truth is a normal number beyond the budget.
    SpuriousZero,
    /// The sign is wrong beyond the budget.
    WrongSign,
    /// Beyond what is demanded, and none of the others.
    Inaccurate,
    /// At a kink, outside the subdifferential beyond the budget.
    OutsideSubdifferential,
    /// Another known choice, followed without declaring it.
    OtherConvention,
    /// An output of another shape or dtype, or none.
    ShapeMismatch,
    /// Two answers to one case.
    Nondeterministic,
    /// The kernel failed or died.
    Crash,
    /// No answer in time.
    Timeout,
    /// An answer that is no answer.
    ProtocolError,
}

/// One element that stands for an output.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// Its multi-index.
    pub index: Vec<usize>,
    /// What the kernel gave.
    pub got: f64,
    /// What is right: [`crate::truth::Truth::value`].
    pub want: f64,
    /// Its budget.
    pub budget: f64,
    /// Its level.
    pub level: Level,
    /// Its error in units in the last place of the truth.
    pub ulp: f64,
    /// What is wrong with it, if anything.
    pub fault: Option<Fault>,
}

/// The verdict on one output of one case.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutputVerdict {
    /// `loss` or `grad.<input>`.
    pub name: String,
    /// How many elements reached which level; undecided ones are in none.
    pub levels: BTreeMap<Level, usize>,
    /// The faults, with how many elements have each.
    pub faults: BTreeMap<Fault, usize>,
    /// Elements without a proved truth.
    pub undecided: usize,
    /// Elements whose budget is infinite and that need one: neither passed nor failed, and in no level. A bug of the
    /// definition, to be reported as one, unless the machine flushes.
    pub unbounded: usize,
    /// The largest error in ulp of the truth.
    pub max_ulp: f64,
    /// The largest error as a part of the budget.
    pub max_budget_ratio: f64,
    /// The element that is worst: lowest level, then largest error against the budget.
    pub worst: Option<Element>,
    /// The elements that overflow on the way, which are in none of the numbers above: they count in the regime
    /// `overflowing`, where nothing is demanded.
    pub on_the_way: Option<Box<OutputVerdict>>,
}

impl OutputVerdict {
    /// The worst level of its elements.
    pub fn level(&self) -> Option<Level> {
        self.levels.keys().next_back().copied()
    }
}

/// Judges a kernel's outputs for a case, output by output, in the order of `verified.outputs`. `demanded` is the level
/// whose miss makes a fault; a broken element always has one.
///
/// Special cases:
/// - an output that is missing, or of another dtype or shape: `shape_mismatch`, every element broken; a mismatch of an
///   output without elements counts as one element
/// - undecided truth: counted, neither passed nor failed
/// - an element that overflows on the way: judged apart, as nothing is demanded there, in `on_the_way`; unless its answer
///   is a number that no overflow makes, finite and, in a gradient, not 0 either (which is what a quotient by infinity
///   is), and misses the demand: that is judged as ever
/// - an infinite or missing budget: an element that is accurate without it has its level; one that is broken by NaN or
///   infinity is, unless the machine flushes and may have met a 0 there; any other is counted as unbounded
/// - an output without elements has no level
///
/// Total: nothing in the arguments makes it panic.
pub fn judge(
    case: &Case,
    verified: &Verified,
    outputs: &Tensors,
    machine: &Machine,
    demanded: Level,
) -> Vec<OutputVerdict> {
    let outputs = verified.outputs.iter().enumerate().map(|(place, truth)| {
        let tolerance = verified.tolerances.get(place);
        let judge = Judge::of(case, machine, demanded, &truth.name);
        match outputs.get(&truth.name).filter(|tensor| fits(tensor, case.format, truth)) {
            Some(tensor) => judge_output(&judge, truth, tolerance, tensor.floats()),
            None => mismatch(&judge, truth, tolerance),
        }
    });
    outputs.collect()
}

fn fits(tensor: &Tensor, format: Format, truth: &OutputTruth) -> bool {
    tensor.dtype == Dtype::Float(format)
        && tensor.shape == truth.shape
        && tensor.floats().len() == truth.elements.len()
}

/// The bounds of one element; infinite where there are none.
fn bounds(tolerance: Option<&Tolerance>, element: usize) -> (f64, f64) {
    let get = |list: &[f64]| list.get(element).copied().filter(|b| !b.is_nan()).unwrap_or(f64::INFINITY);
    tolerance.map_or((f64::INFINITY, f64::INFINITY), |t| (get(&t.budget), get(&t.backward)))
}

fn judge_output(
    judge: &Judge,
    truth: &OutputTruth,
    tolerance: Option<&Tolerance>,
    got: &[f64],
) -> OutputVerdict {
    let mut own = Collected::of(&truth.name);
    let mut apart = Collected::of(&truth.name);
    let undemanding = judge.undemanding();
    let longest_sum = tolerance.map_or(1, |t| t.longest_sum);
    for (i, (element, &got)) in truth.elements.iter().zip(got).enumerate() {
        let (budget, backward) = bounds(tolerance, i);
        let outcome = judge.element(element, got, budget, backward, longest_sum);
        let place = || (unravel(&truth.shape, i), element.value(judge.format));
        if overflows(tolerance, i) && (!outcome.has_fault() || comes_of_overflow(&truth.name, got)) {
            let outcome = undemanding.element(element, got, budget, backward, longest_sum);
            apart.add(outcome, got, budget, place);
        } else {
            own.add(outcome, got, budget, place);
        }
    }
    let on_the_way = (apart.elements > 0).then(|| Box::new(apart.verdict));
    OutputVerdict { on_the_way, ..own.verdict }
}

/// Whether an element overflows on the way.
fn overflows(tolerance: Option<&Tolerance>, element: usize) -> bool {
    tolerance.is_some_and(|t| t.overflows_on_the_way.get(element) == Some(&true))
}

/// Whether an overflow on the way can have made this answer: it is not finite, or a gradient's quotient by infinity.
fn comes_of_overflow(output: &str, got: f64) -> bool {
    !got.is_finite() || got == 0.0 && output != LOSS
}

/// A verdict that is being put together.
struct Collected {
    verdict: OutputVerdict,
    elements: usize,
    worst_ratio: f64,
}

impl Collected {
    fn of(output: &str) -> Collected {
        let verdict = OutputVerdict { name: output.to_owned(), ..OutputVerdict::default() };
        Collected { verdict, elements: 0, worst_ratio: 0.0 }
    }

    /// Adds an element; `place` gives its index and what is right there.
    fn add(&mut self, outcome: Outcome, got: f64, budget: f64, place: impl FnOnce() -> (Vec<usize>, f64)) {
        let verdict = &mut self.verdict;
        self.elements += 1;
        let (level, ulp, ratio, fault) = match outcome {
            Outcome::Undecided => {
                verdict.undecided += 1;
                return;
            }
            Outcome::Unbounded => {
                verdict.unbounded += 1;
                return;
            }
            Outcome::Judged { level, ulp, ratio, fault } => (level, ulp, ratio, fault),
        };
        *verdict.levels.entry(level).or_default() += 1;
        if let Some(fault) = fault {
            *verdict.faults.entry(fault).or_default() += 1;
        }
        verdict.max_ulp = verdict.max_ulp.max(ulp);
        verdict.max_budget_ratio = verdict.max_budget_ratio.max(ratio);
        if verdict.worst.as_ref().is_none_or(|w| (level, ratio, ulp) > (w.level, self.worst_ratio, w.ulp)) {
            self.worst_ratio = ratio;
            let (index, want) = place();
            verdict.worst = Some(Element { index, got, want, budget, level, ulp, fault });
        }
    }
}

fn mismatch(judge: &Judge, truth: &OutputTruth, tolerance: Option<&Tolerance>) -> OutputVerdict {
    let mut verdict = OutputVerdict { name: truth.name.clone(), ..OutputVerdict::default() };
    let count = truth.elements.len().max(1);
    let fault = Some(Fault::ShapeMismatch);
    verdict.levels.insert(Level::Broken, count);
    verdict.faults.insert(Fault::ShapeMismatch, count);
    (verdict.max_ulp, verdict.max_budget_ratio) = (f64::INFINITY, f64::INFINITY);
    verdict.worst = truth.elements.first().map(|first| Element {
        index: unravel(&truth.shape, 0),
        got: f64::NAN,
        want: first.value(judge.format),
        budget: bounds(tolerance, 0).0,
        level: Level::Broken,
        ulp: f64::INFINITY,
        fault,
    });
    verdict
}
