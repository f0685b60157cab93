//! gaussian_nll.

use super::amount::Amount;
use super::real::Real;
use super::reduction::reduce;
use super::{Derivation, Skip};
use crate::case::Case;

/// ½(ln v + r²/v), + ½ ln 2π if `full`; r/v, −r/v and (1 − r²/v)/(2v). v is the variance, or the floor above it: there the
/// derivative by the variance is that at the floor, or none of it ("cut"; at the floor itself any share of it).
pub(super) fn gaussian_nll(case: &Case) -> Result<Derivation, Skip> {
    let (mean, target) = (case.input("mean").floats(), case.input("target").floats());
    let floor = case.params.number("variance_floor");
    let cut = case.params.text("floor_gradient") == "cut";
    let constant = if case.params.flag("full") { (Real::TWO * Real::PI).ln() } else { Real::ZERO };
    let (mut terms, mut by_mean, mut by_variance) = (Vec::new(), Vec::new(), Vec::new());
    for ((&x, &y), &variance) in mean.iter().zip(target).zip(case.input("variance").floats()) {
        if x.is_nan() || y.is_nan() || variance.is_nan() {
            terms.push(Some(Amount::Undefined));
            by_mean.push(Amount::Undefined);
            by_variance.push(Amount::Undefined);
            continue;
        }
        let r = Real::sum_of(&[x, -y]);
        let v = Real::of(floor.map_or(variance, |floor| variance.max(floor)));
        let ratio = r * r / v;
        terms.push(Some(Amount::Number((v.ln() + ratio + constant) / Real::TWO)));
        by_mean.push(Amount::Number(r / v));
        let share = match floor {
            Some(floor) if cut && variance < floor => Amount::ZERO,
            Some(floor) if cut && variance == floor => Amount::share(true),
            _ => Amount::Number(Real::ONE),
        };
        by_variance.push(Amount::Number((Real::ONE - ratio) / (Real::TWO * v)) * share);
    }
    let reduced = reduce(case, &terms, Amount::Number(Real::count(terms.len())));
    let scaled = |slopes: &[Amount]| -> Vec<Amount> {
        slopes.iter().enumerate().map(|(i, &slope)| reduced.gradient(i, slope)).collect()
    };
    let (by_mean, by_variance) = (scaled(&by_mean), scaled(&by_variance));
    let by_target = by_mean.iter().map(|&element| -element).collect();
    let gradients = vec![("mean", by_mean), ("target", by_target), ("variance", by_variance)];
    Ok(Derivation { loss: reduced.loss, gradients })
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use crate::case::Case;
    use crate::loss::Params;

    fn gaussian(mean: &[f64], target: &[f64], variance: &[f64], params: Params) -> Case {
        let input = |values: &[f64]| floats(&[values.len()], values);
        let inputs = [("mean", input(mean)), ("target", input(target)), ("variance", input(variance))];
        case("gaussian_nll", params, inputs)
    }

    fn none() -> Params {
        params().with("reduction", "none")
    }

    #[test]
    fn by_hand() {
        let case = gaussian(&[3.0, 0.5], &[1.0, 0.5], &[1.0, 1.0], none());
        assert_values(&case, "loss", &["2", "0"]);
        assert_values(&case, "grad.mean", &["2", "0"]);
        assert_values(&case, "grad.target", &["-2", "0"]);
        assert_values(&case, "grad.variance", &["-1.5", "0.5"]);
        // ½ ln 2π; ½(ln 4 + 1) = ln 2 + ½.
        let case = gaussian(&[0.0, 1.0], &[0.0, -1.0], &[1.0, 4.0], none().with("full", true));
        let half_ln_two_pi = "0.9189385332046727417803297364056176398614";
        assert_values(&case, "loss", &[half_ln_two_pi, "2.112085713764618051197561857863794207937"]);
        assert_values(&case, "grad.variance", &["0.5", "0"]);
    }

    #[test]
    fn the_floor() {
        let floored = none().with("variance_floor", 0.25);
        let all = || (vec![1.0; 3], vec![0.0; 3], vec![0.0, 0.25, 1.0]);
        let (mean, target, variance) = all();
        let case = gaussian(&mean, &target, &variance, floored.clone());
        // v = ¼: ½(4 − 16) = −6, straight through.
        assert_claims(&case, "grad.variance", &["-6", "-6", "0"]);
        assert_values(&case, "grad.mean", &["4", "4", "1"]);
        let case = gaussian(&mean, &target, &variance, floored.with("floor_gradient", "cut"));
        assert_claims(&case, "grad.variance", &["0", "[-6, 0] tight", "0"]);
        assert_values(&case, "grad.mean", &["4", "4", "1"]);
    }

    #[test]
    fn nan_and_empty() {
        let case = gaussian(&[f64::NAN, 1.0], &[0.0, 0.0], &[1.0, 1.0], params());
        assert_claims(&case, "loss", &["undefined"]);
        assert_claims(&case, "grad.mean", &["undefined", "0.5"]);
        assert_claims(&gaussian(&[], &[], &[], params()), "loss", &["undefined"]);
        assert_claims(&gaussian(&[], &[], &[], params().with("empty_mean", "zero")), "loss", &["0"]);
    }

    #[test]
    fn gradients_are_the_differences_of_the_loss() {
        let mut random = Random::new(3);
        let mut compared = 0;
        for reduction in ["none", "mean", "sum"] {
            for floor in [None, Some(0.001)] {
                let [mean, target, variance] = [-3.0, -3.0, 0.25].map(|low| random.values(4, low, 3.0));
                let params = params().with("reduction", reduction).with("full", floor.is_none());
                let params = match floor {
                    Some(floor) => params.with("variance_floor", floor).with("floor_gradient", "cut"),
                    None => params,
                };
                let case = gaussian(&mean, &target, &variance, params);
                compared += assert_differences(&with_random_upstream(case, &mut random));
            }
        }
        assert_eq!(compared, 3 * 2 * 12);
    }
}
