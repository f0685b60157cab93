//! Radii: nonnegative numbers of 32 bits and an exponent beyond MPFR's range, every operation rounded up.
//!
//! *Sound*: each result is at least the exact one. *Tight*: by at most 2^−30 relative. *Total*.

use super::number::Number;
use rug::Float;
use rug::float::Round;

/// mantissa · 2^exponent, or ∞. The mantissa has its top bit set, or is 0.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Radius {
    mantissa: u32,
    exponent: i64,
}

impl Radius {
    /// 0: the ball is a point.
    pub const ZERO: Radius = Radius { mantissa: 0, exponent: 0 };
    /// Nothing is known.
    pub const INFINITE: Radius = Radius { mantissa: u32::MAX, exponent: i64::MAX };
    /// 1.
    pub const ONE: Radius = Radius::power_of_two(0);

    /// 2^e.
    pub const fn power_of_two(e: i64) -> Radius {
        Radius { mantissa: 1 << 31, exponent: e - 31 }
    }

    /// Whether it is exactly 0.
    pub fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    /// Whether it is ∞.
    pub fn is_infinite(self) -> bool {
        self.exponent == i64::MAX
    }

    /// e with radius < 2^e: 32 + exponent. Far below everything for 0.
    pub fn bound_exponent(self) -> i64 {
        match self {
            _ if self.is_zero() => i64::MIN / 2,
            _ if self.is_infinite() => i64::MAX / 2,
            _ => self.exponent + 32,
        }
    }

    /// The least radius of 32 bits that is at least bits · 2^exponent (plus anything below one unit if `more`).
    fn rounded_up(bits: u64, exponent: i64, more: bool) -> Radius {
        if bits == 0 {
            // Less than one unit of 2^exponent is left.
            return if more { Radius::power_of_two(exponent) } else { Radius::ZERO };
        }
        let length = 64 - bits.leading_zeros();
        if length <= 32 {
            // What is left may be nearly a unit of the given bits, not of the shifted ones.
            let bits = bits + u64::from(more);
            let shift = bits.leading_zeros() as i64 - 32;
            let mantissa = if shift < 0 { 1 << 31 } else { (bits as u32) << shift };
            return Radius { mantissa, exponent: exponent - shift };
        }
        let shift = length - 32;
        let cut = bits & ((1 << shift) - 1) != 0;
        let kept = Radius { mantissa: (bits >> shift) as u32, exponent: exponent + i64::from(shift) };
        kept.incremented(cut || more)
    }

    /// One unit of the mantissa more, if `more`: an upper bound of the mantissa with any fraction of a unit.
    fn incremented(self, more: bool) -> Radius {
        match (more, self.mantissa) {
            (false, _) => self,
            (true, u32::MAX) => Radius { mantissa: 1 << 31, exponent: self.exponent + 1 },
            (true, mantissa) => Radius { mantissa: mantissa + 1, ..self },
        }
    }

    /// An upper bound of |x| for a finite x; ∞ for an infinite one.
    pub fn above(x: &Float) -> Radius {
        if x.is_zero() {
            return Radius::ZERO;
        }
        let (Some(significand), Some(e)) = (x.get_significand(), x.get_exp()) else {
            return Radius::INFINITE;
        };
        // x = 0.b₁b₂…·2^e with b₁ = 1; the significand's top limb holds the first 64 bits, unless a limb is shorter.
        let limbs = significand.as_limbs();
        let top = limbs.last().copied().unwrap_or(0);
        let more = limbs[..limbs.len() - 1].iter().any(|&limb| limb != 0);
        Radius::rounded_up(top, i64::from(e) - 64, more)
    }

    /// An upper bound of half a unit in the last place of a rounded result: the error of rounding to nearest. 2^emin
    /// for a zero, which has underflowed, and in the least binade, to whose least number underflow may round up.
    pub fn half_ulp(x: &Float) -> Radius {
        match x.get_exp() {
            Some(e) if e > rug::float::exp_min() => {
                Radius::power_of_two(i64::from(e) - i64::from(x.prec()) - 1)
            }
            _ => Radius::power_of_two(i64::from(rug::float::exp_min())),
        }
    }

    /// A number that is at least this radius: exact, unless it leaves MPFR's exponents.
    pub fn to_number(self) -> Number {
        if self.is_infinite() {
            return Number::new(32, rug::float::Special::Infinity);
        }
        let x = Number::new(32, self.mantissa);
        match i32::try_from(self.exponent) {
            // Up: what underflows becomes the least positive number.
            Ok(e) if self.mantissa != 0 => Number::rounded(32, &*x << e, Round::Up).0,
            _ if self.mantissa == 0 => x,
            _ if self.exponent > 0 => Number::new(32, rug::float::Special::Infinity),
            _ => smallest(),
        }
    }

