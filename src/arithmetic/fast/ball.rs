//! One fast ball: an f64 midpoint and an f64 radius that holds the true value, with the four operations.
//!
//! *Sound*: the true result of the true operands is inside. *Total*: what is not known (an overflow, a divisor around 0, no
//! value at all) is [`Ball::UNKNOWN`], which every operation passes on. Fields are private: an unproved number leaves this
//! module only as a ball, and a truth only through [`Grid::canonical`](super::grid::Grid::canonical).
//!
//! Radii are computed in f64, rounded to nearest, and rounded up by construction: an expression of at most ten roundings of
//! terms of one sign is at least (1 − u)^10 of its exact value, and `UP` = 1 + 16u makes up for that and for its own
//! rounding, as (1 + 16u)(1 − u)^11 > 1. Where a product may underflow, `TINY` is added.

use crate::arithmetic::ball::Side;

/// u, half a unit in the last place of 1.
pub(super) const U: f64 = f64::EPSILON / 2.0;
/// 1 + 16u; see above.
pub(super) const UP: f64 = 1.0 + 16.0 * U;
/// 2^−950: covers what a few products lose that underflow, 2^−1075 each, and rounding errors of numbers below [`SAFE`].
pub(super) const TINY: f64 = power(-950);
/// 2^−900: numbers from here on have error-free products, whose last bits are above 2^−1074.
pub(super) const SAFE: f64 = power(-900);

/// 2^e in f64's normal range.
pub(super) const fn power(e: i32) -> f64 {
    f64::from_bits(((e + 1023) as u64) << 52)
}

/// An enclosure: the number is `mid` where `rad` is 0, else within `rad` of it, and strictly on that side. Not known where
/// `rad` is infinite or NaN, or `mid` is not finite. An input's −∞ is kept as the midpoint −∞ with radius 0: rows of
/// exponentials know it, to everything else it is not known.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Ball {
    mid: f64,
    rad: f64,
    side: Side,
}

/// a + b = s + e exactly, unless s overflows; then e is NaN or infinite. (Knuth; Møller.)
#[inline(always)]
pub(super) fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let s = a + b;
    let c = s - a;
    (s, (a - (s - c)) + (b - c))
}

/// a·b = p + e exactly where |p| ≥ [`SAFE`] or a factor is 0 (Dekker, Veltkamp); NaN or infinite where something overflows.
#[inline(always)]
pub(super) fn two_product(a: f64, b: f64) -> (f64, f64) {
    let p = a * b;
    if cfg!(target_feature = "fma") {
        return (p, a.mul_add(b, -p));
    }
    let split = |x: f64| {
        let c = 134_217_729.0 * x;
        let high = c - (c - x);
        (high, x - high)
    };
    let ((a, c), (b, d)) = (split(a), split(b));
    (p, c * d - (((p - a * b) - c * b) - a * d))
}

fn flipped_if(side: Side, negative: bool) -> Side {
    if negative { side.flipped() } else { side }
}

/// The side of a number that is added to a midpoint, by its sign.
fn side_of(sign: Option<i8>) -> Side {
    match sign {
        Some(1) => Side::Above,
        Some(-1) => Side::Below,
        _ => Side::Any,
    }
}

impl Ball {
    /// Anything, no value included.
    pub const UNKNOWN: Ball = Ball { mid: 0.0, rad: f64::INFINITY, side: Side::Any };
    /// Exactly 0.
    pub const ZERO: Ball = Ball::exact(0.0);
    /// Exactly 1.
    pub const ONE: Ball = Ball::exact(1.0);

    /// Exactly this number.
    #[inline(always)]
    pub const fn exact(x: f64) -> Ball {
        Ball { mid: x, rad: 0.0, side: Side::Any }
    }

    /// Every number within `rad` of `mid`.
    #[inline(always)]
    pub(super) fn around(mid: f64, rad: f64) -> Ball {
        Ball { mid, rad, side: Side::Any }
    }

