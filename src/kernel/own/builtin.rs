//! The kernel `builtin`: takes a case's tensors into storage, runs the loss's kernel, and brings the answer back.

use super::storage::Storage;
use super::{
    BUILTIN_FORMATS, Bce, BceWithLogits, Clamping, CosineEmbedding, CrossEntropy, CrossEntropySoft,
    FocalSigmoid, GaussianGradients, GaussianNll, Hinge, Kernel, KernelError, KlDiv, NllLoss, NormParams,
    Reducing, Regression, Residual, Support, TripletGradients, TripletMargin, triplet,
};
use crate::case::{Case, LOSS, Tensors, gradient_name};
use crate::format::Format;
use crate::loss;
use crate::tensor::Tensor;
use half::{bf16, f16};

/// Our own kernels of all losses, stored in f32, f16 and bf16, computed in pairs of f32, rounded once.
pub struct Builtin;

impl Kernel for Builtin {
    fn run(&self, case: &Case) -> Result<Tensors, KernelError> {
        run_with(case, &triplet::Norm::RIGHT)
    }

    fn name(&self) -> &str {
        "builtin"
    }

    fn version(&self) -> &str {
        env!("CARGO_PKG_VERSION")
    }

    fn supports(&self) -> Vec<Support> {
        let supports = loss::LOSSES.iter().map(|entry| Support {
            formats: BUILTIN_FORMATS.to_vec(),
            ..Support::everything(entry.spec().id)
        });
        supports.collect()
    }
}

/// Runs the case's kernel, with that norm in the triplet loss.
pub(super) fn run_with(case: &Case, norm: &triplet::Norm) -> Result<Tensors, KernelError> {
    match case.format {
        Format::F32 => run::<f32>(case, norm),
        Format::F16 => run::<f16>(case, norm),
        Format::Bf16 => run::<bf16>(case, norm),
        Format::F64 => Err(KernelError::Unsupported("the built-in kernels compute in f32".into())),
    }
}

fn load<S: Storage>(tensor: &Tensor) -> Vec<S> {
    tensor.floats().iter().map(|&x| S::from_value(x as f32)).collect()
}

fn store<S: Storage>(values: &[S], shape: &[usize]) -> Tensor {
    Tensor::float(S::FORMAT, shape, values.iter().map(|x| f64::from(x.value())).collect())
}

