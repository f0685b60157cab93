//! Balls with double-double midpoints: about 100 bits, for f64 outputs and for what balls of f64 leave open.
//!
//! *Sound*: sums carry their own errors, which are computed exactly. Products and quotients are those of Joldes, Muller and
//! Popescu, *Tight and rigorous error bounds for basic building blocks of double-word arithmetic* (2017), whose bounds are
//! 5u² (theorem 5.3) and 9.8u² (theorem 6.2) of the result; here 64u² is taken, whose slack also covers what underflows for
//! results of at least `SAFE`. Functions: `double_elementary`.

use super::ball::{Accumulate, Ball, Divide, Midpoint, SAFE, TINY, U, UP};
use super::ball::{infinite_product, infinite_quotient, infinite_sum};
use super::ball::{joined, moved, power, product_side, quotient_side, two_product, two_sum};
use super::double_elementary as f;
use super::exponential::{LARGEST, PAIR_ERROR, table};
use crate::arithmetic::ball::Side;

/// An unevaluated sum: high is the sum rounded, so |low| ≤ u|high|.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub struct Double {
    pub(super) high: f64,
    pub(super) low: f64,
}

/// 64u²: relative error of a product or a quotient.
pub(super) const BASIC: f64 = 64.0 * U * U;

impl Double {
    /// The high and the low part.
    pub fn parts(self) -> (f64, f64) {
        (self.high, self.low)
    }

    /// a + b as a double-double; exact but for an overflow.
    #[inline(always)]
    pub(super) fn of_sum(a: f64, b: f64) -> Double {
        let (high, low) = two_sum(a, b);
        Double { high, low }
    }

    /// a + b, and the error: with a + b = s + e + t + f, e + t = c + g, s + c = v + w, f + w = x + k exactly, the result is
    /// v + x exactly and g + k is lost.
    #[inline(always)]
    pub(super) fn sum(self, other: Double) -> (Double, f64) {
        let (s, e) = two_sum(self.high, other.high);
        let (t, f) = two_sum(self.low, other.low);
        let (c, g) = two_sum(e, t);
        let (v, w) = two_sum(s, c);
        let (x, k) = two_sum(f, w);
        (Double::of_sum(v, x), (g.abs() + k.abs()) * UP)
    }

    /// The sum; the error is at most 4u² of the larger term, as |g| ≤ u|e + t| and |k| ≤ u|f + w|, all of them at most 2u of it.
    #[inline(always)]
    pub(super) fn plus(self, other: Double) -> Double {
        self.sum(other).0
    }

    /// a·b to within [`BASIC`]: of (ah + al)(bh + bl) the product al·bl ≤ u²|ah·bh| is left out, ah·bl and al·bh round by u² each,
    /// their sum by 2u² and what is added to the error of ah·bh by 3u²: 8u²(1 + u)² in all.
    #[inline(always)]
    pub(super) fn times(self, other: Double) -> Double {
        let (p, e) = two_product(self.high, other.high);
        Double::of_sum(p, e + (self.high * other.low + self.low * other.high))
    }

    /// a·b and a bound of the error, exact where that is 0. Where one of the factors is an f64, x·(yh + yl) = (p + e) + (r + f)
    /// exactly by two products, e + r = c + g exactly, p + c is the result, and f + g is lost; if r is large enough for that.
    #[inline(always)]
    fn product(self, other: Double) -> (Double, f64) {
        let (x, y) = if self.low == 0.0 { (self, other) } else { (other, self) };
        let (p, e) = two_product(x.high, y.high);
        if x.low == 0.0 && (y.low == 0.0 || (x.high * y.low).abs() >= SAFE) {
            let (r, f) = if y.low == 0.0 { (0.0, 0.0) } else { two_product(x.high, y.low) };
            let (c, g) = two_sum(e, r);
            return (Double::of_sum(p, c), (f.abs() + g.abs()) * UP);
        }
        (self.times(other), BASIC * p.abs())
    }

    /// a/b to within [`BASIC`], and whether it is exact: q = ah/bh rounded, and the rest a − qb, of which ah − q·bh is exact and at
    /// most u|ah|, divided by bh. The rest rounds by u²|ah| for q·bl, 2u² for al − q·bl, 4u² for the sum; bh in b's place is 4u²;
    /// the last quotient 4u²: 15u²(1 + u)³ in all.
    #[inline(always)]
    pub(super) fn over(self, other: Double) -> (Double, bool) {
        let q = self.high / other.high;
        let (p, e) = two_product(q, other.high);
        let rem = (self.high - p) - e;
        let rest = rem + (self.low - q * other.low);
        let more = rest / other.high;
        // By an f64 it is exact where the rest is, and its quotient.
        let is_exact = || {
            let is_large = rest.abs() >= SAFE && more.abs() >= SAFE;
            two_sum(rem, self.low).1 == 0.0
                && (rest == 0.0 || is_large && two_product(more, other.high) == (rest, 0.0))
        };
        (Double::of_sum(q, more), other.low == 0.0 && is_exact())
    }
}

