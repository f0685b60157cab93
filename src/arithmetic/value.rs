//! Values of a graph: balls, and at kinks sets.
//!
//! A set is a function of the choices made at kinks, each a number of [0, 1], affine in each of them: it is kept by its values
//! where every choice is 0 or 1, its corners. A choice has a name, so that what depends on it in two ways, as
//! h·u − h·v does, stays together. *Sound*: the least and the greatest value of a function that is affine in each
//! choice are among its corners; where that form is lost (a product of two sets that share a choice, or more than three
//! choices), the set becomes the interval between its least and greatest corner, a superset.

use super::ball::{Ball, Place};
use super::number::Number;
use std::cmp::Ordering;

/// The name of a choice: the two nodes that meet at the kink (0 and the node where it is one), and the element.
pub type Kink = (usize, usize, usize);

/// Beyond so many choices a set is taken as an interval.
const MOST_KINKS: usize = 3;

/// An element of an array.
#[derive(Clone, Debug)]
pub enum Value {
    /// One number.
    Point(Ball),
    /// Every number between the corners.
    Set(Box<Corners>),
}

/// A function of choices: `balls[c]` is its value where choice k is bit k of c.
#[derive(Clone, Debug)]
pub struct Corners {
    kinks: Vec<Kink>,
    balls: Vec<Ball>,
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

impl Corners {
    /// The choices that it depends on.
    pub fn kinks(&self) -> &[Kink] {
        &self.kinks
    }

    /// The values at the corners.
    pub fn balls(&self) -> &[Ball] {
        &self.balls
    }

    /// The value where each choice is as `choice` says; `None` where it does not know one.
    pub fn at(&self, choice: impl Fn(Kink) -> Option<bool>) -> Option<&Ball> {
        let mut corner = 0;
        for (k, &kink) in self.kinks.iter().enumerate() {
            corner |= usize::from(choice(kink)?) << k;
        }
        self.balls.get(corner)
    }
}

impl Value {
    /// The numbers from `at_zero` to `at_one`, by the choice at a kink; a point where both are the same exact number.
    pub fn kink(kink: Kink, at_zero: Ball, at_one: Ball) -> Value {
        Value::of_corners(vec![kink], vec![at_zero, at_one])
    }

    /// The set with these corners.
    pub fn of_corners(kinks: Vec<Kink>, balls: Vec<Ball>) -> Value {
        let same = |a: &Ball, b: &Ball| match (a, b) {
            (Ball::Finite { mid: x, .. }, Ball::Finite { mid: y, .. }) => {
                a.is_exact() && b.is_exact() && **x == **y
            }
            (Ball::Undefined, Ball::Undefined) => true,
            _ => false,
        };
        if balls.iter().skip(1).all(|ball| same(&balls[0], ball)) {
            return Point(balls.into_iter().next().unwrap_or(Ball::Unknown));
        }
        Set(Box::new(Corners { kinks, balls }))
    }

    /// What a kink gives while it is not separated from its neighbours: the hull of the branches as an uncertain
    /// number, so that a higher precision is asked; at the last precision as a set.
    pub fn unseparated(kink: Kink, at_zero: Ball, at_one: Ball, effort: Effort) -> Value {
        if effort.last {
            Value::kink(kink, at_zero, at_one)
        } else {
            Point(at_zero.hull(&at_one, effort.prec))
        }
    }

    /// The least and the greatest number.
    pub fn ends(&self, prec: u32) -> (Ball, Ball) {
        match self {
            Point(ball) => (ball.clone(), ball.clone()),
            Set(corners) => {
                let extreme = |wanted| {
                    let first = corners.balls[0].clone();
                    corners.balls.iter().skip(1).fold(first, |best, ball| extremum(&best, ball, wanted, prec))
                };
                (extreme(Ordering::Less), extreme(Ordering::Greater))
            }
        }
    }

    /// The enclosure as one ball.
    pub fn ball(&self, prec: u32) -> Ball {
        match self {
            Point(ball) => ball.clone(),
            Set(corners) => {
                let first = corners.balls[0].clone();
                corners.balls.iter().skip(1).fold(first, |hull, ball| hull.hull(ball, prec))
            }
        }
    }

    /// f at every corner of a function that is affine.
    pub fn map(&self, f: impl Fn(&Ball) -> Ball) -> Value {
        match self {
            Point(ball) => Point(f(ball)),
            Set(corners) => Value::of_corners(corners.kinks.clone(), corners.balls.iter().map(f).collect()),
        }
    }

    /// −x.
    pub fn neg(&self) -> Value {
        self.map(Ball::neg)
    }

