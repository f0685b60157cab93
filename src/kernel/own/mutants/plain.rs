//! What the plain f32 kernels share: tensors in and out, a pairwise sum, the reduction.

use crate::case::{Case, LOSS, Tensors, gradient_name};
use crate::format::Format;
use crate::loss::Reduction;
use crate::tensor::Tensor;

/// An input as f32, which holds every number of the three formats.
pub(super) fn floats(case: &Case, name: &str) -> Vec<f32> {
    case.input(name).floats().iter().map(|&x| x as f32).collect()
}

/// x rounded to the format.
pub(super) fn round(format: Format, x: f32) -> f32 {
    format.round(f64::from(x)) as f32
}

/// Σ x by halves: h = ⌈log₂ n⌉ roundings.
pub(super) fn pairwise_sum(x: &[f32]) -> f32 {
    match x {
        [] => 0.0,
        [x] => *x,
        _ => {
            let (left, right) = x.split_at(x.len() / 2);
            pairwise_sum(left) + pairwise_sum(right)
        }
    }
}

/// The maximum; −∞ of nothing.
pub(super) fn maximum(x: &[f32]) -> f32 {
    x.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

/// ln(1 + e^x).
pub(super) fn softplus(x: f32) -> f32 {
    x.max(0.0) + libm::log1pf(libm::expf(-x.abs()))
}

/// 1/(1 + e^−x), by the side that does not overflow.
pub(super) fn sigmoid(x: f32) -> f32 {
    let e = libm::expf(-x.abs());
    if x < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
}

/// An empty mean's value, where the divisor is 0: 0 or NaN.
fn divided(case: &Case, x: f32, divisor: f32) -> f32 {
    match divisor == 0.0 {
        true if case.params.text("empty_mean") == "zero" => 0.0,
        true => f32::NAN,
        false => x / divisor,
    }
}

/// The loss of these terms.
pub(super) fn reduce(case: &Case, terms: &[f32], divisor: f32) -> Vec<f32> {
    match Reduction::from_params(&case.params) {
        Reduction::None => terms.to_vec(),
        Reduction::Sum => vec![pairwise_sum(terms)],
        Reduction::Mean => vec![divided(case, pairwise_sum(terms), divisor)],
    }
}

/// The derivative of ⟨upstream, loss⟩ by each of n terms.
pub(super) fn factors(case: &Case, n: usize, divisor: f32) -> Vec<f32> {
    let upstream: Vec<f32> = case.upstream.floats().iter().map(|&x| x as f32).collect();
    match Reduction::from_params(&case.params) {
        Reduction::None => upstream,
        Reduction::Sum => vec![upstream[0]; n],
        Reduction::Mean => vec![divided(case, upstream[0], divisor); n],
    }
}

fn tensor(case: &Case, values: &[f32], shape: &[usize]) -> Tensor {
    Tensor::float(case.format, shape, values.iter().map(|&x| case.format.round(f64::from(x))).collect())
}

/// The answer with this loss, of the shape that it should have.
pub(super) fn answer(case: &Case, loss: &[f32]) -> Tensors {
    answer_shaped(case, loss, &case.upstream.shape)
}

/// The answer with this loss, of any shape.
pub(super) fn answer_shaped(case: &Case, loss: &[f32], shape: &[usize]) -> Tensors {
    Tensors::from([(LOSS.to_owned(), tensor(case, loss, shape))])
}

/// Adds a gradient if the case asks for it.
pub(super) fn with_gradient(case: &Case, mut outputs: Tensors, input: &str, values: &[f32]) -> Tensors {
    if case.gradients.iter().any(|name| name == input) {
        outputs.insert(gradient_name(input), tensor(case, values, &case.input(input).shape));
    }
    outputs
}
