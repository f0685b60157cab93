//! From a ball to the truth that it fixes: rounding to odd of both ends.
//!
//! *Sound*: `None` unless every number of the ball has the same canonical form.

use super::{Ball, Finite, Place, Radius, Side};
use crate::arithmetic::number::Number;
use crate::format::{Canonical, Format, Magnitude};
use rug::Float;
use std::cmp::Ordering;

impl Ball {
    /// The canonical truth of a finite ball that fixes it: both ends, and so every number between them, round to odd
    /// alike, as rounding to odd is monotone; and the ball lies on one side of what they round to: the true number is known
    /// not to be exactly that.
    pub fn canonical(&self, format: Format) -> Option<Canonical> {
        let Finite { mid, rad, side } = self else { return None };
        if rad.is_zero() {
            return Some(magnitude(mid).map_or(Canonical::ZERO, |m| m.round_to_odd(format)));
        }
        if self.place() == Place::Straddles {
            return None;
        }
        // Ends of more bits than any format's canonical form, however short the midpoint is.
        let (low, high) = self.ends(mid.prec().max(128))?;
        let beside = |end: &Float, side: Side| just_beside(end, side).map(|m| m.round_to_odd(format));
        let claim = beside(&low, if *side == Side::Above { Side::Above } else { Side::Any })?;
        let same = beside(&high, if *side == Side::Below { Side::Below } else { Side::Any })?;
        let mut odd = Number::new(64, claim.mantissa);
        *odd <<= claim.exponent;
        let apart = match (low.partial_cmp(&*odd)?, high.partial_cmp(&*odd)?) {
            (Ordering::Greater, _) | (_, Ordering::Less) => true,
            (Ordering::Equal, _) => *side == Side::Above,
            (_, Ordering::Equal) => *side == Side::Below,
            _ => false,
        };
        (claim == same && !claim.exact && apart).then_some(claim)
    }

    /// Whether every number of the ball rounds to 0: the ball lies inside (−η/2, η/2).
    pub fn rounds_to_zero(&self, format: Format) -> bool {
        let half = i64::from(format.min_exponent()) - i64::from(format.precision());
        let bound = self.magnitude();
        !bound.is_infinite() && bound < Radius::power_of_two(half)
    }
}

/// The first 128 bits of a nonzero finite number, and whether more follow.
fn magnitude(x: &Float) -> Option<Magnitude> {
    let (significand, e) = (x.get_significand()?, x.get_exp()?);
    let limbs = significand.as_limbs();
    let top = *limbs.last()? as u128;
    let next = limbs.len().checked_sub(2).map_or(0, |at| limbs[at] as u128);
    let sticky = limbs.len() > 2 && limbs[..limbs.len() - 2].iter().any(|&limb| limb != 0);
    Some(Magnitude {
        negative: x.is_sign_negative(),
        significand: top << 64 | next,
        exponent: i64::from(e) - 128,
        sticky,
    })
}

/// The magnitude of a number infinitely near to x on that side of it; `None` for 0 itself.
fn just_beside(x: &Float, side: Side) -> Option<Magnitude> {
    if side == Side::Any {
        return magnitude(x);
    }
    let Some(exact) = magnitude(x) else {
        // Below every quantum: any nonzero magnitude rounds to odd alike.
        let (significand, exponent) = (1 << 127, i64::from(i32::MIN));
        return Some(Magnitude { negative: side == Side::Below, significand, exponent, sticky: true });
    };
    let outward = exact.negative == (side == Side::Below);
    if outward || exact.sticky {
        // Towards larger magnitudes, or where a fraction of a unit is there to take from.
        return Some(Magnitude { sticky: true, ..exact });
    }
    // One unit less, and a fraction; a power of two keeps its 128 bits one binade lower.
    let (significand, exponent) = match exact.significand {
        significand if significand == 1 << 127 => (u128::MAX, exact.exponent - 1),
        significand => (significand - 1, exact.exponent),
    };
    Some(Magnitude { significand, exponent, sticky: true, ..exact })
}
