//! The floating-point formats f64, f32, f16 and bf16: bits, units in the last place, neighbours, ordered integers,
//! and rounding in integers.
//!
//! Every finite number of every format is an f64, so a value travels as f64 beside its [`Format`]. Rounding goes from
//! an exact or truncated number ([`Magnitude`]) to the format once, in integers, never through another format.

use serde::{Deserialize, Serialize};

/// A binary floating-point format.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// IEEE 754 binary64.
    F64,
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// bfloat16: the upper half of a binary32.
    Bf16,
}

/// How many bits the canonical truth keeps beyond the format's precision.
pub const EXTRA_BITS: u32 = 8;

impl Format {
    /// All formats, widest first.
    pub const ALL: [Format; 4] = [Format::F64, Format::F32, Format::F16, Format::Bf16];

    /// The name used in files and on the command line: `f64`, `f32`, `f16`, `bf16`.
    pub const fn name(self) -> &'static str {
        match self {
            Format::F64 => "f64",
            Format::F32 => "f32",
            Format::F16 => "f16",
            Format::Bf16 => "bf16",
        }
    }

    /// The format of that name, if there is one.
    pub fn parse(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.name() == name)
    }

    /// p: bits of the significand, the hidden one included.
    pub const fn precision(self) -> u32 {
        match self {
            Format::F64 => 53,
            Format::F32 => 24,
            Format::F16 => 11,
            Format::Bf16 => 8,
        }
    }

    /// emax: the exponent of the largest finite number, written as 1.xxx·2^emax.
    pub const fn max_exponent(self) -> i32 {
        match self {
            Format::F64 => 1023,
            Format::F32 | Format::Bf16 => 127,
            Format::F16 => 15,
        }
    }

    /// emin: the exponent of the least normal number.
    pub const fn min_exponent(self) -> i32 {
        1 - self.max_exponent()
    }

    /// Bytes of one stored number.
    pub const fn bytes(self) -> usize {
        match self {
            Format::F64 => 8,
            Format::F32 => 4,
            Format::F16 | Format::Bf16 => 2,
        }
    }

    /// u = 2^−p, half an ulp of 1.
    pub fn unit_roundoff(self) -> f64 {
        power_of_two(-(self.precision() as i32))
    }

    /// η: the least positive number, a subnormal.
    pub fn min_subnormal(self) -> f64 {
        power_of_two(self.least_exponent())
    }

    /// N: the least positive normal number.
    pub fn min_normal(self) -> f64 {
        power_of_two(self.min_exponent())
    }

    /// The largest finite number.
    pub fn max_value(self) -> f64 {
        (2.0 - power_of_two(1 - self.precision() as i32)) * power_of_two(self.max_exponent())
    }

    /// Ω: the least magnitude that rounds to infinity, 2^(emax+1) − 2^(emax−p). For f64 it is not an f64 and the
    /// answer is infinity.
    pub fn overflow_threshold(self) -> f64 {
        match self {
            Format::F64 => f64::INFINITY,
            _ => self.max_value() + power_of_two(self.max_exponent() - self.precision() as i32),
        }
    }

    /// The format in which kernels of this format usually compute: f32 for the 16-bit formats.
    pub const fn compute(self) -> Format {
        match self {
            Format::F64 => Format::F64,
            _ => Format::F32,
        }
    }

    /// The exponent of η: emin − p + 1.
    const fn least_exponent(self) -> i32 {
        self.min_exponent() - self.precision() as i32 + 1
    }

    /// ulp(y) = 2^(max(e, emin) − p + 1) for 2^e ≤ |y| < 2^(e+1); η at 0; NaN for NaN and ±∞.
    pub fn ulp(self, y: f64) -> f64 {
        if !y.is_finite() {
            return f64::NAN;
        }
        power_of_two(exponent_of(y).max(self.min_exponent()) - self.precision() as i32 + 1)
    }

    /// Rounds to nearest, ties to even; overflows to ±∞ from Ω on. NaN stays NaN, −0 stays −0.
    pub fn round(self, x: f64) -> f64 {
        match self {
            Format::F64 => x,
            // The conversion is IEEE 754's, to nearest.
            Format::F32 => f64::from(x as f32),
            _ if x == 0.0 || !x.is_finite() => x,
            _ => Magnitude::from_f64(x).round_nearest(self),
        }
    }

    /// Whether the format has exactly this number. Infinities and NaN are in every format.
    pub fn holds(self, x: f64) -> bool {
        !x.is_finite() || self.round(x) == x
    }

    /// The bits of a number that the format holds; of the number rounded to it otherwise. NaN is the quiet NaN.
    pub fn to_bits(self, x: f64) -> u64 {
        let x = self.round(x);
        match self {
            Format::F64 => x.to_bits(),
            Format::F32 => u64::from((x as f32).to_bits()),
            _ => self.narrow_bits(x),
        }
    }

    fn narrow_bits(self, x: f64) -> u64 {
        let p = self.precision();
        let sign = u64::from(x.is_sign_negative()) << 15;
        let infinity = ((1u64 << (16 - p)) - 1) << (p - 1);
        if x.is_nan() {
            return infinity | 1 << (p - 2);
        }
        let x = x.abs();
        if x.is_infinite() {
            return sign | infinity;
        }
        if x == 0.0 {
            return sign;
        }
        let e = exponent_of(x).max(self.min_exponent());
        // x is a multiple of its quantum and below 2^p quanta, so the product is an exact integer; a subnormal has
        // no hidden bit and biased exponent 0, which the addition below yields by itself.
        let units = (x * power_of_two_f64(p as i32 - 1 - e)) as u64;
        let biased = (e - self.min_exponent()) as u64;
        sign | ((biased << (p - 1)) + units)
    }

    /// The number with these bits (the lowest 64, 32 or 16).
    pub fn from_bits(self, bits: u64) -> f64 {
        match self {
            Format::F64 => f64::from_bits(bits),
            Format::F32 => f64::from(f32::from_bits(bits as u32)),
            Format::Bf16 => f64::from(f32::from_bits((bits as u32 & 0xffff) << 16)),
            Format::F16 => {
                let (sign, biased, units) = (bits >> 15 & 1, bits >> 10 & 0x1f, bits & 0x3ff);
                let magnitude = match biased {
                    0 => units as f64 * self.min_subnormal(),
                    0x1f if units == 0 => f64::INFINITY,
                    0x1f => f64::NAN,
                    _ => (units + 0x400) as f64 * power_of_two(biased as i32 - 25),
                };
                if sign == 1 { -magnitude } else { magnitude }
            }
        }
    }

    /// The number's place among all numbers of the format: strictly increasing from −∞ to +∞, +0 at 0 and −0 at −1.
    /// NaN has no place.
    pub fn ordered(self, x: f64) -> Option<i64> {
        if x.is_nan() {
            return None;
        }
        let bits = self.to_bits(x);
        let sign = 1u64 << (8 * self.bytes() - 1);
        let magnitude = (bits & (sign - 1)) as i64;
        Some(if bits & sign == 0 { magnitude } else { -magnitude - 1 })
    }

    /// The number at that place; places beyond the infinities answer the infinities.
    pub fn from_ordered(self, place: i64) -> f64 {
        let infinity = self.to_bits(f64::INFINITY) as i64;
        let sign = 1u64 << (8 * self.bytes() - 1);
        if place >= 0 {
            self.from_bits(place.min(infinity) as u64)
        } else {
            self.from_bits((-(place + 1)).min(infinity) as u64 | sign)
        }
    }

    /// The least number of the format above x, which the format must hold; +∞ stays; from ±0 it is η.
    pub fn next_up(self, x: f64) -> f64 {
        match self.ordered(if x == 0.0 { 0.0 } else { x }) {
            Some(place) => self.from_ordered(place + 1),
            None => x,
        }
    }

    /// The greatest number of the format below x, which the format must hold; −∞ stays; from ±0 it is −η.
    pub fn next_down(self, x: f64) -> f64 {
        -self.next_up(-x)
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A nonzero number ±(significand + θ)·2^exponent, where θ = 0, or 0 < θ < 1 if `sticky`: what is left of a number of
/// any length after its first 128 bits, or fewer, are kept. A sticky number has at least 64 significant bits.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Magnitude {
    /// Whether the number is below zero.
    pub negative: bool,
    /// The leading bits; not zero.
    pub significand: u128,
    /// The power of two of the significand's last bit.
    pub exponent: i64,
    /// Whether nonzero bits were cut off.
    pub sticky: bool,
}

