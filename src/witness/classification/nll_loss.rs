//! The witness of nll_loss.

use crate::case::Case;
use crate::witness::amount::Amount;
use crate::witness::reduction::{reduce, weights};
use crate::witness::{Derivation, Skip};

/// −w_t ℓ_t by row, t its class; ∂ℓ_t is −w_t, every other derivative 0. The mean divides by Σ w_t of the rows that count.
pub(in crate::witness) fn nll_loss(case: &Case) -> Result<Derivation, Skip> {
    let (log_probs, targets) = (case.input("log_probs"), case.input("target").integers());
    let classes = log_probs.shape[1];
    let weights = weights(case, "class_weight", classes);
    let ignored = case.params.integer("ignore_index");
    let class = |&target: &i64| usize::try_from(target).ok().filter(|_| Some(target) != ignored);
    let of_row: Vec<Option<usize>> = targets.iter().map(class).collect();
    let rows = || of_row.iter().zip(log_probs.floats().chunks_exact(classes));
    let term = |(class, row): (&Option<usize>, &[f64])| class.map(|t| -(weights[t] * Amount::of(row[t])));
    let terms: Vec<Option<Amount>> = rows().map(term).collect();
    let reduced = reduce(case, &terms, Amount::sum(of_row.iter().flatten().map(|&t| weights[t])));
    let mut gradient = vec![Amount::ZERO; log_probs.len()];
    for (n, class) in of_row.iter().enumerate() {
        if let Some(t) = class {
            gradient[n * classes + t] = reduced.gradient(n, -weights[*t]);
        }
    }
    Ok(Derivation { loss: reduced.loss, gradients: vec![("log_probs", gradient)] })
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::*;
    use super::*;
    use crate::loss::{ParamValue, Params};
    use crate::tensor::Tensor;

    const MINUS_INFINITY: f64 = f64::NEG_INFINITY;

    fn nll(targets: &[i64], log_probs: &[f64], weight: Option<&[f64]>, params: Params) -> Case {
        let shape = [targets.len(), log_probs.len() / targets.len()];
        let target = Tensor::i64(&shape[..1], targets.to_vec());
        let mut inputs = vec![("log_probs", floats(&shape, log_probs)), ("target", target)];
        inputs.extend(weight.map(|weight| ("class_weight", floats(&shape[1..], weight))));
        case("nll_loss", params, inputs)
    }

    #[test]
    fn the_mean_divides_by_the_weights_of_the_kept_targets() {
        let log_probs = [-1.0, -2.0, -3.0, -4.0, f64::NAN, MINUS_INFINITY];
        let weight: Option<&[f64]> = Some(&[1.0, 3.0]);
        let case = nll(&[0, 1, -100], &log_probs, weight, params());
        assert_claims(&case, "loss", &["3.25"]);
        assert_claims(&case, "grad.log_probs", &["-0.25", "0", "0", "-0.75", "0", "0"]);
        let none = params().with("ignore_index", 1i64).with("reduction", "none");
        let case = nll(&[0, 1, 1], &log_probs, weight, none);
        assert_claims(&case, "loss", &["1", "0", "0"]);
        assert_claims(&case, "grad.log_probs", &["-1", "0", "0", "0", "0", "0"]);
        let mut null = params().with("reduction", "sum");
        null.set("ignore_index", ParamValue::Null);
        let case = nll(&[0, 1, 1], &log_probs, weight, null);
        assert_claims(&case, "loss", &["inf"]);
        assert_claims(&case, "grad.log_probs", &["-1", "0", "0", "-3", "0", "-3"]);
    }

    #[test]
    fn log_probs_are_taken_as_they_are() {
        let case = nll(&[0, 1], &[2.5, MINUS_INFINITY, f64::NAN, -0.5], None, params());
        assert_claims(&case, "loss", &["-1"]);
        let case = nll(&[1], &[0.0, MINUS_INFINITY], None, params());
        assert_claims(&case, "loss", &["inf"]);
        assert_claims(&case, "grad.log_probs", &["0", "-1"]);
        let case = nll(&[1], &[0.0, MINUS_INFINITY], Some(&[1.0, 0.0]), params().with("reduction", "sum"));
        assert_claims(&case, "loss", &["undefined"]);
    }

    #[test]
    fn nothing_kept() {
        let weight: Option<&[f64]> = Some(&[0.0, 1.0]);
        let rows = |params: Params| nll(&[-100, 0], &[1.0, 2.0, 3.0, 5.0], weight, params);
        assert_claims(&rows(params()), "loss", &["undefined"]);
        assert_claims(&rows(params()), "grad.log_probs", &["0", "0", "undefined", "0"]);
        let zero = params().with("empty_mean", "zero");
        assert_claims(&rows(zero.clone()), "loss", &["0"]);
        assert_claims(&rows(zero), "grad.log_probs", &["0"; 4]);
        assert_claims(&rows(params().with("reduction", "sum")), "loss", &["0"]);
    }

    #[test]
    fn gradients_are_the_differences_of_the_loss() {
        let mut random = Random::new(8);
        let mut compared = 0;
        for reduction in ["none", "mean", "sum"] {
            for weighted in [false, true] {
                let (log_probs, weight) = (random.values(9, -4.0, 1.0), random.values(3, 0.0, 2.0));
                let params = params().with("reduction", reduction).with("ignore_index", 1i64);
                let case = nll(&[2, 1, 0], &log_probs, weighted.then_some(&weight[..]), params);
                compared += assert_differences(&with_random_upstream(case, &mut random));
            }
        }
        assert_eq!(compared, 3 * 2 * 9);
    }
}
