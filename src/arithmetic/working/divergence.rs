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

    /// What [`Model::kl_div_log_slope`] is the product of, and the largest that the second factor is in any of its forms.
    pub fn kl_div_log_slope_factors(&self, t: Ball, x: Ball) -> (Ball, Ball, f64) {
        if t.m == f64::NEG_INFINITY {
            return (Ball::ZERO, Ball::ONE, 1.0);
        }
        let gap = self.sub(t, x);
        let slope = self.add(gap, Ball::ONE);
        (self.exp(t), slope, gap.m.abs().max(slope.m.abs()))
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

    /// The budgets of loss, grad by the prediction and grad by the target of one unreduced element in f32.
    fn budgets(t: f32, x: f32, log_target: bool) -> [f64; 3] {
        let tensor = |x: f32| Tensor::float(Format::F32, &[1, 1], vec![f64::from(x)]);
        let inputs = Tensors::from([("log_prediction".into(), tensor(x)), ("target".into(), tensor(t))]);
        let params = Params::default().with("reduction", "none").with("log_target", log_target);
        let case = Case::new("kl_div", Format::F32, params, inputs).unwrap();
        let tolerances = oracle::verify(&case, &Machine::of(Format::F32)).unwrap().tolerances;
        [0, 1, 2].map(|output| tolerances[output].budget[0])
    }

    fn numbers() -> impl Iterator<Item = (f32, f32)> {
        (0..4000u32).map(|i| {
            // Knuth's multiplicative hash, 32 bits.
            let unit = |i: u32| (i.wrapping_mul(2654435761) >> 8) as f32 / (1 << 24) as f32;
            let t = unit(2 * i) * [1.0, 1e-3, 1e-30, 40.0][i as usize % 4] + f32::MIN_POSITIVE;
            let x = match i / 4 % 3 {
                0 => -20.0 * unit(2 * i + 1),
                1 => core_math::logf(t),
                _ => core_math::logf(t) + 1.0 + 1e-6 * unit(2 * i + 1),
            };
            (t, x)
        })
    }

    #[test]
    fn every_honest_form_stays_within_its_budget() {
        for (t, x) in numbers() {
            let [loss, _, slope] = budgets(t, x, false);
            let (a, ln) = (f64::from(t), core_math::logf(t));
            let gap = core_math::log(a) - f64::from(x);
            for form in [t * (ln - x), t * ln - t * x] {
                let error = (f64::from(form) - a * gap).abs();
                assert!(error <= loss, "{t:e} {x}: {error:e} > {loss:e}");
            }
            for form in [(ln - x) + 1.0, (ln + 1.0) - x, ln + (1.0 - x)] {
                let error = (f64::from(form) - (gap + 1.0)).abs();
                assert!(error <= slope, "{t:e} {x}: {error:e} > {slope:e}");
            }
            // 3 ulp of the logarithm and a handful of roundings, and no more.
            let size = f64::from(ln).abs() + f64::from(x).abs() + 1.0;
            assert!(loss <= 6e-7 * a * size + 1e-44 && slope <= 6e-7 * size, "{loss:e} {slope:e}");
        }
    }

    #[test]
    fn every_honest_form_of_log_targets_stays_within_its_budget() {
        for (mass, x) in numbers() {
            let t = core_math::logf(mass);
            let x = if mass > 1.0 { t + 1.0 } else { x };
            let [loss, mass_budget, slope] = budgets(t, x, true);
            let (e, exact) = (core_math::expf(t), core_math::exp(f64::from(t)));
            let gap = f64::from(t) - f64::from(x);
            let error = (f64::from(e * (t - x)) - exact * gap).abs();
            assert!(error <= loss, "{t} {x}: {error:e} > {loss:e}");
            assert!((f64::from(e) - exact).abs() <= mass_budget);
            for form in [e * ((t - x) + 1.0), e * (t - x) + e] {
                let error = (f64::from(form) - exact * (gap + 1.0)).abs();
                assert!(error <= slope, "{t} {x}: {error:e} > {slope:e}");
            }
            let size = exact * (gap.abs() + (gap + 1.0).abs() + 1.0) * (1.0 + f64::from(t).abs());
            assert!(
                loss <= 8e-7 * size + 1e-44 && slope <= 8e-7 * size + 1e-44,
                "{loss:e} {slope:e} {size:e}"
            );
        }
    }

    #[test]
    fn a_mass_of_zero_has_no_budget() {
        assert_eq!(budgets(0.0, -1.0, false)[0], 0.0);
        assert_eq!(budgets(0.0, f32::NEG_INFINITY, false)[0], 0.0);
        assert_eq!(budgets(f32::NEG_INFINITY, f32::NEG_INFINITY, true)[0], 0.0);
        assert_eq!(budgets(1.0, -1.5, false)[0], 0.0);
        // An epsilon of 1e-10 beside a mass of 1e-9 is seen.
        let (t, x) = (1e-9f32, -3.0f32);
        let with_epsilon = t * (core_math::logf(t + 1e-10) - x);
        let truth = f64::from(t) * (core_math::log(f64::from(t)) - f64::from(x));
        assert!((f64::from(with_epsilon) - truth).abs() > 100.0 * budgets(t, x, false)[0]);
    }

    /// The gradient of cross_entropy_soft by its target: both orders of a log-softmax that is shifted by the maximum stay
    /// within the budget; the maximum added back does not, where it is large.
    #[test]
    fn both_shifted_forms_of_a_log_softmax_stay_within_their_budgets() {
        let (mut added_back, mut rounds) = (0, 0);
        for round in 0..300u32 {
            let unit = |i: u32| (i.wrapping_mul(2654435761) >> 8) as f32 / (1 << 24) as f32;
            let offset = [0.0, 1e4, -1e6][round as usize % 3];
            let row: Vec<f32> = (0..8).map(|c| offset + 12.0 * unit(8 * round + c)).collect();
            let tensor = |x: Vec<f64>| Tensor::float(Format::F32, &[1, 8], x);
            let logits: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
            let inputs = Tensors::from([
                ("logits".into(), tensor(logits.clone())),
                ("target".into(), tensor(vec![0.125; 8])),
            ]);
            let case = Case::new("cross_entropy_soft", Format::F32, Params::default(), inputs).unwrap();
            let budgets =
                oracle::verify(&case, &Machine::of(Format::F32)).unwrap().tolerances.remove(2).budget;
            let m = row.iter().copied().fold(f32::MIN, f32::max);
            let sum: f32 = row.iter().map(|x| core_math::expf(x - m)).sum();
            let exact: f64 = logits.iter().map(|x| core_math::exp(x - f64::from(m))).sum();
            for (c, &x) in row.iter().enumerate() {
                let truth = core_math::log(exact) - (logits[c] - f64::from(m));
                let error = |form: f32| (f64::from(form) - truth).abs();
                for form in [core_math::logf(sum) - (x - m), -((x - m) - core_math::logf(sum))] {
                    assert!(error(form) <= budgets[c], "{row:?}[{c}]: {:e}", error(form));
                }
                if offset != 0.0 {
                    rounds += 1;
                    added_back += usize::from(error((m + core_math::logf(sum)) - x) > budgets[c]);
                }
            }
        }
        assert!(added_back * 2 > rounds, "{added_back} of {rounds}");
    }
}
