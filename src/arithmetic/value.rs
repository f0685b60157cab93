//! Values of a graph: balls, and at kinks closed intervals whose two ends are balls.
//!
//! *Sound*: a set's ends enclose the true ends of the accepted values, taking each kink's choice as independent of the
//! others, so that a product or sum of sets holds every combination.

use super::ball::{Ball, Place};
use std::cmp::Ordering;

/// An element of an array.
#[derive(Clone, Debug)]
pub enum Value {
    /// One number.
    Point(Ball),
    /// Every number from the first to the second, ends included.
    Set(Box<(Ball, Ball)>),
}

use Value::{Point, Set};

/// What an evaluation may assume: its precision, and whether kinks that are not separated yet are taken as kinks, which
/// only the last precision does.
#[derive(Copy, Clone, Debug)]
pub struct Effort {
    /// The precision in bits.
    pub prec: u32,
    /// Whether this is the last precision.
    pub last: bool,
}

impl Value {
    /// The set from low to high; a point where both are the same exact number.
    pub fn set(low: Ball, high: Ball) -> Value {
        match (&low, &high) {
            (Ball::Finite { mid: a, .. }, Ball::Finite { mid: b, .. })
                if low.is_exact() && high.is_exact() && a == b =>
            {
                Point(low)
            }
            _ => Set(Box::new((low, high))),
        }
    }

    /// What a kink gives while it is not separated from its neighbours: the hull of the branches as an uncertain
    /// number, so that a higher precision is asked; at the last precision as a set.
    pub fn unseparated(low: Ball, high: Ball, effort: Effort) -> Value {
        if effort.last { Value::set(low, high) } else { Point(low.hull(&high, effort.prec)) }
    }

    /// The lower and the upper end.
    pub fn ends(&self) -> (&Ball, &Ball) {
        match self {
            Point(ball) => (ball, ball),
            Set(ends) => (&ends.0, &ends.1),
        }
    }

    /// The enclosure as one ball.
    pub fn ball(&self, prec: u32) -> Ball {
        match self {
            Point(ball) => ball.clone(),
            Set(ends) => ends.0.hull(&ends.1, prec),
        }
    }

    /// −x.
    pub fn neg(&self) -> Value {
        match self {
            Point(ball) => Point(ball.neg()),
            Set(ends) => Value::set(ends.1.neg(), ends.0.neg()),
        }
    }

    /// a + b.
    pub fn add(&self, other: &Value, prec: u32) -> Value {
        match (self, other) {
            (Point(a), Point(b)) => Point(a.add(b, prec)),
            _ => {
                let ((a, b), (c, d)) = (self.ends(), other.ends());
                Value::set(a.add(c, prec), b.add(d, prec))
            }
        }
    }

    /// a · b.
    pub fn mul(&self, other: &Value, effort: Effort) -> Value {
        let prec = effort.prec;
        match (self, other) {
            (Point(a), Point(b)) => Point(a.mul(b, prec)),
            (Set(set), Point(factor)) | (Point(factor), Set(set)) => {
                scaled(set, factor.place(), |end| end.mul(factor, prec), effort)
            }
            (Set(a), Set(b)) => {
                let corners =
                    [a.0.mul(&b.0, prec), a.0.mul(&b.1, prec), a.1.mul(&b.0, prec), a.1.mul(&b.1, prec)];
                let extreme = |wanted| {
                    corners
                        .iter()
                        .skip(1)
                        .fold(corners[0].clone(), |best, corner| extremum(&best, corner, wanted, prec))
                };
                Value::set(extreme(Ordering::Less), extreme(Ordering::Greater))
            }
        }
    }

    /// a / b for a point b.
    pub fn div(&self, other: &Value, effort: Effort) -> Value {
        let prec = effort.prec;
        match (self, other) {
            (Set(set), Point(divisor)) => scaled(set, divisor.place(), |end| end.div(divisor, prec), effort),
            _ => Point(self.ball(prec).div(&other.ball(prec), prec)),
        }
    }

    /// Σ of values.
    pub fn sum<'a>(terms: impl Iterator<Item = &'a Value> + Clone, prec: u32) -> Value {
        let lows = terms.clone().map(|term| term.ends().0);
        if terms.clone().all(|term| matches!(term, Point(_))) {
            return Point(Ball::sum(lows, prec));
        }
        let highs = terms.map(|term| term.ends().1);
        Value::set(Ball::sum(lows, prec), Ball::sum(highs, prec))
    }
}

/// A set times something of known sign: the ends keep their order or swap it.
fn scaled(set: &(Ball, Ball), place: Place, scale: impl Fn(&Ball) -> Ball, effort: Effort) -> Value {
    let (low, high) = (scale(&set.0), scale(&set.1));
    match place {
        Place::Positive | Place::Zero => Value::set(low, high),
        Place::Negative => Value::set(high, low),
        Place::Straddles => Value::unseparated(
            extremum(&low, &high, Ordering::Less, effort.prec),
            extremum(&low, &high, Ordering::Greater, effort.prec),
            effort,
        ),
    }
}

/// The smaller (wanted Less) or larger of two numbers; where the balls do not decide, a ball around both candidates.
pub fn extremum(a: &Ball, b: &Ball, wanted: Ordering, prec: u32) -> Ball {
    match a.compare(b, prec) {
        Some(order) if order == wanted || order == Ordering::Equal => a.clone(),
        Some(_) => b.clone(),
        None => match (a.ends(prec), b.ends(prec)) {
            (Some((a_low, a_high)), Some((b_low, b_high))) => {
                // min(a, b) ∈ [min of the lower ends, min of the upper ends]; likewise for max.
                let pick = |x: &rug::Float, y: &rug::Float| {
                    if x.partial_cmp(y) == Some(wanted) { x.clone() } else { y.clone() }
                };
                Ball::from_ends(&pick(&a_low, &b_low), &pick(&a_high, &b_high), prec)
            }
            _ if matches!(a, Ball::Undefined) || matches!(b, Ball::Undefined) => Ball::Undefined,
            _ => Ball::Unknown,
        },
    }
}
