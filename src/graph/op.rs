//! The closed list of operations, each with its derivative beside it.
//!
//! Operations on rows work along the last axis. *View* operations only move elements; interpreters may follow them
//! without computing. At kinks a derivative is the whole subdifferential: the operations that yield sets say so.

use super::binary::{self, LogClamp};
use super::cosine;
use super::focal::{self, Focal};
use super::{Expr, Real};
use std::sync::Arc;

/// The degree of a norm: a real number of at least 1, or infinity.
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum Power {
    /// (Σ|xᵢ|^p)^(1/p).
    Finite(f64),
    /// max |xᵢ|.
    Infinity,
}

/// An operation on whole arrays. x, y, a, b are its arguments; all elementwise arguments have the result's shape.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// The case's input in that slot.
    Input(usize),
    /// One exact number everywhere.
    Constant(Real),
    /// ln 2π, which no format holds.
    LnTwoPi,

    // Elementwise.
    /// a + b.
    Add,
    /// a − b.
    Sub,
    /// a · b.
    Mul,
    /// a / b; 0/0 and a/0 are undefined.
    Div,
    /// −x.
    Neg,
    /// |x|.
    Abs,
    /// −1, +1; at 0 the set [−1, 1].
    Sign,
    /// max(a, b).
    Maximum,
    /// min(a, b).
    Minimum,
    /// ∂max(a, b)/∂a: 1 where a > b, 0 where a < b; at a = b the set [0, 1].
    TieShare,
    /// min(max(x, low), high).
    Clamp { low: Real, high: Real },
    /// ∂clamp/∂x: 1 inside, 0 outside; at a bound the set [0, 1].
    ClampShare { low: Real, high: Real },
    /// √x, undefined below 0.
    Sqrt,
    /// e^x.
    Exp,
    /// e^x − 1.
    Expm1,
    /// ln x; −∞ at 0, undefined below.
    Ln,
    /// ln(1 + x); −∞ at −1, undefined below.
    Ln1p,
    /// x^p for a known p; undefined for x < 0 unless p is an integer.
    Pow(Real),
    /// tanh x.
    Tanh,
    /// ln(1 + e^x).
    Softplus,
    /// 1/(1 + e^−x).
    Sigmoid,
    /// ln σ(x).
    LogSigmoid,
    /// ln cosh x.
    LogCosh,
    /// e^x − 1 − x.
    Expm1Minus,
    /// ½x² for |x| ≤ δ, δ·(|x| − ½δ) beyond, for a known δ above 0.
    Huber(Real),
    /// x²/(2β) for |x| ≤ β, |x| − ½β beyond, for a known β above 0.
    SmoothL1(Real),
    /// x · ln y, 0 where x = 0, also at y = 0.
    Xlogy,
    /// t·(ln t − x) of (t, x), 0 where t = 0: a term of the Kullback–Leibler divergence.
    KlDiv,
    /// ln t − x + 1 of (t, x): its derivative by t.
    KlDivSlope,
    /// e^t·(t − x) of (t, x), 0 where t = −∞: the same term of the logarithm t.
    KlDivLog,
    /// e^t·(t − x + 1) of (t, x), 0 where t = −∞: its derivative by t.
    KlDivLogSlope,
    /// (1−y)·softplus(z) + y·softplus(−z) of (z, y): binary cross-entropy of logits.
    BceWithLogits,
    /// σ(z) − y of (z, y).
    SigmoidMinus,
    /// (1−y)·softplus(z) + y·w·softplus(−z) of (z, y, w).
    BceWithLogitsWeighted,
    /// (1−y)·σ(z) − y·w·σ(−z) of (z, y, w).
    SigmoidMinusWeighted,
    /// w·softplus(−z) − softplus(z) of (z, w): ∂bce/∂y.
    SoftplusGap,
    /// −(y·ln p + (1−y)·ln(1−p)) of (p, y), 0·ln 0 = 0: binary cross-entropy of probabilities.
    Bce(LogClamp),
    /// (1−y)/(1−p) − y/p of (p, y), a term with numerator 0 left out: ∂bce/∂p.
    BceGradient(LogClamp),
    /// ln(1−p) − ln p: ∂bce/∂y; ∞ at 0, −∞ at 1.
    BceTargetGradient(LogClamp),
    /// Focal loss of logits, of (z, y).
    Focal(Focal),
    /// ∂focal/∂z of (z, y).
    FocalGradient(Focal),

    // Views.
    /// a where the known mask is true, else b.
    Select(Arc<[bool]>),
    /// Repeats along new leading axes and along axes of extent 1.
    Broadcast,
    /// The same elements in another shape.
    Reshape,
    /// `length` entries of an axis from `start` on; the length is the result's extent.
    Slice { axis: usize, start: usize },
    /// The arguments one after the other along an axis.
    Concatenate { axis: usize },
    /// Element i of the result is element `indices[i]` of the argument, both flat.
    Gather(Arc<[usize]>),
    /// The argument, without a derivative.
    StopGradient,
    /// The first argument; its derivative goes to the second one, unchanged.
    GradientTo,

    // Reductions along an axis.
    /// Element `indices[i]` of the result is the sum of the elements i of the argument, both flat.
    ScatterAdd(Arc<[usize]>),
    /// Σ along an axis.
    Sum { axis: usize },
    /// max along an axis.
    MaxAxis { axis: usize },
    /// ∂max/∂x along an axis, of the argument's shape: 1 at a single maximum, 0 elsewhere; at ties the set [0, 1].
    MaxShare { axis: usize },
    /// Σ a·b along an axis.
    Dot { axis: usize },

    // Composite operations on rows.
    /// ln Σ exp(xᵢ).
    LogSumExp,
    /// exp(xᵢ)/Σ exp.
    Softmax,
    /// xᵢ − ln Σ exp.
    LogSoftmax,
    /// ln Σ exp(xᵢ) − x_t, with the known class t of each row.
    CrossEntropy(Arc<[usize]>),
    /// softmax(x) − onehot(t).
    CrossEntropyGradient(Arc<[usize]>),
    /// Σ q_c·(ln Σ exp(x) − x_c) of (x, q), terms with q_c = 0 left out.
    SoftCrossEntropy,
    /// softmax(x)·Σq − q of (x, q).
    SoftCrossEntropyGradient,
    /// (Σ|xᵢ|^p + ε)^(1/p), or max|xᵢ|.
    Norm { p: Degree, epsilon: Real },
    /// ∂norm/∂x; at the zero vector with ε = 0 the dual norm's unit ball, coordinate by coordinate.
    NormGradient { p: Degree, epsilon: Real },
    /// x/‖x‖₂; undefined at 0.
    Normalize,
    /// x·y/√((‖x‖² + ε)(‖y‖² + ε)) of (x, y); undefined where a factor is 0.
    Cosine { epsilon: Real },
    /// ∂cosine/∂x of (x, y).
    CosineGradient { epsilon: Real },
}

