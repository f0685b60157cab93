//! Losses that are others at a value of a parameter, or for special inputs.

use crate::helpers::*;
use crate::reals::{self, Real, numbers};
use lossproof::case::{Case, Tensors};
use lossproof::loss::ParamValue;
use lossproof::tensor::Tensor;

/// The truth of two cases is the same in every output that both have.
fn agree(one: &Case, other: &Case) -> Outcome {
    let (one, other) = (prove(one), prove(other));
    let mut compared = 0;
    for truth in &one {
        if let Some(expected) = output(&other, &truth.name) {
            compared += same(truth, expected)?;
        }
    }
    Ok(compared)
}

/// The numbers of one case are those of the other times a factor.
fn agree_times(one: &Case, other: &Case, factor: &Real) -> Outcome {
    let (one, other) = (reals::prove(one), reals::prove(other));
    let mut compared = 0;
    for found in &one {
        let (Some(found_numbers), Some(numbers)) = (found.numbers(), numbers(&other, &found.name)) else {
            continue;
        };
        let expected: Vec<Real> = numbers.iter().map(|x| x.times(factor)).collect();
        compared += reals::meet(&found.name, &found_numbers, &expected)?;
    }
    Ok(compared)
}

/// The greatest |prediction − target|, rounded up.
fn greatest_residual(case: &Case, [x, y]: [&str; 2]) -> f64 {
    let pairs = case.input(x).floats().iter().zip(case.input(y).floats());
    pairs.map(|(x, y)| (x - y).abs().next_up()).fold(0.0, f64::max)
}

#[test]
fn smooth_l1_at_beta_0_is_mae() {
    holds(&["smooth_l1"], |case| {
        let case = with(case, &[("beta", 0.0.into())]).ok_or("not valid")?;
        agree(&derived(&case, "mae", case.inputs.clone(), &[]).ok_or("no mae")?, &case)
    });
}

#[test]
fn smooth_l1_nears_mae() {
    // Where every residual is beyond β its distance from mae is β/2, and nothing in the gradient.
    holds(&["smooth_l1"], |case| {
        let least = case.input("prediction").floats().iter().zip(case.input("target").floats());
        let least = least.map(|(x, y)| (x - y).abs()).fold(f64::MAX, f64::min);
        let beta = (least / 4.0).min(0.5);
        if beta == 0.0 || case.inputs.contains_key("weight") {
            return Ok(0);
        }
        let case = with(case, &[("beta", beta.into()), ("reduction", "mean".into())]);
        let Some(case) = case.filter(|case| !case.input("prediction").is_empty()) else { return Ok(0) };
        let mae = derived(&case, "mae", case.inputs.clone(), &[]).ok_or("no mae")?;
        let (near, far) = (prove(&case), prove(&mae));
        let compared = same_outputs(&near[1..], &far[1..])?;
        let of = |case: &Case| numbers(&reals::prove(case), "loss");
        let (Some(near), Some(far)) = (of(&case), of(&mae)) else { return Ok(compared) };
        Ok(compared + reals::meet("loss", &near, &[far[0].minus(&Real::of(beta / 2.0))])?)
    });
}

#[test]
fn smooth_l1_times_beta_is_huber() {
    holds(&["smooth_l1"], |case| {
        let Some(beta) = case.params.number("beta").filter(|&beta| beta > 0.0) else { return Ok(0) };
        let huber =
            derived(case, "huber", case.inputs.clone(), &[("delta", beta.into())]).ok_or("no huber")?;
        agree_times(&huber, case, &Real::of(beta))
    });
}

#[test]
fn huber_within_delta_is_half_of_mse() {
    holds(&["huber"], |case| {
        let delta = greatest_residual(case, ["prediction", "target"]).max(1.0);
        if !delta.is_finite() {
            return Ok(0);
        }
        let case = with(case, &[("delta", delta.into())]).ok_or("not valid")?;
        let mse = derived(&case, "mse", case.inputs.clone(), &[]).ok_or("no mse")?;
        let (huber, mse) = (prove(&case), prove(&mse));
        let mut compared = 0;
        for (half, whole) in huber.iter().zip(&mse) {
            compared += same_scaled(&half.name, &half.elements, &whole.elements, -1, case.format)?;
        }
        Ok(compared)
    });
}

