//! bce and focal_sigmoid.

use super::amount::Amount;
use super::real::Real;
use super::reduction::{reduce, weights};
use super::{Derivation, Skip};
use crate::case::Case;
use std::cmp::Ordering;

/// The f32 nearest to 10⁻¹², by which PyTorch's backward divides at least: 9223372 · 2⁻⁶³.
fn pytorch_floor() -> Real {
    Real::of(9_223_372.0) / (Real::of(2f64.powi(40)) * Real::of(2f64.powi(23)))
}

/// w·(y·a + (1 − y)·b), a = ln(1 + (1−p)/p) = −ln p and b = ln(1 + p/(1−p)) = −ln(1 − p), a term with factor 0 left out.
/// ∂p: w·((1 − y)/(1 − p) − y/p). ∂y: w·(a − b).
///
/// A log_clamp c bounds a and b by −c, their derivatives then 0, or PyTorch's. A probability_clip puts the nearest number of
/// [ε, 1−ε] for p, its derivative 0 outside and [0, 1] at the ends.
pub(super) fn bce(case: &Case) -> Result<Derivation, Skip> {
    let (probability, target) = (case.input("probability"), case.input("target").floats());
    let weights = weights(case, "weight", probability.len());
    let pairs = probability.floats().iter().zip(target).enumerate();
    let local: Vec<[Amount; 3]> = pairs
        .map(|(element, (&p, &y))| {
            let [value, by_p, by_y] = of_probability(case, p, y);
            [weights[element] * value, weights[element] * by_p, weights[element] * by_y]
        })
        .collect();
    Ok(derivation(case, &local, ["probability", "target"]))
}

