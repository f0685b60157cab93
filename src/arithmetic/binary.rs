//! Balls of binary cross-entropy of probabilities and its derivatives; and what those of logits need.
//!
//! *Sound*: compositions of sound operations; a case is taken only where the whole ball is in it. *Tight*: forms without
//! cancellation, and exact where p and y are and the result is rational. *Total*.

use super::ball::{Ball, Place};
use super::elementary::{ln, ln_1p, softplus};
use super::monomial::Parts;
use super::value::extremum;
use crate::graph::{LogClamp, PYTORCH_FLOOR};
use std::cmp::Ordering;

fn one_minus(x: &Ball, prec: u32) -> Ball {
    Ball::one().sub(x, prec)
}

/// max(ln p, low) and max(ln(1 − p), low).
fn logs(p: &Ball, clamp: LogClamp, prec: u32) -> [Ball; 2] {
    let low = Ball::from_f64(clamp.low());
    [ln(p, prec), ln_1p(&p.neg(), prec)].map(|log| match clamp {
        LogClamp::None => log,
        _ => extremum(&log, &low, Ordering::Greater, prec),
    })
}

/// −(y·ln p + (1−y)·ln(1−p)) by log1p, terms with factor 0 left out: no term is negative, so nothing cancels.
pub fn bce(p: &Ball, y: &Ball, clamp: LogClamp, prec: u32) -> Ball {
    let [on, off] = logs(p, clamp, prec).map(|log| log.neg());
    weighted_sum((y, || on), (&one_minus(y, prec), || off), prec)
}

/// Of ln p and ln(1 − p) those that are not below the cut; `None` where that is not decided yet. ln of a number other
/// than 1 is transcendental, so a higher precision decides it.
fn kept(p: &Ball, clamp: LogClamp, prec: u32) -> Option<[bool; 2]> {
    let LogClamp::Cut(low) = clamp else { return Some([true; 2]) };
    let low = Ball::from_f64(low.get());
    let [on, off] = logs(p, LogClamp::None, prec).map(|log| log.sub(&low, prec).place());
    let above = |place| match place {
        Place::Straddles => None,
        place => Some(place != Place::Negative),
    };
    Some([above(on)?, above(off)?])
}

/// (1−y)/(1−p) − y/p, each term unless its numerator is 0 or its logarithm is cut; PyTorch's (p − y)/max(p(1−p), floor).
///
/// Both terms together are (p − y)/(p(1−p)), which is exact where the rational number can be written.
pub fn bce_gradient(p: &Ball, y: &Ball, clamp: LogClamp, prec: u32) -> Ball {
    if [p, y].iter().any(|x| matches!(x, Ball::Undefined)) {
        return Ball::Undefined;
    }
    let (q, no) = (one_minus(p, prec), one_minus(y, prec));
    if let LogClamp::PyTorch(_) = clamp {
        let divisor = extremum(&p.mul(&q, prec), &Ball::from_f64(PYTORCH_FLOOR), Ordering::Greater, prec);
        return p.sub(y, prec).div(&divisor, prec);
    }
    let Some([on, off]) = kept(p, clamp, prec) else { return Ball::Unknown };
    // A term whose numerator is 0 is 0, also over 0; else a term over 0 is infinite.
    let over = |a: &Ball, b: &Ball| match (a.is_zero(), b.is_zero(), a.place()) {
        (true, ..) => Ball::zero(),
        (_, true, Place::Positive) => Ball::Infinite(false),
        (_, true, _) => Ball::Unknown,
        _ => a.div(b, prec),
    };
    match (on && !y.is_zero(), off && !no.is_zero()) {
        (true, true) if !p.is_zero() && !q.is_zero() => p.sub(y, prec).div(&p.mul(&q, prec), prec),
        (true, true) => over(&no, &q).sub(&over(y, p), prec),
        (true, false) => over(y, p).neg(),
        (false, true) => over(&no, &q),
        (false, false) => Ball::zero(),
    }
}

/// The same as an exact rational, for exact p and y.
pub fn bce_gradient_parts(p: &Ball, y: &Ball, clamp: LogClamp, prec: u32) -> Option<Parts> {
    let one = || Parts::of(&Ball::one());
    let (q, no) = (one()?.add(Parts::of(p)?.neg())?, one()?.add(Parts::of(y)?.neg())?);
    let product = Parts::of(p)?.mul(q.clone())?;
    let difference = Parts::of(p)?.add(Parts::of(y)?.neg())?;
    if let LogClamp::PyTorch(_) = clamp {
        let floor = Ball::from_f64(PYTORCH_FLOOR);
        let is_below = p.mul(&one_minus(p, prec), prec).sub(&floor, prec).place() == Place::Negative;
        return difference.div(if is_below { Parts::of(&floor)? } else { product });
    }
    match kept(p, clamp, prec)? {
        [true, true] => difference.div(product),
        [true, false] => Some(Parts::of(y)?.div(Parts::of(p)?)?.neg()),
        [false, _] => no.div(q),
    }
}

/// ln(1−p) − ln p, ∞ at 0, −∞ at 1; exactly 0 at ½. As ln(1 + (1−2p)/p) up to ½ and −ln(1 + (2p−1)/(1−p)) above; with a
/// cut, of the logarithms that it leaves.
pub fn bce_target_gradient(p: &Ball, clamp: LogClamp, prec: u32) -> Ball {
    if matches!(p, Ball::Undefined) {
        return Ball::Undefined;
    }
    let q = one_minus(p, prec);
    let Some([on, off]) = kept(p, clamp, prec) else { return Ball::Unknown };
    if !(on && off) {
        let [on, off] = logs(p, clamp, prec);
        return off.sub(&on, prec);
    }
    let gap = q.sub(p, prec);
    match gap.place() {
        Place::Positive if p.is_zero() => Ball::Infinite(false),
        Place::Negative if q.is_zero() => Ball::Infinite(true),
        Place::Zero => Ball::zero(),
        Place::Positive => ln_1p(&gap.div(p, prec), prec),
        Place::Negative => ln_1p(&gap.neg().div(&q, prec), prec).neg(),
        Place::Straddles => ln_1p(&p.neg(), prec).sub(&ln(p, prec), prec),
    }
}

/// a·f() + b·g(), where a term whose factor is exactly 0 is left out, whatever it is.
pub fn weighted_sum(
    (a, f): (&Ball, impl FnOnce() -> Ball),
    (b, g): (&Ball, impl FnOnce() -> Ball),
    prec: u32,
) -> Ball {
    match (a.is_zero(), b.is_zero()) {
        (true, _) => b.mul(&g(), prec),
        (_, true) => a.mul(&f(), prec),
        _ => a.mul(&f(), prec).add(&b.mul(&g(), prec), prec),
    }
}

/// w·softplus(−z) − softplus(z) = (w − 1)·softplus(−|z|) − z, or − w·z below 0: exact but for a term that vanishes.
pub fn softplus_gap(z: &Ball, w: &Ball, prec: u32) -> Ball {
    let (tail, main) = match z.place() {
        Place::Negative => (softplus(z, prec), w.mul(z, prec)),
        Place::Positive | Place::Zero => (softplus(&z.neg(), prec), z.clone()),
        Place::Straddles => {
            let gain = w.mul(&softplus(&z.neg(), prec), prec);
            return gain.sub(&softplus(z, prec), prec);
        }
    };
    let rest = w.sub(&Ball::one(), prec);
    if rest.is_zero() { main.neg() } else { rest.mul(&tail, prec).sub(&main, prec) }
}
