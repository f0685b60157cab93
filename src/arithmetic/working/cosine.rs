//! The cosine of two rows under the machine model: x·y/(‖x‖‖y‖), or both rows normalised first, whichever may lose more.

use super::ball::{Ball, times};
use super::model::Model;
use super::norm::Norm;
use super::product::Inside;
use super::sum::Accumulator;
use crate::format::{exponent_of, power_of_two_f64};
use crate::graph::Power;

/// A row in units of a power of two, so that neither its square nor a product of norms leaves the range: as norms are
/// computed scaled, so is what is made of them.
struct Scaled {
    row: Vec<Ball>,
    norm: Ball,
    exponent: i32,
}

impl Scaled {
    fn of(model: &Model, row: &[Ball], epsilon: f64) -> Scaled {
        let largest = row.iter().fold(epsilon.sqrt(), |largest, x| largest.max(x.m.abs()));
        let exponent = if largest > 0.0 && largest.is_finite() { exponent_of(largest) } else { 0 };
        let row: Vec<Ball> = row.iter().map(|&x| scaled(x, -exponent)).collect();
        // A floor that is far below the row's own square rounds it by no more than its own size.
        let floor = scaled(Ball::exact(epsilon), -2 * exponent).m;
        let norm = Norm::of(model, &row, Power::Finite(2.0), floor).value;
        Scaled { row, norm, exponent }
    }
}

/// x·2^e, exactly but for what leaves f64's range.
fn scaled(x: Ball, e: i32) -> Ball {
    let (half, rest) = (power_of_two_f64(e / 2), power_of_two_f64(e - e / 2));
    Ball::new(x.m * half * rest, times(times(x.r, half), rest))
}

/// What two rows share.
pub(super) struct Cosine {
    x: Scaled,
    y: Scaled,
    /// The cosine.
    pub value: Ball,
}

impl Cosine {
    /// Looks at two rows.
    pub fn of(model: &Model, x: &[Ball], y: &[Ball], epsilon: f64) -> Cosine {
        let n = x.len();
        let (x, y) = (Scaled::of(model, x, epsilon), Scaled::of(model, y, epsilon));
        let mut units = Accumulator::EMPTY;
        let mut products = Accumulator::EMPTY;
        for (&a, &b) in x.row.iter().zip(&y.row) {
            units.push(model.mul(model.div(a, x.norm), model.div(b, y.norm)));
            products.push(model.mul(a, b));
        }
        let normalised = units.finish(model, n);
        let plain = model.div(products.finish(model, n), model.mul(x.norm, y.norm));
        let value = either(normalised, plain);
        // Neither a cosine nor what a kernel makes of it leaves [−1, 1] by more than that; unless all of a row may have been
        // flushed to 0, whose direction is 0/0.
        let may_be_zero = |row: &Scaled| epsilon == 0.0 && row.norm.m <= row.norm.r;
        let open = may_be_zero(&x) || may_be_zero(&y);
        let r = if open { f64::INFINITY } else { value.r.min(1.0 + value.m.abs()) };
        Cosine { x, y, value: Ball::new(value.m, r) }
    }

    /// ∂/∂xᵢ: (ŷᵢ − c·x̂ᵢ)/‖x‖, or yᵢ/(‖x‖‖y‖) − c·xᵢ/‖x‖². Divided by the row's unit at last, where the result may
    /// underflow.
    pub fn gradient(&self, model: &Model, i: usize) -> Ball {
        let (x, y, c) = (self.x.row[i], self.y.row[i], self.value);
        let (first, second) = (self.x.norm, self.y.norm);
        let unit = model.sub(model.div(y, second), model.mul(c, model.div(x, first)));
        let normalised = model.div(unit, first);
        let along = model.div(model.mul(c, x), model.mul(first, first));
        let plain = model.sub(model.div(y, model.mul(first, second)), along);
        let slope = scaled(either(normalised, plain), -self.x.exponent);
        if slope.is_zero() { slope } else { Ball::new(slope.m, slope.r + model.theta) }
    }