/// The reduced loss of elements, each with its derivatives by two inputs.
fn derivation(case: &Case, local: &[[Amount; 3]], inputs: [&'static str; 2]) -> Derivation {
    let terms: Vec<_> = local.iter().map(|&[value, ..]| Some(value)).collect();
    let reduced = reduce(case, &terms, Amount::Number(Real::count(local.len())));
    let gradient = |which: usize| -> Vec<Amount> {
        local.iter().enumerate().map(|(element, local)| reduced.gradient(element, local[which])).collect()
    };
    let gradients = vec![(inputs[0], gradient(1)), (inputs[1], gradient(2))];
    Derivation { loss: reduced.loss, gradients }
}

/// p and 1 − p, clipped, and the derivative of the clip.
fn clipped(p: f64, clip: Option<f64>) -> (Real, Real, Amount) {
    let (real, rest) = (Real::of(p), Real::sum_of(&[1.0, -p]));
    let Some(clip) = clip else { return (real, rest, Amount::Number(Real::ONE)) };
    let (low, high) = (Real::of(clip), Real::sum_of(&[1.0, -clip]));
    // The signs of exact sums of floats.
    let (above, below) = (Real::sum_of(&[p, -clip]), Real::sum_of(&[1.0, -clip, -p]));
    let is_below_zero = |x: Real| (-x).is_above_zero();
    match () {
        _ if is_below_zero(above) => (low, high, Amount::ZERO),
        _ if is_below_zero(below) => (high, low, Amount::ZERO),
        _ if above.is_exact_zero() || below.is_exact_zero() => (real, rest, Amount::share(true)),
        _ => (real, rest, Amount::Number(Real::ONE)),
    }
}

/// A surprise −ln p, bounded, and whether it is beyond the bound.
fn bounded(surprise: Amount, most: Option<Real>) -> (Amount, bool) {
    match (surprise, most) {
        (Amount::Infinite { .. }, Some(most)) => (Amount::Number(most), true),
        (Amount::Number(x), Some(most)) => match x.order(most) {
            Some(Ordering::Less) => (surprise, false),
            Some(Ordering::Greater) => (Amount::Number(most), true),
            // Equal to 36 digits, which no p but one is: another opinion is worth nothing here.
            _ => (Amount::Number(Real::LOST), false),
        },
        _ => (surprise, false),
    }
}

/// The loss of one element, ∂p and ∂y.
fn of_probability(case: &Case, p: f64, y: f64) -> [Amount; 3] {
    let clip = case.params.number("probability_clip").filter(|&clip| clip > 0.0);
    let clamp = case.params.number("log_clamp").map(|low| Real::of(-low));
    let pytorch = clamp.is_some() && case.params.text("log_clamp_gradient") == "pytorch";
    if p.is_nan() {
        return [Amount::Undefined; 3];
    }
    let (p, q, share) = clipped(p, clip);
    let infinite = Amount::Infinite { negative: false };
    let surprise = |x: Real, rest: Real| match x.is_exact_zero() {
        true => infinite,
        false => Amount::Number((rest / x).ln_1p()),
    };
    let ((a, a_is_cut), (b, b_is_cut)) = (bounded(surprise(p, q), clamp), bounded(surprise(q, p), clamp));
    // a − b = ln((1−p)/p), of the sign of 1 − 2p.
    let gap = q - p;
    let odds = if p.is_exact_zero() {
        infinite
    } else if q.is_exact_zero() {
        -infinite
    } else if gap.is_exact_zero() || gap.value().is_zero() {
        Amount::ZERO
    } else if gap.is_above_zero() {
        Amount::Number((gap / p).ln_1p())
    } else {
        Amount::Number(-(-gap / q).ln_1p())
    };
    let by_y = if pytorch || !(a_is_cut || b_is_cut) { odds } else { a + -b };
    if y.is_nan() {
        return [Amount::Undefined, Amount::Undefined, by_y];
    }
    let (yes, no) = (Real::of(y), Real::sum_of(&[1.0, -y]));
    // Factors are not negative, however small.
    let part = |factor: Real, surprise: Amount| match surprise {
        _ if factor.is_exact_zero() => Amount::ZERO,
        Amount::Infinite { .. } => infinite,
        _ => Amount::Number(factor) * surprise,
    };
    let value = part(yes, a) + part(no, b);
    let quotient = |factor: Real, divisor: Real, is_cut: bool| match () {
        _ if is_cut || factor.is_exact_zero() => Amount::ZERO,
        _ if divisor.is_exact_zero() => infinite,
        _ => Amount::Number(factor / divisor),
    };
    let slope = if pytorch {
        Amount::Number((p - yes) / (p * q).max(pytorch_floor()))
    } else {
        quotient(no, q, b_is_cut) + -quotient(yes, p, a_is_cut)
    };
    [value, share * slope, by_y]
}

/// Σ over the classes of α·y·(1−p)^γ·(−ln p), p = σ(z), and with it ∂z; the same for the other class. For targets between 0
/// and 1 also α_t·W·L, L the cross-entropy, W what `soft_target` says:
/// (y·(1−p) + (1−y)·p)^γ, (1 − e^−L)^γ, or σ(−z·(2y−1))^γ.
pub(super) fn focal_sigmoid(case: &Case) -> Result<Derivation, Skip> {
    let (logits, target) = (case.input("logits"), case.input("target").floats());
    let pairs = logits.floats().iter().zip(target);
    let local: Vec<[Amount; 3]> = pairs
        .map(|(&z, &y)| {
            if z.is_nan() || y.is_nan() {
                return [Amount::Undefined; 3];
            }
            let [value, slope] = focal_of_logit(case, z, y);
            [Amount::Number(value), Amount::Number(slope), Amount::ZERO]
        })
        .collect();
    let mut derivation = derivation(case, &local, ["logits", "target"]);
    derivation.gradients.truncate(1);
    Ok(derivation)
}

/// σ and ln σ at a number and at its negative.
struct Logistic {
    on: Real,
    off: Real,
    ln_on: Real,
    ln_off: Real,
}

impl Logistic {
    fn at(t: Real) -> Logistic {
        let size = t.abs();
        let power = (-size).exp();
        let tail = power.ln_1p();
        let (near, far) = (Real::ONE / (Real::ONE + power), power / (Real::ONE + power));
        let (ln_near, ln_far) = (-tail, -(size + tail));
        match t.value() < Real::ZERO.value() {
            true => Logistic { on: far, off: near, ln_on: ln_far, ln_off: ln_near },
            false => Logistic { on: near, off: far, ln_on: ln_near, ln_off: ln_far },
        }
    }
}

/// The loss of one element and ∂z.
fn focal_of_logit(case: &Case, z: f64, y: f64) -> [Real; 2] {
    let gamma = Real::of(case.params.number("gamma").unwrap_or(0.0));
    let power = |logarithm: Real| (gamma * logarithm).exp();
    let (yes, no) = (Real::of(y), Real::sum_of(&[1.0, -y]));
    let (a, b) = match case.params.number("alpha") {
        Some(alpha) => (Real::of(alpha) * yes, Real::sum_of(&[1.0, -alpha]) * no),
        None => (yes, no),
    };
    let p = Logistic::at(Real::of(z));
    let (surprise, other_surprise) = (-p.ln_on, -p.ln_off);
    let soft = case.params.text("soft_target");
    if y == 0.0 || y == 1.0 || soft == "linear" {
        let (on, off) = (power(p.ln_off), power(p.ln_on));
        let value = a * on * surprise + b * off * other_surprise;
        let rise = off * (p.on + gamma * p.off * other_surprise);
        let fall = on * (p.off + gamma * p.on * surprise);
        return [value, b * rise - a * fall];
    }
    let alpha = case.params.number("alpha").map_or(Real::ONE, |_| a + b);
    let entropy = yes * surprise + no * other_surprise;
    let entropy_slope = no * p.on - yes * p.off;
    // W and W′/W.
    let (weight, change) = match soft {
        "exp_bce" => {
            let likelihood = (-entropy).exp();
            let rest = Real::ONE - likelihood;
            (power(rest.ln()), gamma * likelihood * entropy_slope / rest)
        }
        "log_weight" => {
            let gap = Real::sum_of(&[1.0, -y, -y]);
            let t = Logistic::at(gap * Real::of(z));
            (power(t.ln_on), gamma * gap * t.off)
        }
        _ => {
            let miss = yes * p.off + no * p.on;
            (power(miss.ln()), gamma * Real::sum_of(&[1.0, -y, -y]) * p.on * p.off / miss)
        }
    };
    [alpha * weight * entropy, alpha * weight * (entropy_slope + change * entropy)]
}
