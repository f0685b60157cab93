//! Softmax cross-entropy against integer classes: the loss of nearly every classifier and language model.

use crate::graph::Expr;
use crate::loss::reduction::{Divisor, EMPTY_MEAN, REDUCTION};
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
            InputSpec {
                name: "target",
                shape: &["N"],
                domain: Domain::Class,
                differentiable: false,
                optional: false,
                doc: "the class of each row",
            },
            InputSpec {
                name: "class_weight",
                shape: &["C"],
                domain: Domain::NonNegative,
                differentiable: false,
                optional: true,
                doc: "a factor for each class",
            },
        ],
        params: &[
            ParamSpec {
                name: "ignore_index",
                kind: ParamKind::Integer { null: true },
                default: Default::Integer(-100),
                conventions: &[],
                doc: "rows of this target add nothing to loss, gradient and divisor; null: there is none",
            },
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
        let (targets, classes) = (inputs.integers("target"), logits.shape()[1]);
        let kept: Vec<bool> = targets.iter().map(|&t| Some(t) != self.ignore_index).collect();
        // An ignored row counts as zeros, looked up at class 0, and is masked out: whatever it holds, it adds exactly 0.
        let kept_logits: Vec<bool> = kept.iter().flat_map(|&k| std::iter::repeat_n(k, classes)).collect();
        let logits = logits.keep(&kept_logits);
        let class_of: Vec<usize> =
            targets.iter().zip(&kept).map(|(&t, &k)| if k { t as usize } else { 0 }).collect();
        let weight = inputs.optional("class_weight");
        let target_weight = match &weight {
            Some(weight) => weight.gather(&class_of),
            None => logits.constant_full(&[targets.len()], 1.0),
        };
        let rows = if self.label_smoothing == 0.0 {
            &target_weight * logits.cross_entropy(&class_of)
        } else {
            // q = (1−ε)·onehot + ε/K, or 1−ε at the target and ε/(K−1) elsewhere, times class_weight. Multiplied by
            // its divisor, K or K−1, it is exact; the row is divided by it at the end.
            let epsilon = logits.constant(self.label_smoothing);
            let divisor = (classes - usize::from(self.over_k_minus_1)) as f64;
            let at_target = divisor * (1.0 - &epsilon)
                + if self.over_k_minus_1 { logits.constant(0.0) } else { epsilon.clone() };
            let onehot: Vec<bool> =
                class_of.iter().flat_map(|&t| (0..classes).map(move |c| c == t)).collect();
            let shape = [targets.len(), classes];
            let q = at_target.broadcast(&shape).select(&onehot, &epsilon.broadcast(&shape));
            let q = match &weight {
                Some(weight) => weight.broadcast(&shape) * q,
                None => q,
            };
            logits.soft_cross_entropy(&q) / divisor
        };
        let rows = rows.keep(&kept);
        let divisor = || {
            let weights = target_weight.keep(&kept);
            let values = inputs.floats("class_weight");
            let is_zero = class_of.iter().zip(&kept).all(|(&t, &k)| !k || values.get(t) == Some(&0.0));
            Divisor::known(weights.sum_all(), is_zero)
        };
        self.reduction.apply(&rows, divisor, self.empty_mean_zero)
    }
}