fn run<S: Storage>(case: &Case, norm: &triplet::Norm) -> Result<Tensors, KernelError> {
    let input = |name: &str| load::<S>(case.input(name));
    let optional = |name: &str| case.optional(name).map(load::<S>);
    // Room for a gradient, if it is wanted.
    let room = |name: &str| {
        let wanted = case.gradients.iter().any(|gradient| gradient == name);
        wanted.then(|| vec![S::ZERO; case.input(name).len()])
    };
    let (weight, class_weight, pos_weight) =
        (optional("weight"), optional("class_weight"), optional("pos_weight"));
    let upstream = load::<S>(&case.upstream);
    let mut loss = vec![S::ZERO; upstream.len()];
    let params = &case.params;
    let reducing = Reducing::from_params(params);
    let gradients: Vec<(&str, Option<Vec<S>>)> = match case.loss.as_str() {
        "mse" | "mae" | "huber" | "smooth_l1" | "log_cosh" => {
            let residual = match case.loss.as_str() {
                "mse" => Residual::Squared,
                "mae" => Residual::Absolute,
                "log_cosh" => Residual::LogCosh,
                "huber" => Residual::Huber { delta: params.number("delta").unwrap_or(1.0) },
                _ => Residual::SmoothL1 { beta: params.number("beta").unwrap_or(1.0) },
            };
            let (mut by_prediction, mut by_target) = (room("prediction"), room("target"));
            let kernel = Regression {
                residual,
                prediction: &input("prediction"),
                target: &input("target"),
                weight: weight.as_deref(),
                upstream: &upstream,
                mean_over_weight: params.text("mean_over") == "weight",
                reducing,
            };
            kernel.run(&mut loss, by_prediction.as_deref_mut(), by_target.as_deref_mut());
            vec![("prediction", by_prediction), ("target", by_target)]
        }
        "cross_entropy" => {
            let mut by_logits = room("logits");
            let kernel = CrossEntropy {
                logits: &input("logits"),
                target: case.input("target").integers(),
                classes: case.input("logits").shape[1],
                class_weight: class_weight.as_deref(),
                upstream: &upstream,
                ignore_index: params.integer("ignore_index"),
                label_smoothing: params.number("label_smoothing").unwrap_or(0.0),
                over_k_minus_1: params.text("smoothing_form") == "over_k_minus_1",
                reducing,
            };
            kernel.run(&mut loss, by_logits.as_deref_mut());
            vec![("logits", by_logits)]
        }
        "cross_entropy_soft" => {
            let (mut by_logits, mut by_target) = (room("logits"), room("target"));
            let kernel = CrossEntropySoft {
                logits: &input("logits"),
                target: &input("target"),
                classes: case.input("logits").shape[1],
                class_weight: class_weight.as_deref(),
                upstream: &upstream,
                reducing,
            };
            kernel.run(&mut loss, by_logits.as_deref_mut(), by_target.as_deref_mut());
            vec![("logits", by_logits), ("target", by_target)]
        }
        "nll_loss" => {
            let mut by_log_probs = room("log_probs");
            let kernel = NllLoss {
                log_probs: &input("log_probs"),
                target: case.input("target").integers(),
                classes: case.input("log_probs").shape[1],
                class_weight: class_weight.as_deref(),
                upstream: &upstream,
                ignore_index: params.integer("ignore_index"),
                reducing,
            };
            kernel.run(&mut loss, by_log_probs.as_deref_mut());
            vec![("log_probs", by_log_probs)]
        }
        "bce_with_logits" => {
            let (mut by_logits, mut by_target) = (room("logits"), room("target"));
            let kernel = BceWithLogits {
                logits: &input("logits"),
                target: &input("target"),
                weight: weight.as_deref(),
                pos_weight: pos_weight.as_deref(),
                upstream: &upstream,
                reducing,
            };
            kernel.run(&mut loss, by_logits.as_deref_mut(), by_target.as_deref_mut());
            vec![("logits", by_logits), ("target", by_target)]
        }
        "hinge" => {
            let mut by_score = room("score");
            let kernel =
                Hinge { score: &input("score"), target: &input("target"), upstream: &upstream, reducing };
            kernel.run(&mut loss, by_score.as_deref_mut());
            vec![("score", by_score)]
        }
        "gaussian_nll" => {
            let mut by = ["mean", "target", "variance"].map(room);
            let [mean, target, variance] = &mut by;
            let kernel = GaussianNll {
                mean: &input("mean"),
                target: &input("target"),
                variance: &input("variance"),
                upstream: &upstream,
                full: params.flag("full"),
                variance_floor: params.number("variance_floor"),
                cut: params.text("floor_gradient") == "cut",
                reducing,
            };
            let out = GaussianGradients {
                mean: mean.as_deref_mut(),
                target: target.as_deref_mut(),
                variance: variance.as_deref_mut(),
            };
            kernel.run(&mut loss, out);
            ["mean", "target", "variance"].into_iter().zip(by).collect()
        }
        "bce" => {
            let (mut by_probability, mut by_target) = (room("probability"), room("target"));
            let kernel = Bce {
                probability: &input("probability"),
                target: &input("target"),
                weight: weight.as_deref(),
                upstream: &upstream,
                clamping: Clamping {
                    log: params.number("log_clamp"),
                    pytorch_gradient: params.text("log_clamp_gradient") == "pytorch",
                    probability: params.number("probability_clip").unwrap_or(0.0),
                },
                reducing,
            };
            kernel.run(&mut loss, by_probability.as_deref_mut(), by_target.as_deref_mut());
            vec![("probability", by_probability), ("target", by_target)]
        }
        "focal_sigmoid" => {
            let mut by_logits = room("logits");
            let kernel = FocalSigmoid {
                logits: &input("logits"),
                target: &input("target"),
                upstream: &upstream,
                focal: loss::focal_of(params),
                reducing,
            };
            kernel.run(&mut loss, by_logits.as_deref_mut());
            vec![("logits", by_logits)]
        }
        "cosine_embedding" => {
            let (mut by_x1, mut by_x2) = (room("x1"), room("x2"));
            let kernel = CosineEmbedding {
                x1: &input("x1"),
                x2: &input("x2"),
                target: &input("target"),
                dimensions: case.input("x1").shape[1],
                upstream: &upstream,
                margin: params.number("margin").unwrap_or(0.0),
                epsilon: params.number("epsilon").unwrap_or(0.0),
                reducing,
            };
            kernel.run(&mut loss, by_x1.as_deref_mut(), by_x2.as_deref_mut());
            vec![("x1", by_x1), ("x2", by_x2)]
        }
        "kl_div" => {
            let (mut by_prediction, mut by_target) = (room("log_prediction"), room("target"));
            let kernel = KlDiv {
                log_prediction: &input("log_prediction"),
                target: &input("target"),
                rows: case.input("target").shape[0],
                upstream: &upstream,
                log_target: params.flag("log_target"),
                over_elements: params.text("reduction") == "mean",
                reducing,
            };
            kernel.run(&mut loss, by_prediction.as_deref_mut(), by_target.as_deref_mut());
            vec![("log_prediction", by_prediction), ("target", by_target)]
        }
        "triplet_margin" => {
            let mut by = ["anchor", "positive", "negative"].map(room);
            let [anchor, positive, negative] = &mut by;
            let shape = &case.input("anchor").shape;
            let kernel = TripletMargin {
                anchor: &input("anchor"),
                positive: &input("positive"),
                negative: &input("negative"),
                rows: shape[0],
                dimensions: shape[1],
                upstream: &upstream,
                margin: params.number("margin").unwrap_or(1.0),
                norm: NormParams {
                    p: params.number("p"),
                    epsilon: params.number("epsilon").unwrap_or(0.0),
                    epsilon_in_root: params.text("epsilon_placement") == "root",
                },
                swap: params.flag("swap"),
                reducing,
            };
            let out = TripletGradients {
                anchor: anchor.as_deref_mut(),
                positive: positive.as_deref_mut(),
                negative: negative.as_deref_mut(),
            };
            kernel.run_with(norm, &mut loss, out);
            ["anchor", "positive", "negative"].into_iter().zip(by).collect()
        }
        other => return Err(KernelError::Unsupported(format!("no kernel for `{other}`"))),
    };
    let mut outputs = Tensors::from([(LOSS.to_owned(), store(&loss, &case.upstream.shape))]);
    for (name, values) in gradients {
        if let Some(values) = values {
            outputs.insert(gradient_name(name), store(&values, &case.input(name).shape));
        }
    }
    Ok(outputs)
}

#[cfg(test)]
mod tests;
