//! The hinge loss.

use super::reduce::Reducing;
use super::storage::{Storage, narrow, widen};
use super::wide::Wide;
use super::{BUILTIN_FORMATS, Claim};
use crate::judge::Level;

/// The product is exact, so is the side of the kink, and terms are not negative.
pub const CLAIMS: &[Claim] = &[
    Claim::always("hinge", "loss", BUILTIN_FORMATS, Level::Faithful),
    Claim::always("hinge", "grad.score", BUILTIN_FORMATS, Level::Faithful),
];

/// Σ max(1 − target·score, 0), reduced; the derivative is 0 at the kink.
pub struct Hinge<'a, S> {
    /// The unbounded scores.
    pub score: &'a [S],
    /// −1 or 1.
    pub target: &'a [S],
    /// The gradient from above.
    pub upstream: &'a [S],
    /// How terms become the loss.
    pub reducing: Reducing,
}

impl<S: Storage> Hinge<'_, S> {
    /// Writes the loss and the gradient if it is wanted.
    pub fn run(&self, loss: &mut [S], mut score_gradient: Option<&mut [S]>) {
        let mut reducer = self.reducing.by(Wide::count(self.score.len()));
        let constant = reducer.is_constant();
        for (at, (&x, &y)) in self.score.iter().zip(self.target).enumerate() {
            let target = widen(y);
            let gap = Wide::ONE - target * widen(x);
            // NaN is not negative, and stays.
            let (term, slope) =
                if gap.is_negative() { (Wide::ZERO, Wide::ZERO) } else { (gap, -target * gap.sign()) };
            reducer.push(at, term, loss);
            if constant {
                continue;
            }
            if let Some(out) = score_gradient.as_deref_mut() {
                out[at] = narrow(reducer.factor(self.upstream, at) * slope);
            }
        }
        reducer.finish(loss);
    }
}
