//! The number in which the built-in kernels compute: two f32 and an exponent, (hi + lo)·2^exponent.
//!
//! Everything is done in f32: sums and products carry their rounding error along (error-free transformations), so a
//! number has about 46 good bits; the exponent stands beside it, so nothing overflows or underflows on the way. One
//! rounding, in integers, makes the answer. Sources: Joldes, Muller, Popescu, Tight and rigorous error bounds for basic
//! building blocks of double-word arithmetic, ACM TOMS 44 (2017), doi:10.1145/3121432, algorithms 1, 3, 6, 12, 17.

use crate::format::{Format, Magnitude};
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

/// An unevaluated sum hi + lo with hi = fl(hi + lo).
#[derive(Copy, Clone, Debug, PartialEq)]
pub(super) struct Double {
    pub(super) hi: f32,
    pub(super) lo: f32,
}

impl Double {
    /// The constant, to 48 bits.
    pub(super) const fn constant(x: f64) -> Double {
        let hi = x as f32;
        Double { hi, lo: (x - hi as f64) as f32 }
    }

    /// a + b, exactly.
    fn two_sum(a: f32, b: f32) -> Double {
        let hi = a + b;
        let part = hi - a;
        Double { hi, lo: (a - (hi - part)) + (b - part) }
    }

    /// a + b, exactly, for |a| ≥ |b|.
    fn fast_two_sum(a: f32, b: f32) -> Double {
        let hi = a + b;
        Double { hi, lo: b - (hi - a) }
    }

    /// a·b, exactly while the low part is a normal number.
    fn two_product(a: f32, b: f32) -> Double {
        let hi = a * b;
        Double { hi, lo: a.mul_add(b, -hi) }
    }

    /// self + other; relative error at most 3u² (algorithm 6).
    pub(super) fn plus(self, other: Double) -> Double {
        let s = Double::two_sum(self.hi, other.hi);
        let t = Double::two_sum(self.lo, other.lo);
        let v = Double::fast_two_sum(s.hi, s.lo + t.hi);
        Double::fast_two_sum(v.hi, t.lo + v.lo)
    }

    /// self·other; relative error at most 5u² (algorithm 12).
    pub(super) fn times(self, other: Double) -> Double {
        let product = Double::two_product(self.hi, other.hi);
        let cross = self.lo.mul_add(other.hi, self.hi * other.lo);
        Double::fast_two_sum(product.hi, product.lo + cross)
    }

    /// self/other; relative error at most 15u² (algorithm 17).
    fn over(self, other: Double) -> Double {
        let quotient = self.hi / other.hi;
        let back = other.times(Double { hi: quotient, lo: 0.0 });
        let rest = (self.hi - back.hi) + (self.lo - back.lo);
        Double::fast_two_sum(quotient, rest / other.hi)
    }

    pub(super) fn negated(self) -> Double {
        Double { hi: -self.hi, lo: -self.lo }
    }

    fn scaled(self, scale: f32) -> Double {
        Double { hi: self.hi * scale, lo: self.lo * scale }
    }
}

/// A number (hi + lo)·2^exponent with 1 ≤ |hi| < 2; or 0, ±∞ or NaN, which stand in hi alone.
///
/// Special values follow IEEE 754: 0·∞, ∞ − ∞, 0/0 are NaN, x/0 is infinite, NaN stays NaN.
#[derive(Copy, Clone, Debug)]
pub(super) struct Wide {
    mantissa: Double,
    exponent: i32,
}

/// 2^e for a normal f32.
fn power_of_two(e: i32) -> f32 {
    debug_assert!((-126..=127).contains(&e));
    f32::from_bits(((e + 127) as u32) << 23)
}

/// e with 2^e ≤ |x| < 2^(e+1), for a normal x.
fn exponent_of(x: f32) -> i32 {
    (x.to_bits() >> 23 & 0xff) as i32 - 127
}

/// Beyond this distance of exponents the smaller of two summands is less than 2^−16 units of the larger one's last bit.
const FARTHEST: i32 = 64;

