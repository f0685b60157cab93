//! Classification by a margin: the hinge loss of scores against signs.

use super::reduction::{Divisor, EMPTY_MEAN, REDUCTION};
use super::{Alias, Definition, Domain, Family, InputSpec, Inputs, Params, Reduction, Spec, Unreduced};
use crate::graph::Expr;

/// The hinge loss: max(1 − target·score, 0) with a target of ±1; the gradient is −target inside the margin, 0 beyond it,
/// and at the margin itself any number between.
pub struct Hinge {
    empty_mean_zero: bool,
    reduction: Reduction,
}

impl Definition for Hinge {
    const SPEC: Spec = Spec {
        id: "hinge",
        family: Family::Classification,
        summary: "hinge loss: scores on the right side by a margin of 1 cost nothing",
        formula: "max(1 - target * score, 0), target -1 or 1",
        form: "the product, which is exact, taken from 1: one rounding, and none where the margin is nearly met",
        inputs: &[
            InputSpec {
                name: "score",
                shape: &["N…"],
                domain: Domain::Finite,
                differentiable: true,
                optional: false,
                doc: "unbounded scores",
            },
            InputSpec {
                name: "target",
                shape: &["N…"],
                domain: Domain::SignValue,
                differentiable: false,
                optional: false,
                doc: "the side on which the score should be",
            },
        ],
        params: &[REDUCTION, EMPTY_MEAN],
        unreduced: Unreduced::Elementwise,
        nonnegative: true,
        kinks: &["target * score = 1: the gradient is any number between 0 and -target, times upstream"],
        dangers: &[
            "targets of 0 and 1 in place of -1 and 1: a target of 0 costs 1 whatever the score, with gradient 0",
            "the max in the wrong place: each term is cut at 0, not their sum",
            "16-bit products and differences: a margin that is nearly met is rounded to 0",
        ],
        sources: &[
            "Rosasco et al., Are loss functions all the same? (2004), doi:10.1162/089976604773135104",
            "bfortuner/ml-glossary PR#113",
        ],
        names: &[
            Alias {
                library: "PyTorch",
                name: "clamp(1 - target * score, min=0) by hand",
                differs: "no loss of that name: F.hinge_embedding_loss and F.multi_margin_loss are other losses",
            },
            Alias {
                library: "optax",
                name: "hinge_loss",
                differs: "unreduced; half the gradient at the margin",
            },
            Alias {
                library: "Keras",
                name: "Hinge",
                differs: "targets of 0 and 1 are turned to -1 and 1 if there are no others; mean over the last axis, then \
                          the rest",
            },
        ],
    };

    fn from_params(params: &Params) -> Self {
        Hinge {
            empty_mean_zero: params.text("empty_mean") == "zero",
            reduction: Reduction::from_params(params),
        }
    }

    fn define(&self, inputs: &Inputs<'_>) -> Expr {
        let terms = (1.0 - inputs.expr("target") * inputs.expr("score")).relu();
        let count = terms.len();
        self.reduction.apply(&terms, || Divisor::count(&terms, count), self.empty_mean_zero)
    }
}