#[test]
fn gaussian_nll_of_variance_1_is_half_of_mse() {
    holds(&["gaussian_nll"], |case| {
        let shape = case.input("variance").shape.clone();
        let mut inputs = case.inputs.clone();
        inputs.insert("variance".to_owned(), Tensor::full(case.format, &shape, 1.0));
        let plain = [("full", ParamValue::Bool(false)), ("variance_floor", ParamValue::Null)];
        let gaussian = derived(case, "gaussian_nll", inputs, &plain).ok_or("not valid")?;
        let inputs = Tensors::from([
            ("prediction".to_owned(), case.input("mean").clone()),
            ("target".to_owned(), case.input("target").clone()),
        ]);
        let mse = derived(case, "mse", inputs, &[("mean_over", "count".into())]).ok_or("no mse")?;
        let (gaussian, mse) = (prove(&gaussian), prove(&mse));
        let mut compared = 0;
        for (ours, theirs) in
            [("loss", "loss"), ("grad.mean", "grad.prediction"), ("grad.target", "grad.target")]
        {
            let (half, whole) = (output(&gaussian, ours).ok_or("none")?, output(&mse, theirs).ok_or("none")?);
            compared += same_scaled(ours, &half.elements, &whole.elements, -1, case.format)?;
        }
        Ok(compared)
    });
}

#[test]
fn focal_at_gamma_0_is_bce_with_logits() {
    holds(&["focal_sigmoid"], |case| {
        let plain = [("gamma", ParamValue::from(0.0)), ("alpha", ParamValue::Null)];
        let case = with(case, &plain).ok_or("not valid")?;
        agree(&case, &derived(&case, "bce_with_logits", case.inputs.clone(), &[]).ok_or("no bce")?)
    });
}

/// Targets of a loss of classes as one-hot rows, ignored rows as zeros.
fn one_hot(case: &Case, classes: usize) -> Tensor {
    let targets = case.input("target").integers();
    let ignored = case.params.integer("ignore_index");
    let row = |&t: &i64| (0..classes as i64).map(move |c| f64::from(u8::from(c == t && Some(t) != ignored)));
    Tensor::float(case.format, &[targets.len(), classes], targets.iter().flat_map(row).collect())
}

#[test]
fn one_hot_targets_are_classes() {
    holds(&["cross_entropy"], |case| {
        let params = [("label_smoothing", ParamValue::from(0.0)), ("reduction", "sum".into())];
        let Some(case) = with(case, &params) else { return Ok(0) };
        // A row that is ignored is masked, whatever it holds; one of no target only has no cost.
        if !is_finite(&case, &["logits"]) {
            return Ok(0);
        }
        let mut inputs = case.inputs.clone();
        inputs.insert("target".to_owned(), one_hot(&case, case.input("logits").shape[1]));
        agree(&case, &derived(&case, "cross_entropy_soft", inputs, &[]).ok_or("no soft loss")?)
    });
}

#[test]
fn smoothing_is_linear_in_epsilon() {
    // L(½) = (L(0) + L(1))/2.
    holds(&["cross_entropy"], |case| {
        let smoothed = |epsilon: f64| {
            let params = [("label_smoothing", epsilon.into()), ("reduction", "sum".into())];
            with(case, &params).map(|case| reals::prove(&case))
        };
        let (Some(none), Some(half), Some(all)) = (smoothed(0.0), smoothed(0.5), smoothed(1.0)) else {
            return Ok(0);
        };
        let mut compared = 0;
        for (place, half) in half.iter().enumerate() {
            let numbers = (none[place].numbers(), half.numbers(), all[place].numbers());
            let (Some(none), Some(halves), Some(all)) = numbers else { continue };
            let twice: Vec<Real> = halves.iter().map(|x| x.plus(x)).collect();
            let sum: Vec<Real> = none.iter().zip(&all).map(|(x, y)| x.plus(y)).collect();
            compared += reals::meet(&half.name, &twice, &sum)?;
        }
        Ok(compared)
    });
}

