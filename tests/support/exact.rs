//! Rounding by exact division: the definition, for tests that compare with it.

use lossproof::format::{Canonical, EXTRA_BITS, Format};
use rug::{Integer, Rational};

/// y rounded to odd at p + 8 bits, by exact division.
pub fn rounded_to_odd(y: &Rational, format: Format) -> Canonical {
    if *y == 0 {
        return Canonical::ZERO;
    }
    let size = y.clone().abs();
    // ⌊log₂⌋ from the lengths, corrected by one comparison.
    let guess = size.numer().significant_bits() as i32 - size.denom().significant_bits() as i32;
    let binade = if size >= power(guess) { guess } else { guess - 1 };
    let quantum = binade.max(format.min_exponent()) - (format.precision() + EXTRA_BITS) as i32 + 1;
    let units = &size / power(quantum);
    let exact = *units.denom() == 1;
    let floor = Integer::from(units.numer() / units.denom()).to_i64().unwrap();
    let mantissa = if exact { floor } else { floor | 1 };
    Canonical { mantissa: if *y < 0 { -mantissa } else { mantissa }, exponent: quantum, exact }
}

/// 2^e.
pub fn power(e: i32) -> Rational {
    if e >= 0 { Rational::from(1) << e as u32 } else { Rational::from(1) >> e.unsigned_abs() }
}
