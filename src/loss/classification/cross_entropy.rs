//! Softmax cross-entropy against integer classes: the loss of nearly every classifier and language model.

use super::rows::{CLASS_TARGET, CLASS_WEIGHT, IGNORE_INDEX, Rows};
use crate::graph::Expr;
use crate::loss::reduction::{EMPTY_MEAN, REDUCTION};
use crate::loss::{
    Alias, Convention, Default, Definition, Domain, DomainError, Family, InputSpec, Inputs, ParamKind,
    ParamSpec, Params, Range, Reduction, Spec, Unreduced,
};
use crate::tensor::Tensor;
use std::collections::BTreeMap;

/// Softmax cross-entropy against integer classes:
/// Σ_c q_c·(log Σ_k exp(x_k) − x_c), q the one-hot target, smoothed, and weighted by class.
pub struct CrossEntropy {
    ignore_index: Option<i64>,
    label_smoothing: f64,
    over_k_minus_1: bool,
    empty_mean_zero: bool,
    reduction: Reduction,
}

impl Definition for CrossEntropy {
    const SPEC: Spec = Spec {
        id: "cross_entropy",
        family: Family::Classification,
        summary: "softmax cross-entropy of logits against integer classes",
        formula: "sum_c q_c * (log(sum_k exp(x_k)) - x_c); q one-hot, smoothed by label_smoothing, times class_weight",
        form: "logits shifted by their maximum before the exponentials, and the target's shifted logit subtracted from \
               ln(sum): a common offset of the logits costs nothing",
        inputs: &[
            InputSpec {
                name: "logits",
                shape: &["N", "C"],
                domain: Domain::FiniteOrMinusInfinity,
                differentiable: true,
                optional: false,
                doc: "unbounded scores; -inf excludes a class",
            },
            CLASS_TARGET,
            CLASS_WEIGHT,
        ],
        params: &[
            IGNORE_INDEX,
            ParamSpec {
                name: "label_smoothing",
                kind: ParamKind::Real { range: Range::closed(0.0, 1.0), null: false, also: &[] },
                default: Default::Number(0.0),
                conventions: &[],
                doc: "the part of the target that is spread over the classes",
            },
            ParamSpec {
                name: "smoothing_form",
                kind: ParamKind::Choice(&["over_k", "over_k_minus_1"]),
                default: Default::Text("over_k"),
                conventions: &[
                    Convention { value: Default::Text("over_k"), who: "PyTorch, optax, Keras, burn, Liger" },
                    Convention { value: Default::Text("over_k_minus_1"), who: "fairseq, Megatron" },
                ],
                doc: "spread over all K classes, or over the K - 1 others",
            },
            EMPTY_MEAN,
            REDUCTION,
        ],
        unreduced: Unreduced::Rows,
        nonnegative: true,
        kinks: &[],
        dangers: &[
            "exp overflows without the shift by the maximum",
            "lse(x) - x_t with the maximum added back cancels at large common offsets",
            "ln(softmax) is -inf where the softmax underflows",
            "the tail is lost where one class dominates: log1p of the tail keeps it",
            "a running maximum of -inf makes -inf - -inf in online softmax",
            "padded lanes and ignored rows that enter the sums",
        ],
        sources: &[
            "Blanchard, Higham, Higham, Accurately computing the log-sum-exp and softmax functions (2021)",
            "pytorch/pytorch#11752",
            "pytorch/pytorch#73205",
            "scipy/scipy#18295",
            "Dao-AILab/flash-attention#1930",
        ],
        names: &[
            Alias { library: "PyTorch", name: "F.cross_entropy", differs: "" },
            Alias {
                library: "optax",
                name: "softmax_cross_entropy_with_integer_labels",
                differs: "unreduced; no weights, ignore index or smoothing",
            },
            Alias {
                library: "Keras",
                name: "SparseCategoricalCrossentropy(from_logits=True)",
                differs: "ignore_class; no smoothing",
            },
            Alias { library: "burn", name: "CrossEntropyLoss", differs: "pad_tokens for ignore_index" },
            Alias {
                library: "candle",
                name: "loss::cross_entropy",
                differs: "mean over all rows; no weights",
            },
            Alias { library: "Liger", name: "LigerCrossEntropyLoss", differs: "" },
        ],
    };

    fn from_params(params: &Params) -> Self {
        CrossEntropy {
            ignore_index: params.integer("ignore_index"),
            label_smoothing: params.number("label_smoothing").unwrap_or(0.0),
            over_k_minus_1: params.text("smoothing_form") == "over_k_minus_1",
            empty_mean_zero: params.text("empty_mean") == "zero",
            reduction: Reduction::from_params(params),
        }
    }

    fn check(&self, inputs: &BTreeMap<String, Tensor>) -> Result<(), DomainError> {
        if self.over_k_minus_1 && inputs["logits"].shape[1] == 1 {
            let problem = "smoothing_form \"over_k_minus_1\" needs 2 classes or more, `logits` has 1";
            return Err(DomainError::Other(problem.to_owned()));
        }
        Ok(())
    }

    fn define(&self, inputs: &Inputs<'_>) -> Expr {
        let logits = inputs.expr("logits");
        let rows = Rows::of(inputs, &logits, self.ignore_index);
        let classes = logits.shape()[1];
        // An ignored row counts as zeros, looked up at class 0, and is masked out: whatever it holds, it adds exactly 0.
        let kept_logits: Vec<bool> =
            rows.kept.iter().flat_map(|&k| std::iter::repeat_n(k, classes)).collect();
        let logits = logits.keep(&kept_logits);
        let terms = if self.label_smoothing == 0.0 {
            &rows.weight * logits.cross_entropy(&rows.class)
        } else {
            // q = (1−ε)·onehot + ε/K, or 1−ε at the target and ε/(K−1) elsewhere, times class_weight. Multiplied by
            // its divisor, K or K−1, it is exact; the row is divided by it at the end.
            let epsilon = logits.constant(self.label_smoothing);
            let divisor = (classes - usize::from(self.over_k_minus_1)) as f64;
            let at_target = divisor * (1.0 - &epsilon)
                + if self.over_k_minus_1 { logits.constant(0.0) } else { epsilon.clone() };
            let onehot: Vec<bool> =
                rows.class.iter().flat_map(|&t| (0..classes).map(move |c| c == t)).collect();
            let shape = logits.shape();
            let q = at_target.broadcast(&shape).select(&onehot, &epsilon.broadcast(&shape));
            let q = match inputs.optional("class_weight") {
                Some(weight) => weight.broadcast(&shape) * q,
                None => q,
            };
            logits.soft_cross_entropy(&q) / divisor
        };
        self.reduction.apply(&terms.keep(&rows.kept), || rows.divisor(), self.empty_mean_zero)
    }
}
