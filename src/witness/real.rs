//! Numbers of 40 decimal digits, each with the scale of its error, over what num-bigfloat 1.7.2 gets right.
//!
//! Measured against MPFR (`tests/num_bigfloat_accuracy.rs`): +, −, ×, ÷, √, exp and pow are within 6·10⁻⁴⁰ relative for
//! operands with a full mantissa; ln within 6·10⁻³⁹ relative away from 1 and 5·10⁻⁴⁰ absolute near it. What it gets
//! wrong, and what is done here instead:
//!
//! - `from_f64` goes through the shortest decimal text (0.1 becomes one tenth): an error of 10⁻¹⁶. [`Real::sum_of`]
//!   converts mantissa × 2ᵉ.
//! - `from_i64` and its sisters leave the mantissa unshifted, and a quotient of such a number keeps as few as 13
//!   digits. [`integer`] shifts it.
//! - Between 10⁻⁸⁹ and 10⁻¹²⁸ digits are lost one by one; below, all. [`Real`] keeps the loss in its scale.
//! - A product below 10⁻¹²⁸ panics at times, where debug assertions are on. [`product`] answers 0 there.
//! - exp(x) is +∞ for some x below −294 (for −500.5, not for −350). [`Real::exp`] answers there itself.

use num_bigfloat::{BigFloat, NAN, ONE, PI, TWO, ZERO};
use std::cmp::Ordering;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// The decimal exponent of the least scale: no rounding here, underflow to 0 included, is worse than 10⁻⁴⁰ of it.
const LEAST_SCALE: i8 = -85;
/// The decimal exponent, relative to the scale, below which a number counts as 0 where a kink asks.
const VANISHING: i8 = -36;
/// The decimal exponent from which on products are 0: 10⁻⁴⁰ of the least scale.
const UNDERFLOW: i32 = LEAST_SCALE as i32 - 40;
/// e to this is below 10⁻¹²⁵, that is, 10⁻⁴⁰ of the least scale.
const EXP_UNDERFLOW: i32 = -290;
/// e to this is above 10¹²⁰, in the range of num-bigfloat still.
const EXP_OVERFLOW: i32 = 280;
/// How far apart the exponents of floats may be for their sum to be taken in an i128: three mantissas of 53 bits,
/// shifted by this, stay below 2¹²⁷.
const WIDEST_SHIFT: i32 = 70;

/// A number whose error is a small multiple of 10⁻⁴⁰ of its scale.
///
/// The scale is carried through each operation to first order: the larger of the operands' scales through a sum, |b|
/// times a's through a product, a's over |a| through a logarithm. It is at least |value|, and 0 only for an exact 0.
/// A number that left the range of num-bigfloat is lost, and so is whatever depends on it.
#[derive(Copy, Clone, Debug)]
pub struct Real {
    value: BigFloat,
    scale: BigFloat,
}

/// 10ᵉ, for e ≥ −89.
pub fn power_of_ten(exponent: i8) -> BigFloat {
    let mut power = ONE;
    power.set_exponent(ONE.get_exponent() + exponent);
    power
}

/// a·b; 0 where the exponents add up to less than −125: it is below 10⁻¹²⁴, about 10⁻⁴⁰ of the least scale.
fn product(a: BigFloat, b: BigFloat) -> BigFloat {
    // d with 10ᵈ ≤ |x| < 10ᵈ⁺¹: the mantissa is an integer of that many digits.
    let exponent = |x: &BigFloat| i32::from(x.get_exponent()) + x.get_mantissa_len() as i32 - 1;
    let finite = !a.is_nan() && !b.is_nan() && !a.is_inf() && !b.is_inf();
    if finite && (a.is_zero() || b.is_zero() || exponent(&a) + exponent(&b) < UNDERFLOW) {
        return ZERO;
    }
    a * b
}

/// An integer, exactly (an i128 has at most 39 digits) and with its mantissa shifted full: adding 0 does that.
fn integer(n: i128) -> BigFloat {
    BigFloat::from_i128(n) + ZERO
}

