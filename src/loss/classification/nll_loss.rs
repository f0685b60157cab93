//! Negative log-likelihood of given log-probabilities: the second half of cross_entropy.

use super::rows::{CLASS_TARGET, CLASS_WEIGHT, IGNORE_INDEX, Rows};
use crate::graph::Expr;
use crate::loss::reduction::{EMPTY_MEAN, REDUCTION};
use crate::loss::{Alias, Definition, Domain, Family, InputSpec, Inputs, Params, Reduction, Spec, Unreduced};

/// Negative log-likelihood: −w_t·ℓ_t of each row's class t; the gradient is −w_t at the class and 0 elsewhere.
pub struct NllLoss {
    ignore_index: Option<i64>,
    empty_mean_zero: bool,
    reduction: Reduction,
}

impl Definition for NllLoss {
    const SPEC: Spec = Spec {
        id: "nll_loss",
        family: Family::Classification,
        summary: "negative log-likelihood of given log-probabilities against integer classes",
        formula: "-class_weight[t] * log_probs[t], t the row's class",
        form: "one product a row: nothing to lose but the sum; the log-probabilities are taken as they are, \
               normalised or not",
        inputs: &[
            InputSpec {
                name: "log_probs",
                shape: &["N", "C"],
                domain: Domain::FiniteOrMinusInfinity,
                differentiable: true,
                optional: false,
                doc: "log-probabilities; -inf at the class makes the loss +inf, elsewhere it changes nothing",
            },
            CLASS_TARGET,
            CLASS_WEIGHT,
        ],
        params: &[IGNORE_INDEX, EMPTY_MEAN, REDUCTION],
        unreduced: Unreduced::Rows,
        nonnegative: false,
        kinks: &[],
        dangers: &[
            "the loss of ignored rows is never written, and what lay there comes out",
            "0 * -inf where a row is masked by a product",
            "the mean divides by all rows instead of the weights of those that count",
            "a backward that forgets the gradient from above",
        ],
        sources: &[
            "PyTorch aten/src/ATen/native/LossNLL.cpp",
            "pytorch/pytorch#20406",
            "pytorch/pytorch PR#94226",
        ],
        names: &[
            Alias {
                library: "PyTorch",
                name: "F.nll_loss",
                differs: "also shapes [N, C, d1, ...], classes on axis 1",
            },
            Alias {
                library: "optax",
                name: "no function",
                differs: "minus jnp.take_along_axis of jax.nn.log_softmax, by hand",
            },
            Alias {
                library: "Keras",
                name: "SparseCategoricalCrossentropy(from_logits=False)",
                differs: "takes probabilities, clipped to [1e-7, 1 - 1e-7]",
            },
            Alias {
                library: "burn",
                name: "CrossEntropyLoss(logits=false)",
                differs: "takes probabilities, and their logarithm clamped; pad_tokens for ignore_index",
            },
            Alias { library: "candle", name: "loss::nll", differs: "mean over all rows; no weights" },
            Alias {
                library: "Liger",
                name: "no function",
                differs: "fused into LigerCrossEntropyLoss, which takes logits",
            },
        ],
    };

    fn from_params(params: &Params) -> Self {
        NllLoss {
            ignore_index: params.integer("ignore_index"),
            empty_mean_zero: params.text("empty_mean") == "zero",
            reduction: Reduction::from_params(params),
        }
    }

    fn define(&self, inputs: &Inputs<'_>) -> Expr {
        let log_probs = inputs.expr("log_probs");
        let (rows, classes) = (Rows::of(inputs, &log_probs, self.ignore_index), log_probs.shape()[1]);
        let at_class: Vec<usize> = rows.class.iter().enumerate().map(|(n, &t)| n * classes + t).collect();
        let terms = -(&rows.weight * log_probs.gather(&at_class));
        // An ignored row is looked up at class 0 and masked out: whatever stands there, it adds exactly 0.
        self.reduction.apply(&terms.keep(&rows.kept), || rows.divisor(), self.empty_mean_zero)
    }
}
