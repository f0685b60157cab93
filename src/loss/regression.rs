//! Regression: losses of the residual between a prediction and a target.

use super::reduction::{Divisor, EMPTY_MEAN, MEAN_OVER, REDUCTION};
use super::{
    Alias, Default, Definition, Domain, Family, InputSpec, Inputs, ParamKind, ParamSpec, Params, Range,
    Reduction, Spec, Unreduced,
};
use crate::graph::Expr;

const INPUTS: &[InputSpec] = &[
    InputSpec {
        name: "prediction",
        shape: &["N…"],
        domain: Domain::Finite,
        differentiable: true,
        optional: false,
        doc: "the model's output",
    },
    InputSpec {
        name: "target",
        shape: &["N…"],
        domain: Domain::Finite,
        differentiable: true,
        optional: false,
        doc: "what it is held against",
    },
    InputSpec {
        name: "weight",
        shape: &["N…"],
        domain: Domain::NonNegative,
        differentiable: false,
        optional: true,
        doc: "a factor for each element",
    },
];

/// What every elementwise regression loss shares: optional weights and the reduction.
struct Pointwise {
    reduction: Reduction,
    mean_over_weight: bool,
    empty_mean_zero: bool,
}

impl Pointwise {
    fn from_params(params: &Params) -> Pointwise {
        Pointwise {
            reduction: Reduction::from_params(params),
            mean_over_weight: params.text("mean_over") == "weight",
            empty_mean_zero: params.text("empty_mean") == "zero",
        }
    }

    /// reduce(weight · terms).
    fn apply(&self, inputs: &Inputs<'_>, terms: Expr) -> Expr {
        let weight = inputs.optional("weight");
        let count = terms.len();
        let terms = match &weight {
            Some(weight) => weight * terms,
            None => terms,
        };
        let divisor = || match &weight {
            Some(weight) if self.mean_over_weight => Divisor::weights(weight, inputs.floats("weight")),
            _ => Divisor::count(&terms, count),
        };
        self.reduction.apply(&terms, divisor, self.empty_mean_zero)
    }
}

/// Mean squared error: (prediction − target)², element by element; the gradient is ±2·(prediction − target).
pub struct Mse(Pointwise);

impl Definition for Mse {
    const SPEC: Spec = Spec {
        id: "mse",
        family: Family::Regression,
        summary: "mean squared error",
        formula: "(prediction - target)^2, times weight",
        form: "the difference first, then its square: exact but for two roundings; x^2 - 2xy + y^2 cancels",
        inputs: INPUTS,
        params: &[REDUCTION, MEAN_OVER, EMPTY_MEAN],
        unreduced: Unreduced::Elementwise,
        nonnegative: true,
        kinks: &[],
        dangers: &[
            "the square overflows: in f16 from |r| = 256 on, in f32 from 1.8e19 on",
            "a 16-bit sum sticks or overflows: accumulate in f32",
            "expanding the square cancels where prediction is near target",
        ],
        sources: &[
            "PyTorch aten/src/ATen/native/Loss.cpp",
            "pytorch/pytorch#91597",
            "pytorch/pytorch PR#94226",
        ],
        names: &[
            Alias {
                library: "PyTorch",
                name: "F.mse_loss",
                differs: "with weight the mean divides by the weights' sum",
            },
            Alias { library: "optax", name: "squared_error", differs: "unreduced" },
            Alias {
                library: "Keras",
                name: "MeanSquaredError",
                differs: "mean over the last axis, then the rest",
            },
            Alias { library: "burn", name: "MseLoss", differs: "" },
            Alias { library: "candle", name: "loss::mse", differs: "mean only" },
            Alias { library: "JAX", name: "optax.l2_loss", differs: "half of it" },
        ],
    };

    fn from_params(params: &Params) -> Self {
        Mse(Pointwise::from_params(params))
    }

    fn define(&self, inputs: &Inputs<'_>) -> Expr {
        let residual = inputs.expr("prediction") - inputs.expr("target");
        self.0.apply(inputs, residual.square())
    }
}

/// Mean absolute error: |prediction − target|; the gradient is ±sign(prediction − target), at 0 the set [−1, 1].
pub struct Mae(Pointwise);

impl Definition for Mae {
    const SPEC: Spec = Spec {
        id: "mae",
        family: Family::Regression,
        summary: "mean absolute error",
        formula: "|prediction - target|, times weight",
        form: "the absolute difference: one rounding an element",
        inputs: INPUTS,
        params: &[REDUCTION, MEAN_OVER, EMPTY_MEAN],
        unreduced: Unreduced::Elementwise,
        nonnegative: true,
        kinks: &["prediction = target: the gradient is any number of [-1, 1] times weight and upstream"],
        dangers: &[
            "NaN from a sign computed as r/|r| at 0",
            "a 16-bit sum sticks or overflows: accumulate in f32",
        ],
        sources: &["PyTorch aten/src/ATen/native/Loss.cpp"],
        names: &[
            Alias {
                library: "PyTorch",
                name: "F.l1_loss",
                differs: "with weight the mean divides by the weights' sum",
            },
            Alias {
                library: "optax",
                name: "absolute error by hand",
                differs: "sign(0) = +1 through jnp.abs",
            },
            Alias {
                library: "Keras",
                name: "MeanAbsoluteError",
                differs: "mean over the last axis, then the rest",
            },
            Alias { library: "burn", name: "LpLoss with p = 1", differs: "" },
        ],
    };

