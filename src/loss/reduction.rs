//! How a loss over many elements or rows becomes one number: the parameters `reduction`, `mean_over`, `empty_mean`, shared
//! by every loss that reduces.

use super::params::Params;
use super::spec::{Convention, Default, ParamKind, ParamSpec};
use crate::graph::Expr;

/// What becomes of the unreduced loss.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Nothing: one value an element or a row.
    None,
    /// Σ divided by a count or by a sum of weights.
    Mean,
    /// Σ.
    Sum,
}

/// The parameter `reduction` with `mean` as its default.
pub const REDUCTION: ParamSpec = ParamSpec {
    name: "reduction",
    kind: ParamKind::Choice(&["none", "mean", "sum"]),
    default: Default::Text("mean"),
    conventions: &[],
    doc: "none: one value an element or row; mean: their sum divided by their number; sum: their sum",
};

/// The parameter `mean_over` of losses with per-element weights.
pub const MEAN_OVER: ParamSpec = ParamSpec {
    name: "mean_over",
    kind: ParamKind::Choice(&["count", "weight"]),
    default: Default::Text("count"),
    conventions: &[
        Convention { value: Default::Text("count"), who: "Keras, optax, PyTorch's huber_loss" },
        Convention { value: Default::Text("weight"), who: "PyTorch's mse_loss and l1_loss" },
    ],
    doc: "what a weighted mean divides by: the number of elements, or the sum of their weights",
};

/// The parameter `empty_mean`.
pub const EMPTY_MEAN: ParamSpec = ParamSpec {
    name: "empty_mean",
    kind: ParamKind::Choice(&["nan", "zero"]),
    default: Default::Text("nan"),
    conventions: &[
        Convention { value: Default::Text("nan"), who: "PyTorch, burn" },
        Convention { value: Default::Text("zero"), who: "Liger, max(count, 1) normalisers" },
    ],
    doc: "the mean over no elements, or over weights that sum to 0: NaN, or 0 with gradient 0",
};

impl Reduction {
    /// The reduction that the parameters name; "batchmean" is a mean whose divisor the loss tells.
    pub fn from_params(params: &Params) -> Reduction {
        match params.text("reduction") {
            "none" => Reduction::None,
            "sum" => Reduction::Sum,
            _ => Reduction::Mean,
        }
    }

    /// Reduces `terms` over all axes; a mean divides by `divisor`.
    ///
    /// A divisor that is exactly 0 follows `empty_mean_zero`: the loss is then 0 with gradient 0, else undefined.
    pub fn apply(self, terms: &Expr, divisor: impl FnOnce() -> Divisor, empty_mean_zero: bool) -> Expr {
        match self {
            Reduction::None => terms.clone(),
            Reduction::Sum => terms.sum_all(),
            Reduction::Mean => {
                let divisor = divisor();
                if divisor.is_zero && empty_mean_zero {
                    return terms.constant(0.0);
                }
                terms.sum_all() / divisor.value
            }
        }
    }
}

/// What a mean divides by, and whether that is exactly 0, which is known while tracing.
pub struct Divisor {
    value: Expr,
    is_zero: bool,
}

impl Divisor {
    /// A number of elements or rows.
    pub fn count(terms: &Expr, count: usize) -> Divisor {
        Divisor { value: terms.constant(count as f64), is_zero: count == 0 }
    }

    /// The sum of weights, all at least 0.
    pub fn weights(weights: &Expr, values: &[f64]) -> Divisor {
        Divisor::known(weights.sum_all(), values.iter().all(|&w| w == 0.0))
    }

    /// Any divisor, told whether it is exactly 0.
    pub fn known(value: Expr, is_zero: bool) -> Divisor {
        Divisor { value, is_zero }
    }
}
