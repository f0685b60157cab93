//! Kullback–Leibler divergence of given log-probabilities.

use super::elementary::{exp, ln};
use super::reduce::Reducing;
use super::storage::{Storage, narrow, widen};
use super::wide::Wide;
use super::{BUILTIN_FORMATS, Claim};
use crate::judge::Level;

/// The loss and the gradient by the target are made of differences, ln t − x, and where these nearly cancel they are good to
/// 2^−40 of their terms: `stable` by far. The gradient by the prediction is a product.
pub const CLAIMS: &[Claim] = &[
    Claim::always("kl_div", "loss", BUILTIN_FORMATS, Level::Stable),
    Claim::always("kl_div", "grad.log_prediction", BUILTIN_FORMATS, Level::Faithful),
    Claim::always("kl_div", "grad.target", BUILTIN_FORMATS, Level::Stable),
];

/// Σ t·(ln t − x), or Σ e^t·(t − x), reduced; x the log-prediction, t the target.
pub struct KlDiv<'a, S> {
    /// x.
    pub log_prediction: &'a [S],
    /// t.
    pub target: &'a [S],
    /// How many rows there are: what "batchmean" divides by.
    pub rows: usize,
    /// The gradient from above.
    pub upstream: &'a [S],
    /// Whether t is the logarithm of the target.
    pub log_target: bool,
    /// Whether a mean divides by the elements, not by the rows.
    pub over_elements: bool,
    /// How terms become the loss.
    pub reducing: Reducing,
}

/// A term with its derivatives by t and, but for the sign, by x.
struct Term {
    value: Wide,
    slope: Wide,
    mass: Wide,
}

impl Term {
    /// t·(ln t − x), 0 for t = 0, and ln t − x + 1.
    fn of(t: Wide, x: Wide) -> Term {
        let gap = ln(t) - x;
        let value = if t.is_zero() && !x.is_nan() { Wide::ZERO } else { t * gap };
        Term { value, slope: gap + Wide::ONE, mass: t }
    }

    /// e^t·(t − x) and e^t·(t − x + 1), both 0 for t = −∞. The exponential may be 0 or ∞ where it leaves every range.
    fn of_log(t: Wide, x: Wide) -> Term {
        let mass = exp(t);
        if x.is_nan() || t.is_nan() {
            return Term { value: Wide::NAN, slope: Wide::NAN, mass };
        }
        if !t.is_finite() {
            return Term { value: Wide::ZERO, slope: Wide::ZERO, mass };
        }
        let gap = t - x;
        let times_mass = |factor: Wide| match factor {
            factor if factor.is_zero() || !factor.is_finite() => factor,
            factor => mass * factor,
        };
        Term { value: times_mass(gap), slope: times_mass(gap + Wide::ONE), mass }
    }
}

impl<S: Storage> KlDiv<'_, S> {
    /// Writes the loss and the gradients that are wanted.
    pub fn run(
        &self,
        loss: &mut [S],
        mut prediction_gradient: Option<&mut [S]>,
        mut target_gradient: Option<&mut [S]>,
    ) {
        let count = if self.over_elements { self.target.len() } else { self.rows };
        let mut reducer = self.reducing.by(Wide::count(count));
        let constant = reducer.is_constant();
        for (at, (&x, &t)) in self.log_prediction.iter().zip(self.target).enumerate() {
            let (x, t) = (widen(x), widen(t));
            let term = if self.log_target { Term::of_log(t, x) } else { Term::of(t, x) };
            reducer.push(at, term.value, loss);
            if constant {
                continue;
            }
            let factor = reducer.factor(self.upstream, at);
            if let Some(out) = prediction_gradient.as_deref_mut() {
                out[at] = narrow(-(factor * term.mass));
            }
            if let Some(out) = target_gradient.as_deref_mut() {
                out[at] = narrow(factor * term.slope);
            }
        }
        reducer.finish(loss);
    }
}
