//! Known bugs of the focal loss of logits.

use super::super::BUILTIN_FORMATS;
use super::plain::{answer, factors, floats, reduce, sigmoid, softplus, with_gradient};
use super::{About, rounded, trigger};
use crate::case::{Case, Tensors};
use crate::format::Format;
use crate::judge::Fault;
use crate::loss::Default;

/// α·y·f(−z) + (1−α)·(1−y)·f(z), f the loss of a class that the logit is against, and its slope likewise.
fn elementwise(case: &Case, loss: impl Fn(f32) -> f32, slope: Option<&dyn Fn(f32) -> f32>) -> Tensors {
    let (z, y) = (floats(case, "logits"), floats(case, "target"));
    let alpha = case.params.number("alpha").map(|alpha| alpha as f32);
    let parts = |y: f32| match alpha {
        Some(alpha) => (alpha * y, (1.0 - alpha) * (1.0 - y)),
        None => (y, 1.0 - y),
    };
    let terms = z.iter().zip(&y).map(|(&z, &y)| {
        let (on, off) = parts(y);
        on * loss(-z) + off * loss(z)
    });
    let terms: Vec<f32> = terms.collect();
    let outputs = answer(case, &reduce(case, &terms, z.len() as f32));
    let Some(slope) = slope else { return outputs };
    let factors = factors(case, z.len(), z.len() as f32);
    let gradient = (0..z.len()).map(|at| {
        let (on, off) = parts(y[at]);
        factors[at] * (off * slope(z[at]) - on * slope(-z[at]))
    });
    with_gradient(case, outputs, "logits", &gradient.collect::<Vec<_>>())
}

fn gamma(case: &Case) -> f32 {
    case.params.number("gamma").unwrap_or(2.0) as f32
}

/// σ(t)^γ in log space.
fn weight(t: f32, gamma: f32) -> f32 {
    libm::expf(gamma * -softplus(-t))
}

/// σ^γ·(σ(t) + γ·σ(−t)·softplus(t)).
fn right_slope(t: f32, gamma: f32) -> f32 {
    weight(t, gamma) * (sigmoid(t) + gamma * (sigmoid(-t) * softplus(t)))
}

fn one(format: Format, params: &[(&str, Default)], gradients: &[&str], z: &[f64], y: &[f64]) -> Case {
    let inputs = vec![("logits", rounded(format, &[z.len()], z)), ("target", rounded(format, &[y.len()], y))];
    trigger("focal_sigmoid", format, params, gradients, inputs)
}

/// The logarithm of a sigmoid that underflows, times 0.
pub(super) const BC_23: About = About {
    entry: "BC-23",
    description: "kornia: binary_focal_loss_with_logits took log(sigmoid(-z)), and 0 times -inf of it",
    link: "kornia/kornia#2115",
    faults: &[Fault::SpuriousNan, Fault::SpuriousInfinity, Fault::SpuriousZero],
    names: ["BC-23", "BC-23-twin"],
    loss: "focal_sigmoid",
    formats: BUILTIN_FORMATS,
    gradients: &[],
    optional_inputs: &[],
    pinned: &[("soft_target", Default::Null)],
    run: |case, wrong| {
        let loss = |t: f32| {
            let surprise = if wrong { -libm::logf(1.0 / (1.0 + libm::expf(t))) } else { softplus(t) };
            weight(t, gamma(case)) * surprise
        };
        Ok(elementwise(case, loss, None))
    },
    trigger: |format| one(format, &[], &[], &[100.0], &[1.0]),
};

/// γ·0^(γ−1).
pub(super) const BC_25: About = About {
    entry: "BC-25",
    description: "optax: sigmoid_focal_loss took 1 - p_t to a power, whose derivative at 0 is infinite for gamma below 1",
    link: "google-deepmind/optax#1267",
    faults: &[Fault::SpuriousNan, Fault::SpuriousZero],
    names: ["BC-25", "BC-25-twin"],
    loss: "focal_sigmoid",
    formats: BUILTIN_FORMATS,
    gradients: &["logits"],
    optional_inputs: &[],
    pinned: &[("soft_target", Default::Null)],
    run: |case, wrong| {
        let gamma = gamma(case);
        let slope = |t: f32| {
            if !wrong {
                return right_slope(t, gamma);
            }
            let miss = 1.0 - sigmoid(-t);
            let moved = gamma * libm::powf(miss, gamma - 1.0) * (miss * (1.0 - miss));
            moved * softplus(t) + libm::powf(miss, gamma) * sigmoid(t)
        };
        Ok(elementwise(case, |t| weight(t, gamma) * softplus(t), Some(&slope)))
    },
    trigger: |format| one(format, &[("gamma", Default::Number(0.5))], &["logits"], &[100.0], &[1.0]),
};

/// The same at γ = 0, where the derivative is 0 times infinity.
pub(super) const BC_27: About = About {
    entry: "BC-27",
    description: "TensorFlow/Keras: binary_focal_crossentropy with gamma 0 took a sigmoid to a power: NaN once it is 1",
    link: "tensorflow/tensorflow#70326",
    faults: &[Fault::SpuriousNan],
    names: ["BC-27", "BC-27-twin"],
    loss: "focal_sigmoid",
    formats: BUILTIN_FORMATS,
    gradients: &["logits"],
    optional_inputs: &[],
    pinned: &[("soft_target", Default::Null), ("gamma", Default::Number(0.0))],
    run: |case, wrong| {
        let slope = |t: f32| {
            let miss = 1.0 - sigmoid(-t);
            let moved = if wrong { 0.0 * libm::powf(miss, -1.0) } else { 0.0 };
            sigmoid(t) + moved * softplus(t)
        };
        Ok(elementwise(case, softplus, Some(&slope)))
    },
    trigger: |format| {
        one(format, &[("gamma", Default::Number(0.0))], &["logits"], &[-2.0, 0.25, 19.0], &[0.0, 1.0, 1.0])
    },
};