    /// The same as a Float of its own.
    pub fn to_float(self) -> Float {
        Float::clone(&self.to_number())
    }
}

/// 2^(emin−1) is MPFR's least positive number; this is 2^emin, which is above every number that underflows.
fn smallest() -> Number {
    let mut x = Number::new(32, 0);
    x.next_up();
    *x <<= 1;
    x
}

impl std::ops::Add for Radius {
    type Output = Radius;

    /// At least the sum.
    fn add(self, other: Radius) -> Radius {
        if self.is_infinite() || other.is_infinite() {
            return Radius::INFINITE;
        }
        if self.is_zero() {
            return other;
        }
        if other.is_zero() {
            return self;
        }
        let (large, small) = if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        let distance = large.exponent - small.exponent;
        // The larger one's mantissa, 31 bits up, holds the smaller one's to within a unit, which is added in full.
        let base = u64::from(large.mantissa) << 31;
        let wide = u64::from(small.mantissa) << 31;
        let (shifted, cut) = match distance {
            0..64 => (wide >> distance, wide & ((1u64 << distance) - 1) != 0),
            _ => (0, true),
        };
        // base + shifted < 2^63 + 2^63 = 2^64: both are below 2^63.
        Radius::rounded_up(base + shifted, large.exponent - 31, cut)
    }
}

impl std::ops::Mul for Radius {
    type Output = Radius;

    /// At least the product; 0 · ∞ is ∞.
    fn mul(self, other: Radius) -> Radius {
        if self.is_infinite() || other.is_infinite() {
            return Radius::INFINITE;
        }
        let product = u64::from(self.mantissa) * u64::from(other.mantissa);
        Radius::rounded_up(product, self.exponent.saturating_add(other.exponent), false)
    }
}

impl PartialOrd for Radius {
    fn partial_cmp(&self, other: &Radius) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Radius {
    /// By value: normalised mantissas compare by exponent first.
    fn cmp(&self, other: &Radius) -> std::cmp::Ordering {
        (self.bound_exponent(), self.mantissa).cmp(&(other.bound_exponent(), other.mantissa))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rug::Rational;

    fn exact(r: Radius) -> Rational {
        let mantissa = Rational::from(r.mantissa);
        if r.exponent >= 0 { mantissa << r.exponent as u32 } else { mantissa >> (-r.exponent) as u32 }
    }

    fn random(state: &mut u64) -> Radius {
        *state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let bits = (*state >> 33) >> (*state & 15);
        let exponent = ((*state >> 20) % 90) as i64 - 45;
        Radius::rounded_up(bits, exponent, *state & 32 != 0)
    }

    #[test]
    fn sums_and_products_are_upper_bounds_and_tight() {
        let state = &mut 7;
        for _ in 0..20_000 {
            let (a, b) = (random(state), random(state));
            let (sum, product) = (exact(a + b), exact(a * b));
            let (true_sum, true_product) = (exact(a) + exact(b), exact(a) * exact(b));
            assert!(sum >= true_sum && product >= true_product, "{a:?} {b:?}");
            let slack = Rational::from(1) + (Rational::from(1) >> 29u32);
            assert!(sum <= true_sum * &slack && product <= true_product * slack, "{a:?} {b:?}");
            assert_eq!(a.cmp(&b), exact(a).cmp(&exact(b)));
        }
    }

    #[test]
    fn above_is_an_upper_bound_at_every_precision() {
        for prec in [1, 31, 32, 33, 63, 64, 65, 127, 128, 200] {
            for text in ["1", "-0.1", "3.9999999999999999999999999999", "1e-400", "-7e900"] {
                let x = Float::with_val(prec, Float::parse(text).unwrap());
                let bound = Radius::above(&x).to_float();
                let (size, slack) = (x.clone().abs(), Float::with_val(300, 1) + Float::with_val(64, 1e-9));
                assert!(bound >= size && bound <= slack * size, "{text} at {prec}: {bound}");
            }
        }
        assert!(Radius::above(&Float::with_val(9, 0)).is_zero());
    }

    #[test]
    fn radii_beyond_mpfr_saturate_outward() {
        let tiny = Radius::power_of_two(-3_000_000_000);
        assert!(tiny.to_float() > 0 && !tiny.is_zero());
        assert!(Radius::power_of_two(3_000_000_000).to_float().is_infinite());
        assert!((tiny + Radius::ONE) > Radius::ONE);
        let edge = Radius::power_of_two(i64::from(rug::float::exp_min()) - 20);
        assert!(edge.to_float() > 0);
    }
}
