//! Known bugs of binary cross-entropy of probabilities.

use super::super::BUILTIN_FORMATS;
use super::plain::{answer, factors, floats, reduce, round, with_gradient};
use super::{About, rounded, trigger};
use crate::case::{Case, Tensors};
use crate::format::Format;
use crate::judge::Fault;
use crate::loss::Default;

/// The loss of each (p, y), and the slope by p if the kernel has one.
fn elementwise(
    case: &Case,
    loss: impl Fn(f32, f32) -> f32,
    slope: Option<&dyn Fn(f32, f32) -> f32>,
) -> Tensors {
    let (p, y) = (floats(case, "probability"), floats(case, "target"));
    let terms: Vec<f32> = p.iter().zip(&y).map(|(&p, &y)| loss(p, y)).collect();
    let outputs = answer(case, &reduce(case, &terms, p.len() as f32));
    let Some(slope) = slope else { return outputs };
    let factors = factors(case, p.len(), p.len() as f32);
    let gradient: Vec<f32> = (0..p.len()).map(|at| factors[at] * slope(p[at], y[at])).collect();
    with_gradient(case, outputs, "probability", &gradient)
}

/// −(y·ln p + (1 − y)·log1p(−p)), each logarithm at least `low`.
fn clamped(p: f32, y: f32, low: f32) -> f32 {
    -(y * libm::logf(p).max(low) + (1.0 - y) * libm::log1pf(-p).max(low))
}

fn pair(format: Format, params: &[(&str, Default)], gradients: &[&str], p: &[f64], y: &[f64]) -> Case {
    let inputs =
        vec![("probability", rounded(format, &[p.len()], p)), ("target", rounded(format, &[y.len()], y))];
    trigger("bce", format, params, gradients, inputs)
}

/// 0·ln 0.
pub(super) const BC_08: About = About {
    entry: "BC-08",
    description: "MLX: binary_cross_entropy of probabilities had y*ln(p) as it stands, NaN at p = 0 and 1",
    link: "ml-explore/mlx PR#1280",
    faults: &[Fault::SpuriousNan, Fault::SpuriousInfinity],
    names: ["BC-08", "BC-08-twin"],
    loss: "bce",
    formats: BUILTIN_FORMATS,
    gradients: &[],
    optional_inputs: &[],
    pinned: &[("log_clamp", Default::Number(-100.0)), ("probability_clip", Default::Null)],
    run: |case, wrong| {
        let low = if wrong { f32::NEG_INFINITY } else { -100.0 };
        Ok(elementwise(case, |p, y| clamped(p, y, low), None))
    },
    trigger: |format| {
        pair(format, &[("log_clamp", Default::Number(-100.0))], &[], &[0.0, 1.0, 0.5], &[0.0, 1.0, 1.0])
    },
};

/// The machine epsilon of f32.
const EPSILON_F32: f64 = f32::EPSILON as f64;

/// A clip to [1e-15, 1 − 1e-15], which f32 rounds to 1.
pub(super) const BC_20: About = About {
    entry: "BC-20",
    description: "scikit-learn: log_loss clipped f32 probabilities by 1e-15, which does nothing at p = 1",
    link: "scikit-learn/scikit-learn#24315",
    faults: &[Fault::SpuriousNan, Fault::SpuriousInfinity],
    names: ["BC-20", "BC-20-twin"],
    loss: "bce",
    formats: &[Format::F32],
    gradients: &[],
    optional_inputs: &[],
    pinned: &[("log_clamp", Default::Null), ("probability_clip", Default::Number(EPSILON_F32))],
    run: |case, wrong| {
        let clip = if wrong { 1e-15 } else { f32::EPSILON };
        let loss = |p: f32, y: f32| clamped(p.max(clip).min(1.0 - clip), y, f32::NEG_INFINITY);
        Ok(elementwise(case, loss, None))
    },
    trigger: |format| {
        pair(format, &[("probability_clip", Default::Number(EPSILON_F32))], &[], &[1.0, 0.25], &[1.0, 0.0])
    },
};

/// The machine epsilon of bf16.
const EPSILON_BF16: f64 = 1.0 / 128.0;

/// A bound that rounds to 1 in the backward pass.
pub(super) const BC_22: About = About {
    entry: "BC-22",
    description: "GLiNER2: log1p(-min(p, 1 - 1e-6)) in 16 bits, where the bound is 1: the backward was 0/0",
    link: "fastino-ai/GLiNER2 PR#155",
    faults: &[Fault::SpuriousNan],
    names: ["BC-22", "BC-22-twin"],
    loss: "bce",
    formats: &[Format::F16, Format::Bf16],
    gradients: &["probability"],
    optional_inputs: &[],
    pinned: &[("log_clamp", Default::Null), ("probability_clip", Default::Number(EPSILON_BF16))],
    run: |case, wrong| {
        let clip = EPSILON_BF16 as f32;
        let high = round(case.format, 1.0 - if wrong { 1e-6 } else { clip });
        let loss = |p: f32, y: f32| clamped(p.clamp(clip, 1.0 - clip), y, f32::NEG_INFINITY);
        let slope = |p: f32, y: f32| {
            let inside = p >= clip && p <= high;
            let p = p.max(clip).min(high);
            let slope = (1.0 - y) / (1.0 - p) - y / p;
            if inside { slope } else { 0.0 * slope }
        };
        Ok(elementwise(case, loss, Some(&slope)))
    },
    trigger: |format| {
        let params = [("probability_clip", Default::Number(EPSILON_BF16))];
        pair(format, &params, &["probability"], &[1.0, 0.25], &[1.0, 0.0])
    },
};
