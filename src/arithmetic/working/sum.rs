//! Sums of balls (rule 3): the n-ary sum is one operation.

use super::ball::Ball;
use super::model::{Model, two_sum_error};
use crate::format::exponent_of;

/// The sizes of a sum's positive and of its negative terms added up. Each by itself, since no partial sum of any order is larger:
/// next to f64's largest number Σ|xᵢ| has no f64 where they have one.
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct Sides {
    positive: f64,
    negative: f64,
}

impl Sides {
    /// Adds a term.
    pub fn push(&mut self, x: f64) {
        if x < 0.0 { self.negative -= x } else { self.positive += x }
    }

    /// Of all these terms.
    pub fn of(terms: impl Iterator<Item = f64>) -> Sides {
        let mut sides = Sides::default();
        terms.for_each(|x| sides.push(x));
        sides
    }

    /// The largest size of a partial sum of any order.
    pub fn largest(self) -> f64 {
        self.positive.max(self.negative)
    }

    /// Σ|xᵢ|/d.
    pub fn over(self, d: f64) -> f64 {
        self.positive / d + self.negative / d
    }

    /// Σ|xᵢ|·factor.
    pub fn times(self, factor: f64) -> f64 {
        self.positive * factor + self.negative * factor
    }
}

/// A sum that is being collected.
#[derive(Copy, Clone, Debug)]
pub(super) struct Accumulator {
    /// The sum, with its rounding errors kept apart (Neumaier).
    sum: f64,
    lost: f64,
    /// Σ|xᵢ| and Σrᵢ.
    magnitudes: Sides,
    radii: f64,
    /// How many terms are not exactly 0.
    live: usize,
    /// The least power of two that some term is an odd multiple of: every partial sum is a multiple of it.
    quantum: i32,
}

impl Accumulator {
    /// The empty sum.
    pub const EMPTY: Accumulator = Accumulator {
        sum: 0.0,
        lost: 0.0,
        magnitudes: Sides { positive: 0.0, negative: 0.0 },
        radii: 0.0,
        live: 0,
        quantum: i32::MAX,
    };

    /// Adds a term. Terms that are exactly 0 change nothing.
    pub fn push(&mut self, x: Ball) {
        if x.is_zero() {
            return;
        }
        let sum = self.sum + x.m;
        self.lost += two_sum_error(self.sum, x.m, sum);
        self.sum = sum;
        self.magnitudes.push(x.m);
        self.radii += x.r;
        self.live += 1;
        self.quantum = self.quantum.min(last_bit(x.m));
    }

    /// The sum of n terms, those that are exactly 0 among them: one rounding for two, γ_h·Σ(|xᵢ| + rᵢ) for more, and
    /// no rounding where every partial sum in every order is a number of the machine.
    pub fn finish(&self, model: &Model, n: usize) -> Ball {
        let m = if self.sum.is_finite() { self.sum + self.lost } else { self.sum };
        match self.live {
            0 => Ball::ZERO,
            1 => Ball::new(m, self.radii),
            2 => model.basic(m, self.radii, self.lost == 0.0 && model.holds(m)),
            _ if self.radii == 0.0 && self.every_order_is_exact(model) => Ball::exact(m),
            live => {
                let h = model.height(n).min(live - 1);
                // Each by itself: next to f64's largest number their sum has no f64.
                let rounding = self.magnitudes.times(model.gamma(h)) + model.gamma(h) * self.radii;
                Ball::new(m, self.radii + rounding + model.basic(0.0, 0.0, false).r)
            }
        }
    }

    fn every_order_is_exact(&self, model: &Model) -> bool {
        // Each partial sum is a multiple of the quantum and at most Σ|xᵢ|: if that is below 2^p quanta, it has p bits.
        let total = self.magnitudes.times(1.0);
        let top = if total == 0.0 { self.quantum } else { exponent_of(total) };
        model.holds(total) && top - self.quantum < model.compute.precision() as i32
    }
}

/// The exponent of the last bit of a number that is set.
fn last_bit(x: f64) -> i32 {
    if x == 0.0 || !x.is_finite() {
        return i32::MAX;
    }
    let fraction = x.to_bits() & ((1 << 52) - 1);
    let quantum = exponent_of(x).max(-1022) - 52;
    if exponent_of(x) >= -1022 && fraction == 0 {
        return quantum + 52;
    }
    quantum + fraction.trailing_zeros() as i32
}
