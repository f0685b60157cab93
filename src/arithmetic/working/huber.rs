//! Huber's function under the machine model (rule 6). It is one operation, because its two branches meet smoothly: which of
//! them a kernel takes next to the point where they meet must not matter.

use super::ball::{Ball, times};
use super::model::Model;

impl Model {
    /// ½x·x for |x| ≤ δ; beyond, the worst of the three published forms δ·(|x| − ½δ) (PyTorch), δ·|x| − ½δ·δ (Keras) and
    /// ½q² + δ·(|x| − q) with q = min(|x|, δ) (optax).
    pub fn huber(&self, x: Ball, delta: f64) -> Ball {
        let (at, bound) = (x.midpoint().abs(), self.constant(delta));
        let quadratic = self.mul(self.halved(at), at);
        let half = self.halved(bound);
        let factored = self.mul(bound, self.sub(at, half));
        let expanded = self.sub(self.mul(bound, at), self.mul(half, bound));
        let split = self.add(self.mul(half, bound), self.mul(bound, self.sub(at, bound)));
        let linear = Ball::new(factored.m, factored.r.max(expanded.r).max(split.r));
        self.joined(x, bound, quadratic, linear, 1.0)
    }

    /// (½x·x)/β for |x| ≤ β, |x| − ½β beyond: the form that every framework has. Where ½x·x is below the normal numbers,
    /// its error is divided by β.
    pub fn smooth_l1(&self, x: Ball, beta: f64) -> Ball {
        let (at, bound) = (x.midpoint().abs(), self.constant(beta));
        let quadratic = self.div(self.mul(self.halved(at), at), bound);
        let linear = self.sub(at, self.halved(bound));
        self.joined(x, bound, quadratic, linear, beta)
    }

    /// Whether the square on the way of [`Model::smooth_l1`] leaves the range.
    pub fn smooth_l1_leaves_range(&self, x: Ball, beta: f64) -> bool {
        x.m.abs() <= beta && 0.5 * x.m * x.m >= self.compute.overflow_threshold()
    }

    /// The branch that x is on, with the larger error of both where a kernel may take either; moved by x's radius. The
    /// function is Huber's divided by `divisor`.
    fn joined(&self, x: Ball, bound: Ball, quadratic: Ball, linear: Ball, divisor: f64) -> Ball {
        let (own, other) = if x.m.abs() <= bound.m { (quadratic, linear) } else { (linear, quadratic) };
        let reach = x.r + bound.r;
        let rounded = if (x.m.abs() - bound.m).abs() <= reach {
            // The branches differ by ½(|x| − δ)², at most half the square of the reach.
            Ball::new(own.m, own.r.max(other.r) + 0.5 * times(reach, reach) / divisor)
        } else {
            own
        };
        // By x the slope is min(|x|, δ), and changes by at most 1 a unit.
        let spread = times((x.m.abs() + 0.5 * x.r).min(bound.m), x.r) / divisor;
        self.with_spread(rounded, spread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Format;
    use crate::judge::Machine;

    /// Numbers around δ and elsewhere, by steps of f32.
    fn arguments(delta: f64) -> Vec<f32> {
        let near = (-40..=40).map(|k| f32::from_bits(((delta as f32).to_bits() as i32 + k) as u32));
        let spread = (0..400).map(|k| (k as f32 * 0.731).exp2() * 1e-20);
        near.chain(spread.filter(|x| x.is_finite() && *x < 1e15)).collect()
    }

    /// Every published form in f32, with the branch taken at δ rounded to f32, is within the budget, which is a few ulp.
    #[test]
    fn the_budget_holds_every_published_form_and_no_more() {
        let model = Model::rounding(&Machine::of(Format::F32));
        for delta in [1.0, 0.1, 1.345, 0.3, 2.0, 1e-3, 7e5] {
            let d = delta as f32;
            for x in arguments(delta) {
                let exact = f64::from(x);
                let want = if exact <= delta { 0.5 * exact * exact } else { delta * (exact - 0.5 * delta) };
                let ball = model.huber(Ball::exact(-exact), delta);
                assert!((ball.m - want).abs() <= 1e-15 * want);
                let q = x.min(d);
                let forms = [
                    if x <= d { 0.5 * x * x } else { d * (x - 0.5 * d) },
                    if x < d { 0.5 * (x * x) } else { d * x - 0.5 * (d * d) },
                    0.5 * (q * q) + d * (x - q),
                ];
                for got in forms {
                    let error = (f64::from(got) - want).abs();
                    assert!(error <= ball.r + 1e-15 * want, "{x} {delta}: {error} above {}", ball.r);
                }
                assert!(ball.r <= 12.0 * model.u * want + 2.0 * model.theta, "{x} {delta}: {}", ball.r);
                let want = want / delta;
                let ball = model.smooth_l1(Ball::exact(exact), delta);
                let got = if x < d { 0.5 * x * x / d } else { x - 0.5 * d };
                let error = (f64::from(got) - want).abs();
                assert!(error <= ball.r + 1e-15 * want, "{x} {delta}: {error} above {}", ball.r);
                // The square's, divided; and those of the division, 2.5 ulp and one more.
                let underflow = model.theta * (delta.recip() + 4.0);
                assert!(ball.r <= 12.0 * model.u * want + underflow, "{x} {delta}: {}", ball.r);
            }
        }
    }

    #[test]
    fn radii_move_by_the_slope_and_not_more() {
        let model = Model::perturbed_inputs(&Machine::of(Format::F64));
        for (x, r, delta) in
            [(0.25, 0.125, 1.0), (0.9, 0.5, 1.0), (1.1, 0.5, 1.0), (8.0, 0.5, 2.0), (0.0, 3.0, 1.0)]
        {
            let huber = |x: f64| if x <= delta { 0.5 * x * x } else { delta * (x - 0.5 * delta) };
            let moved = (huber(x + r) - huber(x)).max(huber(x) - huber((x - r).abs()));
            let ball = model.huber(Ball::new(x, r), delta);
            assert!(ball.r >= moved, "{x} ± {r}: {} below {moved}", ball.r);
            assert!(ball.r <= 1.5 * moved + 0.5 * r * r, "{x} ± {r}: {} for {moved}", ball.r);
            let scaled = model.smooth_l1(Ball::new(x, r), delta);
            assert!((scaled.r - ball.r / delta).abs() <= 1e-12, "{x} ± {r}: {scaled:?} and {ball:?}");
        }
    }
}
