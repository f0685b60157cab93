//! One element: its error, its level, its fault.

use super::{Case, Fault, LOSS, Level, Machine};
use crate::format::{Canonical, Format, power_of_two_f64};
use crate::truth::Truth;

/// The one number of the level `accurate` that is not derived: OpenCL's worst elementary function, in ulp.
const ELEMENTARY_ULPS: f64 = 4.0;

/// What judging needs besides the element: the same for all elements of an output.
#[derive(Copy, Clone, Debug)]
pub(super) struct Judge {
    /// The output's format.
    pub format: Format,
    compute: Format,
    flushes: bool,
    demanded: Level,
    /// Whether a negative value is wrong by definition.
    nonnegative: bool,
}

/// What becomes of an element.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// It has no proved truth.
    Undecided,
    /// It would need its budget, and that is infinite.
    Unbounded,
    /// It has a level.
    Judged {
        /// Its level.
        level: Level,
        /// Its error in ulp of the truth.
        ulp: f64,
        /// Its error as a part of the budget.
        ratio: f64,
        /// What is wrong, where the level is not enough.
        fault: Option<Fault>,
    },
}

impl Outcome {
    /// Whether something is wrong.
    pub fn has_fault(&self) -> bool {
        matches!(self, Outcome::Judged { fault: Some(_), .. })
    }
}

const CORRECT: Outcome = Outcome::Judged { level: Level::Correct, ulp: 0.0, ratio: 0.0, fault: None };

fn broken(fault: Fault) -> Outcome {
    let infinite = f64::INFINITY;
    Outcome::Judged { level: Level::Broken, ulp: infinite, ratio: infinite, fault: Some(fault) }
}

/// The tolerances of one element.
#[derive(Copy, Clone, Debug)]
struct Bounds {
    budget: f64,
    backward: f64,
    longest_sum: usize,
}

impl Judge {
    /// The judge of an output of a case.
    pub fn of(case: &Case, machine: &Machine, demanded: Level, output: &str) -> Judge {
        let nonnegative = output == LOSS && case.entry().is_ok_and(|entry| entry.spec().nonnegative);
        let (compute, flushes) = (machine.compute, machine.flush_to_zero);
        Judge { format: case.format, compute, flushes, demanded, nonnegative }
    }

    /// The same judge where nothing is demanded: only what is broken has a fault.
    pub fn undemanding(&self) -> Judge {
        Judge { demanded: Level::Broken, ..*self }
    }

    /// Judges one element. `got` is a number of the format.
    pub fn element(
        &self,
        truth: &Truth,
        got: f64,
        budget: f64,
        backward: f64,
        longest_sum: usize,
    ) -> Outcome {
        let bounds = Bounds { budget, backward, longest_sum };
        let outcome = self.against(truth, got, bounds);
        // A subnormal that may be flushed to 0 has no reciprocal and no logarithm, and makes 0 of what is infinite otherwise:
        // NaN and infinity are not wrong there, and not right either.
        let open = self.flushes && budget.is_infinite() && *truth != Truth::Undefined;
        match outcome {
            Outcome::Judged { level: Level::Broken, .. } if open => Outcome::Unbounded,
            _ => outcome,
        }
    }

    fn against(&self, truth: &Truth, got: f64, bounds: Bounds) -> Outcome {
        match truth {
            Truth::Undecided { .. } => Outcome::Undecided,
            Truth::Undefined if got.is_nan() => CORRECT,
            Truth::Undefined => broken(Fault::MissingNan),
            _ if got.is_nan() => broken(Fault::SpuriousNan),
            Truth::Infinite { .. } | Truth::Overflow(_) if got == truth.value(self.format) => CORRECT,
            Truth::Infinite { .. } | Truth::Overflow(_) if got.is_infinite() => broken(Fault::WrongSign),
            Truth::Infinite { .. } => broken(Fault::MissingInfinity),
            Truth::Overflow(y) => self.finite_for_overflow(y, got, bounds),
            Truth::Proved(y) if got.is_infinite() => self.infinite_for_finite(y, got, bounds),
            Truth::Proved(y) => self.finite(y, got, bounds, false),
            Truth::Set(low, high) => {
                // A set's ends are rounded to odd: a number of the format lies on the true side of them, or is them.
                if got.is_finite() && low.error_of(got) >= 0.0 && high.error_of(got) <= 0.0 {
                    return CORRECT;
                }
                let nearest = if low.error_of(got) < 0.0 { low } else { high };
                if got.is_infinite() {
                    self.infinite_for_finite(nearest, got, bounds)
                } else {
                    self.finite(nearest, got, bounds, true)
                }
            }
        }
    }

    /// The largest number − |y|, negative beyond it.
    fn room_to_max(&self, y: &Canonical) -> f64 {
        let max = self.format.max_value();
        if y.mantissa < 0 { -y.error_of(-max) } else { y.error_of(max) }
    }

    /// Ω − |y|, negative beyond the overflow threshold; without forming Ω, which no f64 is for f64.
    fn room_to_threshold(&self, y: &Canonical) -> f64 {
        // Half an ulp of the largest number: 2^(emax − p).
        self.room_to_max(y) + power_of_two_f64(self.format.max_exponent() - self.format.precision() as i32)
    }