    /// Of each coordinate of the gradient what underflows inside of it may make of it, with an upstream g first. With n = ‖x‖,
    /// x̂ = x/n, ŷ = y/‖y‖ and D coordinates, and an error of at most θ of each product below the normal numbers:
    ///
    /// *Scaled by s, a power of two or the largest coordinate, s ≤ n:* (g·ŷᵢ − (g·c)·x̂ᵢ)/(n/s)/s or g·yᵢ/(‖x‖‖y‖) − (g·c)·xᵢ/n². Each
    /// numerator has up to three products, each term then a quotient by what is at least 1, one of them before a coordinate
    /// below 2: less than 8θ, divided by s; and that quotient loses θ.
    ///
    /// *As it stands, by reverse accumulation through x/√Σx²:* (g·ŷᵢ)/n − Σⱼ(((g·ŷⱼ)·n⁻²)·xⱼ)·(½/n)·2xᵢ. What the sum loses is
    /// multiplied by |x̂ᵢ| in the end: of g·ŷⱼ up to θ·|xⱼ|/n² each, together √D·θ/n, as Σ|xⱼ| ≤ √D·n; of the products with n⁻²
    /// θ·|xⱼ| each, together √D·θ·n; of those with xⱼ D·θ (sums lose nothing there, but those that are flushed, another D·θ).
    /// n⁻² itself loses θ, and the sum, at most |g|/n, so much as |g|·n·θ. The product with ½/n loses θ before 2xᵢ comes. The first term
    /// loses θ/n and θ, the last product θ, the difference θ. None of the sums of products is above |g|/n.
    pub fn insides(&self, model: &Model) -> Vec<Inside> {
        let (n, m, c) = (self.x.norm.m, self.y.norm.m, self.value);
        if !(n > 0.0 && m > 0.0 && c.m.is_finite()) {
            return vec![Inside::NOTHING; self.x.row.len()];
        }
        let e = self.x.exponent;
        let shifted = |x: f64, e: i32| scaled(Ball::exact(x), e).m;
        // A factor that a kernel has somewhere in its ball: the least it may be; what is exactly 0 loses nothing.
        let least = |x: Ball| if x.is_zero() { 1.0 } else { (x.m.abs() - x.r).max(0.0) };
        let over = |x: Ball, norm: f64| Ball::new(x.m / norm, x.r / norm);
        let dimensions = self.x.row.len() as f64;
        // n⁻², and the least partial product of the sum.
        let inverse = shifted(shifted(1.0 / (n * n), -e), -e);
        let pairs = || self.x.row.iter().zip(&self.y.row);
        let term =
            |(&x, &y): (&Ball, &Ball)| least(over(y, m)) * least(Ball::exact(shifted(x.m, e))).min(1.0);
        let terms = pairs().map(term).fold(1.0, f64::min) * inverse.min(1.0);
        let common = terms.min(0.5 * least(c) * inverse.min(1.0));
        let quotients = (1.0 / (n * n)).min(1.0 / (n * m)).min(1.0) * shifted(1.0, -e).min(1.0);
        // A square beyond the range has no such quotient; that is the range's matter.
        let stands = shifted(shifted(n * n, e), e) < model.compute.overflow_threshold();
        let per_unit = shifted(model.theta, -e);
        let inside = |i: usize| {
            let (x, y) = (self.x.row[i], self.y.row[i]);
            if x.is_zero() && y.is_zero() {
                return Inside::NOTHING;
            }
            let (unit_x, unit_y) = (over(x, n), over(y, m));
            let along = model.mul(c, unit_x);
            let numerators = least(unit_y).min(least(along)).min(least(model.sub(unit_y, along)));
            let scaled = 8.0 * per_unit + model.theta;
            let root = dimensions.sqrt();
            let own = unit_x.m.abs();
            let summed = own * (root * per_unit / n + 2.0 * dimensions * model.theta);
            let first = per_unit / n + 3.0 * model.theta;
            let by_coordinate = times(model.theta, shifted(x.m, e).abs());
            let plain = summed + (root + 2.0) * by_coordinate + first;
            let reciprocal = shifted(1.0 / n, -e);
            Inside {
                least: common.min(numerators * quotients),
                lost: if stands { scaled.max(plain) } else { scaled },
                // Of n⁻², which is off by no more than itself.
                own: if stands { by_coordinate.min(own * reciprocal) } else { 0.0 },
                size: 2.0 * reciprocal,
            }
        };
        (0..self.x.row.len()).map(inside).collect()
    }
}

