//! Elementary functions of double-doubles, each with a bound of its error that is proved here. Logarithms are CORE-MATH's, made
//! better by one exponential.
//!
//! *Sound*: a value y comes with a bound of |f(x) − y|, infinite where there is none. Errors of sums and products: see
//! [`Double::plus`] (4u² of the larger term) and [`BASIC`] (in truth 8u²). u² = 2^−106.

use super::ball::{UP, power, two_sum};
use super::double::{BASIC, Double};
use super::exponential::LARGEST;
use rug::Float;
use std::sync::LazyLock;

/// Steps of the table in an octave.
const STEPS: usize = 64;
/// 2^−800: below it nothing is known here.
const LEAST: f64 = power(-800);

struct Table {
    /// 2^(j/64).
    powers: [Double; STEPS],
    /// 64/ln 2.
    per_step: f64,
    /// ln 2/64 in three parts, the first two of 36 bits.
    step: [f64; 3],
    /// 1/2!, 1/3!, 1/4!, 1/5!.
    terms: [Double; 4],
}

/// The nearest double-double, to within 2^−106 of it.
fn double(x: &Float) -> Double {
    let high = x.to_f64();
    Double { high, low: Float::with_val(200, x - high).to_f64() }
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let step = Float::with_val(300, rug::float::Constant::Log2) / STEPS as u32;
    let first = Float::with_val(36, &step).to_f64();
    let rest = Float::with_val(300, &step - first);
    let second = Float::with_val(36, &rest).to_f64();
    let factorial = |k: u32| Float::with_val(200, (2..=k).product::<u32>()).recip();
    Table {
        powers: std::array::from_fn(|j| {
            double(&Float::with_val(200, Float::with_val(60, j as f64 / STEPS as f64).exp2_ref()))
        }),
        per_step: Float::with_val(53, step.recip_ref()).to_f64(),
        step: [first, second, Float::with_val(53, &rest - second).to_f64()],
        terms: [2, 3, 4, 5].map(|k| double(&factorial(k))),
    }
});

/// e^r − 1 for |r| ≤ [`REACH`] < 2^−7.5, to within 2^−96·|r|.
///
/// r + r²(1/2! + r(1/3! + r(1/4! + r(1/5! + r·t)))), t the series from r⁶/6! to r¹⁰/10!, in f64. Left out is r¹¹/11!·(1 + 2^−9), at
/// most |r|·2^−75·2^−25.2 = 2^−100.2·|r|. The roundings of t, below 2^−50·2^−9.4, enter as r⁶: 2^−37.5 − 59.4 = 2^−96.9·|r|. The parenthesis has fewer than 30u² of relative error, its
/// product with r² 30u² more, of at most |r|·2^−8.5: 2^−108·|r|; the last sum 4u²: 2^−104·|r|. Together below 2^−96.7·|r|.
fn small_expm1(r: Double) -> Double {
    let table = &*TABLE;
    let x = r.high;
    let t =
        1.0 / 720.0 + x * (1.0 / 5040.0 + x * (1.0 / 40320.0 + x * (1.0 / 362880.0 + x * (1.0 / 3628800.0))));
    let mut sum = Double { high: t, low: 0.0 };
    for term in table.terms.iter().rev() {
        sum = sum.times(r).plus(*term);
    }
    r.plus(r.times(r).times(sum))
}

/// The bound of [`small_expm1`] over |r|.
const SMALL_ERROR: f64 = power(-96);
/// ln 2/128 and a little more: where [`small_expm1`] holds.
const REACH: f64 = 0.005_415_5;

/// e^x, to within 2^−100 of it.
///
/// x = n·ln 2/64 + r with n the nearest integer, |n| < 2^16. n·C₁ and n·C₂ are exact; n·C₃ rounds by 2^−53·2^16·2^−79 and the
/// parts leave out 2^−130·2^16, both below 2^−114. Sums of terms below 2^−6 err by 4u²·2^−6 = 2^−110 each (the first is
/// exact). So r is off by 2^−107.9 at most; e^r − 1 by 2^−96.7·2^−7.5 = 2^−104.2; adding 1 by 2^−104; the table by 2^−106, the
/// product by 8u² = 2^−103: together below 2^−101.6.
pub(super) fn exp(x: Double) -> (Double, f64) {
    if x.high.is_nan() || x.high.abs() > LARGEST {
        return (Double::default(), f64::INFINITY);
    }
    let table = &*TABLE;
    let n = (x.high * table.per_step).round_ties_even();
    let (a, b) = two_sum(x.high, -n * table.step[0]);
    let r = Double { high: a, low: b }
        .plus(Double::of_sum(-n * table.step[1], x.low))
        .plus(Double { high: -n * table.step[2], low: 0.0 });
    let at = n as i64;
    let power_of_two = power((at >> STEPS.trailing_zeros()) as i32);
    let part = table.powers[at as usize % STEPS];
    let y = part.times(Double { high: 1.0, low: 0.0 }.plus(small_expm1(r)));
    let y = Double { high: y.high * power_of_two, low: y.low * power_of_two };
    (y, power(-100) * y.high * UP)
}

