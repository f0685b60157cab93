//! The four operations on balls.
//!
//! *Sound*: one rounding of MPFR at the midpoints, and what the radii add; the sides by what the midpoints' result is exactly. *Total*.

use super::{Ball, Finite, Huge, Infinite, Place, Radius, Side, Undefined, Unknown, joined};
use crate::arithmetic::number::Number;
use rug::Float;
use rug::float::Round;
use std::cmp::Ordering;

impl Ball {
    /// a + b; ∞ − ∞ is undefined.
    pub fn add(&self, other: &Ball, prec: u32) -> Ball {
        match (self, other) {
            (Undefined, _) | (_, Undefined) => Undefined,
            (Unknown, _) | (_, Unknown) => Unknown,
            (Finite { mid: a, rad: r, side: p }, Finite { mid: b, rad: s, side: q }) => {
                let sum = Number::rounded(prec, &**a + &**b, Round::Nearest);
                Ball::added(sum, self, other, *r + *s, joined((*r, *p), (*s, *q)))
            }
            (Infinite(a), Infinite(b)) => {
                if a == b {
                    Infinite(*a)
                } else {
                    Undefined
                }
            }
            (Infinite(a), Finite { .. } | Huge(_)) | (Finite { .. } | Huge(_), Infinite(a)) => Infinite(*a),
            (Huge(a), Huge(b)) => {
                if a == b {
                    Huge(*a)
                } else {
                    Unknown
                }
            }
            (Huge(a), x) | (x, Huge(a)) => match (x.place(), a) {
                (Place::Zero, _) | (Place::Positive, false) | (Place::Negative, true) => Huge(*a),
                _ => Unknown,
            },
        }
    }

    /// The ball of a + b, the sum of the midpoints rounded, the propagated error and the side of an exact sum given.
    ///
    /// A term of known sign that vanishes in the sum, |b| being below half a unit of an exact or one-sided a, moves the
    /// number off a to its side, where a is not on the other side itself: |a + b − mid a| ≤ r + |b|.
    fn added(sum: (Number, Ordering), a: &Ball, b: &Ball, propagated: Radius, side: Side) -> Ball {
        if sum.1 != Ordering::Equal {
            for (large, small) in [(a, b), (b, a)] {
                let Finite { mid, rad, side } = large else { continue };
                if *sum.0 != **mid {
                    continue;
                }
                let moved = Side::of(small.place());
                if moved != Side::Any && (rad.is_zero() || *side == moved) {
                    return Ball::sided(sum.0, *rad + small.magnitude(), moved);
                }
            }
        }
        Ball::rounded_on(sum, propagated, side)
    }

    /// a − b.
    pub fn sub(&self, other: &Ball, prec: u32) -> Ball {
        match (self, other) {
            (Finite { mid: a, rad: r, side: Side::Any }, Finite { mid: b, rad: s, side: Side::Any })
                if a.prec() <= prec && b.prec() <= prec && r.is_zero() && s.is_zero() =>
            {
                // The commonest case, without a copy: both exact.
                Ball::rounded(Number::rounded(prec, &**a - &**b, Round::Nearest), Radius::ZERO)
            }
            _ => self.add(&other.neg(), prec),
        }
    }

    /// a · b; 0 · ∞ is undefined.
    ///
    /// |ab − m·n| ≤ |m|s + |n|r + rs for |a − m| ≤ r, |b − n| ≤ s.
    pub fn mul(&self, other: &Ball, prec: u32) -> Ball {
        let negative = || match (self.place(), other.place()) {
            (Place::Straddles, _) | (_, Place::Straddles) => None,
            (a, b) => Some((a == Place::Negative) != (b == Place::Negative)),
        };
        match (self, other) {
            (Undefined, _) | (_, Undefined) => Undefined,
            (Unknown, _) | (_, Unknown) => Unknown,
            (Finite { mid: a, rad: r, side: p }, Finite { mid: b, rad: s, side: q }) => {
                if self.is_zero() || other.is_zero() {
                    return Ball::zero();
                }
                let side = product_side((a, *r, *p), (b, *s, *q), negative());
                let propagated = match (r.is_zero(), s.is_zero()) {
                    (true, true) => Radius::ZERO,
                    (true, false) => Radius::above(a) * *s,
                    (false, true) => Radius::above(b) * *r,
                    (false, false) => Radius::above(a) * *s + Radius::above(b) * *r + *r * *s,
                };
                let product = Number::rounded(prec, &**a * &**b, Round::Nearest);
                match negative() {
                    // Below MPFR's range, and not 0: on the side of its sign.
                    Some(negative) if product.0.is_zero() => {
                        let side = if negative { Side::Below } else { Side::Above };
                        let rad = propagated + Radius::half_ulp(&product.0);
                        Ball::sided(Number::new(2, 0), rad, side)
                    }
                    _ => Ball::rounded_on(product, propagated, side),
                }
            }
            (Infinite(_), _) | (_, Infinite(_)) => {
                if self.is_zero() || other.is_zero() {
                    return Undefined;
                }
                negative().map_or(Unknown, Infinite)
            }
            (Huge(_), x) | (x, Huge(_)) => match x {
                _ if x.is_zero() => Ball::zero(),
                Huge(_) => negative().map_or(Unknown, Huge),
                Finite { .. } => {
                    // Beyond 2^(emax−1) only if the other factor is at least 1 in magnitude.
                    let least = x.abs(prec).sub(&Ball::one(), prec);
                    match (least.place(), negative()) {
                        (Place::Zero | Place::Positive, Some(negative)) => Huge(negative),
                        _ => Unknown,
                    }
                }
                _ => Unknown,
            },
        }
    }

