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
    // In 64 bits first, the sum would be a tie, and then go down.
    if add(1.0, u) == 1.0 && add(1.0, u + u * 2f64.powi(-33)) == 1.0 {
        return Some(Defect::DoubleRounding);
    }
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

/// A function, an argument and the correctly rounded value, as bits.
type HardCase = (fn(f64) -> f64, u64, u64);

/// The two hardest of 2^18 arguments of (0, 3) each: the value is within 2^−15 ulp of the middle between two numbers.
const HARD: [HardCase; 12] = [
    (core_math::exp, 0x3fde11089d268984, 0x3ff99832a4a1841d),
    (core_math::exp, 0x3ff9c074120840da, 0x4014003ea1036f0a),
    (core_math::expm1, 0x3ffde77906eedce8, 0x4015ed742e8d1704),
    (core_math::expm1, 0x3faa46b7addc0510, 0x3faaf6519d2a62bc),
    (core_math::log, 0x3ffe576530fbd37e, 0x3fe47a41e172fa9b),
    (core_math::log, 0x3ff923f70c45a706, 0x3fdcebc7d7d7d7d5),
    (core_math::log1p, 0x3ff9aa83e08a5cb7, 0x3feea08d13ea4385),
    (core_math::log1p, 0x3fdb4df2a7dfcb90, 0x3fd6bd82bc92c439),
    (core_math::tanh, 0x4000dfa8c1c24220, 0x3fef124b9f689ba4),
    (core_math::tanh, 0x3ff55258084b56bd, 0x3febd6176487de4f),
    (core_math::sinh, 0x3fdd7e95fa39c1d2, 0x3fde8cb574bae07e),
    (core_math::sinh, 0x3ffbc0a83485c313, 0x4005f5916aa06e53),
];

#[cfg(test)]
mod tests {
    use super::super::ball::two_sum;
    use super::*;
    use rug::Float;

    #[test]
    fn this_machine_is_sound() {
        assert_eq!(defect(&OWN), None);
        assert!(is_sound());
    }

    #[test]
    fn the_hard_cases_are_hard_and_mpfr_agrees() {
        let exact: [fn(&mut Float); 6] = [
            Float::exp_mut,
            Float::exp_m1_mut,
            Float::ln_mut,
            Float::ln_1p_mut,
            Float::tanh_mut,
            Float::sinh_mut,
        ];
        for (at, (_, x, y)) in HARD.iter().enumerate() {
            let mut value = Float::with_val(200, f64::from_bits(*x));
            exact[at / 2](&mut value);
            assert_eq!(value.to_f64().to_bits(), *y);
            let ulp = value.get_exp().expect("a number") - 53;
            let off = Float::with_val(200, &value - f64::from_bits(*y)) >> ulp;
            assert!(off.to_f64().abs() > 0.5 - 2f64.powi(-15), "{off}");
        }
    }

    /// The sum rounded up, as under a mode that somebody set and forgot.
    fn add_upward(a: f64, b: f64) -> f64 {
        let (s, e) = two_sum(a, b);
        if e > 0.0 { s.next_up() } else { s }
    }

    /// Numbers below the normal ones are flushed to 0.
    fn flushed(x: f64) -> f64 {
        if x.is_subnormal() { 0.0 } else { x }
    }

    /// Rounded to 64 bits first, as x87 does: near a tie the first rounding makes it one.
    fn add_twice_rounded(a: f64, b: f64) -> f64 {
        let extended = Float::with_val(64, Float::with_val(300, a) + b);
        extended.to_f64()
    }

    #[test]
    fn every_defect_is_found() {
        let machine = || Arithmetic { ..OWN };
        let rounding = Arithmetic { add: add_upward, ..machine() };
        let twice = Arithmetic { add: add_twice_rounded, ..machine() };
        let by_product = Arithmetic { mul: |a, b| flushed(a * b), ..machine() };
        let by_sum = Arithmetic { add: |a, b| flushed(a + b), ..machine() };
        let by_operand = Arithmetic { mul: |a, b| flushed(a) * flushed(b), ..machine() };
        let contracted = Arithmetic { multiply_subtract: |a, b, c| a.mul_add(b, -c), ..machine() };
        let sloppy_root = Arithmetic { sqrt: |x| x.sqrt().next_up(), ..machine() };
        let sloppy_quotient = Arithmetic { div: |a, b| a * (1.0 / b) * (1.0 - f64::EPSILON), ..machine() };
        for (machine, expected) in [
            (rounding, Defect::Rounding),
            (twice, Defect::DoubleRounding),
            (by_product, Defect::Subnormals),
            (by_sum, Defect::Subnormals),
            (by_operand, Defect::Subnormals),
            (contracted, Defect::Contraction),
            (sloppy_root, Defect::Rounding),
            (sloppy_quotient, Defect::Rounding),
        ] {
            assert_eq!(defect(&machine), Some(expected));
        }
    }
}