impl Wide {
    pub(super) const ZERO: Wide = Wide::special(0.0);
    pub(super) const ONE: Wide = Wide::special(1.0);
    pub(super) const NAN: Wide = Wide::special(f32::NAN);
    pub(super) const INFINITY: Wide = Wide::special(f32::INFINITY);

    /// A number that needs no scaling: 0, 1, an infinity, NaN.
    const fn special(hi: f32) -> Wide {
        Wide { mantissa: Double { hi, lo: 0.0 }, exponent: 0 }
    }

    /// Exactly x.
    pub(super) fn new(x: f32) -> Wide {
        if x.is_subnormal() {
            // 2^24 makes every subnormal normal.
            return Wide::scaled(Double { hi: x * power_of_two(24), lo: 0.0 }, -24);
        }
        Wide::scaled(Double { hi: x, lo: 0.0 }, 0)
    }

    /// A parameter, to 48 bits; an f64's whole range.
    pub(super) fn parameter(x: f64) -> Wide {
        if x == 0.0 || !x.is_finite() {
            return Wide::special(x as f32);
        }
        // A subnormal f64 is made normal first.
        let scale = if x.is_subnormal() { 64 } else { 0 };
        let bits = if x.is_subnormal() { x * (1u128 << scale) as f64 } else { x }.to_bits();
        let exponent = (bits >> 52 & 0x7ff) as i32 - 1023;
        let mantissa = f64::from_bits(bits & !(0x7ff << 52) | 1023 << 52);
        Wide::scaled(Double::constant(mantissa), exponent - scale)
    }

    /// A number of things.
    pub(super) fn count(n: usize) -> Wide {
        Wide::parameter(n as f64)
    }

    /// mantissa·2^exponent, for a mantissa that is 0, special, or normal.
    pub(super) fn scaled(mantissa: Double, exponent: i32) -> Wide {
        if mantissa.hi == 0.0 || !mantissa.hi.is_finite() {
            return Wide::special(mantissa.hi);
        }
        let shift = exponent_of(mantissa.hi);
        // In two steps: 2^127 has no normal reciprocal.
        let half = shift / 2;
        let mantissa = mantissa.scaled(power_of_two(-half)).scaled(power_of_two(half - shift));
        Wide { mantissa, exponent: exponent + shift }
    }

    fn is_special(self) -> bool {
        self.mantissa.hi == 0.0 || !self.mantissa.hi.is_finite()
    }

    pub(super) fn is_zero(self) -> bool {
        self.mantissa.hi == 0.0
    }

    pub(super) fn is_nan(self) -> bool {
        self.mantissa.hi.is_nan()
    }

    pub(super) fn is_finite(self) -> bool {
        self.mantissa.hi.is_finite()
    }

    pub(super) fn is_positive(self) -> bool {
        self.mantissa.hi > 0.0
    }

    pub(super) fn is_negative(self) -> bool {
        self.mantissa.hi < 0.0
    }

    /// Whether self < other; false where one is NaN.
    pub(super) fn is_below(self, other: Wide) -> bool {
        (self - other).is_negative()
    }

    pub(super) fn abs(self) -> Wide {
        if self.is_negative() { -self } else { self }
    }

    /// −1, 0 or 1; NaN for NaN.
    pub(super) fn sign(self) -> Wide {
        match self.mantissa.hi {
            hi if hi > 0.0 => Wide::ONE,
            hi if hi < 0.0 => -Wide::ONE,
            hi => Wide::special(hi),
        }
    }

    /// The exponent e of 2^e ≤ |x| < 2^(e+1), give or take the last bit; 0 for special numbers.
    pub(super) fn exponent(self) -> i32 {
        self.exponent
    }

    /// The mantissa, in [1, 2) in magnitude, or the special value.
    pub(super) fn mantissa(self) -> Double {
        self.mantissa
    }

