//! The cosine of two rows under the machine model: x·y/(‖x‖‖y‖), or both rows normalised first, whichever may lose more.

use super::ball::{Ball, times};
use super::model::Model;
use super::norm::Norm;
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
}

/// The first form's midpoint with the larger radius of two forms.
fn either(first: Ball, second: Ball) -> Ball {
    Ball::new(first.m, first.r.max(second.r))
}
