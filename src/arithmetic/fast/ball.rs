//! One fast ball: a midpoint and an f64 radius that holds the true value. Midpoints are f64 ([`single`](super::single)) or
//! double-double ([`double`](super::double)); what differs between them is [`Midpoint`], the rest is here.
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
/// 2^−950: covers what a few products lose that underflow, 2^−1075 each, and rounding errors of numbers below `SAFE`.
pub(super) const TINY: f64 = power(-950);
/// 2^−900: numbers from here on have error-free products, whose last bits are above 2^−1074.
pub(super) const SAFE: f64 = power(-900);

/// 2^e in f64's normal range.
pub(super) const fn power(e: i32) -> f64 {
    f64::from_bits(((e + 1023) as u64) << 52)
}

/// A kind of midpoint with its arithmetic.
pub trait Midpoint: Copy + PartialEq + std::fmt::Debug + Default + 'static {
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// A sum of many balls that is being made.
    type Total: Accumulate<Self>;
    /// What many balls are divided by.
    type Divisor: Divide<Self>;

    /// Exactly this number.
    fn of(x: f64) -> Self;
    /// The nearest f64: |x − high| ≤ u|high|.
    fn high(self) -> f64;
    /// −x.
    fn negated(self) -> Self;
    /// Whether |x| is above the radius; if not sure, not.
    fn exceeds(self, rad: f64) -> bool;

    /// a + b.
    fn add(a: Ball<Self>, b: Ball<Self>) -> Ball<Self>;
    /// a · b.
    fn mul(a: Ball<Self>, b: Ball<Self>) -> Ball<Self>;
    /// a / b, not known where b may be 0.
    fn div(a: Ball<Self>, b: Ball<Self>) -> Ball<Self>;
    /// √x of a ball above 0 with a midpoint of at least `SAFE`: s and |√m − s|, or a bound of it; 0 where s is exact.
    fn sqrt_at(m: Self) -> (Self, f64);

    /// A function at the midpoint, y, and an upper bound of |f(m) − y|; infinite where none is known.
    fn exp_at(m: Self) -> (Self, f64);
    /// e^m − 1.
    fn expm1_at(m: Self) -> (Self, f64);
    /// ln m of m > 0.
    fn ln_at(m: Self) -> (Self, f64);
    /// ln(1 + m) of m > −1.
    fn ln_1p_at(m: Self) -> (Self, f64);
    /// tanh m.
    fn tanh_at(m: Self) -> (Self, f64);
    /// sinh m for |m| < 1.
    fn sinh_at(m: Self) -> (Self, f64);
    /// x^p of a positive ball.
    fn positive_pow(x: Ball<Self>, p: f64) -> Ball<Self>;
    /// x^(1/p) of a positive ball, p ≥ 1.
    fn positive_root(x: Ball<Self>, p: f64) -> Ball<Self>;

    /// A column to be written; until then its numbers are anything.
    fn unset(length: usize) -> Vec<Self> {
        vec![Self::ZERO; length]
    }
    /// A column that is not needed any more.
    fn keep(_column: Vec<Self>) {}

    /// exp(xᵢ − most) of a row of exact numbers of which `most` is the greatest: midpoints and radii, exactly 1 where
    /// xᵢ = most. Returns whether it has filled them; if not, they are anything.
    fn exponentials(_x: &[f64], _most: f64, _mid: &mut [Self], _rad: &mut [f64]) -> bool {
        false
    }

    /// Σ exp(xᵢ − most) over rows of exact numbers of which `most` is the greatest, cheaper than the sum of
    /// [`Midpoint::exp_at`], to nearly 58 bits; where it can be had so.
    fn quick_sum(_rows: [&[f64]; 2], _most: f64) -> Option<Ball<Self>> {
        None
    }
}

/// A sum of many balls.
pub trait Accumulate<M: Midpoint>: Copy + Default {
    /// Adds a term.
    fn push(&mut self, term: Ball<M>);
    /// Adds terms that are neither one-sided nor infinite.
    fn push_all(&mut self, mid: &[M], rad: &[f64]) {
        mid.iter().zip(rad).for_each(|(&mid, &rad)| self.push(Ball::of_parts(mid, rad, Side::Any)));
    }
    /// The sum.
    fn ball(self) -> Ball<M>;
}

/// A divisor of many balls.
pub trait Divide<M: Midpoint>: Copy {
    /// Division by this ball.
    fn new(ball: Ball<M>) -> Self;
    /// a divided by it.
    fn divide(self, a: Ball<M>) -> Ball<M>;
    /// Balls that are not one-sided divided by it, midpoints and radii. Returns whether it has filled the quotients; if not,
    /// they are anything.
    fn divide_all(self, _terms: (&[M], &[f64]), _quotients: (&mut [M], &mut [f64])) -> bool {
        false
    }
}

