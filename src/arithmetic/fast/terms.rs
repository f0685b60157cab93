//! Terms of divergences, of the binary cross-entropy of probabilities, and cosines, as fast balls.
//!
//! *Sound*: compositions of sound operations, in the forms of the MPFR tier; a case is taken only where the whole ball is in it.

use super::ball::Ball;
use super::elementary::{exp, ln, ln_1p, sqrt};
use super::rows::sum;
use super::{by_order, weighted_sum};
use crate::graph::{LogClamp, PYTORCH_FLOOR};

/// Whether it is a number or −∞: nothing that is 0 by definition hides a NaN.
fn has_value(x: Ball) -> bool {
    x.is_known() || x.is_minus_infinity()
}

/// t·(ln t − x); 0 for t = 0.
pub(super) fn kl_div(t: Ball, x: Ball) -> Ball {
    if t.is_zero() && has_value(x) { Ball::ZERO } else { t.mul(ln(t).sub(x)) }
}

/// ln t − x + 1.
pub(super) fn kl_div_slope(t: Ball, x: Ball) -> Ball {
    ln(t).sub(x).add(Ball::ONE)
}

/// e^t·(t − x); 0 for t = −∞.
pub(super) fn kl_div_log(t: Ball, x: Ball) -> Ball {
    if t.is_minus_infinity() && has_value(x) { Ball::ZERO } else { exp(t).mul(t.sub(x)) }
}

/// e^t·(t − x + 1); 0 for t = −∞.
pub(super) fn kl_div_log_slope(t: Ball, x: Ball) -> Ball {
    if t.is_minus_infinity() && has_value(x) { Ball::ZERO } else { exp(t).mul(t.sub(x).add(Ball::ONE)) }
}

/// ln p and ln(1 − p).
fn logs(p: Ball) -> [Ball; 2] {
    [ln(p), ln_1p(p.neg())]
}

/// −(y·ln p + (1−y)·ln(1−p)), the logarithms not below the clamp, terms with factor 0 left out.
pub(super) fn bce(p: Ball, y: Ball, clamp: LogClamp) -> Ball {
    let [on, off] = logs(p).map(|log| match clamp {
        LogClamp::None => log.neg(),
        _ => {
            let low = Ball::exact(clamp.low());
            by_order(log, low, [low, low, log]).neg()
        }
    });
    weighted_sum((Ball::ONE.sub(y), off), (y, on))
}

/// Whether neither logarithm is below the cut, where that is decided.
fn all_kept(p: Ball, clamp: LogClamp) -> bool {
    match clamp {
        LogClamp::Cut(low) => logs(p).iter().all(|log| log.compare(Ball::exact(low.get())) == Some(1)),
        _ => true,
    }
}

/// (p − y)/(p(1−p)), or with y = 0 or 1 the one term that is left; PyTorch's (p − y)/max(p(1−p), floor).
pub(super) fn bce_gradient(p: Ball, y: Ball, clamp: LogClamp) -> Ball {
    let (q, no) = (Ball::ONE.sub(p), Ball::ONE.sub(y));
    if let LogClamp::PyTorch(_) = clamp {
        let (product, floor) = (p.mul(q), Ball::exact(PYTORCH_FLOOR));
        return p.sub(y).div(by_order(product, floor, [floor, floor, product]));
    }
    if !all_kept(p, clamp) {
        return Ball::UNKNOWN;
    }
    match (y.is_zero(), no.is_zero()) {
        (true, _) => no.div(q),
        (_, true) => y.div(p).neg(),
        _ => p.sub(y).div(p.mul(q)),
    }
}

/// ln(1−p) − ln p, as ln(1 + (1−2p)/p) up to ½ and −ln(1 + (2p−1)/(1−p)) above.
pub(super) fn bce_target_gradient(p: Ball, clamp: LogClamp) -> Ball {
    if !all_kept(p, clamp) {
        return Ball::UNKNOWN;
    }
    let q = Ball::ONE.sub(p);
    let gap = q.sub(p);
    match gap.sign() {
        Some(0) => Ball::ZERO,
        Some(1) => ln_1p(gap.div(p)),
        Some(-1) => ln_1p(gap.neg().div(q)).neg(),
        _ => Ball::UNKNOWN,
    }
}

/// What two rows share: d = x·y, ‖x‖² + ε, ‖y‖² + ε, and the root of their product.
#[derive(Copy, Clone)]
pub(super) struct Cosine {
    dot: Ball,
    first: Ball,
    root: Ball,
}

impl Cosine {
    /// Of two rows, as pairs.
    pub fn of(pairs: impl ExactSizeIterator<Item = (Ball, Ball)> + Clone, epsilon: f64) -> Cosine {
        let count = pairs.len() + 1;
        let more = (epsilon != 0.0).then_some(Ball::exact(epsilon));
        let dot = sum(pairs.len(), pairs.clone().map(|(x, y)| x.mul(y)));
        let first = sum(count, pairs.clone().map(|(x, _)| x.mul(x)).chain(more));
        let second = sum(count, pairs.map(|(_, y)| y.mul(y)).chain(more));
        Cosine { dot, first, root: sqrt(first.mul(second)) }
    }

    /// d/√(N₁N₂).
    pub fn value(&self) -> Ball {
        self.dot.div(self.root)
    }

    /// ∂/∂xᵢ = (yᵢ·N₁ − d·xᵢ)/(N₁·√(N₁N₂)).
    pub fn gradient(&self, x: Ball, y: Ball) -> Ball {
        y.mul(self.first).sub(self.dot.mul(x)).div(self.first.mul(self.root))
    }
}
