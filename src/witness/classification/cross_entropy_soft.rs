//! The witness of cross_entropy_soft.

use super::softmax::{Gaps, Row};
use crate::case::Case;
use crate::witness::amount::Amount;
use crate::witness::real::Real;
use crate::witness::reduction::{reduce, weights};
use crate::witness::{Derivation, Skip};

/// Σ_c w_c q_c (LSE(x) − x_c) by row, parts that are 0 left out; ∂x: softmax(x)_c · Σⱼ wⱼqⱼ − w_c q_c; ∂q:
/// w_c (LSE(x) − x_c), whatever q is. The mean divides by the rows.
pub(in crate::witness) fn cross_entropy_soft(case: &Case) -> Result<Derivation, Skip> {
    let (logits, target) = (case.input("logits"), case.input("target").floats());
    let (rows, classes) = (logits.shape[0], logits.shape[1]);
    let weights = weights(case, "class_weight", classes);
    let mut terms = Vec::with_capacity(rows);
    let (mut by_logits, mut by_target) = (Vec::new(), Vec::new());
    for (logits, target) in logits.floats().chunks_exact(classes).zip(target.chunks_exact(classes)) {
        let part = |(&weight, &q): (&Amount, &f64)| {
            let part = weight * Amount::of(q);
            (!part.is_exact_zero()).then_some(part)
        };
        let parts: Vec<Option<Amount>> = weights.iter().zip(target).map(part).collect();
        let gaps = Gaps::of(logits);
        let row = Row::of(&gaps, &parts);
        terms.push(Some(row.loss));
        by_logits.push(row.gradient);
        by_target.push(weights.iter().zip(&gaps.gaps).map(|(&weight, &gap)| weight * gap).collect());
    }
    let reduced = reduce(case, &terms, Amount::Number(Real::count(rows)));
    let gradient = |slopes: &[Vec<Amount>]| -> Vec<Amount> {
        let rows = slopes.iter().enumerate();
        rows.flat_map(|(n, row)| row.iter().map(move |&slope| (n, slope)))
            .map(|(n, slope)| reduced.gradient(n, slope))
            .collect()
    };
    let gradients = vec![("logits", gradient(&by_logits)), ("target", gradient(&by_target))];
    Ok(Derivation { loss: reduced.loss, gradients })
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::*;
    use super::*;
    use crate::loss::Params;

    const MINUS_INFINITY: f64 = f64::NEG_INFINITY;
    const LN_2: &str = "0.693147180559945309417232121458176568075500134";

    fn soft(classes: usize, logits: &[f64], target: &[f64], weight: Option<&[f64]>, params: Params) -> Case {
        let shape = [logits.len() / classes, classes];
        let mut inputs = vec![("logits", floats(&shape, logits)), ("target", floats(&shape, target))];
        inputs.extend(weight.map(|weight| ("class_weight", floats(&[classes], weight))));
        case("cross_entropy_soft", params, inputs)
    }

    #[test]
    fn two_equal_logits_cost_ln_2_for_each_unit_of_target() {
        let case = soft(2, &[0.0, 0.0], &[0.5, 0.5], None, params());
        assert_values(&case, "loss", &[LN_2]);
        assert_claims(&case, "grad.logits", &["0", "0"]);
        assert_values(&case, "grad.target", &[LN_2, LN_2]);
        // A target that sums to 4: the gradient is 4·softmax − target.
        let case = soft(2, &[0.0, 0.0], &[3.0, 1.0], None, params());
        assert_values(&case, "loss", &["2.772588722239781237668928485832706272302000537"]);
        assert_claims(&case, "grad.logits", &["-1", "1"]);
    }

    #[test]
    fn weights_multiply_the_parts_and_the_mean_divides_by_the_rows() {
        let weight: Option<&[f64]> = Some(&[2.0, 0.0]);
        let case = soft(2, &[0.0; 4], &[0.5, 0.5, 1.0, 0.0], weight, params());
        // (1·ln 2 + 2·ln 2)/2.
        assert_values(&case, "loss", &["1.039720770839917964125848182187264852113250202"]);
        assert_claims(&case, "grad.logits", &["-0.25", "0.25", "-0.5", "0.5"]);
        assert_values(&case, "grad.target", &[LN_2, "0", LN_2, "0"]);
    }

    #[test]
    fn an_excluded_class_costs_nothing_without_target_and_everything_with_it() {
        let case = soft(2, &[0.0, MINUS_INFINITY], &[1.0, 0.0], None, params());
        assert_claims(&case, "loss", &["0"]);
        assert_claims(&case, "grad.logits", &["0", "0"]);
        assert_claims(&case, "grad.target", &["0", "inf"]);
        let case = soft(2, &[0.0, MINUS_INFINITY], &[0.5, 0.25], None, params());
        assert_claims(&case, "loss", &["inf"]);
        assert_claims(&case, "grad.logits", &["0.25", "-0.25"]);
        // Weight 0 leaves the part out, but by the target it is 0·∞.
        let case = soft(2, &[0.0, MINUS_INFINITY], &[0.5, 0.25], Some(&[1.0, 0.0]), params());
        assert_claims(&case, "loss", &["0"]);
        assert_claims(&case, "grad.target", &["0", "undefined"]);
        // Nothing but −∞ has no softmax, whatever the target.
        let case = soft(2, &[MINUS_INFINITY; 2], &[0.0, 0.0], None, params());
        assert_claims(&case, "loss", &["undefined"]);
        assert_claims(&case, "grad.target", &["undefined", "undefined"]);
    }

    #[test]
    fn a_nan_reaches_what_depends_on_it() {
        let none = params().with("reduction", "none");
        let case = soft(2, &[0.0; 4], &[f64::NAN, 1.0, 1.0, 0.0], None, none.clone());
        assert_claims(&case, "loss", &["undefined", LN_2]);
        assert_claims(&case, "grad.logits", &["undefined", "undefined", "-0.5", "0.5"]);
        assert_values(&case, "grad.target", &[LN_2; 4]);
        let case = soft(2, &[0.0, f64::NAN], &[1.0, 0.0], None, none);
        assert_claims(&case, "loss", &["undefined"]);
        assert_claims(&case, "grad.target", &["undefined", "undefined"]);
    }

    #[test]
    fn no_rows() {
        let empty = |params: Params| soft(1, &[], &[], None, params);
        assert_claims(&empty(params()), "loss", &["undefined"]);
        assert_claims(&empty(params().with("empty_mean", "zero")), "loss", &["0"]);
    }

    #[test]
    fn gradients_are_the_differences_of_the_loss() {
        let mut random = Random::new(6);
        let mut compared = 0;
        for reduction in ["none", "mean", "sum"] {
            for weighted in [false, true] {
                let (logits, target) = (random.values(8, -4.0, 4.0), random.values(8, 0.1, 2.0));
                let weight = random.values(4, 0.0, 2.0);
                let params = params().with("reduction", reduction);
                let case = soft(4, &logits, &target, weighted.then_some(&weight[..]), params);
                compared += assert_differences(&with_random_upstream(case, &mut random));
            }
        }
        assert_eq!(compared, 3 * 2 * 16);
    }
}
