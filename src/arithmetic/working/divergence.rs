//! Terms of the Kullback–Leibler divergence: the budget admits each of the forms that honest kernels have.

use super::ball::{Ball, times};
use super::model::Model;

/// The ball of the larger radius.
fn wider(a: Ball, b: Ball) -> Ball {
    // A form that overflows on the way has no radius to add.
    if b.m.is_finite() && b.r > a.r { Ball::new(a.m, b.r) } else { a }
}

impl Model {
    /// t·(ln t − x), or t·ln t − t·x; 0 where t is exactly 0.
    pub fn kl_div(&self, t: Ball, x: Ball) -> Ball {
        if t.is_zero() {
            return if x.m.is_nan() { x } else { t };
        }
        let ln_t = self.ln(t);
        let parts = self.sub(self.mul(t, ln_t), self.mul(t, x));
        wider(self.mul(t, self.sub(ln_t, x)), parts)
    }

    /// ln t − x + 1, the three terms in any order.
    pub fn kl_div_slope(&self, t: Ball, x: Ball) -> Ball {
        let ln_t = self.ln(t);
        let last = self.add(self.sub(ln_t, x), Ball::ONE);
        let first = self.sub(self.add(ln_t, Ball::ONE), x);
        wider(wider(last, first), self.add(ln_t, self.sub(Ball::ONE, x)))
    }

    /// e^t·(t − x); 0 where t is −∞.
    pub fn kl_div_log(&self, t: Ball, x: Ball) -> Ball {
        if t.m == f64::NEG_INFINITY {
            return if x.m.is_nan() { x } else { Ball::ZERO };
        }
        self.mul(self.exp(t), self.sub(t, x))
    }

    /// e^t·((t − x) + 1), or e^t·(t − x) + e^t: one exponential, whose error goes along with the result; what the second
    /// form rounds more is the product.
    pub fn kl_div_log_slope(&self, t: Ball, x: Ball) -> Ball {
        if t.m == f64::NEG_INFINITY {
            return if x.m.is_nan() { x } else { Ball::ZERO };
        }
        let (e, gap) = (self.exp(t), self.sub(t, x));
        let once = self.mul(e, self.add(gap, Ball::ONE));
        let product = if e.is_exact() && gap.is_exact() && self.product_is_exact(e.m, gap.m, e.m * gap.m) {
            0.0
        } else {
            times(self.u, times(e.magnitude(), gap.magnitude())) + self.theta
        };
        Ball::new(once.m, once.r + product)
    }
}