/// A [`Power`] that can be hashed.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Degree(Option<Real>);

impl From<Power> for Degree {
    fn from(power: Power) -> Degree {
        match power {
            Power::Finite(p) => Degree(Some(Real::new(p))),
            Power::Infinity => Degree(None),
        }
    }
}

impl Degree {
    /// The degree as a number or infinity.
    pub fn power(self) -> Power {
        self.0.map_or(Power::Infinity, |p| Power::Finite(p.get()))
    }
}

impl Op {
    /// Whether it is an operation on the rows along the last axis, of which each element of the result depends on a whole one.
    pub fn is_on_rows(&self) -> bool {
        self.is_of_exponentials()
            || matches!(
                self,
                Op::Norm { .. }
                    | Op::NormGradient { .. }
                    | Op::Normalize
                    | Op::Cosine { .. }
                    | Op::CosineGradient { .. }
            )
    }

    /// Whether the operation is made of a row's exponentials and their sum.
    pub fn is_of_exponentials(&self) -> bool {
        matches!(
            self,
            Op::LogSumExp
                | Op::Softmax
                | Op::LogSoftmax
                | Op::CrossEntropy(_)
                | Op::CrossEntropyGradient(_)
                | Op::SoftCrossEntropy
                | Op::SoftCrossEntropyGradient
        )
    }

