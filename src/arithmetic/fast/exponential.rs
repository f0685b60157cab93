//! e^x of f64 by a table and a polynomial, cheaper than a correctly rounded one and with a bound that is proved here: all that
//! a ball of f64 needs.

use rug::Float;
use std::sync::LazyLock;

/// Steps of the table in an octave.
const STEPS: usize = 128;
/// From −LARGEST to LARGEST the result is a normal number, far from the ends of the range.
pub(super) const LARGEST: f64 = 600.0;
/// |e^x − y| ≤ 2.25u·y, u = 2^−53, for |x| ≤ [`LARGEST`].
///
/// Let h = ln 2/128, x = nh + r with n the integer nearest to x/h, |n| < 2^17, |r| < h/2 + 2^−42 < 2^−8.5 (the product x·128/ln 2 is off by
/// 2u|n| at most). C₁ has 36 bits of
/// h, so nC₁ is exact; C₂ is the rest, up to 2^−96. x − nC₁ is exact by Sterbenz's lemma but for |n| ≤ 1, where its error is
/// at most u|r|; nC₂ is below 2^−26 and its rounding below 2^−79; the second difference rounds by at most u|r|. So r is off by less
/// than 2u|r| + 2^−78 < 2^−60. The series stops before r⁶/720 < 2^−60.5; its quadratic part is below 2^−18 and its few
/// roundings below 2^−69; r + … rounds by u·2^−8.4. So p = e^r − 1 is off by less than 2^−60 + 2^−60.5 + 2^−61.4 + 2^−69
/// < 2^−58.9. T is rounded, u; T·p rounds by u·2^−8.4 at most, T + Tp by u: together, relative to y, at most
/// (2 + 2^−8 + 2^−5.9 + 2^−8)·u < 2.03u.
pub(super) const ERROR: f64 = 2.25 * super::ball::U;

/// |e^x − (h + l)| ≤ 2^−58.2·h for the pair of [`Table::exp_pair`], |x| ≤ [`LARGEST`].
///
/// With T = T₁ + T₂ to within 2^−106 and p as above, e^x = T₁ + T₁(e^r − 1) + T₂ + T₂(e^r − 1) but for the power of two. p is off by
/// 2^−58.9; T₁p and its sum with T₂ round by u·2^−8.4 each; T₂(e^r − 1), below u·2^−8.4, is left out: together, relative to T₁,
/// below 2^−58.9·(1 + 3·2^−2.5) + 2^−106 < 2^−58.28; relative to h at most 1 + 2^−8.3 times that.
pub(super) const PAIR_ERROR: f64 = 1.75 * super::ball::power(-59);

pub(super) struct Table {
    /// 2^(j/128), correctly rounded.
    powers: [f64; STEPS],
    /// What the rounding left of them.
    rests: [f64; STEPS],
    /// 128/ln 2.
    per_step: f64,
    /// ln 2/128 in two parts.
    step: [f64; 2],
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let ln_2 = Float::with_val(200, rug::float::Constant::Log2);
    let step = Float::with_val(200, &ln_2 / STEPS as u32);
    let first = Float::with_val(36, &step).to_f64();
    let exact = |j: usize| Float::with_val(200, Float::with_val(60, j as f64 / STEPS as f64).exp2_ref());
    let powers = std::array::from_fn(|j| exact(j).to_f64());
    Table {
        powers,
        rests: std::array::from_fn(|j| (exact(j) - powers[j]).to_f64()),
        per_step: Float::with_val(53, step.recip_ref()).to_f64(),
        step: [first, Float::with_val(53, &step - first).to_f64()],
    }
});

/// The table, made once.
pub(super) fn table() -> &'static Table {
    &TABLE
}

impl Table {
    /// e^x for |x| ≤ [`LARGEST`], to within [`ERROR`]; e^0 is 1.
    #[inline(always)]
    pub fn exp(&self, x: f64) -> f64 {
        let (at, p) = self.reduced(x);
        let power = self.powers[at as usize % STEPS];
        scaled(power + power * p, at)
    }

    /// e^x for |x| ≤ [`LARGEST`] as h + l, h the sum rounded, to within [`PAIR_ERROR`].
    ///
    /// Where n is not 0, p has no bits below 2^−140, so that what is scaled by no less than 2^−866 is scaled exactly.
    #[inline(always)]
    pub fn exp_pair(&self, x: f64) -> (f64, f64) {
        let (at, p) = self.reduced(x);
        let power = self.powers[at as usize % STEPS];
        let low = power * p + self.rests[at as usize % STEPS];
        let high = power + low;
        let two = scaled(1.0, at);
        (high * two, (low - (high - power)) * two)
    }

    /// The number n of steps in x, and e^r − 1 of the rest.
    #[inline(always)]
    fn reduced(&self, x: f64) -> (i64, f64) {
        // Added to a number below 2^51 it leaves the nearest integer in the last bits.
        const SHIFT: f64 = 6_755_399_441_055_744.0;
        let shifted = x * self.per_step + SHIFT;
        let n = shifted - SHIFT;
        let at = shifted.to_bits().wrapping_sub(SHIFT.to_bits()) as i64;
        let r = (x - n * self.step[0]) - n * self.step[1];
        (at, r + r * r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0)))))
    }
}

/// y·2^⌊n/128⌋ of a y in [1/2, 2], by its exponent.
#[inline(always)]
fn scaled(y: f64, n: i64) -> f64 {
    f64::from_bits(y.to_bits().wrapping_add(((n >> STEPS.trailing_zeros()) << 52) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The error of the value in u of it.
    fn error(x: f64) -> f64 {
        let y = table().exp(x);
        let exact = Float::with_val(200, x).exp();
        ((exact - y) / y / super::super::ball::U).to_f64().abs()
    }

    /// The error of the pair over its high part.
    fn pair_error(x: f64) -> f64 {
        let (high, low) = table().exp_pair(x);
        assert_eq!(high + low, high);
        let exact = Float::with_val(200, x).exp();
        ((exact - high - low) / high).to_f64().abs()
    }

    #[test]
    fn the_errors_are_within_their_bounds_and_near_what_the_roundings_make() {
        let step = std::f64::consts::LN_2 / STEPS as f64;
        let mut state = 5u64;
        let (mut most, mut most_of_pair) = (0.0f64, 0.0f64);
        for round in 0..200_000u32 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let unit = (state >> 11) as f64 / (1u64 << 53) as f64 * 2.0 - 1.0;
            let x = match round % 4 {
                0 => unit * LARGEST,
                1 => unit * 8.0,
                // At the ends of a step.
                2 => ((unit * 1e5).round() + 0.5) * step * (1.0 + unit * 1e-15),
                _ => unit * step,
            };
            let x = x.clamp(-LARGEST, LARGEST);
            most = most.max(error(x));
            most_of_pair = most_of_pair.max(pair_error(x));
        }
        assert!(most < ERROR / super::super::ball::U && most > 1.2, "{most}");
        assert!(
            most_of_pair < PAIR_ERROR && most_of_pair > 0.25 * PAIR_ERROR,
            "{}",
            most_of_pair / PAIR_ERROR
        );
        assert_eq!(table().exp(0.0), 1.0);
        assert_eq!(table().exp_pair(0.0), (1.0, 0.0));
    }

    /// The table's first entry that was rounded up or down by nearly half a unit shows a wrong one.
    #[test]
    fn the_powers_are_correctly_rounded() {
        for (j, power) in table().powers.iter().enumerate() {
            let exact = Float::with_val(200, Float::with_val(60, j as f64 / STEPS as f64).exp2_ref());
            assert_eq!(exact.to_f64(), *power);
        }
    }
}
