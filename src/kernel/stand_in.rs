//! STAND-IN (front): mean squared error in plain f64, right and wrong, until the kernels branch is merged.

use super::{Kernel, KernelError, Support};
use crate::case::{Case, LOSS, Tensors, gradient_name};
use crate::tensor::{Dtype, Tensor, Values};

pub(super) struct Plain;
pub(super) struct Wrong;

/// (loss terms, d/dprediction) in f64.
pub(crate) fn mse(case: &Case) -> Result<Vec<(String, Vec<usize>, Vec<f64>)>, KernelError> {
    if case.loss != "mse" {
        return Err(KernelError::Unsupported(format!("no {}", case.loss)));
    }
    let (p, t) = (case.input("prediction"), case.input("target"));
    let (x, y) = (p.floats(), t.floats());
    let ones = vec![1.0; x.len()];
    let w = case.optional("weight").map_or(&ones[..], |w| w.floats());
    let u = case.upstream.floats();
    let divisor = match case.params.text("reduction") {
        "mean" if case.params.text("mean_over") == "weight" && case.optional("weight").is_some() => {
            w.iter().sum()
        }
        "mean" => x.len() as f64,
        _ => 1.0,
    };
    let terms: Vec<f64> = (0..x.len()).map(|i| w[i] * (x[i] - y[i]).powi(2)).collect();
    let empty = divisor == 0.0 && case.params.text("empty_mean") == "zero";
    let loss = match case.params.text("reduction") {
        "none" => terms,
        _ if empty => vec![0.0],
        _ => vec![terms.iter().sum::<f64>() / divisor],
    };
    let up = |i: usize| if u.len() == 1 { u[0] } else { u[i] };
    let gradient = |sign: f64| -> Vec<f64> {
        (0..x.len())
            .map(|i| if empty { 0.0 } else { sign * 2.0 * w[i] * (x[i] - y[i]) * up(i) / divisor })
            .collect()
    };
    let mut outputs = vec![(LOSS.to_owned(), case.upstream.shape.clone(), loss)];
    for name in &case.gradients {
        let sign = if name == "prediction" { 1.0 } else { -1.0 };
        outputs.push((gradient_name(name), p.shape.clone(), gradient(sign)));
    }
    Ok(outputs)
}

fn tensors(case: &Case) -> Result<Tensors, KernelError> {
    let outputs = mse(case)?.into_iter().map(|(name, shape, values)| {
        let values = values.into_iter().map(|x| case.format.round(x)).collect();
        (name, Tensor { dtype: Dtype::Float(case.format), shape, values: Values::Float(values) })
    });
    Ok(outputs.collect())
}

fn supports() -> Vec<Support> {
    vec![Support::everything("mse")]
}

impl Kernel for Plain {
    fn run(&self, case: &Case) -> Result<Tensors, KernelError> {
        tensors(case)
    }

    fn name(&self) -> &str {
        "builtin"
    }

    fn supports(&self) -> Vec<Support> {
        supports()
    }
}

impl Kernel for Wrong {
    fn run(&self, case: &Case) -> Result<Tensors, KernelError> {
        let mut outputs = tensors(case)?;
        if let Some(Values::Float(values)) = outputs.get_mut("grad.target").map(|t| &mut t.values) {
            values.iter_mut().for_each(|x| *x = -*x);
        }
        Ok(outputs)
    }

    fn name(&self) -> &str {
        "mse_wrong_sign"
    }

    fn supports(&self) -> Vec<Support> {
        supports()
    }
}
