//! Classification against two classes, element by element: losses of a probability or a logit of the positive class.

use super::reduction::{Divisor, EMPTY_MEAN, REDUCTION};
use super::{
    Alias, Convention, Default, Definition, Domain, DomainError, Family, InputSpec, Inputs, ParamKind,
    ParamSpec, Params, Range, Reduction, Spec, Unreduced,
};
use crate::graph::{Expr, Focal, LogClamp, Real, SoftTarget};
use crate::tensor::Tensor;
use std::collections::BTreeMap;

/// Binary cross-entropy of probabilities: −(y·ln p + (1 − y)·ln(1 − p)), 0·ln 0 = 0;
/// the gradient is (1 − y)/(1 − p) − y/p by the probability and ln(1 − p) − ln p by the target.
pub struct Bce {
    log_clamp: LogClamp,
    probability_clip: Option<f64>,
    empty_mean_zero: bool,
    reduction: Reduction,
}

impl Definition for Bce {
    const SPEC: Spec = Spec {
        id: "bce",
        family: Family::Classification,
        summary: "binary cross-entropy of probabilities against targets in [0, 1]",
        formula: "-weight * (target * log(p) + (1 - target) * log(1 - p)), 0 * log(0) = 0",
        form: "log(p) and log1p(-p): ln(1 - p) would lose a small p. No term is negative, so nothing cancels. The gradient \
               is (1 - y)/(1 - p) - y/p as reverse accumulation has it; (p - y)/(p(1 - p)) is within its tolerance",
        inputs: &[
            InputSpec {
                name: "probability",
                shape: &["N…"],
                domain: Domain::Unit,
                differentiable: true,
                optional: false,
                doc: "the model's probability of the positive class",
            },
            InputSpec {
                name: "target",
                shape: &["N…"],
                domain: Domain::Unit,
                differentiable: true,
                optional: false,
                doc: "the true probability of the positive class",
            },
            InputSpec {
                name: "weight",
                shape: &["N…"],
                domain: Domain::NonNegative,
                differentiable: false,
                optional: true,
                doc: "a factor for each element",
            },
        ],
        params: &[
            ParamSpec {
                name: "log_clamp",
                kind: ParamKind::Real { range: Range::closed(-1000.0, -1.0), null: true, also: &[] },
                default: Default::Null,
                conventions: &[
                    Convention { value: Default::Null, who: "the formula, Keras" },
                    Convention { value: Default::Number(-100.0), who: "PyTorch, burn" },
                ],
                doc: "the least value of both logarithms; null: there is none, and ln 0 is -inf",
            },
            ParamSpec {
                name: "log_clamp_gradient",
                kind: ParamKind::Choice(&["cut", "pytorch"]),
                default: Default::Text("cut"),
                conventions: &[
                    Convention { value: Default::Text("cut"), who: "the formula, burn" },
                    Convention { value: Default::Text("pytorch"), who: "PyTorch" },
                ],
                doc: "under log_clamp: a clamped logarithm has derivative 0, or PyTorch's backward: by the probability \
                      (p - y)/max(p(1 - p), 1e-12 as an f32), by the target the logarithms without the clamp",
            },
            ParamSpec {
                name: "probability_clip",
                kind: ParamKind::Real { range: Range::closed(0.0, 0.5), null: true, also: &[] },
                default: Default::Null,
                conventions: &[
                    Convention { value: Default::Null, who: "the formula, PyTorch, burn" },
                    Convention { value: Default::Number(1e-7), who: "Keras" },
                ],
                doc: "the probability is clipped to [c, 1 - c] first, gradient 0 beyond; null or 0: it is not",
            },
            REDUCTION,
            EMPTY_MEAN,
        ],
        unreduced: Unreduced::Elementwise,
        nonnegative: true,
        kinks: &["probability at a bound of probability_clip: any part from 0 to 1 of the gradient"],
        dangers: &[
            "0 * log(0) is NaN as it stands, in the value and in the gradient y/p",
            "log(1 - p) in place of log1p(-p) is 0 for p below an ulp of 1",
            "a clip by 1e-15 does nothing in f32, one by 1e-7 nothing in f16 and bf16: 1 - c rounds to 1",
            "the gradient by the target is infinite at probability 0 and 1, and a clamp there is a convention",
            "the loss of a sigmoid that has rounded to 1: bce_with_logits keeps what is lost",
        ],
        sources: &[
            "PyTorch aten/src/ATen/native/Loss.cpp",
            "Keras keras/src/backend/*/nn.py: binary_crossentropy",
            "ml-explore/mlx PR#1280",
            "scikit-learn/scikit-learn#24315",
        ],
        names: &[
            Alias {
                library: "PyTorch",
                name: "F.binary_cross_entropy",
                differs: "log_clamp -100 with its own backward",
            },
            Alias {
                library: "Keras",
                name: "BinaryCrossentropy(from_logits=False)",
                differs: "probability_clip 1e-7; label_smoothing; mean over the last axis first",
            },
            Alias {
                library: "burn",
                name: "BinaryCrossEntropyLoss(logits=false)",
                differs: "log_clamp -100; weights by class; targets are integers",
            },
            Alias {
                library: "optax",
                name: "none",
                differs: "sigmoid_binary_cross_entropy takes logits: bce_with_logits",
            },
            Alias {
                library: "candle",
                name: "none",
                differs: "loss::binary_cross_entropy_with_logit takes logits",
            },
            Alias { library: "Liger", name: "none", differs: "" },
            Alias {
                library: "scikit-learn",
                name: "log_loss",
                differs: "probability_clip of the format's machine epsilon",
            },
        ],
    };

