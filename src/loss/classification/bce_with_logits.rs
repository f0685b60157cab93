//! Binary cross-entropy of logits: the sigmoid and its logarithms in one stable form.

use crate::graph::Expr;
use crate::loss::reduction::{Divisor, EMPTY_MEAN, REDUCTION};
use crate::loss::{
    Alias, Definition, Domain, DomainError, Family, InputSpec, Inputs, Params, Reduction, Spec, Unreduced,
};
use crate::tensor::Tensor;
use std::collections::BTreeMap;

/// Binary cross-entropy of logits: y·w·log(1 + e^−z) + (1 − y)·log(1 + e^z), w the pos_weight;
/// the gradient is σ(z) − y by the logits and −z by the target (without pos_weight).
pub struct BceWithLogits {
    empty_mean_zero: bool,
    reduction: Reduction,
}

impl Definition for BceWithLogits {
    const SPEC: Spec = Spec {
        id: "bce_with_logits",
        family: Family::Classification,
        summary: "binary cross-entropy of logits against targets in [0, 1]",
        formula: "weight * (pos_weight * y * log(1 + e^-z) + (1 - y) * log(1 + e^z))",
        form: "max(z, 0) - z*y + log1p(e^-|z|): no exponential that overflows; with pos_weight the two softplus terms",
        inputs: &[
            InputSpec {
                name: "logits",
                shape: &["N…"],
                domain: Domain::Finite,
                differentiable: true,
                optional: false,
                doc: "unbounded scores",
            },
            InputSpec {
                name: "target",
                shape: &["N…"],
                domain: Domain::Unit,
                differentiable: true,
                optional: false,
                doc: "the probability of the positive class",
            },
            InputSpec {
                name: "weight",
                shape: &["N…"],
                domain: Domain::NonNegative,
                differentiable: false,
                optional: true,
                doc: "a factor for each element",
            },
            InputSpec {
                name: "pos_weight",
                shape: &["C"],
                domain: Domain::NonNegative,
                differentiable: false,
                optional: true,
                doc: "a factor for the positive part, along the last axis",
            },
        ],
        params: &[REDUCTION, EMPTY_MEAN],
        unreduced: Unreduced::Elementwise,
        nonnegative: true,
        kinks: &[],
        dangers: &[
            "log(sigmoid(z)) is -inf or NaN for confident wrong answers",
            "log(1 + e^z) overflows from z = 89 on in f32",
            "ln(1 + e^-|z|) in place of log1p is 0 from |z| = 17 on in f32",
            "sigmoid by one formula overflows on one side",
        ],
        sources: &["PyTorch aten/src/ATen/native/Loss.cpp", "pytorch/pytorch#13773", "tracel-ai/burn#5373"],
        names: &[
            Alias { library: "PyTorch", name: "F.binary_cross_entropy_with_logits", differs: "" },
            Alias {
                library: "optax",
                name: "sigmoid_binary_cross_entropy",
                differs: "unreduced; no weights",
            },
            Alias {
                library: "Keras",
                name: "BinaryCrossentropy(from_logits=True)",
                differs: "mean over the last axis",
            },
            Alias {
                library: "burn",
                name: "BinaryCrossEntropyLoss(logits=true)",
                differs: "weights by class",
            },
            Alias { library: "candle", name: "loss::binary_cross_entropy_with_logit", differs: "mean only" },
        ],
    };

    fn from_params(params: &Params) -> Self {
        BceWithLogits {
            empty_mean_zero: params.text("empty_mean") == "zero",
            reduction: Reduction::from_params(params),
        }
    }

    fn check(&self, inputs: &BTreeMap<String, Tensor>) -> Result<(), DomainError> {
        if inputs.contains_key("pos_weight") && inputs["logits"].shape.is_empty() {
            let problem = "input `pos_weight` lies along the last axis, and `logits` is a scalar";
            return Err(DomainError::Other(problem.to_owned()));
        }
        Ok(())
    }

    fn define(&self, inputs: &Inputs<'_>) -> Expr {
        let (logits, target) = (inputs.expr("logits"), inputs.expr("target"));
        let terms = match inputs.optional("pos_weight") {
            Some(pos_weight) => {
                logits.bce_with_logits_weighted(&target, &pos_weight.broadcast(&logits.shape()))
            }
            None => logits.bce_with_logits(&target),
        };
        let terms = match inputs.optional("weight") {
            Some(weight) => weight * terms,
            None => terms,
        };
        let count = terms.len();
        self.reduction.apply(&terms, || Divisor::count(&terms, count), self.empty_mean_zero)
    }
}
