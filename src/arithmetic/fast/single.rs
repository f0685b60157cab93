//! Balls with f64 midpoints: the four operations with the errors of their roundings; CORE-MATH's functions, which are correctly
//! rounded; and the loops over whole arrays that most of the time goes into.
//!
//! *Sound*: |f(m) − y| ≤ ½ulp(y) ≤ u|y| for a correctly rounded y of at least `SAFE`, below it ≤ u·2^−900 + 2^−1075 <
//! `TINY`; for the exponential see `exponential`.

use super::ball::{
    Accumulate, Ball, Divide, Midpoint, SAFE, TINY, U, UP, infinite_product, infinite_quotient, infinite_sum,
    joined, moved, power, product_side, quotient_side,
};
use super::ball::{two_product, two_sum};
use super::elementary::{self, growth};
use super::exponential::{self, table};
use super::pool;
use crate::arithmetic::ball::Side;

impl Midpoint for f64 {
    const ZERO: f64 = 0.0;
    const ONE: f64 = 1.0;
    type Total = Total;
    type Divisor = Divisor;

    #[inline(always)]
    fn of(x: f64) -> f64 {
        x
    }

    #[inline(always)]
    fn high(self) -> f64 {
        self
    }

    #[inline(always)]
    fn negated(self) -> f64 {
        -self
    }

    #[inline(always)]
    fn exceeds(self, rad: f64) -> bool {
        self.abs() > rad
    }

    /// a + b.
    ///
    /// |(a' + b') − s| ≤ r + s' + |e| with a + b = s + e exactly; so the sum of exact numbers is exact where e = 0. No term
    /// underflows: sums of subnormal numbers are exact. −∞, NaN and an overflow make e and the radius NaN or infinite.
    #[inline(always)]
    fn add(a: Ball, b: Ball) -> Ball {
        let (s, e) = two_sum(a.mid(), b.mid());
        let rad = (a.rad() + b.rad() + e.abs()) * UP;
        if rad == 0.0 {
            return Ball::exact(s);
        }
        if rad.is_nan() {
            return infinite_sum(a, b);
        }
        let side = if e == 0.0 {
            if a.is_one_sided() || b.is_one_sided() { joined(a, b) } else { Side::Any }
        } else if s == a.mid() || s == b.mid() {
            moved(a, b, s)
        } else {
            Side::Any
        };
        Ball::of_parts(s, rad, side)
    }

    /// a · b.
    ///
    /// |a'b' − p| ≤ |ab − p| + |a|s + |b|r + rs, where |ab − p| ≤ u|p|, or known exactly. From `SAFE` on the slack of
    /// `UP`, 2^−49·u|p|, is above what three products lose that underflow.
    #[inline(always)]
    fn mul(a: Ball, b: Ball) -> Ball {
        let p = a.mid() * b.mid();
        if p.abs() >= SAFE && a.rad() + b.rad() > 0.0 && !a.is_one_sided() && !b.is_one_sided() {
            let spread = a.mid().abs() * b.rad() + b.mid().abs() * a.rad() + a.rad() * b.rad();
            let rad = (U * p.abs() + spread) * UP;
            if rad < f64::INFINITY {
                return Ball::around(p, rad);
            }
        }
        mul_exactly(a, b)
    }

