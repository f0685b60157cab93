//! Terms of the Kullback–Leibler divergence: compositions of sound operations, and what a mass of exactly 0 makes of them by
//! definition. Infinite values are left to MPFR.

use super::ball::{Ball, Midpoint};
use super::elementary::{exp, ln};

/// Whether x is a number or −∞: nothing that is 0 by definition hides a NaN.
fn is_settled<M: Midpoint>(x: Ball<M>) -> bool {
    x.is_known() || x.is_minus_infinity()
}

/// t·(ln t − x); 0 for t = 0.
pub(super) fn kl_div<M: Midpoint>(t: Ball<M>, x: Ball<M>) -> Ball<M> {
    if t.is_zero() && is_settled(x) { Ball::ZERO } else { t.mul(ln(t).sub(x)) }
}

/// ln t − x + 1.
pub(super) fn kl_div_slope<M: Midpoint>(t: Ball<M>, x: Ball<M>) -> Ball<M> {
    ln(t).sub(x).add(Ball::ONE)
}

/// e^t·(t − x); 0 for t = −∞.
pub(super) fn kl_div_log<M: Midpoint>(t: Ball<M>, x: Ball<M>) -> Ball<M> {
    if t.is_minus_infinity() && is_settled(x) { Ball::ZERO } else { exp(t).mul(t.sub(x)) }
}

/// e^t·(t − x + 1); 0 for t = −∞.
pub(super) fn kl_div_log_slope<M: Midpoint>(t: Ball<M>, x: Ball<M>) -> Ball<M> {
    if t.is_minus_infinity() && is_settled(x) { Ball::ZERO } else { exp(t).mul(t.sub(x).add(Ball::ONE)) }
}
