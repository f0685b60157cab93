//! Arrays of fast balls, as columns: midpoints, radii, sides. Inputs stay where they are, one ball that stands everywhere is
//! kept once, and sides are kept only where there is one.

use super::ball::{Accumulate, Ball, Divide, Midpoint};
use super::pool;
use super::rows::{BLOCK, FEW, sum};
use super::shares::Shares;
use crate::arithmetic::ball::Side;
use std::ops::Range;
use std::rc::Rc;

/// An array of balls.
pub(super) enum Array<'a, M: Midpoint> {
    /// An input: exact numbers.
    Exact(&'a [f64]),
    /// The same ball everywhere.
    Repeated(Ball<M>, usize),
    /// A ball for each element.
    Columns(Columns<M>),
    /// Another array over an exact number that is not 0, not divided yet: what it is multiplied by comes first, so that a
    /// product which the divisor divides comes out exact, as 15·(1/5) would not.
    Over(Rc<Array<'a, M>>, Ball<M>),
    /// A few known elements in order, of so many.
    Sparse(Vec<(usize, Ball<M>)>, usize),
    /// Exponentials over their rows' sums, not divided yet.
    Shares(Shares<M>),
}

use Array::{Exact, Over, Repeated, Sparse};

/// What is read at a time.
pub(super) enum Block<'b, M: Midpoint> {
    /// Midpoints and radii of balls that are not one-sided.
    Plain(&'b [M], &'b [f64]),
    /// One ball.
    One(Ball<M>),
}

/// A ball for each element, one-sided where `side` says so.
pub(super) struct Columns<M: Midpoint> {
    mid: Vec<M>,
    rad: Vec<f64>,
    /// Empty where no ball is one-sided.
    side: Vec<Side>,
}

impl<M: Midpoint> Columns<M> {
    #[inline(always)]
    pub fn get(&self, element: usize) -> Ball<M> {
        let side = if self.side.is_empty() { Side::Any } else { self.side[element] };
        Ball::of_parts(self.mid[element], self.rad[element], side)
    }

    /// To be set, each element; until then they are anything.
    pub fn unset(length: usize) -> Columns<M> {
        Columns { mid: M::unset(length), rad: pool::unset(length), side: Vec::new() }
    }

    #[inline(always)]
    pub fn set(&mut self, element: usize, ball: Ball<M>) {
        let (mid, rad, side) = ball.parts();
        (self.mid[element], self.rad[element]) = (mid, rad);
        if side != Side::Any || !self.side.is_empty() {
            set_side(&mut self.side, self.mid.len(), element, side);
        }
    }

    /// The sum so far and the elements of the range.
    pub fn sum(&self, mut total: M::Total, range: Range<usize>) -> M::Total {
        if self.side.is_empty() {
            total.push_all(&self.mid[range.clone()], &self.rad[range]);
        } else {
            range.for_each(|i| total.push(self.get(i)));
        }
        total
    }

    /// Midpoints and radii of a range, where no ball is one-sided.
    pub fn plain(&self, range: Range<usize>) -> Option<(&[M], &[f64])> {
        self.side.is_empty().then(|| (&self.mid[range.clone()], &self.rad[range]))
    }

    /// Midpoints and radii of a range, to be filled with balls that are not one-sided; `None` where one is.
    pub fn slices(&mut self, range: Range<usize>) -> Option<(&mut [M], &mut [f64])> {
        self.side.is_empty().then(|| (&mut self.mid[range.clone()], &mut self.rad[range]))
    }

    /// Element by element, in order.
    #[inline(always)]
    pub fn from_iter(balls: impl ExactSizeIterator<Item = Ball<M>>) -> Columns<M> {
        let length = balls.len();
        let (mut mid, mut rad, mut side) = (M::unset(length), pool::unset(length), Vec::new());
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
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Ball<M>> + '_ {
        let columns = self.mid.iter().zip(&self.rad).enumerate();
        columns.map(|(i, (&mid, &rad))| {
            let side = if self.side.is_empty() { Side::Any } else { self.side[i] };
            Ball::of_parts(mid, rad, side)
        })
    }
}

