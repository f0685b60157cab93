//! The focal loss under the machine model: the weight in log space or as a power, whichever may lose more.

use super::ball::{Ball, growth, times};
use super::model::{ARGUMENT_IN_U, DIVIDE_IN_U, EXP_IN_U, Model};
use crate::graph::{Focal, SoftTarget};

impl Model {
    /// x^γ of a number of [0, 1] with its logarithm and the most that this can be: pow(x, γ) and exp(γ·ln x) are both honest.
    /// Without a rounding for γ = 0. However near to 0 the number may be, its power is not below 0, and no larger than at the
    /// number's upper end.
    fn focal_power(&self, x: Ball, log: Ball, most: f64, gamma: f64) -> Ball {
        if gamma == 0.0 {
            return Ball::ONE;
        }
        let in_logs = |log: Ball| self.exp(self.mul(self.constant(gamma), log));
        let (power, by_log) = (self.pow(x, gamma), in_logs(log));
        if power.is_exact() && by_log.is_exact() {
            return power;
        }
        let reach = power.m.max(in_logs(Ball::exact(most)).magnitude() - power.m);
        // Where the power itself has underflowed in f64 so has all that a kernel computes.
        Ball::new(power.m, power.r.max(by_log.r.min(reach)).min(power.m.max(1.0)))
    }

    fn sigmoid_power(&self, t: Ball, gamma: f64) -> Ball {
        let log = self.log_sigmoid(t);
        self.focal_power(self.sigmoid(t), log, log.m + log.r, gamma)
    }

    /// α·y and (1−α)·(1−y), or y and 1 − y.
    fn focal_parts(&self, y: Ball, focal: Focal) -> [Ball; 2] {
        let no = self.sub(Ball::ONE, y);
        let Some(alpha) = focal.alpha else { return [y, no] };
        let alpha = self.constant(alpha.get());
        [self.mul(alpha, y), self.mul(self.sub(Ball::ONE, alpha), no)]
    }

    fn alpha_t(&self, y: Ball, focal: Focal) -> Ball {
        match focal.alpha {
            Some(_) => {
                let [on, off] = self.focal_parts(y, focal);
                self.add(on, off)
            }
            None => Ball::ONE,
        }
    }

    /// The weight W of a soft target, and d·L with W′ = W·d and the cross-entropy L.
    fn focal_weight(&self, z: Ball, y: Ball, entropy: Ball, focal: Focal) -> (Ball, Ball) {
        let (gamma, no) = (self.constant(focal.gamma()), self.sub(Ball::ONE, y));
        let moves = |slope: Ball| self.mul(self.mul(gamma, slope), entropy);
        let (on, off) = (self.sigmoid(z), self.sigmoid(z.neg()));
        let power = |x: Ball| {
            let top = self.ln(Ball::exact(x.magnitude()));
            self.focal_power(x, self.ln(x), top.m + top.r, focal.gamma())
        };
        match focal.soft {
            SoftTarget::InterpolateP => {
                let q = self.add(self.mul(y, off), self.mul(no, on));
                let moved = self.mul(self.sub(no, y), self.mul(on, off));
                // The logarithm of a mean of σ(z) and σ(−z) has a slope of [−1, 1]: also where the mean may be 0 in this format.
                let slope = match q.m == 0.0 {
                    true => Ball::new(0.0, 1.0),
                    false => self.div(moved, q),
                };
                let slope = Ball::new(slope.m, slope.r.min(1.0 + slope.m.abs()));
                (power(q), moves(slope))
            }
            SoftTarget::ExpBce => {
                let slope = self.sub(on, y);
                let rest = power(self.expm1(entropy.neg()).neg());
                let steps = moves(self.div(slope, self.expm1(entropy)));
                if steps.m.is_finite() && steps.r.is_finite() {
                    return (rest, steps);
                }
                // The slope is divided by what may be 0 here, and multiplied by the same again.
                (rest, self.mul(self.mul(gamma, slope), self.over_expm1(entropy)))
            }
            SoftTarget::Linear | SoftTarget::LogWeight => {
                let gap = self.sub(no, y);
                let t = self.mul(gap, z);
                let slope = self.mul(gap, self.sigmoid(t.neg()));
                (self.sigmoid_power(t, focal.gamma()), moves(slope))
            }
        }
    }

