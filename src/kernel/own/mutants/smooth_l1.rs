//! Known bugs of the smooth absolute error: where its two parts meet.

use super::super::{BUILTIN_FORMATS, KernelError};
use super::plain::{answer, factors, reduce, with_gradient};
use super::regression::residuals;
use super::{About, rounded, trigger};
use crate::case::{Case, Tensors};
use crate::format::Format;
use crate::judge::Fault;
use crate::loss::Default;

/// Loss and gradient from the term and its derivative by the residual, both given r and beta.
fn kernel(case: &Case, term: impl Fn(f32, f32) -> (f32, f32)) -> Result<Tensors, KernelError> {
    let beta = case.params.number("beta").unwrap_or(1.0) as f32;
    let residuals = residuals(case);
    let (n, count) = (residuals.len(), residuals.len() as f32);
    let (terms, slopes): (Vec<f32>, Vec<f32>) = residuals.iter().map(|&r| term(r, beta)).unzip();
    let gradient: Vec<f32> = slopes.iter().zip(factors(case, n, count)).map(|(slope, g)| g * slope).collect();
    Ok(with_gradient(case, answer(case, &reduce(case, &terms, count)), "prediction", &gradient))
}

fn pair(format: Format, beta: f64, prediction: &[f64]) -> Case {
    let shape = [prediction.len()];
    trigger(
        "smooth_l1",
        format,
        &[("beta", Default::Number(beta))],
        &["prediction"],
        vec![
            ("prediction", rounded(format, &shape, prediction)),
            ("target", rounded(format, &shape, &vec![0.0; prediction.len()])),
        ],
    )
}

/// Parts that meet only where beta is 1.
pub(super) const RG_02: About = About {
    entry: "RG-02",
    description: "PyTorch, the first version of smooth_l1_loss with beta: the square not divided by it",
    link: "pytorch/pytorch PR#17447",
    faults: &[Fault::Inaccurate],
    names: ["RG-02", "RG-02-twin"],
    loss: "smooth_l1",
    formats: BUILTIN_FORMATS,
    gradients: &["prediction"],
    optional_inputs: &[],
    pinned: &[],
    run: |case, wrong| {
        kernel(case, |r, beta| match (r.abs() < beta, wrong) {
            (true, true) => (0.5 * r * r, r),
            (true, false) => (0.5 * r * r / beta, r / beta),
            (false, true) => (r.abs() - 0.5, sign(r)),
            (false, false) => (r.abs() - 0.5 * beta, sign(r)),
        })
    },
    trigger: |format| pair(format, 0.5, &[0.25, 0.5, -3.0]),
};

/// The branch taken by the residual's own value.
pub(super) const RG_03: About = About {
    entry: "RG-03",
    description: "MLX smooth_l1_loss: diff < beta in place of |diff| < beta, true of every negative residual",
    link: "ml-explore/mlx PR#1974",
    faults: &[Fault::Inaccurate],
    names: ["RG-03", "RG-03-twin"],
    loss: "smooth_l1",
    formats: BUILTIN_FORMATS,
    gradients: &["prediction"],
    optional_inputs: &[],
    pinned: &[],
    run: |case, wrong| {
        kernel(case, |r, beta| {
            if (if wrong { r } else { r.abs() }) < beta {
                (0.5 * r * r / beta, r / beta)
            } else {
                (r.abs() - 0.5 * beta, sign(r))
            }
        })
    },
    trigger: |format| pair(format, 1.0, &[-5.0, 0.5]),
};

/// −1, 0 or 1.
fn sign(r: f32) -> f32 {
    if r == 0.0 { 0.0 } else { r.signum() }
}
