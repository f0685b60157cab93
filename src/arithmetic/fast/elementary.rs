//! Elementary functions of fast balls: one value at the midpoint with a bound of its error ([`Midpoint`]), and a bound of what the
//! radius adds.
//!
//! *Sound*: what the radius r adds is said with each function. `TINY` also covers products with r that underflow. *Total*:
//! where no bound is at hand the answer is not known, and MPFR gives it.

use super::ball::{Ball, Midpoint, SAFE, TINY, U, UP, power};
use crate::arithmetic::ball::Side;

/// e^r − 1 ≤ r + r² for 0 ≤ r ≤ 1.
#[inline(always)]
pub(super) fn growth(rad: f64) -> f64 {
    rad + rad * rad
}

/// The ball of a function that is exact at this midpoint and strictly increasing there.
fn exact_at<M: Midpoint>(y: f64, x: Ball<M>, rad: f64) -> Ball<M> {
    if x.is_exact() { Ball::exact(y) } else { Ball::sided(M::of(y), rad * UP + TINY, x.side()) }
}

/// The ball around the value y, with its own error and the propagated one, of a number of known sign (where it is).
#[inline(always)]
pub(super) fn rounded<M: Midpoint>((y, error): (M, f64), propagated: f64, sign: Option<i8>) -> Ball<M> {
    if y.high().abs() >= SAFE {
        // Infinite where y is: then not known.
        let rad = (error + propagated) * UP;
        return Ball::around(y, if propagated == 0.0 { rad } else { rad + TINY });
    }
    Ball::of_sign(y, (error + propagated + TINY) * UP, sign)
}

/// e^x: |e^(m±r) − e^m| ≤ e^m·(e^r − 1), and e^m ≤ y(1 + 4u).
#[inline(always)]
pub(super) fn exp<M: Midpoint>(x: Ball<M>) -> Ball<M> {
    if x.rad() == 0.0 && x.high().abs() < f64::INFINITY {
        if x.high() == 0.0 {
            return Ball::ONE;
        }
        return rounded(M::exp_at(x.mid()), 0.0, Some(1));
    }
    exp_of_ball(x)
}

fn exp_of_ball<M: Midpoint>(x: Ball<M>) -> Ball<M> {
    if x.is_minus_infinity() {
        return Ball::ZERO;
    }
    if !(x.is_known() && x.rad() <= 1.0) {
        return Ball::UNKNOWN;
    }
    if x.high() == 0.0 {
        return exact_at(1.0, x, growth(x.rad()));
    }
    let (y, error) = M::exp_at(x.mid());
    rounded((y, error), y.high() * growth(x.rad()) * UP, Some(1))
}

/// e^x − 1: as exp, with e^m ≤ |y|(1 + 4u) + 1.
pub(super) fn expm1<M: Midpoint>(x: Ball<M>) -> Ball<M> {
    if x.is_minus_infinity() {
        return Ball::exact(-1.0);
    }
    if !(x.is_known() && x.rad() <= 1.0) {
        return Ball::UNKNOWN;
    }
    if x.high() == 0.0 {
        return exact_at(0.0, x, growth(x.rad()));
    }
    let (y, error) = M::expm1_at(x.mid());
    if y == M::of(-1.0) && x.rad() == 0.0 {
        // The number is above −1, however near.
        return Ball::sided(y, error * UP, Side::Above);
    }
    rounded((y, error), (y.high().abs() + 1.0) * growth(x.rad()) * UP, x.sign())
}

/// ln x of a positive ball: |ln(m±r) − ln m| ≤ r/(m − r), by the mean value theorem; m ≥ high·(1 − u).
pub(super) fn ln<M: Midpoint>(x: Ball<M>) -> Ball<M> {
    let least = x.high() * (1.0 - 4.0 * U) - x.rad();
    if !(x.is_known() && least > 0.0) {
        return Ball::UNKNOWN;
    }
    let propagated = x.rad() / least;
    if x.mid() == M::ONE {
        return exact_at(0.0, x, propagated);
    }
    rounded(M::ln_at(x.mid()), propagated * UP, None)
}

