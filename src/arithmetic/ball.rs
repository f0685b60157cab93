//! Balls over MPFR: a midpoint and a radius that holds the true value, with the four operations, sums and comparisons.
//!
//! *Sound*: the true result of the true operands is inside. *Total*. Exactness comes from MPFR's ternary value alone.
//!
//! A ball may be *one-sided*: the number lies strictly above (or below) its midpoint. 1e20 + e^(−1e20) lies above 1e20 by
//! less than any precision shows; its side is what fixes its rounding to odd.

mod canonical;
mod operations;
mod sum;

pub use operations::reciprocal_above;

use super::number::Number;
use super::radius::Radius;
use rug::Float;
use rug::float::{Round, Special};
use std::cmp::Ordering;

/// An enclosure of one number.
#[derive(Clone, Debug)]
pub enum Ball {
    /// A finite number within `rad` of `mid`, which is finite; `rad` is finite.
    Finite {
        /// The midpoint.
        mid: Number,
        /// The radius; 0 where the number is exactly the midpoint.
        rad: Radius,
        /// On which side of the midpoint the number is.
        side: Side,
    },
    /// Exactly +∞, or −∞ where true.
    Infinite(bool),
    /// A finite number at the end of MPFR's range or beyond: above 2^(emax−1), or below −2^(emax−1) where true.
    Huge(bool),
    /// The mathematics has no value.
    Undefined,
    /// Anything, no value included.
    Unknown,
}

use Ball::{Finite, Huge, Infinite, Undefined, Unknown};

/// On which side of its midpoint a number is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Side {
    /// On either, or on the midpoint itself.
    Any,
    /// Strictly above.
    Above,
    /// Strictly below.
    Below,
}

impl Place {
    /// The place of −x.
    pub fn opposite(self) -> Place {
        match self {
            Place::Negative => Place::Positive,
            Place::Positive => Place::Negative,
            place => place,
        }
    }
}

impl Side {
    /// The side after a change of sign.
    pub(in crate::arithmetic) fn flipped(self) -> Side {
        match self {
            Side::Any => Side::Any,
            Side::Above => Side::Below,
            Side::Below => Side::Above,
        }
    }

    fn flipped_if(self, negative: bool) -> Side {
        if negative { self.flipped() } else { self }
    }

    /// The side of a number that is added to a midpoint, by its sign.
    fn of(place: Place) -> Side {
        match place {
            Place::Positive => Side::Above,
            Place::Negative => Side::Below,
            _ => Side::Any,
        }
    }
}

/// The side of a sum whose midpoints add exactly: both terms are exact or on the same side.
pub(super) fn joined((r, a): (Radius, Side), (s, b): (Radius, Side)) -> Side {
    match (r.is_zero(), s.is_zero()) {
        (true, _) => b,
        (_, true) => a,
        _ if a == b => a,
        _ => Side::Any,
    }
}

/// Where a ball lies relative to 0.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Entirely below 0.
    Negative,
    /// Exactly 0.
    Zero,
    /// Entirely above 0.
    Positive,
    /// Not decided.
    Straddles,
}

impl Ball {
    /// The exact f64; infinities are infinite, NaN is undefined.
    pub fn from_f64(x: f64) -> Ball {
        if x.is_nan() {
            Undefined
        } else if x.is_infinite() {
            Infinite(x < 0.0)
        } else {
            Ball::exact(Number::new(53, x))
        }
    }

    /// The exact finite number.
    pub fn exact(mid: impl Into<Number>) -> Ball {
        let mid = mid.into();
        debug_assert!(mid.is_finite());
        Finite { mid, rad: Radius::ZERO, side: Side::Any }
    }

    /// Exactly 0.
    pub fn zero() -> Ball {
        Ball::exact(Number::new(2, 0))
    }

    /// Exactly 1.
    pub fn one() -> Ball {
        Ball::exact(Number::new(2, 1))
    }

