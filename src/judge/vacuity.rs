//! Vacuity: would a kernel that computes nothing have passed as well?
//!
//! A trivial kernel *holds* a cell (loss, format, output, regime) if no element of it convicts the kernel and at least
//! one element counts for it.
//!
//! - An element *convicts* if its level is worse than what is demanded, whatever its truth.
//! - An element *counts* if the trivial kernel is wrong there and passes nevertheless: its truth differs from the trivial
//!   value, and is neither a set nor subnormal nor undecided. Where it is one of these, passing says nothing: a zero is
//!   the right gradient of a masked row, and within the budget of a subnormal.
//!
//! So a cell in which nothing counts, such as one of zero gradients alone, is not vacuous by the kernel of zeros; and a
//! cell whose budgets are so wide that zeros pass for ones is.

use super::element::{Judge, Outcome};
use super::{Case, LOSS, Level, Machine, bounds, overflows};
use crate::case::Tensors;
use crate::format::Format;
use crate::tensor::Tensor;
use crate::truth::{Truth, Verified};

/// A kernel that computes nothing.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Trivial {
    /// 0 everywhere.
    Zeros,
    /// 1 everywhere.
    Ones,
    /// The output's first truth value everywhere.
    FirstTruth,
    /// The gradient for an upstream of ones, whatever the upstream; on gradients of cases with another one only.
    IgnoresUpstream,
}

impl Trivial {
    /// All trivial kernels.
    pub const ALL: [Trivial; 4] =
        [Trivial::Zeros, Trivial::Ones, Trivial::FirstTruth, Trivial::IgnoresUpstream];

    /// In words, for reports: "a kernel that …".
    pub fn describe(self) -> &'static str {
        match self {
            Trivial::Zeros => "returns zeros",
            Trivial::Ones => "returns ones",
            Trivial::FirstTruth => "returns the first right value everywhere",
            Trivial::IgnoresUpstream => "ignores the upstream gradient",
        }
    }

    /// What the kernel answers for one output of a case, by place in `verified.outputs`. `ones` is the truth of the same
    /// case with upstream ones.
    ///
    /// None where it has no answer: [`Trivial::IgnoresUpstream`] on the loss, on cases whose upstream is all ones, and
    /// without `ones`; [`Trivial::FirstTruth`] where there is no element.
    pub fn answer(
        self,
        case: &Case,
        verified: &Verified,
        ones: Option<&Verified>,
        output: usize,
    ) -> Option<Vec<f64>> {
        let truth = verified.outputs.get(output)?;
        let everywhere = |x: f64| Some(vec![x; truth.elements.len()]);
        match self {
            Trivial::Zeros => everywhere(0.0),
            Trivial::Ones => everywhere(1.0),
            Trivial::FirstTruth => everywhere(truth.elements.first()?.value(case.format)),
            Trivial::IgnoresUpstream => {
                if truth.name == LOSS || case.upstream.floats().iter().all(|&g| g == 1.0) {
                    return None;
                }
                let elements = &ones?.outputs.get(output)?.elements;
                (elements.len() == truth.elements.len())
                    .then(|| elements.iter().map(|y| y.value(case.format)).collect())
            }
        }
    }

    /// All outputs for which the kernel has an answer, as a kernel gives them.
    pub fn outputs(self, case: &Case, verified: &Verified, ones: Option<&Verified>) -> Tensors {
        let answered = verified.outputs.iter().enumerate().filter_map(|(place, truth)| {
            let values = self.answer(case, verified, ones, place)?;
            Some((truth.name.clone(), Tensor::float(case.format, &truth.shape, values)))
        });
        answered.collect()
    }
}

/// What the elements of one cell said of one trivial kernel.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    convicted: bool,
    counted: bool,
}

/// What the elements of one cell, or of several, said of the trivial kernels.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Vacuity {
    seen: [Seen; Trivial::ALL.len()],
}