    /// a + b, at the node and element `here`.
    pub fn add(&self, other: &Value, prec: u32, here: Kink) -> Value {
        match (self, other) {
            (Point(a), Point(b)) => Point(a.add(b, prec)),
            (Set(_), Point(b)) => self.map(|a| a.add(b, prec)),
            (Point(a), Set(_)) => other.map(|b| a.add(b, prec)),
            (Set(a), Set(b)) => combined(a, b, prec, here, |a, b| a.add(b, prec)),
        }
    }

    /// a · b, at the node and element `here`.
    pub fn mul(&self, other: &Value, prec: u32, here: Kink) -> Value {
        match (self, other) {
            (Point(a), Point(b)) => Point(a.mul(b, prec)),
            (Set(_), Point(b)) => self.map(|a| a.mul(b, prec)),
            (Point(a), Set(_)) => other.map(|b| a.mul(b, prec)),
            (Set(a), Set(b)) => {
                if a.kinks.iter().any(|kink| b.kinks.contains(kink)) {
                    // Not affine in the choice they share: two independent intervals hold the product.
                    // Names that no node and no other element has.
                    let (a, b) = (
                        self.interval((usize::MAX, here.1, here.2), prec),
                        other.interval((usize::MAX - 1, here.1, here.2), prec),
                    );
                    return a.mul(&b, prec, here);
                }
                combined(a, b, prec, here, |a, b| a.mul(b, prec))
            }
        }
    }

    /// a / b; a set b as its hull.
    pub fn div(&self, other: &Value, prec: u32) -> Value {
        let divisor = other.ball(prec);
        self.map(|a| a.div(&divisor, prec))
    }

    /// Σ of values, at the node and element `here`.
    pub fn sum<'a>(terms: impl Iterator<Item = &'a Value> + Clone, prec: u32, here: Kink) -> Value {
        let points = terms.clone().filter_map(|term| match term {
            Point(ball) => Some(ball),
            Set(_) => None,
        });
        let sets = terms.filter(|term| matches!(term, Set(_)));
        sets.fold(Point(Ball::sum(points, prec)), |sum, set| sum.add(set, prec, here))
    }

    /// The interval between the ends, as a choice of its own.
    fn interval(&self, name: Kink, prec: u32) -> Value {
        match self {
            Point(_) => self.clone(),
            Set(_) => {
                let (low, high) = self.ends(prec);
                Value::kink(name, low, high)
            }
        }
    }
}

/// An operation that is affine in each of two sets, corner by corner over the choices of both.
fn combined(a: &Corners, b: &Corners, prec: u32, here: Kink, op: impl Fn(&Ball, &Ball) -> Ball) -> Value {
    let mut kinks = a.kinks.clone();
    kinks.extend(b.kinks.iter().filter(|kink| !a.kinks.contains(kink)));
    let bit = |corner: usize, kink: Kink| {
        let place = kinks.iter().position(|&known| known == kink)?;
        Some(corner >> place & 1 == 1)
    };
    let at = |corner: usize| {
        let (a, b) = (a.at(|kink| bit(corner, kink)), b.at(|kink| bit(corner, kink)));
        a.zip(b).map_or(Ball::Unknown, |(a, b)| op(a, b))
    };
    let balls = (0..1 << kinks.len()).map(at).collect();
    let too_many = kinks.len() > MOST_KINKS;
    let value = Value::of_corners(kinks, balls);
    if too_many { value.interval(here, prec) } else { value }
}

/// The smaller (wanted Less) or larger of two numbers; where the balls do not decide, a ball around both candidates.
pub fn extremum(a: &Ball, b: &Ball, wanted: Ordering, prec: u32) -> Ball {
    match a.compare(b, prec) {
        Some(order) if order == wanted || order == Ordering::Equal => a.clone(),
        Some(_) => b.clone(),
        None => match (a.ends(prec), b.ends(prec)) {
            (Some((a_low, a_high)), Some((b_low, b_high))) => {
                // min(a, b) ∈ [min of the lower ends, min of the upper ends]; likewise for max.
                let pick = |x: &Number, y: &Number| {
                    if x.partial_cmp(&**y) == Some(wanted) { x.clone() } else { y.clone() }
                };
                Ball::from_ends(&pick(&a_low, &b_low), &pick(&a_high, &b_high), prec)
            }
            _ if matches!(a, Ball::Undefined) || matches!(b, Ball::Undefined) => Ball::Undefined,
            _ => Ball::Unknown,
        },
    }
}

/// `at_zero` below a kink, `at_one` above it, all between at it.
pub fn at_kink(place: Place, kink: Kink, at_zero: Ball, at_one: Ball, effort: Effort) -> Value {
    match place {
        Place::Positive => Point(at_one),
        Place::Negative => Point(at_zero),
        Place::Zero => Value::kink(kink, at_zero, at_one),
        Place::Straddles => Value::unseparated(kink, at_zero, at_one, effort),
    }
}