    /// The number without its exponent field, for |exponent| ≤ 100.
    pub(super) fn plain(self) -> Double {
        self.mantissa.scaled(power_of_two(self.exponent))
    }

    /// x·2^e.
    pub(super) fn times_power_of_two(self, e: i32) -> Wide {
        if self.is_special() { self } else { Wide { exponent: self.exponent + e, ..self } }
    }

    /// √x; NaN below 0.
    pub(super) fn sqrt(self) -> Wide {
        if self.is_special() || self.is_negative() {
            return Wide::special(self.mantissa.hi.sqrt());
        }
        let odd = self.exponent.rem_euclid(2);
        let x = self.mantissa.scaled(power_of_two(odd));
        let root = x.hi.sqrt();
        let rest = (-root).mul_add(root, x.hi) + x.lo;
        Wide::scaled(Double::fast_two_sum(root, rest / (2.0 * root)), (self.exponent - odd) / 2)
    }

    /// The nearest number of the format, ties to even, as f32: the one rounding of an answer.
    pub(super) fn round(self, format: Format) -> f32 {
        if self.is_special() {
            return self.mantissa.hi;
        }
        // hi is a multiple of 2^−23 and |lo| ≤ 2^−24: in units of 2^−55 hi is an integer, and lo is one and a rest.
        let Double { hi, lo } = self.mantissa;
        let negative = hi < 0.0;
        let lo = if negative { -lo } else { lo } * power_of_two(55);
        let whole = lo.floor();
        let units = ((hi.abs() * power_of_two(23)) as i64) << 32;
        let significand = ((units + whole as i64) as u128) << 16;
        let exponent = i64::from(self.exponent) - 55 - 16;
        Magnitude { negative, significand, exponent, sticky: lo != whole }.round_nearest(format) as f32
    }
}

impl Neg for Wide {
    type Output = Wide;
    fn neg(self) -> Wide {
        Wide { mantissa: self.mantissa.negated(), ..self }
    }
}

impl Add for Wide {
    type Output = Wide;
    fn add(self, other: Wide) -> Wide {
        if !self.is_finite() || !other.is_finite() {
            return Wide::special(self.mantissa.hi + other.mantissa.hi);
        }
        if self.is_zero() {
            return other;
        }
        if other.is_zero() {
            return self;
        }
        let (large, small) = if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        let distance = large.exponent - small.exponent;
        if distance > FARTHEST {
            return large;
        }
        Wide::scaled(large.mantissa.plus(small.mantissa.scaled(power_of_two(-distance))), large.exponent)
    }
}

impl Sub for Wide {
    type Output = Wide;
    fn sub(self, other: Wide) -> Wide {
        self + -other
    }
}

impl Mul for Wide {
    type Output = Wide;
    fn mul(self, other: Wide) -> Wide {
        if self.is_special() || other.is_special() {
            return Wide::special(self.mantissa.hi * other.mantissa.hi);
        }
        Wide::scaled(self.mantissa.times(other.mantissa), self.exponent + other.exponent)
    }
}

impl Div for Wide {
    type Output = Wide;
    fn div(self, other: Wide) -> Wide {
        if self.is_special() || other.is_special() {
            return Wide::special(self.mantissa.hi / other.mantissa.hi);
        }
        Wide::scaled(self.mantissa.over(other.mantissa), self.exponent - other.exponent)
    }
}

impl AddAssign for Wide {
    fn add_assign(&mut self, other: Wide) {
        *self = *self + other;
    }
}

