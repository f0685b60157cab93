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

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::loss::Params;

    fn pairs(loss: &str, names: [&str; 2], values: [&[f64]; 2], params: Params) -> Case {
        let shape = [values[0].len()];
        case(loss, params, [(names[0], floats(&shape, values[0])), (names[1], floats(&shape, values[1]))])
    }

    fn bce_case(p: &[f64], y: &[f64], params: Params) -> Case {
        pairs("bce", ["probability", "target"], [p, y], params.with("reduction", "none"))
    }

    fn focal_case(z: &[f64], y: &[f64], params: Params) -> Case {
        pairs("focal_sigmoid", ["logits", "target"], [z, y], params.with("reduction", "none"))
    }

    #[test]
    fn probabilities_by_hand() {
        let case = bce_case(&[0.25, 0.5], &[1.0, 0.5], params());
        // ln 4 and ln 2.
        let ln_4 = "1.3862943611198906188344642429163531361510";
        let ln_2 = "0.6931471805599453094172321214581765680755";
        assert_values(&case, "loss", &[ln_4, ln_2]);
        assert_values(&case, "grad.probability", &["-4", "0"]);
        // ln 3.
        assert_values(&case, "grad.target", &["1.0986122886681096913952452369225257046475", "0"]);
    }

    #[test]
    fn poles_and_clamps() {
        let (p, y) = ([0.0, 1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 1.0, 0.0, 0.5]);
        let case = |params: Params| bce_case(&p, &y, params);
        assert_claims(&case(params()), "loss", &["0", "0", "inf", "inf", "inf"]);
        assert_claims(&case(params()), "grad.probability", &["1", "-1", "-inf", "inf", "-inf"]);
        assert_claims(&case(params()), "grad.target", &["inf", "-inf", "inf", "-inf", "inf"]);
        let cut = params().with("log_clamp", -100.0);
        assert_claims(&case(cut.clone()), "loss", &["0", "0", "100", "100", "50"]);
        assert_claims(&case(cut.clone()), "grad.probability", &["1", "-1", "0", "0", "0.5"]);
        assert_claims(&case(cut.clone()), "grad.target", &["100", "-100", "100", "-100", "100"]);
        let pytorch = case(cut.with("log_clamp_gradient", "pytorch"));
        assert_claims(&pytorch, "loss", &["0", "0", "100", "100", "50"]);
        // −2⁶³/9223372, as PyTorch says.
        let slope = claim_value(&claims_of(&pytorch, "grad.probability")[2]).to_f64();
        assert!((slope + 1_000_000_003_995.8).abs() < 0.1, "{slope}");
        assert_claims(&pytorch, "grad.target", &["inf", "-inf", "inf", "-inf", "inf"]);
    }

    #[test]
    fn a_clip_has_no_gradient_beyond_and_a_set_at_its_bounds() {
        let case =
            bce_case(&[0.0, 0.25, 0.75, 0.5], &[1.0, 1.0, 0.0, 0.0], params().with("probability_clip", 0.25));
        assert_claims(&case, "grad.probability", &["0", "[-4, 0] tight", "[0, 4] tight", "2"]);
        let beyond = "1.3862943611198906188344642429163531361510";
        assert_values(&case, "loss", &[beyond, beyond, beyond, "0.6931471805599453094172321214581765680755"]);
    }

    #[test]
    fn focal_by_hand() {
        // At z = 0: ¼·¼·ln 2, and −1/16·(½ + ln 2).
        let case = focal_case(&[0.0], &[1.0], params());
        assert_values(&case, "loss", &["0.04332169878499658183857700759113603550472"]);
        assert_values(&case, "grad.logits", &["-0.07457169878499658183857700759113603550472"]);
        for (alpha, zero) in [(0.0, 1.0), (1.0, 0.0)] {
            let case = focal_case(&[3.0], &[zero], params().with("alpha", alpha));
            assert_claims(&case, "loss", &["0"]);
        }
    }

    #[test]
    fn all_meanings_are_the_same_for_hard_targets() {
        let (z, y) = ([1.5, -2.25, 20.0, -17.0], [1.0, 1.0, 0.0, 0.0]);
        let of = |meaning: &str| {
            let params = params().with("soft_target", meaning).with("gamma", 1.5);
            claims_of(&focal_case(&z, &y, params), "loss").iter().map(claim_value).collect::<Vec<_>>()
        };
        for meaning in ["exp_bce", "log_weight", "linear"] {
            for (x, y) in of("interpolate_p").into_iter().zip(of(meaning)) {
                assert!(((x - y) / x).abs().to_f64() < 1e-36, "{meaning}: {x} and {y}");
            }
        }
    }

    #[test]
    fn gradients_are_the_differences_of_the_loss() {
        let mut random = Random::new(31);
        let mut compared = 0;
        for round in 0..24 {
            let params = params().with("log_clamp", -100.0);
            let (p, y) = (random.values(3, 0.03, 0.97), random.values(3, 0.03, 0.97));
            let case = with_random_upstream(bce_case(&p, &y, params), &mut random);
            compared += assert_differences(&case);
            let meaning = ["interpolate_p", "exp_bce", "log_weight", "linear"][round % 4];
            let params =
                self::params().with("soft_target", meaning).with("gamma", [0.0, 0.5, 2.0][round % 3]);
            let (z, y) = (random.values(3, -4.0, 4.0), random.values(3, 0.03, 0.97));
            let case = with_random_upstream(focal_case(&z, &y, params), &mut random);
            compared += assert_differences(&case);
        }
        assert_eq!(compared, 24 * 9);
    }

    #[test]
    fn a_nan_takes_its_element_only() {
        let case = bce_case(&[f64::NAN, 0.5, 0.5], &[0.0, f64::NAN, 1.0], params());
        assert_claims(&case, "grad.probability", &["undefined", "undefined", "-2"]);
        assert_claims(&case, "grad.target", &["undefined", "0", "0"]);
        let case = focal_case(&[f64::NAN, 0.5], &[1.0, f64::NAN], params());
        assert_claims(&case, "loss", &["undefined", "undefined"]);
    }
}