impl<M: Midpoint> Drop for Columns<M> {
    fn drop(&mut self) {
        M::keep(std::mem::take(&mut self.mid));
        pool::keep(std::mem::take(&mut self.rad));
    }
}

#[cold]
#[inline(never)]
fn set_side(sides: &mut Vec<Side>, length: usize, at: usize, side: Side) {
    sides.resize(length, Side::Any);
    sides[at] = side;
}

impl<'a, M: Midpoint> Array<'a, M> {
    /// Element by element, in order.
    #[inline(always)]
    pub fn from_fn(length: usize, mut f: impl FnMut(usize) -> Ball<M>) -> Array<'a, M> {
        match length {
            1 => Repeated(f(0), 1),
            _ => Array::Columns(Columns::from_iter((0..length).map(f))),
        }
    }

    /// Of which nothing is known.
    pub fn unknown(length: usize) -> Array<'a, M> {
        Repeated(Ball::UNKNOWN, length)
    }

    pub fn len(&self) -> usize {
        match self {
            Exact(values) => values.len(),
            Repeated(_, length) => *length,
            Array::Columns(columns) => columns.mid.len(),
            Over(array, _) => array.len(),
            Sparse(_, length) => *length,
            Array::Shares(shares) => shares.len(),
        }
    }

    #[inline(always)]
    pub fn get(&self, element: usize) -> Ball<M> {
        match self {
            Exact(values) => Ball::exact(values[element]),
            Repeated(ball, _) => *ball,
            Array::Columns(columns) => columns.get(element),
            Over(array, divisor) => array.get(element).div(*divisor),
            Sparse(elements, _) => match elements.binary_search_by_key(&element, |&(at, _)| at) {
                Ok(found) => elements[found].1,
                Err(_) => Ball::UNKNOWN,
            },
            Array::Shares(shares) => shares.get(element),
        }
    }

    /// The ball that stands everywhere, if it is kept as one.
    pub fn repeated(&self) -> Option<Ball<M>> {
        match self {
            Repeated(ball, _) => Some(*ball),
            Over(array, divisor) => array.repeated().map(|ball| ball.div(*divisor)),
            _ => None,
        }
    }

    /// What it is over, and the divisor.
    pub fn over(&self) -> Option<(&Rc<Array<'a, M>>, Ball<M>)> {
        match self {
            Over(array, divisor) => Some((array, *divisor)),
            _ => None,
        }
    }

    /// The array over a number.
    pub fn divided(array: Rc<Array<'a, M>>, divisor: Ball<M>) -> Rc<Array<'a, M>> {
        if divisor == Ball::ONE { array } else { Rc::new(Over(array, divisor)) }
    }

    /// The columns of midpoints and radii of a range, if it has them and no ball is one-sided.
    pub fn plain(&self, range: Range<usize>) -> Option<(&[M], &[f64])> {
        match self {
            Array::Columns(columns) => columns.plain(range),
            _ => None,
        }
    }

    /// A ball for each element.
    pub fn to_columns(&self) -> Columns<M> {
        let mut columns = Columns::unset(self.len());
        let mut at = 0;
        self.for_each(|ball| {
            columns.set(at, ball);
            at += 1;
        });
        columns
    }

    /// f of all balls, many at a time where that can be, in order.
    #[inline(always)]
    pub fn for_each_block(&self, mut f: impl FnMut(Block<'_, M>)) {
        match (self, self.plain(0..self.len())) {
            (_, Some((mid, rad))) => f(Block::Plain(mid, rad)),
            (Array::Shares(shares), _) => shares.for_each_block(f),
            _ => {
                let (mut mid, mut rad, mut count) = ([M::ZERO; BLOCK], [0.0; BLOCK], 0);
                self.for_each(|ball| {
                    let (m, r, side) = ball.parts();
                    if side == Side::Any {
                        (mid[count], rad[count]) = (m, r);
                        count += 1;
                    }
                    if side != Side::Any || count == BLOCK {
                        f(Block::Plain(&mid[..count], &rad[..count]));
                        count = 0;
                    }
                    if side != Side::Any {
                        f(Block::One(ball));
                    }
                });
                f(Block::Plain(&mid[..count], &rad[..count]));
            }
        }
    }

    /// Σ of a range.
    pub fn sum(&self, range: Range<usize>) -> Ball<M> {
        match self {
            Array::Columns(columns) if range.len() > FEW => columns.sum(M::Total::default(), range).ball(),
            _ => sum(range.len(), range.map(|i| self.get(i))),
        }
    }

    /// f of each ball, in order.
    #[inline(always)]
    pub fn for_each(&self, mut f: impl FnMut(Ball<M>)) {
        match self {
            Exact(values) => values.iter().for_each(|&x| f(Ball::exact(x))),
            Repeated(ball, length) => (0..*length).for_each(|_| f(*ball)),
            Array::Columns(columns) => columns.iter().for_each(f),
            Over(array, divisor) => {
                let divisor = M::Divisor::new(*divisor);
                array.for_each_plain(|ball| f(divisor.divide(ball)));
            }
            Sparse(..) => self.for_each_plain(f),
            Array::Shares(shares) => shares.for_each(f),
        }
    }

    /// As [`Array::for_each`], of an array that is over nothing.
    #[inline(always)]
    fn for_each_plain(&self, mut f: impl FnMut(Ball<M>)) {
        match self {
            Exact(values) => values.iter().for_each(|&x| f(Ball::exact(x))),
            Array::Columns(columns) => columns.iter().for_each(f),
            Array::Shares(shares) => shares.for_each(f),
            array => (0..array.len()).for_each(|i| f(array.get(i))),
        }
    }

    /// f of each element.
    #[inline(always)]
    pub fn map(&self, f: impl Fn(Ball<M>) -> Ball<M>) -> Array<'a, M> {
        match self {
            Repeated(ball, length) => Repeated(f(*ball), *length),
            Exact(values) => Array::Columns(Columns::from_iter(values.iter().map(|&x| f(Ball::exact(x))))),
            Array::Columns(columns) => Array::Columns(Columns::from_iter(columns.iter().map(f))),
            Over(..) | Sparse(..) => Array::from_fn(self.len(), |i| f(self.get(i))),
            Array::Shares(_) => Array::Columns(self.to_columns()).map(f),
        }
    }

    /// f of the elements of two arrays.
    #[inline(always)]
    pub fn zip(&self, other: &Array<'a, M>, f: impl Fn(Ball<M>, Ball<M>) -> Ball<M>) -> Array<'a, M> {
        match (self, other) {
            (Repeated(a, length), Repeated(b, _)) => Repeated(f(*a, *b), *length),
            (Repeated(a, _), b) => b.map(|b| f(*a, b)),
            (a, Repeated(b, _)) => a.map(|a| f(a, *b)),
            (Array::Columns(a), Array::Columns(b)) => {
                Array::Columns(Columns::from_iter(a.iter().zip(b.iter()).map(|(a, b)| f(a, b))))
            }
            (Array::Columns(a), Exact(b)) => {
                let balls = a.iter().zip(b.iter()).map(|(a, &b)| f(a, Ball::exact(b)));
                Array::Columns(Columns::from_iter(balls))
            }
            (Exact(a), Array::Columns(b)) => {
                let balls = a.iter().zip(b.iter()).map(|(&a, b)| f(Ball::exact(a), b));
                Array::Columns(Columns::from_iter(balls))
            }
            (Exact(a), Exact(b)) => {
                let balls = a.iter().zip(b.iter()).map(|(&a, &b)| f(Ball::exact(a), Ball::exact(b)));
                Array::Columns(Columns::from_iter(balls))
            }
            (Array::Shares(_), _) => Array::Columns(self.to_columns()).zip(other, f),
            (_, Array::Shares(_)) => self.zip(&Array::Columns(other.to_columns()), f),
            _ => Array::from_fn(self.len(), |i| f(self.get(i), other.get(i))),
        }
    }
}