/// e^x − 1: near 0 the series; elsewhere e^x − 1, whose sum errs by 4u² of the larger term.
pub(super) fn expm1(x: Double) -> (Double, f64) {
    if x.high.abs() <= REACH {
        if x.high.abs() < LEAST {
            return (x, f64::INFINITY);
        }
        return (small_expm1(x), SMALL_ERROR * x.high.abs() * UP);
    }
    let (y, error) = exp(x);
    let (y, lost) = y.sum(Double { high: -1.0, low: 0.0 });
    (y, (error + lost) * UP)
}

/// ln x of x > 0: near 1 by [`ln_1p`]; elsewhere y₀ + ln(x·e^−y₀), y₀ CORE-MATH's.
///
/// y₀ is within u|y₀| of ln xh, so z = x·e^−y₀ − 1 is within 601u + 2u < 2^−43.6 of 0, and ln(1 + z) within |z|³ < 2^−130 of z − z²/2.
/// z errs by 2^−100 + 8u² for the exponential and the product, near 1, and 4u²; its square by 2^−87·2^−51; the last sum by 4u²|y₀|.
/// Together below 2^−99.5 + 2^−103|y₀|.
pub(super) fn ln(x: Double) -> (Double, f64) {
    let one = Double { high: -1.0, low: 0.0 };
    if x.high > 0.75 && x.high < 1.5 {
        // Exact: xh − 1 by Sterbenz's lemma.
        return ln_1p(Double::of_sum(x.high - 1.0, x.low));
    }
    let first = core_math::log(x.high);
    let (e, _) = exp(Double { high: -first, low: 0.0 });
    if first.is_nan() || first.abs() >= LARGEST {
        return (Double::default(), f64::INFINITY);
    }
    let z = x.times(e).plus(one);
    let y = Double { high: first, low: 0.0 }.plus(z.plus(Double { high: -0.5 * z.high * z.high, low: 0.0 }));
    (y, power(-98) + power(-102) * first.abs())
}

/// ln(1 + x) of x > −1: y₀ + ln((1 + x)·e^−y₀) near 0, where (1 + x)·e^−y₀ − 1 = x + m + x·m with m = e^−y₀ − 1; elsewhere ln of 1 + x.
///
/// −0.25 ≤ x ≤ 0.5 there, so |x| ≤ 1.24|y₀|, |m| ≤ 1.2|y₀| and |z| < 4u|y₀|, |z|³ < 2^−150|y₀|. m errs by its bound, which enters with
/// the factor 1 + x; the product by 8u²·0.5·1.24|y₀|, three sums by 4u²·1.25|y₀| each: together below 1.5·bound + 20u²|y₀|.
pub(super) fn ln_1p(x: Double) -> (Double, f64) {
    if !(-0.25..=0.5).contains(&x.high) {
        let (sum, lost) = x.sum(Double { high: 1.0, low: 0.0 });
        if sum.high.is_nan() || sum.high <= 0.0 {
            return (Double::default(), f64::INFINITY);
        }
        let (y, error) = ln(sum);
        // |ln(s + δ) − ln s| ≤ 2|δ|/s for |δ| ≤ s/2.
        return (y, (error + 2.0 * lost / sum.high) * UP);
    }
    if x.high.abs() < LEAST {
        return (x, f64::INFINITY);
    }
    let first = core_math::log1p(x.high);
    let (m, error) = expm1(Double { high: -first, low: 0.0 });
    let z = x.plus(m).plus(x.times(m));
    let y = Double { high: first, low: 0.0 }.plus(z.plus(Double { high: -0.5 * z.high * z.high, low: 0.0 }));
    (y, (1.5 * error + BASIC * first.abs()) * UP)
}

/// tanh x = −t/(2 + t) with t = e^(−2|x|) − 1, −1 < t ≤ 0: its derivative by t is −2/(2 + t)², at most 2.
pub(super) fn tanh(x: Double) -> (Double, f64) {
    let size = x.high.abs();
    let signed = |y: Double| if x.high < 0.0 { Double { high: -y.high, low: -y.low } } else { y };
    if size > LARGEST / 4.0 {
        return (signed(Double { high: 1.0, low: 0.0 }), power(-400));
    }
    let twice = signed(Double { high: -2.0 * x.high, low: -2.0 * x.low });
    let (t, error) = expm1(twice);
    let (y, more) = over(Double { high: -t.high, low: -t.low }, t.plus(Double { high: 2.0, low: 0.0 }));
    (signed(y), (2.0 * error + more) * UP)
}

/// sinh x = ½(m + m/(1 + m)) with m = e^x − 1, for |x| < 1: its derivative by m is ½(1 + 1/(1 + m)²) < 5.
pub(super) fn sinh(x: Double) -> (Double, f64) {
    let (m, error) = expm1(x);
    let (q, more) = over(m, m.plus(Double { high: 1.0, low: 0.0 }));
    let y = m.plus(q);
    let y = Double { high: 0.5 * y.high, low: 0.5 * y.low };
    (y, (5.0 * error + more + BASIC * y.high.abs()) * UP)
}

/// a/b of a b that errs by 7u² at most and is above 0.36, with a bound of the error: 15u² and 20u².
fn over(a: Double, b: Double) -> (Double, f64) {
    let (q, _) = a.over(b);
    (q, 2.0 * BASIC * q.high.abs())
}
