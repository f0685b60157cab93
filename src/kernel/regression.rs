//! Mean squared and mean absolute error.

use super::reduce::Reducing;
use super::storage::{Storage, narrow, widen};
use super::wide::Wide;
use super::{BUILTIN_FORMATS, Claim};
use crate::judge::Level;

/// The levels that both losses hold: the difference is exact, terms are not negative, nothing cancels.
pub const CLAIMS: &[Claim] = &[
    Claim::always("mse", "loss", BUILTIN_FORMATS, Level::Faithful),
    Claim::always("mse", "grad.prediction", BUILTIN_FORMATS, Level::Faithful),
    Claim::always("mse", "grad.target", BUILTIN_FORMATS, Level::Faithful),
    Claim::always("mae", "loss", BUILTIN_FORMATS, Level::Faithful),
    Claim::always("mae", "grad.prediction", BUILTIN_FORMATS, Level::Faithful),
    Claim::always("mae", "grad.target", BUILTIN_FORMATS, Level::Faithful),
];

/// The function of the residual r = prediction − target.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Residual {
    /// r².
    Squared,
    /// |r|; its derivative at 0 is 0.
    Absolute,
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
            let residual = widen(x) - widen(y);
            let (term, slope) = match self.residual {
                Residual::Squared => (residual * residual, residual.times_power_of_two(1)),
                Residual::Absolute => (residual.abs(), residual.sign()),
            };
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
