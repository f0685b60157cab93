//! Promise: a class without mass costs nothing whatever its score, one with mass that is excluded costs +∞, and sums that
//! cancel exactly are proved to.

use lossproof::case::{Case, CaseError, Tensors};
use lossproof::format::Format;
use lossproof::loss::Params;
use lossproof::oracle::prove;
use lossproof::tensor::Tensor;
use lossproof::truth::Truth;

const OUT: f64 = f64::NEG_INFINITY;

fn rows(classes: usize, values: &[f64]) -> Tensor {
    Tensor::float(Format::F32, &[values.len() / classes, classes], values.to_vec())
}

fn case(loss: &str, params: Params, inputs: &[(&str, Tensor)]) -> Result<Case, CaseError> {
    let inputs: Tensors = inputs.iter().map(|(name, tensor)| ((*name).to_owned(), tensor.clone())).collect();
    Case::new(loss, Format::F32, params, inputs)
}

/// The rounded truths of an output, which are all decided.
fn truths(case: &Case, output: &str) -> Vec<f64> {
    let truth = prove(case).unwrap().into_iter().find(|truth| truth.name == output).unwrap();
    assert!(!truth.elements.iter().any(|truth| matches!(truth, Truth::Undecided { .. })), "{output}");
    truth.elements.iter().map(|truth| truth.value(Format::F32)).collect()
}

/// Equal, NaN to NaN.
fn assert_truths(case: &Case, output: &str, expected: &[f64]) {
    let found = truths(case, output);
    let same = |(x, y): (&f64, &f64)| x == y || x.is_nan() && y.is_nan();
    assert!(
        found.len() == expected.len() && found.iter().zip(expected).all(same),
        "{output}: {found:?} instead of {expected:?}"
    );
}

#[test]
fn cross_entropy_soft() {
    let soft = |logits: &[f64], target: &[f64]| {
        let inputs = [("logits", rows(2, logits)), ("target", rows(2, target))];
        case("cross_entropy_soft", Params::default().with("reduction", "none"), &inputs).unwrap()
    };
    let none = soft(&[0.0, OUT, 0.0, OUT], &[2.0, 0.0, 0.5, 0.25]);
    assert_truths(&none, "loss", &[0.0, f64::INFINITY]);
    assert_truths(&none, "grad.logits", &[0.0, 0.0, 0.25, -0.25]);
    assert_truths(&none, "grad.target", &[0.0, f64::INFINITY, 0.0, f64::INFINITY]);
    // Nothing has any mass; nothing has a softmax.
    let none = soft(&[3.0, -1.0, OUT, OUT], &[0.0; 4]);
    assert_truths(&none, "loss", &[0.0, f64::NAN]);
    assert_truths(&none, "grad.logits", &[0.0, 0.0, f64::NAN, f64::NAN]);
}

#[test]
fn nll_loss() {
    let inputs = [("log_probs", rows(2, &[OUT, -1.5, OUT, -1.5])), ("target", Tensor::i64(&[2], vec![1, 0]))];
    let none = case("nll_loss", Params::default().with("reduction", "none"), &inputs).unwrap();
    assert_truths(&none, "loss", &[1.5, f64::INFINITY]);
    assert_truths(&none, "grad.log_probs", &[0.0, -1.0, -1.0, 0.0]);
    // A weight over the same weight is 1, though 1/w and w/3w are no short numbers.
    let weight = Tensor::float(Format::F32, &[2], vec![f64::from(0.1f32), f64::from(1.1f32)]);
    let target = Tensor::i64(&[3], vec![0, 0, 0]);
    let inputs = [("log_probs", rows(2, &[-1.0; 6])), ("target", target), ("class_weight", weight)];
    let third = f64::from(-1.0f32 / 3.0);
    assert_truths(&case("nll_loss", Params::default(), &inputs).unwrap(), "loss", &[1.0]);
    assert_truths(
        &case("nll_loss", Params::default(), &inputs).unwrap(),
        "grad.log_probs",
        &[third, 0.0, third, 0.0, third, 0.0],
    );
}

fn kl(log_target: bool, prediction: &[f64], target: &[f64], reduction: &str) -> Case {
    let params = Params::default().with("log_target", log_target).with("reduction", reduction);
    let classes = target.len();
    let inputs = [("log_prediction", rows(classes, prediction)), ("target", rows(classes, target))];
    case("kl_div", params, &inputs).unwrap()
}

#[test]
fn kl_div() {
    let none = kl(false, &[-1.0, OUT, OUT, -1.0], &[0.0, 0.0, 0.5, 1.0], "none");
    assert_truths(&none, "loss", &[0.0, 0.0, f64::INFINITY, 1.0]);
    assert_truths(&none, "grad.log_prediction", &[0.0, 0.0, -0.5, -1.0]);
    assert_truths(&none, "grad.target", &[OUT, f64::NAN, f64::INFINITY, 2.0]);
    let none = kl(true, &[-1.0, OUT, OUT, -1.0], &[OUT, OUT, -0.5, 0.0], "none");
    assert_truths(&none, "loss", &[0.0, 0.0, f64::INFINITY, 1.0]);
    assert_truths(&none, "grad.target", &[0.0, 0.0, f64::INFINITY, 2.0]);
}

/// 2·ln 2 + 4·¼·ln ¼ = 0, and e^−1·1 + e^−1·(−1) = 0, which no precision shows.
#[test]
fn divergences_that_cancel_exactly() {
    let masses = [2.0, 0.25, 0.25, 0.25, 0.25];
    for reduction in ["batchmean", "mean", "sum"] {
        assert_truths(&kl(false, &[0.0; 5], &masses, reduction), "loss", &[0.0]);
        assert_truths(&kl(true, &[-2.0, 0.0, 0.5], &[-1.0, -1.0, 0.5], reduction), "loss", &[0.0]);
    }
    // What is left is a short number, or one just beside it.
    let left = kl(false, &[-1.0, 0.0, 0.0, 0.0, 3.0], &masses, "sum");
    assert_truths(&left, "loss", &[1.25]);
    let left = kl(true, &[-2.0, 0.0, -1.5], &[-1.0, -1.0, 0.0], "sum");
    assert_truths(&left, "loss", &[1.5]);
    // Other masses do not cancel.
    assert!(truths(&kl(false, &[0.0; 5], &[2.0, 0.25, 0.25, 0.25, 0.375], "sum"), "loss")[0] != 0.0);
}

#[test]
fn a_target_is_at_least_0_or_a_logarithm() {
    let with = |log_target: bool, target: f64| {
        let params = Params::default().with("log_target", log_target);
        let inputs = [("log_prediction", rows(1, &[-1.0])), ("target", rows(1, &[target]))];
        case("kl_div", params, &inputs)
    };
    for (log_target, target) in [(false, 0.0), (false, 2.5), (true, -3.0), (true, OUT), (true, 0.5)] {
        assert!(with(log_target, target).is_ok(), "{log_target} {target}");
    }
    for (log_target, target) in [(false, -0.5), (false, OUT), (false, f64::INFINITY), (true, f64::INFINITY)] {
        let error = with(log_target, target).unwrap_err().to_string();
        assert!(error.contains("`target` is") && error.contains("[0, 0]"), "{error}");
    }
}
