//! Gaussian negative log-likelihood.

use super::elementary::ln;
use super::reduce::Reducing;
use super::storage::{Storage, narrow, widen};
use super::wide::Wide;
use super::{BUILTIN_FORMATS, Claim};
use crate::judge::Level;

/// The logarithm and the quotient of the loss may cancel, and so may 1 and r²/v in the gradient by the variance: what is
/// left is good to 2^−40 of them, which is `stable` by far.
pub const CLAIMS: &[Claim] = &[
    Claim::always("gaussian_nll", "loss", BUILTIN_FORMATS, Level::Stable),
    Claim::always("gaussian_nll", "grad.mean", BUILTIN_FORMATS, Level::Faithful),
    Claim::always("gaussian_nll", "grad.target", BUILTIN_FORMATS, Level::Faithful),
    Claim::always("gaussian_nll", "grad.variance", BUILTIN_FORMATS, Level::Stable),
];

/// ½ ln 2π.
const HALF_LN_TWO_PI: f64 = 0.918_938_533_204_672_8;

/// Σ ½(ln v + r²/v), reduced; r = mean − target, v the variance, at least the floor.
pub struct GaussianNll<'a, S> {
    /// The predicted mean.
    pub mean: &'a [S],
    /// What was observed.
    pub target: &'a [S],
    /// The predicted variance.
    pub variance: &'a [S],
    /// The gradient from above.
    pub upstream: &'a [S],
    /// Whether ½ ln 2π is added.
    pub full: bool,
    /// What variances below count as.
    pub variance_floor: Option<f64>,
    /// Whether the gradient by variances below the floor is 0, not that at the floor.
    pub cut: bool,
    /// How terms become the loss.
    pub reducing: Reducing,
}

/// Room for each gradient that is wanted.
pub struct GaussianGradients<'a, S> {
    /// By the mean.
    pub mean: Option<&'a mut [S]>,
    /// By the target.
    pub target: Option<&'a mut [S]>,
    /// By the variance.
    pub variance: Option<&'a mut [S]>,
}

impl<S: Storage> GaussianNll<'_, S> {
    /// Writes the loss and the gradients that are wanted.
    pub fn run(&self, loss: &mut [S], mut gradients: GaussianGradients<'_, S>) {
        let mut reducer = self.reducing.by(Wide::count(self.mean.len()));
        let constant = reducer.is_constant();
        let floor = self.variance_floor.map(Wide::parameter);
        let added = if self.full { Wide::parameter(HALF_LN_TWO_PI) } else { Wide::ZERO };
        for (at, ((&x, &y), &v)) in self.mean.iter().zip(self.target).zip(self.variance).enumerate() {
            let (residual, given) = (widen(x) - widen(y), widen(v));
            let floored = floor.filter(|&floor| given.is_below(floor));
            let variance = floored.unwrap_or(given);
            let slope = residual / variance;
            let ratio = residual * slope;
            reducer.push(at, (ln(variance) + ratio).times_power_of_two(-1) + added, loss);
            if constant {
                continue;
            }
            let factor = reducer.factor(self.upstream, at);
            if let Some(out) = gradients.mean.as_deref_mut() {
                out[at] = narrow(factor * slope);
            }
            if let Some(out) = gradients.target.as_deref_mut() {
                out[at] = narrow(-(factor * slope));
            }
            if let Some(out) = gradients.variance.as_deref_mut() {
                let share = if floored.is_some() && self.cut { Wide::ZERO } else { Wide::ONE };
                let slope = ((Wide::ONE - ratio) / variance).times_power_of_two(-1);
                out[at] = narrow(factor * slope * share);
            }
        }
        reducer.finish(loss);
    }
}