#[cfg(test)]
impl Wide {
    /// The value as f64, which holds all 48 bits.
    pub(super) fn to_f64(self) -> f64 {
        let mantissa = f64::from(self.mantissa.hi) + f64::from(self.mantissa.lo);
        if self.is_special() { mantissa } else { mantissa * 2f64.powi(self.exponent) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::own::testing::Random;

    /// 15u² of the worst operation, rounded up to a power of two.
    const BOUND: f64 = 1.0 / (1u64 << 44) as f64;

    fn close(got: Wide, want: f64) {
        assert!((got.to_f64() - want).abs() <= BOUND * want.abs(), "{} is not {want}", got.to_f64());
    }

    #[test]
    fn operations_keep_44_bits() {
        let mut random = Random::new(1);
        for _ in 0..20_000 {
            let (a, b) = (random.wide_range(), random.wide_range());
            let (x, y) = (f64::from(a), f64::from(b));
            let (wide_a, wide_b) = (Wide::new(a), Wide::new(b));
            close(wide_a + wide_b, x + y);
            close(wide_a - wide_b, x - y);
            close(wide_a * wide_b, x * y);
            close(wide_a / wide_b, x / y);
            close(wide_a.abs().sqrt(), x.abs().sqrt());
        }
    }

    #[test]
    fn nothing_overflows_on_the_way() {
        let tiny = Wide::new(f32::from_bits(1));
        let cube = tiny * tiny * tiny;
        assert_eq!((cube / tiny / tiny).to_f64(), 2f64.powi(-149));
        let huge = Wide::new(f32::MAX);
        assert_eq!((huge * huge / huge).round(Format::F32), f32::MAX);
        assert_eq!((huge * huge).round(Format::F32), f32::INFINITY);
        assert_eq!((huge + huge).to_f64(), 2.0 * f64::from(f32::MAX));
        assert_eq!((tiny * tiny).round(Format::F32), 0.0);
    }

    #[test]
    fn special_values_follow_ieee() {
        let infinity = Wide::INFINITY;
        assert!((infinity - infinity).is_nan() && (infinity * Wide::ZERO).is_nan());
        assert!((Wide::ZERO / Wide::ZERO).is_nan() && (Wide::NAN + Wide::ONE).is_nan());
        assert_eq!((Wide::ONE / Wide::ZERO).to_f64(), f64::INFINITY);
        assert!((Wide::ONE - Wide::ONE).is_zero() && (-Wide::ONE).sqrt().is_nan());
        assert!(Wide::NAN.sign().is_nan() && Wide::ZERO.sign().is_zero());
    }

    #[test]
    fn rounds_once() {
        // Just above a tie of f16 and of f32: a rounding in between would lose the last part.
        let above_tie = Wide::new(1.0 + 1.0 / 2048.0) + Wide::new(power_of_two(-40));
        assert_eq!(above_tie.round(Format::F16), 1.0 + 1.0 / 1024.0);
        assert_eq!(Wide::new(1.0 + 1.0 / 2048.0).round(Format::F16), 1.0);
        let below = Wide::ONE - Wide::new(power_of_two(-26));
        assert_eq!(below.round(Format::F32), 1.0);
        let below = Wide::ONE - Wide::new(power_of_two(-25)) - Wide::new(power_of_two(-40));
        assert_eq!(below.round(Format::F32), 1.0 - power_of_two(-24));
        assert_eq!(Wide::new(65520.0).round(Format::F16), f32::INFINITY);
        assert_eq!((Wide::new(65520.0) - Wide::new(power_of_two(-8))).round(Format::F16), 65504.0);
        let half_eta = Wide::new(f32::from_bits(1)).times_power_of_two(-1);
        assert_eq!(half_eta.round(Format::F32), 0.0);
        assert_eq!((half_eta + half_eta.times_power_of_two(-30)).round(Format::F32), f32::from_bits(1));
    }

    #[test]
    fn parameters_have_an_f64s_range() {
        for x in [0.1, 1e-300, 5e-324, 1e308, -2.5, 3.0, 1.0 - 1e-12] {
            let mantissa = Wide::parameter(x);
            let back = (f64::from(mantissa.mantissa.hi) + f64::from(mantissa.mantissa.lo))
                * 2f64.powi(mantissa.exponent / 2)
                * 2f64.powi(mantissa.exponent - mantissa.exponent / 2);
            assert!((back - x).abs() <= x.abs() * 2f64.powi(-47), "{x} became {back}");
        }
        assert!(Wide::parameter(0.0).is_zero());
    }
}
