//! Elementary functions of fast balls: one value at the midpoint by CORE-MATH, correctly rounded, and a bound of what the radius
//! adds.
//!
//! *Sound*: |f(m) − y| ≤ ½ulp(y) ≤ u|y| for the rounded y of at least [`SAFE`], below it ≤ u·2^−900 + 2^−1075 < [`TINY`]; what
//! the radius r adds is said with each function. [`TINY`] also covers products with r that underflow. *Total*: where no bound
//! is at hand the answer is not known, and MPFR gives it.

use super::ball::{Ball, SAFE, TINY, U, UP, power, two_product};
use crate::arithmetic::ball::Side;

/// e^r − 1 ≤ r + r² for 0 ≤ r ≤ 1.
#[inline(always)]
fn growth(rad: f64) -> f64 {
    rad + rad * rad
}

/// The ball of a function that is exact at this midpoint and strictly increasing there.
fn exact_at(y: f64, x: Ball, rad: f64) -> Ball {
    if x.is_exact() { Ball::exact(y) } else { Ball::sided(y, rad * UP + TINY, x.side()) }
}

/// The ball around the rounded y of a number of known sign (where it is), with the propagated error.
#[inline(always)]
fn rounded(y: f64, propagated: f64, sign: Option<i8>) -> Ball {
    if y.abs() >= SAFE {
        // Infinite where y is: then not known.
        let rad = (U * y.abs() + propagated) * UP;
        return Ball::around(y, if propagated == 0.0 { rad } else { rad + TINY });
    }
    Ball::of_sign(y, propagated * UP + TINY, sign)
}

/// e^x: |e^(m±r) − e^m| ≤ e^m·(e^r − 1), and e^m ≤ y(1 + u).
#[inline(always)]
pub(super) fn exp(x: Ball) -> Ball {
    if x.rad() == 0.0 && x.mid().abs() < f64::INFINITY {
        if x.mid() == 0.0 {
            return Ball::ONE;
        }
        return rounded(core_math::exp(x.mid()), 0.0, Some(1));
    }
    exp_of_ball(x)
}

fn exp_of_ball(x: Ball) -> Ball {
    if x.is_minus_infinity() {
        return Ball::ZERO;
    }
    if !(x.is_known() && x.rad() <= 1.0) {
        return Ball::UNKNOWN;
    }
    if x.mid() == 0.0 {
        return exact_at(1.0, x, growth(x.rad()));
    }
    let y = core_math::exp(x.mid());
    rounded(y, y * growth(x.rad()) * UP, Some(1))
}

/// e^x − 1: as exp, with e^m ≤ |y|(1 + u) + 1.
pub(super) fn expm1(x: Ball) -> Ball {
    if x.is_minus_infinity() {
        return Ball::exact(-1.0);
    }
    if !(x.is_known() && x.rad() <= 1.0) {
        return Ball::UNKNOWN;
    }
    if x.mid() == 0.0 {
        return exact_at(0.0, x, growth(x.rad()));
    }
    let y = core_math::expm1(x.mid());
    if y == -1.0 && x.rad() == 0.0 {
        // The number is above −1, however near.
        return Ball::sided(-1.0, 2.0 * U, Side::Above);
    }
    rounded(y, (y.abs() + 1.0) * growth(x.rad()) * UP, x.sign())
}

/// ln x of a positive ball: |ln(m±r) − ln m| ≤ r/(m − r), by the mean value theorem.
pub(super) fn ln(x: Ball) -> Ball {
    let least = x.mid() - x.rad();
    if !(x.is_known() && least > 0.0) {
        return Ball::UNKNOWN;
    }
    let propagated = x.rad() / least;
    if x.mid() == 1.0 {
        return exact_at(0.0, x, propagated);
    }
    rounded(core_math::log(x.mid()), propagated * UP, None)
}

/// ln(1 + x): |ln(1+m±r) − ln(1+m)| ≤ r/(1 + m − r). The two roundings of 1 + m − r are at most 3u of it, as r is at most
/// half of 1 + m.
#[inline(always)]
pub(super) fn ln_1p(x: Ball) -> Ball {
    let one_more = 1.0 + x.mid();
    if !(x.is_known() && x.rad() <= 0.5 * one_more && one_more > 0.0) {
        return Ball::UNKNOWN;
    }
    let propagated = x.rad() / (one_more - x.rad());
    if x.mid() == 0.0 {
        return exact_at(0.0, x, propagated);
    }
    rounded(core_math::log1p(x.mid()), propagated * UP, x.sign())
}

