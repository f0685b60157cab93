//! STAND-IN (front): vacuity in its simplest form, until the judge branch is merged. What `check::cells` needs of the real
//! one: a tally for each cell that is fed with cases, and the trivial kernels that would hold the cell.

use super::{Level, Machine};
use crate::case::Case;
use crate::truth::{Truth, Verified};

/// The trivial kernels that hold what was added so far.
#[derive(Clone, Debug)]
pub struct Tally {
    zeros: bool,
    ones: bool,
}

impl Tally {
    pub fn new() -> Tally {
        Tally { zeros: true, ones: true }
    }

    /// Judges the trivial kernels on one output of a case.
    pub fn add(
        &mut self,
        _case: &Case,
        verified: &Verified,
        output: usize,
        _machine: &Machine,
        _demanded: Level,
    ) {
        for (truth, budget) in
            verified.outputs[output].elements.iter().zip(&verified.tolerances[output].budget)
        {
            if let Truth::Proved(y) = truth {
                let far = |x: f64| y.to_f64() != x && (y.to_f64() - x).abs() > *budget;
                self.zeros &= !far(0.0);
                self.ones &= !far(1.0);
            }
        }
    }

    /// The names of the trivial kernels that hold everything that was added.
    pub fn holding(&self) -> Vec<&'static str> {
        [("zeros", self.zeros), ("ones", self.ones)]
            .iter()
            .filter(|(_, holds)| *holds)
            .map(|(n, _)| *n)
            .collect()
    }
}