impl Magnitude {
    /// The exact magnitude of a finite nonzero f64.
    pub fn from_f64(x: f64) -> Magnitude {
        let bits = x.to_bits();
        let biased = (bits >> 52 & 0x7ff) as i64;
        let fraction = bits & ((1 << 52) - 1);
        let (significand, exponent) =
            if biased == 0 { (fraction, -1074) } else { (fraction | 1 << 52, biased - 1075) };
        Magnitude {
            negative: x.is_sign_negative(),
            significand: u128::from(significand),
            exponent,
            sticky: false,
        }
    }

    /// e with 2^e ≤ |number| < 2^(e+1).
    fn binade(&self) -> i64 {
        self.exponent + 127 - i64::from(self.significand.leading_zeros())
    }

    /// (⌊|number| / 2^quantum⌋, whether that is all of it, twice the remainder compared with one quantum).
    fn split(&self, quantum: i64) -> (u128, bool, std::cmp::Ordering) {
        use std::cmp::Ordering::{Equal, Greater, Less};
        let shift = quantum - self.exponent;
        if shift <= 0 {
            // The significand's own unit is a multiple of the quantum. Sticky numbers are long enough (64 bits, and
            // quanta leave at most 61) never to come here.
            debug_assert!(!self.sticky);
            return (self.significand << -shift, true, Less);
        }
        if shift > 128 {
            return (0, false, Less);
        }
        let (units, rest, half) = if shift == 128 {
            (0, self.significand, 1u128 << 127)
        } else {
            (self.significand >> shift, self.significand & ((1 << shift) - 1), 1u128 << (shift - 1))
        };
        let exact = rest == 0 && !self.sticky;
        let side = match rest.cmp(&half) {
            Equal if self.sticky => Greater,
            Equal => Equal,
            side => side,
        };
        (units, exact, side)
    }