    /// The part of the ball around `mid` on that side.
    #[inline(always)]
    pub(super) fn sided(mid: f64, rad: f64, side: Side) -> Ball {
        debug_assert!(side == Side::Any || rad != 0.0);
        Ball { mid, rad, side }
    }

    /// The ball; where it reaches 0 although the number's sign is known (not 0), what of it is on that side.
    #[inline(always)]
    pub(super) fn of_sign(mid: f64, rad: f64, sign: Option<i8>) -> Ball {
        if mid.abs() > rad {
            return Ball::around(mid, rad);
        }
        match side_of(sign) {
            Side::Any => Ball::around(mid, rad),
            side => Ball::sided(0.0, (mid.abs() + rad) * UP, side),
        }
    }

    /// From the columns of an array.
    #[inline(always)]
    pub(super) fn of_parts(mid: f64, rad: f64, side: Side) -> Ball {
        Ball { mid, rad, side }
    }

    /// The columns of an array.
    #[inline(always)]
    pub(super) fn parts(self) -> (f64, f64, Side) {
        (self.mid, self.rad, self.side)
    }

    /// The midpoint; anything where the ball is not known.
    #[inline(always)]
    pub(super) fn mid(self) -> f64 {
        self.mid
    }

    /// The radius; infinite or NaN where the ball is not known.
    #[inline(always)]
    pub(super) fn rad(self) -> f64 {
        self.rad
    }

    /// The side of the midpoint on which the number is.
    #[inline(always)]
    pub fn side(self) -> Side {
        self.side
    }

    /// The midpoint and the radius, where something is known.
    pub fn enclosure(self) -> Option<(f64, f64)> {
        self.is_known().then_some((self.mid, self.rad))
    }

    /// Whether it is an enclosure.
    #[inline(always)]
    pub fn is_known(self) -> bool {
        self.rad < f64::INFINITY && self.mid.abs() < f64::INFINITY
    }

    /// Whether it is one number, known exactly.
    #[inline(always)]
    pub fn is_exact(self) -> bool {
        self.rad == 0.0 && self.mid.abs() < f64::INFINITY
    }

    /// Whether it is exactly 0.
    #[inline(always)]
    pub fn is_zero(self) -> bool {
        self.rad == 0.0 && self.mid == 0.0
    }

    /// Whether it is an input's −∞.
    #[inline(always)]
    pub fn is_minus_infinity(self) -> bool {
        self.rad == 0.0 && self.mid == f64::NEG_INFINITY
    }

    /// Whether it is known to lie strictly above or below its midpoint.
    #[inline(always)]
    pub(super) fn is_one_sided(self) -> bool {
        self.side != Side::Any
    }

    /// −1, 0 or 1; `None` where it is not decided.
    #[inline(always)]
    pub fn sign(self) -> Option<i8> {
        if !self.is_known() {
            return None;
        }
        if self.mid.abs() > self.rad {
            return Some(if self.mid < 0.0 { -1 } else { 1 });
        }
        match self.side {
            _ if self.rad == 0.0 => Some(0),
            Side::Above if self.mid >= 0.0 => Some(1),
            Side::Below if self.mid <= 0.0 => Some(-1),
            _ => None,
        }
    }

    /// An upper bound of the magnitude.
    #[inline(always)]
    pub(super) fn magnitude(self) -> f64 {
        (self.mid.abs() + self.rad) * UP
    }

    /// −x.
    #[inline(always)]
    pub(crate) fn neg(self) -> Ball {
        if self.mid.abs() < f64::INFINITY {
            Ball { mid: -self.mid, rad: self.rad, side: self.side.flipped() }
        } else {
            Ball::UNKNOWN
        }
    }

    /// |x|; around 0 every number up to the magnitude.
    #[inline(always)]
    pub fn abs(self) -> Ball {
        match self.sign() {
            Some(-1) => self.neg(),
            Some(_) => self,
            // 0 ≤ |x| ≤ |m| + r.
            None if self.is_known() => {
                let half = self.magnitude() / 2.0;
                Ball::around(half, half * UP + TINY)
            }
            None => Ball::UNKNOWN,
        }
    }

