//! Divergences: losses of one distribution against another.

use super::reduction::{Divisor, EMPTY_MEAN};
use super::{
    Alias, Convention, Default, Definition, Domain, Family, InputSpec, Inputs, ParamKind, ParamSpec, Params,
    Reduction, Spec, Unreduced,
};
use crate::graph::Expr;

/// Kullback–Leibler divergence of given log-probabilities: t·(ln t − x), element by element, 0 where t = 0; with log_target
/// e^t·(t − x), 0 where t = −∞.
///
/// The gradient is −t by log_prediction and ln t + 1 − x by the target, −∞ at t = 0 and undefined there if x = −∞; with
/// log_target −e^t and e^t·(t − x + 1), 0 at t = −∞.
pub struct KlDiv {
    log_target: bool,
    over_elements: bool,
    empty_mean_zero: bool,
    reduction: Reduction,
}

impl Definition for KlDiv {
    const SPEC: Spec = Spec {
        id: "kl_div",
        family: Family::Divergence,
        summary: "Kullback-Leibler divergence of log-probabilities from a target distribution",
        formula: "target * (log(target) - log_prediction), 0 where target is 0; with log_target \
                  exp(target) * (target - log_prediction), 0 where target is -inf",
        form: "the difference of the logarithms first, then the product: where the two distributions agree nothing is left \
               to cancel but the logarithm's own error; t*log(t) - t*x, as most libraries write it, rounds each product, and \
               its budget counts as well",
        inputs: &[
            InputSpec {
                name: "log_prediction",
                shape: &["N", "C"],
                domain: Domain::FiniteOrMinusInfinity,
                differentiable: true,
                optional: false,
                doc: "log-probabilities, taken as they are; -inf costs nothing where the target is 0, else +inf",
            },
            InputSpec {
                name: "target",
                shape: &["N", "C"],
                domain: Domain::NonNegativeOrLog,
                differentiable: true,
                optional: false,
                doc: "the part of each class, a row need not sum to 1; with log_target its logarithm",
            },
        ],
        params: &[
            ParamSpec {
                name: "log_target",
                kind: ParamKind::Flag,
                default: Default::Flag(false),
                conventions: &[],
                doc: "whether the target holds log-probabilities, -inf allowed",
            },
            ParamSpec {
                name: "reduction",
                kind: ParamKind::Choice(&["none", "batchmean", "mean", "sum"]),
                default: Default::Text("batchmean"),
                conventions: &[
                    Convention {
                        value: Default::Text("batchmean"),
                        who: "the definition of the divergence; burn and Liger by default",
                    },
                    Convention { value: Default::Text("mean"), who: "PyTorch's kl_div by default" },
                ],
                doc: "none: one value an element; batchmean: their sum divided by the number of rows; mean: divided \
                      by the number of elements; sum: their sum",
            },
            EMPTY_MEAN,
        ],
        unreduced: Unreduced::Elementwise,
        nonnegative: false,
        kinks: &[],
        dangers: &[
            "0 * log(0) is NaN where the target has zeros; and 0 * -inf where the prediction has them too",
            "an epsilon inside the logarithm that is 0 in a 16-bit format, or larger than small targets",
            "the derivative of xlogy(t, t) at 0 as log(0) + 0/0",
            "exp(t) * (t - x) is 0 * inf for masked log-targets",
            "mean divides by the elements, batchmean by the rows: a factor of C",
            "row sums over tiles that overwrite each other",
        ],
        sources: &[
            "Kullback, Leibler, On information and sufficiency (1951), doi:10.1214/aoms/1177729694",
            "PyTorch torch/nn/functional.py, kl_div",
            "pytorch/pytorch#89558",
            "pytorch/pytorch#98269",
            "tracel-ai/burn PR#4721",
            "linkedin/Liger-Kernel PR#262",
        ],
        names: &[
            Alias {
                library: "PyTorch",
                name: "F.kl_div",
                differs: "reduction \"mean\" by default; NaN where target is 0 and the prediction -inf, and by the \
                          target at 0; NaN at a log-target of -inf",
            },
            Alias {
                library: "optax",
                name: "kl_divergence, kl_divergence_with_log_targets",
                differs: "sums the last axis and reduces no further; NaN where target is 0 and the prediction -inf",
            },
            Alias {
                library: "Keras",
                name: "KLDivergence",
                differs: "takes probabilities, both clipped to [1e-7, 1]; sums the last axis",
            },
            Alias {
                library: "burn",
                name: "KLDivLoss",
                differs: "the target is clamped to the least positive number inside the logarithm",
            },
            Alias { library: "candle", name: "no function", differs: "composed by hand of log and mul" },
            Alias {
                library: "Liger",
                name: "LigerKLDIVLoss",
                differs: "max(target, 1e-10) inside the logarithm; no gradient by the target",
            },
        ],
    };

    fn from_params(params: &Params) -> Self {
        KlDiv {
            log_target: params.flag("log_target"),
            over_elements: params.text("reduction") == "mean",
            empty_mean_zero: params.text("empty_mean") == "zero",
            reduction: Reduction::from_params(params),
        }
    }

    fn define(&self, inputs: &Inputs<'_>) -> Expr {
        let (log_prediction, target) = (inputs.expr("log_prediction"), inputs.expr("target"));
        let terms = match self.log_target {
            true => target.kl_div_log(&log_prediction),
            false => target.kl_div(&log_prediction),
        };
        let count = if self.over_elements { terms.len() } else { terms.shape()[0] };
        self.reduction.apply(&terms, || Divisor::count(&terms, count), self.empty_mean_zero)
    }
}