    /// x², never below 0.
    pub fn square(&self, prec: u32) -> Ball {
        match self {
            Finite { .. } if self.place() == Place::Straddles => {
                let bound = self.magnitude().to_number();
                let high = Number::rounded(prec, bound.square_ref(), Round::Up).0;
                Ball::from_ends(&Number::new(2, 0), &high, prec)
            }
            Finite { mid, rad, side } => {
                let propagated = if rad.is_zero() {
                    Radius::ZERO
                } else {
                    Radius::power_of_two(1) * Radius::above(mid) * *rad + *rad * *rad
                };
                // Farther from 0 than a midpoint of its own sign, or nearer: so is the square.
                let side = side.flipped_if(self.place() == Place::Negative);
                Ball::rounded_on(Number::rounded(prec, mid.square_ref(), Round::Nearest), propagated, side)
            }
            Infinite(_) => Infinite(false),
            Huge(_) => Huge(false),
            other => other.clone(),
        }
    }

    /// a / b; undefined for b = 0 and for ∞/∞.
    ///
    /// |a/b − m/n| ≤ (r + |m/n|·s)/(|n| − s) for |a − m| ≤ r, |b − n| ≤ s < |n|:
    /// a/b − m/n = ((a − m) − (m/n)(b − n))/b.
    pub fn div(&self, other: &Ball, prec: u32) -> Ball {
        if other.is_zero() {
            return if matches!(self, Unknown) { Unknown } else { Undefined };
        }
        match (self, other) {
            (Undefined, _) | (_, Undefined) => Undefined,
            (Unknown, _) | (_, Unknown) => Unknown,
            (Infinite(_), Infinite(_)) => Undefined,
            (Finite { .. }, Infinite(_)) => Ball::zero(),
            (Huge(_), _) | (_, Huge(_)) => Unknown,
            (Infinite(a), b) => match b.place() {
                Place::Positive => Infinite(*a),
                Place::Negative => Infinite(!a),
                _ => Unknown,
            },
            (Finite { mid: a, rad: r, side: p }, Finite { mid: b, rad: s, side: q }) => {
                let negative = match other.place() {
                    Place::Positive if !b.is_zero() => false,
                    Place::Negative if !b.is_zero() => true,
                    _ => return Unknown,
                };
                if self.is_zero() {
                    return Ball::zero();
                }
                let quotient = Number::rounded(prec, &**a / &**b, Round::Nearest);
                if r.is_zero() && s.is_zero() {
                    return Ball::rounded(quotient, Radius::ZERO);
                }
                if !quotient.0.is_finite() {
                    return Unknown;
                }
                let side = match (r.is_zero(), s.is_zero()) {
                    // 0⁺/b and a⁺/n lie on the side that the sign of b says, a/n⁺ on the other side of a/n.
                    _ if a.is_zero() => p.flipped_if(negative),
                    (false, true) => p.flipped_if(negative),
                    (true, false) => q.flipped_if(a.is_sign_positive()),
                    _ => Side::Any,
                };
                // |m/n| ≤ |quotient| + ½ulp; 1/(|n| − s) rounded up from a difference rounded down.
                let ratio = Radius::above(&quotient.0) + Radius::half_ulp(&quotient.0);
                let least = Number::rounded(64, &*b.as_abs() - &*s.to_number(), Round::Down).0;
                Ball::rounded_on(quotient, (*r + ratio * *s) * reciprocal_above(&least), side)
            }
        }
    }
}

/// An upper bound of 1/x; infinite for x ≤ 0.
pub fn reciprocal_above(x: &Float) -> Radius {
    if x.cmp0() != Some(Ordering::Greater) {
        return Radius::INFINITE;
    }
    Radius::above(&Number::rounded(32, x.recip_ref(), Round::Up).0)
}

/// The side of the product from that of the midpoints: a zero midpoint leaves the product's sign, an exact factor keeps or
/// flips the other's side, and two positive numbers above (or below) their nonnegative midpoints stay so.
fn product_side(
    (a, r, p): (&Float, Radius, Side),
    (b, s, q): (&Float, Radius, Side),
    negative: Option<bool>,
) -> Side {
    if a.is_zero() || b.is_zero() {
        return match negative {
            Some(true) => Side::Below,
            Some(false) => Side::Above,
            None => Side::Any,
        };
    }
    match (r.is_zero(), s.is_zero()) {
        (true, false) => q.flipped_if(a.is_sign_negative()),
        (false, true) => p.flipped_if(b.is_sign_negative()),
        (false, false) if p == q && !a.is_sign_negative() && !b.is_sign_negative() => match p {
            // Below: 0 < x < a and 0 < y < b only if both are known to be positive.
            Side::Below if negative != Some(false) => Side::Any,
            side => side,
        },
        _ => Side::Any,
    }
}
