//! Known bugs of sigmoid and softplus, on binary cross-entropy of logits.

use super::super::BUILTIN_FORMATS;
use super::plain::{answer, factors, floats, reduce, sigmoid, softplus, with_gradient};
use super::{About, rounded, trigger};
use crate::case::{Case, Tensors};
use crate::format::Format;
use crate::judge::Fault;

/// The loss of each (z, y, pos_weight), and the slope by the logits if the kernel has one.
fn elementwise(
    case: &Case,
    loss: impl Fn(f32, f32, Option<f32>) -> f32,
    slope: Option<&dyn Fn(f32, f32) -> f32>,
) -> Tensors {
    let (z, y) = (floats(case, "logits"), floats(case, "target"));
    let pos_weight = case.optional("pos_weight").map(|_| floats(case, "pos_weight"));
    let weight = |at: usize| pos_weight.as_ref().map(|w| w[at % w.len()]);
    let terms: Vec<f32> = (0..z.len()).map(|at| loss(z[at], y[at], weight(at))).collect();
    let outputs = answer(case, &reduce(case, &terms, z.len() as f32));
    let Some(slope) = slope else { return outputs };
    let factors = factors(case, z.len(), z.len() as f32);
    let gradient: Vec<f32> = (0..z.len()).map(|at| factors[at] * slope(z[at], y[at])).collect();
    with_gradient(case, outputs, "logits", &gradient)
}

/// The published form: max(z, 0) − z·y + log1p(e^−|z|).
fn stable_loss(z: f32, y: f32, _: Option<f32>) -> f32 {
    (z.max(0.0) - z * y) + libm::log1pf(libm::expf(-z.abs()))
}

fn one(format: Format, gradients: &[&str], z: f64, y: f64, pos_weight: Option<f64>) -> Case {
    let mut inputs = vec![("logits", rounded(format, &[1], &[z])), ("target", rounded(format, &[1], &[y]))];
    inputs.extend(pos_weight.map(|w| ("pos_weight", rounded(format, &[1], &[w]))));
    trigger("bce_with_logits", format, &[], gradients, inputs)
}

/// The clamp of the wrong sign.
pub(super) const BC_02: About = About {
    entry: "BC-02",
    description: "PyTorch: the first BCEWithLogits clamped z where it had to clamp -z, and e^-z overflowed",
    link: "pytorch/pytorch PR#2221",
    faults: &[Fault::SpuriousInfinity, Fault::Inaccurate],
    names: ["BC-02", "BC-02-twin"],
    loss: "bce_with_logits",
    formats: BUILTIN_FORMATS,
    gradients: &[],
    optional_inputs: &[],
    pinned: &[],
    run: |case, wrong| {
        let loss = |z: f32, y: f32, _: Option<f32>| {
            let m = if wrong { z.max(0.0) } else { (-z).max(0.0) };
            // ln(a + b) as ln(larger) + log1p(smaller/larger): the shift makes the larger one 1.
            let (a, b) = (libm::expf(-m), libm::expf(-z - m));
            let (larger, smaller) = (a.max(b), a.min(b));
            ((z + m) - z * y) + (libm::logf(larger) + libm::log1pf(smaller / larger))
        };
        Ok(elementwise(case, loss, None))
    },
    trigger: |format| one(format, &[], -100.0, 0.0, None),
};

/// The logarithm of a sigmoid that underflows.
pub(super) const BC_04: About = About {
    entry: "BC-04",
    description: "PyTorch: BCEWithLogits with pos_weight took the logarithm of the sigmoid",
    link: "pytorch/pytorch#13773",
    faults: &[Fault::SpuriousInfinity, Fault::SpuriousNan, Fault::SpuriousZero],
    names: ["BC-04", "BC-04-twin"],
    loss: "bce_with_logits",
    formats: BUILTIN_FORMATS,
    gradients: &[],
    optional_inputs: &["pos_weight"],
    pinned: &[],
    run: |case, wrong| {
        let loss = |z: f32, y: f32, pos_weight: Option<f32>| {
            let Some(w) = pos_weight else { return stable_loss(z, y, None) };
            let positive = if wrong { -libm::logf(sigmoid(z)) } else { softplus(-z) };
            y * w * positive + (1.0 - y) * softplus(z)
        };
        Ok(elementwise(case, loss, None))
    },
    trigger: |format| one(format, &[], -120.0, 1.0, Some(1.0)),
};

