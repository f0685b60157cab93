//! STAND-IN (front): vacuity in its simplest form, until the judge branch is merged.

use super::{Case, Level, Machine};
use crate::truth::{Truth, Verified};

/// A kernel that computes nothing.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Trivial {
    /// 0 everywhere.
    Zeros,
    /// The gradient for an upstream of ones.
    IgnoresUpstream,
}

impl Trivial {
    /// In words, for reports: "a kernel that …".
    pub fn describe(self) -> &'static str {
        "returns zeros"
    }
}

/// What the elements of a cell said of the trivial kernels.
#[derive(Copy, Clone, Debug, Default)]
pub struct Vacuity {
    convicted: bool,
    counted: bool,
}

impl Vacuity {
    /// Lets the trivial kernels answer one output of a case.
    pub fn observe(
        &mut self,
        _case: &Case,
        verified: &Verified,
        _ones: Option<&Verified>,
        output: usize,
        _machine: &Machine,
        _demanded: Level,
    ) {
        for (y, budget) in verified.outputs[output].elements.iter().zip(&verified.tolerances[output].budget) {
            if let Truth::Proved(y) = y {
                self.convicted |= y.to_f64().abs() > *budget;
                self.counted |= y.mantissa != 0;
            }
        }
    }

    /// Adds what was seen elsewhere.
    pub fn merge(&mut self, other: &Vacuity) {
        self.convicted |= other.convicted;
        self.counted |= other.counted;
    }

    /// The first trivial kernel that holds what was seen.
    pub fn held_by(&self) -> Option<Trivial> {
        (self.counted && !self.convicted).then_some(Trivial::Zeros)
    }
}
