//! The cosine of two rows as an operation, and its gradient in primitives, from which its second derivative comes.

use super::{Expr, Op, Power, Real};

impl Expr {
    /// x·y/√((‖x‖² + epsilon)(‖y‖² + epsilon)) along the last axis; undefined where a factor under the root is 0.
    pub fn cosine(&self, other: &Expr, epsilon: f64) -> Expr {
        assert_eq!(self.shape(), other.shape(), "cosine needs equal shapes");
        self.on_rows(Op::Cosine { epsilon: Real::new(epsilon) }, &[other])
    }

    /// ∂cosine/∂x of (x, y).
    pub(crate) fn cosine_gradient(&self, other: &Expr, epsilon: Real) -> Expr {
        self.elementwise(Op::CosineGradient { epsilon }, &[other])
    }
}

/// The contribution of ⟨g, ∂cosine/∂x⟩ to the adjoint of x or y: from x·y/(‖x‖‖y‖) in primitives, whose gradient is
/// differentiated again.
pub(super) fn second(x: &Expr, y: &Expr, epsilon: Real, g: &Expr, by: &Expr) -> Expr {
    let norm = |x: &Expr| x.norm(Power::Finite(2.0), epsilon.get());
    let cosine = x.dot(y) / (norm(x) * norm(y));
    let ones = cosine.constant_full(&cosine.shape(), 1.0);
    let slope = super::gradient(&cosine, &ones, std::slice::from_ref(x)).remove(0);
    super::gradient(&slope, g, std::slice::from_ref(by)).remove(0)
}
