//! Regression: losses of the residual between a prediction and a target.

use super::reduction::{Divisor, EMPTY_MEAN, MEAN_OVER, REDUCTION};
use super::{Alias, Definition, Domain, Family, InputSpec, Inputs, Params, Reduction, Spec, Unreduced};
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
