//! The witness of cross_entropy.

use super::softmax::{Gaps, Row};
use crate::case::Case;
use crate::witness::amount::Amount;
use crate::witness::real::Real;
use crate::witness::reduction::{reduce, weights};
use crate::witness::{Derivation, Skip};

/// Σ_c w_c q_c (LSE(x) − x_c) by row, its gradient softmax(x)_c · Σⱼ wⱼqⱼ − w_c q_c; q is the smoothed one-hot target.
pub(in crate::witness) fn cross_entropy(case: &Case) -> Result<Derivation, Skip> {
    let (logits, targets) = (case.input("logits"), case.input("target").integers());
    let classes = logits.shape[1];
    let class_weights = weights(case, "class_weight", classes);
    let smoothing = Smoothing::of(case, classes);
    let ignored = case.params.integer("ignore_index");
    let rows: Vec<Option<(usize, Row)>> = targets
        .iter()
        .zip(logits.floats().chunks_exact(classes))
        .map(|(&target, logits)| {
            let class = usize::try_from(target).ok();
            let class = class.filter(|_| Some(target) != ignored)?;
            // Where the target has no part, the class's weight has none either, though it were NaN.
            let in_target = |c: &usize| !smoothing.part(*c, class).is_exact_zero();
            let part = |c: usize| class_weights[c] * Amount::Number(smoothing.part(c, class));
            let parts: Vec<Option<Amount>> =
                (0..classes).map(|c| Some(c).filter(in_target).map(part)).collect();
            Some((class, Row::of(&Gaps::of(logits), &parts)))
        })
        .collect();
    let divisor = Amount::sum(rows.iter().flatten().map(|&(class, _)| class_weights[class]));
    let terms: Vec<_> = rows.iter().map(|row| row.as_ref().map(|(_, row)| row.loss)).collect();
    let reduced = reduce(case, &terms, divisor);
    let mut gradient = Vec::with_capacity(logits.len());
    for (index, row) in rows.iter().enumerate() {
        match row {
            None => gradient.extend(std::iter::repeat_n(Amount::ZERO, classes)),
            Some((_, row)) => {
                gradient.extend(row.gradient.iter().map(|&slope| reduced.gradient(index, slope)))
            }
        }
    }
    Ok(Derivation { loss: reduced.loss, gradients: vec![("logits", gradient)] })
}

/// The smoothed target: q at the class itself and at each other class.
struct Smoothing {
    own: Real,
    other: Real,
}

impl Smoothing {
    /// over_k: (1 − ε)·onehot + ε/K. over_k_minus_1: 1 − ε and ε/(K − 1).
    fn of(case: &Case, classes: usize) -> Smoothing {
        let epsilon = case.params.number("label_smoothing").unwrap_or(0.0);
        let (kept, spread) = (Real::sum_of(&[1.0, -epsilon]), Real::of(epsilon));
        match case.params.text("smoothing_form") {
            "over_k_minus_1" => Smoothing { own: kept, other: spread / Real::count(classes - 1) },
            _ => {
                let other = spread / Real::count(classes);
                Smoothing { own: kept + other, other }
            }
        }
    }