    fn from_params(params: &Params) -> Self {
        let low = params.number("log_clamp").map(Real::new);
        Bce {
            log_clamp: match (low, params.text("log_clamp_gradient")) {
                (None, _) => LogClamp::None,
                (Some(low), "pytorch") => LogClamp::PyTorch(low),
                (Some(low), _) => LogClamp::Cut(low),
            },
            // A clip to [0, 1] is none, and has no kinks.
            probability_clip: params.number("probability_clip").filter(|&clip| clip > 0.0),
            empty_mean_zero: params.text("empty_mean") == "zero",
            reduction: Reduction::from_params(params),
        }
    }

    fn define(&self, inputs: &Inputs<'_>) -> Expr {
        let (probability, target) = (inputs.expr("probability"), inputs.expr("target"));
        let probability = match self.probability_clip {
            Some(clip) => {
                // 1 − c is a difference of its own: few c have one that an f64 holds.
                let low = probability.constant(clip);
                probability.maximum(&low).minimum(&(1.0 - low))
            }
            None => probability,
        };
        let terms = probability.bce(&target, self.log_clamp);
        let terms = match inputs.optional("weight") {
            Some(weight) => weight * terms,
            None => terms,
        };
        let count = terms.len();
        self.reduction.apply(&terms, || Divisor::count(&terms, count), self.empty_mean_zero)
    }
}

/// The focal loss that complete parameters name.
pub fn focal_of(params: &Params) -> Focal {
    let soft = match params.text("soft_target") {
        "interpolate_p" => SoftTarget::InterpolateP,
        "exp_bce" => SoftTarget::ExpBce,
        "log_weight" => SoftTarget::LogWeight,
        // For targets 0 and 1 they are all the same.
        _ => SoftTarget::Linear,
    };
    let gamma = Real::new(params.number("gamma").unwrap_or(2.0));
    Focal { alpha: params.number("alpha").map(Real::new), gamma, soft }
}

/// Focal loss of a logit: α_t·(1 − p_t)^γ·(−ln p_t), p_t = σ(z) for target 1 and σ(−z) for target 0, α_t likewise α and
/// 1 − α; the gradient by the logit for target 1 is −α·σ(−z)^γ·(σ(−z) + γ·σ(z)·softplus(−z)).
pub struct FocalSigmoid {
    focal: Focal,
    targets_are_hard: bool,
    empty_mean_zero: bool,
    reduction: Reduction,
}