    /// a + b.
    ///
    /// |(a' + b') − s| ≤ r + s' + |e| with a + b = s + e exactly; so the sum of exact numbers is exact where e = 0. No term
    /// underflows: sums of subnormal numbers are exact. −∞, NaN and an overflow make e and the radius NaN or infinite.
    #[inline(always)]
    pub(crate) fn add(self, other: Ball) -> Ball {
        let (s, e) = two_sum(self.mid, other.mid);
        let rad = (self.rad + other.rad + e.abs()) * UP;
        if rad == 0.0 {
            return Ball::exact(s);
        }
        let side = if e == 0.0 {
            if self.is_one_sided() || other.is_one_sided() { joined(self, other) } else { Side::Any }
        } else if s == self.mid || s == other.mid {
            moved(self, other, s)
        } else {
            Side::Any
        };
        Ball { mid: s, rad, side }
    }

    /// a − b.
    #[inline(always)]
    pub(crate) fn sub(self, other: Ball) -> Ball {
        self.add(other.neg())
    }

    /// a · b.
    ///
    /// |a'b' − p| ≤ |ab − p| + |a|s + |b|r + rs, where |ab − p| ≤ u|p|, or known exactly. From [`SAFE`] on the slack of
    /// `UP`, 2^−49·u|p|, is above what three products lose that underflow.
    #[inline(always)]
    pub(crate) fn mul(self, other: Ball) -> Ball {
        let (a, b) = (self, other);
        let p = a.mid * b.mid;
        if p.abs() >= SAFE && a.rad + b.rad > 0.0 && !a.is_one_sided() && !b.is_one_sided() {
            let spread = a.mid.abs() * b.rad + b.mid.abs() * a.rad + a.rad * b.rad;
            return Ball::around(p, (U * p.abs() + spread) * UP);
        }
        a.mul_exactly(b)
    }