/// ln(1 + e^z) as it stands.
pub(super) const BC_11: About = About {
    entry: "BC-11",
    description: "burn: softplus was ln(1 + e^z), infinite from z = 89 on, and its gradient inf/inf (here on bce)",
    link: "tracel-ai/burn#5373",
    faults: &[Fault::SpuriousInfinity, Fault::SpuriousNan, Fault::Inaccurate],
    names: ["BC-11", "BC-11-twin"],
    loss: "bce_with_logits",
    formats: BUILTIN_FORMATS,
    gradients: &["logits"],
    optional_inputs: &[],
    pinned: &[],
    run: |case, wrong| {
        let loss = |z: f32, y: f32, _: Option<f32>| {
            let (head, tail) = if wrong {
                (0.0, libm::logf(1.0 + libm::expf(z)))
            } else {
                (z.max(0.0), libm::log1pf(libm::expf(-z.abs())))
            };
            (head - z * y) + tail
        };
        let slope = |z: f32, y: f32| {
            let e = libm::expf(z);
            (if wrong { e / (1.0 + e) } else { sigmoid(z) }) - y
        };
        Ok(elementwise(case, loss, Some(&slope)))
    },
    trigger: |format| one(format, &["logits"], 100.0, 0.0, None),
};

/// A sigmoid that is one half where e^z overflows.
pub(super) const BC_17: About = About {
    entry: "BC-17",
    description: "DyNet: the vectorised logistic swapped min and max of its clamp and was 0.5 from |z| = 89 on",
    link: "clab/dynet#1525",
    faults: &[Fault::Inaccurate, Fault::WrongSign],
    names: ["BC-17", "BC-17-twin"],
    loss: "bce_with_logits",
    formats: BUILTIN_FORMATS,
    gradients: &["logits"],
    optional_inputs: &[],
    pinned: &[],
    run: |case, wrong| {
        // 89: from here on e^|z| is beyond f32.
        let slope = |z: f32, y: f32| if wrong && z.abs() >= 89.0 { 0.5 } else { sigmoid(z) } - y;
        Ok(elementwise(case, stable_loss, Some(&slope)))
    },
    trigger: |format| one(format, &["logits"], 100.0, 0.0, None),
};

/// The derivatives of max and abs at the point where their kinks cancel.
pub(super) const RG_11: About = About {
    entry: "RG-11",
    description: "PyTorch: max(z, 0) + log1p(e^-|z|) differentiated part by part is wrong at z = 0, where it is smooth",
    link: "pytorch/pytorch PR#20679",
    faults: &[Fault::Inaccurate, Fault::WrongSign],
    names: ["RG-11", "RG-11-twin"],
    loss: "bce_with_logits",
    formats: BUILTIN_FORMATS,
    gradients: &["logits"],
    optional_inputs: &[],
    pinned: &[],
    run: |case, wrong| {
        let slope = |z: f32, y: f32| {
            let step = if z >= 0.0 { 1.0 } else { 0.0 };
            let sign = match z {
                0.0 if wrong => 0.0,
                _ if z < 0.0 => -1.0,
                _ => 1.0,
            };
            let at_most_half = sigmoid(-z.abs());
            (step - sign * at_most_half) - y
        };
        Ok(elementwise(case, stable_loss, Some(&slope)))
    },
    trigger: |format| one(format, &["logits"], 0.0, 1.0, None),
};