    /// a / b, not known where b may be 0.
    ///
    /// a'/b' − q = ((a − qb) + (a' − a) − q(b' − b))/b', so |a'/b' − q| ≤ (|rem| + r + |q|s)/(|b| − s). The remainder of a
    /// correctly rounded quotient is a number of the format, and exact here: a − p by Sterbenz's lemma, p = qb rounded.
    #[inline]
    fn div(a: Ball, b: Ball) -> Ball {
        let least = b.mid().abs() - b.rad();
        let q = a.mid() / b.mid();
        if a.mid().abs() >= SAFE && q.abs() >= SAFE && least > 0.0 {
            let (p, e) = two_product(q, b.mid());
            let rem = (a.mid() - p) - e;
            let mut rad = (rem.abs() + a.rad() + q.abs() * b.rad()) / least * UP;
            let mut side = Side::Any;
            if rad.is_nan() {
                return infinite_quotient(a, b);
            }
            if a.rad() + b.rad() != 0.0 {
                // |q|s may lose 2^−1075 by underflow, 2^−175 of |a| at most; the quotient 2^−1075.
                rad += q.abs() * power(-100);
                if rem == 0.0 && (a.is_one_sided() || b.is_one_sided()) {
                    side = quotient_side(a, b);
                }
            }
            return Ball::of_parts(q, rad, side);
        }
        if !(a.is_known() && b.is_known() && least > 0.0) {
            return Ball::UNKNOWN;
        }
        if a.is_zero() {
            return Ball::ZERO;
        }
        if least < power(-100) {
            return Ball::UNKNOWN;
        }
        // |a/b − q| ≤ max(u|q|, 2^−1075); |q|s loses at most 2^−1075 by underflow, divided by 2^−100.
        let rad = (U * q.abs() + (a.rad() + q.abs() * b.rad()) / least) * UP + TINY;
        let sign = a.sign().zip(b.sign()).map(|(a, b)| a * b);
        Ball::of_sign(q, rad, sign)
    }

    /// |√m − s| = |m − s²|/(√m + s), with m − s² exact, and √m ≥ s(1 − u).
    #[inline]
    fn sqrt_at(m: f64) -> (f64, f64) {
        let s = m.sqrt();
        let (p, e) = two_product(s, s);
        let rem = (m - p) - e;
        (s, 0.5 * rem.abs() / s * UP)
    }

    #[inline(always)]
    fn exp_at(m: f64) -> (f64, f64) {
        if m.abs() <= exponential::LARGEST {
            let y = table().exp(m);
            return (y, exponential::ERROR * y * UP);
        }
        rounded(core_math::exp(m))
    }

    fn expm1_at(m: f64) -> (f64, f64) {
        rounded(core_math::expm1(m))
    }

    fn ln_at(m: f64) -> (f64, f64) {
        rounded(core_math::log(m))
    }

    #[inline(always)]
    fn ln_1p_at(m: f64) -> (f64, f64) {
        rounded(core_math::log1p(m))
    }

    fn tanh_at(m: f64) -> (f64, f64) {
        rounded(core_math::tanh(m))
    }

    fn sinh_at(m: f64) -> (f64, f64) {
        rounded(core_math::sinh(m))
    }

    /// |(m±r)^p − m^p| ≤ m^p·(e^δ − 1) with δ = |p|·r/(m − r), as |ln(1 + τ)| ≤ |τ|/(1 − |τ|).
    fn positive_pow(x: Ball, p: f64) -> Ball {
        let least = x.mid() - x.rad();
        let delta = p.abs() * (x.rad() / least) * UP;
        if x.is_exact() && x.mid() == 1.0 {
            return Ball::ONE;
        }
        if !(least > 0.0 && delta <= 1.0) {
            return Ball::UNKNOWN;
        }
        let (y, error) = rounded(core_math::pow(x.mid(), p));
        elementary::rounded((y, error), y * growth(delta) * UP, Some(1))
    }

    /// y = x^q with q = 1/p rounded, and x^(1/p)/x^q = e^(ln x·(1/p − q)) with |1/p − q| ≤ u·q: a further relative error
    /// e^δ − 1, δ = |ln x|·u·q.
    fn positive_root(x: Ball, p: f64) -> Ball {
        let q = 1.0 / p;
        let y = f64::positive_pow(x, q);
        if !y.is_known() || y.mid() < SAFE {
            return Ball::UNKNOWN;
        }
        // The logarithm of the midpoint, and of the rest of the ball, which reaches to a factor e at most.
        let delta = (core_math::log(x.mid()).abs() * UP + 1.0) * q * U * UP;
        let extra = y.magnitude() * growth(delta) * UP;
        Ball::around(y.mid(), (y.rad() + extra) * UP)
    }

