//! kl_div.

use super::amount::Amount;
use super::real::Real;
use super::reduction::reduce;
use super::{Derivation, Skip};
use crate::case::Case;

/// t (ln t − x) by element, 0 for t = 0; ∂x: −t; ∂t: ln t + 1 − x. With log_target, of p = eᵗ: p (t − x), 0 for p = 0; ∂x: −p;
/// ∂t: p (t − x) + p. "batchmean" divides by the rows, "mean" by the elements.
pub(super) fn kl_div(case: &Case) -> Result<Derivation, Skip> {
    let (prediction, target) = (case.input("log_prediction"), case.input("target").floats());
    let of_element = if case.params.flag("log_target") { of_log_mass } else { of_mass };
    let pairs = prediction.floats().iter().zip(target);
    let local: Vec<[Amount; 3]> = pairs.map(|(&x, &t)| of_element(t, x)).collect();
    let terms: Vec<_> = local.iter().map(|&[value, _, _]| Some(value)).collect();
    let divisor = match case.params.text("reduction") {
        "mean" => prediction.len(),
        _ => prediction.shape[0],
    };
    let reduced = reduce(case, &terms, Amount::Number(Real::count(divisor)));
    let gradient = |which: usize| -> Vec<Amount> {
        local.iter().enumerate().map(|(element, local)| reduced.gradient(element, local[which])).collect()
    };
    let gradients = vec![("log_prediction", gradient(1)), ("target", gradient(2))];
    Ok(Derivation { loss: reduced.loss, gradients })
}

/// The value, ∂x and ∂t for a mass t. What t alone decides does not depend on x, though that were NaN.
fn of_mass(t: f64, x: f64) -> [Amount; 3] {
    let by_prediction = -Amount::of(t);
    let infinite = |negative: bool| Amount::Infinite { negative };
    let [value, by_target] = match (t, x) {
        _ if t.is_nan() || x.is_nan() => [Amount::Undefined; 2],
        (0.0, f64::NEG_INFINITY) => [Amount::ZERO, Amount::Undefined],
        (0.0, _) => [Amount::ZERO, infinite(true)],
        (_, f64::NEG_INFINITY) => [infinite(false); 2],
        _ => {
            let gap = Real::of(t).ln() - Real::of(x);
            [Real::of(t) * gap, gap + Real::ONE].map(Amount::Number)
        }
    };
    [value, by_prediction, by_target]
}

