//! How terms become the loss, and what then reaches each term from above: for ⟨upstream, loss⟩ the derivative by a term
//! is the upstream (its own where nothing is reduced), divided by what a mean divides by.

use super::amount::Amount;
use super::real::Real;
use crate::case::Case;

/// A reduced loss.
pub struct Reduced {
    /// The output.
    pub loss: Vec<Amount>,
    /// The derivative of ⟨upstream, loss⟩ by each term; `None` where the term has no part in the loss, whatever it is.
    factors: Vec<Option<Amount>>,
}

impl Reduced {
    /// The element of a gradient whose derivative of the term is `slope`.
    pub fn gradient(&self, term: usize, slope: Amount) -> Amount {
        self.factors[term].map_or(Amount::ZERO, |factor| factor * slope)
    }
}

/// Reduces the terms by the case's `reduction`. `None` is a term that is ignored. A mean divides by `divisor`; where that
/// is exactly 0, the loss is undefined, and so is the gradient by any term that is not ignored; or both are 0, if
/// `empty_mean` is "zero".
pub fn reduce(case: &Case, terms: &[Option<Amount>], divisor: Amount) -> Reduced {
    let upstream = |element: usize| Amount::of(case.upstream.floats()[element]);
    let total = || Amount::sum(terms.iter().copied().flatten());
    let every = |factor: Amount| terms.iter().map(|term| term.map(|_| factor)).collect();
    match case.params.text("reduction") {
        "none" => {
            let factors = terms.iter().enumerate().map(|(element, term)| term.map(|_| upstream(element)));
            Reduced {
                loss: terms.iter().map(|term| term.unwrap_or(Amount::ZERO)).collect(),
                factors: factors.collect(),
            }
        }
        "sum" => Reduced { loss: vec![total()], factors: every(upstream(0)) },
        _ => match divisor {
            Amount::Number(count) if !count.is_exact_zero() => {
                Reduced { loss: vec![total() / count], factors: every(upstream(0) / count) }
            }
            Amount::Number(_) if case.params.text("empty_mean") == "zero" => {
                Reduced { loss: vec![Amount::ZERO], factors: vec![None; terms.len()] }
            }
            _ => Reduced { loss: vec![Amount::Undefined], factors: every(Amount::Undefined) },
        },
    }
}

/// The factors of a float input, one an element; ones where it is absent.
pub fn weights(case: &Case, name: &str, elements: usize) -> Vec<Amount> {
    match case.optional(name) {
        Some(tensor) => tensor.floats().iter().map(|&x| Amount::of(x)).collect(),
        None => vec![Amount::Number(Real::ONE); elements],
    }
}