/// An enclosure: the number is `mid` where `rad` is 0, else within `rad` of it, and strictly on that side. Not known where
/// `rad` is infinite or NaN, or `mid` is NaN. An infinity that is no overflow, an input's −∞ and what the four operations make of it, has
/// itself as the midpoint and the radius 0; to what does not ask for it it is not known.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Ball<M = f64> {
    mid: M,
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

/// a·b = p + e exactly where |p| ≥ `SAFE` or a factor is 0 (Dekker, Veltkamp); NaN or infinite where something overflows.
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

impl<M: Midpoint> Ball<M> {
    /// Anything, no value included.
    pub const UNKNOWN: Ball<M> = Ball { mid: M::ZERO, rad: f64::INFINITY, side: Side::Any };
    /// Exactly 0.
    pub const ZERO: Ball<M> = Ball { mid: M::ZERO, rad: 0.0, side: Side::Any };
    /// Exactly 1.
    pub const ONE: Ball<M> = Ball { mid: M::ONE, rad: 0.0, side: Side::Any };

    /// Exactly this number.
    #[inline(always)]
    pub fn exact(x: f64) -> Ball<M> {
        Ball { mid: M::of(x), rad: 0.0, side: Side::Any }
    }

    /// Every number within `rad` of `mid`.
    #[inline(always)]
    pub(super) fn around(mid: M, rad: f64) -> Ball<M> {
        Ball { mid, rad, side: Side::Any }
    }

    /// The part of the ball around `mid` on that side.
    #[inline(always)]
    pub(super) fn sided(mid: M, rad: f64, side: Side) -> Ball<M> {
        debug_assert!(side == Side::Any || rad != 0.0);
        Ball { mid, rad, side }
    }

    /// The ball; where it reaches 0 although the number's sign is known (not 0), what of it is on that side.
    #[inline(always)]
    pub(super) fn of_sign(mid: M, rad: f64, sign: Option<i8>) -> Ball<M> {
        if mid.exceeds(rad) {
            return Ball::around(mid, rad);
        }
        match side_of(sign) {
            Side::Any => Ball::around(mid, rad),
            side => Ball::sided(M::ZERO, (mid.high().abs() + rad) * UP, side),
        }
    }

    /// From the columns of an array.
    #[inline(always)]
    pub(super) fn of_parts(mid: M, rad: f64, side: Side) -> Ball<M> {
        Ball { mid, rad, side }
    }

    /// The columns of an array.
    #[inline(always)]
    pub(super) fn parts(self) -> (M, f64, Side) {
        (self.mid, self.rad, self.side)
    }

    /// The midpoint; anything where the ball is not known.
    #[inline(always)]
    pub(super) fn mid(self) -> M {
        self.mid
    }

