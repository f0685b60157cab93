//! Binary cross-entropy of logits.

use super::elementary::{exp, ln_1p, sigmoid, softplus};
use super::reduce::Reducing;
use super::storage::{Storage, narrow, widen};
use super::wide::Wide;
use super::{BUILTIN_FORMATS, Claim};
use crate::judge::Level;

/// The loss is a sum of two terms that are not negative. The gradients are differences of two such terms: by the logits
/// faithful for targets 0 and 1, and near their zeros (a target that is nearly the probability; a pos_weight that
/// balances both sides) good to 2^−40 of the terms, which is `stable` by far and can be less than `accurate`.
pub const CLAIMS: &[Claim] = &[
    Claim::always("bce_with_logits", "loss", BUILTIN_FORMATS, Level::Faithful),
    Claim::always("bce_with_logits", "grad.logits", BUILTIN_FORMATS, Level::Stable),
    Claim::always("bce_with_logits", "grad.target", BUILTIN_FORMATS, Level::Stable),
    Claim {
        without: &["pos_weight"],
        ..Claim::always("bce_with_logits", "grad.target", BUILTIN_FORMATS, Level::Faithful)
    },
];

/// Σ weight·(pos_weight·y·softplus(−z) + (1 − y)·softplus(z)), reduced; z the logits, y the target.
pub struct BceWithLogits<'a, S> {
    /// z.
    pub logits: &'a [S],
    /// y.
    pub target: &'a [S],
    /// A factor for each element.
    pub weight: Option<&'a [S]>,
    /// A factor for the positive part, along the last axis.
    pub pos_weight: Option<&'a [S]>,
    /// The gradient from above.
    pub upstream: &'a [S],
    /// How terms become the loss.
    pub reducing: Reducing,
}

impl<S: Storage> BceWithLogits<'_, S> {
    /// Writes the loss and the gradients that are wanted.
    pub fn run(
        &self,
        loss: &mut [S],
        mut logits_gradient: Option<&mut [S]>,
        mut target_gradient: Option<&mut [S]>,
    ) {
        let mut reducer = self.reducing.by(Wide::count(self.logits.len()));
        let constant = reducer.is_constant();
        for (at, (&z, &y)) in self.logits.iter().zip(self.target).enumerate() {
            let (z, y) = (widen(z), widen(y));
            let weight = self.weight.map_or(Wide::ONE, |weight| widen(weight[at]));
            let pos_weight = self.pos_weight.map(|w| widen(w[at % w.len()]));
            let positive = y * pos_weight.unwrap_or(Wide::ONE);
            let negative = Wide::ONE - y;
            reducer.push(at, weight * (positive * softplus(-z) + negative * softplus(z)), loss);
            if constant {
                continue;
            }
            let factor = reducer.factor(self.upstream, at) * weight;
            if let Some(out) = logits_gradient.as_deref_mut() {
                // For y in {0, 1} one of the two products is 0 and the other keeps all its digits.
                out[at] = narrow(factor * (negative * sigmoid(z) - positive * sigmoid(-z)));
            }
            if let Some(out) = target_gradient.as_deref_mut() {
                out[at] = narrow(factor * target_slope(z, pos_weight));
            }
        }
        reducer.finish(loss);
    }
}

/// pos_weight·softplus(−z) − softplus(z), with softplus(±z) = max(±z, 0) + ln(1 + e^−|z|) and what cancels taken out: for
/// pos_weight 1 it is −z. NaN in y makes no NaN here: the slope by the target does not depend on the target.
fn target_slope(z: Wide, pos_weight: Option<Wide>) -> Wide {
    let Some(w) = pos_weight else { return -z };
    let linear = if z.is_negative() { w * -z } else { -z };
    linear + (w - Wide::ONE) * ln_1p(exp(-z.abs()))
}