    /// The ball around mid; unknown where the radius is infinite.
    pub fn around(mid: impl Into<Number>, rad: Radius) -> Ball {
        Ball::sided(mid, rad, Side::Any)
    }

    /// The part of the ball around mid on one side.
    pub fn sided(mid: impl Into<Number>, rad: Radius, side: Side) -> Ball {
        let mid = mid.into();
        debug_assert!(mid.is_finite() && (side == Side::Any || !rad.is_zero()));
        if rad.is_infinite() { Unknown } else { Finite { mid, rad, side } }
    }

    /// The result of an operation that rounded to nearest, whose exact operands are within `propagated` of the result
    /// that was rounded: |true − mid| ≤ propagated + ½ulp where the ternary value is not 0.
    ///
    /// A zero that is not exact has underflowed: |true| < 2^emin. An infinity comes from finite operands here: the
    /// result lies beyond 2^(emax−1), unless the propagated error could bring it back, and then nothing is known.
    pub fn rounded(result: (impl Into<Number>, Ordering), propagated: Radius) -> Ball {
        Ball::rounded_on(result, propagated, Side::Any)
    }

    /// As `rounded`, where the true number lies on that side of the number that was rounded: kept if that is exact.
    pub fn rounded_on((mid, ternary): (impl Into<Number>, Ordering), propagated: Radius, side: Side) -> Ball {
        let mid = mid.into();
        if mid.is_infinite() {
            return if propagated.bound_exponent() < i64::from(rug::float::exp_max()) - 64 {
                Huge(mid.is_sign_negative())
            } else {
                Unknown
            };
        }
        if mid.is_nan() {
            return Undefined;
        }
        if ternary == Ordering::Equal {
            let side = if propagated.is_zero() { Side::Any } else { side };
            return Ball::sided(mid, propagated, side);
        }
        let rad = propagated + Radius::half_ulp(&mid);
        Ball::around(mid, rad)
    }

    /// The least ball at this precision around [low, high]; unknown where an end is not finite.
    pub fn from_ends(low: &Float, high: &Float, prec: u32) -> Ball {
        if !(low.is_finite() && high.is_finite()) {
            return Unknown;
        }
        if low == high {
            return Ball::rounded(Number::rounded(prec, low, Round::Nearest), Radius::ZERO);
        }
        let mut mid = Number::new(prec + 1, low + high);
        *mid /= 2u32;
        if !mid.is_finite() {
            return Unknown;
        }
        // Distances rounded up; the farther end bounds every point between.
        let above = Number::rounded(32, high - &*mid, Round::Up).0;
        let below = Number::rounded(32, &*mid - low, Round::Up).0;
        Ball::around(mid, Radius::above(&above).max(Radius::above(&below)))
    }

    /// Every number of both balls.
    pub fn hull(&self, other: &Ball, prec: u32) -> Ball {
        match (self.ends(prec), other.ends(prec)) {
            (Some((a, b)), Some((c, d))) => {
                let low = if *a < *c { a } else { c };
                let high = if *b > *d { b } else { d };
                Ball::from_ends(&low, &high, prec)
            }
            // A higher precision would find the same.
            _ if matches!((self, other), (Undefined, Undefined)) => Undefined,
            _ => Unknown,
        }
    }

    /// Ends of a finite ball, rounded outward to a few bits more than the precision.
    pub fn ends(&self, prec: u32) -> Option<(Number, Number)> {
        let Finite { mid, rad, side } = self else { return None };
        if rad.is_zero() {
            return Some((mid.clone(), mid.clone()));
        }
        let (rad, prec) = (rad.to_number(), prec.max(mid.prec()) + 32);
        let low = || Number::rounded(prec, &**mid - &*rad, Round::Down).0;
        let high = || Number::rounded(prec, &**mid + &*rad, Round::Up).0;
        Some(match side {
            Side::Any => (low(), high()),
            Side::Above => (mid.clone(), high()),
            Side::Below => (low(), mid.clone()),
        })
    }

    /// Whether it is one finite number, known exactly.
    pub fn is_exact(&self) -> bool {
        matches!(self, Finite { rad, .. } if rad.is_zero())
    }

