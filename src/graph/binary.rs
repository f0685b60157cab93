//! Binary cross-entropy of probabilities as operations: what is done to logarithms near ln 0, how they are traced, and their
//! second derivatives.

use super::{Expr, Op, Real};

/// What becomes of a logarithm ln x of a probability near 0.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum LogClamp {
    /// Nothing: ln 0 = −∞.
    None,
    /// max(ln x, low), and its derivative: 0 below. low ≤ −1, so that of ln p and ln(1 − p) at most one is below.
    Cut(Real),
    /// max(ln x, low), and in place of the derivative by p what PyTorch has: (p − y)/max(p(1 − p), [`PYTORCH_FLOOR`]); by y
    /// the derivative without the clamp.
    PyTorch(Real),
}

/// 1e-12 as the f32 constant that PyTorch's backward divides by at least, also in f64.
pub const PYTORCH_FLOOR: f64 = 1e-12f32 as f64;

impl LogClamp {
    /// The least value of a logarithm; −∞ for none.
    pub fn low(self) -> f64 {
        match self {
            LogClamp::None => f64::NEG_INFINITY,
            LogClamp::Cut(low) | LogClamp::PyTorch(low) => low.get(),
        }
    }

    /// Below which logarithms the derivative is 0; −∞ where it never is.
    pub fn cut(self) -> f64 {
        match self {
            LogClamp::Cut(low) => low.get(),
            LogClamp::None | LogClamp::PyTorch(_) => f64::NEG_INFINITY,
        }
    }
}

impl Expr {
    /// Binary cross-entropy of these probabilities against targets in [0, 1], with 0·ln 0 = 0.
    pub fn bce(&self, target: &Expr, clamp: LogClamp) -> Expr {
        self.elementwise(Op::Bce(clamp), &[target])
    }

    /// ∂bce/∂p of (p, y).
    pub(crate) fn bce_gradient(&self, target: &Expr, clamp: LogClamp) -> Expr {
        self.elementwise(Op::BceGradient(clamp), &[target])
    }

    /// ∂bce/∂y of p.
    pub(crate) fn bce_target_gradient(&self, clamp: LogClamp) -> Expr {
        self.like(Op::BceTargetGradient(clamp))
    }
}

/// 1 where the logarithm is above the cut, 0 below.
fn kept(log: &Expr, clamp: LogClamp) -> Option<Expr> {
    let low = Real::new(clamp.cut());
    let share = || log.like(Op::ClampShare { low, high: Real::new(f64::INFINITY) });
    matches!(clamp, LogClamp::Cut(_)).then(share)
}

/// a/x and b/(1 − x), each where its logarithm is not cut.
fn kept_quotients([a, b]: [&Expr; 2], [x, y]: [&Expr; 2], p: &Expr, clamp: LogClamp) -> [Expr; 2] {
    let share = |quotient: Expr, kept: Option<Expr>| match kept {
        Some(kept) => kept * quotient,
        None => quotient,
    };
    [share(a / x, kept(&p.ln(), clamp)), share(b / y, kept(&(-p).ln_1p(), clamp))]
}

/// ∂/∂p of the derivative by p: y/p² + (1 − y)/(1 − p)²; PyTorch's d with s = (p − y)/d has (1 − s·∂d/∂p)/d.
pub(super) fn curvature(p: &Expr, y: &Expr, slope: &Expr, clamp: LogClamp) -> Expr {
    let q = 1.0 - p;
    if let LogClamp::PyTorch(_) = clamp {
        let floor = p.constant_full(&p.shape(), PYTORCH_FLOOR);
        let product = p * &q;
        let moves = product.tie_share(&floor) * (1.0 - 2.0 * p);
        return (1.0 - slope * moves) / product.maximum(&floor);
    }
    let [on, off] = kept_quotients([y, &(1.0 - y)], [&p.square(), &q.square()], p, clamp);
    on + off
}

/// ∂/∂y of the derivative by p: −(1/p + 1/(1 − p)), PyTorch's −1/max(p(1 − p), floor).
pub(super) fn mixed(p: &Expr, clamp: LogClamp) -> Expr {
    if let LogClamp::PyTorch(_) = clamp {
        let floor = p.constant_full(&p.shape(), PYTORCH_FLOOR);
        return -1.0 / (p * (1.0 - p)).maximum(&floor);
    }
    target_curvature(p, clamp)
}

/// ∂/∂p of the derivative by y: −(1/p + 1/(1 − p)).
pub(super) fn target_curvature(p: &Expr, clamp: LogClamp) -> Expr {
    let one = p.constant_full(&p.shape(), 1.0);
    let [on, off] = kept_quotients([&one, &one], [p, &(1.0 - p)], p, clamp);
    -(on + off)
}
