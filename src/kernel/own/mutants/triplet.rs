//! Known bugs of distances, on the triplet margin loss. The kernel is the built-in one, with the bug in its norm.

use super::super::builtin::run_with;
use super::super::elementary::pow;
use super::super::triplet::{Norm, NormParams};
use super::super::wide::Wide;
use super::super::{BUILTIN_FORMATS, KernelError};
use super::{About, rounded, trigger};
use crate::case::{Case, Tensors};
use crate::format::Format;
use crate::judge::Fault;
use crate::loss::Default;

const EMBEDDINGS: &[&str] = &["anchor", "positive", "negative"];

fn run(case: &Case, norm: Norm, wrong: bool) -> Result<Tensors, KernelError> {
    run_with(case, if wrong { &norm } else { &Norm::RIGHT })
}

/// One row of three embeddings.
fn row(format: Format, params: &[(&str, Default)], gradients: &[&str], rows: [&[f64]; 3]) -> Case {
    let inputs = EMBEDDINGS.iter().zip(rows);
    let inputs = inputs.map(|(&name, x)| (name, rounded(format, &[1, x.len()], x))).collect();
    trigger("triplet_margin", format, params, gradients, inputs)
}

fn euclidean_gradient(x: &[Wide], norm: Wide, _: &NormParams, out: &mut [Wide]) {
    for (out, &x) in out.iter_mut().zip(x) {
        *out = if norm.is_zero() { Wide::ZERO } else { x / norm };
    }
}

/// The Euclidean gradient for every p.
pub(super) const DS_05: About = About {
    entry: "DS-05",
    description: "FlagGems: the backward of cdist used difference/distance for every p, not only for 2",
    link: "flagos-ai/FlagGems PR#6032",
    faults: &[Fault::Inaccurate, Fault::OutsideSubdifferential],
    names: ["DS-05", "DS-05-twin"],
    loss: "triplet_margin",
    formats: BUILTIN_FORMATS,
    gradients: EMBEDDINGS,
    optional_inputs: &[],
    pinned: &[],
    run: |case, wrong| run(case, Norm { gradient: euclidean_gradient, ..Norm::RIGHT }, wrong),
    trigger: |format| {
        row(format, &[("p", Default::Number(3.0))], EMBEDDINGS, [&[0.0, 0.0], &[2.0, 1.0], &[1.0, 0.5]])
    },
};

fn unguarded_gradient(x: &[Wide], norm: Wide, params: &NormParams, out: &mut [Wide]) {
    if norm.is_zero() {
        // √'(0)·0 = ∞·0.
        return out.fill(Wide::INFINITY * Wide::ZERO);
    }
    (Norm::RIGHT.gradient)(x, norm, params, out);
}

/// √'(0)·0 where two points coincide.
pub(super) const DS_06: About = About {
    entry: "DS-06",
    description: "TensorFlow: where anchor and positive coincide, sqrt'(0)·0 made the whole gradient NaN",
    link: "tensorflow/tensorflow#30199",
    faults: &[Fault::SpuriousNan],
    names: ["DS-06", "DS-06-twin"],
    loss: "triplet_margin",
    formats: BUILTIN_FORMATS,
    gradients: EMBEDDINGS,
    optional_inputs: &[],
    pinned: &[("p", Default::Number(2.0))],
    run: |case, wrong| run(case, Norm { gradient: unguarded_gradient, ..Norm::RIGHT }, wrong),
    trigger: |format| row(format, &[], EMBEDDINGS, [&[1.0, 2.0], &[1.0, 2.0], &[1.5, 2.0]]),
};

fn square_root_for_every_p(x: &[Wide], params: &NormParams) -> Wide {
    let Some(p) = params.p else { return (Norm::RIGHT.value)(x, params) };
    let epsilon = if params.epsilon_in_root { Wide::parameter(params.epsilon) } else { Wide::ZERO };
    let powers = x.iter().map(|&x| match (x.is_negative(), p % 2.0) {
        (true, 1.0) => -pow(-x, Wide::parameter(p)),
        (true, 0.0) => pow(-x, Wide::parameter(p)),
        (true, _) => Wide::NAN,
        _ => pow(x, Wide::parameter(p)),
    });
    powers.fold(epsilon, |sum, power| sum + power).sqrt()
}

/// The square root for every p, and no absolute values.
pub(super) const DS_09: About = About {
    entry: "DS-09",
    description: "MLX: triplet_loss took sqrt(sum d^p) for every p, without absolute values",
    link: "ml-explore/mlx PR#3613",
    faults: &[Fault::SpuriousNan, Fault::Inaccurate],
    names: ["DS-09", "DS-09-twin"],
    loss: "triplet_margin",
    formats: BUILTIN_FORMATS,
    gradients: &[],
    optional_inputs: &[],
    pinned: &[],
    run: |case, wrong| run(case, Norm { value: square_root_for_every_p, ..Norm::RIGHT }, wrong),
    trigger: |format| {
        row(format, &[("p", Default::Number(3.0))], &[], [&[0.0, 0.0], &[2.0, 0.0], &[0.0, 3.0]])
    },
};
