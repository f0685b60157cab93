//! The focal loss of logits.

use super::elementary::{exp, ln, sigmoid, softplus};
use super::reduce::Reducing;
use super::storage::{Storage, narrow, widen};
use super::wide::Wide;
use super::{BUILTIN_FORMATS, Claim};
use crate::graph::{Focal, SoftTarget};
use crate::judge::Level;
use crate::loss;

/// The loss has no negative term, and for targets 0 and 1 the gradient's terms have one sign. For targets between, the
/// gradient is a difference, good to 2^−40 of its terms: `stable` by far, and near its zeros less than `accurate`.
pub const CLAIMS: &[Claim] = &[
    Claim::always("focal_sigmoid", "loss", BUILTIN_FORMATS, Level::Faithful),
    Claim::always("focal_sigmoid", "grad.logits", BUILTIN_FORMATS, Level::Stable),
    Claim {
        given: &[("soft_target", loss::Default::Null)],
        ..Claim::always("focal_sigmoid", "grad.logits", BUILTIN_FORMATS, Level::Faithful)
    },
];

/// Σ α_t·(1 − p_t)^γ·(−ln p_t), reduced.
pub struct FocalSigmoid<'a, S> {
    /// z.
    pub logits: &'a [S],
    /// y: 0 or 1, or between with what a soft target means.
    pub target: &'a [S],
    /// The gradient from above.
    pub upstream: &'a [S],
    /// α, γ and the meaning of soft targets.
    pub focal: Focal,
    /// How terms become the loss.
    pub reducing: Reducing,
}

impl<S: Storage> FocalSigmoid<'_, S> {
    /// Writes the loss and the gradient, if it is wanted.
    pub fn run(&self, loss: &mut [S], mut gradient: Option<&mut [S]>) {
        let mut reducer = self.reducing.by(Wide::count(self.logits.len()));
        let constant = reducer.is_constant();
        for (at, (&z, &y)) in self.logits.iter().zip(self.target).enumerate() {
            let (value, slope) = element(widen(z), widen(y), self.focal);
            reducer.push(at, value, loss);
            if let Some(out) = gradient.as_deref_mut().filter(|_| !constant) {
                out[at] = narrow(reducer.factor(self.upstream, at) * slope);
            }
        }
        reducer.finish(loss);
    }
}

/// x^γ by its logarithm; 1 for γ = 0.
fn power(log: Wide, gamma: Wide) -> Wide {
    if gamma.is_zero() { Wide::ONE } else { exp(gamma * log) }
}

/// σ(t)^γ·softplus(t), the loss of a class that the logit t is against, and its derivative by t.
fn term(t: Wide, gamma: Wide) -> (Wide, Wide) {
    let (weight, surprise) = (power(-softplus(-t), gamma), softplus(t));
    (weight * surprise, weight * (sigmoid(t) + gamma * sigmoid(-t) * surprise))
}

/// 1 − e^−x for x ≥ 0, without losing a small x.
fn one_minus_exp(x: Wide) -> Wide {
    /// ½^14/15! is below 2^−54.
    const TERMS: usize = 14;
    if !x.is_zero() && (!x.is_finite() || x.exponent() >= -1) {
        return Wide::ONE - exp(-x);
    }
    let nested = |sum: Wide, k: usize| Wide::ONE - x / Wide::count(k) * sum;
    x * (2..=TERMS).rev().fold(Wide::ONE, nested)
}

/// The loss of one element and its derivative by the logit.
fn element(z: Wide, y: Wide, focal: Focal) -> (Wide, Wide) {
    let (gamma, no) = (Wide::parameter(focal.gamma()), Wide::ONE - y);
    let alpha = focal.alpha.map(|alpha| Wide::parameter(alpha.get()));
    let (on, off) = match alpha {
        Some(alpha) => (alpha * y, (Wide::ONE - alpha) * no),
        None => (y, no),
    };
    let (positive, negative) = (term(-z, gamma), term(z, gamma));
    if focal.soft == SoftTarget::Linear || y.is_zero() || no.is_zero() {
        return (on * positive.0 + off * negative.0, off * negative.1 - on * positive.1);
    }
    let alpha_t = if alpha.is_some() { on + off } else { Wide::ONE };
    let (p, q) = (sigmoid(z), sigmoid(-z));
    let entropy = y * softplus(-z) + no * softplus(z);
    let entropy_slope = no * p - y * q;
    // The weight, and its derivative over itself and γ.
    let (weight, change) = match focal.soft {
        SoftTarget::InterpolateP | SoftTarget::Linear => {
            let miss = y * q + no * p;
            (power(ln(miss), gamma), (no - y) * p * q / miss)
        }
        SoftTarget::ExpBce => {
            let rest = one_minus_exp(entropy);
            (power(ln(rest), gamma), exp(-entropy) * entropy_slope / rest)
        }
        SoftTarget::LogWeight => {
            let t = (no - y) * z;
            (power(-softplus(-t), gamma), (no - y) * sigmoid(-t))
        }
    };
    (alpha_t * weight * entropy, alpha_t * weight * (entropy_slope + gamma * change * entropy))
}