    /// h(x) = x/(e^x − 1) of x ≥ 0, which falls from 1 to 0: −1 < h′/h ≤ −½, so it moves by the factor e^r at most, and never
    /// beyond its range; the roundings of expm1 and of the quotient, and what they lose below the normal numbers.
    fn over_expm1(&self, x: Ball) -> Ball {
        let m = if x.m > 0.0 { x.m / core_math::expm1(x.m) } else { 1.0 };
        let moved = times(m, growth(x.r + ARGUMENT_IN_U * self.u * x.magnitude())).min(m.max(1.0 - m));
        let rounding = (EXP_IN_U + DIVIDE_IN_U) * self.u * (m + moved);
        let lost = self.theta + if x.m > self.theta { self.theta / x.m } else { 1.0 };
        Ball::new(m, moved + rounding + lost)
    }

    /// The focal loss of (z, y).
    pub fn focal(&self, z: Ball, y: Ball, focal: Focal) -> Ball {
        if focal.is_two_terms(y.m) {
            let term = |t: Ball| self.mul(self.sigmoid_power(t, focal.gamma()), self.softplus(t));
            let [on, off] = self.focal_parts(y, focal);
            return self.add(self.mul(on, term(z.neg())), self.mul(off, term(z)));
        }
        let entropy = self.bce_with_logits(z, y);
        let (weight, _) = self.focal_weight(z, y, entropy, focal);
        self.mul(self.alpha_t(y, focal), self.mul(weight, entropy))
    }

    /// ∂focal/∂z of (z, y). The cross-entropy's own slope may be had as σ(z) − y, as that of bce_with_logits.
    pub fn focal_gradient(&self, z: Ball, y: Ball, focal: Focal) -> Ball {
        let fused = self.sigmoid_minus(z, y).r;
        if focal.is_two_terms(y.m) {
            let gamma = self.constant(focal.gamma());
            let slope = |t: Ball| {
                let moved = self.mul(gamma, self.mul(self.sigmoid(t.neg()), self.softplus(t)));
                let direct = self.sigmoid(t);
                let direct = Ball::new(direct.m, direct.r.max(fused));
                self.mul(self.sigmoid_power(t, focal.gamma()), self.add(direct, moved))
            };
            let [on, off] = self.focal_parts(y, focal);
            return self.sub(self.mul(off, slope(z)), self.mul(on, slope(z.neg())));
        }
        let entropy = self.bce_with_logits(z, y);
        let (weight, moved) = self.focal_weight(z, y, entropy, focal);
        let slope = self.add(self.sigmoid_minus(z, y), moved);
        self.mul(self.alpha_t(y, focal), self.mul(weight, slope))
    }
}

#[cfg(test)]
mod tests {
    use crate::case::{Case, Tensors};
    use crate::format::Format;
    use crate::judge::Machine;
    use crate::loss::Params;
    use crate::oracle;
    use crate::tensor::Tensor;

    /// The truth of the loss and the budgets of loss and gradient of one unreduced element in f32.
    fn budgets(z: f64, y: f64, soft_target: &str) -> (f64, [f64; 2]) {
        let tensor = |x: f64| Tensor::float(Format::F32, &[1], vec![Format::F32.round(x)]);
        let inputs = Tensors::from([("logits".into(), tensor(z)), ("target".into(), tensor(y))]);
        let params = Params::default().with("reduction", "none").with("soft_target", soft_target);
        let case = Case::new("focal_sigmoid", Format::F32, params, inputs).unwrap();
        let verified = oracle::verify(&case, &Machine::of(Format::F32)).unwrap();
        let loss = verified.outputs[0].elements[0].value(Format::F32);
        (loss, [0, 1].map(|output| verified.tolerances[output].budget[0]))
    }

    /// A kernel without the weight, whose loss is the cross-entropy, does not pass where the weight's base cancels.
    #[test]
    fn a_weight_that_cancels_is_still_a_small_one() {
        let y = 1.0 - f64::from(f32::EPSILON) / 2.0;
        for z in [20.0, 60.0, 1000.0] {
            let (loss, [budget, slope]) = budgets(z, y, "exp_bce");
            let entropy = (1.0 - y) * z;
            assert!(loss < entropy && budget < 1e-2 * entropy, "{z}: {loss:e} {budget:e} {entropy:e}");
            assert!(slope.is_finite(), "{z}: {slope:e}");
        }
        // A mean of two sigmoids that may be 0.
        let (_, [_, slope]) = budgets(-104.0, 1e-45, "interpolate_p");
        assert!(slope < 1e-30, "{slope:e}");
    }
}
