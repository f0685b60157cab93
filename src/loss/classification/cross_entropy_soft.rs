//! Softmax cross-entropy against distributions over the classes: soft labels, mixup, distillation.

use super::rows::CLASS_WEIGHT;
use crate::graph::Expr;
use crate::loss::reduction::{Divisor, EMPTY_MEAN, REDUCTION};
use crate::loss::{Alias, Definition, Domain, Family, InputSpec, Inputs, Params, Reduction, Spec, Unreduced};

/// Softmax cross-entropy against distributions: Σ_c w_c·q_c·(log Σ_k exp(x_k) − x_c), a part with w_c·q_c = 0 left out; the
/// gradient is softmax(x)·Σ_c w_c·q_c − w·q by the logits and −w·log_softmax(x) by the target.
pub struct CrossEntropySoft {
    empty_mean_zero: bool,
    reduction: Reduction,
}

impl Definition for CrossEntropySoft {
    const SPEC: Spec = Spec {
        id: "cross_entropy_soft",
        family: Family::Classification,
        summary: "softmax cross-entropy of logits against distributions over the classes",
        formula: "sum_c class_weight_c * target_c * (log(sum_k exp(x_k)) - x_c); parts with target 0 are 0",
        form: "logits shifted by their maximum before the exponentials, and each class's shifted logit subtracted from \
               ln(sum) before it is weighted: a common offset costs nothing, and a sum of parts that are not negative \
               cancels nothing; by the target the gradient is that same difference",
        inputs: &[
            InputSpec {
                name: "logits",
                shape: &["N", "C"],
                domain: Domain::FiniteOrMinusInfinity,
                differentiable: true,
                optional: false,
                doc: "unbounded scores; -inf excludes a class, whose target should be 0",
            },
            InputSpec {
                name: "target",
                shape: &["N", "C"],
                domain: Domain::NonNegative,
                differentiable: true,
                optional: false,
                doc: "the part of each class; a row need not sum to 1",
            },
            CLASS_WEIGHT,
        ],
        params: &[EMPTY_MEAN, REDUCTION],
        unreduced: Unreduced::Rows,
        nonnegative: true,
        kinks: &[],
        dangers: &[
            "0 * inf where a class is excluded by -inf and has target 0",
            "the gradient softmax - target takes the target for normalised; softmax times the target's sum is right",
            "exp overflows without the shift by the maximum; ln(softmax) is -inf where the softmax underflows",
            "sum(q) * lse - sum(q * x) cancels at large common offsets",
            "a mask by where() differentiated as it stands: gradient 0 by the target at 0, instead of lse - x",
        ],
        sources: &[
            "Blanchard, Higham, Higham, Accurately computing the log-sum-exp and softmax functions (2021)",
            "PyTorch aten/src/ATen/native/LossNLL.cpp",
            "FluxML/Flux.jl#435",
            "jax-ml/jax PR#15658",
        ],
        names: &[
            Alias {
                library: "PyTorch",
                name: "F.cross_entropy with a float target",
                differs: "NaN where a logit is -inf and its target 0",
            },
            Alias {
                library: "optax",
                name: "safe_softmax_cross_entropy",
                differs: "unreduced; no weights; softmax_cross_entropy is NaN where a logit is -inf",
            },
            Alias {
                library: "Keras",
                name: "CategoricalCrossentropy(from_logits=True)",
                differs: "no class weights; smooths on request",
            },
            Alias {
                library: "burn",
                name: "cross_entropy_with_logits",
                differs: "mean only; no weights; NaN where a logit is -inf and its target 0",
            },
            Alias {
                library: "candle",
                name: "no function",
                differs: "loss::cross_entropy takes integer classes only",
            },
            Alias {
                library: "Liger",
                name: "no function",
                differs: "LigerCrossEntropyLoss takes integer classes only",
            },
        ],
    };

    fn from_params(params: &Params) -> Self {
        CrossEntropySoft {
            empty_mean_zero: params.text("empty_mean") == "zero",
            reduction: Reduction::from_params(params),
        }
    }

    fn define(&self, inputs: &Inputs<'_>) -> Expr {
        let (logits, target) = (inputs.expr("logits"), inputs.expr("target"));
        let q = match inputs.optional("class_weight") {
            Some(weight) => weight.broadcast(&target.shape()) * target,
            None => target,
        };
        let rows = logits.soft_cross_entropy(&q);
        let count = rows.len();
        self.reduction.apply(&rows, || Divisor::count(&rows, count), self.empty_mean_zero)
    }
}
