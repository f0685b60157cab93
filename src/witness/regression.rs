//! mse and mae: functions of prediction − target, by element.

use super::amount::Amount;
use super::real::Real;
use super::reduction::{reduce, weights};
use super::{Derivation, Skip};
use crate::case::Case;

/// r², 2r.
pub(super) fn mse(case: &Case) -> Result<Derivation, Skip> {
    Ok(of_residual(case, |r| (r * r, Amount::Number(Real::TWO * r))))
}

/// |r|, sign r; [−1, 1] at 0. Exactly 0 is decided on the floats: [`Real::sum_of`] of x and −y is exactly 0 if and only
/// if x = y.
pub(super) fn mae(case: &Case) -> Result<Derivation, Skip> {
    Ok(of_residual(case, |r| {
        (
            r.abs(),
            if r.is_exact_zero() { Amount::unit_interval_of_signs(true) } else { Amount::Number(r.sign()) },
        )
    }))
}

/// The loss Σ wᵢ·f(xᵢ − yᵢ) / (count or Σ w), from f and f′.
fn of_residual(case: &Case, formula: fn(Real) -> (Real, Amount)) -> Derivation {
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

    #[test]
    fn gradients_are_the_differences_of_the_loss() {
        let mut random = Random::new(1);
        let mut compared = 0;
        for loss in ["mse", "mae"] {
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
        assert_eq!(compared, 2 * 3 * 2 * 2 * 10);
    }
}
