//! The truth of an output: what the mathematics says, in the canonical form that is the same from every tier; and the
//! tolerance that belongs to it.

use crate::format::{Canonical, Format};

/// Which arithmetic proves.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Tier {
    /// Balls of f64 first, MPFR for the elements that they leave open.
    #[default]
    Fast,
    /// MPFR alone.
    Mpfr,
}

/// The truth of one element.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Truth {
    /// A finite y that rounds to a finite number.
    Proved(Canonical),
    /// A kink: every number between the two ends, which belong to it, is right.
    Set(Canonical, Canonical),
    /// y is finite and rounds to ±∞.
    Overflow(Canonical),
    /// y is exactly +∞ or −∞.
    Infinite {
        /// Whether it is −∞.
        negative: bool,
    },
    /// The mathematics has no value: NaN is owed.
    Undefined,
    /// The precision cap was reached first.
    Undecided {
        /// The precision that was spent.
        bits: u32,
    },
}

impl Truth {
    /// `proved`, `set`, `overflow`, `infinite`, `undefined` or `undecided`.
    pub fn kind(&self) -> &'static str {
        match self {
            Truth::Proved(_) => "proved",
            Truth::Set(..) => "set",
            Truth::Overflow(_) => "overflow",
            Truth::Infinite { .. } => "infinite",
            Truth::Undefined => "undefined",
            Truth::Undecided { .. } => "undecided",
        }
    }

    /// The value that a `correct` kernel gives: y rounded; for a set its element nearest to 0, rounded into the set
    /// where it has a number of the format; for overflow and infinite the infinity; NaN for undefined and undecided.
    pub fn value(&self, format: Format) -> f64 {
        let infinity = |negative: bool| if negative { f64::NEG_INFINITY } else { f64::INFINITY };
        match self {
            Truth::Proved(y) => y.round(format),
            Truth::Set(low, high) => match (low.mantissa > 0, high.mantissa < 0) {
                (true, _) => low.round(format),
                (_, true) => high.round(format),
                _ => 0.0,
            },
            Truth::Overflow(y) => infinity(y.mantissa < 0),
            Truth::Infinite { negative } => infinity(*negative),
            Truth::Undefined | Truth::Undecided { .. } => f64::NAN,
        }
    }
}

/// The truth of one output.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputTruth {
    /// `loss` or `grad.<input>`.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its elements, row-major.
    pub elements: Vec<Truth>,
}

/// What an honest implementation may lose on one output.
#[derive(Clone, Debug, PartialEq)]
pub struct Tolerance {
    /// The budget of each element: an absolute error.
    pub budget: Vec<f64>,
    /// The bound of the level `backward` for each element, likewise.
    pub backward: Vec<f64>,
    /// The longest sum behind the output.
    pub longest_sum: usize,
    /// Of each element, whether a step on the way to it leaves the compute format's range although its truth does not:
    /// such an element counts in the regime `overflowing`, and nothing is demanded of what came of the overflow.
    pub overflows_on_the_way: Vec<bool>,
}

/// Everything that the judge needs to know of a case.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// The truth of each output, the loss first.
    pub outputs: Vec<OutputTruth>,
    /// The tolerance of each output, in the same order.
    pub tolerances: Vec<Tolerance>,
}