    fn unset(length: usize) -> Vec<f64> {
        pool::unset(length)
    }

    fn keep(column: Vec<f64>) {
        pool::keep(column);
    }

    /// With x − most = d + e exactly: |e^(d+e) − y| ≤ e^d·(e^|e| − 1) + ε·y with e^d ≤ y(1 + ε), ε the exponential's error.
    /// Nothing underflows: y ≥ e^−600 > 2^−866.
    fn exponentials(x: &[f64], most: f64, mid: &mut [f64], rad: &mut [f64]) -> bool {
        let table = table();
        for ((&x, mid), rad) in x.iter().zip(mid).zip(rad) {
            let (d, e) = two_sum(x, -most);
            if d >= -exponential::LARGEST {
                let y = table.exp(d);
                let relative = growth(e.abs()) + exponential::ERROR;
                *mid = y;
                *rad = if d == 0.0 { 0.0 } else { y * relative * UP };
            } else if x == f64::NEG_INFINITY {
                (*mid, *rad) = (0.0, 0.0);
            } else {
                return false;
            }
        }
        true
    }
}

/// A correctly rounded value with the bound of its rounding error.
#[inline(always)]
fn rounded(y: f64) -> (f64, f64) {
    (y, if y.abs() >= SAFE { U * y.abs() } else { TINY })
}

/// a · b, with an exact product where there is one.
///
/// |a'b' − p| ≤ |e| + |a|s + |b|r + rs with ab = p + e exactly. Below `SAFE`, where e is not exact, |ab − p| ≤
/// max(u|p|, 2^−1075) < `TINY`.
fn mul_exactly(a: Ball, b: Ball) -> Ball {
    let (p, e) = two_product(a.mid(), b.mid());
    if p.is_nan() || p.abs() == f64::INFINITY {
        return infinite_product(a, b);
    }
    let spread = a.mid().abs() * b.rad() + b.mid().abs() * a.rad() + a.rad() * b.rad();
    if p.abs() >= SAFE {
        let mut rad = (e.abs() + spread) * UP;
        // The terms of the spread may underflow, to 0 too.
        if a.rad() + b.rad() != 0.0 {
            rad += TINY;
            if e == 0.0 && (a.is_one_sided() || b.is_one_sided()) {
                return Ball::of_parts(p, rad, product_side(a, b));
            }
        }
        return Ball::around(p, rad);
    }
    if !(a.is_known() && b.is_known()) {
        return Ball::UNKNOWN;
    }
    if a.is_zero() || b.is_zero() {
        return Ball::ZERO;
    }
    let sign = a.sign().zip(b.sign()).map(|(a, b)| a * b);
    Ball::of_sign(p, spread * UP + TINY, sign)
}

/// What many numbers are divided by: its least magnitude's reciprocal is computed once.
#[derive(Copy, Clone, Debug)]
pub struct Divisor {
    ball: Ball,
    /// An upper bound of 1/(|b| − s); NaN where [`Ball::div`] has to take over.
    reciprocal: f64,
}

impl Divide<f64> for Divisor {
    fn new(ball: Ball) -> Divisor {
        let least = ball.mid().abs() - ball.rad();
        let plain = ball.is_known() && !ball.is_one_sided() && least > power(-100) && least < power(100);
        Divisor { ball, reciprocal: if plain { UP / least } else { f64::NAN } }
    }

    /// a / b, as `Ball::div`, with |a/b − q| ≤ u|q| in place of the remainder. For |q| ≥ 2^−800 the slack of `UP` in
    /// u|q|, 2^−902, is above what the products lose that underflow, 2^−1075·2^101.
    #[inline(always)]
    fn divide(self, a: Ball) -> Ball {
        let q = a.mid() / self.ball.mid();
        let rad = (U * q.abs() + (a.rad() + q.abs() * self.ball.rad()) * self.reciprocal) * UP;
        if a.rad() > 0.0 && q.abs() >= power(-800) && rad < f64::INFINITY && !a.is_one_sided() {
            return Ball::around(q, rad);
        }
        a.div(self.ball)
    }