impl Vacuity {
    /// Lets the trivial kernels answer one output of a case of the cell. `ones` as in [`Trivial::answer`].
    pub fn observe(
        &mut self,
        case: &Case,
        verified: &Verified,
        ones: Option<&Verified>,
        output: usize,
        machine: &Machine,
        demanded: Level,
    ) {
        let Some(truth) = verified.outputs.get(output) else { return };
        let judge = Judge::of(case, machine, demanded, &truth.name);
        let tolerance = verified.tolerances.get(output);
        let longest_sum = tolerance.map_or(1, |t| t.longest_sum);
        for (seen, trivial) in self.seen.iter_mut().zip(Trivial::ALL) {
            if seen.convicted {
                continue;
            }
            let Some(answer) = trivial.answer(case, verified, ones, output) else { continue };
            for (i, (y, got)) in truth.elements.iter().zip(answer).enumerate() {
                if overflows(tolerance, i) {
                    // Nothing is demanded there.
                    continue;
                }
                let (budget, backward) = bounds(tolerance, i);
                if let Outcome::Judged { fault, .. } = judge.element(y, got, budget, backward, longest_sum) {
                    seen.convicted |= fault.is_some();
                    seen.counted |= counts(y, got, case.format);
                }
                if seen.convicted {
                    break;
                }
            }
        }
    }

    /// The same for one trivial kernel whose answer is known by what [`fares`] says of it alone.
    pub fn observe_known(&mut self, trivial: Trivial, fares: Fares, demanded: Level) {
        for (seen, known) in self.seen.iter_mut().zip(Trivial::ALL) {
            if known == trivial {
                seen.convicted |= fares.level.is_some_and(|level| level > demanded || level == Level::Broken);
                seen.counted |= fares.counts;
            }
        }
    }

    /// Adds what was seen elsewhere: in another case of the cell, or in another regime of the same output.
    pub fn merge(&mut self, other: &Vacuity) {
        for (seen, other) in self.seen.iter_mut().zip(other.seen) {
            seen.convicted |= other.convicted;
            seen.counted |= other.counted;
        }
    }

    /// The first trivial kernel that holds what was seen; none where each is convicted or nothing counts for it.
    pub fn held_by(&self) -> Option<Trivial> {
        let mut seen = self.seen.iter().zip(Trivial::ALL);
        seen.find(|(seen, _)| seen.counted && !seen.convicted).map(|(_, trivial)| trivial)
    }
}

/// What an answer to one output says, as far as vacuity depends on it.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Fares {
    /// The worst level of its elements, but for those of which nothing is demanded; none where no element has one.
    pub level: Option<Level>,
    /// Whether an element counts.
    pub counts: bool,
}

/// How an answer to one output of a case fares.
pub fn fares(
    case: &Case,
    verified: &Verified,
    output: usize,
    answer: &[f64],
    machine: &Machine,
) -> Option<Fares> {
    let truth = verified.outputs.get(output)?;
    let judge = Judge::of(case, machine, Level::Stable, &truth.name);
    let tolerance = verified.tolerances.get(output);
    let longest_sum = tolerance.map_or(1, |t| t.longest_sum);
    let mut fares = Fares::default();
    for (i, (y, &got)) in truth.elements.iter().zip(answer).enumerate() {
        if overflows(tolerance, i) {
            continue;
        }
        let (budget, backward) = bounds(tolerance, i);
        if let Outcome::Judged { level, .. } = judge.element(y, got, budget, backward, longest_sum) {
            fares.level = fares.level.max(Some(level));
            fares.counts |= counts(y, got, case.format);
        }
    }
    Some(fares)
}

/// Whether passing with this value at this truth would say something.
fn counts(truth: &Truth, got: f64, format: Format) -> bool {
    let value = truth.value(format);
    let differs = !(got == value || got.is_nan() && value.is_nan());
    match truth {
        Truth::Set(..) | Truth::Undecided { .. } => false,
        Truth::Proved(y) => differs && (y.mantissa == 0 || value.abs() >= format.min_normal()),
        _ => differs,
    }
}
