//! Known bugs of reductions and of the upstream, on mean squared error.

use super::super::{BUILTIN_FORMATS, KernelError};
use super::plain::{answer, factors, floats, reduce, round, with_gradient};
use super::{About, rounded, trigger};
use crate::case::{Case, Tensors};
use crate::format::Format;
use crate::judge::Fault;
use crate::loss::Default;

pub(super) fn residuals(case: &Case) -> Vec<f32> {
    floats(case, "prediction").iter().zip(floats(case, "target")).map(|(x, y)| x - y).collect()
}

/// The gradient without the gradient from above.
pub(super) const RD_07: About = About {
    entry: "RD-07",
    description: "PyTorch on MPS: backward ignored grad_output, right for an upstream of 1 only",
    link: "pytorch/pytorch PR#94226",
    faults: &[Fault::Inaccurate],
    names: ["RD-07", "RD-07-twin"],
    loss: "mse",
    formats: BUILTIN_FORMATS,
    gradients: &["prediction"],
    optional_inputs: &[],
    pinned: &[],
    run: |case, wrong| {
        let residual = residuals(case);
        let (n, count) = (residual.len(), residual.len() as f32);
        let squares: Vec<f32> = residual.iter().map(|r| r * r).collect();
        let mut ones = case.clone();
        if wrong {
            ones.upstream = crate::tensor::Tensor::full(case.format, &case.upstream.shape, 1.0);
        }
        let factors = factors(&ones, n, count);
        let gradient: Vec<f32> = residual.iter().zip(factors).map(|(r, g)| 2.0 * (g * r)).collect();
        Ok(with_gradient(case, answer(case, &reduce(case, &squares, count)), "prediction", &gradient))
    },
    trigger: |format| {
        let mut case = trigger(
            "mse",
            format,
            &[],
            &["prediction"],
            vec![
                ("prediction", rounded(format, &[2], &[1.0, 3.0])),
                ("target", rounded(format, &[2], &[0.5, 1.0])),
            ],
        );
        case.upstream = rounded(format, &[], &[3.0]);
        case
    },
};

/// The sum kept in f16.
pub(super) const RD_15: About = About {
    entry: "RD-15",
    description: "PyTorch: the mean of halves on the CPU was a sum in half, divided: it overflows",
    link: "pytorch/pytorch#91597",
    faults: &[Fault::SpuriousInfinity, Fault::Inaccurate],
    names: ["RD-15", "RD-15-twin"],
    loss: "mse",
    formats: &[Format::F16],
    gradients: &[],
    optional_inputs: &[],
    pinned: &[("reduction", Default::Text("mean"))],
    run: run_rd_15,
    trigger: |format| {
        const N: usize = 4096;
        trigger(
            "mse",
            format,
            &[],
            &[],
            vec![
                ("prediction", rounded(format, &[N], &[8.0; N])),
                ("target", rounded(format, &[N], &[0.0; N])),
            ],
        )
    },
};

fn run_rd_15(case: &Case, wrong: bool) -> Result<Tensors, KernelError> {
    let squares: Vec<f32> = residuals(case).iter().map(|r| r * r).collect();
    let count = squares.len() as f32;
    if wrong && !squares.is_empty() {
        let sum = squares.iter().fold(0.0, |sum, square| round(case.format, sum + square));
        return Ok(answer(case, &[sum / count]));
    }
    Ok(answer(case, &reduce(case, &squares, count)))
}