    /// Whether it is exactly 0.
    pub fn is_zero(&self) -> bool {
        self.place() == Place::Zero
    }

    /// Where it lies relative to 0. Undefined and unknown straddle.
    pub fn place(&self) -> Place {
        match self {
            Infinite(negative) | Huge(negative) => {
                if *negative {
                    Place::Negative
                } else {
                    Place::Positive
                }
            }
            Undefined | Unknown => Place::Straddles,
            Finite { mid, rad, side } => {
                let sign = mid.cmp0().unwrap_or(Ordering::Equal);
                match (side, sign) {
                    _ if rad.is_zero() => {
                        return match sign {
                            Ordering::Less => Place::Negative,
                            Ordering::Greater => Place::Positive,
                            Ordering::Equal => Place::Zero,
                        };
                    }
                    (Side::Above, Ordering::Equal | Ordering::Greater) => return Place::Positive,
                    (Side::Below, Ordering::Equal | Ordering::Less) => return Place::Negative,
                    _ => {}
                }
                let sign = if mid.is_sign_negative() { Place::Negative } else { Place::Positive };
                let (Some(e), bound) = (mid.get_exp(), rad.bound_exponent()) else { return Place::Straddles };
                match i64::from(e) {
                    // |mid| ≥ 2^(e−1) ≥ 2^bound > rad, or |mid| < 2^e ≤ 2^(bound−1) ≤ rad.
                    e if e > bound => sign,
                    e if e < bound => Place::Straddles,
                    _ if mid.as_abs().partial_cmp(&*rad.to_number()) == Some(Ordering::Greater) => sign,
                    _ => Place::Straddles,
                }
            }
        }
    }

    /// An upper bound of the magnitude; infinite where there is none.
    pub fn magnitude(&self) -> Radius {
        match self {
            Finite { mid, rad, .. } => Radius::above(mid) + *rad,
            _ => Radius::INFINITE,
        }
    }

    /// −x.
    pub fn neg(&self) -> Ball {
        match self {
            Finite { mid, rad, side } => {
                Finite { mid: Number::new(mid.prec(), -&**mid), rad: *rad, side: side.flipped() }
            }
            Infinite(negative) => Infinite(!negative),
            Huge(negative) => Huge(!negative),
            Undefined => Undefined,
            Unknown => Unknown,
        }
    }

    /// |x|.
    pub fn abs(&self, prec: u32) -> Ball {
        match self.place() {
            Place::Negative => self.neg(),
            Place::Positive | Place::Zero => self.clone(),
            Place::Straddles => match self {
                Finite { .. } => {
                    let high = self.magnitude().to_number();
                    Ball::from_ends(&Number::new(2, 0), &high, prec)
                }
                other => other.clone(),
            },
        }
    }

    /// Whether it is known to lie strictly above or below its midpoint.
    pub fn is_one_sided(&self) -> bool {
        matches!(self, Finite { side: Side::Above | Side::Below, .. })
    }

    /// The side of its midpoint on which the number is.
    pub fn side(&self) -> Side {
        match self {
            Finite { side, .. } => *side,
            _ => Side::Any,
        }
    }

    /// How two numbers compare, where the balls decide it.
    pub fn compare(&self, other: &Ball, prec: u32) -> Option<Ordering> {
        match (self, other) {
            (Infinite(a), Infinite(b)) => Some(b.cmp(a)),
            (Undefined | Unknown, _) | (_, Undefined | Unknown) => None,
            _ => match self.sub(other, prec).place() {
                Place::Negative => Some(Ordering::Less),
                Place::Zero => Some(Ordering::Equal),
                Place::Positive => Some(Ordering::Greater),
                Place::Straddles => None,
            },
        }
    }
}

/// +∞ or −∞ as a Float.
pub fn infinity(negative: bool) -> Float {
    Float::with_val(2, if negative { Special::NegInfinity } else { Special::Infinity })
}