/// A finite float as mantissa × 2ᵉ with an odd mantissa; (0, 0) for 0.
fn decompose(x: f64) -> (i128, i32) {
    let bits = x.to_bits();
    let (biased, fraction) = ((bits >> 52 & 0x7ff) as i32, (bits & ((1 << 52) - 1)) as i128);
    let (mantissa, exponent) =
        if biased == 0 { (fraction, -1074) } else { (fraction | 1 << 52, biased - 1075) };
    odd(if x < 0.0 { -mantissa } else { mantissa }, exponent)
}

fn odd(mantissa: i128, exponent: i32) -> (i128, i32) {
    match mantissa {
        0 => (0, 0),
        _ => (mantissa >> mantissa.trailing_zeros(), exponent + mantissa.trailing_zeros() as i32),
    }
}

impl Real {
    /// Exactly 0.
    pub const ZERO: Real = Real { value: ZERO, scale: ZERO };
    /// Exactly 1.
    pub const ONE: Real = Real { value: ONE, scale: ONE };
    /// Exactly 2.
    pub const TWO: Real = Real { value: TWO, scale: TWO };
    /// π, to 40 digits.
    pub const PI: Real = Real { value: PI, scale: PI };
    /// A number that left the range.
    pub const LOST: Real = Real { value: NAN, scale: NAN };

    /// The result of an operation that rounds.
    fn rounded(value: BigFloat, scale: BigFloat) -> Real {
        if value.is_nan() || value.is_inf() || scale.is_nan() || scale.is_inf() {
            return Real::LOST;
        }
        let scale = scale.max(&value.abs());
        let least = power_of_ten(LEAST_SCALE);
        Real { value, scale: if scale < least { least } else { scale } }
    }

    /// A finite float; as [`Real::sum_of`].
    pub fn of(x: f64) -> Real {
        Real::sum_of(&[x])
    }

    /// A count, exactly.
    pub fn count(n: usize) -> Real {
        let value = integer(n as i128);
        Real { value, scale: value }
    }

    /// The sum of at most three finite floats, rounded once: a few units in the 40th digit of the sum itself. Exactly 0
    /// if and only if the sum is 0 and the floats' exponents are near enough to cancel at all.
    pub fn sum_of(terms: &[f64]) -> Real {
        assert!(terms.len() <= 3 && terms.iter().all(|x| x.is_finite()), "{terms:?}");
        let parts: Vec<(i128, i32)> =
            terms.iter().map(|&x| decompose(x)).filter(|part| part.0 != 0).collect();
        let Some(least) = parts.iter().map(|part| part.1).min() else {
            return Real::ZERO;
        };
        if parts.iter().any(|part| part.1 - least > WIDEST_SHIFT) {
            let (last, rest) = terms.split_last().expect("floats that lie apart are two at least");
            return Real::sum_of(rest) + Real::sum_of(&[*last]);
        }
        let (mantissa, exponent) = odd(parts.iter().map(|part| part.0 << (part.1 - least)).sum(), least);
        if mantissa == 0 {
            return Real::ZERO;
        }
        // 2¹²⁰ is exact. The quotient by it is, too, where it has no more than 40 digits: all f32 above 2⁻²². Else
        // each step of 120 bits adds half a unit in the 40th digit.
        let mut value = integer(mantissa);
        let mut left = exponent;
        while left != 0 && !value.is_zero() && !value.is_inf() {
            let step = left.clamp(-120, 120);
            let power = integer(1 << step.abs());
            value = if step > 0 { value * power } else { value / power };
            left -= step;
        }
        Real::rounded(value, ZERO)
    }

    /// The number itself.
    pub fn value(self) -> BigFloat {
        self.value
    }

    /// What its error is measured by.
    pub fn scale(self) -> BigFloat {
        self.scale
    }

    /// Whether it left the range of num-bigfloat.
    pub fn is_lost(self) -> bool {
        self.value.is_nan()
    }

    /// Whether it is 0 without any rounding.
    pub fn is_exact_zero(self) -> bool {
        self.scale.is_zero()
    }

    /// Whether it is 0 to 36 digits of its scale.
    pub fn vanishes(self) -> bool {
        self.value.abs() <= self.scale * power_of_ten(VANISHING)
    }

    /// Whether it is above 0, other than by its rounding.
    pub fn is_above_zero(self) -> bool {
        self.value > ZERO && !self.vanishes()
    }

