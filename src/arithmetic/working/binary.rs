//! Binary cross-entropy of probabilities under the machine model: what ln p, log1p(−p) and the quotients may lose.

use super::ball::Ball;
use super::model::Model;
use crate::graph::{LogClamp, PYTORCH_FLOOR};

impl Model {
    /// max(ln p, low) and max(log1p(−p), low).
    fn logs(&self, p: Ball, clamp: LogClamp) -> [Ball; 2] {
        [self.ln(p), self.ln_1p(p.neg())].map(|log| match clamp {
            LogClamp::None => log,
            _ => log.max(self.constant(clamp.low())),
        })
    }

    /// −(y·ln p + (1−y)·log1p(−p)), terms with factor 0 left out.
    pub fn bce(&self, p: Ball, y: Ball, clamp: LogClamp) -> Ball {
        let [on, off] = self.logs(p, clamp).map(Ball::neg);
        self.add(self.mul(y, on), self.mul(self.sub(Ball::ONE, y), off))
    }

    /// (1−y)/(1−p) − y/p as reverse accumulation has it, or (p − y)/(p(1−p)): two honest forms, the larger radius; the second
    /// where its product is a normal number, or it would divide by what may be 0. PyTorch's own floor under p(1−p) has the
    /// second alone.
    pub fn bce_gradient(&self, p: Ball, y: Ball, clamp: LogClamp) -> Ball {
        let (q, no) = (self.sub(Ball::ONE, p), self.sub(Ball::ONE, y));
        let product = self.mul(p, q);
        if let LogClamp::PyTorch(_) = clamp {
            return self.div(self.sub(p, y), product.max(self.constant(PYTORCH_FLOOR)));
        }
        let fused = self.div(self.sub(p, y), product);
        let [on, off] = match clamp {
            LogClamp::Cut(low) => {
                self.logs(p, LogClamp::None).map(|log| self.clamp_share(log, low.get(), f64::INFINITY))
            }
            _ => [Ball::ONE; 2],
        };
        // A factor that is exactly 0 leaves its term out, also over 0; else a term over 0 is infinite.
        let term = |share: Ball, a: Ball, b: Ball| match share.is_zero() || a.is_zero() {
            true => Ball::ZERO,
            false if b.is_zero() => Ball::exact(f64::INFINITY),
            false => self.mul(share, self.div(a, b)),
        };
        let terms = self.sub(term(off, no, q), term(on, y, p));
        let is_small = self.underflow(product.m, product.r) > 0.0;
        if on != Ball::ONE || off != Ball::ONE || is_small || !terms.m.is_finite() || !fused.m.is_finite() {
            return terms;
        }
        Ball::new(fused.m, terms.r.max(fused.r))
    }

    /// log1p(−p) − ln p; its midpoint without cancellation.
    pub fn bce_target_gradient(&self, p: Ball, clamp: LogClamp) -> Ball {
        let [on, off] = self.logs(p, if let LogClamp::Cut(_) = clamp { clamp } else { LogClamp::None });
        let terms = self.sub(off, on);
        if !terms.m.is_finite() || on.m <= clamp.cut() || off.m <= clamp.cut() {
            return terms;
        }
        let (low, high) = (p.m.min(1.0 - p.m), p.m.max(1.0 - p.m));
        let size = if low > 0.25 { core_math::log1p((high - low) / low) } else { terms.m.abs() };
        Ball::new(if p.m <= 0.5 { size } else { -size }, terms.r)
    }
}