/// √x of a ball that is not negative: with s = √m rounded and m − s² exact, |√m − s| = |m − s²|/(√m + s), and
/// |√(m±r) − √m| ≤ r/(√m + √(m − r)) ≤ r/(√m·(2 − r/m)). √m ≥ s(1 − u).
pub(super) fn sqrt(x: Ball) -> Ball {
    let (m, r) = (x.mid(), x.rad());
    match x.sign() {
        Some(0) => Ball::ZERO,
        // 0 < √x < √r.
        Some(1) if m == 0.0 => Ball::sided(0.0, r.sqrt() * UP, Side::Above),
        Some(1) if m >= SAFE && m > r => {
            let s = m.sqrt();
            let (p, e) = two_product(s, s);
            let rem = (m - p) - e;
            let rad = (0.5 * rem.abs() + r / (2.0 - r / m)) / s * UP;
            if rem == 0.0 && r != 0.0 {
                return Ball::sided(s, rad + TINY, x.side());
            }
            Ball::around(s, if r == 0.0 { rad } else { rad + TINY })
        }
        _ => Ball::UNKNOWN,
    }
}

/// tanh x: |tanh′| ≤ 1; and |tanh x| < 1.
pub(super) fn tanh(x: Ball) -> Ball {
    if !x.is_known() {
        return Ball::UNKNOWN;
    }
    if x.mid() == 0.0 {
        return exact_at(0.0, x, x.rad());
    }
    let y = core_math::tanh(x.mid());
    match rounded(y, x.rad(), x.sign()) {
        ball if y == 1.0 => Ball::sided(y, ball.rad(), Side::Below),
        ball if y == -1.0 => Ball::sided(y, ball.rad(), Side::Above),
        ball => ball,
    }
}

/// e^−|x|, or e^|x| where x is of the other sign than its midpoint: what softplus and the sigmoid share. Not known where the
/// midpoint is 0 and x is not, so that the midpoint's sign tells which.
#[inline(always)]
pub(super) fn decay(x: Ball) -> Ball {
    if x.mid() == 0.0 && x.rad() != 0.0 {
        return Ball::UNKNOWN;
    }
    exp(if x.mid() >= 0.0 { x.neg() } else { x })
}

/// σ(x) = 1/(1 + e^−x) = e^x/(1 + e^x), from the decay of x.
#[inline(always)]
pub(super) fn sigmoid(x: Ball, decay: Ball) -> Ball {
    let share = if x.mid() >= 0.0 { Ball::ONE } else { decay };
    share.div(Ball::ONE.add(decay))
}

/// ln(1 + e^x) = x + ln(1 + e^−x), from the decay of x.
#[inline(always)]
pub(super) fn softplus(x: Ball, decay: Ball) -> Ball {
    let tail = ln_1p(decay);
    if x.mid() > 0.0 { x.add(tail) } else { tail }
}

/// ln 2, which is within u·2^−1 of this.
fn ln_2() -> Ball {
    Ball::around(std::f64::consts::LN_2, U)
}

/// ln cosh x: ln(1 + 2·sinh²(x/2)) near 0, elsewhere |x| + ln(1 + e^(−2|x|)) − ln 2.
pub(super) fn log_cosh(x: Ball) -> Ball {
    let size = x.abs();
    if !(x.is_known() && x.rad() <= power(-10)) {
        return Ball::UNKNOWN;
    }
    if size.mid() >= 1.0 {
        let twice = size.add(size);
        return size.add(ln_1p(exp(twice.neg()))).sub(ln_2());
    }
    if size.is_zero() {
        return Ball::ZERO;
    }
    // |sinh(h±r) − sinh h| ≤ r·cosh(h + r) < 2r for |h| + r < 1.
    let half = size.mul(Ball::exact(0.5));
    let sinh = rounded(core_math::sinh(half.mid()), 2.0 * half.rad(), half.sign());
    let square = sinh.mul(sinh);
    ln_1p(square.add(square))
}

/// ln 2π, which is within u·2^0 of this: the nearest number of a binade from 1 on.
pub(super) fn ln_two_pi() -> Ball {
    Ball::around(1.837_877_066_409_345_5, U)
}

/// ½x² for |x| ≤ δ, δ·(|x| − ½δ) beyond; not known where the ball lies on both sides of δ.
pub(super) fn huber(x: Ball, delta: f64) -> Ball {
    let (size, bound) = (x.abs(), Ball::exact(delta));
    match size.compare(bound) {
        Some(-1 | 0) => Ball::exact(0.5).mul(x.mul(x)),
        Some(1) => bound.mul(size.sub(Ball::exact(0.5).mul(bound))),
        _ => Ball::UNKNOWN,
    }
}