    /// As [`Divisor::divide`]: the bound holds for exact terms too, where the divisor is not exact. Not for an exact divisor, and
    /// where a quotient is 0, tiny or no number.
    fn divide_all(self, (mid, rad): (&[f64], &[f64]), (q, radii): (&mut [f64], &mut [f64])) -> bool {
        let (b, s, reciprocal) = (self.ball.mid(), self.ball.rad(), self.reciprocal);
        if !(s > 0.0 && reciprocal.is_finite()) {
            return false;
        }
        let mut fine = true;
        for ((&a, &r), (q, rad)) in mid.iter().zip(rad).zip(q.iter_mut().zip(radii)) {
            *q = a / b;
            *rad = (U * q.abs() + (r + q.abs() * s) * reciprocal) * UP;
            fine &= q.abs() >= power(-800);
        }
        fine
    }
}

/// A sum that is being made: s + c, s the rounded sum and c the sum of what the roundings of s lost.
///
/// With tᵢ the terms' midpoints, Σtᵢ = s + Σeᵢ exactly, the eᵢ by TwoSum. c is their sum up to n·u·Σ|eᵢ|·(1 + 2^−10) (recursive
/// summation; Higham, *Accuracy and Stability*, §4.2, n·u < 2^−11), and the last s + c is error-free again. So the sum of exact
/// numbers whose every partial sum is exact is exact.
#[derive(Copy, Clone, Default)]
pub struct Total {
    s: f64,
    c: f64,
    lost: f64,
    rad: f64,
    count: usize,
    sides: u8,
}

impl Accumulate<f64> for Total {
    #[inline(always)]
    fn push(&mut self, term: Ball) {
        let (mid, rad, side) = term.parts();
        let (s, e) = two_sum(self.s, mid);
        self.s = s;
        self.c += e;
        self.lost += e.abs();
        self.rad += rad;
        self.count += 1;
        if rad != 0.0 {
            self.sides |= 1 << side as u8;
        }
    }

    /// In four sums side by side, which do not wait for each other; these are then terms themselves.
    fn push_all(&mut self, mid: &[f64], rad: &[f64]) {
        const LANES: usize = 4;
        let mut sums = [[0.0; LANES]; 4];
        let [s, c, lost, radii] = &mut sums;
        for (mid, rad) in mid.chunks_exact(LANES).zip(rad.chunks_exact(LANES)) {
            for k in 0..LANES {
                let (t, e) = two_sum(s[k], mid[k]);
                s[k] = t;
                c[k] += e;
                lost[k] += e.abs();
                radii[k] += rad[k];
            }
        }
        let whole = mid.len() / LANES * LANES;
        if whole > 0 {
            s.iter().zip(&*radii).for_each(|(&s, &radius)| self.push(Ball::around(s, radius)));
            self.c += c.iter().sum::<f64>();
            self.lost += lost.iter().sum::<f64>();
            self.count += whole;
        }
        mid[whole..].iter().zip(&rad[whole..]).for_each(|(&mid, &rad)| self.push(Ball::around(mid, rad)));
    }

    /// The sum: |true − m| ≤ Σr + |e| + n·u·Σ|eᵢ|, where the sums of the radii and of the |eᵢ| have n roundings each.
    fn ball(self) -> Ball {
        let (mid, e) = two_sum(self.s, self.c);
        let n = self.count as f64;
        let rad = (self.rad + e.abs() + n * U * self.lost) * (1.0 + (8.0 * n + 16.0) * U);
        if rad == 0.0 {
            return Ball::exact(mid);
        }
        if self.lost == 0.0 {
            // The midpoints add exactly, so what all terms are above (or below), the sum is above.
            for side in [Side::Above, Side::Below] {
                if self.sides == 1 << side as u8 {
                    return Ball::sided(mid, rad, side);
                }
            }
        }
        Ball::around(mid, rad)
    }
}