/// ln(1 + x): |ln(1+m±r) − ln(1+m)| ≤ r/(1 + m − r). The roundings of 1 + m − r are at most 4u of it, as r is at most half of
/// 1 + m.
#[inline(always)]
pub(super) fn ln_1p<M: Midpoint>(x: Ball<M>) -> Ball<M> {
    let one_more = 1.0 + x.high();
    if !(x.is_known() && x.rad() <= 0.5 * one_more && one_more > 0.0) {
        return Ball::UNKNOWN;
    }
    let propagated = x.rad() / (one_more - x.rad());
    if x.mid() == M::ZERO {
        return exact_at(0.0, x, propagated);
    }
    rounded(M::ln_1p_at(x.mid()), propagated * UP, x.sign())
}

/// √x of a ball that is not negative: |√(m±r) − √m| ≤ r/(√m + √(m − r)) ≤ r/(√m·(2 − r/m)), and √m ≥ s(1 − 2u).
pub(super) fn sqrt<M: Midpoint>(x: Ball<M>) -> Ball<M> {
    let (m, r) = (x.high(), x.rad());
    match x.sign() {
        Some(0) => Ball::ZERO,
        // 0 < √x < √r.
        Some(1) if m == 0.0 => Ball::sided(M::ZERO, r.sqrt() * UP, Side::Above),
        Some(1) if m >= SAFE && x.mid().exceeds(r) => {
            let (s, error) = M::sqrt_at(x.mid());
            let rad = (error + r / (2.0 - r / m) / s.high()) * UP;
            if error == 0.0 && r != 0.0 {
                return Ball::sided(s, rad + TINY, x.side());
            }
            Ball::around(s, if r == 0.0 { rad } else { rad + TINY })
        }
        _ => Ball::UNKNOWN,
    }
}

/// tanh x: |tanh′| ≤ 1; and |tanh x| < 1.
pub(super) fn tanh<M: Midpoint>(x: Ball<M>) -> Ball<M> {
    if !x.is_known() {
        return Ball::UNKNOWN;
    }
    if x.high() == 0.0 {
        return exact_at(0.0, x, x.rad());
    }
    match rounded(M::tanh_at(x.mid()), x.rad(), x.sign()) {
        ball if ball.mid() == M::ONE => Ball::sided(ball.mid(), ball.rad(), Side::Below),
        ball if ball.mid() == M::of(-1.0) => Ball::sided(ball.mid(), ball.rad(), Side::Above),
        ball => ball,
    }
}

/// e^−|x|, or e^|x| where x is of the other sign than its midpoint: what softplus and the sigmoid share. Not known where the
/// midpoint is 0 and x is not, so that the midpoint's sign tells which.
#[inline(always)]
pub(super) fn decay<M: Midpoint>(x: Ball<M>) -> Ball<M> {
    if x.high() == 0.0 && x.rad() != 0.0 {
        return Ball::UNKNOWN;
    }
    exp(if x.high() >= 0.0 { x.neg() } else { x })
}

/// σ(x) = 1/(1 + e^−x) = e^x/(1 + e^x), from the decay of x.
#[inline(always)]
pub(super) fn sigmoid<M: Midpoint>(x: Ball<M>, decay: Ball<M>) -> Ball<M> {
    let share = if x.high() >= 0.0 { Ball::ONE } else { decay };
    share.div(Ball::ONE.add(decay))
}

/// ln(1 + e^x) = x + ln(1 + e^−x), from the decay of x.
#[inline(always)]
pub(super) fn softplus<M: Midpoint>(x: Ball<M>, decay: Ball<M>) -> Ball<M> {
    let tail = ln_1p(decay);
    if x.high() > 0.0 { x.add(tail) } else { tail }
}

/// ln 2.
fn ln_2<M: Midpoint>() -> Ball<M> {
    rounded(M::ln_at(M::of(2.0)), 0.0, None)
}

/// ln cosh x: ln(1 + 2·sinh²(x/2)) near 0, elsewhere |x| + ln(1 + e^(−2|x|)) − ln 2.
pub(super) fn log_cosh<M: Midpoint>(x: Ball<M>) -> Ball<M> {
    let size = x.abs();
    if !(x.is_known() && x.rad() <= power(-10)) {
        return Ball::UNKNOWN;
    }
    if size.high() >= 1.0 {
        let twice = size.add(size);
        return size.add(ln_1p(exp(twice.neg()))).sub(ln_2());
    }
    if size.is_zero() {
        return Ball::ZERO;
    }
    // |sinh(h±r) − sinh h| ≤ r·cosh(h + r) < 2r for |h| + r < 1.
    let half = size.mul(Ball::exact(0.5));
    let sinh = rounded(M::sinh_at(half.mid()), 2.0 * half.rad(), half.sign());
    let square = sinh.mul(sinh);
    ln_1p(square.add(square))
}

