//! Inequalities: losses that are never negative, the signs of softmax's gradient, and convexity, which ties the value to
//! its gradient.

use crate::helpers::*;
use crate::reals::{self, Real, numbers};
use lossproof::tensor::Tensor;
use lossproof::truth::Truth;

/// Whether a truth is of no number below 0.
fn is_nonnegative(truth: &Truth) -> bool {
    match truth {
        Truth::Proved(y) | Truth::Overflow(y) => y.mantissa >= 0,
        Truth::Set(low, _) => low.mantissa >= 0,
        Truth::Infinite { negative } => !negative,
        Truth::Undefined | Truth::Undecided { .. } => true,
    }
}

#[test]
fn losses_marked_nonnegative_are() {
    holds(&losses(|entry| entry.spec().nonnegative), |case| {
        let truths = prove(case);
        match truths[0].elements.iter().position(|truth| !is_nonnegative(truth)) {
            Some(at) => Err(format!("loss[{at}] is {:?}", truths[0].elements[at])),
            None => Ok(truths[0].elements.len()),
        }
    });
}

#[test]
fn a_larger_logit_costs_the_target_nothing_and_the_others_something() {
    holds(&["cross_entropy"], |case| {
        let case = with(case, &[("label_smoothing", 0.0.into()), ("reduction", "sum".into())]);
        let Some(mut case) = case.filter(|case| case.upstream.shape.is_empty()) else { return Ok(0) };
        case.upstream = Tensor::full(case.format, &[], 1.0);
        let (truths, classes) = (prove(&case), case.input("logits").shape[1]);
        for (at, truth) in truths[1].elements.iter().enumerate() {
            let is_target = case.input("target").integers()[at / classes] == (at % classes) as i64;
            let seen = if is_target { negated(truth) } else { *truth };
            if !is_nonnegative(&seen) {
                return Err(format!("gradient {at} has the wrong sign: {truth:?}"));
            }
        }
        Ok(truths[1].elements.len())
    });
}

/// A loss that is convex in an input, with the parameters that make it so.
const CONVEX: [(&str, &str, &[&str]); 11] = [
    ("mse", "prediction", &[]),
    ("mae", "prediction", &[]),
    ("huber", "prediction", &[]),
    ("smooth_l1", "prediction", &[]),
    ("log_cosh", "prediction", &[]),
    ("gaussian_nll", "mean", &[]),
    ("hinge", "score", &[]),
    ("bce", "probability", &["log_clamp", "probability_clip"]),
    ("bce_with_logits", "logits", &[]),
    ("cross_entropy", "logits", &[]),
    ("cross_entropy_soft", "logits", &[]),
];

#[test]
fn a_convex_loss_lies_above_its_tangents() {
    for (loss, input, left_out) in CONVEX {
        holds(&[loss], |case| {
            let plain: Vec<_> =
                left_out.iter().map(|&name| (name, lossproof::loss::ParamValue::Null)).collect();
            let Some(mut case) = with(case, &[&plain[..], &[("reduction", "sum".into())]].concat()) else {
                return Ok(0);
            };
            case.upstream = Tensor::full(case.format, &[], 1.0);
            let x = case.input(input).clone();
            let mut other = x.floats().to_vec();
            other.reverse();
            let mut inputs = case.inputs.clone();
            inputs.insert(input.to_owned(), Tensor::float(case.format, &x.shape, other.clone()));
            let moved = derived(&case, loss, inputs, &[]).ok_or("not valid")?;
            let (here, there) = (reals::prove(&case), reals::prove(&moved));
            let (Some(low), Some(high)) = (numbers(&here, "loss"), numbers(&there, "loss")) else {
                return Ok(0);
            };
            let gradient =
                here.iter().find(|output| output.name == format!("grad.{input}")).ok_or("no gradient")?;
            let mut rises = Vec::new();
            for (at, (&from, &to)) in x.floats().iter().zip(&other).enumerate() {
                let Some(slope) = &gradient.elements[at] else { return Ok(0) };
                let step = Real::of(to).minus(&Real::of(from));
                // At a kink every slope of the set is one of a tangent: the steepest in this direction.
                let [low, high] = slope.ends();
                rises.push(match (gradient.is_set[at], to > from) {
                    (false, _) => slope.times(&step),
                    (true, true) => high.times(&step),
                    (true, false) => low.times(&step),
                });
            }
            let gap = high[0].minus(&low[0]).minus(&Real::sum(&rises));
            match gap.may_be_nonnegative() {
                true => Ok(x.len()),
                false => Err(format!("the loss at the reversed {input} is below the tangent by {gap:?}")),
            }
        });
    }
}