impl Definition for FocalSigmoid {
    const SPEC: Spec = Spec {
        id: "focal_sigmoid",
        family: Family::Classification,
        summary: "focal loss of logits against binary targets: easy examples count less",
        formula: "alpha_t * (1 - p_t)^gamma * -log(p_t); p_t = sigmoid(z) at target 1, sigmoid(-z) at 0; \
                  alpha_t = alpha at 1, 1 - alpha at 0",
        form: "the weight as exp(gamma * log_sigmoid(-z)) or as a power of sigmoid(-z): 1 - p_t by subtraction is 0 for a \
               saturated logit. -log(p_t) is softplus(-z); the gradient's terms have one sign",
        inputs: &[
            InputSpec {
                name: "logits",
                shape: &["N…"],
                domain: Domain::Finite,
                differentiable: true,
                optional: false,
                doc: "unbounded scores",
            },
            InputSpec {
                name: "target",
                shape: &["N…"],
                domain: Domain::Unit,
                differentiable: false,
                optional: false,
                doc: "0 or 1; in between only with a soft_target",
            },
        ],
        params: &[
            ParamSpec {
                name: "alpha",
                kind: ParamKind::Real { range: Range::closed(0.0, 1.0), null: true, also: &[] },
                default: Default::Number(0.25),
                conventions: &[],
                doc: "the factor of the positive class, 1 - alpha that of the negative one; null: neither has one",
            },
            ParamSpec {
                name: "gamma",
                kind: ParamKind::Real { range: Range::at_least(0.0), null: false, also: &[] },
                default: Default::Number(2.0),
                conventions: &[],
                doc: "how much less easy examples count; 0: not at all",
            },
            ParamSpec {
                name: "soft_target",
                kind: ParamKind::ChoiceOrNull(&["interpolate_p", "exp_bce", "log_weight", "linear"]),
                default: Default::Null,
                conventions: &[
                    Convention { value: Default::Null, who: "the formula: other targets are refused" },
                    Convention { value: Default::Text("interpolate_p"), who: "torchvision, optax" },
                    Convention { value: Default::Text("exp_bce"), who: "segmentation_models.pytorch" },
                    Convention { value: Default::Text("log_weight"), who: "MONAI" },
                    Convention { value: Default::Text("linear"), who: "kornia" },
                ],
                doc: "a target y between 0 and 1, L its cross-entropy: weight (y(1-p) + (1-y)p)^gamma, (1 - e^-L)^gamma or \
                      sigmoid(-z(2y-1))^gamma, times L and alpha y + (1-alpha)(1-y); or y and 1-y times the two classes' losses",
            },
            REDUCTION,
            EMPTY_MEAN,
        ],
        unreduced: Unreduced::Elementwise,
        nonnegative: true,
        kinks: &[],
        dangers: &[
            "1 - p_t rounds to 0 for a saturated logit: the loss is 0, and 0^(gamma - 1) makes NaN for gamma below 1",
            "gamma * 0^(gamma - 1) at gamma 0 is 0 * inf",
            "log(sigmoid(-z)) times (1 - y) = 0 is NaN where the sigmoid underflows",
            "four frameworks, four meanings of a soft target",
        ],
        sources: &[
            "Lin et al., Focal loss for dense object detection (2017)",
            "kornia/kornia#2115",
            "google-deepmind/optax#1267",
            "tensorflow/tensorflow#70326",
        ],
        names: &[
            Alias {
                library: "torchvision",
                name: "ops.sigmoid_focal_loss",
                differs: "soft_target interpolate_p; alpha -1 for none; unreduced by default; 1 - p_t by subtraction",
            },
            Alias {
                library: "optax",
                name: "sigmoid_focal_loss",
                differs: "soft_target interpolate_p; alpha none by default; unreduced",
            },
            Alias {
                library: "Keras",
                name: "BinaryFocalCrossentropy(from_logits=True)",
                differs: "alpha only with apply_class_balancing; label_smoothing; mean over the last axis",
            },
            Alias {
                library: "segmentation_models.pytorch",
                name: "FocalLoss(mode=\"binary\")",
                differs: "soft_target exp_bce; reduced_threshold; normalized divides by the sum of the weights",
            },
            Alias {
                library: "MONAI",
                name: "FocalLoss(use_softmax=False)",
                differs: "soft_target log_weight; alpha none by default",
            },
            Alias {
                library: "kornia",
                name: "binary_focal_loss_with_logits",
                differs: "soft_target linear; unreduced by default; pos_weight",
            },
            Alias { library: "PyTorch", name: "none", differs: "torchvision has it" },
            Alias { library: "burn", name: "none", differs: "" },
            Alias { library: "candle", name: "none", differs: "" },
            Alias { library: "Liger", name: "none", differs: "" },
        ],
    };

    fn from_params(params: &Params) -> Self {
        FocalSigmoid {
            focal: focal_of(params),
            targets_are_hard: params.text("soft_target").is_empty(),
            empty_mean_zero: params.text("empty_mean") == "zero",
            reduction: Reduction::from_params(params),
        }
    }

    fn check(&self, inputs: &BTreeMap<String, Tensor>) -> Result<(), DomainError> {
        let target = &inputs["target"];
        let is_soft = |y: &f64| !(y.is_nan() || *y == 0.0 || *y == 1.0);
        match target.floats().iter().position(is_soft).filter(|_| self.targets_are_hard) {
            Some(element) => Err(DomainError::Value {
                input: "target",
                index: target.index(element),
                value: target.floats()[element].to_string(),
                expected: "0 or 1, as soft_target is null".to_owned(),
            }),
            None => Ok(()),
        }
    }

    fn define(&self, inputs: &Inputs<'_>) -> Expr {
        let terms = inputs.expr("logits").focal(&inputs.expr("target"), self.focal);
        let count = terms.len();
        self.reduction.apply(&terms, || Divisor::count(&terms, count), self.empty_mean_zero)
    }
}
