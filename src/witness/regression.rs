//! mse, mae, huber, smooth_l1 and log_cosh: functions of prediction − target, by element.

use super::amount::Amount;
use super::real::Real;
use super::reduction::{reduce, weights};
use super::{Derivation, Skip};
use crate::case::Case;
use std::cmp::Ordering;

/// r², 2r.
pub(super) fn mse(case: &Case) -> Result<Derivation, Skip> {
    Ok(of_residual(case, |r| (r * r, Amount::Number(Real::TWO * r))))
}

/// |r|, sign r; [−1, 1] at 0. Exactly 0 is decided on the floats: [`Real::sum_of`] of x and −y is exactly 0 if and only
/// if x = y.
pub(super) fn mae(case: &Case) -> Result<Derivation, Skip> {
    Ok(of_residual(case, absolute))
}

fn absolute(r: Real) -> (Real, Amount) {
    (r.abs(), if r.is_exact_zero() { Amount::unit_interval_of_signs(true) } else { Amount::Number(r.sign()) })
}

/// ½r² and r for |r| ≤ δ; δ(|r| − ½δ) and ±δ beyond. At |r| = δ, or nearly, both say the same.
pub(super) fn huber(case: &Case) -> Result<Derivation, Skip> {
    let delta = Real::of(case.params.number("delta").unwrap_or(1.0));
    Ok(of_residual(case, |r| match r.abs().order(delta) {
        None => (Real::LOST, Amount::Number(Real::LOST)),
        Some(Ordering::Greater) => (delta * (r.abs() - delta / Real::TWO), Amount::Number(r.sign() * delta)),
        Some(_) => (r * r / Real::TWO, Amount::Number(r)),
    }))
}

/// r²/(2β) and r/β for |r| ≤ β; |r| − ½β and ±1 beyond; β = 0 is mae.
pub(super) fn smooth_l1(case: &Case) -> Result<Derivation, Skip> {
    let beta = Real::of(case.params.number("beta").unwrap_or(1.0));
    if beta.is_exact_zero() {
        return mae(case);
    }
    Ok(of_residual(case, |r| match r.abs().order(beta) {
        None => (Real::LOST, Amount::Number(Real::LOST)),
        Some(Ordering::Greater) => (r.abs() - beta / Real::TWO, Amount::Number(r.sign())),
        Some(_) => (r * r / (Real::TWO * beta), Amount::Number(r / beta)),
    }))
}

/// ln cosh r and tanh r. For |r| < 1 by s = sinh r: ½·ln(1 + s²) and s/√(1 + s²), in which nothing cancels; beyond by
/// e = exp(−2|r|): |r| + ln(1 + e) − ln 2 and ±(1 − e)/(1 + e).
pub(super) fn log_cosh(case: &Case) -> Result<Derivation, Skip> {
    Ok(of_residual(case, |r| {
        if r.abs().order(Real::ONE) == Some(Ordering::Less) {
            let s = sinh(r);
            let square = s * s;
            return (square.ln_1p() / Real::TWO, Amount::Number(s / (Real::ONE + square).sqrt()));
        }
        let e = (-(Real::TWO * r.abs())).exp();
        let value = r.abs() + e.ln_1p() - Real::TWO.ln();
        (value, Amount::Number(r.sign() * ((Real::ONE - e) / (Real::ONE + e))))
    }))
}

/// sinh x for |x| < 1 by its series: x·(1 + x²/(2·3)·(1 + x²/(4·5)·(…))). The term that is left out is below x/41!, 3·10⁻⁵⁰.
fn sinh(x: Real) -> Real {
    let square = x * x;
    let series =
        (1..20).rev().fold(Real::ONE, |sum, k| Real::ONE + square / Real::count(2 * k * (2 * k + 1)) * sum);
    x * series
}