/// The first form's midpoint with the larger radius of two forms.
fn either(first: Ball, second: Ball) -> Ball {
    Ball::new(first.m, first.r.max(second.r))
}

#[cfg(test)]
mod tests {
    use crate::case::{Case, LOSS, Tensors, gradient_name};
    use crate::format::{Format, exponent_of};
    use crate::judge::{Level, Machine, judge};
    use crate::loss::Params;
    use crate::tensor::Tensor;

    /// A machine: a format, and whether it flushes.
    #[derive(Copy, Clone, Debug)]
    struct In(Format, bool);

    impl In {
        fn round(self, x: f64) -> f64 {
            let x = self.0.round(x);
            if self.1 && x.abs() < self.0.min_normal() { 0.0 } else { x }
        }

        fn sum(self, x: &[f64]) -> f64 {
            match x {
                [x] => *x,
                _ => {
                    let (left, right) = x.split_at(x.len() / 2);
                    self.round(self.sum(left) + self.sum(right))
                }
            }
        }

        fn dot(self, x: &[f64], y: &[f64]) -> f64 {
            self.sum(&x.iter().zip(y).map(|(x, y)| self.round(x * y)).collect::<Vec<f64>>())
        }

        fn unit(self, x: &[f64]) -> (f64, Vec<f64>) {
            let n = self.round(self.dot(x, x).sqrt());
            (n, x.iter().map(|x| self.round(x / n)).collect())
        }

        /// g·∂cosine/∂x by reverse accumulation through x/√Σx² as it stands.
        fn plain(self, x: &[f64], y: &[f64], g: f64) -> Vec<f64> {
            let r = |x| self.round(x);
            let ((n, _), (_, unit)) = (self.unit(x), self.unit(y));
            let inverse = r(1.0 / r(n * n));
            let moved: Vec<f64> = unit.iter().map(|y| r(r(g * y) * inverse)).collect();
            let by_square = r(self.dot(&moved, x) * r(0.5 / n));
            let by = |(x, y): (&f64, &f64)| r(r(r(g * y) / n) - r(by_square * (2.0 * x)));
            x.iter().zip(&unit).map(by).collect()
        }

        /// g·(ŷ − c·x̂)/‖x‖ in units of a power of two, with g first.
        fn scaled(self, x: &[f64], y: &[f64], g: f64) -> Vec<f64> {
            let r = |x| self.round(x);
            let in_units = |x: &[f64]| {
                let e = exponent_of(x.iter().fold(0.0, |largest: f64, x| largest.max(x.abs())));
                let (n, unit) = self.unit(&x.iter().map(|x| r(shifted(*x, -e))).collect::<Vec<f64>>());
                (n, unit, e)
            };
            let ((n, unit_x, e), (_, unit_y, _)) = (in_units(x), in_units(y));
            let c = self.dot(&unit_x, &unit_y);
            let by = |(x, y): (&f64, &f64)| r(shifted(r(r(r(g * y) - r(r(g * c) * x)) / n), -e));
            unit_x.iter().zip(&unit_y).map(by).collect()
        }
    }

    fn shifted(x: f64, e: i32) -> f64 {
        super::scaled(super::Ball::exact(x), e).m
    }

