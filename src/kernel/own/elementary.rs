//! Elementary functions of [`Wide`] numbers, in f32 arithmetic alone, so that every machine gives the same bits.
//!
//! Relative error of exp, ln, ln_1p below 2^−40 for |x| ≤ 128, and about |x|·2^−47 for exp beyond. Series with the
//! leading terms in double words and the rest in f32, where its rounding no longer matters.

use super::wide::{Double, Wide};

const LN_2: Double = Double::constant(std::f64::consts::LN_2);

/// From this binary exponent on an argument of exp is too far out for any answer: e^(2^21).
const EXP_LIMIT: i32 = 21;

/// Below this binary exponent x² is less than 2^−60 of x and a series is its first two terms.
const TINY: i32 = -30;

/// The nearest integer to x, for |x| < 2^22: adding 1.5·2^23 leaves no room for a fraction.
fn nearest_integer(x: f32) -> f32 {
    const SHIFT: f32 = 12_582_912.0;
    (x + SHIFT) - SHIFT
}

/// Σ cᵢ·xⁱ: the coefficients from `leading` in double words, the later ones from `rest` in f32, lowest power first.
fn polynomial(x: Double, leading: &[Double], rest: &[f32]) -> Double {
    let tail = rest.iter().rev().fold(0.0f32, |sum, &c| sum.mul_add(x.hi, c));
    let tail = Double { hi: tail, lo: 0.0 };
    leading.iter().rev().fold(tail, |sum, &c| sum.times(x).plus(c))
}

/// e^x; 0 at −∞, ∞ at ∞, NaN for NaN.
///
/// x = k·ln 2 + r with |r| ≤ ½ ln 2, and Taylor's series of e^r: the first six terms in double words, where the f32
/// rounding of the seventh is 2^−24·r⁶/720 < 2^−42.
pub(super) fn exp(x: Wide) -> Wide {
    const LEADING: [Double; 6] = [
        Double::constant(1.0),
        Double::constant(1.0),
        Double::constant(1.0 / 2.0),
        Double::constant(1.0 / 6.0),
        Double::constant(1.0 / 24.0),
        Double::constant(1.0 / 120.0),
    ];
    const REST: [f32; 6] =
        [1.0 / 720.0, 1.0 / 5040.0, 1.0 / 40320.0, 1.0 / 362880.0, 1.0 / 3628800.0, 1.0 / 39916800.0];
    if x.is_nan() {
        return Wide::NAN;
    }
    if !x.is_finite() || x.exponent() >= EXP_LIMIT {
        return if x.is_negative() { Wide::ZERO } else { Wide::INFINITY };
    }
    if x.exponent() < TINY {
        return Wide::ONE + x;
    }
    let x = x.plain();
    let k = nearest_integer(x.hi * std::f32::consts::LOG2_E);
    let r = x.plus(LN_2.times(Double { hi: -k, lo: 0.0 }));
    Wide::scaled(polynomial(r, &LEADING, &REST), k as i32)
}

/// ln(1 + f) for f in [−0.3, 0.5]: 2·atanh(f/(2 + f)) by its series.
fn ln_near_one(f: Wide) -> Wide {
    const LEADING: [Double; 4] = [
        Double::constant(1.0),
        Double::constant(1.0 / 3.0),
        Double::constant(1.0 / 5.0),
        Double::constant(1.0 / 7.0),
    ];
    const REST: [f32; 5] = [1.0 / 9.0, 1.0 / 11.0, 1.0 / 13.0, 1.0 / 15.0, 1.0 / 17.0];
    if f.is_zero() {
        return f;
    }
    if f.exponent() < TINY {
        return f - (f * f).times_power_of_two(-1);
    }
    let s = f / (Wide::ONE + Wide::ONE + f);
    let series = polynomial((s * s).plain(), &LEADING, &REST);
    (s * Wide::scaled(series, 0)).times_power_of_two(1)
}

/// ln x; −∞ at 0, NaN below 0, ∞ at ∞.
pub(super) fn ln(x: Wide) -> Wide {
    if x.is_zero() {
        return -Wide::INFINITY;
    }
    if x.is_negative() || !x.is_finite() {
        return if x.is_positive() { x } else { Wide::NAN };
    }
    let (mut k, mut mantissa) = (x.exponent(), Wide::scaled(x.mantissa(), 0));
    if x.mantissa().hi > std::f32::consts::SQRT_2 {
        (k, mantissa) = (k + 1, mantissa.times_power_of_two(-1));
    }
    ln_near_one(mantissa - Wide::ONE) + Wide::new(k as f32) * Wide::scaled(LN_2, 0)
}

/// ln(1 + x) for x ≥ −1, without losing a small x.
pub(super) fn ln_1p(x: Wide) -> Wide {
    // Up to ½, and down to −¼.
    let near = if x.is_negative() { -2 } else { -1 };
    if x.is_zero() || x.is_finite() && x.exponent() < near {
        return ln_near_one(x);
    }
    ln(Wide::ONE + x)
}

/// x^p for x ≥ 0 and p > 0.
pub(super) fn pow(x: Wide, p: Wide) -> Wide {
    if x.is_zero() || x.is_nan() { x } else { exp(p * ln(x)) }
}

/// ln(1 + e^x), of high relative accuracy on both sides.
pub(super) fn softplus(x: Wide) -> Wide {
    let tail = ln_1p(exp(-x.abs()));
    if x.is_positive() { x + tail } else { tail }
}