    /// The nearest number of the format, ties to even, ±∞ from Ω on; a zero keeps the sign.
    pub fn round_nearest(&self, format: Format) -> f64 {
        let p = i64::from(format.precision());
        let e = self.binade();
        if e > i64::from(format.max_exponent()) {
            return signed(f64::INFINITY, self.negative);
        }
        let quantum = e.max(i64::from(format.min_exponent())) - p + 1;
        let (units, exact, side) = self.split(quantum);
        let up = !exact
            && match side {
                std::cmp::Ordering::Greater => true,
                std::cmp::Ordering::Equal => units & 1 == 1,
                std::cmp::Ordering::Less => false,
            };
        let units = units as u64 + u64::from(up);
        // units ≤ 2^p, so both factors and the product are exact, but for the overflow to infinity, which is wanted.
        let value = units as f64 * power_of_two_f64(quantum as i32);
        let value = if value > format.max_value() { f64::INFINITY } else { value };
        signed(value, self.negative)
    }

    /// The number rounded to odd at p + 8 bits: a number that needs more bits goes to the neighbour whose last bit is
    /// one, so that every later rounding to at most p + 6 bits is as if from the number itself.
    pub fn round_to_odd(&self, format: Format) -> Canonical {
        let quantum = Canonical::quantum(format, self.binade());
        let (units, exact, _) = self.split(quantum);
        let units = (if exact { units } else { units | 1 }) as i64;
        Canonical { mantissa: if self.negative { -units } else { units }, exponent: quantum as i32, exact }
    }
}

/// The canonical truth: y rounded to odd at p + 8 bits of a format, as mantissa·2^exponent. The same from every
/// precision and on every platform.
///
/// Below the normal numbers the quantum stays 2^(emin − p + 1 − 8), as an ulp does. `exact` says that y is this very
/// number; otherwise the mantissa is odd and y lies strictly between its two even neighbours.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Canonical {
    /// The signed significand: at most p + 8 bits.
    pub mantissa: i64,
    /// The power of two of its last bit.
    pub exponent: i32,
    /// Whether y is exactly this number.
    pub exact: bool,
}

impl Canonical {
    /// Zero, exactly.
    pub const ZERO: Canonical = Canonical { mantissa: 0, exponent: 0, exact: true };

    /// The canonical form of an f64 in the given format.
    pub fn from_f64(x: f64, format: Format) -> Canonical {
        if x == 0.0 { Canonical::ZERO } else { Magnitude::from_f64(x).round_to_odd(format) }
    }

