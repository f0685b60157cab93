//! Binary cross-entropy of probabilities, the focal loss and the cosine over fast balls, in the forms of the MPFR tier.
//!
//! *Sound*: compositions of sound operations. What needs more than that (a clamped logarithm, a pole) is not known here.

use super::ball::{Ball, Divide, Midpoint};
use super::elementary as f;
use super::operations::weighted_sum;
use super::rows::sum;
use crate::graph::{Focal, LogClamp, SoftTarget};

/// Whether both logarithms are known to be above the clamp, whatever it is then.
fn is_unclamped<M: Midpoint>(p: Ball<M>, clamp: LogClamp) -> bool {
    let low = Ball::exact(clamp.low());
    let above = |log: Ball<M>| log.compare(low) == Some(1);
    clamp == LogClamp::None || above(f::ln(p)) && above(f::ln_1p(p.neg()))
}

/// −(y·ln p + (1−y)·ln(1−p)).
pub(super) fn bce<M: Midpoint>(p: Ball<M>, y: Ball<M>, clamp: LogClamp) -> Ball<M> {
    if !is_unclamped(p, clamp) {
        return Ball::UNKNOWN;
    }
    weighted_sum((y, f::ln(p).neg()), (Ball::ONE.sub(y), f::ln_1p(p.neg()).neg()))
}

/// (p − y)/(p(1−p)), of which one of the quotients y/p and (1−y)/(1−p) is left where the other is 0.
pub(super) fn bce_gradient<M: Midpoint>(p: Ball<M>, y: Ball<M>, clamp: LogClamp) -> Ball<M> {
    let (q, no) = (Ball::ONE.sub(p), Ball::ONE.sub(y));
    match clamp {
        LogClamp::PyTorch(_) => Ball::UNKNOWN,
        _ if !is_unclamped(p, clamp) => Ball::UNKNOWN,
        _ if y.is_zero() => no.div(q),
        _ if no.is_zero() => y.div(p).neg(),
        _ => p.sub(y).div(p.mul(q)),
    }
}

/// ln(1−p) − ln p, as ln(1 + (1−2p)/p) or −ln(1 + (2p−1)/(1−p)).
pub(super) fn bce_target_gradient<M: Midpoint>(p: Ball<M>, clamp: LogClamp) -> Ball<M> {
    let q = Ball::ONE.sub(p);
    let gap = q.sub(p);
    match gap.sign() {
        _ if !is_unclamped(p, clamp) => Ball::UNKNOWN,
        Some(0) => Ball::ZERO,
        Some(1) => f::ln_1p(gap.div(p)),
        Some(_) => f::ln_1p(gap.neg().div(q)).neg(),
        None => Ball::UNKNOWN,
    }
}

/// σ(t)^γ·softplus(t), or its derivative by t; `decay` is e^−|t|.
fn focal_term<M: Midpoint>(t: Ball<M>, decay: Ball<M>, gamma: f64, derivative: bool) -> Ball<M> {
    let weight = match gamma {
        0.0 => Ball::ONE,
        // e^(γ·ln σ), ln σ(t) = −softplus(−t).
        _ => f::exp(Ball::exact(gamma).mul(f::softplus(t.neg(), decay).neg())),
    };
    let surprise = f::softplus(t, decay);
    if !derivative {
        return weight.mul(surprise);
    }
    let moved = Ball::exact(gamma).mul(f::sigmoid(t.neg(), decay).mul(surprise));
    weight.mul(f::sigmoid(t, decay).add(moved))
}

/// The focal loss of (z, y) or its derivative by z; `decay` is e^−|z|.
pub(super) fn focal<M: Midpoint>(
    z: Ball<M>,
    y: Ball<M>,
    decay: Ball<M>,
    form: Focal,
    derivative: bool,
) -> Ball<M> {
    let no = Ball::ONE.sub(y);
    let (on, off) = match form.alpha {
        Some(alpha) => {
            let alpha = Ball::exact(alpha.get());
            (alpha.mul(y), Ball::ONE.sub(alpha).mul(no))
        }
        None => (y, no),
    };
    if !y.is_exact() {
        return Ball::UNKNOWN;
    }
    if !form.is_two_terms(y.high()) {
        let alpha = if form.alpha.is_some() { on.add(off) } else { Ball::ONE };
        return alpha.mul(soft_focal(z, y, decay, form, derivative));
    }
    let term = |t: Ball<M>| focal_term(t, decay, form.gamma(), derivative);
    let on = if derivative { on.neg() } else { on };
    weighted_sum((on, term(z.neg())), (off, term(z)))
}

