//! Binary cross-entropy of probabilities.

use super::elementary::{ln, ln_1p};
use super::reduce::Reducing;
use super::storage::{Storage, narrow, widen};
use super::wide::Wide;
use super::{BUILTIN_FORMATS, Claim};
use crate::graph::PYTORCH_FLOOR;
use crate::judge::Level;

/// The loss is a sum of terms that are not negative; the gradients are formed from differences of stored numbers.
pub const CLAIMS: &[Claim] = &[
    Claim::always("bce", "loss", BUILTIN_FORMATS, Level::Faithful),
    Claim::always("bce", "grad.probability", BUILTIN_FORMATS, Level::Faithful),
    Claim::always("bce", "grad.target", BUILTIN_FORMATS, Level::Faithful),
];

/// What is clamped against ln 0.
#[derive(Copy, Clone, Debug)]
pub struct Clamping {
    /// The least value of both logarithms; `None` for none.
    pub log: Option<f64>,
    /// Whether the gradient of clamped logarithms is PyTorch's.
    pub pytorch_gradient: bool,
    /// The probability is clipped to [this, 1 − this]; 0 for not at all.
    pub probability: f64,
}

/// Σ −weight·(y·ln p + (1 − y)·ln(1 − p)), reduced; p the probability, y the target.
pub struct Bce<'a, S> {
    /// p.
    pub probability: &'a [S],
    /// y.
    pub target: &'a [S],
    /// A factor for each element.
    pub weight: Option<&'a [S]>,
    /// The gradient from above.
    pub upstream: &'a [S],
    /// What is clamped.
    pub clamping: Clamping,
    /// How terms become the loss.
    pub reducing: Reducing,
}

impl<S: Storage> Bce<'_, S> {
    /// Writes the loss and the gradients that are wanted.
    pub fn run(
        &self,
        loss: &mut [S],
        mut probability_gradient: Option<&mut [S]>,
        mut target_gradient: Option<&mut [S]>,
    ) {
        let mut reducer = self.reducing.by(Wide::count(self.probability.len()));
        let constant = reducer.is_constant();
        for (at, (&p, &y)) in self.probability.iter().zip(self.target).enumerate() {
            let y = widen(y);
            let weight = self.weight.map_or(Wide::ONE, |weight| widen(weight[at]));
            let element = Element::of(widen(p), &self.clamping);
            reducer.push(at, weight * element.loss(y), loss);
            if constant {
                continue;
            }
            let factor = reducer.factor(self.upstream, at) * weight;
            if let Some(out) = probability_gradient.as_deref_mut() {
                out[at] = narrow(factor * element.slope(y, &self.clamping));
            }
            if let Some(out) = target_gradient.as_deref_mut() {
                out[at] = narrow(factor * element.target_slope());
            }
        }
        reducer.finish(loss);
    }
}

/// A probability p with q = 1 − p beside it, both clipped, and their clamped logarithms.
struct Element {
    p: Wide,
    q: Wide,
    clipped: bool,
    logs: [Wide; 2],
    /// Which logarithms are cut: their derivatives are 0.
    cut: [bool; 2],
    /// Which logarithms the derivative by the target takes without the clamp.
    unclamped: bool,
}

/// ln a of a pair a + b = 1, without losing an a near 1.
fn ln_of(a: Wide, b: Wide) -> Wide {
    if b.is_zero() || b.is_finite() && b.exponent() < -2 { ln_1p(-b) } else { ln(a) }
}

impl Element {
    fn of(p: Wide, clamping: &Clamping) -> Element {
        let clip = Wide::parameter(clamping.probability);
        let (low, high) = (clip, Wide::ONE - clip);
        // 1 − p of a stored p near 1 is exact, 1 − (1 − c) is not: the pair is clipped on both sides.
        let q = Wide::ONE - p;
        let (p, q, clipped) = match () {
            _ if p.is_below(low) => (low, high, true),
            _ if q.is_below(low) => (high, low, true),
            _ => (p, q, false),
        };
        let mut logs = [ln_of(p, q), ln_of(q, p)];
        let mut cut = [false; 2];
        if let Some(least) = clamping.log {
            let least = Wide::parameter(least);
            for (log, cut) in logs.iter_mut().zip(&mut cut) {
                if log.is_below(least) {
                    (*log, *cut) = (least, true);
                }
            }
        }
        let unclamped = clamping.pytorch_gradient || clamping.log.is_none();
        Element { p, q, clipped, logs, cut, unclamped }
    }

    /// −(y·ln p + (1 − y)·ln q), 0·ln 0 = 0.
    fn loss(&self, y: Wide) -> Wide {
        let term = |factor: Wide, log: Wide| if factor.is_zero() { factor } else { factor * -log };
        term(y, self.logs[0]) + term(Wide::ONE - y, self.logs[1])
    }

    /// (1 − y)/q − y/p = (p − y)/(p·q), the difference exact or nearly so.
    fn slope(&self, y: Wide, clamping: &Clamping) -> Wide {
        let (p, q, no) = (self.p, self.q, Wide::ONE - y);
        if y.is_nan() || p.is_nan() {
            return Wide::NAN;
        }
        if self.clipped {
            return Wide::ZERO;
        }
        if clamping.log.is_some() && clamping.pytorch_gradient {
            let (product, floor) = (p * q, Wide::parameter(PYTORCH_FLOOR));
            return (p - y) / if product.is_below(floor) { floor } else { product };
        }
        let (on, off) = (!self.cut[0] && !y.is_zero(), !self.cut[1] && !no.is_zero());
        match (on, off) {
            (true, true) if p.is_zero() => -Wide::INFINITY,
            (true, true) if q.is_zero() => Wide::INFINITY,
            (true, true) => (p - y) / (p * q),
            // The target is not negative, and p not below 0: −y/p is −∞ at 0.
            (true, false) => -(y / p),
            (false, true) => no / q,
            (false, false) => Wide::ZERO,
        }
    }

    /// ln q − ln p, without cancellation around ½.
    fn target_slope(&self) -> Wide {
        let (p, q) = (self.p, self.q);
        let [on, off] = match self.unclamped {
            true => [ln_of(p, q), ln_of(q, p)],
            false => self.logs,
        };
        let (gap, quarter) = (q - p, Wide::ONE.times_power_of_two(-2));
        if gap.abs().is_below(quarter) {
            // Of arguments from 0 to ⅔.
            return match gap.is_negative() {
                true => -ln_1p(-gap / q),
                false => ln_1p(gap / p),
            };
        }
        off - on
    }
}
