//! The derivative of a maximum over many balls: who may be the largest.

use super::ball::Ball;

/// The largest of several balls, and how many may be it.
#[derive(Copy, Clone, Debug)]
pub(super) struct Ties {
    /// The largest midpoint.
    max: f64,
    /// How far below it the highest lower end lies: who stays below that is not the largest.
    depth: f64,
    /// How many reach it.
    rivals: usize,
    /// Whether one of those has a radius.
    loose: bool,
}

impl Ties {
    /// Looks at the balls.
    pub fn of(balls: impl Iterator<Item = Ball> + Clone) -> Ties {
        let max = balls.clone().map(|x| x.m).fold(f64::NEG_INFINITY, f64::max);
        let depth = balls.clone().map(|x| below(max, x.m) + x.r).fold(f64::INFINITY, f64::min);
        let mut ties = Ties { max, depth, rivals: 0, loose: false };
        for x in balls {
            if ties.may_be_largest(x) {
                ties.rivals += 1;
                ties.loose |= x.r > 0.0;
            }
        }
        ties
    }

    fn may_be_largest(&self, x: Ball) -> bool {
        below(self.max, x.m) - x.r <= self.depth
    }

    /// ∂max/∂x: 1 for the largest, 0 for the others; exactly at a tie one end of the set, 1; where balls overlap, the
    /// true branch with a radius that reaches the other.
    pub fn share(&self, x: Ball) -> Ball {
        if !self.may_be_largest(x) {
            return Ball::ZERO;
        }
        let m = if x.m == self.max { 1.0 } else { 0.0 };
        Ball::new(m, if self.rivals > 1 && self.loose { 1.0 } else { 0.0 })
    }
}

/// max − x, 0 also between equal infinities.
fn below(max: f64, x: f64) -> f64 {
    if max == x { 0.0 } else { max - x }
}
