//! Metric learning: losses of distances between embeddings.

use super::reduction::{Divisor, EMPTY_MEAN, REDUCTION};
use super::{
    Alias, Convention, Default, Definition, Domain, DomainError, Family, InputSpec, Inputs, ParamKind,
    ParamSpec, Params, Range, Reduction, Spec, Unreduced,
};
use crate::graph::{Expr, Power};
use crate::tensor::Tensor;
use std::collections::BTreeMap;

const fn embedding(name: &'static str, doc: &'static str) -> InputSpec {
    InputSpec { name, shape: &["N", "D"], domain: Domain::Finite, differentiable: true, optional: false, doc }
}

/// Triplet margin loss: max(margin + d(anchor, positive) − d(anchor, negative), 0) with the p-norm distance d;
/// with `swap` the second distance is min(d(anchor, negative), d(positive, negative)).
pub struct TripletMargin {
    margin: f64,
    p: Power,
    epsilon: f64,
    epsilon_in_root: bool,
    swap: bool,
    empty_mean_zero: bool,
    reduction: Reduction,
}

impl Definition for TripletMargin {
    const SPEC: Spec = Spec {
        id: "triplet_margin",
        family: Family::Metric,
        summary: "triplet loss: the anchor nearer to the positive than to the negative by a margin",
        formula: "max(margin + ||a - p||_p - ||a - n||_p, 0)",
        form: "p-norms of differences, scaled against overflow; the gradient of a norm is the unit vector, the unit ball at 0",
        inputs: &[
            embedding("anchor", "the embedding to be placed"),
            embedding("positive", "an embedding of the same class"),
            embedding("negative", "an embedding of another class"),
        ],
        params: &[
            ParamSpec {
                name: "margin",
                kind: ParamKind::Real { range: Range::at_least(0.0), null: false, also: &[] },
                default: Default::Number(1.0),
                conventions: &[],
                doc: "how much nearer the positive has to be",
            },
            ParamSpec {
                name: "p",
                kind: ParamKind::Real { range: Range::at_least(1.0), null: false, also: &["inf"] },
                default: Default::Number(2.0),
                conventions: &[],
                doc: "the norm's degree",
            },
            ParamSpec {
                name: "epsilon",
                kind: ParamKind::Real { range: Range::at_least(0.0), null: false, also: &[] },
                default: Default::Number(0.0),
                conventions: &[
                    Convention { value: Default::Number(0.0), who: "the formula, burn" },
                    Convention { value: Default::Number(1e-6), who: "PyTorch and optax" },
                ],
                doc: "added against division by 0 in the gradient; where, says epsilon_placement",
            },
            ParamSpec {
                name: "epsilon_placement",
                kind: ParamKind::Choice(&["difference", "root"]),
                default: Default::Text("difference"),
                conventions: &[
                    Convention { value: Default::Text("difference"), who: "PyTorch" },
                    Convention { value: Default::Text("root"), who: "optax" },
                ],
                doc: "epsilon added to each coordinate's difference, or to the sum under the root",
            },
            ParamSpec {
                name: "swap",
                kind: ParamKind::Flag,
                default: Default::Flag(false),
                conventions: &[],
                doc: "use d(positive, negative) where it is below d(anchor, negative)",
            },
            EMPTY_MEAN,
            REDUCTION,
        ],
        unreduced: Unreduced::Rows,
        nonnegative: true,
        kinks: &[
            "margin + d(a, p) = d(a, n): the whole of [0, 1] times the gradient of the sum",
            "coinciding points: the dual norm's unit ball (p > 1: each coordinate any of [-1, 1])",
            "p = 1: each zero coordinate; p = inf: ties of the largest coordinate; swap: equal distances",
        ],
        dangers: &[
            "sqrt'(0) is infinite: coinciding points make the whole gradient NaN",
            "the square of a large difference overflows, of a small one underflows: scale",
            "odd p without absolute values",
            "epsilon added to the difference makes d(a, p) unequal to d(p, a)",
        ],
        sources: &[
            "Balntas et al., Learning shallow convolutional feature descriptors with triplet losses (2016)",
            "tensorflow/tensorflow#30199",
            "ml-explore/mlx PR#3613",
        ],
        names: &[
            Alias {
                library: "PyTorch",
                name: "F.triplet_margin_loss",
                differs: "epsilon 1e-6, added to the difference",
            },
            Alias {
                library: "optax",
                name: "losses.triplet_margin_loss",
                differs: "unreduced; epsilon 1e-6 under the root; no absolute values, so odd p is wrong",
            },
            Alias { library: "burn", name: "TripletMarginLoss", differs: "" },
        ],
    };

    fn from_params(params: &Params) -> Self {
        TripletMargin {
            margin: params.number("margin").unwrap_or(1.0),
            p: params.number("p").map_or(Power::Infinity, Power::Finite),
            epsilon: params.number("epsilon").unwrap_or(0.0),
            epsilon_in_root: params.text("epsilon_placement") == "root",
            swap: params.flag("swap"),
            empty_mean_zero: params.text("empty_mean") == "zero",
            reduction: Reduction::from_params(params),
        }
    }

    fn check(&self, _inputs: &BTreeMap<String, Tensor>) -> Result<(), DomainError> {
        if self.p == Power::Infinity && self.epsilon > 0.0 && self.epsilon_in_root {
            let problem = "epsilon_placement \"root\" has no meaning for p \"inf\" with epsilon above 0";
            return Err(DomainError::Other(problem.to_owned()));
        }
        Ok(())
    }

    fn define(&self, inputs: &Inputs<'_>) -> Expr {
        let (anchor, positive, negative) =
            (inputs.expr("anchor"), inputs.expr("positive"), inputs.expr("negative"));
        let distance = |a: &Expr, b: &Expr| {
            if self.epsilon_in_root {
                (a - b).norm(self.p, self.epsilon)
            } else if self.epsilon > 0.0 {
                (a - b + self.epsilon).norm(self.p, 0.0)
            } else {
                (a - b).norm(self.p, 0.0)
            }
        };
        let near = distance(&anchor, &positive);
        let mut far = distance(&anchor, &negative);
        if self.swap {
            far = far.minimum(&distance(&positive, &negative));
        }
        // The difference first: where the margin is 0, its sign is decided by the sums under the roots.
        let gap = near - far;
        let gap = if self.margin == 0.0 { gap } else { gap + self.margin };
        let rows = gap.relu();
        let count = rows.len();
        self.reduction.apply(&rows, || Divisor::count(&rows, count), self.empty_mean_zero)
    }
}