/// sinh x for |x| < 1, by Taylor's series: four terms in double words, where the f32 rounding of the fifth is
/// 2^−24/362880 < 2^−42.
fn sinh_below_one(x: Wide) -> Wide {
    const LEADING: [Double; 4] = [
        Double::constant(1.0),
        Double::constant(1.0 / 6.0),
        Double::constant(1.0 / 120.0),
        Double::constant(1.0 / 5040.0),
    ];
    const REST: [f32; 4] = [1.0 / 362880.0, 1.0 / 39916800.0, 1.0 / 6227020800.0, 1.0 / 1307674368000.0];
    if x.is_zero() || x.exponent() < TINY {
        return x;
    }
    x * Wide::scaled(polynomial((x * x).plain(), &LEADING, &REST), 0)
}

/// Whether |x| < 1; false for NaN.
fn is_below_one(x: Wide) -> bool {
    x.is_zero() || x.is_finite() && x.exponent() < 0
}

/// ln cosh x, of high relative accuracy also near 0: there as ½·ln(1 + sinh² x).
pub(super) fn log_cosh(x: Wide) -> Wide {
    if is_below_one(x) {
        let s = sinh_below_one(x);
        return ln_1p(s * s).times_power_of_two(-1);
    }
    let size = x.abs();
    size - Wide::scaled(LN_2, 0) + ln_1p(exp(-size.times_power_of_two(1)))
}

/// tanh x, of high relative accuracy also near 0: there as sinh x/√(1 + sinh² x).
pub(super) fn tanh(x: Wide) -> Wide {
    if is_below_one(x) {
        let s = sinh_below_one(x);
        return s / (Wide::ONE + s * s).sqrt();
    }
    let e = exp(-x.abs().times_power_of_two(1));
    x.sign() * ((Wide::ONE - e) / (Wide::ONE + e))
}

/// 1/(1 + e^−x), of high relative accuracy on both sides.
pub(super) fn sigmoid(x: Wide) -> Wide {
    let e = exp(-x.abs());
    if x.is_negative() { e / (Wide::ONE + e) } else { Wide::ONE / (Wide::ONE + e) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::own::testing::Random;

    fn close(got: Wide, want: f64, bound: f64, what: &str) {
        let error = (got.to_f64() - want).abs();
        assert!(error <= bound * want.abs(), "{what}: {} is not {want}", got.to_f64());
    }

    #[test]
    fn functions_keep_40_bits() {
        let bound = 2f64.powi(-40);
        let mut random = Random::new(2);
        for _ in 0..20_000 {
            let x = random.uniform(-100.0, 100.0);
            let (wide, x) = (Wide::new(x), f64::from(x));
            close(exp(wide), x.exp(), bound, "exp");
            close(softplus(wide), x.max(0.0) + (-x.abs()).exp().ln_1p(), bound, "softplus");
            let e = (-x.abs()).exp();
            close(sigmoid(wide), if x < 0.0 { e } else { 1.0 } / (1.0 + e), bound, "sigmoid");
            let y = random.wide_range().abs();
            close(ln(Wide::new(y)), f64::from(y).ln(), bound, "ln");
            close(ln_1p(Wide::new(y)), f64::from(y).ln_1p(), bound, "ln_1p");
            // Near 0 f64's own functions lose it, and two terms of the series are enough.
            let small = random.uniform(-1e-3, 1e-3);
            let square = f64::from(small) * f64::from(small);
            close(
                log_cosh(Wide::new(small)),
                square / 2.0 - square * square / 12.0,
                bound,
                "log_cosh near 0",
            );
            close(tanh(Wide::new(small)), f64::from(small).tanh(), bound, "tanh near 0");
            if x.abs() > 0.1 {
                let want = x.abs() + (-2.0 * x.abs()).exp().ln_1p() - std::f64::consts::LN_2;
                close(log_cosh(wide), want, bound, "log_cosh");
            }
            close(tanh(wide), x.tanh(), bound, "tanh");
            let near = 1.0 + random.uniform(-1e-3, 1e-3);
            close(ln(Wide::new(near)), (f64::from(near) - 1.0).ln_1p(), bound, "ln near 1");
            let unit = random.uniform(0.0, 0.6);
            close(ln_1p(Wide::new(unit)), f64::from(unit).ln_1p(), bound, "ln_1p");
            let p = random.uniform(1.0, 8.0);
            close(pow(Wide::new(unit), Wide::new(p)), f64::from(unit).powf(f64::from(p)), bound, "pow");
        }
    }

    #[test]
    fn exp_has_no_end_in_range() {
        let far = exp(Wide::new(-500.0));
        close(far, (-500f64).exp(), 2f64.powi(-38), "exp(-500)");
        assert!(exp(Wide::new(-3e38)).is_zero() && !exp(Wide::new(3e38)).is_finite());
        assert!(exp(-Wide::INFINITY).is_zero() && exp(Wide::NAN).is_nan());
        assert!(ln(-Wide::ONE).is_nan() && !ln(Wide::ZERO).is_finite());
        assert!(ln_1p(Wide::NAN).is_nan() && ln_1p(Wide::ZERO).is_zero());
        close(ln_1p(exp(Wide::new(-20.0))), 2.061153620314381e-9, 2f64.powi(-40), "log1p(e^-20)");
    }
}