/// The loss Σ wᵢ·f(xᵢ − yᵢ) / (count or Σ w), from f and f′.
fn of_residual(case: &Case, formula: impl Fn(Real) -> (Real, Amount)) -> Derivation {
    let (prediction, target) = (case.input("prediction").floats(), case.input("target").floats());
    let weights = weights(case, "weight", prediction.len());
    let local = |(element, (&x, &y)): (usize, (&f64, &f64))| {
        if x.is_nan() || y.is_nan() {
            return (Amount::Undefined, Amount::Undefined);
        }
        let (value, slope) = formula(Real::sum_of(&[x, -y]));
        (weights[element] * Amount::Number(value), weights[element] * slope)
    };
    let (terms, slopes): (Vec<_>, Vec<_>) = prediction.iter().zip(target).enumerate().map(local).unzip();
    let divisor = match case.params.text("mean_over") {
        "weight" => Amount::sum(weights.iter().copied()),
        _ => Amount::Number(Real::count(prediction.len())),
    };
    let terms: Vec<_> = terms.into_iter().map(Some).collect();
    let reduced = reduce(case, &terms, divisor);
    let by_prediction: Vec<Amount> =
        slopes.iter().enumerate().map(|(i, &slope)| reduced.gradient(i, slope)).collect();
    let by_target = by_prediction.iter().map(|&element| -element).collect();
    Derivation { loss: reduced.loss, gradients: vec![("prediction", by_prediction), ("target", by_target)] }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::loss::Params;

    fn pointwise(loss: &str, values: [&[f64]; 2], weight: Option<&[f64]>, params: Params) -> Case {
        let shape = [values[0].len()];
        let mut inputs =
            vec![("prediction", floats(&shape, values[0])), ("target", floats(&shape, values[1]))];
        inputs.extend(weight.map(|weight| ("weight", floats(&shape, weight))));
        case(loss, params, inputs)
    }

    const VALUES: [&[f64]; 2] = [&[0.5, -0.0, 2.0], &[0.0, 1.0, 4.0]];
    const WEIGHT: Option<&[f64]> = Some(&[4.0, 0.5, 0.0]);

    #[test]
    fn mse_by_hand() {
        // Residuals ½, −1, −2.
        let third = "0.3333333333333333333333333333333333333333333";
        let (two, four) =
            ("-0.6666666666666666666666666666666666666666667", "-1.3333333333333333333333333333333333333333");
        let case = pointwise("mse", VALUES, None, params());
        assert_values(&case, "loss", &["1.75"]);
        assert_values(&case, "grad.prediction", &[third, two, four]);
        let case = pointwise("mse", VALUES, None, params().with("reduction", "sum"));
        assert_values(&case, "loss", &["5.25"]);
        assert_values(&case, "grad.target", &["-1", "2", "4"]);
        let case = pointwise("mse", VALUES, WEIGHT, params().with("reduction", "none"));
        assert_values(&case, "loss", &["1", "0.5", "0"]);
        assert_values(&case, "grad.prediction", &["4", "-1", "0"]);
        let case = pointwise("mse", VALUES, WEIGHT, params());
        assert_values(&case, "loss", &["0.5"]);
        let case = pointwise("mse", VALUES, WEIGHT, params().with("mean_over", "weight"));
        assert_values(&case, "loss", &[third]);
        assert_values(
            &case,
            "grad.prediction",
            &["0.88888888888888888888888888888888888889", "-0.22222222222222222222222222222222222222", "0"],
        );
    }

    #[test]
    fn mse_of_neighbours_keeps_36_digits_of_the_residual() {
        let case = pointwise("mse", [&[0.1f64.next_up()], &[0.1]], None, params());
        // 2⁻¹¹²
        assert_values(&case, "loss", &["1.925929944387235853055977942584927318538e-34"]);
        assert!(!super::super::agrees(
            "1.925929944387235853055977942e-34",
            "1.925929944387235853055977942e-34",
            &claims_of(&case, "loss")[0]
        ));
    }

    #[test]
    fn mae_by_hand() {
        let case = pointwise("mae", VALUES, WEIGHT, params().with("reduction", "sum"));
        assert_values(&case, "loss", &["2.5"]);
        assert_values(&case, "grad.prediction", &["4", "-0.5", "0"]);
        assert_values(&case, "grad.target", &["-4", "0.5", "0"]);
        let case = pointwise("mae", VALUES, None, params());
        assert_values(&case, "loss", &["1.1666666666666666666666666666666666666666667"]);
    }

    #[test]
    fn mae_at_0_is_a_set() {
        let kink: [&[f64]; 2] = [&[0.1, 0.0, 3.0, 0.1], &[0.1, -0.0, 3.0, 0.10000000000000002]];
        let mut case = pointwise("mae", kink, Some(&[2.0, 1.0, 0.0, 1.0]), params());
        assert_claims(&case, "grad.prediction", &["[-0.5, 0.5] tight", "[-0.25, 0.25] tight", "0", "-0.25"]);
        case.upstream = floats(&[], &[-4.0]);
        assert_claims(&case, "grad.target", &["[-2, 2] tight", "[-1, 1] tight", "0", "-1"]);
        // Far below num-bigfloat's range the floats still decide.
        let case = pointwise("mae", [&[5e-324], &[0.0]], None, params().with("reduction", "sum"));
        assert_eq!(skip_of(&case), "too_small");
        let case = pointwise("mae", [&[5e-324], &[5e-324]], None, params().with("reduction", "sum"));
        assert_claims(&case, "grad.target", &["[-1, 1] tight"]);
    }

    #[test]
    fn huber_by_hand() {
        // Residuals ½, −1, −2, 1, −7.
        let values: [&[f64]; 2] = [&[0.5, -0.0, 2.0, 4.0, -3.0], &[0.0, 1.0, 4.0, 3.0, 4.0]];
        let params = params().with("reduction", "none");
        let case = pointwise("huber", values, None, params.clone());
        assert_values(&case, "loss", &["0.125", "0.5", "1.5", "0.5", "6.5"]);
        assert_values(&case, "grad.prediction", &["0.5", "-1", "-1", "1", "-1"]);
        let case = pointwise("huber", values, None, params.clone().with("delta", 3.0));
        assert_values(&case, "loss", &["0.125", "0.5", "2", "0.5", "16.5"]);
        assert_values(&case, "grad.target", &["-0.5", "1", "2", "-1", "3"]);
        let case = pointwise("smooth_l1", values, None, params.clone().with("beta", 2.0));
        assert_values(&case, "loss", &["0.0625", "0.25", "1", "0.25", "6"]);
        assert_values(&case, "grad.prediction", &["0.25", "-0.5", "-1", "0.5", "-1"]);
        let case = pointwise("smooth_l1", [&[1.0, 2.0], &[1.0, 0.5]], None, params.with("beta", 0.0));
        assert_claims(&case, "loss", &["0", "1.5"]);
        assert_claims(&case, "grad.prediction", &["[-1, 1] tight", "1"]);
    }

    #[test]
    fn log_cosh_by_hand() {
        // mpmath, 50 digits.
        let values: [&[f64]; 2] = [&[0.5, 1.0, -3.0, 0.0, 1e-10], &[0.0, 0.0, 0.5, 0.0, 0.0]];
        let case = pointwise("log_cosh", values, None, params().with("reduction", "none"));
        assert_values(
            &case,
            "loss",
            &[
                "0.1201145069582775246317633735096790738398",
                "0.4337808304830271870264946849001278633588",
                "2.807764285893828935274470372345238093712",
                "0",
                "5.000000000000000364313639821644089093633e-21",
            ],
        );
        assert_values(
            &case,
            "grad.prediction",
            &[
                "0.4621171572600097585023184836436725487303",
                "0.7615941559557648881194582826047935904128",
                "-0.9981778976111987092842733524506117173517",
                "0",
                "1.0000000000000000364288639821644082454679e-10",
            ],
        );
    }

    #[test]
    fn nan_and_empty() {
        let values: [&[f64]; 2] = [&[f64::NAN, 1.0], &[0.0, 0.0]];
        let case = pointwise("mse", values, Some(&[0.0, 1.0]), params());
        assert_claims(&case, "loss", &["undefined"]);
        assert_claims(&case, "grad.target", &["undefined", "-1"]);
        let case =
            pointwise("mse", VALUES, Some(&[1.0, f64::NAN, 1.0]), params().with("mean_over", "weight"));
        assert_claims(&case, "grad.prediction", &["undefined"; 3]);
        let over_weight = params().with("mean_over", "weight");
        let case = pointwise("mse", VALUES, Some(&[0.0; 3]), over_weight.clone());
        assert_claims(&case, "loss", &["undefined"]);
        assert_claims(&case, "grad.prediction", &["undefined"; 3]);
        let case = pointwise("mse", VALUES, Some(&[0.0; 3]), over_weight.with("empty_mean", "zero"));
        assert_claims(&case, "loss", &["0"]);
        assert_claims(&case, "grad.prediction", &["0"; 3]);
        let none: [&[f64]; 2] = [&[], &[]];
        assert_claims(&pointwise("mae", none, None, params()), "loss", &["undefined"]);
        assert_claims(&pointwise("mae", none, None, params().with("empty_mean", "zero")), "loss", &["0"]);
        assert_claims(&pointwise("mae", none, None, params().with("reduction", "none")), "loss", &[]);
    }

    const LOSSES: [&str; 5] = ["mse", "mae", "huber", "smooth_l1", "log_cosh"];

    #[test]
    fn gradients_are_the_differences_of_the_loss() {
        let mut random = Random::new(1);
        let mut compared = 0;
        for loss in LOSSES {
            for reduction in ["none", "mean", "sum"] {
                for mean_over in ["count", "weight"] {
                    for weighted in [false, true] {
                        let [prediction, target, weight] =
                            [-3.0, -3.0, 0.0].map(|low| random.values(5, low, 3.0));
                        let params = params().with("reduction", reduction).with("mean_over", mean_over);
                        let weight = weighted.then_some(&weight[..]);
                        let case = pointwise(loss, [&prediction, &target], weight, params);
                        compared += assert_differences(&with_random_upstream(case, &mut random));
                    }
                }
            }
        }
        assert_eq!(compared, LOSSES.len() * 3 * 2 * 2 * 10);
    }
}
