//! From a fast ball to the canonical truth: the numbers of p + 8 bits are a grid, and a ball that lies strictly between two
//! neighbours of the grid has fixed the truth, rounded to odd, and that it is not exact.

use super::ball::{Ball, UP, power};
use crate::arithmetic::ball::Side;
use crate::format::{Canonical, EXTRA_BITS, Format};
use crate::truth::Truth;

/// The numbers of p + 8 bits of a format of at most 24 bits.
pub struct Grid {
    format: Format,
    /// p + 8.
    bits: i32,
    /// Below this magnitude nothing overflows.
    safe: f64,
}

impl Grid {
    /// Of the format; `None` where f64 has no room for its p + 8 bits.
    pub fn of(format: Format) -> Option<Grid> {
        let bits = (format.precision() + EXTRA_BITS) as i32;
        (format != Format::F64).then(|| Grid { format, bits, safe: power(format.max_exponent()) })
    }

    /// The truth that a ball fixes.
    pub fn truth(&self, ball: Ball) -> Option<Truth> {
        let mut truth = None;
        self.settle(ball, &mut truth);
        truth
    }

    /// Puts the truth that a ball fixes where it belongs.
    #[inline(always)]
    pub(super) fn settle(&self, ball: Ball, slot: &mut Option<Truth>) {
        match self.common(ball) {
            Some((mantissa, exponent)) => {
                *slot = Some(Truth::Proved(Canonical { mantissa, exponent, exact: false }));
            }
            None => *slot = self.uncommon(ball),
        }
    }

    /// As [`Grid::canonical`], its mantissa and exponent, for what is almost all: neither exact nor one-sided, and a normal number of the format that
    /// cannot overflow. There |m| − L and L + Q − |m| are the last bits of the significand and what they lack, exactly.
    #[inline(always)]
    fn common(&self, ball: Ball) -> Option<(i64, i32)> {
        const HIDDEN: u64 = 1 << 52;
        let (mid, rad, side) = ball.parts();
        let bits = mid.to_bits();
        let binade = (bits >> 52 & 0x7ff) as i32 - 1023;
        let shift = 53 - self.bits;
        let significand = bits & (HIDDEN - 1) | HIDDEN;
        let rest = (significand & ((1 << shift) - 1)) as i64;
        let least = rest.min((1 << shift) - rest) as f64;
        // The radius in units of the midpoint's last place; infinite and NaN compare as they should.
        let units = rad * power((52 - binade).clamp(-1000, 1000));
        let is_common = self.format.min_exponent() <= binade && binade < self.format.max_exponent();
        if !(is_common && rad > 0.0 && units < least && side == Side::Any) {
            return None;
        }
        let mantissa = (significand >> shift | 1) as i64;
        let mantissa = if mid < 0.0 { -mantissa } else { mantissa };
        Some((mantissa, binade - self.bits + 1))
    }

    #[inline(never)]
    fn uncommon(&self, ball: Ball) -> Option<Truth> {
        let y = self.canonical(ball)?;
        let overflows = ball.mid().abs() >= self.safe && y.round(self.format).is_infinite();
        Some(if overflows { Truth::Overflow(y) } else { Truth::Proved(y) })
    }

    /// The canonical number that a ball fixes.
    ///
    /// With L ≤ |m| the grid's number below and Q its step: every |y| of the ball is strictly inside (L, L + Q) where
    /// |m| − L > r and |m| + r < L + Q, or where the number is known to be on the inner side of an end. Then y rounds to
    /// the odd one of L and L + Q, and is neither.
    #[inline]
    pub fn canonical(&self, ball: Ball) -> Option<Canonical> {
        let (mid, rad) = ball.enclosure()?;
        if rad == 0.0 {
            return Some(Canonical::from_f64(mid, self.format));
        }
        let negative = if mid == 0.0 { ball.side() == Side::Below } else { mid < 0.0 };
        let size = mid.abs();
        // Subnormal f64s read as 2^−1023, below every emin here.
        let binade = ((size.to_bits() >> 52) as i32 - 1023).max(self.format.min_exponent());
        let quantum = binade - self.bits + 1;
        let step = power(quantum);
        // |m|/Q < 2^32 exactly, as Q is a power of two, and below 1 where |m| is below Q; so are L and |m| − L.
        let units = (size / step) as u64;
        let below = size - units as f64 * step;
        // The number is farther from 0 than m, nearer, or either.
        let outward = ball.side() == if negative { Side::Below } else { Side::Above };
        let inward = ball.is_one_sided() && !outward;
        if inward && below == 0.0 {
            return self.beneath(units, quantum, rad, negative);
        }
        // |m| − L is exact; the sum's two roundings are made up for by UP.
        let apart = (outward || below > rad) && (inward || (below + rad) * UP < step);
        let mantissa = (units | 1) as i64;
        let mantissa = if negative { -mantissa } else { mantissa };
        apart.then_some(Canonical { mantissa, exponent: quantum, exact: false })
    }

    /// A magnitude strictly below the grid's number `units`·2^quantum, by at most `rad`.
    #[inline(never)]
    fn beneath(&self, units: u64, quantum: i32, rad: f64, negative: bool) -> Option<Canonical> {
        // Beneath a power of two the grid is twice as fine, unless it is the least binade.
        let first = units == 1 << (self.bits - 1) && quantum > self.format.min_exponent() - self.bits + 1;
        let (units, quantum) = if first { (2 * units, quantum - 1) } else { (units, quantum) };
        let near = rad < power(quantum);
        if units == 0 || !near {
            return None;
        }
        let mantissa = ((units - 1) | 1) as i64;
        let mantissa = if negative { -mantissa } else { mantissa };
        Some(Canonical { mantissa, exponent: quantum, exact: false })
    }
}
