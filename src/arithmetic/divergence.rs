//! Terms of the Kullback–Leibler divergence as balls, with their value where a mass is 0.
//!
//! *Sound*: compositions of sound operations; what a mass of exactly 0 makes of the term is a definition, not a limit. *Tight*:
//! where ln t − x cancels, a higher precision is asked. *Total*.

use super::ball::Ball;
use super::elementary::{exp, ln};

/// Extra bits on the way.
const GUARD: u32 = 8;

/// Whether x has a value or may have one that is no number: nothing that is 0 by definition hides a NaN.
fn is_open(x: &Ball) -> bool {
    matches!(x, Ball::Undefined | Ball::Unknown)
}

/// t·(ln t − x); 0 for t = 0, also at x = −∞; +∞ for t > 0 and x = −∞.
pub fn kl_div(t: &Ball, x: &Ball, prec: u32) -> Ball {
    if t.is_zero() && !is_open(x) {
        return Ball::zero();
    }
    t.mul(&ln(t, prec + GUARD).sub(x, prec + GUARD), prec)
}

/// ln t − x + 1; −∞ for t = 0 and a finite x, undefined for t = 0 and x = −∞, +∞ for t > 0 and x = −∞.
pub fn kl_div_slope(t: &Ball, x: &Ball, prec: u32) -> Ball {
    ln(t, prec + GUARD).sub(x, prec + GUARD).add(&Ball::one(), prec)
}

/// e^t·(t − x); 0 for t = −∞, also at x = −∞; +∞ for a finite t and x = −∞.
pub fn kl_div_log(t: &Ball, x: &Ball, prec: u32) -> Ball {
    log_term(t, x, prec, |gap| gap)
}

/// e^t·(t − x + 1); where t or x is −∞ as [`kl_div_log`]. At t = −∞ it is 0: moving t leaves the mass 0.
pub fn kl_div_log_slope(t: &Ball, x: &Ball, prec: u32) -> Ball {
    log_term(t, x, prec, |gap| gap.add(&Ball::one(), prec + GUARD))
}

fn log_term(t: &Ball, x: &Ball, prec: u32, of_gap: impl Fn(Ball) -> Ball) -> Ball {
    if matches!(t, Ball::Infinite(true)) && !is_open(x) {
        return Ball::zero();
    }
    exp(t, prec + GUARD).mul(&of_gap(t.sub(x, prec + GUARD)), prec)
}
