//! Elementary functions of balls: one evaluation at the midpoint and a bound of what the radius adds; wide balls by their
//! two ends.
//!
//! *Sound*: every function says which inequality bounds the propagated error. *Tight* for radii below 1. *Total*.
//!
//! A rounding direction holds only where MPFR evaluates the operation itself: `&a - &b` waits for the direction, `a - &b`
//! with an owned `a` has already rounded to nearest at the precision of `a`.

mod power;

pub use power::{pow, root_of_nonnegative, small_fraction};

use super::ball::{Ball, Place, Side};
use super::number::Number;
use super::radius::Radius;
use Ball::{Finite, Huge, Infinite, Undefined, Unknown};
use rug::Float;
use rug::float::{Constant, Round};
use rug::ops::NegAssign;
use std::cmp::Ordering;

type Rounded = (Number, Ordering);

/// Radii below 1 are propagated by a derivative bound.
fn is_small(rad: Radius) -> bool {
    rad < Radius::ONE
}

/// e^r − 1 ≤ r + r² for 0 ≤ r ≤ 1: e^r − 1 − r = r²(1/2! + r/3! + …) ≤ (e − 2)·r².
fn expm1_above(rad: Radius) -> Radius {
    rad + rad * rad
}

/// A positive number that underflows, below 2^emin.
fn vanishing() -> Ball {
    let rad = Radius::power_of_two(i64::from(rug::float::exp_min()));
    Ball::sided(Number::new(2, 0), rad, Side::Above)
}

/// |y| with its own rounding error: an upper bound of the exact value that was rounded to y.
fn above(y: &Float) -> Radius {
    Radius::above(y) + Radius::half_ulp(y)
}

/// A nondecreasing function by its ends: every value between lies between f(low) rounded down and f(high) rounded up.
fn by_ends(x: &Ball, prec: u32, f: impl Fn(&Float, u32, Round) -> Number) -> Ball {
    match x.ends(prec) {
        Some((low, high)) => Ball::from_ends(&f(&low, prec, Round::Down), &f(&high, prec, Round::Up), prec),
        None => Unknown,
    }
}

/// e^x.
///
/// |e^(m±r) − e^m| ≤ e^m·(e^r − 1).
pub fn exp(x: &Ball, prec: u32) -> Ball {
    match x {
        Infinite(false) => Infinite(false),
        Infinite(true) => Ball::zero(),
        Finite { mid, rad, side } if is_small(*rad) => {
            let y: Rounded = Number::rounded(prec, mid.exp_ref(), Round::Nearest);
            if y.0.is_zero() {
                // Underflow: the exponential is still above 0.
                return vanishing();
            }
            let propagated = if rad.is_zero() { Radius::ZERO } else { above(&y.0) * expm1_above(*rad) };
            Ball::rounded_on(y, propagated, *side)
        }
        Finite { .. } => by_ends(x, prec, |x, p, round| Number::rounded(p, x.exp_ref(), round).0),
        Undefined => Undefined,
        Huge(_) | Unknown => Unknown,
    }
}

/// e^x − 1.
///
/// As exp, with e^m ≤ |e^m − 1| + 1.
pub fn expm1(x: &Ball, prec: u32) -> Ball {
    match x {
        Infinite(false) => Infinite(false),
        Infinite(true) => Ball::one().neg(),
        Finite { mid, rad, side } if is_small(*rad) => {
            let y: Rounded = Number::rounded(prec, mid.exp_m1_ref(), Round::Nearest);
            let propagated =
                if rad.is_zero() { Radius::ZERO } else { (above(&y.0) + Radius::ONE) * expm1_above(*rad) };
            Ball::rounded_on(y, propagated, *side)
        }
        Finite { .. } => by_ends(x, prec, |x, p, round| Number::rounded(p, x.exp_m1_ref(), round).0),
        Undefined => Undefined,
        Huge(_) | Unknown => Unknown,
    }
}

