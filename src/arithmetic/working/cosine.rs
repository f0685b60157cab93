//! The cosine of two rows under the machine model: x·y/(‖x‖‖y‖), or both rows normalised first, whichever may lose more.

use super::ball::Ball;
use super::model::Model;
use super::norm::Norm;
use super::sum::Accumulator;
use crate::graph::Power;

/// Above the least normal number by this factor a product's underflow is nothing beside its rounding.
const ROOM: f64 = 1e30;

/// What two rows share.
pub(super) struct Cosine {
    norms: [Ball; 2],
    /// The cosine.
    pub value: Ball,
}

impl Cosine {
    /// Looks at two rows. Normalised rows have neither overflow nor underflow, as the norms are computed scaled; the other
    /// form counts where its product of norms is well inside the range.
    pub fn of(model: &Model, x: &[Ball], y: &[Ball], epsilon: f64) -> Cosine {
        let norms = [x, y].map(|row| Norm::of(model, row, Power::Finite(2.0), epsilon).value);
        let mut unit = Accumulator::EMPTY;
        let mut plain = Accumulator::EMPTY;
        for (&x, &y) in x.iter().zip(y) {
            unit.push(model.mul(model.div(x, norms[0]), model.div(y, norms[1])));
            plain.push(model.mul(x, y));
        }
        let value = unit.finish(model, x.len());
        let mut cosine = Cosine { norms, value };
        if let Some(product) = cosine.product(model, 0, 1) {
            let plain = model.div(plain.finish(model, x.len()), product);
            if plain.m.is_finite() && value.m.is_finite() {
                cosine.value = Ball::new(value.m, value.r.max(plain.r));
            }
        }
        // Neither a cosine nor what a kernel makes of it leaves [−1, 1] by more than that.
        cosine.value = Ball::new(cosine.value.m, cosine.value.r.min(1.0 + cosine.value.m.abs()));
        cosine
    }

    /// A product of two of the norms, well inside the range.
    fn product(&self, model: &Model, a: usize, b: usize) -> Option<Ball> {
        let product = model.mul(self.norms[a], self.norms[b]);
        let inside =
            product.m > ROOM * model.compute.min_normal() && product.m < model.compute.overflow_threshold();
        inside.then_some(product)
    }

    /// ∂/∂xᵢ: (ŷᵢ − c·x̂ᵢ)/‖x‖, or yᵢ/(‖x‖‖y‖) − c·xᵢ/‖x‖².
    pub fn gradient(&self, model: &Model, x: Ball, y: Ball) -> Ball {
        let [first, second] = self.norms;
        let moved = model.mul(self.value, model.div(x, first));
        let unit = model.div(model.sub(model.div(y, second), moved), first);
        let (Some(product), Some(square)) = (self.product(model, 0, 1), self.product(model, 0, 0)) else {
            return unit;
        };
        let plain = model.sub(model.div(y, product), model.div(model.mul(self.value, x), square));
        if !plain.m.is_finite() || !unit.m.is_finite() {
            return unit;
        }
        Ball::new(unit.m, unit.r.max(plain.r))
    }
}