/// The ball; not known where an overflow has made the low part no number.
#[inline(always)]
fn made(mid: Double, rad: f64, side: Side) -> Ball<Double> {
    if mid.low.abs() < f64::INFINITY { Ball::of_parts(mid, rad, side) } else { Ball::UNKNOWN }
}

/// |a|s + |b|r + rs, |a| ≤ |high|(1 + u).
#[inline(always)]
fn spread(a: Ball<Double>, b: Ball<Double>) -> f64 {
    a.high().abs() * b.rad() + b.high().abs() * a.rad() + a.rad() * b.rad()
}

/// The sign of a product or quotient.
fn sign(a: Ball<Double>, b: Ball<Double>) -> Option<i8> {
    a.sign().zip(b.sign()).map(|(a, b)| a * b)
}

impl Midpoint for Double {
    const ZERO: Double = Double { high: 0.0, low: 0.0 };
    const ONE: Double = Double { high: 1.0, low: 0.0 };
    type Total = Total;
    type Divisor = Divisor;

    #[inline(always)]
    fn of(x: f64) -> Double {
        Double { high: x, low: 0.0 }
    }

    #[inline(always)]
    fn high(self) -> f64 {
        self.high
    }

    #[inline(always)]
    fn negated(self) -> Double {
        Double { high: -self.high, low: -self.low }
    }

    /// |x| ≥ |high|(1 − u).
    #[inline(always)]
    fn exceeds(self, rad: f64) -> bool {
        self.high.abs() > rad * UP && self.high != 0.0
    }

    #[inline]
    fn add(a: Ball<Double>, b: Ball<Double>) -> Ball<Double> {
        let (s, lost) = a.mid().sum(b.mid());
        let rad = (a.rad() + b.rad() + lost) * UP;
        if rad == 0.0 {
            return made(s, 0.0, Side::Any);
        }
        if rad.is_nan() {
            return infinite_sum(a, b);
        }
        let side = if lost == 0.0 {
            if a.is_one_sided() || b.is_one_sided() { joined(a, b) } else { Side::Any }
        } else if s == a.mid() || s == b.mid() {
            moved(a, b, s)
        } else {
            Side::Any
        };
        made(s, rad, side)
    }

    /// |a'b' − p| ≤ |ab − p| + |a|s + |b|r + rs. Below `SAFE` the product of the high parts is within 4u of ab, or 2^−1074:
    /// less than `TINY` in all.
    #[inline]
    fn mul(a: Ball<Double>, b: Ball<Double>) -> Ball<Double> {
        let product = a.high() * b.high();
        if product.is_nan() || product.abs() == f64::INFINITY {
            return infinite_product(a, b);
        }
        if product.abs() >= SAFE {
            let (p, error) = a.mid().product(b.mid());
            let mut rad = (error + spread(a, b)) * UP;
            let mut side = Side::Any;
            if a.rad() + b.rad() != 0.0 {
                rad += TINY;
                if error == 0.0 && (a.is_one_sided() || b.is_one_sided()) {
                    side = product_side(a, b);
                }
            }
            return made(p, rad, side);
        }
        if !(a.is_known() && b.is_known()) {
            return Ball::UNKNOWN;
        }
        if a.is_zero() || b.is_zero() {
            return Ball::ZERO;
        }
        Ball::of_sign(Double::of(product), (spread(a, b) + TINY) * UP, sign(a, b))
    }

    /// |a'/b' − q| ≤ |a/b − q| + (r + |q|s)/(|b| − s), |b| ≥ |high|(1 − u).
    #[inline]
    fn div(a: Ball<Double>, b: Ball<Double>) -> Ball<Double> {
        let least = b.high().abs() * (1.0 - 4.0 * U) - b.rad();
        if !(a.is_known() && b.is_known() && least > 0.0) {
            return infinite_quotient(a, b);
        }
        if a.is_zero() {
            return Ball::ZERO;
        }
        let (q, exact) = a.mid().over(b.mid());
        if !(a.high().abs() >= SAFE && q.high.abs() >= SAFE && b.high().abs() >= SAFE) {
            return Ball::UNKNOWN;
        }
        let error = if exact { 0.0 } else { BASIC * q.high.abs() };
        let mut rad = (error + (a.rad() + q.high.abs() * b.rad()) / least) * UP;
        let mut side = Side::Any;
        if a.rad() + b.rad() != 0.0 {
            // |q|s may lose 2^−1075 by underflow, 2^−175 of |a| at most; the quotient 2^−1075.
            rad += q.high.abs() * power(-120);
            if exact && (a.is_one_sided() || b.is_one_sided()) {
                side = quotient_side(a, b);
            }
        }
        made(q, rad, side)
    }

