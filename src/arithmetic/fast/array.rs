//! Arrays of fast balls, as columns: midpoints, radii, sides. Inputs stay where they are, one ball that stands everywhere is
//! kept once, and sides are kept only where there is one.

use super::ball::Ball;
use super::rows::Total;
use crate::arithmetic::ball::Side;
use std::ops::Range;

/// An array of balls.
pub(super) enum Array<'a> {
    /// An input: exact numbers.
    Exact(&'a [f64]),
    /// The same ball everywhere.
    Repeated(Ball, usize),
    /// A ball for each element.
    Columns(Columns),
}

use Array::{Exact, Repeated};

/// A ball for each element, one-sided where `side` says so.
#[derive(Default)]
pub(super) struct Columns {
    mid: Vec<f64>,
    rad: Vec<f64>,
    /// Empty where no ball is one-sided.
    side: Vec<Side>,
}

impl Columns {
    #[inline(always)]
    pub fn get(&self, element: usize) -> Ball {
        let side = if self.side.is_empty() { Side::Any } else { self.side[element] };
        Ball::of_parts(self.mid[element], self.rad[element], side)
    }

    /// Zeros, to be set.
    pub fn zeros(length: usize) -> Columns {
        Columns { mid: vec![0.0; length], rad: vec![0.0; length], side: Vec::new() }
    }

    #[inline(always)]
    pub fn set(&mut self, element: usize, ball: Ball) {
        let (mid, rad, side) = ball.parts();
        (self.mid[element], self.rad[element]) = (mid, rad);
        if side != Side::Any || !self.side.is_empty() {
            set_side(&mut self.side, self.mid.len(), element, side);
        }
    }

    /// The sum so far and the elements of the range.
    pub fn sum(&self, mut total: Total, range: Range<usize>) -> Total {
        if !self.side.is_empty() {
            range.for_each(|i| total.push(self.get(i)));
            return total;
        }
        let columns = self.mid[range.clone()].iter().zip(&self.rad[range]);
        columns.for_each(|(&mid, &rad)| total.push(Ball::around(mid, rad)));
        total
    }

    /// Element by element, in order.
    #[inline(always)]
    pub fn from_iter(balls: impl ExactSizeIterator<Item = Ball>) -> Columns {
        let length = balls.len();
        let (mut mid, mut rad, mut side) = (vec![0.0; length], vec![0.0; length], Vec::new());
        for (i, ((mid, rad), ball)) in mid.iter_mut().zip(&mut rad).zip(balls).enumerate() {
            let (m, r, s) = ball.parts();
            (*mid, *rad) = (m, r);
            if s != Side::Any {
                set_side(&mut side, length, i, s);
            }
        }
        Columns { mid, rad, side }
    }

    /// The balls in order.
    #[inline(always)]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Ball> + '_ {
        let columns = self.mid.iter().zip(&self.rad).enumerate();
        columns.map(|(i, (&mid, &rad))| {
            let side = if self.side.is_empty() { Side::Any } else { self.side[i] };
            Ball::of_parts(mid, rad, side)
        })
    }
}

#[cold]
#[inline(never)]
fn set_side(sides: &mut Vec<Side>, length: usize, at: usize, side: Side) {
    sides.resize(length, Side::Any);
    sides[at] = side;
}

impl<'a> Array<'a> {
    /// Element by element, in order.
    #[inline(always)]
    pub fn from_fn(length: usize, mut f: impl FnMut(usize) -> Ball) -> Array<'a> {
        match length {
            1 => Repeated(f(0), 1),
            _ => Array::Columns(Columns::from_iter((0..length).map(f))),
        }
    }

    /// Of which nothing is known.
    pub fn unknown(length: usize) -> Array<'a> {
        Repeated(Ball::UNKNOWN, length)
    }

    pub fn len(&self) -> usize {
        match self {
            Exact(values) => values.len(),
            Repeated(_, length) => *length,
            Array::Columns(columns) => columns.mid.len(),
        }
    }

    #[inline(always)]
    pub fn get(&self, element: usize) -> Ball {
        match self {
            Exact(values) => Ball::exact(values[element]),
            Repeated(ball, _) => *ball,
            Array::Columns(columns) => columns.get(element),
        }
    }

    /// The ball that stands everywhere, if it is kept as one.
    pub fn repeated(&self) -> Option<Ball> {
        match self {
            Repeated(ball, _) => Some(*ball),
            _ => None,
        }
    }

    /// f of each ball, in order.
    #[inline(always)]
    pub fn for_each(&self, mut f: impl FnMut(Ball)) {
        match self {
            Exact(values) => values.iter().for_each(|&x| f(Ball::exact(x))),
            Repeated(ball, length) => (0..*length).for_each(|_| f(*ball)),
            Array::Columns(columns) => columns.iter().for_each(f),
        }
    }

    /// f of each element.
    #[inline(always)]
    pub fn map(&self, f: impl Fn(Ball) -> Ball) -> Array<'a> {
        match self {
            Repeated(ball, length) => Repeated(f(*ball), *length),
            Exact(values) => Array::Columns(Columns::from_iter(values.iter().map(|&x| f(Ball::exact(x))))),
            Array::Columns(columns) => Array::Columns(Columns::from_iter(columns.iter().map(f))),
        }
    }

    /// f of the elements of two arrays.
    #[inline(always)]
    pub fn zip(&self, other: &Array<'a>, f: impl Fn(Ball, Ball) -> Ball) -> Array<'a> {
        match (self, other) {
            (Repeated(a, length), Repeated(b, _)) => Repeated(f(*a, *b), *length),
            (Repeated(a, _), b) => b.map(|b| f(*a, b)),
            (a, Repeated(b, _)) => a.map(|a| f(a, *b)),
            _ => Array::from_fn(self.len(), |i| f(self.get(i), other.get(i))),
        }
    }
}