    /// Whether the operation only moves elements.
    pub fn is_view(&self) -> bool {
        matches!(
            self,
            Op::Select(_)
                | Op::Broadcast
                | Op::Reshape
                | Op::Slice { .. }
                | Op::Concatenate { .. }
                | Op::Gather(_)
                | Op::StopGradient
                | Op::GradientTo
        )
    }

    /// The name in printed graphs.
    pub fn name(&self) -> String {
        let text = format!("{self:?}");
        let end = text.find([' ', '(', '{']).unwrap_or(text.len());
        let mut name = String::new();
        for (at, c) in text[..end].chars().enumerate() {
            if c.is_uppercase() && at > 0 {
                name.push('_');
            }
            name.extend(c.to_lowercase());
        }
        match self {
            Op::Constant(x) => format!("{:?}", x.get()),
            Op::Pow(p) | Op::Huber(p) | Op::SmoothL1(p) => format!("{name}[{:?}]", p.get()),
            Op::Clamp { low, high } | Op::ClampShare { low, high } => {
                format!("{name}[{:?}, {:?}]", low.get(), high.get())
            }
            Op::Slice { axis, start } => format!("{name}[axis {axis} from {start}]"),
            Op::Concatenate { axis }
            | Op::Sum { axis }
            | Op::MaxAxis { axis }
            | Op::MaxShare { axis }
            | Op::Dot { axis } => format!("{name}[axis {axis}]"),
            Op::Norm { p, epsilon } | Op::NormGradient { p, epsilon } => {
                let p = match p.power() {
                    Power::Finite(p) => format!("{p:?}"),
                    Power::Infinity => "inf".into(),
                };
                format!("{name}[p {p}, epsilon {:?}]", epsilon.get())
            }
            _ => name,
        }
    }
}