/// q^γ·L, or γ·q^(γ−1)·q′·L + q^γ·(σ(z) − y), for a target between 0 and 1, with L the binary cross-entropy of (z, y) and the q
/// of the form.
fn soft_focal<M: Midpoint>(z: Ball<M>, y: Ball<M>, decay: Ball<M>, form: Focal, derivative: bool) -> Ball<M> {
    let no = Ball::ONE.sub(y);
    let (upper, lower) = (f::softplus(z, decay), f::softplus(z.neg(), decay));
    let entropy = no.mul(upper).add(y.mul(lower));
    let (p, rest) = (f::sigmoid(z, decay), f::sigmoid(z.neg(), decay));
    let slope = no.mul(p).sub(y.mul(rest));
    let tilt = y.sub(no);
    let (q, moved) = match form.soft {
        SoftTarget::InterpolateP => (y.mul(rest).add(no.mul(p)), tilt.mul(p.mul(rest)).neg()),
        SoftTarget::ExpBce => (f::expm1(entropy.neg()).neg(), f::exp(entropy.neg()).mul(slope)),
        SoftTarget::LogWeight => {
            let t = z.mul(tilt).neg();
            let decay = f::decay(t);
            let q = f::sigmoid(t, decay);
            (q, tilt.mul(q.mul(f::sigmoid(t.neg(), decay))).neg())
        }
        SoftTarget::Linear => return Ball::UNKNOWN,
    };
    let gamma = form.gamma();
    let weight = f::pow(q, gamma);
    if !derivative {
        return weight.mul(entropy);
    }
    let rest = weight.mul(slope);
    if gamma == 0.0 {
        return rest;
    }
    // q^(γ−1) is q^γ/q: an f64 may not hold γ − 1.
    Ball::exact(gamma).mul(weight.div(q)).mul(moved.mul(entropy)).add(rest)
}

/// What two rows share: x·y, ‖x‖² + ε and ‖y‖² + ε, and the root of their product.
pub(super) struct Cosine<M: Midpoint> {
    dot: Ball<M>,
    root: Ball<M>,
    squares: [Ball<M>; 2],
    /// The squares times the root.
    divisors: [M::Divisor; 2],
}

impl<M: Midpoint> Cosine<M> {
    /// Of two rows of n entries.
    pub fn of(
        n: usize,
        x: impl Fn(usize) -> Ball<M>,
        y: impl Fn(usize) -> Ball<M>,
        epsilon: f64,
    ) -> Cosine<M> {
        let square = |row: &dyn Fn(usize) -> Ball<M>| {
            let squares = sum(n, (0..n).map(|k| row(k).mul(row(k))));
            if epsilon == 0.0 { squares } else { squares.add(Ball::exact(epsilon)) }
        };
        let squares = [square(&x), square(&y)];
        let dot = sum(n, (0..n).map(|k| x(k).mul(y(k))));
        let root = f::sqrt(squares[0].mul(squares[1]));
        Cosine { dot, root, squares, divisors: squares.map(|square| M::Divisor::new(square.mul(root))) }
    }

    /// x·y/√(N₁N₂).
    pub fn value(&self) -> Ball<M> {
        self.dot.div(self.root)
    }

    /// ∂/∂xᵢ = (yᵢ·N₁ − (x·y)·xᵢ)/(N₁·√(N₁N₂)) where `of` is 0; where it is 1, of the second row, which is then `own`.
    #[inline(always)]
    pub fn gradient(&self, of: usize, own: Ball<M>, other: Ball<M>) -> Ball<M> {
        self.divisors[of].divide(other.mul(self.squares[of]).sub(self.dot.mul(own)))
    }
}
