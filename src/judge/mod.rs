//! The judge: outputs and truth in, verdict out. It knows neither MPFR nor the graph.

mod convention;
mod vacuity;

pub use convention::{Declaration, alternatives};
pub use vacuity::{Trivial, Vacuity};

use crate::case::{Case, Tensors};
use crate::format::Format;
use crate::truth::Verified;
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
#[derive(Clone, Debug, PartialEq)]
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
    /// definition, to be reported as one.
    pub unbounded: usize,
    /// The largest error in ulp of the truth.
    pub max_ulp: f64,
    /// The largest error as a part of the budget.
    pub max_budget_ratio: f64,
    /// The element that is worst: lowest level, then largest error against the budget.
    pub worst: Option<Element>,
}

impl OutputVerdict {
    /// The worst level of its elements.
    pub fn level(&self) -> Option<Level> {
        self.levels.keys().next_back().copied()
    }
}

/// Judges a kernel's outputs for a case, output by output, in the order of `verified.outputs`. `demanded` is the level
/// whose miss makes the fault `inaccurate`.
pub fn judge(
    case: &Case,
    verified: &Verified,
    outputs: &Tensors,
    _machine: &Machine,
    demanded: Level,
) -> Vec<OutputVerdict> {
    // STAND-IN (front): levels correct, stable and sane only.
    let judge = |(truth, tolerance): (&crate::truth::OutputTruth, &crate::truth::Tolerance)| {
        let mut verdict = OutputVerdict {
            name: truth.name.clone(),
            levels: BTreeMap::new(),
            faults: BTreeMap::new(),
            undecided: 0,
            unbounded: 0,
            max_ulp: 0.0,
            max_budget_ratio: 0.0,
            worst: None,
        };
        let Some(got) = outputs.get(&truth.name).filter(|got| got.shape == truth.shape) else {
            verdict.faults.insert(Fault::ShapeMismatch, 1);
            return verdict;
        };
        for (i, (y, &got)) in truth.elements.iter().zip(got.floats()).enumerate() {
            let want = y.value(case.format);
            if let crate::truth::Truth::Undecided { .. } = y {
                verdict.undecided += 1;
                continue;
            }
            let budget = tolerance.budget[i];
            let error = (got - want).abs();
            let (level, fault) = if got == want || got.is_nan() && want.is_nan() {
                (Level::Correct, None)
            } else if error <= budget {
                (Level::Stable, None)
            } else if got.is_nan() {
                (Level::Broken, Some(Fault::SpuriousNan))
            } else if got * want < 0.0 {
                (Level::Broken, Some(Fault::WrongSign))
            } else {
                (Level::Sane, (demanded < Level::Sane).then_some(Fault::Inaccurate))
            };
            *verdict.levels.entry(level).or_default() += 1;
            if let Some(fault) = fault {
                *verdict.faults.entry(fault).or_default() += 1;
            }
            let ulp = if level == Level::Correct { 0.0 } else { error / case.format.ulp(want) };
            verdict.max_ulp = verdict.max_ulp.max(ulp);
            verdict.max_budget_ratio =
                verdict.max_budget_ratio.max(if ulp == 0.0 { 0.0 } else { error / budget });
            let element = Element {
                index: crate::tensor::unravel(&truth.shape, i),
                got,
                want,
                budget,
                level,
                ulp,
                fault,
            };
            if verdict.worst.as_ref().is_none_or(|w| (w.level, w.ulp) < (level, ulp)) {
                verdict.worst = Some(element);
            }
        }
        verdict
    };
    verified.outputs.iter().zip(&verified.tolerances).map(judge).collect()
}
