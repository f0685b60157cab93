//! Arrays of fast balls, as columns: midpoints, radii, sides. Inputs stay where they are, and one ball that stands everywhere is
//! kept once.

use super::ball::Ball;
use crate::arithmetic::ball::Side;

/// An array of balls.
pub(super) enum Array<'a> {
    /// An input: exact numbers.
    Exact(&'a [f64]),
    /// The same ball everywhere.
    Repeated(Ball, usize),
    /// A ball for each element.
    Columns { mid: Vec<f64>, rad: Vec<f64>, side: Vec<Side> },
}

use Array::{Columns, Exact, Repeated};

impl<'a> Array<'a> {
    /// Element by element, in order.
    #[inline(always)]
    pub fn from_fn(length: usize, mut f: impl FnMut(usize) -> Ball) -> Array<'a> {
        if length == 1 {
            return Repeated(f(0), 1);
        }
        let (mut mid, mut rad) = (vec![0.0; length], vec![0.0; length]);
        let mut side = vec![Side::Any; length];
        let columns = mid.iter_mut().zip(&mut rad).zip(&mut side).enumerate();
        columns.for_each(|(i, ((mid, rad), side))| (*mid, *rad, *side) = f(i).parts());
        Columns { mid, rad, side }
    }

    /// Of which nothing is known.
    pub fn unknown(length: usize) -> Array<'a> {
        Repeated(Ball::UNKNOWN, length)
    }

    pub fn len(&self) -> usize {
        match self {
            Exact(values) => values.len(),
            Repeated(_, length) => *length,
            Columns { mid, .. } => mid.len(),
        }
    }

    #[inline(always)]
    pub fn get(&self, element: usize) -> Ball {
        match self {
            Exact(values) => Ball::exact(values[element]),
            Repeated(ball, _) => *ball,
            Columns { mid, rad, side } => Ball::of_parts(mid[element], rad[element], side[element]),
        }
    }

    /// The ball that stands everywhere, if it is kept as one.
    pub fn repeated(&self) -> Option<Ball> {
        match self {
            Repeated(ball, _) => Some(*ball),
            _ => None,
        }
    }

    /// f of each element.
    #[inline(always)]
    pub fn map(&self, f: impl Fn(Ball) -> Ball) -> Array<'a> {
        match self {
            Repeated(ball, length) => Repeated(f(*ball), *length),
            Exact(values) => Array::from_fn(values.len(), |i| f(Ball::exact(values[i]))),
            Columns { mid, rad, side } => {
                Array::from_fn(mid.len(), |i| f(Ball::of_parts(mid[i], rad[i], side[i])))
            }
        }
    }

    /// f of the elements of two arrays.
    #[inline(always)]
    pub fn zip(&self, other: &Array<'a>, f: impl Fn(Ball, Ball) -> Ball) -> Array<'a> {
        match (self, other) {
            (Repeated(a, length), Repeated(b, _)) => Repeated(f(*a, *b), *length),
            _ => Array::from_fn(self.len(), |i| f(self.get(i), other.get(i))),
        }
    }
}