    /// Whether it is nothing but what an underflow left: 30 digits of it are less than the agreement on its scale.
    pub fn is_underflow(self) -> bool {
        !self.scale.is_zero()
            && self.scale <= power_of_ten(LEAST_SCALE + 5)
            && self.value.abs() < self.scale * power_of_ten(-6)
    }

    /// −1, 0 or 1; 0 only for what vanishes.
    pub fn sign(self) -> Real {
        if self.is_lost() {
            Real::LOST
        } else if self.vanishes() {
            Real::ZERO
        } else if self.value < ZERO {
            -Real::ONE
        } else {
            Real::ONE
        }
    }

    /// |x|.
    pub fn abs(self) -> Real {
        Real { value: self.value.abs(), scale: self.scale }
    }

    /// max(x, 0), where x vanishes or is above.
    pub fn positive_part(self) -> Real {
        Real { value: self.value.max(&ZERO), scale: self.scale }
    }

    /// The order of two numbers, equal where they are to 36 digits of what they came from; `None` for lost ones.
    pub fn order(self, other: Real) -> Option<Ordering> {
        let difference = self - other;
        if difference.vanishes() {
            return Some(Ordering::Equal);
        }
        difference.value.partial_cmp(&ZERO)
    }

    /// The larger one; lost if either is.
    pub fn max(self, other: Real) -> Real {
        match self.value.partial_cmp(&other.value) {
            None => Real::LOST,
            Some(Ordering::Less) => other,
            Some(_) => self,
        }
    }

    /// The smaller one; lost if either is.
    pub fn min(self, other: Real) -> Real {
        -(-self).max(-other)
    }

    /// √x for x ≥ 0; lost below.
    pub fn sqrt(self) -> Real {
        if self.is_exact_zero() {
            return self;
        }
        let root = self.value.sqrt();
        Real::rounded(root, self.scale / (TWO * root))
    }

    /// eˣ. What is below 10⁻¹²⁵ is 0 with the least scale; what is above 10¹²¹ is lost.
    pub fn exp(self) -> Real {
        if self.is_exact_zero() {
            return Real::ONE;
        }
        if self.value < integer(EXP_UNDERFLOW.into()) {
            return Real::rounded(ZERO, ZERO);
        }
        if self.is_lost() || self.value > integer(EXP_OVERFLOW.into()) {
            return Real::LOST;
        }
        let power = self.value.exp();
        Real::rounded(power, product(power, self.scale))
    }

    /// ln x for x > 0; lost elsewhere.
    pub fn ln(self) -> Real {
        Real::rounded(self.value.ln(), self.scale / self.value.abs())
    }

    /// ln(1 + x) for x ≥ 0, of full relative accuracy: for x ≤ 1 as 2 artanh(x/(2 + x)) by its series,
    /// 2 Σₖ s²ᵏ⁺¹/(2k + 1) with s ≤ 1/3.
    pub fn ln_1p(self) -> Real {
        if self.is_exact_zero() {
            return self;
        }
        if self.value > ONE {
            return (Real::ONE + self).ln();
        }
        let s = self.value / (TWO + self.value);
        let square = s * s;
        let (mut sum, mut power) = (s, s);
        for k in 1.. {
            power *= square;
            let term = power / integer(2 * k + 1);
            if sum + term == sum || term.is_nan() {
                break;
            }
            sum += term;
        }
        Real::rounded(sum * TWO, self.scale)
    }

    /// xᵖ for x ≥ 0 and p > 0.
    pub fn power(self, exponent: Real) -> Real {
        if self.is_exact_zero() { self } else { (exponent * self.ln()).exp() }
    }

    /// The sum, pairwise, so that n terms err like ⌈log₂ n⌉.
    pub fn sum(terms: &[Real]) -> Real {
        match terms {
            [] => Real::ZERO,
            [term] => *term,
            _ => {
                let (left, right) = terms.split_at(terms.len() / 2);
                Real::sum(left) + Real::sum(right)
            }
        }
    }
}

impl Neg for Real {
    type Output = Real;

    fn neg(self) -> Real {
        Real { value: -self.value, scale: self.scale }
    }
}

impl Add for Real {
    type Output = Real;

