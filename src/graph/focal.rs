//! The focal loss of a logit as an operation: its parameters, how it is traced, and its gradient in primitives, from which
//! its second derivative comes.

use super::{Expr, Op, Real};

/// What the focal weight of a target between 0 and 1 is. With p = σ(z) and L the binary cross-entropy of (z, y):
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum SoftTarget {
    /// y·α·(1−p)^γ·(−ln p) + (1−y)·(1−α)·p^γ·(−ln(1−p)).
    Linear,
    /// α_t·(y·(1−p) + (1−y)·p)^γ·L, α_t = α·y + (1−α)·(1−y).
    InterpolateP,
    /// α_t·(1 − e^−L)^γ·L.
    ExpBce,
    /// α_t·σ(−z·(2y−1))^γ·L.
    LogWeight,
}

/// The parameters of a focal loss. For targets 0 and 1 all kinds of [`SoftTarget`] are the same.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Focal {
    /// α; `None` for no factor.
    pub alpha: Option<Real>,
    /// γ ≥ 0.
    pub gamma: Real,
    /// What a target between 0 and 1 means.
    pub soft: SoftTarget,
}

impl Focal {
    /// γ.
    pub fn gamma(self) -> f64 {
        self.gamma.get()
    }

    /// Whether the two classes are two terms, each with its own weight: for targets 0 and 1 one of them is 0.
    pub fn is_two_terms(self, target: f64) -> bool {
        self.soft == SoftTarget::Linear || target == 0.0 || target == 1.0
    }
}

impl Expr {
    /// Focal loss of these logits against targets in [0, 1].
    pub fn focal(&self, target: &Expr, focal: Focal) -> Expr {
        self.elementwise(Op::Focal(focal), &[target])
    }

    /// ∂focal/∂z of (z, y).
    pub(crate) fn focal_gradient(&self, target: &Expr, focal: Focal) -> Expr {
        self.elementwise(Op::FocalGradient(focal), &[target])
    }
}

/// α·y and (1−α)·(1−y), or y and 1−y.
fn parts(y: &Expr, focal: Focal) -> [Expr; 2] {
    let no = 1.0 - y;
    match focal.alpha {
        Some(alpha) => {
            let alpha = y.constant(alpha.get());
            [&alpha * y, (1.0 - &alpha) * no]
        }
        None => [y.clone(), no],
    }
}

/// α_t.
fn alpha_t(y: &Expr, focal: Focal) -> Expr {
    match focal.alpha {
        Some(_) => {
            let [on, off] = parts(y, focal);
            on + off
        }
        None => y.constant_full(&y.shape(), 1.0),
    }
}

/// The loss in primitives: the formula as it stands.
fn plain(z: &Expr, y: &Expr, focal: Focal) -> Expr {
    let gamma = focal.gamma();
    let power = |log: Expr| (gamma * log).exp();
    let entropy = z.bce_with_logits(y);
    let weight = match focal.soft {
        SoftTarget::Linear => {
            let [on, off] = parts(y, focal);
            let term = |z: &Expr| power(z.log_sigmoid()) * z.softplus();
            return on * term(&-z) + off * term(z);
        }
        SoftTarget::InterpolateP => (y * (-z).sigmoid() + (1.0 - y) * z.sigmoid()).pow(gamma),
        SoftTarget::ExpBce => (-((-&entropy).expm1())).pow(gamma),
        SoftTarget::LogWeight => power((-z * (2.0 * y - 1.0)).log_sigmoid()),
    };
    alpha_t(y, focal) * weight * entropy
}

/// The derivative of the gradient by z and by y, of those that are wanted: from the formula in primitives, whose gradient
/// is differentiated again. Good away from saturation; where the logit is saturated these primitives may be 0/0.
pub(super) fn second(z: &Expr, y: &Expr, focal: Focal, g: &Expr, by: &Expr) -> Expr {
    let loss = plain(z, y, focal);
    let ones = loss.constant_full(&loss.shape(), 1.0);
    let slope = super::gradient(&loss, &ones, std::slice::from_ref(z)).remove(0);
    super::gradient(&slope, g, std::slice::from_ref(by)).remove(0)
}

/// ∂focal/∂y, which no framework's target has: from the formula in primitives.
pub(super) fn by_target(z: &Expr, y: &Expr, focal: Focal, g: &Expr) -> Expr {
    super::gradient(&plain(z, y, focal), g, std::slice::from_ref(y)).remove(0)
}