    /// What the judge says of a kernel's gradients for one pair that is to be apart, and the budget of the first.
    fn judged(
        machine: In,
        x: &[f64],
        y: &[f64],
        g: f64,
        kernel: fn(In, &[f64], &[f64], f64) -> Vec<f64>,
    ) -> (Vec<String>, f64) {
        let format = machine.0;
        let [x, y] = [x, y].map(|row| row.iter().map(|&x| format.round(x)).collect::<Vec<f64>>());
        let g = format.round(g);
        let tensor = |row: &[f64]| Tensor::float(format, &[1, row.len()], row.to_vec());
        let target = Tensor::float(format, &[1], vec![-1.0]);
        let inputs = [("x1", tensor(&x)), ("x2", tensor(&y)), ("target", target)];
        let inputs: Tensors = inputs.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect();
        let params = Params::default().with("reduction", "sum").with("margin", -1.0);
        let mut case = Case::new("cosine_embedding", format, params, inputs).unwrap();
        case.upstream = Tensor::full(format, &[], g);
        let judge_on = Machine { compute: format, flush_to_zero: machine.1, ..Machine::of(format) };
        let verified = crate::oracle::verify(&case, &judge_on).unwrap();
        // The loss is another matter.
        let answer = Tensors::from([
            (LOSS.to_owned(), Tensor::full(format, &[], f64::NAN)),
            (gradient_name("x1"), tensor(&kernel(machine, &x, &y, g))),
            (gradient_name("x2"), tensor(&kernel(machine, &y, &x, g))),
        ]);
        let verdicts = judge(&case, &verified, &answer, &judge_on, Level::Stable);
        let wrong =
            verdicts[1..].iter().filter(|verdict| verdict.level().is_some_and(|level| level > Level::Stable));
        let budget = verified.tolerances[1].budget[0];
        (wrong.map(|verdict| format!("{machine:?} {}: {:?}", verdict.name, verdict.worst)).collect(), budget)
    }

    #[test]
    fn partial_products_of_a_gradient_may_underflow() {
        let (narrow, flushing) = (In(Format::F32, false), In(Format::F32, true));
        let mut state = 1u64;
        let mut row = |size: f64, n: usize| -> Vec<f64> {
            let mut next = || {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                ((state >> 11) as f64 / (1u64 << 53) as f64 * 2.0 - 1.0) * size
            };
            (0..n).map(|_| next()).collect()
        };
        let mut wrong = Vec::new();
        for machine in [narrow, flushing, In(Format::Bf16, true)] {
            for x in [4e15, 3e12, 8e17] {
                wrong.extend(judged(machine, &[x, 1.0], &[1e-9, 1.0], 1.0, In::plain).0);
                wrong.extend(judged(machine, &[x, 1.0], &[1e-9, 1.0], 0.1, In::plain).0);
                wrong.extend(judged(machine, &row(x, 7), &row(x, 7), 0.1, In::plain).0);
            }
        }
        wrong.extend(judged(In(Format::F64, false), &[1e145, 1.0], &[1e-61, 1.0], -1.0, In::plain).0);
        for size in [3.8, 2.2, 0.5] {
            wrong
                .extend(judged(In(Format::F16, false), &row(size, 2048), &row(size, 2048), 0.1, In::plain).0);
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn an_upstream_may_underflow_before_a_short_row_divides() {
        let mut wrong = Vec::new();
        for machine in
            [In(Format::F32, false), In(Format::F32, true), In(Format::Bf16, true), In(Format::F64, true)]
        {
            let least = machine.0.min_normal();
            let short = least.sqrt();
            for g in [0.5, 1.0, 2.0, 8.0] {
                let x = [3.0 * short, 4.0 * short];
                wrong.extend(judged(machine, &x, &[1.0, 2.0], g * least, In::scaled).0);
                wrong.extend(judged(machine, &x, &[-4.0, 3.0], g * least, In::scaled).0);
                wrong.extend(
                    judged(machine, &[short, 1e-3 * short, 0.0], &[1e-3, 5.0, 1.0], g * least, In::scaled).0,
                );
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn what_cannot_underflow_keeps_its_budget() {
        let (_, budget) = judged(In(Format::F32, true), &[3.0, 4.0], &[1.0, 2.0], 1.0, In::scaled);
        assert!(budget < 1e-6, "{budget:e}");
        let (_, budget) = judged(In(Format::F32, true), &[3e10, 4e10], &[1.0, 2.0], 1.0, In::plain);
        assert!(budget < 1e-16, "{budget:e}");
        // An upstream of 0 makes 0 of it all, and a coordinate that both rows lack none.
        assert_eq!(
            judged(In(Format::F32, false), &[4e15, 1.0], &[1e-9, 1.0], 0.0, In::plain).1,
            Format::F32.min_subnormal()
        );
        assert!(
            judged(In(Format::F32, false), &[0.0, 4e15, 1.0], &[0.0, 1e-9, 1.0], 1.0, In::plain).1 <= 1e-44
        );
    }
}