    fn from_params(params: &Params) -> Self {
        Mae(Pointwise::from_params(params))
    }

    fn define(&self, inputs: &Inputs<'_>) -> Expr {
        let residual = inputs.expr("prediction") - inputs.expr("target");
        self.0.apply(inputs, residual.abs())
    }
}

/// Huber's loss: ½r² for |r| ≤ δ, δ·(|r| − ½δ) beyond, r = prediction − target; the gradient is ±r, cut to [−δ, δ].
pub struct Huber {
    delta: f64,
    pointwise: Pointwise,
}

impl Definition for Huber {
    const SPEC: Spec = Spec {
        id: "huber",
        family: Family::Regression,
        summary: "Huber's loss: squares near 0, absolute values beyond delta",
        formula: "r^2/2 if |r| <= delta, else delta * (|r| - delta/2); r = prediction - target; times weight",
        form: "the difference first; delta factored out of the linear part, which subtracts less than half of |r|: \
               nothing cancels. The budget is the largest of this form, of delta*|r| - delta^2/2 and of \
               q^2/2 + delta*(|r| - q) with q = min(|r|, delta), and next to delta that of either part",
        inputs: INPUTS,
        params: &[
            ParamSpec {
                name: "delta",
                kind: ParamKind::Real { range: Range::above(0.0), null: false, also: &[] },
                default: Default::Number(1.0),
                conventions: &[],
                doc: "where the loss goes from squares to absolute values; the largest slope",
            },
            REDUCTION,
            MEAN_OVER,
            EMPTY_MEAN,
        ],
        unreduced: Unreduced::Elementwise,
        nonnegative: true,
        kinks: &[
            "none: at |r| = delta both parts have the slope delta; the second derivative is any number of [0, 1] there",
        ],
        dangers: &[
            "a linear part that is not the tangent: a jump at delta, seen only where delta is not 1",
            "the branch taken by r in place of |r|: wrong for every negative residual",
            "the square computed on both sides of a select: its overflow is infinity times 0 in the gradient",
            "a 16-bit sum sticks or overflows: accumulate in f32",
        ],
        sources: &[
            "Huber, Robust estimation of a location parameter (1964), doi:10.1214/aoms/1177703732",
            "PyTorch aten/src/ATen/native/Loss.cpp",
        ],
        names: &[
            Alias {
                library: "PyTorch",
                name: "F.huber_loss",
                differs: "with weight the mean divides by the number of elements",
            },
            Alias { library: "optax", name: "huber_loss", differs: "unreduced; no weights" },
            Alias { library: "Keras", name: "Huber", differs: "mean over the last axis, then the rest" },
            Alias { library: "burn", name: "HuberLoss", differs: "delta has no default; no weights" },
            Alias { library: "candle", name: "loss::huber", differs: "mean only; no weights" },
            Alias { library: "dfdx", name: "huber_loss", differs: "mean only; no weights" },
        ],
    };

    fn from_params(params: &Params) -> Self {
        Huber { delta: params.number("delta").unwrap_or(1.0), pointwise: Pointwise::from_params(params) }
    }

    fn define(&self, inputs: &Inputs<'_>) -> Expr {
        let residual = inputs.expr("prediction") - inputs.expr("target");
        self.pointwise.apply(inputs, residual.huber(self.delta))
    }
}

/// Smooth L1: Huber's loss divided by its threshold: r²/(2β) for |r| ≤ β, |r| − ½β beyond; the gradient is ±r/β, cut to
/// [−1, 1]. With β = 0 it is the mean absolute error, kink and all.
pub struct SmoothL1 {
    beta: f64,
    pointwise: Pointwise,
}

