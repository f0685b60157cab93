//! Losses of a residual: squared, absolute, Huber's, smooth L1, the logarithm of its hyperbolic cosine.

use super::elementary::{log_cosh, tanh};
use super::reduce::Reducing;
use super::storage::{Storage, narrow, widen};
use super::wide::Wide;
use super::{BUILTIN_FORMATS, Claim};
use crate::judge::Level;

/// The levels that the losses hold: the difference is good to 44 bits, terms are not negative, nothing cancels.
pub const CLAIMS: &[Claim] = &[
    Claim::always("mse", "loss", BUILTIN_FORMATS, Level::Faithful),
    Claim::always("mse", "grad.prediction", BUILTIN_FORMATS, Level::Faithful),
    Claim::always("mse", "grad.target", BUILTIN_FORMATS, Level::Faithful),
    Claim::always("mae", "loss", BUILTIN_FORMATS, Level::Faithful),
    Claim::always("mae", "grad.prediction", BUILTIN_FORMATS, Level::Faithful),
    Claim::always("mae", "grad.target", BUILTIN_FORMATS, Level::Faithful),
    Claim::always("huber", "loss", BUILTIN_FORMATS, Level::Faithful),
    Claim::always("huber", "grad.prediction", BUILTIN_FORMATS, Level::Faithful),
    Claim::always("huber", "grad.target", BUILTIN_FORMATS, Level::Faithful),
    Claim::always("smooth_l1", "loss", BUILTIN_FORMATS, Level::Faithful),
    Claim::always("smooth_l1", "grad.prediction", BUILTIN_FORMATS, Level::Faithful),
    Claim::always("smooth_l1", "grad.target", BUILTIN_FORMATS, Level::Faithful),
    Claim::always("log_cosh", "loss", BUILTIN_FORMATS, Level::Faithful),
    Claim::always("log_cosh", "grad.prediction", BUILTIN_FORMATS, Level::Faithful),
    Claim::always("log_cosh", "grad.target", BUILTIN_FORMATS, Level::Faithful),
];

/// The function of the residual r = prediction − target.
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum Residual {
    /// r².
    Squared,
    /// |r|; its derivative at 0 is 0.
    Absolute,
    /// ½r² for |r| ≤ delta, delta·(|r| − ½delta) beyond.
    Huber { delta: f64 },
    /// The same divided by its threshold; |r| where that is 0.
    SmoothL1 { beta: f64 },
    /// ln cosh r.
    LogCosh,
}

impl Residual {
    /// f and f′ of a residual.
    fn apply(self, r: Wide) -> (Wide, Wide) {
        match self {
            Residual::Squared => (r * r, r.times_power_of_two(1)),
            Residual::Absolute | Residual::SmoothL1 { beta: 0.0 } => (r.abs(), r.sign()),
            Residual::Huber { delta } => {
                let delta = Wide::parameter(delta);
                match linear(r, delta) {
                    Some(rest) => (delta * rest, delta * r.sign()),
                    None => ((r * r).times_power_of_two(-1), r),
                }
            }
            Residual::LogCosh => (log_cosh(r), tanh(r)),
            Residual::SmoothL1 { beta } => {
                let beta = Wide::parameter(beta);
                match linear(r, beta) {
                    Some(rest) => (rest, r.sign()),
                    None => {
                        let slope = r / beta;
                        ((r * slope).times_power_of_two(-1), slope)
                    }
                }
            }
        }
    }
}

/// |r| − ½threshold where |r| is above the threshold. A NaN is above nothing.
fn linear(r: Wide, threshold: Wide) -> Option<Wide> {
    threshold.is_below(r.abs()).then(|| r.abs() - threshold.times_power_of_two(-1))
}

/// Σ weight·f(prediction − target), reduced.
pub struct Regression<'a, S> {
    /// f.
    pub residual: Residual,
    /// The model's output.
    pub prediction: &'a [S],
    /// What it is held against.
    pub target: &'a [S],
    /// A factor for each element.
    pub weight: Option<&'a [S]>,
    /// The gradient from above.
    pub upstream: &'a [S],
    /// Whether a weighted mean divides by the weights' sum.
    pub mean_over_weight: bool,
    /// How terms become the loss.
    pub reducing: Reducing,
}

impl<S: Storage> Regression<'_, S> {
    /// Writes the loss and the gradients that are wanted.
    pub fn run(
        &self,
        loss: &mut [S],
        mut prediction_gradient: Option<&mut [S]>,
        mut target_gradient: Option<&mut [S]>,
    ) {
        let divisor = match self.weight {
            Some(weight) if self.mean_over_weight => weight.iter().fold(Wide::ZERO, |sum, &w| sum + widen(w)),
            _ => Wide::count(self.prediction.len()),
        };
        let mut reducer = self.reducing.by(divisor);
        let constant = reducer.is_constant();
        for (at, (&x, &y)) in self.prediction.iter().zip(self.target).enumerate() {
            let weight = self.weight.map_or(Wide::ONE, |weight| widen(weight[at]));
            let (term, slope) = self.residual.apply(widen(x) - widen(y));
            reducer.push(at, weight * term, loss);
            if constant || prediction_gradient.is_none() && target_gradient.is_none() {
                continue;
            }
            let gradient = reducer.factor(self.upstream, at) * weight * slope;
            if let Some(out) = prediction_gradient.as_deref_mut() {
                out[at] = narrow(gradient);
            }
            if let Some(out) = target_gradient.as_deref_mut() {
                out[at] = narrow(-gradient);
            }
        }
        reducer.finish(loss);
    }
}