/// ln x; −∞ at 0, undefined where the whole ball is negative.
///
/// |ln(m±r) − ln m| ≤ r/(m − r), by the mean value theorem.
pub fn ln(x: &Ball, prec: u32) -> Ball {
    match (x, x.place()) {
        (Undefined, _) | (Infinite(true), _) | (_, Place::Negative) => Undefined,
        (Infinite(false), _) => Infinite(false),
        (_, Place::Zero) => Infinite(true),
        (Finite { mid, rad, side }, Place::Positive) if !mid.is_zero() => {
            let y: Rounded = Number::rounded(prec, mid.ln_ref(), Round::Nearest);
            Ball::rounded_on(y, over_least(mid, *rad), *side)
        }
        _ => Unknown,
    }
}

/// ln 2π: an irrational number, never exact.
pub fn ln_two_pi(prec: u32) -> Ball {
    let pi = Ball::rounded(Number::rounded(prec + 8, Constant::Pi, Round::Nearest), Radius::ZERO);
    ln(&pi.add(&pi, prec + 8), prec)
}

/// r/(m − r) rounded up, for m > r.
fn over_least(mid: &Float, rad: Radius) -> Radius {
    if rad.is_zero() {
        return Radius::ZERO;
    }
    let least = Number::rounded(64, mid - &*rad.to_number(), Round::Down).0;
    rad * super::ball::reciprocal_above(&least)
}

/// ln(1 + x); −∞ at −1, undefined where the whole ball is below.
///
/// |ln(1+m±r) − ln(1+m)| ≤ r/(1 + m − r).
pub fn ln_1p(x: &Ball, prec: u32) -> Ball {
    let Finite { mid, rad, side } = x else {
        return match x {
            Undefined | Infinite(true) => Undefined,
            Infinite(false) => Infinite(false),
            _ => Unknown,
        };
    };
    if rad.is_zero() {
        return match mid.partial_cmp(&-1) {
            Some(Ordering::Less) => Undefined,
            Some(Ordering::Equal) => Infinite(true),
            _ => Ball::rounded(Number::rounded(prec, mid.ln_1p_ref(), Round::Nearest), Radius::ZERO),
        };
    }
    let rad_float = rad.to_number();
    // 1 + m − r from below: two roundings down.
    let least = Number::rounded(prec + 32, &**mid - &*rad_float, Round::Down).0;
    let least = Number::rounded(64, &*least + 1u32, Round::Down).0;
    if least.cmp0() == Some(Ordering::Greater) {
        let y: Rounded = Number::rounded(prec, mid.ln_1p_ref(), Round::Nearest);
        return Ball::rounded_on(y, *rad * super::ball::reciprocal_above(&least), *side);
    }
    let most = Number::rounded(prec + 32, &**mid + &*rad_float, Round::Up).0;
    if *most < -1 { Undefined } else { Unknown }
}

/// √x; undefined where the whole ball is negative.
///
/// |√(m±r) − √m| ≤ r/√m, as √m − √(m−r) = r/(√m + √(m−r)). √m is above y by half a unit in its last place at most, so above the
/// 64 bits of y with one taken off.
pub fn sqrt(x: &Ball, prec: u32) -> Ball {
    match (x, x.place()) {
        (Undefined, _) | (_, Place::Negative) => Undefined,
        (Infinite(false), _) => Infinite(false),
        (_, Place::Zero) => Ball::zero(),
        (Finite { mid, rad, side }, Place::Positive) if !mid.is_zero() => {
            let y: Rounded = Number::rounded(prec, mid.sqrt_ref(), Round::Nearest);
            let propagated = if rad.is_zero() {
                Radius::ZERO
            } else {
                let mut least = Number::rounded(prec.min(64), &*y.0, Round::Down).0;
                least.next_down();
                *rad * super::ball::reciprocal_above(&least)
            };
            Ball::rounded_on(y, propagated, *side)
        }
        _ => Unknown,
    }
}

/// √x of a number known not to be negative, whatever its ball says.
pub fn sqrt_of_nonnegative(x: &Ball, prec: u32) -> Ball {
    match (x, x.place()) {
        (Finite { .. }, Place::Straddles) => {
            let high = x.magnitude().to_number();
            let root = Number::rounded(prec, high.sqrt_ref(), Round::Up).0;
            Ball::from_ends(&Number::new(2, 0), &root, prec)
        }
        _ => sqrt(x, prec),
    }
}

