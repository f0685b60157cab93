//! From a fast ball to the canonical truth: the numbers of p + 8 bits are a grid, and a ball that lies strictly between two
//! neighbours of the grid has fixed the truth, rounded to odd, and that it is not exact.

use super::OPEN;
use super::ball::{Ball, UP, power};
use super::double::Double;
use crate::arithmetic::ball::Side;
use crate::format::{Canonical, EXTRA_BITS, Format, Magnitude};
use crate::truth::Truth;

/// The numbers of p + 8 bits of a format.
pub struct Grid {
    format: Format,
    /// p + 8.
    bits: i32,
    /// Below this magnitude nothing overflows.
    safe: f64,
    /// The biased exponent of f64 of the least normal number, and how many binades there are below the last one.
    least: u64,
    binades: u64,
}

impl Grid {
    /// Of the format; `None` where f64 has no room for its p + 8 bits.
    pub fn of(format: Format) -> Option<Grid> {
        (format != Format::F64).then(|| Grid::of_doubles(format))
    }

    /// Of the format, for balls of double-doubles.
    pub fn of_doubles(format: Format) -> Grid {
        let bits = (format.precision() + EXTRA_BITS) as i32;
        let (min, max) = (format.min_exponent(), format.max_exponent());
        let (least, binades) = ((min + 1023) as u64, (max - min) as u64);
        Grid { format, bits, safe: power(max), least, binades }
    }

    /// The truth that a ball fixes.
    pub fn truth(&self, ball: Ball) -> Option<Truth> {
        let (mut truths, mut open) = (Vec::new(), Vec::new());
        self.settle(std::iter::once(ball), &mut truths, &mut open);
        truths.pop().filter(|_| open.is_empty())
    }

    /// Appends the truths that balls fix, and the places of those that are left open.
    #[inline(always)]
    pub(super) fn settle(
        &self,
        balls: impl ExactSizeIterator<Item = Ball>,
        truths: &mut Vec<Truth>,
        open: &mut Vec<usize>,
    ) {
        let first = truths.len();
        truths.extend(balls.enumerate().map(|(k, ball)| match self.common(ball) {
            Some((mantissa, exponent)) => Truth::Proved(Canonical { mantissa, exponent, exact: false }),
            None => self.uncommon(ball).unwrap_or_else(|| {
                open.push(first + k);
                OPEN
            }),
        }));
    }

    /// The truth that a ball of double-doubles fixes.
    pub fn truth_of_double(&self, ball: Ball<Double>) -> Option<Truth> {
        if let Some(sign) = ball.infinity() {
            return Some(Truth::Infinite { negative: sign < 0 });
        }
        let y = self.canonical_of_double(ball)?;
        Some(if y.round(self.format).is_infinite() { Truth::Overflow(y) } else { Truth::Proved(y) })
    }

    /// The canonical number that a ball of double-doubles fixes.
    ///
    /// As [`Grid::canonical`], with |m| = h + l, Q the step of the grid about m: h/Q is exact, and so is its part below 1;
    /// that part and l/Q, at most 2^9, add up to within 2^−44 of the place between two numbers of the grid.
    pub fn canonical_of_double(&self, ball: Ball<Double>) -> Option<Canonical> {
        let (mid, rad) = ball.enclosure()?;
        let (high, low) = mid.parts();
        if rad == 0.0 {
            return self.exactly(high, low);
        }
        if self.format == Format::F64 && high.abs() < power(-800) {
            return None;
        }
        if low == 0.0 {
            return self.canonical(Ball::sided(high, rad, ball.side()));
        }
        let (h, l) = if high < 0.0 { (-high, -low) } else { (high, low) };
        let mut binade = ((h.to_bits() >> 52) as i32 - 1023).max(self.format.min_exponent());
        if h == power(binade) && l < 0.0 && binade > self.format.min_exponent() {
            // Beneath a power of two the grid is twice as fine.
            binade -= 1;
        }
        let quantum = binade - self.bits + 1;
        let step = power(quantum);
        let scaled = h / step;
        let whole = scaled as u64;
        let offset = (scaled - whole as f64) + l / step;
        let floor = offset.floor();
        let (units, below) = (whole as i64 + floor as i64, offset - floor);
        let reach = rad / step * UP + power(-43);
        let mantissa = if high < 0.0 { -(units | 1) } else { units | 1 };
        (below > reach && below + reach < 1.0 - power(-50)).then_some(Canonical {
            mantissa,
            exponent: quantum,
            exact: false,
        })
    }

    /// The canonical form of h + l, unless its bits are too far apart.
    fn exactly(&self, high: f64, low: f64) -> Option<Canonical> {
        if low == 0.0 {
            return Some(Canonical::from_f64(high, self.format));
        }
        // Significand and exponent of a normal number.
        let parts = |x: f64| {
            let bits = x.to_bits();
            let exponent = (bits >> 52 & 0x7ff) as i32 - 1075;
            (exponent > -1075).then_some((i128::from(bits & ((1 << 52) - 1) | 1 << 52), exponent))
        };
        let ((h, high_exponent), (l, low_exponent)) = (parts(high)?, parts(low)?);
        let apart = high_exponent - low_exponent;
        if !(0..=70).contains(&apart) {
            return None;
        }
        let sum = (h << apart) + if (high < 0.0) == (low < 0.0) { l } else { -l };
        let magnitude = Magnitude {
            negative: high < 0.0,
            significand: u128::try_from(sum).ok()?,
            exponent: i64::from(low_exponent),
            sticky: false,
        };
        Some(magnitude.round_to_odd(self.format))
    }

    /// As [`Grid::canonical`], its mantissa and exponent, for what is almost all: neither exact nor one-sided, and a normal number of the format that
    /// cannot overflow. There |m| − L and L + Q − |m| are the last bits of the significand and what they lack, exactly.
    #[inline(always)]
    fn common(&self, ball: Ball) -> Option<(i64, i32)> {
        const HIDDEN: u64 = 1 << 52;
        let (mid, rad, side) = ball.parts();
        let bits = mid.to_bits();
        let exponent = bits >> 52 & 0x7ff;
        if exponent.wrapping_sub(self.least) >= self.binades || side != Side::Any {
            return None;
        }
        let shift = 53 - self.bits;
        let significand = bits & (HIDDEN - 1) | HIDDEN;
        let rest = (significand & ((1 << shift) - 1)) as i64;
        let least = rest.min((1 << shift) - rest) as i32;
        // The radius in units of the midpoint's last place, exactly; infinite and NaN compare as they should.
        let units = rad * f64::from_bits((2098 - exponent) << 52);
        if !(rad > 0.0 && units < f64::from(least)) {
            return None;
        }
        let mantissa = (significand >> shift | 1) as i64;
        let mantissa = if mid < 0.0 { -mantissa } else { mantissa };
        Some((mantissa, exponent as i32 - 1022 - self.bits))
    }

    #[inline(never)]
    fn uncommon(&self, ball: Ball) -> Option<Truth> {
        if let Some(sign) = ball.infinity() {
            return Some(Truth::Infinite { negative: sign < 0 });
        }
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