#[test]
fn two_classes_are_a_logit() {
    // −log softmax([z, 0])₀ = log(1 + e^−z) = bce_with_logits(z, 1).
    holds(&["bce_with_logits"], |case| {
        let logits = case.input("logits").floats().to_vec();
        if logits.is_empty() {
            return Ok(0);
        }
        let format = case.format;
        let pairs = logits.iter().flat_map(|&z| [z, 0.0]).collect();
        let rows = Tensors::from([
            ("logits".to_owned(), Tensor::float(format, &[logits.len(), 2], pairs)),
            ("target".to_owned(), Tensor::i64(&[logits.len()], vec![0; logits.len()])),
        ]);
        let shape = [logits.len()];
        let ones = Tensors::from([
            ("logits".to_owned(), Tensor::float(format, &shape, logits.clone())),
            ("target".to_owned(), Tensor::full(format, &shape, 1.0)),
        ]);
        let unreduced = |loss: &str, inputs| {
            let params = lossproof::loss::Params::default().with("reduction", "none");
            Case::new(loss, format, params, inputs).map_err(|error| error.to_string())
        };
        let (rows, ones) =
            (prove(&unreduced("cross_entropy", rows)?), prove(&unreduced("bce_with_logits", ones)?));
        let by_first: Vec<_> = rows[1].elements.iter().step_by(2).copied().collect();
        let by_second: Vec<_> = rows[1].elements.iter().skip(1).step_by(2).map(negated).collect();
        Ok(same(&rows[0], &ones[0])?
            + same_elements("by the first logit", &by_first, &ones[1].elements)?
            + same_elements("by the second logit", &by_second, &ones[1].elements)?)
    });
}

#[test]
fn nll_loss_is_a_divergence_from_one_class() {
    holds(&["nll_loss"], |case| {
        if case.inputs.contains_key("class_weight") || !is_finite(case, &["log_probs"]) {
            return Ok(0);
        }
        let case = with(case, &[("reduction", "sum".into())]);
        let Some(case) = case else { return Ok(0) };
        let inputs = Tensors::from([
            ("log_prediction".to_owned(), case.input("log_probs").clone()),
            ("target".to_owned(), one_hot(&case, case.input("log_probs").shape[1])),
        ]);
        let divergence = prove(&derived(&case, "kl_div", inputs, &[]).ok_or("no kl_div")?);
        let nll = prove(&case);
        Ok(same(&nll[0], &divergence[0])?
            + same_elements("gradient", &nll[1].elements, &divergence[1].elements)?)
    });
}

#[test]
fn certain_log_targets_are_targets() {
    holds(&["kl_div"], |case| {
        // e^0 and e^−∞ are exact, and so are 1 and 0.
        let shape = case.input("target").shape.clone();
        let bits: Vec<bool> = (0..case.input("target").len()).map(|i| i % 3 == 1).collect();
        let with_target = |one: f64, zero: f64, log: bool| {
            let values = bits.iter().map(|&bit| if bit { one } else { zero }).collect();
            let mut inputs = case.inputs.clone();
            inputs.insert("target".to_owned(), Tensor::float(case.format, &shape, values));
            derived(case, "kl_div", inputs, &[("log_target", log.into())])
        };
        let plain = with_target(1.0, 0.0, false).ok_or("not valid")?;
        let logs = with_target(0.0, f64::NEG_INFINITY, true).ok_or("not valid")?;
        let (plain, logs) = (prove(&plain), prove(&logs));
        Ok(same(&logs[0], &plain[0])? + same(&logs[1], &plain[1])?)
    });
}

#[test]
fn a_bound_that_nothing_reaches_changes_nothing() {
    let bounds: [(&str, &str, &str, f64); 3] = [
        ("bce", "probability", "probability_clip", 2f64.powi(-20)),
        ("bce", "probability", "log_clamp", -20.0 * std::f64::consts::LN_2),
        ("gaussian_nll", "variance", "variance_floor", 2f64.powi(-20)),
    ];
    for (loss, input, bound, value) in bounds {
        holds(&[loss], |case| {
            // Numbers well within the bound, made from the case's own.
            let within = |x: f64| if x > 0.001 && x < 0.999 { x } else { 0.5 };
            let Some(inputs) = mapped(case, &[input], within) else { return Ok(0) };
            let none: Vec<(&str, ParamValue)> = ["probability_clip", "log_clamp", "variance_floor"]
                .into_iter()
                .filter(|name| case.params.0.contains_key(*name))
                .map(|name| (name, ParamValue::Null))
                .collect();
            let unbounded = derived(case, loss, inputs, &none).ok_or("not valid")?;
            let cut = if loss == "bce" { "log_clamp_gradient" } else { "floor_gradient" };
            let bounded =
                with(&unbounded, &[(bound, value.into()), (cut, "cut".into())]).ok_or("not valid")?;
            agree(&bounded, &unbounded)
        });
    }
}