/// tanh x.
///
/// |tanh′| ≤ 1. And |tanh| < 1: what rounds to ±1 lies strictly inside, and no precision would show it for large x.
pub fn tanh(x: &Ball, prec: u32) -> Ball {
    match x {
        Infinite(negative) => {
            if *negative {
                Ball::one().neg()
            } else {
                Ball::one()
            }
        }
        Finite { mid, rad, side } => {
            let y: Rounded = Number::rounded(prec, mid.tanh_ref(), Round::Nearest);
            if *y.0 == 1 || *y.0 == -1 {
                let side = if *y.0 == 1 { Side::Below } else { Side::Above };
                let rad = *rad + Radius::half_ulp(&y.0);
                return Ball::sided(y.0, rad, side);
            }
            Ball::rounded_on(y, *rad, *side)
        }
        Undefined => Undefined,
        Huge(_) | Unknown => Unknown,
    }
}

/// σ(x) = 1/(1 + e^−x), by e^x/(1 + e^x) below 0: small values keep their digits.
///
/// |σ(m±r) − σ(m)| ≤ σ(m)·(e^r − 1), as σ′ ≤ σ.
pub fn sigmoid(x: &Ball, prec: u32) -> Ball {
    match x {
        Infinite(negative) => {
            if *negative {
                Ball::zero()
            } else {
                Ball::one()
            }
        }
        Finite { mid, rad, .. } if is_small(*rad) => {
            let y = sigmoid_of_point(mid, prec);
            widened(y, *rad, |y| y * expm1_above(*rad))
        }
        Finite { .. } => match x.ends(prec) {
            Some((low, high)) => sigmoid_of_point(&low, prec).hull(&sigmoid_of_point(&high, prec), prec),
            None => Unknown,
        },
        Undefined => Undefined,
        Huge(_) | Unknown => Unknown,
    }
}

/// The ball of f(m), widened by a bound that depends on |f(m)|.
pub(super) fn widened(y: Ball, rad: Radius, bound: impl Fn(Radius) -> Radius) -> Ball {
    if rad.is_zero() {
        return y;
    }
    let extra = bound(y.magnitude());
    match y {
        Finite { mid, rad, .. } => Ball::around(mid, rad + extra),
        // Beyond the range at the midpoint says nothing of the rest.
        Huge(_) => Unknown,
        other => other,
    }
}

/// −|x|.
fn minus_size(x: &Float) -> Number {
    let mut size = Number::new(x.prec(), x.abs_ref());
    size.neg_assign();
    size
}

/// The exact number.
fn exactly(x: &Float) -> Ball {
    Ball::exact(Number::new(x.prec(), x))
}

fn sigmoid_of_point(x: &Float, prec: u32) -> Ball {
    if x.is_infinite() {
        // The end of a ball that reaches beyond MPFR's range.
        return sigmoid(&Infinite(x.is_sign_negative()), prec);
    }
    let negative = x.is_sign_negative();
    let e = exp(&Ball::exact(minus_size(x)), prec + 8);
    let denominator = Ball::one().add(&e, prec + 8);
    if negative { e.div(&denominator, prec) } else { Ball::one().div(&denominator, prec) }
}

/// ln(1 + e^x), as max(x, 0) + ln(1 + e^−|x|).
///
/// |softplus′| = σ ≤ min(1, e^x), so within the ball at most r·min(1, e^(m+r)).
pub fn softplus(x: &Ball, prec: u32) -> Ball {
    match x {
        Infinite(negative) => {
            if *negative {
                Ball::zero()
            } else {
                Infinite(false)
            }
        }
        Finite { mid, rad, .. } => {
            let y = softplus_of_point(mid, prec);
            if rad.is_zero() {
                return y;
            }
            let slope = match exp(x, 32).magnitude() {
                slope if slope.is_infinite() => Radius::ONE,
                slope => slope.min(Radius::ONE),
            };
            widened(y, *rad, |_| *rad * slope)
        }
        Undefined => Undefined,
        Huge(_) | Unknown => Unknown,
    }
}

