//! Known bugs of the Gaussian negative log-likelihood: its reduction and its floor.

use super::super::BUILTIN_FORMATS;
use super::plain::{answer_shaped, factors, floats, pairwise_sum, reduce, with_gradient};
use super::{About, rounded, trigger};
use crate::case::Case;
use crate::format::Format;
use crate::judge::Fault;
use crate::loss::Default;

/// Residuals and the variances as they come.
fn inputs(case: &Case) -> (Vec<f32>, Vec<f32>) {
    let (mean, target) = (floats(case, "mean"), floats(case, "target"));
    (mean.iter().zip(target).map(|(x, y)| x - y).collect(), floats(case, "variance"))
}

fn terms(residual: &[f32], variance: &[f32]) -> Vec<f32> {
    residual.iter().zip(variance).map(|(r, v)| 0.5 * (libm::logf(*v) + r * r / v)).collect()
}

fn case_of(format: Format, params: &[(&str, Default)], shape: &[usize], values: [&[f64]; 3]) -> Case {
    let [mean, target, variance] = values.map(|values| rounded(format, shape, values));
    let inputs = vec![("mean", mean), ("target", target), ("variance", variance)];
    trigger("gaussian_nll", format, params, &["mean", "variance"], inputs)
}

/// The last axis summed away.
pub(super) const RD_14: About = About {
    entry: "RD-14",
    description: "PyTorch: gaussian_nll_loss(reduction=none) summed over all axes but the first",
    link: "pytorch/pytorch PR#56469",
    faults: &[Fault::ShapeMismatch],
    names: ["RD-14", "RD-14-twin"],
    loss: "gaussian_nll",
    formats: BUILTIN_FORMATS,
    gradients: &[],
    optional_inputs: &[],
    pinned: PLAIN_UNREDUCED,
    run: |case, wrong| {
        let (residual, variance) = inputs(case);
        let terms = terms(&residual, &variance);
        let shape = &case.upstream.shape;
        match shape.split_last() {
            Some((&last, outer)) if wrong => {
                let rows = outer.iter().product::<usize>();
                let sums: Vec<f32> =
                    (0..rows).map(|row| pairwise_sum(&terms[row * last..][..last])).collect();
                Ok(answer_shaped(case, &sums, outer))
            }
            _ => Ok(answer_shaped(case, &terms, shape)),
        }
    },
    trigger: |format| {
        let mut case = case_of(
            format,
            PLAIN_UNREDUCED,
            &[2, 3],
            [
                &[1.0, 3.0, 0.0, 2.0, 2.0, 1.0],
                &[0.5, 1.0, 4.0, 1.0, 1.0, 3.0],
                &[1.0, 2.0, 0.5, 1.0, 4.0, 1.0],
            ],
        );
        case.gradients.clear();
        case
    },
};

const PLAIN_UNREDUCED: &[(&str, Default)] = &[
    ("reduction", Default::Text("none")),
    ("full", Default::Flag(false)),
    ("variance_floor", Default::Null),
];

/// The floor added to the variance, as a documentation said it was.
pub(super) const PYTORCH_190058: About = About {
    entry: "pytorch-190058",
    description: "gaussian_nll_loss as its documentation had it: eps added to the variance, where the code takes the larger",
    link: "pytorch/pytorch PR#190058",
    faults: &[Fault::Inaccurate],
    names: ["pytorch-190058", "pytorch-190058-twin"],
    loss: "gaussian_nll",
    formats: BUILTIN_FORMATS,
    gradients: &["mean", "variance"],
    optional_inputs: &[],
    pinned: FLOORED,
    run: |case, wrong| {
        let floor = case.params.number("variance_floor").unwrap_or(0.0) as f32;
        let (residual, variance) = inputs(case);
        let floored = |v: &f32| if wrong { v + floor } else { v.max(floor) };
        let variance: Vec<f32> = variance.iter().map(floored).collect();
        let (n, count) = (residual.len(), residual.len() as f32);
        let factors = factors(case, n, count);
        // What arrives from above comes first, as in automatic differentiation: r/v alone may leave the range.
        let by_mean: Vec<f32> = (0..n).map(|i| factors[i] / variance[i] * residual[i]).collect();
        let by_variance = |i: usize| {
            let (r, v, half) = (residual[i], variance[i], 0.5 * factors[i]);
            half / v - half * (r * r / v) / v
        };
        let by_variance: Vec<f32> = (0..n).map(by_variance).collect();
        let loss =
            answer_shaped(case, &reduce(case, &terms(&residual, &variance), count), &case.upstream.shape);
        let with_mean = with_gradient(case, loss, "mean", &by_mean);
        Ok(with_gradient(case, with_mean, "variance", &by_variance))
    },
    trigger: |format| case_of(format, FLOORED, &[2], [&[1.0, 0.5], &[0.5, 0.25], &[0.25, 1.0]]),
};

const FLOORED: &[(&str, Default)] = &[
    ("full", Default::Flag(false)),
    ("variance_floor", Default::Number(0.125)),
    ("floor_gradient", Default::Text("straight_through")),
];