impl Definition for SmoothL1 {
    const SPEC: Spec = Spec {
        id: "smooth_l1",
        family: Family::Regression,
        summary: "smooth absolute error: Huber's loss divided by its threshold",
        formula: "r^2/(2 beta) if |r| <= beta, else |r| - beta/2; r = prediction - target; times weight; beta 0: |r|",
        form: "the difference first; half the square, then the division, as every framework has it: r*(r/beta) would not \
               lose a small residual's square to underflow, but no kernel of today would hold its budget. Next to beta \
               the budget is that of either part",
        inputs: INPUTS,
        params: &[
            ParamSpec {
                name: "beta",
                kind: ParamKind::Real { range: Range::at_least(0.0), null: false, also: &[] },
                default: Default::Number(1.0),
                conventions: &[],
                doc: "where the loss goes from squares to absolute values; at 0 it is the absolute error",
            },
            REDUCTION,
            MEAN_OVER,
            EMPTY_MEAN,
        ],
        unreduced: Unreduced::Elementwise,
        nonnegative: true,
        kinks: &[
            "beta = 0 and prediction = target: the gradient is any number of [-1, 1] times weight and upstream",
            "beta > 0: none; at |r| = beta the second derivative is any number of [0, 1/beta]",
        ],
        dangers: &[
            "a linear part that is not the tangent: a jump at beta, seen only where beta is not 1",
            "the branch taken by r in place of |r|: wrong for every negative residual",
            "beta = 0: 0/0 at an exact fit",
            "a small beta: the square of a residual below it underflows, r*(r/beta) does not",
            "a 16-bit sum sticks or overflows: accumulate in f32",
        ],
        sources: &[
            "Girshick, Fast R-CNN (2015), arXiv:1504.08083, eq. 3",
            "PyTorch aten/src/ATen/native/cpu/BinaryOpsKernel.cpp",
            "pytorch/pytorch PR#17447",
            "ml-explore/mlx PR#1974",
        ],
        names: &[
            Alias { library: "PyTorch", name: "F.smooth_l1_loss", differs: "no weights" },
            Alias {
                library: "optax",
                name: "huber_loss",
                differs: "unreduced; huber_loss(delta=beta) / beta; no weights",
            },
            Alias {
                library: "Keras",
                name: "Huber",
                differs: "Huber(delta=beta) / beta; mean over the last axis, then the rest",
            },
            Alias { library: "burn", name: "SmoothL1Loss", differs: "beta above 0 only; no weights" },
            Alias {
                library: "candle",
                name: "loss::huber",
                differs: "huber(delta=beta) / beta; mean only; no weights",
            },
            Alias {
                library: "dfdx",
                name: "smooth_l1_loss",
                differs: "its delta is beta; mean only; no weights",
            },
        ],
    };

    fn from_params(params: &Params) -> Self {
        SmoothL1 { beta: params.number("beta").unwrap_or(1.0), pointwise: Pointwise::from_params(params) }
    }

    fn define(&self, inputs: &Inputs<'_>) -> Expr {
        let residual = inputs.expr("prediction") - inputs.expr("target");
        let terms = if self.beta == 0.0 { residual.abs() } else { residual.smooth_l1(self.beta) };
        self.pointwise.apply(inputs, terms)
    }
}

/// The logarithm of the hyperbolic cosine: ln cosh r, r = prediction − target; the gradient is ±tanh r.
pub struct LogCosh(Pointwise);

impl Definition for LogCosh {
    const SPEC: Spec = Spec {
        id: "log_cosh",
        family: Family::Regression,
        summary: "logarithm of the hyperbolic cosine of the error: r^2/2 near 0, |r| - ln 2 far out",
        formula: "ln(cosh(prediction - target)), times weight",
        form: "the difference first; the series r^2/2 - r^4/12 + ... for |r| < 0.05, |r| + log1p(e^(-2|r|)) - ln 2 \
               beyond, which cancels near 0 and nowhere overflows; the gradient is tanh itself",
        inputs: INPUTS,
        params: &[REDUCTION, MEAN_OVER, EMPTY_MEAN],
        unreduced: Unreduced::Elementwise,
        nonnegative: true,
        kinks: &[],
        dangers: &[
            "cosh overflows from |r| = 89.4 on in f32, and its logarithm is infinite though it is about |r|",
            "|r| + log1p(e^(-2|r|)) - ln 2 near 0: nothing is left of r^2/2 from |r| = 2e-4 down in f32",
            "the gradient as a difference of two exponentials near 0, where it is r",
            "-2r overflows at the negative end: r + softplus(-2r) - ln 2 needs |r|",
        ],
        sources: &[
            "keras-team/keras PR#8524",
            "Lightning-AI/torchmetrics#3488",
            "JuliaStats/LogExpFunctions.jl#31",
        ],
        names: &[
            Alias {
                library: "PyTorch",
                name: "log(cosh(r)) by hand",
                differs: "no loss of that name; overflows as it stands",
            },
            Alias {
                library: "optax",
                name: "log_cosh",
                differs: "unreduced; no weights; logaddexp(r, -r) - ln 2: 0 near an exact fit",
            },
            Alias {
                library: "Keras",
                name: "LogCosh",
                differs: "mean over the last axis, then the rest; r + softplus(-2r) - ln 2",
            },
        ],
    };

    fn from_params(params: &Params) -> Self {
        LogCosh(Pointwise::from_params(params))
    }

    fn define(&self, inputs: &Inputs<'_>) -> Expr {
        let residual = inputs.expr("prediction") - inputs.expr("target");
        self.0.apply(inputs, residual.log_cosh())
    }
}