    fn add(self, other: Real) -> Real {
        if self.is_exact_zero() {
            other
        } else if other.is_exact_zero() {
            self
        } else {
            Real::rounded(self.value + other.value, self.scale.max(&other.scale))
        }
    }
}

impl Sub for Real {
    type Output = Real;

    fn sub(self, other: Real) -> Real {
        self + -other
    }
}

impl Mul for Real {
    type Output = Real;

    fn mul(self, other: Real) -> Real {
        if self.is_lost() || other.is_lost() {
            return Real::LOST;
        }
        if self.is_exact_zero() || other.is_exact_zero() {
            return Real::ZERO;
        }
        let (left, right) = (product(self.value.abs(), other.scale), product(other.value.abs(), self.scale));
        Real::rounded(product(self.value, other.value), left.max(&right))
    }
}

impl Div for Real {
    type Output = Real;

    fn div(self, other: Real) -> Real {
        if self.is_lost() || other.is_lost() || other.value.is_zero() {
            return Real::LOST;
        }
        if self.is_exact_zero() {
            return Real::ZERO;
        }
        let quotient = self.value / other.value;
        let divisor = other.value.abs();
        let (own, others) = (self.scale / divisor, product(quotient.abs(), other.scale / divisor));
        Real::rounded(quotient, own.max(&others))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_real(x: Real, digits: &str, scale: f64) {
        assert_eq!(x.value().to_string(), digits);
        let off = (x.scale().to_f64() - scale).abs();
        assert!(off <= 1e-12 * scale, "scale {} instead of {scale}", x.scale());
    }

    fn zeros(n: usize) -> String {
        "0".repeat(n)
    }

    #[test]
    fn floats_are_converted_to_40_digits() {
        assert_real(Real::of(0.1), "1.000000000000000055511151231257827021182e-1", 0.1);
        assert_real(Real::of(-1.5), &format!("-1.5{}", zeros(38)), 1.5);
        assert_real(
            Real::of(2f64.powi(120)),
            "1.329227995784915872903807060280344576000e+36",
            2f64.powi(120),
        );
        // 2⁻¹⁴⁹ and 2⁻³⁹⁰.
        assert_real(
            Real::of(2f64.powi(-149)),
            "1.401298464324817070923729583289916131280e-45",
            2f64.powi(-149),
        );
        let tiny = Real::of(2f64.powi(-390));
        assert_eq!(tiny.scale(), power_of_ten(LEAST_SCALE));
        assert!(tiny.is_underflow() && !tiny.is_exact_zero());
        assert!(Real::of(1e300).is_lost());
        assert!(Real::of(5e-324).is_underflow());
        assert!(Real::of(-0.0).is_exact_zero());
    }

    #[test]
    fn sums_of_floats_are_exact() {
        let next = 0.1f64.next_up();
        assert_real(
            Real::sum_of(&[next, -0.1]),
            "1.387778780781445675529539585113525390625e-17",
            2f64.powi(-56),
        );
        assert!(Real::sum_of(&[0.1, -0.1]).is_exact_zero());
        assert!(Real::sum_of(&[0.1, 0.2, -0.30000000000000004]).value() < ZERO);
        assert!(Real::sum_of(&[1.0, 1e-6, -1.0]).is_above_zero());
        assert_eq!(Real::sum_of(&[1e60, -1e60, 3.0]).value(), integer(3));
        // Too far apart for an i128: rounded, and of the larger term's scale.
        assert_real(
            Real::sum_of(&[1e30, 1.0]),
            &format!("1.000000000000000019884624838657{}e+30", zeros(9)),
            1e30,
        );
    }

    #[test]
    fn scales_are_carried_to_first_order() {
        let x = Real::of(3.0) + Real::of(1e-20) - Real::of(3.0);
        assert!((x.scale().to_f64() - 3.0).abs() < 1e-12);
        assert!(((x * Real::of(-7.0)).scale().to_f64() - 21.0).abs() < 1e-12);
        assert!(((Real::of(-8.0) / (x + Real::TWO)).scale().to_f64() - 6.0).abs() < 1e-12);
        assert!(((Real::of(6.0) / Real::of(3.0)).scale().to_f64() - 2.0).abs() < 1e-12);
        assert!(((Real::of(100.0) - Real::of(96.0)).sqrt().scale().to_f64() - 25.0).abs() < 1e-12);
        assert!(((Real::of(100.0) - Real::of(96.0)).ln().scale().to_f64() - 25.0).abs() < 1e-12);
        let power = Real::of(-50.0).exp();
        assert!((power.scale().to_f64() / (50.0 * (-50f64).exp()) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn exact_zeros_stay_exact_and_lost_numbers_lost() {
        let x = Real::of(0.3);
        assert!((Real::ZERO * x).is_exact_zero() && (Real::ZERO / x).is_exact_zero());
        assert!(!(x - x).is_exact_zero() && (x - x).vanishes());
        let lost = Real::of(1e100) * Real::of(1e100);
        assert!(lost.is_lost() && (lost * Real::ZERO).is_lost() && (Real::ONE / lost).is_lost());
        assert!((x / Real::ZERO).is_lost() && (-x).ln().is_lost() && (-x).sqrt().is_lost());
        assert!(lost.order(x).is_none() && lost.max(x).is_lost() && x.min(lost).is_lost());
        assert_eq!(x.order(x + Real::of(1e-37) - Real::of(1e-37)), Some(Ordering::Equal));
        assert_eq!(x.order(Real::of(0.3f64.next_up())), Some(Ordering::Less));
    }

    #[test]
    fn exp_answers_where_num_bigfloat_does_not() {
        // num-bigfloat itself says +∞ here; the day it does not, the guard can go.
        assert!((integer(-1001) / TWO).exp().is_inf());
        for x in [-290.5, -300.25, -350.0, -500.5, -1000.5] {
            let power = Real::of(x).exp();
            assert!(power.is_underflow() && power.value() <= power_of_ten(-89), "{x}: {power:?}");
        }
        assert!(Real::of(300.5).exp().is_lost());
        let difference = Real::of(-200.5).exp() * Real::of(200.5).exp() - Real::ONE;
        assert!(difference.vanishes());
    }

    #[test]
    fn logarithms_near_1_keep_their_digits() {
        let ln_2 = Real::ONE.ln_1p().value();
        assert!((ln_2 - num_bigfloat::LN_2).abs() < power_of_ten(-39), "{ln_2}");
        let tiny = Real::of(2f64.powi(-100)).ln_1p();
        // 2⁻¹⁰⁰ − 2⁻²⁰¹ + …
        let expected = BigFloat::parse("7.888609052210118054117285652824750789093e-31").unwrap();
        assert!((tiny.value() - expected).abs() < expected * power_of_ten(-38), "{tiny:?}");
        assert_eq!(tiny.scale(), Real::of(2f64.powi(-100)).scale());
        let (series, direct) = (Real::of(0.75).ln_1p(), Real::of(1.75).ln());
        assert!((series - direct).vanishes() && !series.vanishes());
        assert_eq!(Real::of(3.0).ln_1p().value(), Real::of(4.0).ln().value());
    }

    #[test]
    fn products_that_underflow_are_0() {
        // Every product of two powers of ten down to 10⁻¹⁷⁰, none of which may panic.
        for (a, b) in (0i32..=85).flat_map(|a| (0i32..=85).map(move |b| (a, b))) {
            for digits in [1.0, 3.0, 9.75, 1.0 / 3.0] {
                let ten = |e: i32| power_of_ten(-e as i8);
                let power = |e: i32| Real { value: ten(e), scale: ten(e) };
                let x = Real::of(digits) * power(a) * power(b);
                assert!(!x.is_lost() && !x.is_exact_zero(), "{a} {b}");
                assert!(a + b <= 126 || x.value().is_zero(), "{digits} {a} {b}: {x:?}");
                assert!(a + b >= 124 || !x.value().is_zero(), "{digits} {a} {b}: {x:?}");
            }
        }
    }

    #[test]
    fn long_sums_do_not_drift() {
        let terms = vec![Real::of(0.1); 1 << 16];
        let difference = Real::sum(&terms) - Real::of(0.1 * 65536.0);
        assert!(difference.value().abs() < Real::of(6553.6).value() * power_of_ten(-38));
    }
}