fn softplus_of_point(x: &Float, prec: u32) -> Ball {
    let tail = ln_1p(&exp(&Ball::exact(minus_size(x)), prec + 8), prec + 8);
    match x.cmp0() {
        Some(Ordering::Greater) => exactly(x).add(&tail, prec),
        _ => tail,
    }
}

/// ln σ(x) = −softplus(−x).
pub fn log_sigmoid(x: &Ball, prec: u32) -> Ball {
    softplus(&x.neg(), prec).neg()
}

/// ln cosh x: near 0 ln(1 + 2·sinh²(x/2)), elsewhere |x| + ln(1 + e^(−2|x|)) − ln 2.
///
/// |ln cosh′| = |tanh x| ≤ min(1, |x|), within the ball at most r·min(1, |m| + r).
pub fn log_cosh(x: &Ball, prec: u32) -> Ball {
    match x {
        Infinite(_) => Infinite(false),
        Finite { mid, rad, .. } => {
            let size = Number::new(mid.prec(), mid.abs_ref());
            let wide = prec + 8;
            let (half, halving) = Number::rounded(size.prec(), &*size / 2u32, Round::Nearest);
            let y = if halving != Ordering::Equal {
                // In MPFR's least binade, which has no halves: 0 < ln cosh x ≤ x²/2.
                vanishing()
            } else if *size < 1 {
                let sinh =
                    Ball::rounded(Number::rounded(wide, half.sinh_ref(), Round::Nearest), Radius::ZERO);
                let square = sinh.square(wide);
                ln_1p(&square.add(&square, wide), prec)
            } else {
                let twice = Number::new(size.prec() + 1, &*size * 2u32);
                // 2x may leave MPFR's range.
                let decay =
                    if twice.is_finite() { exp(&Ball::exact(twice).neg(), wide) } else { vanishing() };
                let tail = ln_1p(&decay, wide);
                let ln_2 = Ball::rounded(Number::rounded(wide, Constant::Log2, Round::Nearest), Radius::ZERO);
                Ball::exact(size).add(&tail, wide).sub(&ln_2, prec)
            };
            widened(y, *rad, |_| *rad * x.magnitude().min(Radius::ONE))
        }
        Undefined => Undefined,
        Huge(_) | Unknown => Unknown,
    }
}

/// e^x − 1 − x. Near 0 the two terms cancel twice the digits that x has zeros: so many more bits are taken; below
/// 2^−prec the first term of the series is enough.
///
/// |derivative| = |e^x − 1| ≤ (within the ball) its magnitude there.
pub fn expm1_minus(x: &Ball, prec: u32) -> Ball {
    let Finite { mid, rad, .. } = x else {
        return match x {
            Infinite(false) | Infinite(true) => Infinite(false),
            Undefined => Undefined,
            _ => Unknown,
        };
    };
    let zeros = mid.get_exp().map_or(0, |e| -i64::from(e));
    let point = Ball::exact(mid.clone());
    let y = if zeros > i64::from(prec) {
        // x²/2 alone: |e^x − 1 − x − x²/2| ≤ |x|³/6·e^|x| ≤ |x|³ for |x| < 1.
        let half = Ball::from_f64(0.5).mul(&point.square(prec + 8), prec);
        let size = Radius::above(mid);
        widened(half, Radius::ONE, |_| size * size * size)
    } else {
        let wide = prec + 2 * zeros.max(0) as u32 + 8;
        expm1(&point, wide).sub(&point, prec)
    };
    if rad.is_zero() {
        return y;
    }
    let slope = expm1(x, 32).magnitude();
    widened(y, *rad, |_| *rad * slope)
}

/// x · ln y; 0 where x is 0, whatever y at least 0 is.
pub fn xlogy(x: &Ball, y: &Ball, prec: u32) -> Ball {
    match y.place() {
        Place::Zero | Place::Positive if x.is_zero() => Ball::zero(),
        _ => x.mul(&ln(y, prec + 8), prec),
    }
}