    fn quantum(format: Format, binade: i64) -> i64 {
        let bits = i64::from(format.precision() + EXTRA_BITS);
        binade.max(i64::from(format.min_exponent())) - bits + 1
    }

    /// The magnitude, unless it is zero. Not exact where `exact` is not set: then y lies beside it.
    pub fn magnitude(&self) -> Option<Magnitude> {
        (self.mantissa != 0).then(|| Magnitude {
            negative: self.mantissa < 0,
            significand: u128::from(self.mantissa.unsigned_abs()),
            exponent: i64::from(self.exponent),
            sticky: false,
        })
    }

    /// The nearest number of the format: the correctly rounded y, by what rounding to odd promises.
    pub fn round(&self, format: Format) -> f64 {
        // Within f64's range and significand the number itself is an f64.
        if self.mantissa.unsigned_abs() < 1 << 53 && (-1000..=900).contains(&self.exponent) {
            return format.round(self.mantissa as f64 * power_of_two_f64(self.exponent));
        }
        self.magnitude().map_or(0.0, |magnitude| magnitude.round_nearest(format))
    }

    /// The nearest f64; exact but for f64 truths and overflow.
    pub fn to_f64(&self) -> f64 {
        self.round(Format::F64)
    }

    /// ulp(y) of the format, as (power of two): from |y|'s own binade.
    pub fn ulp_exponent(&self, format: Format) -> i32 {
        let binade = self.magnitude().map_or(i64::MIN, |magnitude| magnitude.binade());
        binade.max(i64::from(format.min_exponent())) as i32 - format.precision() as i32 + 1
    }

    /// got − y as an f64, to within a few units of its 53rd bit (plus the canonical form's own 2^−8 ulp).
    pub fn error_of(&self, got: f64) -> f64 {
        let Some(y) = self.magnitude() else { return got };
        if got == 0.0 || !got.is_finite() {
            return got - self.to_f64();
        }
        let got_magnitude = Magnitude::from_f64(got);
        let low = got_magnitude.exponent.min(y.exponent);
        let (a, b) = (got_magnitude.exponent - low, y.exponent - low);
        if a > 62 || b > 62 {
            // Too far apart for cancellation: one of them is negligible or both are short.
            return got - self.to_f64();
        }
        let side = |m: &Magnitude, shift: i64| {
            let value = (m.significand as i128) << shift;
            if m.negative { -value } else { value }
        };
        let difference = side(&got_magnitude, a) - side(&y, b);
        scale(difference as f64, low)
    }
}

fn signed(x: f64, negative: bool) -> f64 {
    if negative { -x } else { x }
}

/// x·2^exponent in two steps, so that a subnormal or large result is rounded once.
fn scale(x: f64, exponent: i64) -> f64 {
    let exponent = exponent.clamp(-2200, 2200) as i32;
    if (-1000..=900).contains(&exponent) {
        x * power_of_two_f64(exponent)
    } else {
        let first = exponent / 2;
        x * power_of_two_f64(first) * power_of_two_f64(exponent - first)
    }
}

/// ⌊log₂|x|⌋ of a finite number; far below every format at 0.
pub(crate) fn exponent_of(x: f64) -> i32 {
    let bits = x.to_bits() & !(1 << 63);
    if bits == 0 {
        return i32::MIN / 2;
    }
    match (bits >> 52) as i32 {
        0 => -1011 - bits.leading_zeros() as i32,
        biased => biased - 1023,
    }
}

/// 2^exponent where an f64 holds it, subnormals included.
pub(crate) fn power_of_two(exponent: i32) -> f64 {
    debug_assert!((-1074..=1023).contains(&exponent), "2^{exponent} is not an f64");
    power_of_two_f64(exponent)
}

/// 2^exponent; 0 below the subnormals, infinity above the range.
pub(crate) fn power_of_two_f64(exponent: i32) -> f64 {
    match exponent {
        ..-1074 => 0.0,
        -1074..-1022 => f64::from_bits(1 << (exponent + 1074)),
        -1022..=1023 => f64::from_bits(((exponent + 1023) as u64) << 52),
        _ => f64::INFINITY,
    }
}

#[cfg(test)]
mod tests;
