//! Terms of divergences between distributions, as expressions.

use super::{Expr, Op};

impl Expr {
    /// t·(ln t − x) of these masses t and log-probabilities x, 0 where t = 0.
    pub fn kl_div(&self, x: &Expr) -> Expr {
        self.elementwise(Op::KlDiv, &[x])
    }

    /// e^t·(t − x) of these log-masses t and log-probabilities x, 0 where t = −∞.
    pub fn kl_div_log(&self, x: &Expr) -> Expr {
        self.elementwise(Op::KlDivLog, &[x])
    }
}