/// ln 2π, of a double-double that is within 2^−107 of π: its parts are the nearest f64s of π and of the rest.
pub(super) fn ln_two_pi<M: Midpoint>() -> Ball<M> {
    let pi = Ball::exact(std::f64::consts::PI).add(Ball::exact(1.224_646_799_147_353_2e-16));
    let pi = pi.add(Ball::around(M::ZERO, power(-107)));
    ln(pi.add(pi))
}

/// ½x² for |x| ≤ δ, δ·(|x| − ½δ) beyond; not known where the ball lies on both sides of δ.
pub(super) fn huber<M: Midpoint>(x: Ball<M>, delta: f64) -> Ball<M> {
    let (size, bound) = (x.abs(), Ball::exact(delta));
    match size.compare(bound) {
        Some(-1 | 0) => Ball::exact(0.5).mul(x.mul(x)),
        Some(1) => bound.mul(size.sub(Ball::exact(0.5).mul(bound))),
        _ => Ball::UNKNOWN,
    }
}

/// x²/(2β) for |x| ≤ β, |x| − ½β beyond; not known where the ball lies on both sides of β.
pub(super) fn smooth_l1<M: Midpoint>(x: Ball<M>, beta: f64) -> Ball<M> {
    let (size, bound) = (x.abs(), Ball::exact(beta));
    match size.compare(bound) {
        Some(-1 | 0) => Ball::exact(0.5).mul(x.mul(x)).div(bound),
        Some(1) => size.sub(Ball::exact(0.5).mul(bound)),
        _ => Ball::UNKNOWN,
    }
}

/// e^x − 1 − x: the series near 0, elsewhere as it stands.
pub(super) fn expm1_minus<M: Midpoint>(x: Ball<M>) -> Ball<M> {
    if !(x.is_known() && x.rad() <= power(-10)) {
        return Ball::UNKNOWN;
    }
    if x.is_zero() {
        return Ball::ZERO;
    }
    if x.high().abs() >= 0.25 {
        return expm1(x).sub(x);
    }
    // x²·Σ_{k=2}^{22} x^(k−2)/k!; the rest is below |x|^21·e^|x|/23! < 2^−113 for |x| < 0.26. 22! has 53 bits without its factors 2.
    let factorial = |k: u32| (2..=k).map(f64::from).product::<f64>();
    let term = |k: u32| Ball::ONE.div(Ball::exact(factorial(k)));
    let sum = (2..22).rev().fold(term(22), |sum, k| sum.mul(x).add(term(k)));
    let sum = sum.add(Ball::around(M::ZERO, power(-113)));
    sum.mul(x.mul(x))
}

/// x·ln y, 0 where x is 0 and y is not negative.
pub(super) fn xlogy<M: Midpoint>(x: Ball<M>, y: Ball<M>) -> Ball<M> {
    match y.sign() {
        Some(0 | 1) if x.is_zero() => Ball::ZERO,
        _ => x.mul(ln(y)),
    }
}

/// x^p for a known p; whole powers up to 3 and square roots by the operations, which keep what is exact.
pub(super) fn pow<M: Midpoint>(x: Ball<M>, p: f64) -> Ball<M> {
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
            let y = M::positive_pow(x.neg(), p);
            if p % 2.0 == 0.0 { y } else { y.neg() }
        }
        (_, Some(1)) => M::positive_pow(x, p),
        _ => Ball::UNKNOWN,
    }
}

/// x^(1/p) of a ball that is not negative, p ≥ 1.
pub(super) fn root<M: Midpoint>(x: Ball<M>, p: f64) -> Ball<M> {
    match (p, x.sign()) {
        (1.0, Some(0 | 1)) => x,
        (2.0, _) => sqrt(x),
        (_, Some(0)) => Ball::ZERO,
        (_, Some(1)) => M::positive_root(x, p),
        _ => Ball::UNKNOWN,
    }
}