    /// s = √mh rounded, and half the rest m − s² over s. The rest is exact up to the rounding of the last sum, u·3u·mh, 1.5u²s in
    /// the root, as is that of the quotient; the next term of the series is below (3u)²s/8: in all less than 5u²s.
    fn sqrt_at(m: Double) -> (Double, f64) {
        let s = m.high.sqrt();
        let (p, e) = two_product(s, s);
        let rem = (m.high - p) - e;
        let root = Double::of_sum(s, (rem + m.low) / (2.0 * s));
        (root, if rem == 0.0 && m.low == 0.0 { 0.0 } else { BASIC * s })
    }

    fn exp_at(m: Double) -> (Double, f64) {
        f::exp(m)
    }

    fn expm1_at(m: Double) -> (Double, f64) {
        f::expm1(m)
    }

    fn ln_at(m: Double) -> (Double, f64) {
        f::ln(m)
    }

    fn ln_1p_at(m: Double) -> (Double, f64) {
        f::ln_1p(m)
    }

    fn tanh_at(m: Double) -> (Double, f64) {
        f::tanh(m)
    }

    fn sinh_at(m: Double) -> (Double, f64) {
        f::sinh(m)
    }

    /// e^(p·ln x).
    fn positive_pow(x: Ball<Double>, p: f64) -> Ball<Double> {
        if x.is_exact() && x.mid() == Double::ONE {
            return Ball::ONE;
        }
        super::elementary::exp(Ball::exact(p).mul(super::elementary::ln(x)))
    }

    /// e^(ln x/p).
    fn positive_root(x: Ball<Double>, p: f64) -> Ball<Double> {
        super::elementary::exp(super::elementary::ln(x).div(Ball::exact(p)))
    }

    /// Of pairs h + l within ε·h of e^d, where xᵢ − most = d + e exactly, |e| ≤ 600u < 2^−43: e^(d+e) = e^d + e·e^d + …, so h + (l + h·e)
    /// is within ε·h + 2^−80·h. S, the sum of the h, is s and what its n roundings lost, at most u·S each. c is the sum of these and of
    /// the l + h·e, so below n·u·S + 2^−42·H, H the sum of those h that are not exactly 1, and its 2n roundings are u of that
    /// at most: 2n²u²S + n·2^−94·H in all. H itself rounds n times. For n ≤ 2^24 a thousandth of ε·H, 2^−68.2·H, makes up for the latter two.
    fn quick_sum(rows: [&[f64]; 2], most: f64) -> Option<Ball<Double>> {
        let table = table();
        let (mut s, mut c, mut inexact, mut count) = (0.0, 0.0, 0.0, 0.0);
        for &x in rows.into_iter().flatten() {
            let (d, e) = two_sum(x, -most);
            let (high, low) = match d {
                0.0 => (1.0, 0.0),
                d if d >= -LARGEST => {
                    let (high, low) = table.exp_pair(d);
                    inexact += high;
                    (high, low + high * e)
                }
                f64::NEG_INFINITY if x == d => continue,
                _ => return None,
            };
            let (sum, lost) = two_sum(s, high);
            s = sum;
            c += low + lost;
            count += 1.0;
        }
        if count > LONGEST {
            return None;
        }
        let rad = PAIR_ERROR * 1.001 * inexact + 4.0 * (count + 2.0) * (count + 2.0) * U * U * s;
        // Only ones: their number.
        let rad = if inexact == 0.0 { 0.0 } else { rad * 1.001 };
        Some(made(Double::of_sum(s, c), rad, Side::Any))
    }
}

/// Sums of more terms are not quick.
const LONGEST: f64 = power(24);

/// A sum that is being made, term by term.
#[derive(Copy, Clone)]
pub struct Total(Ball<Double>);

impl Default for Total {
    fn default() -> Total {
        Total(Ball::ZERO)
    }
}

impl Accumulate<Double> for Total {
    #[inline]
    fn push(&mut self, term: Ball<Double>) {
        self.0 = self.0.add(term);
    }

    fn ball(self) -> Ball<Double> {
        self.0
    }
}

/// A divisor.
#[derive(Copy, Clone, Debug)]
pub struct Divisor(Ball<Double>);

impl Divide<Double> for Divisor {
    fn new(ball: Ball<Double>) -> Divisor {
        Divisor(ball)
    }

    #[inline]
    fn divide(self, a: Ball<Double>) -> Ball<Double> {
        a.div(self.0)
    }
}
