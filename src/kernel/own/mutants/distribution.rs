//! Known bugs of 0·ln 0, on softmax cross-entropy against distributions.

use super::super::BUILTIN_FORMATS;
use super::plain::{answer, factors, floats, maximum, pairwise_sum, reduce, with_gradient};
use super::{About, rounded, trigger};
use crate::case::{Case, Tensors};
use crate::format::Format;
use crate::judge::Fault;

/// Softmax cross-entropy whose loss is the sum of `part(q, s)` and whose gradient by the target `slope(q, s)`, with the
/// surprise s = ln Σ exp(x) − x_c of each class.
fn soft(case: &Case, part: impl Fn(f32, f32) -> f32, slope: impl Fn(f32, f32) -> f32) -> Tensors {
    let (logits, target) = (floats(case, "logits"), floats(case, "target"));
    let (rows, classes) = (case.input("logits").shape[0], case.input("logits").shape[1]);
    let factors = factors(case, rows, rows as f32);
    let (mut terms, mut gradient) = (Vec::with_capacity(rows), Vec::with_capacity(target.len()));
    for (n, row) in logits.chunks_exact(classes).enumerate() {
        let m = maximum(row);
        let exps: Vec<f32> = row.iter().map(|x| libm::expf(x - m)).collect();
        let ln_sum = libm::logf(pairwise_sum(&exps));
        let own = &target[n * classes..][..classes];
        let surprises = row.iter().map(|x| ln_sum - (x - m));
        let parts: Vec<f32> = own.iter().zip(surprises.clone()).map(|(&q, s)| part(q, s)).collect();
        terms.push(pairwise_sum(&parts));
        gradient.extend(own.iter().zip(surprises).map(|(&q, s)| factors[n] * slope(q, s)));
    }
    with_gradient(case, answer(case, &reduce(case, &terms, rows as f32)), "target", &gradient)
}

/// q·s, 0 where q is.
fn guarded(q: f32, s: f32) -> f32 {
    if q == 0.0 { 0.0 } else { q * s }
}

fn row(format: Format, gradients: &[&str], logits: &[f64], target: &[f64]) -> Case {
    let shape = [1, logits.len()];
    let inputs =
        vec![("logits", rounded(format, &shape, logits)), ("target", rounded(format, &shape, target))];
    trigger("cross_entropy_soft", format, &[], gradients, inputs)
}

/// A guard that the derivative goes through.
pub(super) const KL_05: About = About {
    entry: "KL-05",
    description: "JAX: where(x == 0, 0, x·ln y) differentiated as it stands: by x the derivative at 0 was lost, or NaN",
    link: "jax-ml/jax PR#15658",
    faults: &[Fault::SpuriousZero, Fault::SpuriousNan],
    names: ["KL-05", "KL-05-twin"],
    loss: "cross_entropy_soft",
    formats: BUILTIN_FORMATS,
    gradients: &["target"],
    optional_inputs: &[],
    pinned: &[],
    run: |case, wrong| {
        // The branch that is not taken passes a cotangent of 0 on.
        let slope = |q: f32, s: f32| if wrong && q == 0.0 { 0.0 * s } else { s };
        Ok(soft(case, guarded, slope))
    },
    trigger: |format| row(format, &["target"], &[1.0, 2.0, -0.5], &[0.0, 1.0, 0.0]),
};

/// 0·ln 0 as it stands.
pub(super) const KL_15: About = About {
    entry: "KL-15",
    description: "Flux.jl: crossentropy summed y·ln p as it stands, NaN where both are 0 (here on logits of -inf)",
    link: "FluxML/Flux.jl#435",
    faults: &[Fault::SpuriousNan],
    names: ["KL-15", "KL-15-twin"],
    loss: "cross_entropy_soft",
    formats: BUILTIN_FORMATS,
    gradients: &[],
    optional_inputs: &[],
    pinned: &[],
    run: |case, wrong| Ok(soft(case, |q, s| if wrong { q * s } else { guarded(q, s) }, |_, s| s)),
    trigger: |format| row(format, &[], &[f64::NEG_INFINITY, 0.0], &[0.0, 1.0]),
};