/// x²/(2β) for |x| ≤ β, |x| − ½β beyond; not known where the ball lies on both sides of β.
pub(super) fn smooth_l1(x: Ball, beta: f64) -> Ball {
    let (size, bound) = (x.abs(), Ball::exact(beta));
    match size.compare(bound) {
        Some(-1 | 0) => Ball::exact(0.5).mul(x.mul(x)).div(bound),
        Some(1) => size.sub(Ball::exact(0.5).mul(bound)),
        _ => Ball::UNKNOWN,
    }
}

/// e^x − 1 − x: the series near 0, elsewhere as it stands.
pub(super) fn expm1_minus(x: Ball) -> Ball {
    if !(x.is_known() && x.rad() <= power(-10)) {
        return Ball::UNKNOWN;
    }
    if x.is_zero() {
        return Ball::ZERO;
    }
    if x.mid().abs() >= 0.25 {
        return expm1(x).sub(x);
    }
    // x²·Σ_{k=2}^{14} x^(k−2)/k!; the rest is below |x|^15/15!·e^|x| < 2^−64·x²/2 for |x| < 0.26. The sum is above ⅖.
    let factorial = |k: u32| (2..=k).map(f64::from).product::<f64>();
    let term = |k: u32| Ball::ONE.div(Ball::exact(factorial(k)));
    let sum = (2..14).rev().fold(term(14), |sum, k| sum.mul(x).add(term(k)));
    let sum = sum.add(Ball::around(0.0, power(-64)));
    sum.mul(x.mul(x))
}

/// x·ln y, 0 where x is 0 and y is not negative.
pub(super) fn xlogy(x: Ball, y: Ball) -> Ball {
    match y.sign() {
        Some(0 | 1) if x.is_zero() => Ball::ZERO,
        _ => x.mul(ln(y)),
    }
}

/// x^p for a known p: |(m±r)^p − m^p| ≤ m^p·(e^δ − 1) with δ = |p|·r/(m − r), as |ln(1 + τ)| ≤ |τ|/(1 − |τ|).
pub(super) fn pow(x: Ball, p: f64) -> Ball {
    if !x.is_known() {
        return Ball::UNKNOWN;
    }
    match (p, x.sign()) {
        (0.0, _) => Ball::ONE,
        (1.0, _) => x,
        (2.0, _) => x.mul(x),
        (3.0, _) => x.mul(x).mul(x),
        (0.5, _) => sqrt(x),
        (_, Some(0)) if p > 0.0 => Ball::ZERO,
        (_, Some(-1)) if p.fract() == 0.0 => {
            let y = positive_pow(x.neg(), p);
            if p % 2.0 == 0.0 { y } else { y.neg() }
        }
        (_, Some(1)) => positive_pow(x, p),
        _ => Ball::UNKNOWN,
    }
}

fn positive_pow(x: Ball, p: f64) -> Ball {
    let least = x.mid() - x.rad();
    let delta = p.abs() * (x.rad() / least) * UP;
    if x.is_exact() && x.mid() == 1.0 {
        return Ball::ONE;
    }
    if !(least > 0.0 && delta <= 1.0) {
        return Ball::UNKNOWN;
    }
    let y = core_math::pow(x.mid(), p);
    rounded(y, y * growth(delta) * UP, Some(1))
}

/// x^(1/p) of a ball that is not negative, p ≥ 1: y = x^q with q = 1/p rounded, and x^(1/p)/x^q = e^(ln x·(1/p − q)) with
/// |1/p − q| ≤ u·q: a further relative error e^δ − 1, δ = |ln x|·u·q.
pub(super) fn root(x: Ball, p: f64) -> Ball {
    match (p, x.sign()) {
        (1.0, Some(0 | 1)) => x,
        (2.0, _) => sqrt(x),
        (_, Some(0)) => Ball::ZERO,
        (_, Some(1)) => {
            let q = 1.0 / p;
            let y = positive_pow(x, q);
            if !y.is_known() || y.mid() < SAFE {
                return Ball::UNKNOWN;
            }
            // The logarithm of the midpoint, and of the rest of the ball, which reaches to a factor e at most.
            let delta = (core_math::log(x.mid()).abs() * UP + 1.0) * q * U * UP;
            let extra = y.magnitude() * growth(delta) * UP;
            Ball::around(y.mid(), (y.rad() + extra) * UP)
        }
        _ => Ball::UNKNOWN,
    }
}