    /// a · b, with an exact product where there is one.
    ///
    /// |a'b' − p| ≤ |e| + |a|s + |b|r + rs with ab = p + e exactly. Below [`SAFE`], where e is not exact, |ab − p| ≤
    /// max(u|p|, 2^−1075) < `TINY`.
    fn mul_exactly(self, other: Ball) -> Ball {
        let (a, b) = (self, other);
        let (p, e) = two_product(a.mid, b.mid);
        let spread = a.mid.abs() * b.rad + b.mid.abs() * a.rad + a.rad * b.rad;
        if p.abs() >= SAFE {
            let mut rad = (e.abs() + spread) * UP;
            // The terms of the spread may underflow, to 0 too.
            if a.rad + b.rad != 0.0 {
                rad += TINY;
                if e == 0.0 && (a.is_one_sided() || b.is_one_sided()) {
                    return Ball { mid: p, rad, side: product_side(a, b) };
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

    /// a / b, not known where b may be 0.
    ///
    /// a'/b' − q = ((a − qb) + (a' − a) − q(b' − b))/b', so |a'/b' − q| ≤ (|rem| + r + |q|s)/(|b| − s). The remainder of a
    /// correctly rounded quotient is a number of the format, and exact here: a − p by Sterbenz's lemma, p = qb rounded.
    #[inline]
    pub(crate) fn div(self, other: Ball) -> Ball {
        let (a, b) = (self, other);
        let least = b.mid.abs() - b.rad;
        let q = a.mid / b.mid;
        if a.mid.abs() >= SAFE && q.abs() >= SAFE && least > 0.0 {
            let (p, e) = two_product(q, b.mid);
            let rem = (a.mid - p) - e;
            let mut rad = (rem.abs() + a.rad + q.abs() * b.rad) / least * UP;
            let mut side = Side::Any;
            if a.rad + b.rad != 0.0 {
                // |q|s may lose 2^−1075 by underflow, 2^−175 of |a| at most; the quotient 2^−1075.
                rad += q.abs() * power(-100);
                if rem == 0.0 && (a.is_one_sided() || b.is_one_sided()) {
                    side = quotient_side(a, b);
                }
            }
            return Ball { mid: q, rad, side };
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
        let rad = (U * q.abs() + (a.rad + q.abs() * b.rad) / least) * UP + TINY;
        let sign = a.sign().zip(b.sign()).map(|(a, b)| a * b);
        Ball::of_sign(q, rad, sign)
    }

    /// −1, 0, 1 as a is below, equal to, above b; `None` where the balls do not decide it.
    #[inline(always)]
    pub fn compare(self, other: Ball) -> Option<i8> {
        self.sub(other).sign()
    }
}

/// What many numbers are divided by: its least magnitude's reciprocal is computed once.
#[derive(Copy, Clone, Debug)]
pub(super) struct Divisor {
    ball: Ball,
    /// An upper bound of 1/(|b| − s); NaN where [`Ball::div`] has to take over.
    reciprocal: f64,
}

impl Divisor {
    pub fn new(ball: Ball) -> Divisor {
        let least = ball.mid.abs() - ball.rad;
        let plain = ball.is_known() && !ball.is_one_sided() && least > power(-100) && least < power(100);
        Divisor { ball, reciprocal: if plain { UP / least } else { f64::NAN } }
    }

    /// a / b, as [`Ball::div`], with |a/b − q| ≤ u|q| in place of the remainder. For |q| ≥ 2^−800 the slack of `UP` in
    /// u|q|, 2^−902, is above what the products lose that underflow, 2^−1075·2^101.
    #[inline(always)]
    pub fn divide(self, a: Ball) -> Ball {
        let q = a.mid / self.ball.mid;
        let rad = (U * q.abs() + (a.rad + q.abs() * self.ball.rad) * self.reciprocal) * UP;
        if a.rad > 0.0 && q.abs() >= power(-800) && rad < f64::INFINITY && !a.is_one_sided() {
            return Ball::around(q, rad);
        }
        a.div(self.ball)
    }
}

/// The side of a sum whose midpoints add exactly.
#[inline(never)]
fn joined(a: Ball, b: Ball) -> Side {
    match (a.rad == 0.0, b.rad == 0.0) {
        (true, _) => b.side,
        (_, true) => a.side,
        _ if a.side == b.side => a.side,
        _ => Side::Any,
    }
}

/// The side of a sum that rounds to one of its terms: the other term, of known sign, moves the number off it, where that
/// one is exact or on the same side already.
#[inline(never)]
fn moved(a: Ball, b: Ball, s: f64) -> Side {
    for (large, small) in [(a, b), (b, a)] {
        if s == large.mid {
            let side = side_of(small.sign());
            if side != Side::Any && large.is_known() && (large.rad == 0.0 || large.side == side) {
                return side;
            }
        }
    }
    Side::Any
}

/// The side of a product whose midpoints' product is exact and not 0: an exact factor keeps or flips the other's side, and
/// two positive numbers above their positive midpoints stay so.
#[inline(never)]
fn product_side(a: Ball, b: Ball) -> Side {
    match (a.rad == 0.0, b.rad == 0.0) {
        (true, false) => flipped_if(b.side, a.mid < 0.0),
        (false, true) => flipped_if(a.side, b.mid < 0.0),
        _ if a.side == Side::Above && b.side == Side::Above && a.mid > 0.0 && b.mid > 0.0 => Side::Above,
        _ => Side::Any,
    }
}

/// The side of a quotient whose midpoints' quotient is exact: a⁺/n lies on the side that the sign of n says, a/n⁺ on the
/// other side of a/n where a is positive.
#[inline(never)]
fn quotient_side(a: Ball, b: Ball) -> Side {
    match (a.rad == 0.0, b.rad == 0.0) {
        (false, true) => flipped_if(a.side, b.mid < 0.0),
        (true, false) => flipped_if(b.side, a.mid > 0.0),
        _ => Side::Any,
    }
}