    fn ulps(&self, y: &Canonical, error: f64) -> f64 {
        error / power_of_two_f64(y.ulp_exponent(self.format))
    }

    /// Infinity for a y that does not round to it: right where y, give or take the budget, does.
    fn infinite_for_finite(&self, y: &Canonical, got: f64, bounds: Bounds) -> Outcome {
        let missing = self.room_to_threshold(y).max(0.0);
        let reached = |bound: f64| bound.is_finite() && bound >= missing;
        let level = match () {
            _ if (y.mantissa < 0) != (got < 0.0) => return broken(Fault::SpuriousInfinity),
            _ if self.room_to_max(y) < 0.0 => Level::Faithful,
            _ if reached(bounds.budget) => Level::Stable,
            _ if reached(bounds.backward) => Level::Backward,
            _ => return broken(Fault::SpuriousInfinity),
        };
        self.judged(level, self.ulps(y, missing), ratio(missing, bounds.budget), Fault::SpuriousInfinity)
    }

    /// A finite value for a y that rounds to infinity: right where y, give or take the budget, does not, and the error
    /// is within the budget.
    fn finite_for_overflow(&self, y: &Canonical, got: f64, bounds: Bounds) -> Outcome {
        let error = y.error_of(got).abs();
        // No finite number is nearer to y than the largest, so an error within the bound brings |y| − bound below Ω.
        let right = |bound: f64| bound.is_finite() && error <= bound;
        let level = match () {
            _ if right(bounds.budget) && got.abs() == self.format.max_value() => Level::Faithful,
            _ if right(bounds.budget) && error <= self.accurate_bound(y, bounds) => Level::Accurate,
            _ if right(bounds.budget) => Level::Stable,
            _ if right(bounds.backward) => Level::Backward,
            _ => return broken(Fault::MissingInfinity),
        };
        self.judged(level, self.ulps(y, error), ratio(error, bounds.budget), Fault::MissingInfinity)
    }

    /// (4 + ⌈log₂ n⌉)·ulp_compute(y), and ½ ulp of the output format where it differs.
    fn accurate_bound(&self, y: &Canonical, bounds: Bounds) -> f64 {
        let log2 = f64::from(bounds.longest_sum.max(1).next_power_of_two().trailing_zeros());
        let computing = (ELEMENTARY_ULPS + log2) * power_of_two_f64(y.ulp_exponent(self.compute));
        if self.format == self.compute {
            return computing;
        }
        computing + 0.5 * power_of_two_f64(y.ulp_exponent(self.format))
    }

    /// A finite value against the finite y, the element of the truth that is nearest to it.
    fn finite(&self, y: &Canonical, got: f64, bounds: Bounds, set: bool) -> Outcome {
        let error = y.error_of(got).abs();
        let (ulp, ratio) = (self.ulps(y, error), ratio(error, bounds.budget));
        let opposite = got < 0.0 && y.mantissa > 0 || got > 0.0 && y.mantissa < 0;
        let forbidden = self.nonnegative && got < 0.0;
        let rounded = y.round(self.format);
        let normal = rounded.abs() >= self.format.min_normal();
        let level = match () {
            _ if got == rounded => Level::Correct,
            _ if Some(got) == self.other_neighbour(y, rounded) => Level::Faithful,
            _ if error <= self.accurate_bound(y, bounds) => Level::Accurate,
            _ if self.flushes && got == 0.0 && !normal => Level::Stable,
            _ if bounds.budget.is_infinite() => return Outcome::Unbounded,
            _ if error <= bounds.budget => Level::Stable,
            _ if forbidden => Level::Broken,
            _ if error <= bounds.backward && bounds.backward.is_finite() => Level::Backward,
            _ if opposite => Level::Broken,
            _ => Level::Sane,
        };
        let beyond = error > bounds.budget;
        let fault = match () {
            _ if set && beyond => Fault::OutsideSubdifferential,
            _ if (opposite || forbidden) && beyond => Fault::WrongSign,
            _ if got == 0.0 && normal && beyond => Fault::SpuriousZero,
            _ => Fault::Inaccurate,
        };
        self.judged(level, ulp, ratio, fault)
    }

    /// The float on the other side of y than the nearest one; none where y is a float.
    fn other_neighbour(&self, y: &Canonical, rounded: f64) -> Option<f64> {
        // At 0 the error itself may be below the f64 subnormals: y's own sign tells the side.
        let side = if rounded == 0.0 { -(y.mantissa as f64) } else { y.error_of(rounded) };
        match side {
            0.0 => None,
            side if side < 0.0 => Some(self.format.next_up(rounded)),
            _ => Some(self.format.next_down(rounded)),
        }
    }

    fn judged(&self, level: Level, ulp: f64, ratio: f64, fault: Fault) -> Outcome {
        let enough = level <= self.demanded && level != Level::Broken;
        Outcome::Judged { level, ulp, ratio, fault: (!enough).then_some(fault) }
    }
}

/// An error as a part of the budget: 0 for no error, infinite for an error without a budget.
fn ratio(error: f64, budget: f64) -> f64 {
    if error <= 0.0 { 0.0 } else { error / budget }
}