/// The value, ∂x and ∂t for the logarithm t of a mass. At t = −∞ the mass is 0 and stays so wherever t moves.
fn of_log_mass(t: f64, x: f64) -> [Amount; 3] {
    let mass = match t {
        _ if t.is_nan() => return [Amount::Undefined; 3],
        f64::NEG_INFINITY => None,
        _ => Some(Real::of(t).exp()),
    };
    let by_prediction = mass.map_or(Amount::ZERO, |mass| Amount::Number(-mass));
    let [value, by_target] = match (mass, x) {
        _ if x.is_nan() => [Amount::Undefined; 2],
        (None, _) => [Amount::ZERO; 2],
        (_, f64::NEG_INFINITY) => [Amount::Infinite { negative: false }; 2],
        (Some(mass), _) => {
            let gap = Real::sum_of(&[t, -x]);
            [mass * gap, mass * Real::sum_of(&[t, -x, 1.0])].map(Amount::Number)
        }
    };
    [value, by_prediction, by_target]
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::loss::Params;

    const MINUS_INFINITY: f64 = f64::NEG_INFINITY;

    fn kl(shape: [usize; 2], prediction: &[f64], target: &[f64], params: Params) -> Case {
        let inputs = [("log_prediction", floats(&shape, prediction)), ("target", floats(&shape, target))];
        case("kl_div", params, inputs)
    }

    fn unreduced() -> Params {
        params().with("reduction", "none")
    }

    #[test]
    fn a_mass_by_hand() {
        // ln ½ = −ln 2; the term is ½·(1 − ln 2), the slope 2 − ln 2.
        let case = kl([1, 2], &[-1.0, 0.0], &[0.5, 1.0], unreduced());
        assert_values(&case, "loss", &["0.1534264097200273452913839392709117159622499328", "0"]);
        assert_claims(&case, "grad.log_prediction", &["-0.5", "-1"]);
        assert_values(&case, "grad.target", &["1.306852819440054690582767878541823431924499866", "1"]);
    }

    #[test]
    fn a_log_mass_by_hand() {
        let params = unreduced().with("log_target", true);
        let case = kl([1, 2], &[-3.0, 0.5], &[-1.0, 0.0], params);
        // e^−1·2, e^−1·3.
        assert_values(&case, "loss", &["0.7357588823428846431910475403229217348916222621", "-0.5"]);
        let mass = "0.3678794411714423215955237701614608674458111310";
        assert_values(&case, "grad.log_prediction", &[&format!("-{mass}"), "-1"]);
        assert_values(&case, "grad.target", &["1.103638323514326964786571310484382602337433393", "0.5"]);
    }

    #[test]
    fn nothing_costs_nothing() {
        let x = [-1.0, MINUS_INFINITY, -1.0, MINUS_INFINITY];
        let case = kl([1, 4], &x, &[0.0, 0.0, 0.5, 0.5], unreduced());
        assert_claims(&case, "grad.log_prediction", &["0", "0", "-0.5", "-0.5"]);
        let claims = claims_of(&case, "grad.target");
        assert!(matches!(claims[0], crate::witness::Claim::Infinite { negative: true }));
        assert!(matches!(claims[1], crate::witness::Claim::Undefined));
        assert!(matches!(claims[3], crate::witness::Claim::Infinite { negative: false }));
        let claims = claims_of(&case, "loss");
        assert!(matches!(claims[3], crate::witness::Claim::Infinite { negative: false }));
        let case = kl([1, 2], &x[..2], &[0.0, 0.0], params());
        assert_claims(&case, "loss", &["0"]);
        let target = [MINUS_INFINITY, MINUS_INFINITY, 0.0, 0.0];
        let case = kl([1, 4], &x, &target, unreduced().with("log_target", true));
        assert_claims(&case, "loss", &["0", "0", "1", "inf"]);
        assert_claims(&case, "grad.log_prediction", &["0", "0", "-1", "-1"]);
        assert_claims(&case, "grad.target", &["0", "0", "2", "inf"]);
    }

    #[test]
    fn a_nan_reaches_what_depends_on_it() {
        for log_target in [false, true] {
            let params = unreduced().with("log_target", log_target);
            let case = kl([1, 2], &[f64::NAN, -1.0], &[0.0, f64::NAN], params);
            assert_claims(&case, "loss", &["undefined", "undefined"]);
            assert_claims(&case, "grad.target", &["undefined", "undefined"]);
            let of_zero = if log_target { "-1" } else { "0" };
            assert_claims(&case, "grad.log_prediction", &[of_zero, "undefined"]);
        }
    }

    #[test]
    fn means_divide_by_rows_or_by_elements() {
        let of = |reduction: &str, rows: usize| {
            let values = vec![1.0; rows * 2];
            kl([rows, 2], &vec![-1.0; rows * 2], &values, params().with("reduction", reduction))
        };
        assert_claims(&of("batchmean", 2), "loss", &["2"]);
        assert_claims(&of("mean", 2), "loss", &["1"]);
        assert_claims(&of("sum", 2), "loss", &["4"]);
        assert_claims(&of("batchmean", 2), "grad.log_prediction", &["-0.5"; 4]);
        assert_claims(&of("mean", 2), "grad.target", &["0.5"; 4]);
        for reduction in ["batchmean", "mean"] {
            let mut case = of(reduction, 0);
            assert_claims(&case, "loss", &["undefined"]);
            case.params.set("empty_mean", "zero");
            assert_claims(&case, "loss", &["0"]);
        }
    }

    #[test]
    fn gradients_are_the_differences_of_the_loss() {
        let mut random = Random::new(9);
        let mut compared = 0;
        for reduction in ["none", "batchmean", "mean", "sum"] {
            for log_target in [false, true] {
                let low = if log_target { -3.0 } else { 0.25 };
                let (prediction, target) = (random.values(6, -4.0, 0.0), random.values(6, low, 2.0));
                let params = params().with("reduction", reduction).with("log_target", log_target);
                let case = kl([2, 3], &prediction, &target, params);
                compared += assert_differences(&with_random_upstream(case, &mut random));
            }
        }
        assert_eq!(compared, 4 * 2 * 12);
    }
}