    /// The f64 nearest to the midpoint.
    #[inline(always)]
    pub(super) fn high(self) -> f64 {
        self.mid.high()
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
    pub fn enclosure(self) -> Option<(M, f64)> {
        self.is_known().then_some((self.mid, self.rad))
    }

    /// Whether it is an enclosure.
    #[inline(always)]
    pub fn is_known(self) -> bool {
        self.rad < f64::INFINITY && self.high().abs() < f64::INFINITY
    }

    /// Whether it is one number, known exactly.
    #[inline(always)]
    pub fn is_exact(self) -> bool {
        self.rad == 0.0 && self.high().abs() < f64::INFINITY
    }

    /// Whether it is exactly 0.
    #[inline(always)]
    pub fn is_zero(self) -> bool {
        self.rad == 0.0 && self.mid == M::ZERO
    }

    /// Whether it is an input's −∞.
    #[inline(always)]
    pub fn is_minus_infinity(self) -> bool {
        self.rad == 0.0 && self.high() == f64::NEG_INFINITY
    }

    /// 1 or −1 for an infinity that is no overflow.
    #[inline(always)]
    pub(super) fn infinity(self) -> Option<i8> {
        let sign = if self.high() < 0.0 { -1 } else { 1 };
        (self.rad == 0.0 && self.high().abs() == f64::INFINITY).then_some(sign)
    }

    /// −1, 0 or 1 of a number or an infinity.
    fn extended_sign(self) -> Option<i8> {
        self.infinity().or_else(|| self.sign())
    }

    /// That infinity.
    fn infinite(sign: i8) -> Ball<M> {
        Ball::exact(f64::INFINITY.copysign(f64::from(sign)))
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
        if self.mid.exceeds(self.rad) {
            return Some(if self.high() < 0.0 { -1 } else { 1 });
        }
        match self.side {
            _ if self.rad == 0.0 => Some(0),
            Side::Above if self.high() >= 0.0 => Some(1),
            Side::Below if self.high() <= 0.0 => Some(-1),
            _ => None,
        }
    }

    /// An upper bound of the magnitude.
    #[inline(always)]
    pub(super) fn magnitude(self) -> f64 {
        (self.high().abs() + self.rad) * UP
    }

    /// −x.
    #[inline(always)]
    pub(crate) fn neg(self) -> Ball<M> {
        if self.high().abs() < f64::INFINITY {
            Ball { mid: self.mid.negated(), rad: self.rad, side: self.side.flipped() }
        } else {
            self.infinity().map_or(Ball::UNKNOWN, |sign| Ball::infinite(-sign))
        }
    }

    /// |x|; around 0 every number up to the magnitude.
    #[inline(always)]
    pub fn abs(self) -> Ball<M> {
        match self.sign() {
            Some(-1) => self.neg(),
            Some(_) => self,
            // 0 ≤ |x| ≤ |m| + r.
            None if self.is_known() => {
                let half = self.magnitude() / 2.0;
                Ball::around(M::of(half), half * UP + TINY)
            }
            None => Ball::UNKNOWN,
        }
    }

    /// a + b.
    #[inline(always)]
    pub(crate) fn add(self, other: Ball<M>) -> Ball<M> {
        M::add(self, other)
    }

    /// a − b.
    #[inline(always)]
    pub(crate) fn sub(self, other: Ball<M>) -> Ball<M> {
        M::add(self, other.neg())
    }

    /// a · b.
    #[inline(always)]
    pub(crate) fn mul(self, other: Ball<M>) -> Ball<M> {
        M::mul(self, other)
    }

    /// a / b, not known where b may be 0.
    #[inline(always)]
    pub(crate) fn div(self, other: Ball<M>) -> Ball<M> {
        M::div(self, other)
    }

    /// −1, 0, 1 as a is below, equal to, above b; `None` where the balls do not decide it.
    #[inline(always)]
    pub fn compare(self, other: Ball<M>) -> Option<i8> {
        self.sub(other).sign()
    }
}

/// a + b where one of them is not finite, or their sum overflows: an infinity stays one, but for the other infinity.
#[cold]
#[inline(never)]
pub(super) fn infinite_sum<M: Midpoint>(a: Ball<M>, b: Ball<M>) -> Ball<M> {
    match (a.infinity(), b.infinity()) {
        (Some(sign), Some(other)) if sign == other => a,
        (Some(_), None) if b.is_known() => a,
        (None, Some(_)) if a.is_known() => b,
        _ => Ball::UNKNOWN,
    }
}

/// a · b where one of them is not finite, or their product overflows.
#[cold]
#[inline(never)]
pub(super) fn infinite_product<M: Midpoint>(a: Ball<M>, b: Ball<M>) -> Ball<M> {
    let is_infinite = a.infinity().is_some() || b.infinity().is_some();
    match (a.extended_sign(), b.extended_sign()) {
        (Some(a), Some(b)) if is_infinite && a * b != 0 => Ball::infinite(a * b),
        _ => Ball::UNKNOWN,
    }
}

/// a / b where a is not finite, or the quotient overflows.
#[cold]
#[inline(never)]
pub(super) fn infinite_quotient<M: Midpoint>(a: Ball<M>, b: Ball<M>) -> Ball<M> {
    match (a.infinity(), b.sign()) {
        (Some(a), Some(b)) if b != 0 => Ball::infinite(a * b),
        _ => Ball::UNKNOWN,
    }
}

/// The side of a sum whose midpoints add exactly.
#[inline(never)]
pub(super) fn joined<M: Midpoint>(a: Ball<M>, b: Ball<M>) -> Side {
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
pub(super) fn moved<M: Midpoint>(a: Ball<M>, b: Ball<M>, s: M) -> Side {
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
pub(super) fn product_side<M: Midpoint>(a: Ball<M>, b: Ball<M>) -> Side {
    match (a.rad == 0.0, b.rad == 0.0) {
        (true, false) => flipped_if(b.side, a.high() < 0.0),
        (false, true) => flipped_if(a.side, b.high() < 0.0),
        _ if a.side == Side::Above && b.side == Side::Above && a.high() > 0.0 && b.high() > 0.0 => {
            Side::Above
        }
        _ => Side::Any,
    }
}

/// The side of a quotient whose midpoints' quotient is exact: a⁺/n lies on the side that the sign of n says, a/n⁺ on the
/// other side of a/n where a is positive.
#[inline(never)]
pub(super) fn quotient_side<M: Midpoint>(a: Ball<M>, b: Ball<M>) -> Side {
    match (a.rad == 0.0, b.rad == 0.0) {
        (false, true) => flipped_if(a.side, b.high() < 0.0),
        (true, false) => flipped_if(b.side, a.high() > 0.0),
        _ => Side::Any,
    }
}
