//! What the witness builds on: how accurate num-bigfloat is, measured against MPFR, and where it is wrong. The bounds
//! are those that `src/witness/real.rs` cites; a defect that is gone fails here, so that its detour can go too.
#![cfg(feature = "oracle")]

use num_bigfloat::{BigFloat, ONE, ZERO};
use rug::Float;
use rug::ops::Pow;

/// Bits of the reference: three times what 40 digits need.
const PRECISION: u32 = 400;
/// Samples of each operation.
const SAMPLES: usize = 2000;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    /// A positive number of 40 digits, the first of which has this decimal exponent.
    fn number(&mut self, exponent: i32) -> BigFloat {
        let rest: String = (1..40).map(|_| char::from(b'0' + self.below(10) as u8)).collect();
        BigFloat::parse(&format!("{}.{rest}e{exponent}", 1 + self.below(9))).unwrap()
    }

    fn exponent(&mut self) -> i32 {
        self.below(80) as i32 - 40
    }
}

fn reference(x: &BigFloat) -> Float {
    Float::with_val(PRECISION, Float::parse(x.to_string()).unwrap())
}

fn error(found: &BigFloat, truth: &Float) -> f64 {
    Float::with_val(PRECISION, reference(found) - truth).abs().to_f64()
}

fn relative_error(found: &BigFloat, truth: &Float) -> f64 {
    error(found, truth) / truth.to_f64().abs()
}

/// The largest of as many samples.
fn worst(seed: u64, mut sample: impl FnMut(&mut Random) -> f64) -> f64 {
    let mut random = Random(seed);
    (0..SAMPLES)
        .map(|_| sample(&mut random))
        .fold(0.0, |worst, error| if error > worst { error } else { worst })
}

#[test]
fn the_four_operations_and_the_root() {
    type Operation = (fn(BigFloat, BigFloat) -> BigFloat, fn(Float, Float) -> Float);
    let operations: [Operation; 5] = [
        (|a, b| a + b, |a, b| a + b),
        (|a, b| a - b, |a, b| a - b),
        (|a, b| a * b, |a, b| a * b),
        (|a, b| a / b, |a, b| a / b),
        (|a, _| a.sqrt(), |a, _| a.sqrt()),
    ];
    for (index, (found, truth)) in operations.into_iter().enumerate() {
        let worst = worst(index as u64, |random| {
            let (a, b) = (random.exponent(), random.exponent());
            let (a, b) = (random.number(a), random.number(b));
            relative_error(&found(a, b), &truth(reference(&a), reference(&b)))
        });
        assert!((1e-40..6e-40).contains(&worst), "operation {index}: {worst:e}");
    }
}

#[test]
fn exponentials_and_powers() {
    for sign in [ONE, -ONE] {
        let worst = worst(10, |random| {
            let exponent = random.below(35) as i32 - 32;
            let x = random.number(exponent) * sign;
            let x = if x.abs().to_f64() > 200.0 { x / random.number(1) } else { x };
            relative_error(&x.exp(), &reference(&x).exp())
        });
        assert!((1e-41..6e-40).contains(&worst), "exp: {worst:e}");
    }
    let worst = worst(11, |random| {
        let (x, y) = (random.number(-1), random.number(0));
        relative_error(&x.pow(&y), &Float::with_val(PRECISION, reference(&x).pow(reference(&y))))
    });
    assert!((1e-41..6e-40).contains(&worst), "pow: {worst:e}");
}

#[test]
fn the_logarithm_is_accurate_absolutely_near_1() {
    let away = worst(20, |random| {
        let x = random.exponent();
        let x = random.number(if x == 0 { 1 } else { x }) + ONE + ONE;
        relative_error(&x.ln(), &reference(&x).ln())
    });
    assert!((1e-41..6e-40).contains(&away), "ln above 2: {away:e}");
    let mut relative = 0f64;
    let absolute = worst(21, |random| {
        let distance = random.below(30) as i32;
        let x = ONE + random.number(-1 - distance);
        let truth = reference(&x).ln();
        relative = relative.max(relative_error(&x.ln(), &truth));
        error(&x.ln(), &truth)
    });
    assert!((1e-42..6e-40).contains(&absolute), "ln near 1: {absolute:e}");
    assert!(relative > 1e-30, "ln near 1 has become accurate: {relative:e}");
}

#[test]
fn conversions_lose_digits() {
    // One tenth instead of the float next to it.
    let error = relative_error(&BigFloat::from_f64(0.1), &Float::with_val(PRECISION, 0.1));
    assert!(error > 1e-17, "from_f64: {error:e}");
    // An integer's mantissa is not shifted, and its quotient is short; adding 0 shifts it.
    let divisor = BigFloat::parse("9.021503989427075343753861309866427256327e-28").unwrap();
    let truth = Float::with_val(PRECISION, 1) / reference(&divisor);
    let short = relative_error(&(BigFloat::from_u64(1) / divisor), &truth);
    assert!(short > 1e-20, "a quotient of an integer: {short:e}");
    assert!(relative_error(&((BigFloat::from_u64(1) + ZERO) / divisor), &truth) < 6e-40);
}

#[test]
fn texts_of_more_than_40_digits_lose_their_exponent() {
    let digits = "1.234567890123456789012345678901234567890";
    assert_eq!(BigFloat::parse(&format!("{digits}e-5")).unwrap().to_string(), format!("{digits}e-5"));
    assert_eq!(BigFloat::parse(&format!("{digits}12e-5")).unwrap().to_string(), digits);
}

#[test]
fn small_numbers_and_small_exponentials() {
    // 29 digits of 1.23…e-100 are left.
    let small = BigFloat::parse("1.234567890123456789012345678901234567890e-100").unwrap();
    assert_eq!(small.to_string(), "1.234567890123456789012345678900000000000e-100");
    for (x, is_infinite) in [("-350", false), ("-300.25", false), ("-500.5", true), ("-1000.5", true)] {
        assert_eq!(BigFloat::parse(x).unwrap().exp().is_inf(), is_infinite, "exp({x})");
    }
}
