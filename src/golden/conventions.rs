//! The other conventions of a golden test: what a kernel would owe that follows another known choice, so that from files alone
//! it is told from one that is wrong.

use super::convert::{Alternative, params_of};
use crate::case::Case;
use crate::case::regime::Regime;
use crate::judge::{Machine, alternatives};
use crate::oracle;
use crate::truth::{Truth, Verified};

/// The case's alternatives that make a difference, with their truth.
///
/// A check that asks a failing answer whether it holds under one of them finds among these what it finds among all that the
/// oracle knows. For what is left out explains nothing: an alternative with the truth and tolerance of the case itself
/// fails with it; one with those of an earlier alternative is never reached; one with an undecided element never
/// holds; and where nothing is demanded, nothing is explained.
pub fn proved(case: &Case, verified: &Verified, regime: Regime) -> Vec<Alternative> {
    let mut found: Vec<Alternative> = Vec::new();
    if regime == Regime::Overflowing {
        return found;
    }
    let machine = Machine::of(case.format);
    for (declaration, other) in alternatives(case) {
        let Ok(answer) = oracle::verify(&other, &machine) else { continue };
        let mut elements = answer.outputs.iter().flat_map(|truth| &truth.elements);
        let undecided = elements.any(|truth| matches!(truth, Truth::Undecided { .. }));
        let known = answer == *verified || found.iter().any(|earlier| earlier.verified == answer);
        if !undecided && !known {
            found.push(Alternative { params: params_of(&declaration), case: other, verified: answer });
        }
    }
    found
}
