//! Density: negative log-likelihoods of parametric distributions.

use super::reduction::{Divisor, EMPTY_MEAN, REDUCTION};
use super::{
    Alias, Convention, Default, Definition, Domain, DomainError, Family, InputSpec, Inputs, ParamKind,
    ParamSpec, Params, Range, Reduction, Spec, Unreduced,
};
use crate::graph::Expr;
use crate::tensor::Tensor;
use std::collections::BTreeMap;

const fn input(name: &'static str, domain: Domain, doc: &'static str) -> InputSpec {
    InputSpec { name, shape: &["N…"], domain, differentiable: true, optional: false, doc }
}

/// Gaussian negative log-likelihood: ½(ln v + r²/v), r = mean − target, v the variance, and ½ ln 2π with `full`.
/// Its gradient is r/v by the mean, −r/v by the target and ½(1/v − r²/v²) by the variance.
pub struct GaussianNll {
    full: bool,
    variance_floor: Option<f64>,
    straight_through: bool,
    empty_mean_zero: bool,
    reduction: Reduction,
}

impl Definition for GaussianNll {
    const SPEC: Spec = Spec {
        id: "gaussian_nll",
        family: Family::Density,
        summary: "Gaussian negative log-likelihood of a target, given mean and variance",
        formula: "(log(v) + (mean - target)^2/v)/2, and log(2 pi)/2 with full; v = max(variance, variance_floor)",
        form: "the difference first, its square divided by the variance, as every framework has it; the logarithm and the \
               quotient may cancel, and so may 1/v and (r^2/v)/v in the gradient by the variance: that is in the budget",
        inputs: &[
            input("mean", Domain::Finite, "the predicted mean"),
            input("target", Domain::Finite, "what was observed"),
            input(
                "variance",
                Domain::NonNegative,
                "the predicted variance; 0 only where variance_floor is above it",
            ),
        ],
        params: &[
            ParamSpec {
                name: "full",
                kind: ParamKind::Flag,
                default: Default::Flag(false),
                conventions: &[],
                doc: "whether the constant log(2 pi)/2 is added",
            },
            ParamSpec {
                name: "variance_floor",
                kind: ParamKind::Real { range: Range::above(0.0), null: true, also: &[] },
                default: Default::Null,
                conventions: &[
                    Convention { value: Default::Null, who: "the formula" },
                    Convention {
                        value: Default::Number(1e-6),
                        who: "PyTorch and burn, where it is called eps",
                    },
                ],
                doc: "variances below it count as it; null: there is none",
            },
            ParamSpec {
                name: "floor_gradient",
                kind: ParamKind::Choice(&["straight_through", "cut"]),
                default: Default::Text("straight_through"),
                conventions: &[
                    Convention { value: Default::Text("straight_through"), who: "PyTorch" },
                    Convention { value: Default::Text("cut"), who: "burn" },
                ],
                doc: "below the floor the gradient by the variance is that at the floor, or 0",
            },
            EMPTY_MEAN,
            REDUCTION,
        ],
        unreduced: Unreduced::Elementwise,
        nonnegative: false,
        kinks: &[
            "variance = variance_floor with floor_gradient cut: any number between 0 and the gradient at the floor",
            "with straight_through none: the gradient is not that of the value below the floor",
        ],
        dangers: &[
            "a tiny variance: the gradient by it grows as 1/v^2 and overflows long before the loss",
            "the square overflows or underflows although its quotient by the variance does not",
            "a variance of 0: log(0) and 0/0; a floor in the logarithm alone leaves r^2/0",
            "the floor added to the variance in place of max",
            "unreduced terms summed over the last axis",
        ],
        sources: &[
            "Nix, Weigend, Estimating the mean and variance of the target probability distribution (1994), \
             doi:10.1109/ICNN.1994.374138",
            "pytorch/pytorch#53964",
            "pytorch/pytorch PR#190058",
            "tracel-ai/burn PR#5182",
        ],
        names: &[
            Alias {
                library: "PyTorch",
                name: "F.gaussian_nll_loss",
                differs: "variance_floor 1e-6, straight_through; variances are broadcast",
            },
            Alias { library: "burn", name: "GaussianNLLLoss", differs: "variance_floor 1e-6, cut" },
            Alias {
                library: "TensorFlow Probability",
                name: "-Normal(mean, sqrt(variance)).log_prob(target)",
                differs: "full; by the standard deviation; unreduced",
            },
        ],
    };

    fn from_params(params: &Params) -> Self {
        GaussianNll {
            full: params.flag("full"),
            variance_floor: params.number("variance_floor"),
            straight_through: params.text("floor_gradient") == "straight_through",
            empty_mean_zero: params.text("empty_mean") == "zero",
            reduction: Reduction::from_params(params),
        }
    }

    fn check(&self, inputs: &BTreeMap<String, Tensor>) -> Result<(), DomainError> {
        let variance = &inputs["variance"];
        match variance.floats().iter().position(|&v| v == 0.0) {
            Some(element) if self.variance_floor.is_none() => Err(DomainError::Value {
                input: "variance",
                index: variance.index(element),
                value: "0".to_owned(),
                expected: "above 0, which it must be without a variance_floor".to_owned(),
            }),
            _ => Ok(()),
        }
    }

    fn define(&self, inputs: &Inputs<'_>) -> Expr {
        let residual = inputs.expr("mean") - inputs.expr("target");
        let mut variance = inputs.expr("variance");
        if let Some(floor) = self.variance_floor {
            let floored = variance.maximum(&variance.constant(floor));
            variance = if self.straight_through { floored.with_gradient_of(&variance) } else { floored };
        }
        let terms = 0.5 * (variance.ln() + residual.square() / &variance);
        let terms = if self.full { &terms + 0.5 * terms.ln_two_pi() } else { terms };
        let count = terms.len();
        self.reduction.apply(&terms, || Divisor::count(&terms, count), self.empty_mean_zero)
    }
}