/// The contributions of the node `out` = op(args) to its arguments' adjoints, given its own adjoint g; nothing where
/// the derivative is 0 almost everywhere. Only the arguments in `wanted` are answered.
pub(super) fn derivative(op: &Op, args: &[Expr], out: &Expr, g: &Expr, wanted: &[bool]) -> Vec<Option<Expr>> {
    let x = args.first();
    let one = |f: &dyn Fn(&Expr) -> Expr| vec![x.map(f)];
    let zero = |like: &Expr| like.constant(0.0).broadcast(&like.shape());
    let along = |e: &Expr| e.unsqueeze(e.rank()).broadcast(&args[0].shape());
    let softmax_vjp = |x: &Expr, h: &Expr| {
        let s = x.softmax();
        let mean = h.dot(&s).unsqueeze(h.rank() - 1).broadcast(&h.shape());
        s * (h - mean)
    };
    // Closures, so that only what is wanted is traced.
    let pick = |contributions: &[&dyn Fn() -> Expr]| {
        contributions.iter().zip(wanted).map(|(f, &wanted)| wanted.then(f)).collect()
    };
    match op {
        Op::Input(_) | Op::Constant(_) | Op::LnTwoPi | Op::StopGradient => vec![None; args.len()],
        Op::GradientTo => vec![None, Some(g.clone())],
        Op::Sign | Op::TieShare | Op::ClampShare { .. } | Op::MaxShare { .. } => vec![None; args.len()],
        Op::Add => vec![Some(g.clone()), Some(g.clone())],
        Op::Sub => pick(&[&|| g.clone(), &|| -g]),
        // x² has the derivative 2x, as it is written, not the sum of two products.
        Op::Mul if args[0].id() == args[1].id() => vec![Some(g * (2.0 * &args[0])), None],
        Op::Mul => pick(&[&|| g * &args[1], &|| g * &args[0]]),
        Op::Div => pick(&[&|| g / &args[1], &|| -(g * (out / &args[1]))]),
        Op::Neg => one(&|_| -g),
        Op::Abs => one(&|x| g * x.sign()),
        Op::Maximum => pick(&[&|| g * args[0].tie_share(&args[1]), &|| g * args[1].tie_share(&args[0])]),
        Op::Minimum => pick(&[&|| g * args[1].tie_share(&args[0]), &|| g * args[0].tie_share(&args[1])]),
        Op::Clamp { low, high } => {
            one(&|x| g * x.elementwise(Op::ClampShare { low: *low, high: *high }, &[]))
        }
        Op::Sqrt => one(&|_| g / (2.0 * out)),
        Op::Exp => one(&|_| g * out),
        Op::Expm1 => one(&|x| g * x.exp()),
        Op::Ln => one(&|x| g / x),
        Op::Ln1p => one(&|x| g / (1.0 + x)),
        Op::Pow(p) => one(&|x| match p.get() {
            0.0 => zero(x),
            1.0 => g.clone(),
            p => g * (p * x.pow(p - 1.0)),
        }),
        // 1 − tanh² cancels; 4·σ(2x)·σ(−2x) does not.
        Op::Tanh => one(&|x| {
            let twice = 2.0 * x;
            g * (4.0 * (twice.sigmoid() * (-&twice).sigmoid()))
        }),
        Op::Softplus => one(&|x| g * x.sigmoid()),
        Op::Sigmoid => one(&|x| g * (out * (-x).sigmoid())),
        Op::LogSigmoid => one(&|x| g * (-x).sigmoid()),
        Op::LogCosh => one(&|x| g * x.tanh()),
        Op::Expm1Minus => one(&|x| g * x.expm1()),
        Op::Huber(delta) => one(&|x| g * x.clamp(-delta.get(), delta.get())),
        // Cut before it is divided: the quotient stays within ±1, however large x is.
        Op::SmoothL1(beta) => one(&|x| g * (x.clamp(-beta.get(), beta.get()) / beta.get())),
        Op::Xlogy => pick(&[&|| g * args[1].ln(), &|| g * (&args[0] / &args[1])]),
        Op::KlDiv => pick(&[&|| g * args[0].elementwise(Op::KlDivSlope, &[&args[1]]), &|| -(g * &args[0])]),
        Op::KlDivSlope => pick(&[&|| g / &args[0], &|| -g]),
        Op::KlDivLog => {
            pick(&[&|| g * args[0].elementwise(Op::KlDivLogSlope, &[&args[1]]), &|| -(g * args[0].exp())])
        }
        Op::KlDivLogSlope => pick(&[&|| g * (out + args[0].exp()), &|| -(g * args[0].exp())]),
        Op::BceWithLogits => pick(&[&|| g * args[0].sigmoid_minus(&args[1]), &|| -(g * &args[0])]),
        Op::SigmoidMinus => pick(&[&|| g * (args[0].sigmoid() * (-&args[0]).sigmoid()), &|| -g]),
        Op::BceWithLogitsWeighted => {
            let (z, y, w) = (&args[0], &args[1], &args[2]);
            pick(&[
                &|| g * z.elementwise(Op::SigmoidMinusWeighted, &[y, w]),
                &|| g * z.elementwise(Op::SoftplusGap, &[w]),
                &|| g * (y * (-z).softplus()),
            ])
        }
        Op::SigmoidMinusWeighted => {
            let (z, y, w) = (&args[0], &args[1], &args[2]);
            pick(&[
                &|| g * (z.sigmoid() * (-z).sigmoid() * ((1.0 - y) + y * w)),
                &|| -(g * (z.sigmoid() + w * (-z).sigmoid())),
                &|| -(g * (y * (-z).sigmoid())),
            ])
        }
        Op::SoftplusGap => {
            let (z, w) = (&args[0], &args[1]);
            pick(&[&|| -(g * (z.sigmoid() + w * (-z).sigmoid())), &|| g * (-z).softplus()])
        }
        Op::Bce(clamp) => pick(&[&|| g * args[0].bce_gradient(&args[1], *clamp), &|| {
            g * args[0].bce_target_gradient(*clamp)
        }]),
        Op::BceGradient(clamp) => {
            pick(&[&|| g * binary::curvature(&args[0], &args[1], out, *clamp), &|| {
                g * binary::mixed(&args[0], *clamp)
            }])
        }
        Op::BceTargetGradient(clamp) => one(&|p| g * binary::target_curvature(p, *clamp)),
        Op::Focal(form) => pick(&[&|| g * args[0].focal_gradient(&args[1], *form), &|| {
            focal::by_target(&args[0], &args[1], *form, g)
        }]),
        Op::FocalGradient(form) => {
            let by = |by: &Expr| focal::second(&args[0], &args[1], *form, g, by);
            pick(&[&|| by(&args[0]), &|| by(&args[1])])
        }
        Op::Select(mask) => pick(&[&|| g.select(mask, &zero(g)), &|| zero(g).select(mask, g)]),
        Op::Broadcast => one(&|x| g.sum_to(&x.shape())),
        Op::Reshape => one(&|x| g.reshape(&x.shape())),
        Op::Slice { axis, start } => one(&|x| {
            let (before, whole) = (*start, x.shape());
            let after = whole[*axis] - start - g.shape()[*axis];
            let zeros = |extent: usize| {
                let mut shape = whole.clone();
                shape[*axis] = extent;
                x.constant(0.0).broadcast(&shape)
            };
            Expr::concatenate(&[zeros(before), g.clone(), zeros(after)], *axis)
        }),
        Op::Concatenate { axis } => {
            let mut start = 0;
            let parts = args.iter().map(|arg| {
                let extent = arg.shape()[*axis];
                start += extent;
                Some(g.slice(*axis, start - extent, extent))
            });
            parts.collect()
        }
        Op::Gather(indices) => one(&|x| g.scatter_add(indices, &x.shape())),
        Op::ScatterAdd(indices) => one(&|x| g.gather_to(indices, &x.shape())),
        Op::Sum { axis } => one(&|x| g.unsqueeze(*axis).broadcast(&x.shape())),
        Op::MaxAxis { axis } => one(&|x| {
            let share = x.like(Op::MaxShare { axis: *axis });
            g.unsqueeze(*axis).broadcast(&x.shape()) * share
        }),
        Op::Dot { axis } => {
            let g = g.unsqueeze(*axis).broadcast(&args[0].shape());
            pick(&[&|| &g * &args[1], &|| &g * &args[0]])
        }
        Op::LogSumExp => one(&|x| along(g) * x.softmax()),
        Op::Softmax | Op::CrossEntropyGradient(_) => one(&|x| softmax_vjp(x, g)),
        Op::LogSoftmax => one(&|x| {
            let total = g.sum(g.rank() - 1);
            g - along(&total) * x.softmax()
        }),
        Op::CrossEntropy(classes) => one(&|x| along(g) * x.like(Op::CrossEntropyGradient(classes.clone()))),
        Op::SoftCrossEntropy => {
            pick(&[&|| along(g) * args[0].elementwise(Op::SoftCrossEntropyGradient, &[&args[1]]), &|| {
                -(along(g) * args[0].log_softmax())
            }])
        }
        Op::SoftCrossEntropyGradient => {
            pick(&[&|| along(&args[1].sum(args[1].rank() - 1)) * softmax_vjp(&args[0], g), &|| {
                along(&g.dot(&args[0].softmax())) - g
            }])
        }
        Op::Norm { p, epsilon } => one(&|x| along(g) * x.like(Op::NormGradient { p: *p, epsilon: *epsilon })),
        Op::NormGradient { p, epsilon } => one(&|x| match p.power() {
            Power::Infinity | Power::Finite(1.0) => zero(x),
            Power::Finite(degree) => {
                let norm = along(&x.norm(p.power(), epsilon.get()));
                let projected = out * along(&out.dot(g));
                let curved = match degree {
                    2.0 => g.clone(),
                    _ => g * (x.abs().pow(degree - 2.0) * norm.pow(2.0 - degree)),
                };
                (degree - 1.0) * ((curved - projected) / norm)
            }
        }),
        Op::Cosine { epsilon } => {
            pick(&[&|| along(g) * args[0].cosine_gradient(&args[1], *epsilon), &|| {
                along(g) * args[1].cosine_gradient(&args[0], *epsilon)
            }])
        }
        Op::CosineGradient { epsilon } => {
            let by = |by: &Expr| cosine::second(&args[0], &args[1], *epsilon, g, by);
            pick(&[&|| by(&args[0]), &|| by(&args[1])])
        }
        Op::Normalize => one(&|x| {
            let norm = along(&x.norm(Power::Finite(2.0), 0.0));
            (g - out * along(&out.dot(g))) / norm
        }),
    }
}
