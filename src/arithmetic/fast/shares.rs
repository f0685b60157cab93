//! Exponentials over their rows' sums, divided when they are read: a column of quotients would cost as much memory again as
//! the exponentials, and a long row's leaves the caches.

use super::array::Block;
use super::ball::{Ball, Divide, Midpoint};
use super::rows::{BLOCK, Exponentials};
use crate::arithmetic::ball::Side;
use std::rc::Rc;

/// The exponentials of rows over the rows' sums, but for one element of each row that may be given.
pub(super) struct Shares<M: Midpoint> {
    exponentials: Rc<Exponentials<M>>,
    /// The rows' length.
    n: usize,
    /// An element of each row, as its place in the row and what stands there; empty where none is given.
    given: Vec<(usize, Ball<M>)>,
}

impl<M: Midpoint> Shares<M> {
    /// Of rows of `n` elements each, the given ones in their places.
    pub fn of(exponentials: Rc<Exponentials<M>>, n: usize, given: Vec<(usize, Ball<M>)>) -> Shares<M> {
        debug_assert!(given.is_empty() || given.len() == exponentials.rows.len());
        Shares { exponentials, n, given }
    }

    pub fn len(&self) -> usize {
        self.exponentials.terms.len()
    }

    #[inline(always)]
    pub fn get(&self, element: usize) -> Ball<M> {
        let (at, place) = (element / self.n, element % self.n);
        match (&self.exponentials.rows[at], self.given.get(at)) {
            (Some(_), Some(&(given, ball))) if given == place => ball,
            (Some(row), _) => row.divisor.divide(self.exponentials.terms.get(element)),
            (None, _) => Ball::UNKNOWN,
        }
    }

    /// f of each ball, in order.
    #[inline(always)]
    pub fn for_each(&self, mut f: impl FnMut(Ball<M>)) {
        self.for_each_block(|block| match block {
            Block::Plain(mid, rad) => {
                mid.iter().zip(rad).for_each(|(&mid, &rad)| f(Ball::around(mid, rad)));
            }
            Block::One(ball) => f(ball),
        });
    }

    /// f of all balls, many at a time where they are divided together, in order.
    #[inline(always)]
    pub fn for_each_block(&self, mut f: impl FnMut(Block<'_, M>)) {
        let (mut mid, mut rad) = ([M::ZERO; BLOCK], [0.0; BLOCK]);
        for (at, row) in self.exponentials.rows.iter().enumerate() {
            let end = (at + 1) * self.n;
            for start in (at * self.n..end).step_by(BLOCK) {
                let range = start..(start + BLOCK).min(end);
                let (mid, rad) = (&mut mid[..range.len()], &mut rad[..range.len()]);
                let terms = self.exponentials.terms.plain(range.clone());
                let mut filled = match (row, terms) {
                    (Some(row), Some(terms)) => row.divisor.divide_all(terms, (mid, rad)),
                    _ => false,
                };
                let given = self.given.get(at).map(|&(place, ball)| (at * self.n + place, ball.parts()));
                if let Some((given, (m, r, side))) = given.filter(|(given, _)| range.contains(given)) {
                    (mid[given - start], rad[given - start]) = (m, r);
                    filled &= side == Side::Any;
                }
                if filled {
                    f(Block::Plain(mid, rad));
                } else {
                    range.for_each(|i| f(Block::One(self.get(i))));
                }
            }
        }
    }
}
