//! Metric learning by direction: losses of the cosine between embeddings.

use super::reduction::{Divisor, EMPTY_MEAN, REDUCTION};
use super::{
    Alias, Convention, Default, Definition, Domain, Family, InputSpec, Inputs, ParamKind, ParamSpec, Params,
    Range, Reduction, Spec, Unreduced,
};
use crate::graph::Expr;

const fn embedding(name: &'static str, doc: &'static str) -> InputSpec {
    InputSpec { name, shape: &["N", "D"], domain: Domain::Finite, differentiable: true, optional: false, doc }
}

/// Cosine embedding loss: 1 − c for a pair that belongs together, max(c − margin, 0) for one that does not, with
/// c = x₁·x₂/√((‖x₁‖² + ε)(‖x₂‖² + ε)) and ∂c/∂x₁ = (x₂/√(‖x₂‖² + ε) − c·x₁/√(‖x₁‖² + ε))/√(‖x₁‖² + ε).
pub struct CosineEmbedding {
    margin: f64,
    epsilon: f64,
    empty_mean_zero: bool,
    reduction: Reduction,
}

impl Definition for CosineEmbedding {
    const SPEC: Spec = Spec {
        id: "cosine_embedding",
        family: Family::Metric,
        summary: "pairs of embeddings: those that belong together made parallel, others apart by a margin",
        formula: "1 - c at target 1, max(c - margin, 0) at target -1; c = x1.x2 / sqrt((|x1|^2 + eps)(|x2|^2 + eps))",
        form: "x.y/(|x||y|) with norms that neither overflow nor underflow, or both vectors normalised first: whichever \
               loses more. 1 - c of nearly parallel vectors keeps the absolute error of c",
        inputs: &[
            embedding("x1", "an embedding"),
            embedding("x2", "the other one of the pair"),
            InputSpec {
                name: "target",
                shape: &["N"],
                domain: Domain::SignValue,
                differentiable: false,
                optional: false,
                doc: "1 where the pair belongs together, -1 where not",
            },
        ],
        params: &[
            ParamSpec {
                name: "margin",
                kind: ParamKind::Real { range: Range::closed(-1.0, 1.0), null: false, also: &[] },
                default: Default::Number(0.0),
                conventions: &[],
                doc: "the cosine up to which a pair that does not belong together costs nothing",
            },
            ParamSpec {
                name: "epsilon",
                kind: ParamKind::Real { range: Range::closed(0.0, 1.0), null: false, also: &[] },
                default: Default::Number(0.0),
                conventions: &[
                    Convention { value: Default::Number(0.0), who: "the formula" },
                    Convention { value: Default::Number(1e-12), who: "PyTorch" },
                ],
                doc: "added to each squared norm; at 0 the cosine of a zero vector is undefined",
            },
            REDUCTION,
            EMPTY_MEAN,
        ],
        unreduced: Unreduced::Rows,
        nonnegative: true,
        kinks: &["c = margin at target -1: any part from 0 to 1 of the gradient of c"],
        dangers: &[
            "a zero vector: 0/0, or with a floor that f16 rounds to 0",
            "the product of the squared norms overflows from norms of 4.3e9 on in f32, of 16 in f16, and underflows",
            "1 - c is a rounding error for nearly parallel vectors, and may be negative",
            "the gradient of a short vector is long: it goes with 1/|x|",
        ],
        sources: &[
            "PyTorch aten/src/ATen/native/Loss.cpp: cosine_embedding_loss",
            "pytorch/pytorch PR#33596",
        ],
        names: &[
            Alias { library: "PyTorch", name: "F.cosine_embedding_loss", differs: "epsilon 1e-12" },
            Alias {
                library: "burn",
                name: "CosineEmbeddingLoss",
                differs: "each norm at least the least normal number",
            },
            Alias {
                library: "optax",
                name: "cosine_distance",
                differs: "1 - c of every pair; squared norms at least epsilon",
            },
            Alias {
                library: "Keras",
                name: "CosineSimilarity",
                differs: "-c of every pair; no norm below 1e-7 divides",
            },
            Alias { library: "candle", name: "none", differs: "" },
            Alias {
                library: "Liger",
                name: "LigerFusedLinearCosineSimilarityLoss",
                differs: "1 - c, distillation",
            },
        ],
    };

    fn from_params(params: &Params) -> Self {
        CosineEmbedding {
            margin: params.number("margin").unwrap_or(0.0),
            epsilon: params.number("epsilon").unwrap_or(0.0),
            empty_mean_zero: params.text("empty_mean") == "zero",
            reduction: Reduction::from_params(params),
        }
    }

    fn define(&self, inputs: &Inputs<'_>) -> Expr {
        let cosine = inputs.expr("x1").cosine(&inputs.expr("x2"), self.epsilon);
        let together: Vec<bool> = inputs.floats("target").iter().map(|&target| target == 1.0).collect();
        // By the target's own sign, so that one that is NaN makes NaN.
        let target = inputs.expr("target");
        let margin = cosine.constant_full(&cosine.shape(), -self.margin);
        let gap = cosine.constant_full(&cosine.shape(), 1.0).select(&together, &margin) - target * cosine;
        let rows = gap.select(&together, &gap.relu());
        let count = rows.len();
        self.reduction.apply(&rows, || Divisor::count(&rows, count), self.empty_mean_zero)
    }
}