    fn part(&self, class: usize, target: usize) -> Real {
        if class == target { self.own } else { self.other }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::*;
    use super::*;
    use crate::loss::Params;
    use crate::tensor::Tensor;

    const MINUS_INFINITY: f64 = f64::NEG_INFINITY;

    fn entropy(targets: &[i64], logits: &[f64], class_weight: Option<&[f64]>, params: Params) -> Case {
        let shape = [targets.len(), logits.len() / targets.len()];
        let mut inputs =
            vec![("logits", floats(&shape, logits)), ("target", Tensor::i64(&shape[..1], targets.to_vec()))];
        inputs.extend(class_weight.map(|weight| ("class_weight", floats(&shape[1..], weight))));
        case("cross_entropy", params, inputs)
    }

    #[test]
    fn two_equal_logits_cost_ln_2() {
        let case = entropy(&[0], &[0.0, 0.0], None, params());
        assert_values(&case, "loss", &["0.693147180559945309417232121458176568075500134"]);
        assert_values(&case, "grad.logits", &["-0.5", "0.5"]);
    }

    #[test]
    fn a_confident_row_keeps_its_digits() {
        let (loss, slope) = (
            "2.06115362031438070323898279887791523560266988e-9",
            "2.06115361819020358143086212947459269075249002e-9",
        );
        let case = entropy(&[0], &[20.0, 0.0], None, params());
        assert_values(&case, "loss", &[loss]);
        assert_values(&case, "grad.logits", &[&format!("-{slope}"), slope]);
        // Exact against the scale of the answer itself, not of 20 or 1.
        assert!(claims_scale(&claims_of(&case, "loss")[0]) < 1e-7);
        assert!(claims_scale(&claims_of(&case, "grad.logits")[0]) < 1e-7);
        let case = entropy(&[1], &[1000001.0, 999999.0], None, params());
        assert_values(&case, "loss", &["2.12692801104297249644372680635830443143433306"]);
    }

    #[test]
    fn smoothing_and_class_weights_by_hand() {
        // Reference digits: Python's decimal at 70 digits.
        let weight: Option<&[f64]> = Some(&[0.5, 1.0, 2.0]);
        let smoothed = |form: &str| params().with("label_smoothing", 0.25).with("smoothing_form", form);
        let case = entropy(&[1], &[1.0, 2.0, 3.0], weight, smoothed("over_k"));
        assert_values(&case, "loss", &["1.34125621296289615050304156723444838695098657"]);
        let gradient = [
            "0.0521151803858129770812730223796789561124279843",
            "-0.578407842651252445340667064228372086250729089",
            "0.526292662265439468259394041848693130138301104",
        ];
        assert_values(&case, "grad.logits", &gradient);
        let case = entropy(&[1], &[1.0, 2.0, 3.0], weight, smoothed("over_k_minus_1"));
        assert_values(&case, "loss", &["1.30808133722215407351310239857913735469000630"]);
        let gradient = [
            "0.0331574839935292366228984828272725352346765440",
            "-0.489975999504277494247480405512939527975743670",
            "0.456818515510748257624581922685666992741067127",
        ];
        assert_values(&case, "grad.logits", &gradient);
    }

    #[test]
    fn the_mean_divides_by_the_weights_of_the_kept_targets() {
        // Two kept rows, of ln 2 each, and a third that is ignored, whatever it holds.
        let logits = [0.0, 0.0, 0.0, 0.0, f64::NAN, MINUS_INFINITY];
        let weight: Option<&[f64]> = Some(&[1.0, 3.0]);
        let case = entropy(&[0, 1, -100], &logits, weight, params());
        assert_values(&case, "loss", &["0.693147180559945309417232121458176568075500134"]);
        assert_claims(&case, "grad.logits", &["-0.125", "0.125", "0.375", "-0.375", "0", "0"]);
        let case = entropy(
            &[0, 1, 1],
            &logits,
            weight,
            params().with("ignore_index", 1i64).with("reduction", "none"),
        );
        assert_claims(&case, "grad.logits", &["-0.5", "0.5", "0", "0", "0", "0"]);
        let mut params = params().with("reduction", "sum");
        params.set("ignore_index", crate::loss::ParamValue::Null);
        let case = entropy(&[0, 1, 1], &logits, weight, params);
        assert_claims(&case, "loss", &["undefined"]);
        assert_claims(&case, "grad.logits", &["-0.5", "0.5", "1.5", "-1.5", "undefined", "undefined"]);
    }

    #[test]
    fn nothing_kept() {
        let weight: Option<&[f64]> = Some(&[0.0, 1.0]);
        let zero = params().with("empty_mean", "zero");
        // An ignored row, and one of weight 0.
        let rows = |params: Params| entropy(&[-100, 0], &[1.0, 2.0, 3.0, 5.0], weight, params);
        assert_claims(&rows(params()), "loss", &["undefined"]);
        assert_claims(&rows(params()), "grad.logits", &["0", "0", "undefined", "undefined"]);
        assert_claims(&rows(zero.clone()), "loss", &["0"]);
        assert_claims(&rows(zero), "grad.logits", &["0"; 4]);
        assert_claims(&rows(params().with("reduction", "sum")), "loss", &["0"]);
        assert_claims(&rows(params().with("reduction", "none")), "grad.logits", &["0"; 4]);
    }

    #[test]
    fn excluded_classes() {
        let row = |target: i64, params: Params| entropy(&[target], &[0.0, MINUS_INFINITY, 0.0], None, params);
        let case = row(0, params());
        assert_values(&case, "loss", &["0.693147180559945309417232121458176568075500134"]);
        assert_claims(&case, "grad.logits", &["-0.5", "0", "0.5"]);
        let case = row(1, params());
        assert_claims(&case, "loss", &["inf"]);
        assert_claims(&case, "grad.logits", &["0.5", "-1", "0.5"]);
        let case = row(0, params().with("label_smoothing", 0.75));
        assert_claims(&case, "loss", &["inf"]);
        assert_claims(&case, "grad.logits", &["0", "-0.25", "0.25"]);
        let case = row(1, params().with("label_smoothing", 1.0).with("smoothing_form", "over_k_minus_1"));
        assert_values(&case, "loss", &["0.693147180559945309417232121458176568075500134"]);
        assert_claims(&case, "grad.logits", &["0", "0", "0"]);
        let case = entropy(&[1], &[MINUS_INFINITY, MINUS_INFINITY], None, params());
        assert_claims(&case, "loss", &["undefined"]);
        assert_claims(&case, "grad.logits", &["undefined", "undefined"]);
        // An infinite term of weight 0.
        let case =
            entropy(&[0], &[MINUS_INFINITY, 0.0], Some(&[0.0, 1.0]), params().with("reduction", "sum"));
        assert_claims(&case, "loss", &["undefined"]);
    }

    #[test]
    fn a_weight_that_is_nan_reaches_what_depends_on_it() {
        let weight: Option<&[f64]> = Some(&[1.0, f64::NAN]);
        let logits = [0.0, 0.0, 0.0, 0.0];
        let case = entropy(&[0, 1], &logits, weight, params().with("reduction", "none"));
        assert_claims(&case, "loss", &["0.693147180559945309417232121458176568075500134", "undefined"]);
        assert_claims(&case, "grad.logits", &["-0.5", "0.5", "undefined", "undefined"]);
        assert_claims(&entropy(&[0, 1], &logits, weight, params()), "grad.logits", &["undefined"; 4]);
        assert_claims(
            &entropy(&[0, 0], &logits, weight, params()),
            "grad.logits",
            &["-0.25", "0.25", "-0.25", "0.25"],
        );
    }

    #[test]
    fn gradients_of_a_row_sum_to_0() {
        let mut random = Random::new(5);
        let params = params().with("label_smoothing", 0.125).with("reduction", "sum");
        let case = entropy(&[4], &random.values(9, -30.0, 30.0), Some(&random.values(9, 0.0, 2.0)), params);
        let parts = claims_of(&case, "grad.logits").iter().map(claim_value).collect::<Vec<_>>();
        let sum = parts.iter().fold(num_bigfloat::ZERO, |sum, &x| sum + x);
        assert!(sum.abs().to_f64() < 1e-37 && parts[4].to_f64() < -0.1, "{sum}");
    }

    #[test]
    fn a_class_that_underflows_is_a_skip_only_as_an_answer() {
        assert_eq!(skip_of(&entropy(&[0], &[1000.0, 0.0], None, params())), "too_small");
        let mut case = entropy(&[1], &[1000.0, 0.0], None, params());
        assert_values(&case, "loss", &["1000"]);
        assert_values(&case, "grad.logits", &["1", "-1"]);
        case.inputs.insert("logits".to_owned(), floats(&[1, 2], &[1e130, 0.0]));
        assert_eq!(skip_of(&case), "too_large");
    }

    #[test]
    fn cross_entropy_gradients_are_the_differences_of_the_loss() {
        let mut random = Random::new(2);
        let mut compared = 0;
        for reduction in ["none", "mean", "sum"] {
            for form in ["over_k", "over_k_minus_1"] {
                for smoothing in [0.0, 0.125, 1.0] {
                    for weighted in [false, true] {
                        for ignored in [-100, 2] {
                            let params = params().with("reduction", reduction).with("smoothing_form", form);
                            let params =
                                params.with("label_smoothing", smoothing).with("ignore_index", ignored);
                            let (logits, weight) = (random.values(12, -4.0, 4.0), random.values(4, 0.0, 2.0));
                            let weight = weighted.then_some(&weight[..]);
                            let case = entropy(&[3, 2, 0], &logits, weight, params);
                            compared += assert_differences(&with_random_upstream(case, &mut random));
                        }
                    }
                }
            }
        }
        assert_eq!(compared, 3 * 2 * 3 * 2 * 2 * 12);
    }
}
