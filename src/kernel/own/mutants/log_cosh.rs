//! Known bugs of ln cosh: the exponential that overflows, and the difference that leaves nothing near 0.

use super::super::{BUILTIN_FORMATS, KernelError};
use super::plain::{answer, factors, floats, reduce, softplus, with_gradient};
use super::regression::residuals;
use super::{About, rounded, trigger};
use crate::case::{Case, Tensors};
use crate::format::Format;
use crate::judge::Fault;
use crate::loss::Default;

/// Loss and gradient from the unweighted term; the gradient is tanh.
fn kernel(case: &Case, term: impl Fn(f32) -> f32) -> Result<Tensors, KernelError> {
    let residuals = residuals(case);
    let (n, count) = (residuals.len(), residuals.len() as f32);
    let weights = case.optional("weight").map_or(vec![1.0; n], |_| floats(case, "weight"));
    let terms: Vec<f32> = residuals.iter().zip(&weights).map(|(&r, w)| w * term(r)).collect();
    let slopes = residuals.iter().zip(&weights).map(|(&r, w)| w * libm::tanhf(r));
    let gradient: Vec<f32> = slopes.zip(factors(case, n, count)).map(|(slope, g)| g * slope).collect();
    Ok(with_gradient(case, answer(case, &reduce(case, &terms, count)), "prediction", &gradient))
}

/// The series below 0.05, |r| + ln(1 + e^(−2|r|)) − ln 2 beyond.
fn right(r: f32) -> f32 {
    if r.abs() < 0.05 {
        let square = r * r;
        return square * (0.5 - square * (1.0 / 12.0 - square / 45.0));
    }
    far(r)
}

fn far(r: f32) -> f32 {
    r.abs() + softplus(-2.0 * r.abs()) - std::f32::consts::LN_2
}

fn one(format: Format, prediction: f64, weight: f64) -> Case {
    let input = |x: f64| rounded(format, &[1], &[x]);
    let inputs = vec![("prediction", input(prediction)), ("target", input(0.0)), ("weight", input(weight))];
    trigger("log_cosh", format, &[], &["prediction"], inputs)
}

/// The mean over the weights is left out.
const OVER_COUNT: &[(&str, Default)] = &[("mean_over", Default::Text("count"))];

/// The hyperbolic cosine, and then its logarithm.
pub(super) const KERAS_8524: About = About {
    entry: "keras-8524",
    description: "Keras, and torchmetrics years later: the logarithm of (e^r + e^-r)/2, infinite from |r| = 89 on",
    link: "keras-team/keras PR#8524; Lightning-AI/torchmetrics#3488",
    faults: &[Fault::SpuriousInfinity],
    names: ["keras-8524", "keras-8524-twin"],
    loss: "log_cosh",
    formats: BUILTIN_FORMATS,
    gradients: &["prediction"],
    optional_inputs: &["weight"],
    pinned: OVER_COUNT,
    run: |case, wrong| {
        kernel(case, |r| if wrong { libm::logf((libm::expf(r) + libm::expf(-r)) / 2.0) } else { right(r) })
    },
    trigger: |format| one(format, 100.0, 1.0),
};

/// ln 2 taken away from what is ln 2 and a small square. f16 has no numbers so small that it would show.
pub(super) const TORCHMETRICS_3490: About = About {
    entry: "torchmetrics-3490",
    description: "torchmetrics, and optax.log_cosh: logaddexp(r, -r) - ln 2 is 0 near an exact fit",
    link: "Lightning-AI/torchmetrics PR#3490",
    faults: &[Fault::SpuriousZero, Fault::Inaccurate],
    names: ["torchmetrics-3490", "torchmetrics-3490-twin"],
    loss: "log_cosh",
    formats: &[Format::F32, Format::Bf16],
    gradients: &["prediction"],
    optional_inputs: &["weight"],
    pinned: OVER_COUNT,
    run: |case, wrong| kernel(case, if wrong { far } else { right }),
    // The weight makes a large difference of it.
    trigger: |format| one(format, 1e-4, 1e8),
};
