//! Negative log-likelihood of given log-probabilities.

use super::reduce::Reducing;
use super::storage::{Storage, narrow, widen};
use super::wide::Wide;
use super::{BUILTIN_FORMATS, Claim};
use crate::judge::Level;
use crate::loss::Default;

/// Log-probabilities may have any sign, so the sum of the rows may cancel, and is then good to 2^−40 of its terms: `stable` by
/// far. A row's loss and the gradient are products.
pub const CLAIMS: &[Claim] = &[
    Claim::always("nll_loss", "loss", BUILTIN_FORMATS, Level::Stable),
    Claim {
        given: &[("reduction", Default::Text("none"))],
        ..Claim::always("nll_loss", "loss", BUILTIN_FORMATS, Level::Faithful)
    },
    Claim::always("nll_loss", "grad.log_probs", BUILTIN_FORMATS, Level::Faithful),
];

/// −w_t·ℓ_t of each row ℓ with its class t, reduced; w the class_weight.
pub struct NllLoss<'a, S> {
    /// The rows, one after the other.
    pub log_probs: &'a [S],
    /// The class of each row.
    pub target: &'a [i64],
    /// How many classes a row has.
    pub classes: usize,
    /// A factor for each class.
    pub class_weight: Option<&'a [S]>,
    /// The gradient from above.
    pub upstream: &'a [S],
    /// Rows of this target add nothing.
    pub ignore_index: Option<i64>,
    /// How terms become the loss.
    pub reducing: Reducing,
}

impl<S: Storage> NllLoss<'_, S> {
    fn weight(&self, class: usize) -> Wide {
        self.class_weight.map_or(Wide::ONE, |weight| widen(weight[class]))
    }

    /// Writes the loss and the gradient if it is wanted.
    pub fn run(&self, loss: &mut [S], mut gradient: Option<&mut [S]>) {
        let kept = |target: i64| Some(target) != self.ignore_index;
        let of_kept = self.target.iter().filter(|&&t| kept(t));
        let divisor = of_kept.fold(Wide::ZERO, |sum, &t| sum + self.weight(t as usize));
        let mut reducer = self.reducing.by(divisor);
        let constant = reducer.is_constant();
        for (at, (row, &target)) in self.log_probs.chunks_exact(self.classes).zip(self.target).enumerate() {
            let mut out = gradient.as_deref_mut().map(|all| &mut all[at * self.classes..][..self.classes]);
            if let Some(out) = &mut out {
                out.fill(S::ZERO);
            }
            if !kept(target) {
                reducer.push(at, Wide::ZERO, loss);
                continue;
            }
            let class = target as usize;
            let weight = self.weight(class);
            reducer.push(at, -(weight * widen(row[class])), loss);
            if let Some(out) = out.filter(|_| !constant) {
                out[class] = narrow(-(reducer.factor(self.upstream, at) * weight));
            }
        }
        reducer.finish(loss);
    }
}
