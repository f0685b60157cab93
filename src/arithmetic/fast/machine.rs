//! Whether this machine computes as the fast tier's proofs assume: IEEE 754 f64, rounded to nearest even and once, subnormal
//! numbers kept, nothing contracted; and whether CORE-MATH, built for this machine, rounds correctly where that is hard. Tried
//! once, at the first use; where it does not hold, MPFR proves everything.

use super::ball::two_product;
use std::hint::black_box;
use std::sync::OnceLock;

/// The arithmetic that is tried: the machine's own, or in tests one that is wrong.
struct Arithmetic {
    add: fn(f64, f64) -> f64,
    mul: fn(f64, f64) -> f64,
    div: fn(f64, f64) -> f64,
    sqrt: fn(f64) -> f64,
    /// a·b − c, as two operations.
    multiply_subtract: fn(f64, f64, f64) -> f64,
}

const OWN: Arithmetic = Arithmetic {
    add: |a, b| black_box(black_box(a) + black_box(b)),
    mul: |a, b| black_box(black_box(a) * black_box(b)),
    div: |a, b| black_box(black_box(a) / black_box(b)),
    sqrt: |a| black_box(black_box(a).sqrt()),
    multiply_subtract: |a, b, c| black_box(black_box(a) * black_box(b) - black_box(c)),
};

/// What the machine does otherwise than assumed.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Defect {
    Rounding,
    DoubleRounding,
    Subnormals,
    Contraction,
    ErrorFree,
    Functions,
}

/// Whether the fast tier may be used here.
pub(super) fn is_sound() -> bool {
    static SOUND: OnceLock<bool> = OnceLock::new();
    *SOUND.get_or_init(|| defect(&OWN).is_none())
}

fn defect(machine: &Arithmetic) -> Option<Defect> {
    let (u, ulp) = (f64::EPSILON / 2.0, f64::EPSILON);
    let (add, mul, div) = (machine.add, machine.mul, machine.div);
    // Ties go to even, what is above a tie goes up and what is below it down, on both sides of 0.
    let nearest = [1.0, -1.0].into_iter().all(|sign: f64| {
        add(sign, sign * u) == sign
            && add(sign * (1.0 + ulp), sign * u) == sign * (1.0 + 2.0 * ulp)
            && add(sign, sign * u * (1.0 + ulp)) == sign * (1.0 + ulp)
            && add(sign, sign * u * (1.0 - u)) == sign
            && div(sign, 3.0) == sign * f64::from_bits(0x3fd5555555555555)
            && mul(sign * (1.0 + ulp), 1.0 + ulp) == sign * (1.0 + 2.0 * ulp)
    });
    if !nearest || (machine.sqrt)(2.0) != std::f64::consts::SQRT_2 {
        return Some(Defect::Rounding);
    }
    // In 64 bits first, the sum would be a tie, and then go down.
    if add(1.0, u + u * u * 2f64.powi(20)) != 1.0 + ulp {
        return Some(Defect::DoubleRounding);
    }
    let least = f64::from_bits(1);
    let kept = mul(f64::MIN_POSITIVE, 0.5) == f64::from_bits(1 << 51)
        && add(f64::MIN_POSITIVE, -f64::MIN_POSITIVE * 0.75) == f64::from_bits(1 << 50)
        && mul(least, 1.0) == least
        && add(least, least) == f64::from_bits(2);
    if !kept {
        return Some(Defect::Subnormals);
    }
    // (1 + 2^−30)² is 1 + 2^−29 rounded; in one operation 2^−60 would be left.
    let a = 1.0 + 2f64.powi(-30);
    if (machine.multiply_subtract)(a, a, 1.0 + 2f64.powi(-29)) != 0.0 {
        return Some(Defect::Contraction);
    }
    if two_product(black_box(a), black_box(a)) != (1.0 + 2f64.powi(-29), 2f64.powi(-60)) {
        return Some(Defect::ErrorFree);
    }
    let right = HARD.iter().all(|&(f, x, y)| f(black_box(f64::from_bits(x))).to_bits() == y);
    (!right).then_some(Defect::Functions)
}

type HardCase = (fn(f64) -> f64, u64, u64);

const HARD: [HardCase; 0] = [];
