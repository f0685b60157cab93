//! Known bugs of the cosine between embeddings.

use super::super::reduce::Reducing;
use super::super::storage::Storage;
use super::super::wide::Wide;
use super::super::{CosineEmbedding, KernelError};
use super::{About, rounded, trigger};
use crate::case::{Case, LOSS, Tensors, gradient_name};
use crate::format::Format;
use crate::judge::Fault;
use crate::loss::Default;
use crate::tensor::Tensor;
use half::f16;

/// PyTorch's floor of squared norms.
const FLOOR: f64 = 1e-12;

/// The kernel in f16 with this floor.
fn run(case: &Case, floor: Wide) -> Result<Tensors, KernelError> {
    let load = |name: &str| -> Vec<f16> {
        case.input(name).floats().iter().map(|&x| f16::from_value(x as f32)).collect()
    };
    let upstream: Vec<f16> = case.upstream.floats().iter().map(|&x| f16::from_value(x as f32)).collect();
    let mut loss = vec![f16::ZERO; upstream.len()];
    let mut by = ["x1", "x2"].map(|name| vec![f16::ZERO; case.input(name).len()]);
    let kernel = CosineEmbedding {
        x1: &load("x1"),
        x2: &load("x2"),
        target: &load("target"),
        dimensions: case.input("x1").shape[1],
        upstream: &upstream,
        margin: case.params.number("margin").unwrap_or(0.0),
        epsilon: FLOOR,
        reducing: Reducing::from_params(&case.params),
    };
    let [by_x1, by_x2] = &mut by;
    kernel.run_with(floor, &mut loss, Some(by_x1), Some(by_x2));
    let tensor = |values: &[f16], shape: &[usize]| {
        Tensor::float(Format::F16, shape, values.iter().map(|x| f64::from(x.value())).collect())
    };
    let mut outputs = Tensors::from([(LOSS.to_owned(), tensor(&loss, &case.upstream.shape))]);
    for (name, values) in ["x1", "x2"].into_iter().zip(&by) {
        if case.gradients.iter().any(|gradient| gradient == name) {
            outputs.insert(gradient_name(name), tensor(values, &case.input(name).shape));
        }
    }
    Ok(outputs)
}

/// A floor that f16 rounds to 0.
pub(super) const DS_14: About = About {
    entry: "DS-14",
    description: "PyTorch: the floor 1e-12 under a norm is 0 in f16, and a zero vector made NaN (here on the cosine)",
    link: "pytorch/pytorch PR#33596",
    faults: &[Fault::SpuriousNan],
    names: ["DS-14", "DS-14-twin"],
    loss: "cosine_embedding",
    formats: &[Format::F16],
    gradients: &["x1", "x2"],
    optional_inputs: &[],
    pinned: &[("epsilon", Default::Number(FLOOR))],
    run: |case, wrong| {
        let floor = if wrong { Format::F16.round(FLOOR) } else { FLOOR };
        run(case, Wide::parameter(floor))
    },
    trigger: |format| {
        let inputs = vec![
            ("x1", rounded(format, &[1, 2], &[0.0, 0.0])),
            ("x2", rounded(format, &[1, 2], &[1.0, 0.5])),
            ("target", rounded(format, &[1], &[1.0])),
        ];
        trigger("cosine_embedding", format, &[("epsilon", Default::Number(FLOOR))], &["x1", "x2"], inputs)
    },
};
